"""Every kind of image message gives the depth, bit for bit, that its pixels give."""

from __future__ import annotations

from array import array
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from rclpy.context import Context
from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import CompressedImage

from hma_depth_ros.inference.pixel_format import PixelFormat
from hma_depth_ros.inference.predictor import DepthPredictor
from hma_depth_ros.messages.depth_topics import COMPRESSED_DEPTH
from hma_depth_ros.messages.pictures import DIRECT_ENCODINGS
from hma_depth_ros.ros.cv_bridge_images import image_from_message
from hma_depth_ros.ros.depth_node.image_input import COMPRESSED_IMAGE
from hma_depth_ros.ros.depth_node.stream_topics import StreamTopics

from .conftest import StartBench
from .graph import (
    CAMERA,
    Bench,
    colors_of,
    header,
    image_message,
    info_message,
    noise,
    pixels_of,
)

Pixels = npt.NDArray[np.uint8]

RGB = noise()
GRAY = RGB[..., 0]
ALPHA = RGB[..., 1:2]


def repeated(gray: Pixels) -> Pixels:
    return np.repeat(gray[..., None], 3, axis=2)


#: Encoding: the message's pixels, and the RGB picture that they are.
PLAIN: dict[str, tuple[npt.NDArray[Any], Pixels]] = {
    "rgb8": (RGB, RGB),
    "bgr8": (RGB[..., ::-1], RGB),
    "rgba8": (np.dstack([RGB, ALPHA]), RGB),
    "bgra8": (np.dstack([RGB[..., ::-1], ALPHA]), RGB),
    "mono8": (GRAY, repeated(GRAY)),
    "8UC1": (GRAY, repeated(GRAY)),
    "8UC3": (RGB[..., ::-1], RGB),
    "8UC4": (np.dstack([RGB[..., ::-1], ALPHA]), RGB),
}

# 257 x makes 0..255 of 8 bits 0..65535 of 16; the small number added is lost again by rounding.
DEEP_RGB = RGB.astype("<u2") * 257 + np.uint16(100) * (RGB < 255)
DEEP_ALPHA = ALPHA.astype("<u2")
PLAIN |= {
    "mono16": (DEEP_RGB[..., 0], repeated(GRAY)),
    "16UC1": (DEEP_RGB[..., 0], repeated(GRAY)),
    "rgb16": (DEEP_RGB, RGB),
    "bgr16": (DEEP_RGB[..., ::-1], RGB),
    "16UC3": (DEEP_RGB[..., ::-1], RGB),
    "rgba16": (np.dstack([DEEP_RGB, DEEP_ALPHA]), RGB),
    "bgra16": (np.dstack([DEEP_RGB[..., ::-1], DEEP_ALPHA]), RGB),
}


@pytest.fixture(scope="module")
def bench(start_shared: StartBench) -> Bench:
    bench = start_shared()
    bench.listen("depth/image", "points")
    bench.publish(info_message())
    return bench


_numbers = iter(range(1, 1000))


def check(bench: Bench, message: Any, rgb: Pixels, predictor: DepthPredictor) -> None:
    """The node's depth is that of `rgb`, and the points have its colours."""
    message.header = header(next(_numbers))
    height, width = rgb.shape[:2]
    camera = CAMERA if (height, width) == (CAMERA.height, CAMERA.width) else None
    outputs = bench.infer(message) if camera else {"depth/image": _depth_alone(bench, message)}
    expected = predictor.predict(rgb, camera, outputs={"depth"}).depth
    depth = pixels_of(outputs["depth/image"])
    np.testing.assert_array_equal(depth, expected, strict=True)
    assert np.ptp(depth) > 1, "a constant picture would prove nothing"
    if camera:
        np.testing.assert_array_equal(colors_of(outputs["points"]), rgb)


def _depth_alone(bench: Bench, message: Any) -> Any:
    bench.publish(message)
    return bench.last("depth/image", message.header.stamp.sec)


@pytest.mark.parametrize("padding", [0, 7])
@pytest.mark.parametrize("encoding", PLAIN)
def test_plain_encodings(bench: Bench, predictor: DepthPredictor, encoding: str, padding: int):
    pixels, rgb = PLAIN[encoding]
    check(bench, image_message(pixels, encoding, padding=padding), rgb, predictor)


