"""Messages whose numbers do not go together, up to a network's depth of them."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hma_depth_ros.bags.typestore import message
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.inference.predictor import DepthPredictor
from hma_depth_ros.messages.camera_info import camera_from_info
from hma_depth_ros.messages.image import ENCODINGS
from hma_depth_ros.messages.pictures import picture
from hma_depth_ros.messages.types import CAMERA_INFO, COMPRESSED_IMAGE, IMAGE, POINT_CLOUD

from .guard import survives
from .targets import cloud_message, messages, use

#: Numbers of a field of 32 bits.
U32 = st.one_of(
    st.integers(0, 40), st.sampled_from([2**31 - 1, 2**31, 2**32 - 1, 65535, 65536, 2**16 + 1])
)
FLOATS = st.one_of(st.floats(), st.sampled_from([0.0, 1.0, -1.0, 30.0, 1e308, 5e-324]))


def altered(kind: str, **changes: Any) -> Any:
    """A good message with other fields."""
    content = messages()[kind]
    for name, value in changes.items():
        setattr(content, name, value)
    return content


def counting(size: int) -> np.ndarray:
    """So many bytes."""
    return np.arange(size, dtype=np.uint64).astype(np.uint8)


@given(
    encoding=st.one_of(st.sampled_from([*ENCODINGS, "bayer_rggb8", "nv21"]), st.text(max_size=8)),
    height=U32,
    width=U32,
    step=U32,
    is_bigendian=st.integers(0, 255),
    size=st.one_of(st.integers(0, 64), st.integers(0, 40_000)),
    seconds=st.integers(-(2**31), 2**31 - 1),
)
def test_an_image_of_any_numbers_is_answered(seconds: int, size: int, **fields: Any):
    content = altered(IMAGE, data=counting(size), **fields)
    content.header.stamp.sec = seconds
    survives(lambda: use(IMAGE, content))


@given(
    form=st.one_of(
        st.sampled_from(["jpeg", "rgb8; jpeg compressed bgr8", "16UC1; png compressed", ";;"]),
        st.sampled_from(["32FC1; compressedDepth png", "16UC1; compressedDepth rvl"]),
        st.text(max_size=12),
    ),
    data=st.binary(max_size=64),
)
def test_a_compressed_image_of_any_format_is_answered(form: str, data: bytes):
    content = altered(COMPRESSED_IMAGE, format=form)
    survives(lambda: use(COMPRESSED_IMAGE, content))
    content.data = np.frombuffer(data, np.uint8)
    survives(lambda: use(COMPRESSED_IMAGE, content))


@given(
    p=st.lists(FLOATS, min_size=12, max_size=12),
    height=U32,
    width=U32,
    binning_x=U32,
    binning_y=U32,
    roi=st.tuples(U32, U32, U32, U32),
)
def test_a_calibration_of_any_numbers_is_answered(p: list[float], roi: Any, **fields: Any):
    content = altered(CAMERA_INFO, p=np.array(p), **fields)
    names = ("x_offset", "y_offset", "height", "width")
    for name, value in zip(names, roi, strict=True):
        setattr(content.roi, name, value)
    survives(lambda: use(CAMERA_INFO, content))


FIELDS = st.builds(
    lambda **values: message("sensor_msgs/msg/PointField", **values),
    name=st.sampled_from(["x", "y", "z", "t", "range", "x", "", "time"]),
    offset=U32,
    datatype=st.integers(0, 255).map(lambda code: code % 12),
    count=U32,
)


@given(
    fields=st.lists(FIELDS, max_size=6),
    height=U32,
    width=U32,
    point_step=U32,
    row_step=U32,
    is_bigendian=st.booleans(),
    size=st.integers(0, 400),
    usual=st.booleans(),
)
def test_a_cloud_of_any_numbers_is_answered(fields: Any, size: int, usual: bool, **numbers: Any):
    content = altered(POINT_CLOUD, data=counting(size), **numbers)
    if not usual:
        content.fields = fields
    survives(lambda: use(POINT_CLOUD, content))


@given(points=st.lists(st.tuples(FLOATS, FLOATS, FLOATS), max_size=30), times=st.lists(FLOATS))
def test_a_cloud_of_any_points_is_answered(points: list[Any], times: list[float]):
    cloud = np.zeros(len(points), [("x", "f4"), ("y", "f4"), ("z", "f8"), ("time", "f4")])
    with np.errstate(over="ignore"):
        for row, (x, y, z) in enumerate(points):
            cloud[row] = (x, y, z, times[row % len(times)] if times else 0.0)
    survives(lambda: use(POINT_CLOUD, cloud_message(cloud)))


@pytest.fixture(scope="module")
def predictor(tiny_checkpoint: Path) -> DepthPredictor:
    return DepthPredictor.from_checkpoint(tiny_checkpoint, device="cpu", engine="torch")


@given(
    size=st.one_of(
        st.tuples(st.integers(1, 40), st.integers(1, 40)),
        st.sampled_from([(1, 30_000), (20_000, 1)]),
    ),
    focal=st.sampled_from([1e-300, 0.1, 30.0, 1e5, 1e300]),
    center=FLOATS,
)
def test_depth_of_any_image_is_depth_or_one_line(
    predictor: DepthPredictor, size: tuple[int, int], focal: float, center: float
):
    """Of strips too, which the network's width would make enormous."""
    height, width = size
    image = SimpleNamespace(
        encoding="rgb8",
        height=height,
        width=width,
        step=3 * width,
        is_bigendian=0,
        data=np.zeros(3 * width * height, np.uint8),
    )
    p = np.array([focal, 0, center, 0, 0, focal, center, 0, 0, 0, 1, 0])
    info = altered(CAMERA_INFO, p=p, height=0, width=0)

    def predict() -> None:
        pixels, pixel_format = picture(image)
        camera = None
        with suppress(HmaDepthError):
            camera = camera_from_info(info, width=width, height=height)
        found = predictor.predict(pixels, camera, pixel_format=pixel_format)
        assert found.depth is None or found.depth.shape == (height, width)

    survives(predict)
