"""Measure speed on this machine: the network, the predictor, the whole node, or training's loader.

Engines take turns in one run: compare these figures with each other. Where the machine does other
work even ratios are rough; compare figures of different runs only on a quiet machine.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from hma_depth_ros.argument_checks import goes_with
from hma_depth_ros.assets import named_checkpoint
from hma_depth_ros.benchmarks.rig import Rig
from hma_depth_ros.cli.describe import image_size
from hma_depth_ros.data.splits.located_split import read_located_split
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.files import atomic_path, check_writable, temporary_folder
from hma_depth_ros.inference.engines.engine_names import ENGINES
from hma_depth_ros.inference.prediction import OUTPUTS
from hma_depth_ros.structured_text import parse_json

if TYPE_CHECKING:
    from hma_depth_ros.benchmarks.loader_speed import LoaderReport

#: Of the engines what `auto` would choose, and PyTorch.
_FASTEST = "auto:auto,torch:fp32"
_DEVICES = "auto, cpu, cuda, cuda:N or gpu (Intel's)"
#: (H, W) of KITTI's images.
_KITTI = (375, 1242)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="benchmark", description=__doc__)
    parts = parser.add_subparsers(dest="part", required=True, metavar="PART")
    loader = parts.add_parser(
        "loader",
        description="Crops of 352x704 a second with BTS's whole augmentation, through the loader "
        "that training uses; and pairs of 16-bit PNG a second under the protocol bts, caps 80 and "
        "50 m.",
        help="training samples and scoring of stored predictions, per second",
    )
    loader.add_argument("--split", type=Path, metavar="FILE", help="frames (default: rendered)")
    loader.add_argument("--data", type=Path, metavar="ROOT", help="folder of the list's files")
    loader.add_argument("--workers", type=int, default=2, metavar="N", help="default: 2")
    loader.add_argument("--seconds", type=float, default=10.0, help="of each part; default: 10")
    _add_json(loader)
    model = parts.add_parser(
        "model",
        description="The network alone, from an image in memory to the maps of all scales: engines "
        "in turn, beside a baseline and a plain matrix product.",
        help="the network alone, engines side by side",
    )
    _add_network(
        model, "torch:fp32,torch:bf16,openvino:fp32,openvino:bf16,onnxruntime:fp32", rounds=20
    )
    model.add_argument(
        "--size", type=image_size, metavar="HxW", help="default: the file's, or 352x1216"
    )
    model.add_argument(
        "--baseline",
        metavar="MODULE:CALLABLE",
        help="another network: what this returns takes normalised images (B, 3, H, W); the module "
        "may be a file of the current folder",
    )
    model.add_argument(
        "--by-stage",
        action="store_true",
        help="also each part of the network, in PyTorch, beside its operations",
    )
    model.add_argument("--device", default="auto", help=_DEVICES)
    predictor = parts.add_parser(
        "predictor",
        description="From an image in memory to depth, masks and cloud, stage by stage; and the "
        "images of several cameras, as one batch and one after the other.",
        help="image to depth, masks and cloud, without ROS; several cameras",
    )
    _add_network(predictor, _FASTEST, rounds=50)
    _add_image_size(predictor)
    predictor.add_argument(
        "--outputs",
        default="depth,attention,points",
        metavar="NAME,...",
        help="of depth, attention and points (default: all)",
    )
    predictor.add_argument(
        "--cameras", default="1,2,4", metavar="N,...", help="default: %(default)s; 0: none"
    )
    predictor.add_argument("--cloud-layout", choices=("padded", "packed"), default="padded")
    predictor.add_argument("--device", default="auto", help=_DEVICES)
    node = parts.add_parser(
        "node",
        description="The whole node over DDS: a process of its own, to which another publishes "
        "images and of which it takes the outputs. Engines in turn, each beside its network alone.",
        help="the node over DDS, from image to the last output",
    )
    _add_network(node, _FASTEST, rounds=3, threads=False)
    _add_image_size(node)
    node.add_argument(
        "--topics",
        metavar="TOPIC,...",
        help="that are listened to (default: depth, its camera_info, the cloud and all masks)",
    )
    node.add_argument(
        "--cameras",
        default="1",
        metavar="N,...",
        help="cameras that publish at the same time, each to a node of its own, such as 1,2,4; "
        "default: %(default)s",
    )
    node.add_argument(
        "--rig",
        action="store_true",
        help="beside those, one rig node for all cameras of each number, in turn with them",
    )
    node.add_argument(
        "--threads",
        default="0",
        metavar="N,...",
        help="of the CPU, of each node's network, such as 0,1; default: 0, the engine's choice",
    )
    node.add_argument(
        "--rate", type=float, default=30.0, help="images a second of each camera; default: 30"
    )
    node.add_argument("--seconds", type=float, default=5.0, help="of each round; default: 5")
    node.add_argument(
        "--parameter",
        action="append",
        default=[],
        metavar="NAME:=VALUE",
        help="more of the node's parameters, such as cloud_layout:=packed; may be repeated",
    )
    return parser


def _add_network(
    parser: argparse.ArgumentParser, engines: str, *, rounds: int, threads: bool = True
) -> None:
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--checkpoint",
        type=named_checkpoint,
        metavar="FILE",
        help="or exported file (default: `bundled`)",
    )
    what.add_argument("--model", metavar="NAME", help="a preset with random weights instead")
    parser.add_argument(
        "--engines", default=engines, metavar="ENGINE:PRECISION,...", help="default: %(default)s"
    )
    if threads:
        parser.add_argument(
            "--threads", type=int, default=0, help="of the CPU; 0: each engine's choice"
        )
    parser.add_argument(
        "--rounds", type=int, default=rounds, metavar="N", help="default: %(default)s"
    )
    _add_json(parser)


def _add_image_size(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--image-size",
        type=image_size,
        metavar="HxW",
        help="of the camera; default: 375x1242, or the only size that an exported file takes",
    )


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here too")
    parser.add_argument("--report", type=Path, metavar="FILE.html", help="and as a web page here")


def main(argv: Sequence[str] | None = None) -> int:
    """See the module's docstring."""
    arguments = _parser().parse_args(argv)

    # Only now: PyTorch takes seconds to import, and a wrong argument should not wait for it.
    from hma_depth_ros.benchmarks.machine import machine

    for path in (arguments.json, arguments.report):
        if path is not None:
            check_writable(path)
    if arguments.part == "loader":
        content = _loader(arguments)
    else:
        if arguments.rounds < 1:
            raise HmaDepthError("--rounds must be 1 or more")
        if arguments.part != "node" and arguments.threads < 0:
            raise HmaDepthError("--threads must not be negative")
        with temporary_folder(prefix="hma_depth_benchmark_") as folder:
            run = {"model": _model, "predictor": _predictor, "node": _node}[arguments.part]
            content = run(arguments, folder)
    given = {name: _plain(value) for name, value in vars(arguments).items()}
    text = json.dumps({"arguments": given, "machine": machine(), **content}, indent=2)
    if arguments.json is not None:
        with atomic_path(arguments.json) as temporary:
            temporary.write_text(text + "\n", encoding="utf-8")
    if arguments.report is not None:
        from hma_depth_ros.html_report.benchmark_page import write_benchmark_page

        write_benchmark_page(arguments.report, parse_json(text))
    return 0


