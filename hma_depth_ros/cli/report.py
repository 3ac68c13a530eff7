"""Write one web page of what other commands left: figures, curves and pictures, in a single file.

WHAT is the JSON of evaluate_* or benchmark, the folder of a training run, or a bag with depth. The
page loads nothing, so that it can be sent and kept.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.files import check_writable, shown
from hma_depth_ros.structured_text import parse_json

_BAGS = (".mcap", ".db3")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="report",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("what", type=Path, metavar="WHAT")
    parser.add_argument(
        "--output",
        type=Path,
        required=True,
        metavar="FILE.html",
        help="the page, replaced if there",
    )
    parser.add_argument(
        "--panels",
        type=Path,
        metavar="DIR",
        help="of an evaluation: the frames that it wrote by its --panels DIR",
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """See the module's docstring."""
    arguments = _parser().parse_args(argv)
    what: Path = arguments.what
    if not what.exists():
        raise HmaDepthError(f"no such file or folder: {shown(what)}")
    check_writable(arguments.output)
    evaluation = what.is_file() and what.suffix not in _BAGS
    if arguments.panels is not None and not evaluation:
        raise HmaDepthError("--panels goes with the JSON of an evaluation")
    if evaluation:
        _of_json(what, arguments.panels, arguments.output)
    elif what.is_dir() and (what / "config.yaml").is_file():
        from hma_depth_ros.html_report.training_page import write_training_page

        write_training_page(arguments.output, what)
    else:
        from hma_depth_ros.html_report.bag_page import write_bag_page

        write_bag_page(arguments.output, what)
    print(shown(arguments.output))
    return 0


def _of_json(path: Path, panels: Path | None, output: Path) -> None:
    from hma_depth_ros.html_report.benchmark_figures import is_benchmark
    from hma_depth_ros.html_report.benchmark_page import benchmark_page
    from hma_depth_ros.html_report.evaluation_page import evaluation_page
    from hma_depth_ros.html_report.render_page import write_page
    from hma_depth_ros.visualization.frame_layers import read_all_layers

    content = _content(path)
    where = shown(path)
    if is_benchmark(content):
        if panels is not None:
            raise HmaDepthError(f"--panels goes with an evaluation, and {where} is a benchmark's")
        write_page(output, benchmark_page(content, where=where))
        return
    frames = [] if panels is None else read_all_layers(panels)
    write_page(output, evaluation_page(content, frames, where=where))


def _content(path: Path) -> dict[str, Any]:
    try:
        content = parse_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise HmaDepthError(
            f"{shown(path)} is neither a bag, a training run nor JSON of evaluate_* or benchmark: "
            f"{error}"
        ) from error
    if not isinstance(content, dict):
        raise HmaDepthError(f"{shown(path)} holds no figures: its JSON is no object")
    return content
