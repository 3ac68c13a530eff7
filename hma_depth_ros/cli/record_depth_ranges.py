"""Have a checkpoint know what depth its training frames give; what is unlike it is implausible."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from hma_depth_ros.assets import named_checkpoint
from hma_depth_ros.data.splits.list_arguments import add_list_arguments, lists_of
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.inference.network_arguments import add_mount_arguments, mounts_of


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="record_depth_ranges", description=__doc__)
    parser.add_argument("--checkpoint", type=named_checkpoint, required=True, metavar="FILE")
    add_list_arguments(parser, several=True)
    parser.add_argument(
        "--output", type=Path, required=True, metavar="FILE", help="may be the checkpoint itself"
    )
    parser.add_argument(
        "--engine", metavar="NAME", help="default: torch in fp32; auto: the fastest, as in the node"
    )
    add_mount_arguments(parser, by_list=True)
    parser.add_argument("--device", default="auto", metavar="NAME", help="auto, cpu, cuda, cuda:N")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """See the module's docstring."""
    arguments = _parser().parse_args(argv)
    mounts = mounts_of(arguments, len(arguments.split))

    # Only now: PyTorch takes seconds to import, and a wrong argument should not wait for it.
    from hma_depth_ros.evaluation.depth_ranges import record_depth_ranges
    from hma_depth_ros.inference.engines.model_file import ModelFormat

    for path in (arguments.checkpoint, arguments.output):
        if ModelFormat.of(path) is not ModelFormat.CHECKPOINT:
            raise HmaDepthError(f"{path} is no checkpoint: record the ranges there, then export it")
    lists = lists_of(arguments)
    ranges = record_depth_ranges(
        arguments.checkpoint,
        [entry for entries in lists for entry in entries],
        arguments.output,
        device=arguments.device,
        engine=arguments.engine,
        mount=mounts[0],
        heights={
            entry.image: mount.height
            for mount, entries in zip(mounts, lists, strict=True)
            for entry in entries
        },
    )
    table = Table(title="ln of depth in metres, usual on these frames")
    for title in ("", "from", "to"):
        table.add_column(title, justify="right" if title else "left")
    for name, (low, high) in ranges.items():
        table.add_row(name, f"{low:.3f}", f"{high:.3f}")
    Console(width=100).print(table)
    return 0
