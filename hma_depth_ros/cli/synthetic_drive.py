"""Render a street as a KITTI raw drive, with exact depth and labels; with --bag as rosbag2 too."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Sequence
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from hma_depth_ros.data.kitti.layout import SYNTHETIC_DRIVES
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.geometry.camera import PinholeCamera
from hma_depth_ros.geometry.camera_planes import Mount
from hma_depth_ros.inference.network_arguments import add_mount_arguments, mount_of

#: Of KITTI's camera 2 on 2011_09_26, rectified.
_KITTI_SIZE = (1242, 375)
#: A process takes about as long to start as one frame takes to render.
_FRAMES_PER_PROCESS = 4


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="synthetic_drive", description=__doc__)
    parser.add_argument(
        "--output", type=Path, required=True, metavar="ROOT", help="folder of recordings"
    )
    parser.add_argument(
        "--frames", type=int, default=20, help="length, at 10 Hz and 10 m/s (default: %(default)s)"
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="which street; same seed, same bytes (default: 0)"
    )
    parser.add_argument(
        "--drive",
        type=int,
        default=SYNTHETIC_DRIVES[1],
        help=f"number of the drive, {SYNTHETIC_DRIVES[0]} to {SYNTHETIC_DRIVES[-1]}; one that "
        "is there is replaced (default: %(default)s)",
    )
    parser.add_argument(
        "--size",
        type=_size,
        default=_KITTI_SIZE,
        metavar="WxH",
        help="KITTI's image resized to this size (default: 1242x375)",
    )
    parser.add_argument(
        "--focal-length",
        type=float,
        metavar="PIXELS",
        help="of another camera, with square pixels and the principal point in the image's middle",
    )
    add_mount_arguments(parser)
    parser.add_argument(
        "--bag", type=Path, help="new folder for a rosbag2 of the drive, as kitti_to_bag makes it"
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point."""
    parser = _parser()
    arguments = parser.parse_args(argv)

    if arguments.frames < 1:
        parser.error("--frames must be at least 1")
    if arguments.seed < 0:
        parser.error("--seed must not be negative")
    if arguments.bag is not None and arguments.bag.exists():
        raise HmaDepthError(f"--bag: {arguments.bag} exists already; name a new folder")

    # Only now: what works here takes its time to import, and a wrong argument need not wait for it.
    from hma_depth_ros.bags.kitti.drive_bag import write_kitti_bag
    from hma_depth_ros.synthetic.kitti_writer import write_kitti_drive
    from hma_depth_ros.synthetic.synthetic_drive import SyntheticDrive

    width, height = arguments.size
    drive = SyntheticDrive(
        seed=arguments.seed,
        frames=arguments.frames,
        camera=_camera(width, height, arguments.focal_length),
        mount=_mount(arguments),
    )
    columns = (TextColumn("rendering"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns) as progress:
        task = progress.add_task("", total=len(drive))
        kitti = write_kitti_drive(
            drive,
            arguments.output,
            number=arguments.drive,
            processes=max(1, min(os.cpu_count() or 1, len(drive) // _FRAMES_PER_PROCESS)),
            progress=lambda _: progress.advance(task),
        )
    print(f"{kitti.folder}: {len(drive)} frames; depth in {kitti.annotated_root}")
    if arguments.bag is not None:
        counts = write_kitti_bag(kitti, arguments.bag)
        print(f"{arguments.bag}: {sum(counts.values())} messages on {', '.join(counts)}")
    return 0


def _camera(width: int, height: int, focal_length: float | None) -> PinholeCamera:
    from hma_depth_ros.synthetic.synthetic_drive import KITTI_CAMERA

    if focal_length is not None:
        try:
            return PinholeCamera.from_focal_length(focal_length, width=width, height=height)
        except ValueError as error:
            raise HmaDepthError(f"--focal-length {focal_length:g}: {error}") from error
    if (width, height) == _KITTI_SIZE:
        return KITTI_CAMERA
    return KITTI_CAMERA.resize(width=width, height=height)


def _mount(arguments: argparse.Namespace) -> Mount:
    """The LiDAR stays level."""
    mount = mount_of(arguments)
    if not 0.5 <= mount.height <= 5.0 or not -0.35 <= mount.pitch <= 0.35:
        raise HmaDepthError(
            f"--camera-height {mount.height:g} --camera-pitch {mount.pitch:g}: rendered cars have "
            "cameras 0.5 to 5 m above the road, turned by 0.35 radians (20 degrees) at most"
        )
    return mount


def _size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d+)x(\d+)", text)
    if not match or not all(16 <= int(side) <= 8192 for side in match.groups()):
        raise argparse.ArgumentTypeError(f"not a size WxH of 16 to 8192 pixels: {text}")
    return int(match[1]), int(match[2])
