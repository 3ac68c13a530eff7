"""PointCloud2 as drivers leave it: rows, padding, and marks for directions without a return."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from hma_depth_ros.bags.new_messages import cloud_message
from hma_depth_ros.bags.typestore import message
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.messages.point_cloud import cloud_array, cloud_xyz, lidar_returns

HEIGHT, WIDTH = 4, 5
POINTS = np.random.default_rng(3).uniform(1, 50, (HEIGHT * WIDTH, 3)).astype(np.float32)
FLOAT32, FLOAT64, INT16, UINT8, UINT32 = 7, 8, 3, 2, 6


def organised(points: npt.NDArray[np.float32] = POINTS, padding: int = 0) -> Any:
    """Rows of points, with `padding` bytes after each row."""
    cloud = cloud_message(points, ("x", "y", "z"), stamp=0, frame="")
    row = 12 * WIDTH
    rows = np.full((HEIGHT, row + padding), 0x77, np.uint8)
    rows[:, :row] = cloud.data.reshape(HEIGHT, row)
    cloud.height, cloud.width = HEIGHT, WIDTH
    cloud.row_step, cloud.data = row + padding, rows.ravel()
    return cloud


@pytest.mark.parametrize(
    "stated", [0, WIDTH, HEIGHT * WIDTH, 12, 12 * HEIGHT * WIDTH, 61, 2**32 - 1]
)
def test_the_length_of_the_data_tells_the_rows(stated: int) -> None:
    cloud = organised()
    cloud.row_step = stated
    np.testing.assert_array_equal(cloud_xyz(cloud), POINTS)


def test_rows_may_be_padded() -> None:
    cloud = organised(padding=8)
    np.testing.assert_array_equal(cloud_xyz(cloud), POINTS)
    cloud.data = cloud.data[:-8]  # the last one without
    np.testing.assert_array_equal(cloud_xyz(cloud), POINTS)


@pytest.mark.parametrize("stated", [0, WIDTH, 12 * WIDTH - 1, 12 * WIDTH + 9])
def test_rows_that_cannot_be_told_are_refused(stated: int) -> None:
    cloud = organised(padding=8)
    cloud.row_step = stated
    with pytest.raises(HmaDepthError, match=rf"not a whole .* 5x4 .* row_step {stated}, in 272 b"):
        cloud_xyz(cloud)


def test_one_row_needs_no_row_step_and_may_have_bytes_behind_it() -> None:
    cloud = cloud_message(POINTS, ("x", "y", "z"), stamp=0, frame="")
    cloud.row_step = 0
    cloud.data = np.append(cloud.data, np.zeros(7, np.uint8))
    np.testing.assert_array_equal(cloud_xyz(cloud), POINTS)


def test_a_cloud_without_points() -> None:
    cloud = cloud_message(POINTS[:0], ("x", "y", "z"), stamp=0, frame="")
    assert cloud_xyz(cloud).shape == lidar_returns(cloud).shape == (0, 3)
    cloud.height, cloud.width, cloud.data = 0, 20, organised().data
    with pytest.raises(HmaDepthError, match="not a whole point cloud: 20x0 points"):
        cloud_xyz(cloud)


def fields(*described: tuple[str, int, int, int]) -> list[Any]:
    names = ("name", "offset", "datatype", "count")
    return [
        message("sensor_msgs/msg/PointField", **dict(zip(names, d, strict=True))) for d in described
    ]


def packed(layout: str, step: int, *described: tuple[str, int, int, int], big: bool = False) -> Any:
    """Unorganised cloud of `POINTS`, each packed by a struct `layout` of x, y, z."""
    data = b"".join(
        struct.pack((">" if big else "<") + layout, *map(float, point)).ljust(step, b"\xee")
        for point in POINTS
    )
    cloud = cloud_message(POINTS, ("x", "y", "z"), stamp=0, frame="")
    cloud.fields, cloud.point_step, cloud.is_bigendian = fields(*described), step, big
    cloud.row_step, cloud.data = step * len(POINTS), np.frombuffer(data, np.uint8)
    return cloud


XYZ = (("x", 0, FLOAT32, 1), ("y", 4, FLOAT32, 1), ("z", 8, FLOAT32, 1))
ODD_FIELDS: dict[str, tuple[tuple[str, int, int, int], ...]] = {
    "padding of one name": (*XYZ, ("_", 12, UINT8, 4), ("_", 16, UINT8, 8)),
    "padding without a name": (("", 20, UINT8, 1), *XYZ, ("", 12, UINT8, 4)),
    "a name twice": (*XYZ, ("x", 12, UINT8, 1), ("i", 16, FLOAT32, 1), ("i", 16, UINT32, 1)),
    "a field beyond the point": (*XYZ, ("i", 22, FLOAT32, 1), ("ring", 999, UINT8, 1)),
    "an unknown type": (*XYZ, ("i", 12, 9, 1), ("t", 16, 0, 1)),
    "no counts": tuple((name, offset, kind, 0) for name, offset, kind, _ in XYZ),
    "another order": (("i", 12, INT16, 1), *XYZ[::-1]),
    "many counts": (*XYZ, ("normal", 12, FLOAT32, 2), ("more", 12, FLOAT32, 2**31)),
}


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("kind", ODD_FIELDS)
def test_fields_beside_x_y_z_may_be_anything(kind: str, big: bool) -> None:
    cloud = packed("3f", 24, *ODD_FIELDS[kind], big=big)
    np.testing.assert_array_equal(cloud_xyz(cloud), POINTS)
    assert "_" not in (cloud_array(cloud).dtype.names or ()) or kind != "padding without a name"


def test_double_precision_is_kept() -> None:
    """A cloud in a map's frame: 400 km east, where float32 has steps of 3 cm."""
    cloud = packed("3d", 24, *((n, 8 * i, FLOAT64, 1) for i, n in enumerate("xyz")))
    far = (POINTS.astype(np.float64) + np.array([400_000, 5_000_000, 0])) / 3
    cloud.data = np.ascontiguousarray(far).view(np.uint8).ravel()
    np.testing.assert_array_equal(cloud_xyz(cloud), far)
    np.testing.assert_array_equal(lidar_returns(cloud), far)


