"""What the commands `evaluate_kitti` and `evaluate_nyu` share: their arguments and their steps."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

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
from hma_depth_ros.inference.bundled import BUNDLED
from hma_depth_ros.inference.engines.engine_names import ENGINES, PRECISIONS


def _parser(prog: str, summary: str, benchmark: Benchmark) -> argparse.ArgumentParser:
    protocols = "\n".join(f"  {name:10}{p.description}" for name, p in benchmark.protocols.items())
    parser = argparse.ArgumentParser(
        prog=prog,
        description=summary,
        epilog=f"protocols:\n{protocols}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    what = parser.add_argument_group("what is scored")
    what.add_argument(
        "--data",
        type=Path,
        metavar="ROOT",
        help="folder of the images and the ground truth; of KITTI the one with kitti_raw/ (or the "
        "days) and data_depth_annotated/ (or the drives)",
    )
    what.add_argument(
        "--split",
        type=Path,
        metavar="FILE",
        help="frames: lines of 'image depth focal' as BTS's, or of 'image depth fx fy cx cy'",
    )
    what.add_argument(
        "--ground-truth",
        type=Path,
        metavar="DIR",
        help="folder of the ground truth (default: ROOT); without --split all of it is scored",
    )
    if len(benchmark.sources) > 1:
        what.add_argument(
            "--ground-truth-source",
            choices=benchmark.sources,
            default=benchmark.sources[0],
            help="annotated: the files that the split names; lidar: the velodyne scans taken with "
            "its images, also for frames without annotated depth (default: %(default)s)",
        )
    else:
        parser.set_defaults(ground_truth_source=benchmark.sources[0])
    what.add_argument(
        "--checkpoint",
        type=Path,
        action="append",
        metavar="FILE",
        help="network, or `bundled` (the default); given several times, they are compared on the "
        "same frames, with intervals of their differences",
    )
    what.add_argument(
        "--predictions",
        type=Path,
        metavar="DIR",
        help="score these instead of a checkpoint: 16-bit PNG of metres x "
        f"{benchmark.layout.units_per_metre:g} or npy of metres, named "
        f"{benchmark.prediction_names}",
    )
    how = parser.add_argument_group("how")
    how.add_argument(
        "--protocols",
        metavar="NAME,...",
        help=f"default: {benchmark.default_protocol}, and `full` of a folder that bag_to_dataset "
        "made",
    )
    how.add_argument(
        "--caps",
        default=f"{benchmark.default_cap:g}",
        metavar="METRES,...",
        help="default: %(default)s",
    )
    how.add_argument(
        "--sparsification",
        action="store_true",
        help="judge the uncertainty that the network states, or the npy in DIR/uncertainty of "
        "--predictions DIR: error that remains without the most uncertain pixels (AUSE), and how "
        "many errors are within one sigma, by distance",
    )
    how.add_argument(
        "--boundaries",
        action="store_true",
        help="score boundaries of things (F-score within 1 and 2 pixels, error beside them), on "
        "frames with dense ground truth",
    )
    how.add_argument("--flip", action="store_true", help="average with the mirrored image's depth")
    how.add_argument(
        "--quantise",
        action="store_true",
        help="cut predictions down to the units of a PNG, as BTS stores them",
    )
    how.add_argument(
        "--allow-partial",
        action="store_true",
        help="score what there is; missing and damaged frames are reported and left out",
    )
    how.add_argument("--workers", type=int, default=2, metavar="N", help="default: %(default)s")
    how.add_argument(
        "--batch",
        type=int,
        metavar="N",
        help="images that go through the network at once, if they have one size there; with --flip "
        "a frame has two (default: 4 on a GPU, 1 on a CPU, where more gain nothing)",
    )
    how.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    how.add_argument(
        "--engine",
        choices=ENGINES,
        help="default: torch (for an exported file a runtime that takes it); auto is the fastest",
    )
    how.add_argument(
        "--precision",
        choices=PRECISIONS,
        help="default: fp32 on every device (for a file exported in another its own); auto is the "
        "fastest",
    )
    how.add_argument(
        "--predictions-dir",
        type=Path,
        metavar="DIR",
        help="keep a checkpoint's predictions here, and reuse those that are there",
    )
    how.add_argument(
        "--predictions-format",
        choices=("npy", "png"),
        default="npy",
        help="of kept predictions: npy is exact, png cuts down to its units (default: %(default)s)",
    )
    add_report_options(parser).add_argument(
        "--sparsification-plot",
        type=Path,
        metavar="FILE",
        help="picture (PNG) of the error that remains; turns --sparsification on",
    )
    return parser


def add_report_options(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """Add the options that `reports_of` reads, and return their group."""
    reports = parser.add_argument_group("reports, beside the tables on the terminal")
    reports.add_argument("--json", type=Path, metavar="FILE", help="all figures")
    reports.add_argument("--csv", type=Path, metavar="FILE", help="figures by image")
    reports.add_argument("--panels", type=Path, metavar="DIR", help="best and worst frames")
    reports.add_argument(
        "--panel-count", type=int, default=3, metavar="N", help="of each (default: %(default)s)"
    )
    reports.add_argument(
        "--report",
        type=Path,
        metavar="FILE.html",
        help="all of it as one web page, with the best and worst frames",
    )
    return reports


def reports_of(arguments: argparse.Namespace) -> Reports:
    """Reports that the options ask for."""
    return Reports(
        arguments.json,
        arguments.csv,
        arguments.panels,
        arguments.panel_count,
        page=arguments.report,
    )


def evaluate_command(
    argv: Sequence[str] | None,
    *,
    prog: str,
    summary: str,
    benchmark: Benchmark,
    write_page: PageWriter,
) -> int:
    """Run an evaluation command.

    Args:
        argv: its arguments; None takes the process's.
        prog: its name.
        summary: of one line, for its help.
        benchmark: to score on.
        write_page: of `--report`.

    Returns:
        Exit status 0.

    Raises:
        HmaDepthError: wrong arguments; anything missing, damaged or of a wrong count.

    """
    arguments = _parser(prog, summary, benchmark).parse_args(argv)
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
    checkpoints = arguments.checkpoint or [None]
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
    for name in ("csv", "panels", "predictions_dir", "sparsification_plot"):
        if getattr(arguments, name):
            option = f"--{name.replace('_', '-')}"
            raise HmaDepthError(f"{option} is for one checkpoint; score them one by one for it")
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
    if arguments.predictions is None:
        if arguments.data is None or arguments.split is None:
            raise HmaDepthError(
                "a checkpoint needs --data ROOT and --split FILE; "
                "stored predictions need --predictions DIR and --ground-truth DIR"
            )
    else:
        for name in ("checkpoint", "engine", "precision", "batch", "flip", "predictions_dir"):
            if getattr(arguments, name):
                option = f"--{name.replace('_', '-')}"
                raise HmaDepthError(f"{option} is for a checkpoint, not with --predictions")
        if arguments.ground_truth is None and arguments.data is None:
            raise HmaDepthError("--predictions needs --ground-truth DIR to score by")
    if arguments.ground_truth_source == "lidar" and arguments.split is None:
        raise HmaDepthError(
            "--ground-truth-source lidar needs --split FILE, which names the images"
        )
    counts = (arguments.workers, arguments.panel_count, arguments.batch)
    if any(count is not None and count < 1 for count in counts):
        raise HmaDepthError("--workers, --batch and --panel-count must be 1 or more")
    for name in ("data", "ground_truth", "predictions"):
        folder = getattr(arguments, name)
        if folder is not None and folder.suffix == ".mat":
            raise HmaDepthError(f"unpack {folder} first: extract_nyu {folder} --output ROOT")
        if folder is not None and not folder.is_dir():
            raise HmaDepthError(f"--{name.replace('_', '-')}: there is no folder {folder}")


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
    checkpoint: Path | None,
    frames: FrameList,
    benchmark: Benchmark,
    description: dict[str, Any],
) -> tuple[PredictionSource, int]:
    """The network as a source, and how many frames it is asked for at once."""
    # Torch takes seconds to import, and a wrong argument should not wait for it.
    from hma_depth_ros.evaluation.checkpoint_source import CheckpointPredictions
    from hma_depth_ros.evaluation.prediction_cache import CachedPredictions

    named = None if checkpoint is None or str(checkpoint) == BUNDLED else checkpoint
    network = CheckpointPredictions(
        named,
        device=arguments.device,
        engine=arguments.engine,
        precision=arguments.precision,
        flip=arguments.flip,
        uncertainty=_sparsifies(arguments),
        batch=arguments.batch,
    )
    description |= {
        "checkpoint": network.description,
        **network.computed_by,
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
        },
        cameras={
            frame.name: camera_columns(frame.listed)
            for frame in frames.frames
            if frame.listed is not None
        },
        units_per_metre=benchmark.layout.units_per_metre,
        file_format=arguments.predictions_format,
        uncertainty=network.has_uncertainty,
    )
    print(f"{cache.count()} predictions are in {arguments.predictions_dir} and will be reused")
    return cache, network.batch
