"""Measure speed on this machine: `loader` (training samples, scoring of stored predictions)."""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hma_depth_ros.benchmarks.loader import LoaderReport, measure_loader, render_frames
from hma_depth_ros.data.located_split import read_located_split
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.files import atomic_path


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
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """See the module's docstring."""
    arguments = _parser().parse_args(argv)
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
    if arguments.json is not None:
        with atomic_path(arguments.json) as temporary:
            temporary.write_text(json.dumps(_json(report), indent=2) + "\n", encoding="utf-8")
    return 0


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
