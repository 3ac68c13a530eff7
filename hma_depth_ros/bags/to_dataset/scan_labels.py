"""Scans as ground truth of an image: moved to its time, added up, and without what is not there."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from hma_depth_ros.bags.scoring.depth_truth import LidarPlace, Match
from hma_depth_ros.bags.to_dataset.own_vehicle import OwnVehicle
from hma_depth_ros.bags.to_dataset.road_recording import RoadRecording
from hma_depth_ros.data.depth.lidar_depth import project_scan
from hma_depth_ros.data.depth.lidar_occlusion import without_occluded
from hma_depth_ros.geometry.camera import PinholeCamera
from hma_depth_ros.messages.point_times import TimedReturns, timed_returns

Depth = npt.NDArray[np.float32]
Points = npt.NDArray[np.float64]

#: Seconds of a scan that are moved as one: a point goes 6 cm in it at 30 m/s.
_SLICE = 0.002
#: Rows above and below, and columns to each side, in which the image's own scan has to bear out
#: another one's return (two rings are 5 pixels apart in KITTI's images); and how much nearer or
#: farther than its returns there that may lie.
_ROWS, _COLUMNS = 8, 3
_AGREES = 0.04


@dataclass(frozen=True)
class ScanLabels:
    """Ground truth of a recording's images."""

    recording: RoadRecording
    own: OwnVehicle
    accumulate: int = 0  #: scans before and after
    occlusion_filter: bool = True

    def depth(self, match: Match, camera: PinholeCamera) -> Depth:
        """Depth (H, W) in metres of an image, 0 where there is none.

        Raises:
            HmaDepthError: a scan cannot be used, or nothing tells where the LiDAR is.

        """
        place = self.recording.place
        to_camera = place.to_camera(match.stamp, match.stamp)
        depth = project_scan(self._points(match.truth, match), to_camera, camera)
        if self.occlusion_filter:
            depth = without_occluded(depth)
        for number in self._others(match):
            points = self._points(number, match)
            depth = completed_by(depth, project_scan(points, to_camera, camera))
        if self.own.pixels is not None:
            depth[self.own.pixels] = 0
        return depth

    def _others(self, match: Match) -> list[int]:
        """Scans before and after that of a match, the nearest first."""
        count = len(self.recording.scan_stamps)
        around = [s * k for k in range(1, self.accumulate + 1) for s in (-1, 1)]
        near = [n for step in around if 0 <= (n := match.truth + step) < count]
        stamps = self.recording.scan_stamps
        return [
            number
            for number in near
            if self.recording.place.motion(match.stamp, stamps[number]) is not None
        ]

    def _points(self, number: int, match: Match) -> Points:
        """Points of a scan in the LiDAR's frame at the time of the image, own vehicle left out."""
        scan = timed_returns(self.recording.scans.read(number))
        stamp = self.recording.scan_stamps[number]
        kept = ~self.own.hit(scan.points)
        offsets = None if scan.offsets is None else scan.offsets[kept]
        scan = TimedReturns(scan.points[kept], offsets)
        return moved_points(scan, stamp, match.stamp, self.recording.place)


def moved_points(scan: TimedReturns, stamp: int, image: int, place: LidarPlace) -> Points:
    """Points (N, 3) in the LiDAR's frame as it was at the time of an image.

    Each from its own time, where the scan tells it; as they are, where nothing tells the motion.

    Args:
        scan: of the LiDAR.
        stamp: its header's, in nanoseconds.
        image: that of the image.
        place: of the LiDAR, which knows how it moved.

    """
    points = scan.points
    if scan.offsets is None:
        motion = place.motion(image, stamp)
        return points if motion is None else points @ motion[:3, :3].T + motion[:3, 3]
    moved = points.copy()
    slices = np.round(scan.offsets / _SLICE).astype(np.int64)
    for index in np.unique(slices):
        motion = place.motion(image, stamp + round(int(index) * _SLICE * 1e9))
        if motion is not None:
            own = slices == index
            moved[own] = points[own] @ motion[:3, :3].T + motion[:3, 3]
    return moved


def completed_by(depth: Depth, other: Depth) -> Depth:
    """Depth with the returns of another scan where it has none, as far as it bears them out.

    Another scan's return counts where it lies between what the image's own scan has next above it
    and next below it, or at the depth of the one of them that there is. What has moved since is in
    front of or behind what is seen there now, and what the camera cannot see is behind it.
    """
    known = depth > 0
    columns = np.ones((1, 2 * _COLUMNS + 1), np.uint8)
    # OpenCV's own border is the largest float, which would pass for a depth.
    nothing = np.where(known, depth, np.float32(np.inf))
    near = cv2.erode(nothing, columns, borderType=cv2.BORDER_REPLICATE)
    far = cv2.dilate(depth, columns)
    low, high = near.copy(), far.copy()
    for upwards in (True, False):
        found = np.isfinite(near)
        for step in range(1, _ROWS + 1):
            to, of = (slice(step, None), slice(None, -step))
            to, of = (to, of) if upwards else (of, to)
            new = ~found[to] & np.isfinite(near[of])
            low[to] = np.where(new, np.minimum(low[to], near[of]), low[to])
            high[to] = np.where(new, np.maximum(high[to], far[of]), high[to])
            found[to] |= new
    agrees = (other > low * (1 - _AGREES)) & (other < high * (1 + _AGREES))
    return np.where(~known & (other > 0) & agrees, other, depth).astype(np.float32)