@pytest.mark.parametrize("encoding", ["mono16", "rgb16"])
def test_big_endian(bench: Bench, predictor: DepthPredictor, encoding: str):
    pixels, rgb = PLAIN[encoding]
    message = image_message(pixels.astype(">u2"), encoding)
    assert message.is_bigendian
    check(bench, message, rgb, predictor)


def test_the_last_row_may_come_without_its_padding(bench: Bench, predictor: DepthPredictor):
    message = image_message(RGB, "rgb8", padding=5)
    message.data = message.data[:-5]
    check(bench, message, RGB, predictor)


def test_mono_is_predicted_as_the_same_value_in_three_channels(
    bench: Bench, predictor: DepthPredictor
):
    message = image_message(GRAY, "mono8", number=next(_numbers))
    expected = predictor.predict(GRAY, CAMERA, pixel_format=PixelFormat.MONO).depth
    outputs = bench.infer(message)
    np.testing.assert_array_equal(pixels_of(outputs["depth/image"]), expected)


# --- encodings with fewer values than pixels: flat patches come back with their own colour -------

PATCH = 16  # pixels; 4 patches across and 2 down
COLORS = np.array(
    [
        [[200, 30, 60], [20, 180, 90], [40, 70, 220], [230, 220, 40]],
        [[128, 128, 128], [250, 250, 250], [10, 10, 10], [150, 60, 190]],
    ],
    np.uint8,
)
PATCHES: Pixels = np.kron(COLORS, np.ones((PATCH, PATCH, 1), np.uint8))


def inside(picture: Pixels) -> npt.NDArray[np.int64]:
    """The picture without the borders of the patches, where interpolation mixes them."""
    distance = np.minimum(np.arange(64) % PATCH, PATCH - 1 - np.arange(64) % PATCH)
    keep_rows, keep_columns = distance[:32] >= 3, distance >= 3
    return picture[keep_rows][:, keep_columns].astype(np.int64)


def mosaic(rgb: npt.NDArray[Any], order: str) -> npt.NDArray[Any]:
    """Bayer image of a picture; `order` reads the top left 2x2 pixels line by line."""
    channels = ["rgb".index(letter) for letter in order]
    result = np.empty(rgb.shape[:2], rgb.dtype)
    for place, channel in enumerate(channels):
        row, column = divmod(place, 2)
        result[row::2, column::2] = rgb[row::2, column::2, channel]
    return result


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("order", ["rggb", "bggr", "gbrg", "grbg"])
def test_bayer(bench: Bench, predictor: DepthPredictor, order: str, bits: int):
    scene = PATCHES if bits == 8 else PATCHES.astype("<u2") * 257
    message = image_message(mosaic(scene, order), f"bayer_{order}{bits}", padding=4)
    decoded, pixel_format = image_from_message(message)
    assert pixel_format is PixelFormat.RGB
    np.testing.assert_array_equal(inside(decoded), inside(PATCHES))
    check(bench, message, decoded, predictor)


def yuv422(rgb: Pixels) -> tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]:
    """Y of each pixel, U and V of each pair of pixels: ITU-R BT.601, 16 to 235."""
    red, green, blue = np.moveaxis(rgb.astype(float), -1, 0)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    y = 16 + 219 / 255 * luma
    u = 128 + 224 / 255 * (blue - luma) / 1.772
    v = 128 + 224 / 255 * (red - luma) / 1.402
    return y, u[:, ::2], v[:, ::2]


@pytest.mark.parametrize(
    ("encoding", "luma_first"),
    [("uyvy", False), ("yuv422", False), ("yuyv", True), ("yuv422_yuy2", True)],
)
def test_yuv422(bench: Bench, predictor: DepthPredictor, encoding: str, luma_first: bool):
    y, u, v = yuv422(PATCHES)
    chroma = np.stack([u, v], axis=-1).reshape(y.shape)
    planes = [y, chroma] if luma_first else [chroma, y]
    message = image_message(np.rint(np.stack(planes, -1)).astype(np.uint8), encoding, padding=6)
    decoded, _ = image_from_message(message)
    assert np.abs(inside(decoded) - inside(PATCHES)).max() <= 3
    check(bench, message, decoded, predictor)


