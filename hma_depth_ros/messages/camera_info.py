"""`CameraInfo` to a pinhole camera, and the CameraInfo of a cropped and resized image.

Of rosbags' and rclpy's messages alike.
"""

from __future__ import annotations

from copy import copy
from typing import Any

import numpy as np
import numpy.typing as npt

from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.geometry.camera import PinholeCamera

#: Of the image's side: less is a view of more than 168 degrees, which no rectified image has.
#: Drivers without a calibration also publish the identity.
_LEAST_FOCAL = 0.05
#: Of fx: what other elements of P may have by rounding.
_MOST_SKEW = 1e-3
#: More is no lens's, even of a window of a few pixels.
_MOST_FOCAL = 1e4


class BadCalibrationError(HmaDepthError):
    """A CameraInfo from which no metric depth can be made."""


def camera_from_info(info: Any, *, width: int, height: int) -> PinholeCamera:
    """Camera of an image of width x height that `info` came with.

    P counts, as in image_geometry and depth_image_proc: K belongs to the unrectified image. Of a
    camera that has neither distortion nor rotation both are one, so K stands in for a P of zeros.
    Binning and region of interest are folded in, as image_geometry does. A width or height of 0, as
    of drivers that fill in P alone, is not known.

    Raises:
        BadCalibrationError: P is empty, not finite or no camera's, or `info` is for images of
            another size.

    """
    p = _projection(info)
    # NaN compares false, and is found below. Some drivers leave the 1 out.
    others = np.array([p[0, 1], p[1, 0], p[2, 0], p[2, 1]])
    scaled = np.isfinite(p[2, 2]) and p[2, 2] not in (0.0, 1.0)
    if scaled or np.any(np.abs(others) > _MOST_SKEW * abs(p[0, 0])):
        raise BadCalibrationError(
            "camera_info's projection matrix P is no rectified camera's: it must be fx 0 cx Tx, "
            "0 fy cy Ty, 0 0 1 0"
        )
    binning_x, binning_y = max(info.binning_x, 1), max(info.binning_y, 1)
    roi = info.roi
    window = (roi.width or info.width, roi.height or info.height)
    expected = (
        window[0] // binning_x if window[0] else width,
        window[1] // binning_y if window[1] else height,
    )
    if expected != (width, height):
        raise BadCalibrationError(
            f"camera_info describes {expected[0]}x{expected[1]} images, but they are "
            f"{width}x{height}: the calibration belongs to another resolution"
        )
    try:
        camera = PinholeCamera(
            fx=float(p[0, 0]) / binning_x,
            fy=float(p[1, 1]) / binning_y,
            cx=(float(p[0, 2]) - roi.x_offset) / binning_x,
            cy=(float(p[1, 2]) - roi.y_offset) / binning_y,
            width=width,
            height=height,
        )
    except ValueError as error:
        raise BadCalibrationError(f"camera_info's projection matrix P is {error}") from error
    shares = camera.fx / width, camera.fy / height
    if min(shares) < _LEAST_FOCAL or max(shares) > _MOST_FOCAL:
        raise BadCalibrationError(
            "camera_info has no calibration: the focal lengths in its projection matrix P, "
            f"{camera.fx:g} and {camera.fy:g} pixels, are no camera's of {width}x{height} images"
        )
    inside = 0 <= camera.cx < width and 0 <= camera.cy < height
    if not all(window) and not inside:
        raise BadCalibrationError(
            "camera_info does not say the size of its images, and its principal point "
            f"({camera.cx:.1f}, {camera.cy:.1f}) is not inside the {width}x{height} image: the "
            "calibration belongs to another resolution"
        )
    return camera


def _projection(info: Any) -> npt.NDArray[np.float64]:
    """P (3, 4), or K in its place.

    Raises:
        BadCalibrationError: P is zero, and K is, too, or cannot stand in for it.

    """
    p = np.asarray(info.p, dtype=np.float64).reshape(3, 4)
    if np.any(p):
        return p
    k = np.asarray(info.k, dtype=np.float64).reshape(3, 3)
    r = np.asarray(info.r, dtype=np.float64).reshape(3, 3)
    reason = "camera_info has no calibration: its projection matrix P is zero"
    if not np.any(k):
        raise BadCalibrationError(reason)
    for element, other in (
        ("D (a distortion)", np.any(np.asarray(info.d))),
        ("R (a rotation)", _turns(r)),
    ):
        if other:
            raise BadCalibrationError(
                f"{reason}, and with {element} K is not that of rectified images; rectify them "
                "(image_proc), or have the driver fill in P"
            )
    return np.hstack([k, np.zeros((3, 1))])


def _turns(r: npt.NDArray[np.float64]) -> bool:
    """Whether R is neither the identity nor left out."""
    return bool(np.any(r)) and not np.allclose(r, np.eye(3))


def distortion(info: Any, image_topic: str) -> str | None:
    """What is wrong if images have the distortion of their CameraInfo; None if it has none.

    Nothing tells whether they have: recordings of KITTI carry that of the camera beside rectified
    pixels.
    """
    if info is None or not np.any(np.asarray(info.d)):
        return None
    return (
        f"it has a distortion ({info.distortion_model or 'of no name'}): if the images on "
        f"{image_topic} are not rectified, depth is wrong; put image_proc before it"
    )


def foreign_frame(info: Any, image: Any, image_topic: str) -> str | None:
    """What is wrong if a CameraInfo and its image are of two frames; None if nothing is.

    Two cameras of one size differ in nothing else, once their topics have been mixed up.
    """
    frames = [message.header.frame_id for message in (info, image)]
    names = {frame.removeprefix("/") for frame in frames}  # as tf of ROS 1 wrote them, too
    if len(names) == 1 or not all(names):
        return None
    return (
        f"it is of '{frames[0]}', the images on {image_topic} of '{frames[1]}': if these are two "
        "cameras, depth and cloud are wrong; else give both one frame_id"
    )


def info_for_camera(info: Any, header: Any, camera: PinholeCamera) -> Any:
    """CameraInfo of an image of `camera`, made by cropping and resizing what `info` describes.

    K and P follow alike; P's fourth column (the baseline times fx) scales with fx and fy. Binning
    and region of interest, which `camera` has folded in, are reset.
    """
    result = copy(info)
    result.header = header
    result.width, result.height = camera.width, camera.height
    result.binning_x = result.binning_y = 0
    result.roi = copy(info.roi)
    result.roi.x_offset = result.roi.y_offset = result.roi.width = result.roi.height = 0
    result.roi.do_rectify = False
    p = _projection(info)
    # Pixels of the original sensor -> pixels of the result, axis by axis: u' = scale u + shift.
    scale_x, scale_y = camera.fx / p[0, 0], camera.fy / p[1, 1]
    shift_x, shift_y = camera.cx - scale_x * p[0, 2], camera.cy - scale_y * p[1, 2]
    change = np.array([[scale_x, 0, shift_x], [0, scale_y, shift_y], [0, 0, 1]])
    k = np.asarray(info.k, dtype=np.float64).reshape(3, 3)
    if np.any(k):
        result.k = (change @ k).ravel()
    result.p = (change @ p).ravel()
    return result
