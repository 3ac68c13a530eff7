"""Which cameras of a bag get depth: those with images and, as depth is to be metric, a calibration.

A camera whose calibration is bad throughout is left out where others are good, and said. Single bad
messages are told when their turn comes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from hma_depth_ros.bags.bag_cameras import CameraTopics, FoundCameras, find_cameras
from hma_depth_ros.bags.processing.camera_info_in_time import Calibrations
from hma_depth_ros.bags.reader import BagReader
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.messages.camera_info import (
    BadCalibrationError,
    camera_from_info,
    distortion,
    foreign_frame,
)
from hma_depth_ros.messages.pictures import picture
from hma_depth_ros.messages.types import CAMERA_INFO

#: What can be done about a calibration.
CALIBRATION_CURES = (
    "--uncalibrated does without, --camera-info-topic names another, --image-topic chooses cameras"
)


def cameras_to_process(
    bag: BagReader, images: Sequence[str], info: str | None, *, calibrated: bool
) -> FoundCameras:
    """Find the cameras.

    Args:
        bag: open.
        images: topics that were asked for; all of the bag if empty.
        info: calibration topic of the one camera; None: the one beside its images.
        calibrated: whether a calibration is needed.

    Raises:
        HmaDepthError: there is none, or one that was asked for cannot be used.

    """
    found = find_cameras(bag, images=images, info=info)
    if not calibrated:
        return found
    if not images:
        found = found.calibrated(bag)
    problems = {camera.image: _bad_calibration(bag, camera) for camera in found.cameras}
    good = [camera for camera in found.cameras if problems[camera.image] is None]
    bad = {image: problem for image, problem in problems.items() if problem is not None}
    if bad and (images or not good):
        image, problem = next(iter(bad.items()))
        raise HmaDepthError(f"{bag.path}: {image}: {problem}; {CALIBRATION_CURES}")
    return FoundCameras(good, {**found.left_out, **bad})


def calibrations_of(bag: BagReader, camera: CameraTopics) -> Calibrations:
    """Calibration of a camera over time.

    Raises:
        HmaDepthError: there is none.

    """
    if camera.info is None or not bag.topics[camera.info].count:
        infos = ", ".join(bag.topics_of(CAMERA_INFO)) or "none"
        raise HmaDepthError(
            f"{bag.path} has no camera_info for {camera.image}, and depth is metric only for a "
            f"known focal length: name a topic with --camera-info-topic (there are: {infos}), or "
            "take unscaled depth with --uncalibrated"
        )
    return Calibrations(bag, camera.info)


def calibration_doubts(bag: BagReader, found: FoundCameras) -> Iterator[str]:
    """What the first messages say of cameras whose calibration may not be their images'."""
    for camera in found.cameras:
        if camera.info is None:
            continue
        try:
            info, image = _first(bag, camera.info), _first(bag, camera.image)
        except HmaDepthError:
            continue  # damaged, which is told when its turn comes
        if image is not None and (problem := foreign_frame(info, image, camera.image)):
            yield f"{camera.info}: {problem}"
        if problem := distortion(info, camera.image):
            yield f"{camera.info}: {problem}"


def _first(bag: BagReader, topic: str) -> Any | None:
    raw = next(bag.messages([topic]), None)
    return None if raw is None else bag.decode(raw)


def _bad_calibration(bag: BagReader, camera: CameraTopics) -> str | None:
    """What is wrong with the first CameraInfo of a camera and with the last, too."""
    if camera.info is None:
        return None
    times = bag.stamps([camera.info])
    problem = None
    try:
        height, width = picture(bag.first(camera.image))[0].shape[:2]
        for time in times[[0, -1]] if times.size else ():
            raw = next(bag.messages([camera.info], start=int(time)))
            try:
                camera_from_info(bag.decode(raw), width=width, height=height)
            except BadCalibrationError as error:
                problem = problem or str(error)
            else:
                return None
    except HmaDepthError:
        return None  # of single messages, which is told when their turn comes
    return problem
