"""Points of sensor_msgs/PointCloud2 without copying, of rosbags' and rclpy's messages alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from hma_depth_ros.errors import HmaDepthError

#: sensor_msgs/PointField datatypes 1 to 8.
_DATATYPES = ("", "i1", "u1", "i2", "u2", "i4", "u4", "f4", "f8")

#: Bytes of a point; NumPy has no larger elements.
_LARGEST_STEP = 2**31 - 1

#: Metres from the cloud's origin within which nothing is a return: drivers mark directions without
#: one by 0 0 0, in the frame of the sensor's housing by the place of its optics.
_BLIND = 0.05
#: Metres beyond any return: others mark them by the largest number.
_NOWHERE = 1e9
#: A point that a scan has so often, and once in so many points, is such a mark too: 0 0 0 of a
#: LiDAR whose cloud was moved to another frame. Of returns no two are equal but by chance.
_REPEATED, _ONE_IN = 10, 200


def cloud_array(cloud: Any) -> npt.NDArray[Any]:
    """View of a cloud's points: structured, (height, width), a member per field (`["x"]`).

    Padding (fields of the same name as another, or beyond the point) has no member.

    Raises:
        HmaDepthError: sizes that do not fit together.

    """
    height, width, step = int(cloud.height), int(cloud.width), int(cloud.point_step)
    data = np.frombuffer(cloud.data, np.uint8)
    strides = (_row_step(cloud, data.size), step)
    if not height * width:  # the other number of no points may be any
        height, width, strides = 0, 0, (0, 0)
    order = ">" if cloud.is_bigendian else "<"
    fields: dict[str, tuple[Any, int]] = {}
    for field in cloud.fields:
        if field.name and 0 < field.datatype < len(_DATATYPES) and field.name not in fields:
            kind = np.dtype(order + _DATATYPES[field.datatype])
            count = max(int(field.count), 1)  # PCL once left it 0
            if field.offset + count * kind.itemsize <= step:
                fields[field.name] = ((kind, (count,)) if count > 1 else kind, int(field.offset))
    dtype = np.dtype(
        {
            "names": list(fields),
            "formats": [kind for kind, _ in fields.values()],
            "offsets": [offset for _, offset in fields.values()],
            "itemsize": step,
        }
    )
    points: npt.NDArray[Any] = np.ndarray((height, width), dtype, buffer=data, strides=strides)
    return points


def _row_step(cloud: Any, size: int) -> int:
    """Bytes from row to row. Drivers leave `row_step` 0, or write the points of a row into it.

    Raises:
        HmaDepthError: the data are too short, or could be cut into rows in more than one way.

    """
    height, width, stated = int(cloud.height), int(cloud.width), int(cloud.row_step)
    step = int(cloud.point_step)
    row = width * step
    if step > _LARGEST_STEP or (height * width and not step):
        raise HmaDepthError(f"not a point cloud: {width}x{height} points of {step} bytes")
    if size == height * row or (height == 1 and size >= row):
        return row
    # The last row may come without its padding.
    whole = size >= height * stated or size == (height - 1) * stated + row
    if height * row and stated >= row and whole:
        return stated
    raise HmaDepthError(
        f"not a whole point cloud: {width}x{height} points of {step} bytes, "
        f"row_step {stated}, in {size} bytes"
    )


def cloud_xyz(cloud: Any) -> npt.NDArray[np.floating]:
    """Points of a cloud as (N, 3) metres, row by row, invalid ones (NaN) included.

    float32, or float64 where the cloud has that: coordinates of a map do not fit into float32.

    Raises:
        HmaDepthError: the cloud has no x, y, z of floating point numbers.

    """
    return _xyz(cloud_array(cloud))


def _xyz(points: npt.NDArray[Any]) -> npt.NDArray[np.floating]:
    members: Mapping[str, tuple[Any, ...]] = points.dtype.fields or {}
    if not {"x", "y", "z"} <= set(members):
        names = ", ".join(members) or "none"
        raise HmaDepthError(f"a point cloud without x, y, z: its fields are {names}")
    kinds = {axis: members[axis][0] for axis in "xyz"}
    if any(kind.kind != "f" for kind in kinds.values()):
        found = ", ".join(f"{axis} {kind}" for axis, kind in kinds.items())
        raise HmaDepthError(f"a point cloud whose x, y, z are not metres in floats: {found}")
    kind = np.result_type(*(kind.newbyteorder("=") for kind in kinds.values()))
    return np.stack([points[axis].ravel() for axis in "xyz"], axis=-1).astype(kind, copy=False)


def lidar_returns(cloud: Any) -> npt.NDArray[np.float64]:
    """Points (N, 3) in metres at which a LiDAR has seen something.

    Without NaN and infinity, and without what drivers put where nothing came back: 0 0 0, a range
    of 0, the largest number, or any other point over and over.

    Raises:
        HmaDepthError: the cloud has no x, y, z.

    """
    points, seen = seen_points(cloud_array(cloud))
    return points[seen]


def seen_points(
    array: npt.NDArray[Any],
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """All points (N, 3) of a `cloud_array` in metres, row by row, and which are `lidar_returns`.

    Raises:
        HmaDepthError: the cloud has no x, y, z.

    """
    points = _xyz(array).astype(np.float64)
    reach = np.abs(points).max(axis=1, initial=0.0)
    # NaN compares false.
    seen = (reach < _NOWHERE) & (np.hypot(np.hypot(*points.T[:2]), points.T[2]) >= _BLIND)
    ranges = array["range"].ravel() if "range" in (array.dtype.names or ()) else None
    if ranges is not None and ranges.shape == seen.shape:
        seen &= ranges != 0
    seen[seen] = ~_repeated(points[seen])
    return points, seen


def _repeated(points: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Which of (N, 3) points occur so often that they are a mark."""
    least = max(_REPEATED, len(points) // _ONE_IN)
    if len(points) < least:  # too few to be sliced below, too
        return np.zeros(len(points), bool)
    # A number for each point; the factors are such that different points have different ones.
    keys = points @ np.array([1.0, np.sqrt(2.0), np.pi])
    ordered = np.sort(keys)
    marks = ordered[least - 1 :][ordered[least - 1 :] == ordered[: len(ordered) - least + 1]]
    return np.isin(keys, np.unique(marks))
