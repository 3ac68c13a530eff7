"""Convert a KITTI raw drive to a rosbag2: images, camera_info, LiDAR and static transforms."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from hma_depth_ros.bags.kitti_bag import write_kitti_bag
from hma_depth_ros.data.kitti_drive import CAMERAS, KittiDrive


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="kitti_to_bag", description=__doc__)
    parser.add_argument(
        "drive", type=Path, help="drive folder, ROOT/2011_09_26/2011_09_26_drive_0001_sync"
    )
    parser.add_argument("--output", type=Path, required=True, help="folder of the new bag (mcap)")
    parser.add_argument(
        "--cameras",
        type=int,
        nargs="+",
        choices=CAMERAS,
        help="0, 1 grey left, right; 2, 3 colour left, right (default: all that have images)",
    )
    arguments = parser.parse_args(argv)

    drive = KittiDrive.open(arguments.drive)
    counts = write_kitti_bag(drive, arguments.output, cameras=arguments.cameras)
    for topic, count in counts.items():
        print(f"{count:7d}  {topic}")
    images = sorted({frame for camera in drive.cameras for frame in drive.images(camera).frames})
    missing = len(set(images) - set(drive.velodyne.frames))
    print(f"{arguments.output}: {drive.name}, frames {images[0]} to {images[-1]}", end="")
    print(f", {missing} of {len(images)} without a LiDAR scan" if missing else "")
    return 0
