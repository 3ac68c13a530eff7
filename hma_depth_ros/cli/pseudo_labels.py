"""Label frames by what several trained networks agree on, for the training of another one.

Labels are written to a folder beside the images' own, which data.second_truth of `train` names;
with --list, a list of all frames with them as ground truth is written too.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from hma_depth_ros.argument_checks import count_or_none, positive
from hma_depth_ros.assets import named_checkpoint
from hma_depth_ros.data.depth.depth_png import write_depth_png
from hma_depth_ros.data.splits.list_arguments import add_list_arguments, entries_of
from hma_depth_ros.data.splits.split_file import SplitEntry, write_split
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.inference.network_arguments import add_mount_arguments, mount_of
from hma_depth_ros.training.samples.second_truth import label_path


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pseudo_labels",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--checkpoint",
        type=named_checkpoint,
        action="append",
        required=True,
        metavar="FILE",
        help="a network; give several, that were trained with other seeds or encoders",
    )
    add_list_arguments(parser)
    parser.add_argument(
        "--folder", default="depth_pseudo", metavar="NAME", help="default: depth_pseudo"
    )
    parser.add_argument(
        "--widths",
        type=count_or_none,
        nargs="+",
        default=[0],
        metavar="PIXELS",
        help="of the network's input, several at will; 0: the checkpoint's own (default)",
    )
    parser.add_argument(
        "--tolerance",
        type=positive,
        default=0.1,
        help="largest standard deviation of ln(depth) among the predictions (default: 0.1)",
    )
    add_mount_arguments(parser)
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N")
    parser.add_argument("--list", type=Path, metavar="FILE", help="write a list of the labels too")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """See the module's docstring."""
    arguments = _parser().parse_args(argv)
    mount = mount_of(arguments)

    # Only now: PyTorch takes seconds to import, and a wrong argument should not wait for it.
    from hma_depth_ros.data.image_file import read_rgb
    from hma_depth_ros.data.splits.entry_camera import entry_camera
    from hma_depth_ros.inference.predictor import DepthPredictor
    from hma_depth_ros.training.pseudo_labels import agreed_depth, views_of

    entries = entries_of(arguments)
    _check_folder(entries, arguments.folder)
    predictors = [
        DepthPredictor.from_checkpoint(path, device=arguments.device, mount=mount)
        for path in arguments.checkpoint
    ]
    widths = [width or None for width in arguments.widths]
    shares, labelled = [], []
    for entry in entries:
        image = read_rgb(entry.image)
        camera = entry_camera(entry, image.shape).camera
        depths = list(views_of(predictors, widths, image, camera))
        label = agreed_depth(depths, tolerance=arguments.tolerance)
        path = label_path(entry.image, arguments.folder)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_depth_png(path, label)
        shares.append(np.count_nonzero(label) / label.size)
        labelled.append(replace(entry, depth=path))
    if arguments.list is not None:
        folder = arguments.list.parent.absolute()
        write_split(arguments.list, [_relative(entry, folder) for entry in labelled])
    print(
        f"{len(labelled)} frames labelled in {arguments.folder}/, "
        f"{np.mean(shares):.0%} of their pixels"
    )
    return 0


def _check_folder(entries: Sequence[SplitEntry], folder: str) -> None:
    """See that labels take the place of labels alone.

    Raises:
        HmaDepthError: images or ground truth of the list lie there.

    """
    listed = {path.parent.resolve() for entry in entries for path in _files(entry)}
    written = {label_path(entry.image, folder).parent.resolve() for entry in entries}
    if both := sorted(listed & written):
        raise HmaDepthError(
            f"--folder {folder}: {both[0]} holds images or ground truth of the list, which labels "
            "would replace; choose another name"
        )


def _files(entry: SplitEntry) -> list[Path]:
    return [entry.image, *([entry.depth] if isinstance(entry.depth, Path) else [])]


def _relative(entry: SplitEntry, folder: Path) -> SplitEntry:
    """The entry with paths as in a list in `folder`, where its files lie below that."""
    assert isinstance(entry.depth, Path)
    image, depth = entry.image.absolute(), entry.depth.absolute()
    if not image.is_relative_to(folder) or not depth.is_relative_to(folder):
        return replace(entry, image=image, depth=depth)
    return replace(entry, image=image.relative_to(folder), depth=depth.relative_to(folder))
