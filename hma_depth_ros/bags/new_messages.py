"""Arrays as messages for a bag."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import numpy.typing as npt

from hma_depth_ros.bags.typestore import header, message
from hma_depth_ros.geometry.camera import PinholeCamera
from hma_depth_ros.messages.image import ENCODINGS
from hma_depth_ros.messages.types import CAMERA_INFO, COMPRESSED_IMAGE, IMAGE, POINT_CLOUD

#: Of sensor_msgs/PointField.
_FLOAT32 = 7


def image_message(pixels: npt.NDArray[Any], encoding: str, *, stamp: int, frame: str) -> Any:
    """Image message for a bag. The pixels are copied only where they are not contiguous.

    Args:
        pixels: (H, W) or (H, W, C) in the element type of `encoding`.
        encoding: one of `ENCODINGS`.
        stamp: nanoseconds.
        frame: name of the optical frame.

    """
    kind, channels = ENCODINGS[encoding]
    shape = pixels.shape if channels > 1 else (*pixels.shape, 1)
    assert shape[2:] == (channels,) and pixels.dtype == np.dtype(kind), (encoding, pixels.shape)
    height, width = pixels.shape[:2]
    return message(
        IMAGE,
        header=header(stamp, frame),
        height=height,
        width=width,
        encoding=encoding,
        is_bigendian=0,
        step=width * channels * pixels.dtype.itemsize,
        data=np.ascontiguousarray(pixels).view(np.uint8).ravel(),
    )


def compressed_image_message(data: bytes, form: str, *, stamp: int, frame: str) -> Any:
    """CompressedImage message for a bag.

    Args:
        data: the file, or what else the format has.
        form: `format` as the transport defines it.
        stamp: nanoseconds.
        frame: name of the optical frame.

    """
    return message(
        COMPRESSED_IMAGE,
        header=header(stamp, frame),
        format=form,
        data=np.frombuffer(data, np.uint8),
    )


def camera_info_message(camera: PinholeCamera, *, stamp: int, frame: str) -> Any:
    """CameraInfo for a bag, of rectified images: K is P's, no distortion.

    Args:
        camera: of the images.
        stamp: nanoseconds.
        frame: name of the optical frame.

    """
    window = dict.fromkeys(("x_offset", "y_offset", "height", "width"), 0)
    return message(
        CAMERA_INFO,
        header=header(stamp, frame),
        height=camera.height,
        width=camera.width,
        distortion_model="plumb_bob",
        d=np.zeros(5),
        k=camera.matrix.ravel(),
        r=np.eye(3).ravel(),
        p=np.column_stack([camera.matrix, np.zeros(3)]).ravel(),
        binning_x=0,
        binning_y=0,
        roi=message("sensor_msgs/msg/RegionOfInterest", do_rectify=False, **window),
    )


def cloud_message(
    points: npt.NDArray[np.float32], names: tuple[str, ...], *, stamp: int, frame: str
) -> Any:
    """Unorganised cloud message for a bag.

    Args:
        points: (N, C) float32, one column per name, metres for x, y, z.
        names: fields, `("x", "y", "z", ...)`.
        stamp: nanoseconds.
        frame: name of the frame.

    """
    assert points.shape[1] == len(names), (points.shape, names)
    columns = {name: column for column, name in enumerate(names)}
    dense = bool(np.isfinite(points).all())
    return _cloud(points[None], columns, header(stamp, frame), dense=dense)


def organised_cloud_message(
    points: npt.NDArray[np.float32], color_column: int, *, stamp: int, frame: str
) -> Any:
    """Cloud message for a bag of a depth image's points (H, W, columns): x y z, rgb, padding."""
    columns = {"x": 0, "y": 1, "z": 2, "rgb": color_column}
    return _cloud(points, columns, header(stamp, frame), dense=False)


def _cloud(
    points: npt.NDArray[np.float32], columns: dict[str, int], header_: Any, *, dense: bool
) -> Any:
    assert points.dtype == np.float32, points.dtype
    height, width, channels = points.shape
    fields = [
        message(
            "sensor_msgs/msg/PointField",
            name=name,
            offset=4 * column,
            datatype=_FLOAT32,
            count=1,
        )
        for name, column in columns.items()
    ]
    return message(
        POINT_CLOUD,
        header=header_,
        height=height,
        width=width,
        fields=fields,
        is_bigendian=sys.byteorder == "big",
        point_step=4 * channels,
        row_step=4 * channels * width,
        data=np.ascontiguousarray(points).view(np.uint8).ravel(),
        is_dense=dense,
    )
