"""Of how many frames of a list the node would call depth implausible; also of spoiled ones."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np
from rich.console import Console
from rich.table import Table

from hma_depth_ros.argument_checks import count, not_negative
from hma_depth_ros.data.splits.list_arguments import add_list_arguments, entries_of
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.inference.network_arguments import (
    add_checkpoint_argument,
    add_mount_arguments,
    mount_of,
)
from hma_depth_ros.inference.plausibility import strangeness


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="judge_depth", description=__doc__)
    add_list_arguments(parser)
    add_checkpoint_argument(parser)
    add_mount_arguments(parser)
    parser.add_argument(
        "--beyond",
        type=not_negative,
        default=0.3,
        metavar="WIDTHS",
        help="implausible_beyond (0.3)",
    )
    parser.add_argument(
        "--spoiled", action="store_true", help="also of the frames covered, overexposed and so on"
    )
    parser.add_argument("--every", type=count, default=1, metavar="N", help="only each N-th frame")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """See the module's docstring."""
    arguments = _parser().parse_args(argv)
    mount = mount_of(arguments)

    # Only now: PyTorch takes seconds to import, and a wrong argument should not wait for it.
    from hma_depth_ros.evaluation.depth_ranges import frame_traits
    from hma_depth_ros.evaluation.evaluated_network import evaluated_network
    from hma_depth_ros.evaluation.spoiled_pictures import SPOILED

    path = arguments.checkpoint
    predictor = evaluated_network(path, mount=mount)
    ranges = predictor.info.depth_ranges
    if not ranges:
        raise HmaDepthError(
            f"{path} does not know what depth its training frames give; see record_depth_ranges"
        )
    entries = entries_of(arguments)[:: arguments.every]
    table = Table(title=f"{len(entries)} frames: how far outside the usual, in widths of its range")
    for title in ("", "implausible", "least", "median", "most"):
        table.add_column(title, justify="right" if title else "left")
    kinds = {"as they are": None, **(SPOILED if arguments.spoiled else {})}
    for name, spoil in kinds.items():
        found = [strangeness(frame_traits(predictor, e, spoil), ranges)[0] for e in entries]
        share = np.mean(np.array(found) > arguments.beyond)
        figures = (min(found), float(np.median(found)), max(found))
        table.add_row(name, f"{share:.0%}", *(f"{figure:.2f}" for figure in figures))
    Console(width=100).print(table)
    return 0
