"""Depth that lies in a bag: which topics belong together, and what is said of it over time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hma_depth_ros.bags.depth_frames import (
    RecordedDepth,
    arrays_near,
    depth_stamps,
    figures_over_time,
    frame_arrays,
    recorded_depths,
    topics_beside,
)
from hma_depth_ros.bags.new_messages import (
    camera_info_message,
    compressed_image_message,
    image_message,
)
from hma_depth_ros.bags.reader import BagReader
from hma_depth_ros.bags.writer import BagWriter
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.geometry.backprojection import back_project
from hma_depth_ros.geometry.camera import PinholeCamera
from hma_depth_ros.messages.compressed_depth import compressed_depth
from hma_depth_ros.messages.types import CAMERA_INFO, COMPRESSED_IMAGE, IMAGE

SECOND = 1_000_000_000
CAMERA = PinholeCamera(fx=20.0, fy=21.0, cx=3.0, cy=2.0, width=6, height=4)

Put = Callable[[str, int, Any], None]


def plane(depth: float) -> np.ndarray:
    return np.full((4, 6), depth, np.float32)


def weights(value: float, stamp: int) -> Any:
    return image_message(plane(value), "32FC1", stamp=stamp, frame="a")


def picture(stamp: int, grey: int = 9) -> Any:
    return image_message(np.full((4, 6, 3), grey, np.uint8), "rgb8", stamp=stamp, frame="a")


def kind_of(content: Any) -> str:
    if hasattr(content, "format"):
        return COMPRESSED_IMAGE
    return CAMERA_INFO if hasattr(content, "distortion_model") else IMAGE


def bag_of(path: Path, contents: list[tuple[str, int, Any]], empty: tuple[str, ...] = ()) -> Path:
    """Messages by topic and time; and topics without any."""
    with BagWriter(path) as bag:
        for topic in empty:
            bag.add_topic(topic, IMAGE)
        for topic, content in {topic: content for topic, _, content in contents}.items():
            bag.add_topic(topic, kind_of(content))
        for topic, time, content in contents:
            bag.write(topic, time, content)
    return path


def compressed(depth: np.ndarray, stamp: int) -> Any:
    form, data = compressed_depth(depth)
    return compressed_image_message(data, form, stamp=stamp, frame="a")


def test_of_one_depth_in_both_forms_the_exact_one_is_taken(tmp_path: Path):
    at = SECOND
    path = bag_of(
        tmp_path / "bag",
        [
            ("/a/depth/image", at, weights(5, at)),
            ("/a/depth/image/compressedDepth", at, compressed(plane(5), at)),
            ("/b/depth/image/compressedDepth", at, compressed(plane(7), at)),
            ("/c/other_depth/image", at, weights(5, at)),
            ("/depth/image", at, weights(6, at)),
        ],
        empty=("/d/depth/image",),
    )
    with BagReader(path) as bag:
        found = [topics.depth for topics in recorded_depths(bag)]
    assert sorted(found) == ["/a/depth/image", "/b/depth/image/compressedDepth", "/depth/image"]
    path = bag_of(tmp_path / "none", [("/image", at, picture(at))], empty=("/d/depth/image",))
    with BagReader(path) as bag, pytest.raises(HmaDepthError, match="none has no depth: no images"):
        recorded_depths(bag)


def test_what_is_beside_a_depth_is_in_its_namespace_and_not_empty(tmp_path: Path):
    at = SECOND
    path = bag_of(
        tmp_path / "bag",
        [
            ("/a/depth/image/compressedDepth", at, compressed(plane(5), at)),
            ("/a/depth/camera_info", at, camera_info_message(CAMERA, stamp=at, frame="a")),
            ("/a/attention/scale_1", at, weights(0.5, at)),
            ("/a/attention/scale_16", at, weights(0.5, at)),
            ("/b/attention/scale_8", at, weights(0.5, at)),
            ("/b/confidence", at, weights(0.5, at)),
            ("/lidar/depth", at, weights(5, at)),
        ],
        empty=("/a/confidence", "/a/attention/scale_2"),
    )
    with BagReader(path) as bag:
        topics = topics_beside(bag, "/a/depth/image/compressedDepth")
        assert topics == RecordedDepth(
            "/a/depth/image/compressedDepth",
            "/a/depth/camera_info",
            ("/a/attention/scale_16", "/a/attention/scale_1"),
            None,
            None,
        )
        assert topics.names == [
            "/a/depth/image/compressedDepth",
            *topics.masks,
            "/a/depth/camera_info",
        ]
        # Of depth with a name of its own nothing is known to belong to it.
        assert topics_beside(bag, "/lidar/depth") == RecordedDepth(
            "/lidar/depth", None, (), None, None
        )


def test_the_image_is_that_of_most_of_the_first_stamps(tmp_path: Path):
    contents: list[tuple[str, int, Any]] = []
    for k in range(30):
        stamp = k * SECOND // 5
        # Depth comes a while after its image, which is not the only one of these stamps.
        contents.append(("/depth/image", 100 * SECOND + stamp, weights(5, stamp)))
        contents.append(("/eye/image", 99 * SECOND + stamp, picture(stamp)))
        if k % 2:
            contents.append(("/rear/image", 99 * SECOND + stamp, picture(stamp)))
        # Of the same stamps, but half a minute away: those of a loop, for one.
        contents.append(("/past/image", 60 * SECOND + stamp, picture(stamp)))
        contents.append(("/drawn/depth/color", 99 * SECOND + stamp, picture(stamp)))
    contents.sort(key=lambda content: content[1])
    with BagReader(bag_of(tmp_path / "bag", contents)) as bag:
        (topics,) = recorded_depths(bag)
        assert topics.image == "/eye/image"


def test_figures_are_of_what_is_known(tmp_path: Path):
    first, second, other = SECOND, 3 * SECOND, 5 * SECOND
    depth = np.arange(24, dtype=np.float32).reshape(4, 6)  # its 0 is no depth
    depth[0, 1:4] = np.nan, np.inf, -1
    half = plane(0.5)
    half[0] = np.nan
    half[1] = 1.0
    contents = [
        ("/depth/image", first + 9, image_message(depth, "32FC1", stamp=first, frame="a")),
        ("/confidence", first + 9, image_message(half, "32FC1", stamp=first, frame="a")),
        ("/attention/scale_1", first + 9, weights(0.25, first)),
        ("/attention/scale_2", first + 9, weights(float("nan"), first)),
        ("/depth/image", second, weights(float("nan"), second)),
        ("/depth/image", other, weights(3, other)),
        ("/confidence", other, weights(0.75, other)),
        ("/confidence", other + 1, weights(0.75, 4 * SECOND)),  # of a frame without depth
    ]
    with BagReader(bag_of(tmp_path / "bag", contents)) as bag:
        (topics,) = recorded_depths(bag)
        assert depth_stamps(bag, topics) == [first, second, other]
        found = figures_over_time(bag, topics, [second, first, 4 * SECOND], first=first)
        last = figures_over_time(bag, topics, [other], first=second)
    assert [figures.seconds for figures in found] == [0.0, 2.0]
    known = np.arange(4, 24)
    assert found[0].valid == 20 / 24
    assert found[0].percentiles == pytest.approx(np.percentile(known, [5, 50, 95]))
    assert found[0].confidence == pytest.approx(2 / 3)
    assert found[0].masks == {"/attention/scale_1": 0.25}
    assert found[1].valid == 0.0
    assert np.isnan(found[1].percentiles).all()
    assert (found[1].confidence, found[1].masks) == (None, {})
    (three,) = last
    assert (three.seconds, three.valid, three.confidence) == (2.0, 1.0, 0.75)
    assert three.percentiles == (3.0, 3.0, 3.0)


def test_arrays_are_those_of_one_stamp_and_points_those_of_the_depth(tmp_path: Path):
    contents: list[tuple[str, int, Any]] = []
    for k in range(3):
        stamp = (1 + k) * SECOND
        info = camera_info_message(CAMERA, stamp=stamp, frame="a")
        contents += [
            ("/depth/image", stamp, weights(5 + k, stamp)),
            ("/depth/camera_info", stamp, info),
            ("/eye/image", stamp, picture(stamp, 10 * k)),
            ("/attention/scale_2", stamp, weights(0.75, stamp)),
        ]
        if k != 1:  # of the middle one a mask is missing
            contents.append(("/attention/scale_1", stamp, weights(0.25, stamp)))
            contents.append(("/confidence", stamp, weights(0.1 * k, stamp)))
    contents.append(("/eye/image", 4 * SECOND, picture(4 * SECOND)))
    # Another pass of the same stamps, a while later.
    contents.append(("/depth/image", 9 * SECOND, weights(50, SECOND)))
    with BagReader(bag_of(tmp_path / "bag", contents)) as bag:
        (topics,) = recorded_depths(bag)
        found = frame_arrays(bag, topics, [3 * SECOND, 2 * SECOND, 4 * SECOND])
        assert list(found) == [2 * SECOND, 3 * SECOND], "those without depth are left out"
        third, second = found[3 * SECOND], found[2 * SECOND]
        assert (third.depth == 7).all()
        assert third.image is not None
        assert (third.image == 20).all()
        assert third.attention is not None
        assert third.attention[:, 0, 0].tolist() == [0.75, 0.25]
        assert third.confidence is not None
        np.testing.assert_allclose(third.confidence, 0.2)
        np.testing.assert_array_equal(third.points, back_project(third.depth, CAMERA))
        assert (second.attention, second.confidence) == (None, None)
        near = arrays_near(bag, topics, stamp=SECOND, recorded=SECOND)
        assert (near.depth == 5).all()
        assert near.confidence is not None
        late = arrays_near(bag, topics, stamp=SECOND, recorded=9 * SECOND)
        assert (late.depth == 50).all()
        assert late.image is None
