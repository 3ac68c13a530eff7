"""The arguments that name lists of frames and where their files are."""

from __future__ import annotations

import argparse
from pathlib import Path

from hma_depth_ros.data.splits.located_split import read_located_split
from hma_depth_ros.data.splits.split_file import SplitEntry


def add_list_arguments(parser: argparse.ArgumentParser, *, several: bool = False) -> None:
    """Add --split, the list or `several`, and --data, the folder that its files lie under."""
    parser.add_argument(
        "--split",
        type=Path,
        action="append" if several else "store",
        required=True,
        metavar="FILE",
        help="list of frames; may be given several times" if several else "list of frames",
    )
    parser.add_argument(
        "--data", type=Path, metavar="ROOT", help="folder of its files (default: the list's)"
    )


def entries_of(arguments: argparse.Namespace) -> list[SplitEntry]:
    """Entries of that one list, with the paths of files.

    Raises:
        HmaDepthError: the list cannot be read, or files are missing.

    """
    return read_located_split(arguments.split, arguments.data)


def lists_of(arguments: argparse.Namespace) -> list[list[SplitEntry]]:
    """Entries of each of several lists; see `entries_of`."""
    return [read_located_split(split, arguments.data) for split in arguments.split]
