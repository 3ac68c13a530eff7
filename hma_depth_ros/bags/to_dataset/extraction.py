"""Frames of one bag on their way into the folder of a data set."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hma_depth_ros.bags.prefetch import prefetched
from hma_depth_ros.bags.scoring.time_offsets import TimeOffsets, timing_of
from hma_depth_ros.bags.to_dataset.dataset_folder import DatasetFolder, MadeFrame, file_stem
from hma_depth_ros.bags.to_dataset.dataset_request import DatasetRequest
from hma_depth_ros.bags.to_dataset.frame_choice import ChosenFrame, choose_frames, spread
from hma_depth_ros.bags.to_dataset.lidar_direction import Fit, check_direction
from hma_depth_ros.bags.to_dataset.own_vehicle import (
    OwnVehicle,
    read_mask,
    seen_by_camera,
    static_cells,
)
from hma_depth_ros.bags.to_dataset.road_recording import RoadRecording
from hma_depth_ros.bags.to_dataset.scan_labels import ScanLabels
from hma_depth_ros.data.depth.label_density import label_counts
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.geometry.camera import PinholeCamera
from hma_depth_ros.messages.pictures import rgb_image
from hma_depth_ros.messages.point_times import timed_returns
from hma_depth_ros.messages.stamps import stamp_text

Progress = Callable[[int], object]

#: Scans that the own vehicle is looked for in, and those that the transform is tried on.
_OWN_SCANS, _DIRECTION_SCANS = 60, 8
#: Labels without which a frame is none.
_LEAST_LABELS = 50
_AHEAD = 2
#: Frames one after the other without labels, from which on it is told where they are.
_LEAST_UNLABELLED = 5


@dataclass
class BagExtraction:
    """What became of a bag."""

    bag: str  #: its name
    path: Path
    images: int = 0
    with_scan: int = 0
    frames: list[MadeFrame] = field(default_factory=list)
    sparse: int = 0  #: chosen, but with too few labels
    earlier: int = 0  #: frames that were there already
    drives: int = 0
    motion: bool = False  #: whether transforms tell how the car moved
    timing: TimeOffsets | None = None
    point_times: str | None = None  #: field and unit that points have their own times in
    fit: Fit | None = None
    own_cells: int = 0
    own_pixels: float = 0.0  #: share of the image
    remarks: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)  #: damaged frames, a line each

    def description(self) -> dict[str, Any]:
        """For the report."""
        shown = {k: v for k, v in vars(self).items() if k not in ("frames", "timing", "fit")}
        return {
            **shown,
            "path": str(self.path),
            "frames": len(self.frames),
            "timing": None if self.timing is None else vars(self.timing),
            "fit": None if self.fit is None else vars(self.fit),
        }


def extract(
    path: Path,
    request: DatasetRequest,
    folder: DatasetFolder,
    *,
    progress: Callable[[str, int], Progress],
) -> BagExtraction:
    """Make the frames of a bag that are not there yet.

    Args:
        path: of the bag.
        request: what to make of it.
        folder: where to.
        progress: called with what is done and of how many, at the beginning of each part; what it
            returns is called with the number done.

    Raises:
        HmaDepthError: the bag cannot be used, saying why; or the folder cannot be written.

    """
    with RoadRecording(path, request) as recording:
        done = BagExtraction(
            bag=recording.name,
            path=path,
            images=len(recording.image_stamps),
            with_scan=sum(len(drive.matches) for drive in recording.drives),
            drives=len(recording.drives),
            motion=recording.knows_motion,
            remarks=recording.remarks,
        )
        if request.accumulate and not done.motion:
            raise HmaDepthError(
                f"{path}: --accumulate needs to know how the car moved, and neither /tf nor an "
                "odometry tells (--odometry-topic)"
            )
        made = folder.begin(recording.name, request.settings() | _identity(recording))
        step = progress(f"{recording.name}: choosing frames", done.with_scan)
        chosen = choose_frames(recording, request.spacing, progress=step)
        if not chosen:
            raise HmaDepthError(f"{path}: no frame could be chosen; all its images are damaged")
        own = _own_vehicle(recording, chosen, request, done)
        matches = [frame.match for frame in chosen]
        done.timing = timing_of(matches, recording.scan_stamps, recording.place)
        _say_motion(done)
        labels = ScanLabels(recording, own, request.accumulate, request.occlusion_filter)
        step = progress(f"{recording.name}: writing frames", len(chosen))
        missing = [frame for frame in chosen if frame.match.stamp not in made]
        done.earlier = len(chosen) - len(missing)
        step(done.earlier)
        for frame, image, depth, view in prefetched(
            _read(recording, missing, labels, done), ahead=_AHEAD
        ):
            record = _record(recording, frame, depth, view)
            if sum(record.labels) < _LEAST_LABELS:
                record = replace(record, image="")
                folder.add(recording.name, record)
            else:
                folder.add(recording.name, record, image, depth)
            made[record.stamp] = record
            step(1)
        known = [made[f.match.stamp] for f in chosen if f.match.stamp in made]
        done.frames = [frame for frame in known if frame.image]
        done.sparse = len(known) - len(done.frames)
        if done.problems and not known:
            raise HmaDepthError(f"no frame can be made of {path}: {done.problems[0]}")
        _say_unlabelled(done, known)
        return done


def _identity(recording: RoadRecording) -> dict[str, Any]:
    """What tells the bag from another one of its name."""
    stamps = recording.image_stamps
    return {"images": len(stamps), "first_stamp": stamps[0], "scans": len(recording.scan_stamps)}


def _own_vehicle(
    recording: RoadRecording,
    chosen: Sequence[ChosenFrame],
    request: DatasetRequest,
    done: BagExtraction,
) -> OwnVehicle:
    """The car in its LiDAR and images; on the way the transform is tried on a few scans."""
    some = [chosen[i] for i in spread(len(chosen), _OWN_SCANS)]
    scans, times = [], None
    problem = "they have no returns"
    for frame in some:
        try:
            scan = timed_returns(recording.scans.read(frame.match.truth))
        except HmaDepthError as error:
            problem = str(error)
            continue  # named where its frame is made
        scans.append(scan.points)
        times = times or (scan.field and f"{scan.field} in {scan.unit}")
    done.point_times = times
    if not scans or not sum(map(len, scans)):
        raise HmaDepthError(
            f"{recording.path}: no scan on {recording.lidar_topic} can be used: {problem}"
        )
    match, camera = next(iter(recording.cameras([some[0].match])))
    to_camera = recording.place.to_camera(match.stamp, match.stamp)
    few = [scans[i] for i in spread(len(scans), _DIRECTION_SCANS)]
    done.fit = check_direction(few, to_camera, camera, _source(recording))
    cells = static_cells(scans) if request.find_ego else frozenset()
    pixels = seen_by_camera(cells, to_camera, camera)
    if request.ego_mask is not None:
        mask = read_mask(request.ego_mask, camera)
        pixels = mask if pixels is None else mask | pixels
    done.own_cells = len(cells)
    done.own_pixels = 0.0 if pixels is None else float(pixels.mean())
    return OwnVehicle(cells, pixels)


def _source(recording: RoadRecording) -> str:
    request = recording.request
    if request.lidar_to_camera is not None:
        return f"{recording.path}: --lidar-to-camera"
    if request.calibration is not None:
        return f"{recording.path}: the transform in {request.calibration}"
    return (
        f"{recording.path}: the transform from {recording.lidar_frame} to "
        f"{recording.camera_frame} on /tf_static"
    )


def _say_motion(done: BagExtraction) -> None:
    if not done.motion:
        done.remarks.append(
            f"{done.path}: neither /tf nor an odometry tells how the car moved: frames are chosen "
            "by appearance, and scans are as of the time of their image"
        )


def _say_unlabelled(done: BagExtraction, frames: Sequence[MadeFrame]) -> None:
    """Tell the longest stretch of frames whose scans have hardly a return in the image."""
    longest: list[MadeFrame] = []
    for has_labels, run in groupby(frames, key=lambda frame: bool(frame.image)):
        own = list(run)
        if not has_labels and len(own) > len(longest):
            longest = own
    if len(longest) > _LEAST_UNLABELLED:
        seconds = (longest[-1].stamp - longest[0].stamp) / 1e9
        done.remarks.append(
            f"{done.path}: scans have hardly a return in the image of {done.sparse} frames, "
            f"{len(longest)} of them in one stretch of {seconds:.1f} s from "
            f"{stamp_text(longest[0].stamp)}: was the LiDAR covered, or off?"
        )


_Made = tuple[ChosenFrame, npt.NDArray[np.uint8], npt.NDArray[np.float32], PinholeCamera]


def _read(
    recording: RoadRecording,
    chosen: Sequence[ChosenFrame],
    labels: ScanLabels,
    done: BagExtraction,
) -> Iterator[_Made]:
    """Decode and project; a damaged message costs its frame."""
    cameras = recording.cameras([frame.match for frame in chosen])
    for frame, (match, camera) in zip(chosen, cameras, strict=True):
        try:
            image = rgb_image(recording.images.read(match.depth))
            if image.shape[:2] != (camera.height, camera.width):
                raise HmaDepthError(
                    f"the image is {image.shape[1]}x{image.shape[0]}, others are "
                    f"{camera.width}x{camera.height}"
                )
            depth = labels.depth(match, camera)
        except HmaDepthError as error:
            done.problems.append(f"{recording.name}, {match.name}: {error}")
            continue
        yield frame, image, depth, camera


def _record(
    recording: RoadRecording,
    frame: ChosenFrame,
    depth: npt.NDArray[np.float32],
    camera: PinholeCamera,
) -> MadeFrame:
    bag, stamp = recording.name, frame.match.stamp
    stem = file_stem(bag, stamp)
    return MadeFrame(
        stamp=stamp,
        image=f"images/{bag}/{stem}{recording.request.image_suffix}",
        depth=f"depth/{bag}/{stem}.png",
        camera=(camera.fx, camera.fy, camera.cx, camera.cy),
        size=(camera.height, camera.width),
        labels=tuple(map(int, label_counts(depth))),
        drive=frame.drive,
        way=frame.way,
        place=frame.place,
        apart=(recording.scan_stamps[frame.match.truth] - stamp) / 1e9,
    )