@pytest.mark.parametrize(
    ("described", "complaint"),
    [
        ((("x", 0, INT16, 1), ("y", 2, INT16, 1), ("z", 4, INT16, 1)), "not metres in floats"),
        ((*XYZ[:2], ("z", 22, FLOAT32, 1)), "without x, y, z: its fields are x, y$"),
        ((("x", 0, FLOAT32, 2), *XYZ[1:]), "not metres in floats"),
        ((), "without x, y, z: its fields are none"),
    ],
)
def test_x_y_z_that_cannot_be_used_are_named(
    described: tuple[tuple[str, int, int, int], ...], complaint: str
) -> None:
    with pytest.raises(HmaDepthError, match=complaint):
        cloud_xyz(packed("3f", 24, *described))


# --- no return ----------------------------------------------------------------------------------

SCAN = np.random.default_rng(4).uniform(-40, 40, (300, 3)).astype(np.float32)
LARGEST = float(np.finfo(np.float32).max)
MARKS: dict[str, tuple[tuple[float, float, float], int]] = {
    "nothing": ((0, 0, 0), 1),
    "minus nothing": ((-0.0, 0, -0.0), 900),
    "not a number": ((np.nan, np.nan, np.nan), 500),
    "one coordinate is none": ((1.5, np.nan, 2), 3),
    "infinity": ((np.inf, 0, 0), 5),
    "the largest number": ((LARGEST, LARGEST, LARGEST), 1),
    "optics in the housing": ((0, 0, 0.0362), 700),
    "moved to the car": ((0.8, -0.2, 1.9), 900),
    "-1": ((-1, -1, -1), 12),
}


@pytest.mark.parametrize("kind", MARKS)
def test_marks_for_no_return_are_left_out(kind: str) -> None:
    mark, times = MARKS[kind]
    points = np.concatenate([SCAN[:100], np.full((times, 3), mark, np.float32), SCAN[100:]])
    found = lidar_returns(cloud_message(points, ("x", "y", "z"), stamp=0, frame=""))
    np.testing.assert_array_equal(found, SCAN)
    assert found.dtype == np.float64


@pytest.mark.parametrize("count", range(13))
def test_a_few_returns_are_returns(count: int) -> None:
    """Fewer than make a mark, were they all one point: a LiDAR that is covered, or in a field."""
    points = SCAN[:count]
    found = lidar_returns(cloud_message(points, ("x", "y", "z"), stamp=0, frame=""))
    np.testing.assert_array_equal(found, points)
    same = np.repeat(SCAN[:1], count, axis=0)
    found = lidar_returns(cloud_message(same, ("x", "y", "z"), stamp=0, frame=""))
    np.testing.assert_array_equal(found, same if count < 10 else SCAN[:0])


def test_returns_that_are_near_or_equal_by_chance_stay() -> None:
    points = np.concatenate([SCAN, SCAN[:150], SCAN[:1], SCAN[:1], [[0.05, 0.01, 0]]])
    found = lidar_returns(
        cloud_message(points.astype(np.float32), ("x", "y", "z"), stamp=0, frame="")
    )
    np.testing.assert_array_equal(found, points.astype(np.float32))


def test_a_range_of_zero_is_no_return() -> None:
    """Ouster's clouds say it so, whatever x, y, z have become by a transform."""
    ranges = np.ones((300, 1), np.float32)
    ranges[7] = 0
    cloud = cloud_message(np.hstack([SCAN, ranges]), ("x", "y", "z", "range"), stamp=0, frame="")
    np.testing.assert_array_equal(lidar_returns(cloud), np.delete(SCAN, 7, axis=0))
