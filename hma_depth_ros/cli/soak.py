"""Run the depth node for an hour with everything heard: nothing grows, nothing is lost uncounted.

The node's real process is fed by this one over DDS. soak.json is written each minute, soak.md and
soak.png at the end, also of a run that Ctrl-C ends.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from hma_depth_ros.assets import named_checkpoint
from hma_depth_ros.benchmarks.soak.soak_report import read_soak, verdicts
from hma_depth_ros.cli.describe import image_size
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.files import atomic_path, check_writable


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="soak", description=__doc__)
    parser.add_argument(
        "--output",
        type=Path,
        required=True,
        metavar="DIR",
        help="for soak.json, .md, .png and logs",
    )
    parser.add_argument("--minutes", type=float, default=60.0, help="default: 60")
    parser.add_argument(
        "--warm-up", type=float, default=60.0, metavar="SECONDS", help="before them; default: 60"
    )
    parser.add_argument("--rate", type=float, default=10.0, help="images a second; default: 10")
    parser.add_argument(
        "--image-size",
        type=image_size,
        default=(375, 1242),
        metavar="HxW",
        help="of the camera; default: 375x1242",
    )
    parser.add_argument(
        "--checkpoint",
        type=named_checkpoint,
        metavar="FILE",
        help="or exported file (default: `bundled`)",
    )
    parser.add_argument(
        "--parameter",
        action="append",
        default=[],
        metavar="NAME:=VALUE",
        help="more of the node's parameters, such as cloud_layout:=packed; may be repeated",
    )
    parser.add_argument(
        "--domain", type=int, metavar="N", help="ROS_DOMAIN_ID; default: one that nobody uses"
    )
    parser.add_argument(
        "--report-only",
        action="store_true",
        help="run nothing: write soak.md and soak.png of the soak.json that is in DIR",
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """See the module's docstring; 1 if a promise was not kept."""
    arguments = _parser().parse_args(argv)
    folder: Path = arguments.output.absolute()
    record = folder / "soak.json"
    if arguments.report_only:
        return _report(record)
    for name in ("minutes", "rate"):
        if not 0 < getattr(arguments, name) < math.inf:
            raise HmaDepthError(f"--{name} must be positive")
    if not 0 <= arguments.warm_up < math.inf:
        raise HmaDepthError("--warm-up must not be negative")
    check_writable(record)
    record.unlink(missing_ok=True)  # of an earlier run
    try:
        _run(arguments, folder)
    finally:
        # Also of what was found until the node failed or a signal came.
        status = _report(record) if record.exists() else 1
    return status


def _run(arguments: argparse.Namespace, folder: Path) -> None:
    # Only here: a report needs no ROS.
    from hma_depth_ros.assets import default_checkpoint
    from hma_depth_ros.benchmarks.machine import machine
    from hma_depth_ros.ros.distribution import check_ros

    check_ros()
    from hma_depth_ros.benchmarks.soak.soak_run import SoakPlan, run_soak

    chosen: Path | None = arguments.checkpoint
    plan = SoakPlan(
        checkpoint=default_checkpoint() if chosen is None else chosen.absolute(),
        image_size=arguments.image_size,
        rate=arguments.rate,
        warm_up=arguments.warm_up,
        seconds=60 * arguments.minutes,
        parameters=arguments.parameter,
        domain=arguments.domain,
    )
    height, width = arguments.image_size
    about: dict[str, Any] = {
        "arguments": {
            "minutes": arguments.minutes,
            "warm_up": arguments.warm_up,
            "rate": arguments.rate,
            "image_size": f"{height}x{width}",
            "parameters": arguments.parameter,
            "checkpoint": "bundled" if chosen is None else chosen.name,
        },
        "machine": machine(),
        "began": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
    }
    run_soak(plan, folder, about, tell=lambda line: print(line, flush=True))


def _report(record: Path) -> int:
    from hma_depth_ros.benchmarks.soak.soak_page import soak_page, write_soak_plot

    content = read_soak(record)
    page = soak_page(content)
    with atomic_path(record.with_suffix(".md")) as temporary:
        temporary.write_text(page, encoding="utf-8")
    write_soak_plot(record.with_suffix(".png"), content)
    print(page)
    print(f"figures: {record}; picture: {record.with_suffix('.png')}")
    return int(any(verdict.kept is False for verdict in verdicts(content)))
