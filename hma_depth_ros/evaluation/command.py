"""What the commands `evaluate_kitti` and `evaluate_nyu` share: their steps."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from hma_depth_ros.argument_checks import goes_with, option_name
from hma_depth_ros.assets import BUNDLED, named_checkpoint
from hma_depth_ros.data.splits.own_dataset import is_own_dataset
from hma_depth_ros.data.splits.split_file import camera_columns
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.evaluation.dataset_rules import Benchmark
from hma_depth_ros.evaluation.evaluated_frames import FrameList, frames_of_folder, frames_of_split
from hma_depth_ros.evaluation.prediction_sources import (
    UNCERTAINTY_FOLDER,
    PredictionSource,
    StoredPredictions,
)
from hma_depth_ros.evaluation.protocols import protocols_by_name
from hma_depth_ros.evaluation.report.comparison import (
    comparison_content,
    comparison_tables,
    differences_from_first,
)
from hma_depth_ros.evaluation.report.written_files import write_json
from hma_depth_ros.evaluation.score_frames import Settings
from hma_depth_ros.evaluation.score_list import PageWriter, Reports, Session, wide_console
from hma_depth_ros.files import short_paths
from hma_depth_ros.geometry.camera_planes import USUAL_MOUNT
from hma_depth_ros.inference.network_arguments import mount_of


def reports_of(arguments: argparse.Namespace) -> Reports:
    """Reports that the options ask for."""
    return Reports(
        arguments.json,
        arguments.csv,
        arguments.panels,
        arguments.panel_count or Reports.panel_count,
        page=arguments.report,
    )


def evaluate_command(
    arguments: argparse.Namespace, *, benchmark: Benchmark, write_page: PageWriter
) -> int:
    """Run an evaluation command.

    Args:
        arguments: of `evaluation_parser`.
        benchmark: to score on.
        write_page: of `--report`.

    Returns:
        Exit status 0.

    Raises:
        HmaDepthError: wrong arguments; anything missing, damaged or of a wrong count.

    """
    _check(arguments)
    if arguments.protocols is None:
        own = arguments.data is not None and is_own_dataset(arguments.data)
        arguments.protocols = "full" if own else benchmark.default_protocol
    if arguments.split is not None and arguments.data is not None:
        beside = arguments.data / arguments.split
        if not arguments.split.is_file() and beside.is_file():
            arguments.split = beside
    settings = Settings(
        protocols_by_name(
            [name.strip() for name in arguments.protocols.split(",")], benchmark.protocols
        ),
        caps_of(arguments.caps),
        benchmark.layout.units_per_metre,
        quantised=arguments.quantise,
        cameras=arguments.predictions is None,
        boundaries=arguments.boundaries,
    )
    frames = _frames(arguments, benchmark)
    description: dict[str, Any] = {
        "data_set": benchmark.layout.name,
        "ground_truth_source": arguments.ground_truth_source,
        "flip": arguments.flip,
        "quantised": arguments.quantise,
    }
    checkpoints = arguments.checkpoint or [Path(BUNDLED)]
    if len(checkpoints) > 1:
        frames.check(allow_partial=arguments.allow_partial)
        _compare(
            arguments,
            frames=frames,
            settings=settings,
            benchmark=benchmark,
            description=description,
            write_page=write_page,
        )
        return 0
    if arguments.predictions is None:
        frames.check(allow_partial=arguments.allow_partial)
        source, batch = _network(arguments, checkpoints[0], frames, benchmark, description)
    else:
        wanted = _sparsifies(arguments)
        stored = StoredPredictions(arguments.predictions, benchmark, uncertainty=wanted)
        if wanted and not stored.has_uncertainty:
            _print_no_uncertainty(f"{arguments.predictions / UNCERTAINTY_FOLDER} has no npy")
        frames = frames.with_predictions(stored.names)
        frames.check(allow_partial=arguments.allow_partial)
        description["predictions"] = str(arguments.predictions)
        extra = len(stored.names) - len(frames.frames)
        print(f"{len(stored.names)} predictions, {extra} of them without ground truth to score by")
        source, batch = stored, 1
    Session(
        frames,
        source,
        settings,
        description,
        reports=replace(reports_of(arguments), sparsification=arguments.sparsification_plot),
        workers=arguments.workers,
        batch=batch,
        allow_partial=arguments.allow_partial,
        published=benchmark.published,
        write_page=write_page,
    ).run()
    return 0


def _compare(
    arguments: argparse.Namespace,
    *,
    frames: FrameList,
    settings: Settings,
    benchmark: Benchmark,
    description: dict[str, Any],
    write_page: PageWriter,
) -> None:
    """Score several networks on the same frames, and show them side by side."""
    for name in ("csv", "panels", "panel_count", "predictions_dir", "sparsification_plot"):
        if getattr(arguments, name):
            raise HmaDepthError(
                f"{option_name(name)} is for one checkpoint; score them one by one for it"
            )
    Reports(json=arguments.json, page=arguments.report).check()
    checkpoints: list[Path] = arguments.checkpoint
    names = list(short_paths([str(path) for path in checkpoints]).values())
    if len(names) < len(checkpoints):
        raise HmaDepthError("--checkpoint names one network twice")
    summaries, described = [], []
    for name, checkpoint in zip(names, checkpoints, strict=True):
        print(f"--- {name}")
        own = dict(description)
        network, batch = _network(arguments, checkpoint, frames, benchmark, own)
        summary = Session(
            frames,
            network,
            settings,
            own,
            workers=arguments.workers,
            batch=batch,
            allow_partial=arguments.allow_partial,
            published=False,
        ).run()
        summaries.append(summary)
        described.append({"name": name, **own})
    apart = differences_from_first(names, summaries)
    console = wide_console()
    for table in comparison_tables(names, summaries, apart):
        console.print(table)
    run = {"checkpoints": described, "split": frames.title}
    content = comparison_content(names, summaries, apart, run)
    if arguments.json is not None:
        write_json(arguments.json, content)
    if arguments.report is not None:
        write_page(arguments.report, content, [])


def _check(arguments: argparse.Namespace) -> None:
    """Refuse arguments that do not go together."""
    mount = mount_of(arguments)
    if arguments.predictions is None:
        if arguments.data is None or arguments.split is None:
            raise HmaDepthError(
                "a checkpoint needs --data ROOT and --split FILE; "
                "stored predictions need --predictions DIR and --ground-truth DIR"
            )
    else:
        of_network = ("engine", "precision", "batch", "flip", "predictions_dir", "device")
        for name in ("checkpoint", *of_network):
            if getattr(arguments, name):
                raise HmaDepthError(
                    f"{option_name(name)} is for a checkpoint, not with --predictions"
                )
        if arguments.ground_truth is None and arguments.data is None:
            raise HmaDepthError("--predictions needs --ground-truth DIR to score by")
        if mount != USUAL_MOUNT:
            raise HmaDepthError("a mount is for a checkpoint, not with --predictions")
    if arguments.ground_truth_source == "lidar" and arguments.split is None:
        raise HmaDepthError(
            "--ground-truth-source lidar needs --split FILE, which names the images"
        )
    counts = (arguments.workers, arguments.panel_count, arguments.batch)
    if any(count is not None and count < 1 for count in counts):
        raise HmaDepthError("--workers, --batch and --panel-count must be 1 or more")
    goes_with(arguments, "predictions_format", "predictions_dir")
    goes_with(arguments, "panel_count", "panels", "report")
    for name in ("data", "ground_truth", "predictions"):
        folder = getattr(arguments, name)
        if folder is not None and folder.suffix == ".mat":
            raise HmaDepthError(f"unpack {folder} first: extract_nyu {folder} --output ROOT")
        if folder is not None and not folder.is_dir():
            raise HmaDepthError(f"{option_name(name)}: there is no folder {folder}")


def caps_of(text: str) -> list[float]:
    """Caps in metres of the text of an option.

    Raises:
        HmaDepthError: they are not different positive numbers.

    """
    try:
        caps = [float(cap) for cap in text.split(",")]
    except ValueError:
        caps = []
    if not caps or not all(0 < cap < np.inf for cap in caps) or len(set(caps)) < len(caps):
        raise HmaDepthError(f"--caps takes different positive metres such as 80,50, not '{text}'")
    return caps


def _frames(arguments: argparse.Namespace, benchmark: Benchmark) -> FrameList:
    ground_truth = arguments.ground_truth or arguments.data
    if arguments.split is None:
        return frames_of_folder(ground_truth, benchmark)
    return frames_of_split(
        arguments.split,
        benchmark,
        images=arguments.data,
        ground_truth=ground_truth,
        image_needed=arguments.predictions is None,
        source=arguments.ground_truth_source,
    )


def _sparsifies(arguments: argparse.Namespace) -> bool:
    return bool(arguments.sparsification or arguments.sparsification_plot)


def _print_no_uncertainty(reason: str) -> None:
    print(f"no sparsification, for no uncertainty is stated: {reason}")


def _network(
    arguments: argparse.Namespace,
    checkpoint: Path,
    frames: FrameList,
    benchmark: Benchmark,
    description: dict[str, Any],
) -> tuple[PredictionSource, int]:
    """The network as a source, and how many frames it is asked for at once."""
    # Torch takes seconds to import, and a wrong argument should not wait for it.
    from hma_depth_ros.evaluation.checkpoint_source import CheckpointPredictions
    from hma_depth_ros.evaluation.prediction_cache import CachedPredictions

    mount = mount_of(arguments)
    network = CheckpointPredictions(
        named_checkpoint(checkpoint),
        device=arguments.device or "auto",
        engine=arguments.engine,
        precision=arguments.precision,
        mount=mount,
        flip=arguments.flip,
        uncertainty=_sparsifies(arguments),
        batch=arguments.batch,
    )
    # The usual one is left out, which predictions kept by earlier versions do not note either.
    told = {} if mount == USUAL_MOUNT else {"mount": f"{mount.height:g} m, {mount.pitch:g} rad"}
    description |= {
        "checkpoint": network.description,
        **network.computed_by,
        **told,
        "batch": network.batch,
    }
    print("{engine} in {precision} on {hardware}".format(**network.computed_by))
    if _sparsifies(arguments) and not network.has_uncertainty:
        _print_no_uncertainty(f"{network.description} is a model without it (model.uncertainty)")
    if arguments.predictions_dir is None:
        return network, network.batch
    cache = CachedPredictions(
        network,
        arguments.predictions_dir,
        settings={
            "checkpoint": network.description,
            "flip": arguments.flip,
            **network.computed_by,
            **told,
        },
        cameras={
            frame.name: camera_columns(frame.listed)
            for frame in frames.frames
            if frame.listed is not None
        },
        units_per_metre=benchmark.layout.units_per_metre,
        file_format=arguments.predictions_format or "npy",
        uncertainty=network.has_uncertainty,
    )
    print(f"{cache.count()} predictions are in {arguments.predictions_dir} and will be reused")
    return cache, network.batch
