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


def add_mount_arguments(group: argparse._ActionsContainer, *, by_list: bool = False) -> None:
    """Add --camera-height, once or for each list, and --camera-pitch to a parser or its group."""
    several = "; for several lists one for all, or one for each" if by_list else ""
    group.add_argument(
        "--camera-height",
        type=float,
        action="append" if by_list else "store",
        default=None if by_list else USUAL_MOUNT.height,
        metavar="METRES",
        help=f"of the camera above the road (default: KITTI's, {USUAL_MOUNT.height}){several}",
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
    return _mount(arguments.camera_height, arguments.camera_pitch)


def mounts_of(arguments: argparse.Namespace, lists: int) -> list[Mount]:
    """What they say of the camera of each list.

    Raises:
        HmaDepthError: there is no such mount, or the heights are neither one nor one for each list.

    """
    heights = arguments.camera_height or [USUAL_MOUNT.height]
    if len(heights) not in (1, lists):
        raise HmaDepthError(
            f"{len(heights)} --camera-height for {lists} --split: give one for all lists, or one "
            "for each"
        )
    mounts = [_mount(height, arguments.camera_pitch) for height in heights]
    return mounts if len(mounts) == lists else mounts * lists


def _mount(height: float, pitch: float) -> Mount:
    try:
        return Mount(height, pitch)
    except ValueError:
        raise HmaDepthError(
            "--camera-height is in metres and positive, --camera-pitch in radians; not "
            f"{height:g} and {pitch:g}"
        ) from None
