"""Unpack NYU Depth v2's labelled file into the folders and lists that BTS's tools use.

Writes ROOT/SCENE/rgb_NNNNN.png and ROOT/SCENE/sync_depth_NNNNN.png (16 bit, millimetres), N from 0
as in the file and SCENE its scene's type, so that BTS's test list finds them (also where it says
.jpg). Lists: train.txt (795) and test.txt (654) with --splits, otherwise all.txt. Interrupted, the
same command goes on; a folder unpacked with other options is refused.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from hma_depth_ros.data.depth.depth_png import read_depth_png, write_depth_png
from hma_depth_ros.data.nyu.labelled import (
    DEPTH_KINDS,
    LabelledFile,
    LabelledFrame,
    open_labelled,
    read_official_split,
)
from hma_depth_ros.data.nyu.layout import FOCAL_LENGTH, UNITS_PER_METRE, depth_path, image_path
from hma_depth_ros.data.splits.known_splits import identify
from hma_depth_ros.data.splits.split_file import SplitEntry, write_split
from hma_depth_ros.errors import HmaDepthError

#: What undistortion left of the image, as BTS has it; the white frame around it becomes black.
_ROWS, _COLUMNS = slice(7, 474), slice(7, 632)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="extract_nyu",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", type=Path, help="nyu_depth_v2_labeled.mat")
    parser.add_argument("--output", type=Path, required=True, metavar="ROOT", help="folder to fill")
    parser.add_argument("--splits", type=Path, metavar="FILE", help="splits.mat, for the lists")
    parser.add_argument(
        "--depth",
        choices=DEPTH_KINDS,
        default="raw",
        help="the sensor's, with holes, as BTS scores by; or with the holes filled in (default: "
        "%(default)s)",
    )
    parser.add_argument(
        "--keep-border",
        action="store_true",
        help="leave the images' white frame, which BTS blackens",
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """See the module's docstring."""
    arguments = _parser().parse_args(argv)
    root: Path = arguments.output
    with open_labelled(arguments.file, depth=arguments.depth) as file:
        lists = {"all": list(range(len(file)))}
        if arguments.splits is not None:
            lists = dict(zip(("train", "test"), read_official_split(arguments.splits), strict=True))
            if any(not 0 <= n < len(file) for numbers in lists.values() for n in numbers):
                raise HmaDepthError(f"{arguments.splits} numbers frames that are not in the file")
        columns = (
            TextColumn("unpacking"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
        )
        there = {number for number in range(len(file)) if _is_there(root, file, number)}
        if there:
            _check_same(root, file.frame(min(there)), keep_border=arguments.keep_border)
        screen = Console(stderr=True)
        with Progress(*columns, console=screen, disable=not screen.is_terminal) as progress:
            for number in progress.track([n for n in range(len(file)) if n not in there]):
                _write(root, file.frame(number), keep_border=arguments.keep_border)
        for name, numbers in lists.items():
            entries = [_entry(file, number) for number in numbers]
            write_split(root / f"{name}.txt", entries)
            print(f"{root / name}.txt: {identify(entries)}")
    return 0


def _is_there(root: Path, file: LabelledFile, number: int) -> bool:
    """Each file is written whole or not at all."""
    scene = file.scene(number)
    return all((root / path(scene, number)).is_file() for path in (image_path, depth_path))


def _check_same(root: Path, frame: LabelledFrame, *, keep_border: bool) -> None:
    """See that what is there was unpacked with the same options: one frame shows it.

    Raises:
        HmaDepthError: it is another picture.

    """
    from hma_depth_ros.data.image_file import read_rgb

    image, depth = root / image_path(frame.scene, frame.number), _depth_file(root, frame)
    known = np.rint(read_depth_png(depth, units_per_metre=UNITS_PER_METRE) * UNITS_PER_METRE)
    if not (
        np.array_equal(read_rgb(image), _image(frame, keep_border=keep_border))
        and np.array_equal(known, _units(frame))
    ):
        raise HmaDepthError(
            f"{root} holds frames unpacked with other options or from another file, as {image} "
            "shows; name another folder with --output"
        )


def _image(frame: LabelledFrame, *, keep_border: bool) -> npt.NDArray[np.uint8]:
    if keep_border:
        return frame.image
    image = np.zeros_like(frame.image)
    image[_ROWS, _COLUMNS] = frame.image[_ROWS, _COLUMNS]
    return image


def _units(frame: LabelledFrame) -> npt.NDArray[np.float64]:
    """Depth in millimetres, cut down and not rounded, for the figures to be BTS's."""
    return np.floor(frame.depth.astype(np.float64) * UNITS_PER_METRE)


def _depth_file(root: Path, frame: LabelledFrame) -> Path:
    return root / depth_path(frame.scene, frame.number)


def _write(root: Path, frame: LabelledFrame, *, keep_border: bool) -> None:
    from hma_depth_ros.data.image_file import write_png

    image = root / image_path(frame.scene, frame.number)
    write_png(image, _image(frame, keep_border=keep_border))
    depth = _units(frame) / UNITS_PER_METRE
    write_depth_png(_depth_file(root, frame), depth, units_per_metre=UNITS_PER_METRE)


def _entry(file: LabelledFile, number: int) -> SplitEntry:
    scene = file.scene(number)
    return SplitEntry(image_path(scene, number), depth_path(scene, number), FOCAL_LENGTH)
