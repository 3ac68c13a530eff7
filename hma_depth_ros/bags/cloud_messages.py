"""Points of sensor_msgs/PointCloud2 without copying, of rosbags' and rclpy's messages alike."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import numpy.typing as npt

from hma_depth_ros.bags.message_types import POINT_CLOUD, header, message
from hma_depth_ros.errors import HmaDepthError

#: sensor_msgs/PointField datatypes 1 to 8.
_DATATYPES = ("", "i1", "u1", "i2", "u2", "i4", "u4", "f4", "f8")
_FLOAT32 = 7


def cloud_array(cloud: Any) -> npt.NDArray[Any]:
    """View of a cloud's points: structured, (height, width), a member per field (`["x"]`).

    Raises:
        HmaDepthError: sizes that do not fit together, or unknown field types.

    """
    height, width = int(cloud.height), int(cloud.width)
    order = ">" if cloud.is_bigendian else "<"
    data = np.frombuffer(cloud.data, np.uint8)
    try:
        dtype = np.dtype(
            {
                "names": [field.name for field in cloud.fields],
                "formats": [
                    (order + _DATATYPES[field.datatype], (field.count,))
                    if field.count > 1
                    else order + _DATATYPES[field.datatype]
                    for field in cloud.fields
                ],
                "offsets": [field.offset for field in cloud.fields],
                "itemsize": cloud.point_step,
            }
        )
        points: npt.NDArray[Any] = np.ndarray(
            (height, width), dtype, buffer=data, strides=(cloud.row_step, cloud.point_step)
        )
    except (ValueError, TypeError, IndexError) as error:
        raise HmaDepthError(
            f"not a whole point cloud: {width}x{height} points of {cloud.point_step} bytes "
            f"in {data.size} bytes ({error})"
        ) from error
    return points


def cloud_xyz(cloud: Any) -> npt.NDArray[np.float32]:
    """Points of a cloud as (N, 3) float32 metres, row by row, invalid ones (NaN) included.

    Raises:
        HmaDepthError: the cloud has no x, y, z.

    """
    points = cloud_array(cloud)
    names = points.dtype.names or ()
    if not {"x", "y", "z"} <= set(names):
        raise HmaDepthError(f"a point cloud without x, y, z: it has only {', '.join(names)}")
    return np.stack([points[axis].ravel() for axis in "xyz"], axis=-1).astype(np.float32)


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
