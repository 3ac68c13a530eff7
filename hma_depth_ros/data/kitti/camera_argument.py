"""The argument that chooses a camera of KITTI's calibration files."""

from __future__ import annotations

import argparse

from hma_depth_ros.argument_checks import goes_with


def add_camera_argument(group: argparse._ActionsContainer) -> None:
    """Add --camera, which goes with the command's --calibration, to a parser or a group of it."""
    group.add_argument(
        "--camera",
        type=int,
        choices=range(4),
        help="of KITTI's calibration files: N of the folder image_0N (default: 2)",
    )


def camera_number(arguments: argparse.Namespace) -> int:
    """The camera, as KITTI numbers them.

    Raises:
        HmaDepthError: it was given without --calibration.

    """
    goes_with(arguments, "camera", "calibration")
    return 2 if arguments.camera is None else int(arguments.camera)