def test_common_encodings_are_not_copied():
    for encoding, pixel_format in DIRECT_ENCODINGS.items():
        message = image_message(PLAIN[encoding][0], encoding, padding=3)
        pixels, found = image_from_message(message)
        assert found is pixel_format
        assert np.shares_memory(pixels, np.frombuffer(message.data, np.uint8))


# --- compressed -----------------------------------------------------------------------------------


def compressed(rgb: Pixels, kind: str) -> CompressedImage:
    done, data = cv2.imencode(f".{kind}", rgb[..., ::-1])
    assert done
    return CompressedImage(format=f"rgb8; {kind} compressed bgr8", data=array("B", data.tobytes()))


def test_compressed(start: StartBench, predictor: DepthPredictor):
    bench = start(image_transport="compressed")
    bench.listen("depth/image", "points")
    bench.publish(info_message())
    check(bench, compressed(RGB, "png"), RGB, predictor)

    jpeg = compressed(RGB, "jpeg")
    bgr = cv2.imdecode(np.frombuffer(jpeg.data, np.uint8), cv2.IMREAD_COLOR)
    assert bgr is not None
    decoded = bgr[..., ::-1]
    assert 1 < np.abs(decoded.astype(int) - RGB).mean() < 60, "JPEG loses, but not everything"
    check(bench, jpeg, np.ascontiguousarray(decoded), predictor)

    gray = compressed(RGB, "png")
    gray.data = array("B", cv2.imencode(".png", GRAY)[1].tobytes())
    check(bench, gray, repeated(GRAY), predictor)


SWAPPED = ("image:=right/image", "right/image:=image")


@pytest.mark.parametrize(
    ("rules", "image", "depth"),
    [
        ((), "image/compressed", "depth/image/compressedDepth"),
        (("image:=cam", "depth/image:=range"), "cam/compressed", "range/compressedDepth"),
        (("image/compressed:=jpeg", "depth/image/compressedDepth:=png"), "jpeg", "png"),
        (SWAPPED, "right/image/compressed", "depth/image/compressedDepth"),
        # As the launch file remaps both.
        (
            (*SWAPPED, *(rule.replace("image", "image/compressed") for rule in SWAPPED)),
            *("right/image/compressed", "depth/image/compressedDepth"),
        ),
        (
            ("depth/image:=a", "depth/image/compressedDepth:=b", "a/compressedDepth:=c", "b:=d"),
            *("image/compressed", "b"),
        ),
    ],
)
def test_the_name_that_is_said_is_the_one_on_the_graph(
    context: Context, rules: tuple[str, ...], image: str, depth: str
):
    """Though ROS remaps every name that it is given, whether or not it was before."""
    node = LifecycleNode(
        "names",
        context=context,
        namespace="car",
        use_global_arguments=False,
        cli_args=["--ros-args", *(word for rule in rules for word in ("-r", rule))],
    )
    topics = StreamTopics(node, "")
    try:
        for topic, full in ((COMPRESSED_IMAGE, image), (COMPRESSED_DEPTH, depth)):
            subscription = node.create_subscription(CompressedImage, topics.own(topic), print, 1)
            assert topics.full(topic) == subscription.topic_name == f"/car/{full}"
    finally:
        node.destroy_node()


@pytest.mark.parametrize("rule", ["image:=/cam/image", "image/compressed:=/cam/image/compressed"])
def test_a_remapped_image_takes_its_transport_along(start: StartBench, rule: str):
    """`image:=/cam/image` means /cam/image/compressed, as with image_transport."""
    bench = start(
        image_transport="compressed",
        arguments=("-r", rule),
        inputs={"publish": False},
    )
    assert bench.camera.image_topic() == "/cam/image/compressed"
    assert bench.tester.count_subscribers("/cam/image/compressed") == 1
    assert bench.tester.count_subscribers("/cam/image") == 0
