"""Which of a bag's images are a camera's, and what their outputs are called."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image as PillowImage

from hma_depth_ros.bags.bag_cameras import CameraTopics, find_cameras, own_namespaces
from hma_depth_ros.bags.new_messages import image_message
from hma_depth_ros.bags.reader import BagReader
from hma_depth_ros.bags.typestore import header, message
from hma_depth_ros.bags.writer import BagWriter
from hma_depth_ros.demo.source import find_source
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.messages.types import COMPRESSED_IMAGE, IMAGE

GREY = np.tile(np.arange(48, dtype=np.uint8), (32, 1))
RGB = np.dstack([GREY, GREY, GREY])


def png(pixels: Any, format_: str) -> Any:
    return _compressed(cv2.imencode(".png", pixels)[1].tobytes(), format_)


def palette_png(path: Path) -> Any:
    PillowImage.fromarray(GREY // 8).convert("P").save(path / "labels.png")
    return _compressed((path / "labels.png").read_bytes(), "png")


def _compressed(data: bytes, format_: str) -> Any:
    pixels = np.frombuffer(data, np.uint8)
    return message(COMPRESSED_IMAGE, header=header(0, "eye"), format=format_, data=pixels)


def raw(pixels: Any, encoding: str) -> Any:
    return image_message(pixels, encoding, stamp=0, frame="eye")


def write(path: Path, images: dict[str, Any]) -> Path:
    with BagWriter(path) as bag:
        for topic, image in images.items():
            kind = COMPRESSED_IMAGE if hasattr(image, "format") else IMAGE
            bag.add_topic(topic, kind)
            bag.write(topic, 1, image)
    return path


def test_depth_labels_and_drawings_are_no_cameras(tmp_path: Path) -> None:
    depth = np.full((32, 48), 3000, np.uint16)
    metres = depth.astype(np.float32)
    unknown = raw(GREY, "mono8")
    unknown.encoding = "nv12"
    none = {
        "/depth/raw": (raw(depth, "16UC1"), "depth"),
        "/a/metres": (raw(metres, "32FC1"), "depth"),
        "/aligned/image_raw/compressed": (png(depth, "16UC1; png compressed "), "depth"),
        "/aligned/image_raw/compressedDepth": (png(depth, "16UC1; compressedDepth png"), "depth"),
        "/b/plain/compressed": (png(depth, "png"), "16 bits"),
        "/classes/image": (palette_png(tmp_path), "palette"),
        "/front/semantic/image_raw": (raw(RGB, "rgb8"), "a drawing"),
        "/semantic_segmentation_front/image": (raw(RGB, "rgb8"), "a drawing"),
        "/seg/image/compressed": (png(GREY, "8UC1; png compressed "), "a drawing"),
        "/net/out/compressed": (png(GREY // 8, "8UC1; png compressed "), "as labels have"),
        "/car/depth/color": (raw(RGB, "rgb8"), "a drawing"),
        "/attention/color": (raw(RGB, "rgb8"), "a drawing"),
        "/video": (_compressed(bytes(50), "h264"), "format 'h264'"),
        "/kinect/depth/image": (raw(depth, "mono16"), "16 bits"),
        "/yuv": (unknown, "nv12, which is not supported"),
    }
    pictures = {
        "/color/image": raw(RGB, "rgb8"),
        "/color/image/compressed": png(RGB, "rgb8; png compressed bgr8"),  # the same once more
        "/color/image/zstd": _compressed(bytes(50), "zstd"),
        "/infra/image_rect_raw": raw(GREY, "mono8"),
        "/depth_camera/color/compressed": png(RGB, "bgr8; png compressed bgr8"),
        "/grey/compressed": png(GREY, "8UC1; png compressed "),
        "/thermal/compressed": png(depth, "mono16; png compressed "),
        "/damaged/compressed": _compressed(cv2.imencode(".jpg", RGB)[1].tobytes()[:300], "jpeg"),
        "/instanced/unlabelled/image": raw(RGB, "bgr8"),
    }
    bag = write(tmp_path / "bag", {t: image for t, (image, _) in none.items()} | pictures)
    with BagReader(bag) as reader:
        found = find_cameras(reader)
        assert {camera.image for camera in found.cameras} == set(pictures) - {
            "/color/image/compressed",
            "/color/image/zstd",
        }
        assert found.left_out.keys() == none.keys()
        for topic, (_, what) in none.items():
            assert what in found.left_out[topic]
            assert topic in found.remarks[0]
        # Whoever asks for one gets it.
        (named,) = find_cameras(reader, images=["/front/semantic/image_raw"]).cameras
        assert named.image == "/front/semantic/image_raw"


def test_a_bag_without_any_says_what_its_images_are(tmp_path: Path) -> None:
    with (
        BagReader(write(tmp_path / "bag", {"/v": _compressed(bytes(9), "h264")})) as bag,
        pytest.raises(HmaDepthError, match=r"no images of a camera.*/v holds .* format 'h264'"),
    ):
        find_cameras(bag)


@pytest.mark.parametrize(
    ("topics", "names"),
    [
        (["/l/image", "/r/image"], ["/l", "/r"]),
        (["/c/image_raw", "/c/image_rect", "/r/image"], ["/c/image_raw", "/c/image_rect", "/r"]),
        (["/c/image", "/c/image/compressed"], ["/c/image", "/c/image/compressed"]),
        (["/c/a/compressed", "/c/b/compressed"], ["/c/a", "/c/b"]),
        (["/a", "/b"], ["/a", "/b"]),
        (["/c/x", "/c/y", "/c/x/z"], ["/c/x", "/c/y", "/c/x/z"]),
    ],
)
def test_no_two_cameras_have_one_namespace(topics: list[str], names: list[str]) -> None:
    assert own_namespaces([CameraTopics(topic, None) for topic in topics]) == names


def test_the_demo_takes_rectified_pictures_of_a_name_that_ros_allows(tmp_path: Path) -> None:
    same = {"/c/image_raw": raw(RGB, "rgb8"), "/c/image_rect_color": raw(RGB, "rgb8")}
    odd = {"/1st/image": raw(RGB, "rgb8")}
    assert find_source(write(tmp_path / "a", odd | same)).image_topic == "/c/image_rect_color"
    with pytest.raises(HmaDepthError, match=r"no topics of these names: /1st/image"):
        find_source(write(tmp_path / "b", odd))
