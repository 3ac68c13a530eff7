"""The arguments that name the network and say how the camera is mounted, as the node's do."""

from __future__ import annotations

import argparse

from hma_depth_ros.assets import BUNDLED, named_checkpoint
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.geometry.camera_planes import USUAL_MOUNT, Mount


def add_checkpoint_argument(group: argparse._ActionsContainer) -> None:
    """Add --checkpoint to a parser or a group of it: a path, the bundled model's by default."""
    group.add_argument(
        "--checkpoint",
        type=named_checkpoint,
        default=BUNDLED,
        metavar="FILE",
        help="network (default: %(default)s)",
    )


def add_mount_arguments(group: argparse._ActionsContainer) -> None:
    """Add --camera-height and --camera-pitch to a parser or a group of it."""
    group.add_argument(
        "--camera-height",
        type=float,
        default=USUAL_MOUNT.height,
        metavar="METRES",
        help="of the camera above the road (default: KITTI's, %(default)s)",
    )
    group.add_argument(
        "--camera-pitch",
        type=float,
        default=USUAL_MOUNT.pitch,
        metavar="RADIANS",
        help="that the camera looks below the horizon (default: %(default)s)",
    )


def mount_of(arguments: argparse.Namespace) -> Mount:
    """What they say.

    Raises:
        HmaDepthError: there is no such mount.

    """
    try:
        return Mount(arguments.camera_height, arguments.camera_pitch)
    except ValueError:
        raise HmaDepthError(
            "--camera-height is in metres and positive, --camera-pitch in radians; not "
            f"{arguments.camera_height:g} and {arguments.camera_pitch:g}"
        ) from None
