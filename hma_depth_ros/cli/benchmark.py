"""Measure speed on this machine: the network in all engines, or the loader of training samples.

Engines take turns in one run, so that ratios hold even where the machine does other work; compare
figures of different runs only on a quiet machine.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from hma_depth_ros.benchmarks.loader import LoaderReport, measure_loader, render_frames
from hma_depth_ros.benchmarks.model import ModelReport, measure_model, random_checkpoint
from hma_depth_ros.cli.describe import image_size
from hma_depth_ros.data.located_split import read_located_split
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.files import atomic_path
from hma_depth_ros.inference.bundled import default_checkpoint
from hma_depth_ros.inference.engine import ENGINES
from hma_depth_ros.network.checkpoint import read_info


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
    loader.add_argument("--json", type=Path, metavar="FILE", help="write the figures here too")
    model = parts.add_parser(
        "model",
        description="The network alone, from an image in memory to the maps of all scales: engines "
        "in turn, beside a baseline and a plain matrix product.",
        help="the network alone, engines side by side",
    )
    what = model.add_mutually_exclusive_group()
    what.add_argument("--checkpoint", type=Path, metavar="FILE", help="default: the bundled one")
    what.add_argument("--model", metavar="NAME", help="a preset with random weights instead")
    model.add_argument(
        "--size", type=image_size, metavar="HxW", help="default: the checkpoint's, or 352x1216"
    )
    model.add_argument(
        "--engines",
        default="torch:fp32,torch:bf16,openvino:fp32,openvino:bf16,onnxruntime:fp32",
        metavar="ENGINE:PRECISION,...",
        help="default: %(default)s",
    )
    model.add_argument(
        "--baseline",
        metavar="MODULE:CALLABLE",
        help="another network: what this returns takes normalised images (B, 3, H, W)",
    )
    model.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    model.add_argument("--threads", type=int, default=0, help="of the CPU; 0: each engine's choice")
    model.add_argument("--rounds", type=int, default=20, metavar="N", help="default: %(default)s")
    model.add_argument("--json", type=Path, metavar="FILE", help="write the figures here too")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """See the module's docstring."""
    arguments = _parser().parse_args(argv)
    content = _loader(arguments) if arguments.part == "loader" else _model(arguments)
    if arguments.json is not None:
        with atomic_path(arguments.json) as temporary:
            temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return 0


def _loader(arguments: argparse.Namespace) -> dict[str, Any]:
    if arguments.workers < 1 or not arguments.seconds > 0:
        raise HmaDepthError("--workers must be 1 or more, and --seconds positive")
    with tempfile.TemporaryDirectory(prefix="hma_depth_benchmark_") as name:
        folder = Path(name)
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


def _model(arguments: argparse.Namespace) -> dict[str, Any]:
    if arguments.rounds < 1 or arguments.threads < 0:
        raise HmaDepthError("--rounds must be 1 or more, and --threads not negative")
    with tempfile.TemporaryDirectory(prefix="hma_depth_benchmark_") as folder:
        if arguments.model is not None:
            path = random_checkpoint(arguments.model, Path(folder))
        else:
            path = arguments.checkpoint or default_checkpoint()
        width = read_info(path).preprocessing.input_width
        # KITTI's 1242x375 at the width of the checkpoint, or BTS's crop.
        usual = (352, 1216) if width is None else (round(width * 375 / 1242), width)
        report = measure_model(
            path,
            arguments.size or usual,
            engines=_engines(arguments.engines),
            device=arguments.device,
            threads=arguments.threads,
            rounds=arguments.rounds,
            baseline=arguments.baseline,
            warn=lambda text: print(text, file=sys.stderr),
        )
    Console(width=100).print(_table(report))
    for name, reason in report.left_out.items():
        print(f"left out: {name}: {reason}")
    for name, gflops in report.products.items():
        print(f"a plain matrix product in {name}: {gflops:.0f} GFLOP/s")
    return {
        "size": report.size,
        "gflop": report.gflop,
        "matrix_product_gflops": report.products,
        "left_out": report.left_out,
        "timings": {name: asdict(timing) for name, timing in report.timings.items()},
    }


def _engines(text: str) -> list[tuple[str, str]]:
    pairs = [item.partition(":") for item in text.split(",")]
    if wrong := [name for name, _, _ in pairs if name not in ENGINES]:
        raise HmaDepthError(f"no engine '{wrong[0]}'; use one of {', '.join(ENGINES)}")
    return [(name, precision or "auto") for name, _, precision in pairs]


def _table(report: ModelReport) -> Table:
    height, width = report.size
    table = Table(title=f"one image of {height}x{width}, {report.gflop:.1f} GFLOP")
    for title in ("", "median ms", "quartiles", "ratio", "images/s", "CPU ms", "GFLOP/s"):
        table.add_column(title, justify="left" if not title else "right")
    first = next(iter(report.timings.values())).median
    for name, timing in report.timings.items():
        quartiles = " to ".join(f"{1e3 * seconds:.1f}" for seconds in timing.quartiles)
        # A baseline's operations are not known.
        rate = "" if name.startswith("baseline") else f"{report.gflop / timing.median:.0f}"
        table.add_row(
            name,
            f"{1e3 * timing.median:.1f}",
            quartiles,
            f"{first / timing.median:.2f}",
            f"{1 / timing.median:.1f}",
            f"{1e3 * timing.cpu_median:.1f}",
            rate,
        )
    return table


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
