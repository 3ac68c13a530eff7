"""Points of sensor_msgs/PointCloud2 without copying, of rosbags' and rclpy's messages alike."""

from __future__ import annotations

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
    count, channels = points.shape
    assert points.dtype == np.float32 and channels == len(names), (points.shape, names)
    fields = [
        message(
            "sensor_msgs/msg/PointField",
            name=name,
            offset=4 * column,
            datatype=_FLOAT32,
            count=1,
        )
        for column, name in enumerate(names)
    ]
    return message(
        POINT_CLOUD,
        header=header(stamp, frame),
        height=1,
        width=count,
        fields=fields,
        is_bigendian=False,
        point_step=4 * channels,
        row_step=4 * channels * count,
        data=np.ascontiguousarray(points).view(np.uint8).ravel(),
        is_dense=bool(np.isfinite(points).all()),
    )