def _loader(arguments: argparse.Namespace) -> dict[str, Any]:
    from hma_depth_ros.benchmarks.loader_speed import measure_loader, render_frames

    goes_with(arguments, "data", "split")
    if arguments.workers < 1 or not arguments.seconds > 0:
        raise HmaDepthError("--workers must be 1 or more, and --seconds positive")
    with temporary_folder(prefix="hma_depth_benchmark_") as folder:
        if arguments.split is None:
            frames = folder / "frames"
            frames.mkdir()
            entries = render_frames(frames)
        else:
            entries = read_located_split(arguments.split, arguments.data)
        predictions = folder / "predictions"
        predictions.mkdir()
        report = measure_loader(
            entries, predictions, workers=arguments.workers, seconds=arguments.seconds
        )
    _print(report, arguments.workers)
    return _json(report)


def _model(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    from hma_depth_ros.benchmarks.model_speed import measure_model
    from hma_depth_ros.benchmarks.tables import model_figures, model_table, stage_table

    report = measure_model(
        _checkpoint(arguments, folder),
        arguments.size,
        engines=_engines(arguments.engines, variants=True),
        device=arguments.device,
        threads=arguments.threads,
        rounds=arguments.rounds,
        baseline=arguments.baseline,
        by_stage=arguments.by_stage,
        warn=_warn,
    )
    tables = [model_table(report), *([stage_table(report)] if report.stages else [])]
    _show(tables, report.left_out)
    for name, gflops in report.products.items():
        print(f"a plain matrix product in {name}: {gflops:.0f} GFLOP/s")
    return model_figures(report)


def _predictor(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    from hma_depth_ros.benchmarks.predictor_speed import measure_predictor
    from hma_depth_ros.benchmarks.tables import predictor_figures, predictor_tables
    from hma_depth_ros.inference.points import CloudLayout

    outputs = [name for name in OUTPUTS if name in arguments.outputs.split(",")]
    if unknown := set(arguments.outputs.split(",")) - OUTPUTS - {""}:
        raise HmaDepthError(f"no output '{min(unknown)}'; use depth, attention and points")
    path = _checkpoint(arguments, folder)
    report = measure_predictor(
        path,
        arguments.image_size or _image_size(path),
        engines=_engines(arguments.engines, variants=True),
        outputs=sorted(outputs),
        cameras=[] if arguments.cameras == "0" else _counts(arguments.cameras),
        cloud_layout=CloudLayout[arguments.cloud_layout.upper()],
        device=arguments.device,
        threads=arguments.threads,
        rounds=arguments.rounds,
        warn=_warn,
    )
    _show(predictor_tables(report), report.left_out)
    return predictor_figures(report)


def _node(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    from hma_depth_ros.benchmarks.tables import node_figures, node_tables
    from hma_depth_ros.inference.engines.model_file import read_model_info

    if not arguments.rate > 0 or not arguments.seconds > 0:
        raise HmaDepthError("--rate and --seconds must be positive")
    # Only here: the other parts need no ROS.
    from hma_depth_ros.ros.distribution import check_ros

    check_ros()
    from hma_depth_ros.benchmarks.node_speed import NodePlan, default_topics, measure_node

    rigs = _rigs(arguments.cameras, arguments.threads, one_node=arguments.rig)
    path = _checkpoint(arguments, folder)
    plan = NodePlan(
        checkpoint=path.absolute(),
        image_size=arguments.image_size or _image_size(path),
        engines=_engines(arguments.engines, variants=False),
        rigs=rigs,
        topics=arguments.topics.split(",")
        if arguments.topics
        else default_topics(read_model_info(path)),
        rate=arguments.rate,
        seconds=arguments.seconds,
        rounds=arguments.rounds,
        parameters=arguments.parameter,
    )
    report = measure_node(plan, folder, warn=_warn)
    height, width = plan.image_size
    each = " from each camera" if max(rig.cameras for rig in rigs) > 1 else ""
    print(
        f"{plan.rate:g} images of {height}x{width} a second{each}; heard: {', '.join(plan.topics)}"
    )
    _show(node_tables(report), report.left_out)
    return node_figures(report)


def _checkpoint(arguments: argparse.Namespace, folder: Path) -> Path:
    from hma_depth_ros.assets import default_checkpoint
    from hma_depth_ros.benchmarks.model_speed import random_checkpoint

    if arguments.model is not None:
        return random_checkpoint(arguments.model, folder)
    chosen: Path | None = arguments.checkpoint
    return default_checkpoint() if chosen is None else chosen


def _image_size(path: Path) -> tuple[int, int]:
    from hma_depth_ros.inference.engines.model_file import ModelFormat
    from hma_depth_ros.inference.engines.model_source import ModelSource

    if ModelFormat.of(path) is ModelFormat.CHECKPOINT:
        return _KITTI
    return ModelSource(path).fixed_size or _KITTI


def _plain(value: object) -> object:
    """For JSON."""
    return str(value) if isinstance(value, Path) else value


def _warn(text: str) -> None:
    print(text, file=sys.stderr)


def _show(tables: Sequence[Table], left_out: Mapping[str, str]) -> None:
    console = Console(width=160)
    for table in tables:
        console.print(table)
    for name, reason in left_out.items():
        print(f"left out: {name}: {reason}")


def _counts(text: str) -> list[int]:
    words = text.split(",")
    if not all(word.isdecimal() and int(word) > 0 for word in words):
        raise HmaDepthError(f"--cameras takes numbers such as 1,2,4, not '{text}'")
    return list(dict.fromkeys(map(int, words)))


def _rigs(cameras: str, threads: str, *, one_node: bool = False) -> list[Rig]:
    words = threads.split(",")
    if not all(word.isdecimal() for word in words):
        raise HmaDepthError(f"--threads takes numbers such as 0,1, not '{threads}'")
    ways = (False, True) if one_node else (False,)
    return list(
        dict.fromkeys(
            Rig(count, int(word), way)
            for count in _counts(cameras)
            for word in words
            for way in ways
        )
    )


def _engines(text: str, *, variants: bool) -> list[tuple[str, str]]:
    """Engines, perhaps with PyTorch's variants, and their precisions."""
    from hma_depth_ros.benchmarks.candidates import TORCH_VARIANTS

    known = (*ENGINES, *(TORCH_VARIANTS if variants else ()))
    pairs = [item.partition(":") for item in text.split(",")]
    if wrong := [name for name, _, _ in pairs if name not in known]:
        raise HmaDepthError(f"no engine '{wrong[0]}'; use one of {', '.join(known)}")
    return [(name, precision or "auto") for name, _, precision in pairs]


def _print(report: LoaderReport, workers: int) -> None:
    crops, pairs = report.crops, report.pairs
    print(
        f"{crops.per_second:.1f} crops of 352x704 a second by {workers} processes "
        f"({crops.items} in {crops.seconds:.1f} s, {crops.cpu_milliseconds:.1f} ms of CPU each)"
    )
    stages = ", ".join(f"{name} {value:.1f}" for name, value in report.stages.items())
    print(f"  ms of one sample in one process: {stages}")
    print(
        f"{pairs.per_second:.1f} pairs scored a second by {workers} threads "
        f"({pairs.items} in {pairs.seconds:.1f} s, {pairs.cpu_milliseconds:.1f} ms of CPU each)"
    )


def _json(report: LoaderReport) -> dict[str, Any]:
    measured = {name: getattr(report, name) for name in ("crops", "pairs")}
    return {
        name: {**asdict(value), "per_second": value.per_second} for name, value in measured.items()
    } | {"stages_ms": report.stages}
