"""Check all that wants a GPU: tests, speed of networks and predictor, training, resuming.

Each part runs in a process of its own with a time limit; a failing one does not stop the next.
After each part report.json in the output folder holds what is known so far. No network, data, ROS
or compiler is needed; what a missing package is needed for is left out, and named.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console

from hma_depth_ros.benchmarks.gpu_check.parts import all_parts
from hma_depth_ros.benchmarks.gpu_check.run_parts import (
    FAILED,
    TIMED_OUT,
    run_parts,
    write_report,
)
from hma_depth_ros.errors import HmaDepthError


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="gpu_check", description=__doc__)
    parser.add_argument(
        "--output", type=Path, required=True, metavar="DIR", help="report, logs and figures"
    )
    parser.add_argument(
        "--device", default="cuda", help="cuda, cuda:N, or cpu with small sizes; default: cuda"
    )
    parser.add_argument("--parts", metavar="NAME,...", help="only these, in this order")
    parser.add_argument(
        "--minutes", type=float, default=7.5, help="for all parts together; default: 7.5"
    )
    parser.add_argument(
        "--baseline",
        metavar="MODULE:CALLABLE",
        help="another network to measure beside ours, as `benchmark model` takes it",
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """See the module's docstring; 1 if a part failed."""
    arguments = _parser().parse_args(argv)
    if not arguments.minutes > 0:
        raise HmaDepthError("--minutes must be positive")

    # Only now: PyTorch takes seconds to import, and a wrong argument should not wait for it.
    from hma_depth_ros.benchmarks.gpu_check.part_tables import network_floors, tables
    from hma_depth_ros.benchmarks.machine import machine
    from hma_depth_ros.network.device import choose_device

    device = choose_device(arguments.device)
    folder: Path = arguments.output.absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise HmaDepthError(f"cannot make {folder}: {error.strerror}") from error
    parts = all_parts(str(device), folder, baseline=arguments.baseline)
    if arguments.parts is not None:
        by_name = {part.name: part for part in parts}
        wanted = arguments.parts.split(",")
        if unknown := [name for name in wanted if name not in by_name]:
            raise HmaDepthError(f"no part '{unknown[0]}'; there are {', '.join(by_name)}")
        parts = [by_name[name] for name in wanted]
    about = {"device": str(device), "machine": machine()}
    results = run_parts(
        parts,
        folder,
        seconds=60 * arguments.minutes,
        about=about,
        tell=lambda text: print(text, flush=True),
    )
    least = network_floors(results)
    seconds = {
        part: {name: asdict(floor) for name, floor in found.items()}
        for part, found in least.items()
    }
    write_report(folder, {**about, "least_seconds": seconds}, results)
    console = Console(width=160)
    for table in tables(results, least):
        console.print(table)
    for name, result in results.items():
        for what, reason in result.figures.get("left_out", {}).items():
            print(f"{name}: left out: {what}: {reason}")
    print(f"report: {folder / 'report.json'}; a log and figures of each part beside it")
    return int(any(result.status in (FAILED, TIMED_OUT) for result in results.values()))
