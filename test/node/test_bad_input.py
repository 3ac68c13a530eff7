"""Whatever arrives, the node says once what is wrong and takes the next good frame."""

from __future__ import annotations

import struct
import zlib
from array import array
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, RegionOfInterest

from hma_depth_ros.inference.predictor import DepthPredictor
from hma_depth_ros.ros import condition_log
from hma_depth_ros.ros.condition_log import ConditionLog

from .conftest import StartBench
from .graph import (
    CAMERA,
    Bench,
    header,
    image_message,
    info_message,
    noise,
    pixels_of,
    rgb_message,
    until,
)

REPEATS = 4


def bad(**changes: Any) -> Image:
    """A good image with some fields changed."""
    message = rgb_message()
    for name, value in changes.items():
        setattr(message, name, value)
    return message


def odd_yuv() -> Image:
    """Two pixels share their colour, so that a row of 61 cannot be."""
    return image_message(noise()[..., :2], "yuv422")


IMAGES: dict[str, tuple[Image, str]] = {
    "unknown encoding": (bad(encoding="bayer_plaid8"), "encoding 'bayer_plaid8' is not supported"),
    "no encoding": (bad(encoding=""), "encoding '' is not supported"),
    "depth instead of colour": (bad(encoding="32FC1", step=4 * 61), "'32FC1' is not supported"),
    "zero width": (bad(width=0), "image of 0x37 pixels"),
    "zero height": (bad(height=0), "image of 61x0 pixels"),
    "nothing at all": (Image(), "encoding '' is not supported"),
    "truncated data": (bad(data=array("B", bytes(6770))), "needs 6771 bytes, the message has 6770"),
    "no data": (bad(data=array("B")), "needs 6771 bytes, the message has 0"),
    "small step": (bad(step=182), "takes 183 bytes, but step is 182"),
    "no step": (bad(step=0), "takes 183 bytes, but step is 0"),
    "wrong encoding for the data": (bad(encoding="rgba8"), "takes 244 bytes, but step is 183"),
    "absurd size": (
        bad(width=2**32 - 1, height=2**32 - 1, step=2**32 - 1),
        "takes 12884901885 bytes, but step is 4294967295",
    ),
    "absurd height": (bad(height=2**32 - 1), "the message has 6771"),
    "odd width of a yuv image": (odd_yuv(), "61x37 yuv422 cannot be converted"),
}


@pytest.fixture(scope="module")
def bench(start_shared: StartBench) -> Bench:
    bench = start_shared()
    bench.listen("depth/image", "points")
    bench.publish(info_message())
    return bench


_numbers = iter(range(1, 10_000))


def survives(bench: Bench, message: Any, good: Callable[[float], Any]) -> list[str]:
    """Send a bad frame several times, then a good one; return what was said meanwhile."""
    # Several of this file's problems are one and the same to the reporter.
    bench.camera.reporter._last_seen.clear()
    statistics = bench.camera.statistics
    said, failed = len(bench.said()), statistics.failed["bad image"]
    for repeat in range(1, REPEATS + 1):
        message.header = header(next(_numbers))
        bench.publish(message)
        until(lambda n=failed + repeat: statistics.failed["bad image"] == n, "the failure")  # type: ignore[misc]
    until(lambda: bench.status().level == b"\x01", "a warning in the diagnostics")
    assert bench.image_publisher.topic_name in bench.status().message
    bench.infer(good(next(_numbers)))
    until(lambda: bench.status().level == b"\x00", "diagnostics without the problem")
    assert "internal error" not in statistics.failed
    until(lambda: len(bench.said()) > said, "a warning in the log")
    return bench.said()[said:]


@pytest.mark.parametrize("kind", IMAGES)
def test_bad_images(bench: Bench, kind: str):
    message, words = IMAGES[kind]
    (warning,) = survives(bench, message, rgb_message)
    assert words in warning
    assert warning.startswith(f"{bench.namespace}/image: ")
    assert "Traceback" not in warning


def test_an_unknown_encoding_is_told_the_known_ones(bench: Bench):
    message = bad(encoding="nv99")
    (warning,) = survives(bench, message, rgb_message)
    for encoding in ("rgb8", "bgr8", "mono8", "bayer_rggb8", "yuv422_yuy2"):
        assert encoding in warning


# --- compressed -----------------------------------------------------------------------------------


def compressed(data: bytes, number: float = 1) -> CompressedImage:
    return CompressedImage(header=header(number), format="jpeg", data=array("B", data))


def good_jpeg(number: float) -> CompressedImage:
    return compressed(cv2.imencode(".jpg", noise()[..., ::-1])[1].tobytes(), number)


def huge_png() -> bytes:
    """A valid PNG header of 60000 x 60000 pixels, more than OpenCV takes."""
    body = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)

    def chunk(kind: bytes, content: bytes) -> bytes:
        crc = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + crc

    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", body) + chunk(b"IEND", b"")


def corrupt_jpeg() -> bytes:
    data = bytearray(good_jpeg(1).data.tobytes())
    data[:200] = bytes(200)
    return bytes(data)


COMPRESSED = {
    "empty": b"",
    "rubbish": bytes(range(256)) * 4,
    "corrupt": corrupt_jpeg(),
    "the beginning of a JPEG": good_jpeg(1).data.tobytes()[:40],
    "a PNG too large to decode": huge_png(),
}


@pytest.fixture(scope="module")
def compressed_bench(start_shared: StartBench) -> Bench:
    bench = start_shared(image_transport="compressed")
    bench.listen("depth/image", "points")
    bench.publish(info_message())
    return bench


@pytest.mark.parametrize("kind", COMPRESSED)
def test_bad_compressed_images(compressed_bench: Bench, kind: str):
    bench = compressed_bench
    data = COMPRESSED[kind]
    (warning,) = survives(bench, compressed(data), good_jpeg)
    assert f"cannot decode {len(data)} bytes of format 'jpeg'" in warning
    assert warning.startswith(f"{bench.namespace}/image/compressed: ")
    assert "Traceback" not in warning


def test_a_decoder_that_raises(compressed_bench: Bench, monkeypatch: pytest.MonkeyPatch):
    """As OpenCV 4 does for the large PNG, where OpenCV 5 gives nothing."""
    decode = cv2.imdecode

    def raising(data: Any, flags: int) -> Any:
        if data.size == 3:
            raise cv2.error("too many pixels")
        return decode(data, flags)

    monkeypatch.setattr(cv2, "imdecode", raising)
    (warning,) = survives(compressed_bench, compressed(b"123"), good_jpeg)
    assert "cannot decode 3 bytes" in warning


def test_every_broken_jpeg_has_another_size_and_is_said_once(compressed_bench: Bench):
    bench = compressed_bench
    bench.camera.reporter._last_seen.clear()
    said, statistics = len(bench.said()), bench.camera.statistics
    failed = statistics.failed["bad image"]
    for number in range(1, 9):
        bench.publish(compressed(bytes(number), next(_numbers)))
        until(lambda n=failed + number: statistics.failed["bad image"] == n, "the failure")  # type: ignore[misc]
        bench.infer(good_jpeg(next(_numbers)))
    until(lambda: len(bench.said()) > said, "a warning in the log")
    assert len(bench.said()[said:]) == 1


# --- calibration ----------------------------------------------------------------------------------


def bad_info(**changes: Any) -> CameraInfo:
    message = info_message()
    for name, value in changes.items():
        setattr(message, name, value)
    return message


def with_p(**entries: float) -> CameraInfo:
    """P with some entries changed, by their index."""
    message = info_message()
    for index, value in entries.items():
        message.p[int(index[1:])] = value
    return message


ZERO, NAN = np.zeros, float("nan")
INFOS: dict[str, tuple[CameraInfo, str]] = {
    "K = P = 0": (bad_info(k=ZERO(9), p=ZERO(12)), "P is zero"),
    "P = 0, with a distortion": (bad_info(p=ZERO(12)), "P is zero, and with D (a distortion) K is"),
    "P = 0, with a rotation": (
        bad_info(p=ZERO(12), d=[], r=np.eye(3)[::-1].ravel()),
        "P is zero, and with R (a rotation) K is not that of rectified images; rectify them",
    ),
    "P of NaN": (bad_info(p=np.full(12, NAN)), "fx=nan"),
    "a NaN in P": (with_p(i2=NAN), "cx=nan"),
    "an infinite focal length": (with_p(i0=float("inf")), "fx=inf"),
    "a negative focal length": (with_p(i5=-5.0), "fy=-5.0"),
    "a P that is scaled": (bad_info(p=2 * np.array(info_message().p)), "must be fx 0 cx Tx"),
    "a skew": (with_p(i1=5.0), "P is no rectified camera's"),
    "another size": (bad_info(width=62), "camera_info describes 62x37 images, but they are 61x37"),
    "nothing at all": (CameraInfo(), "camera_info has no calibration: its projection"),
    "the identity": (
        bad_info(p=np.eye(3, 4).ravel()),
        "has no calibration: the focal lengths in its projection matrix P, 1 and 1 pixels, are no",
    ),
    "a lens that nobody has": (
        with_p(i0=1e300, i5=1e300),
        "has no calibration: the focal lengths in its projection matrix P, 1e+300 and 1e+300",
    ),
    "no size, of a larger image": (
        bad_info(width=0, height=0, p=[585.0, 0, 295, 0, 0, 572, 187, 0, 0, 0, 1, 0]),
        "its principal point (295.0, 187.0) is not inside the 61x37 image",
    ),
    "another width, no height": (bad_info(width=62, height=0), "describes 62x37 images"),
    "binning": (bad_info(binning_x=2, binning_y=2), "describes 30x18 images"),
    "a window": (bad_info(roi=RegionOfInterest(width=20, height=10)), "describes 20x10 images"),
}


@pytest.mark.parametrize("kind", INFOS)
def test_bad_calibrations(start: StartBench, kind: str):
    """Depth is published as the network says it; points and camera_info are not."""
    info, words = INFOS[kind]
    bench = start()
    bench.listen("depth/image", "depth/camera_info", "points")
    bench.publish(info)
    pairing = bench.camera.input.pairing
    until(lambda: pairing._info is not None, "the calibration at the node")  # type: ignore[union-attr]
    for number in range(1, REPEATS + 1):
        bench.publish(rgb_message(number))
        bench.last("depth/image", number)
    until(bench.said, "a warning in the log")
    (warning,) = bench.said()
    assert warning.startswith(f"{bench.namespace}/camera_info: ")
    assert words in warning
    assert "depth is not scaled to this camera, and no cloud is published" in warning
    until(lambda: words in bench.status().message, "the problem in the diagnostics")
    assert bench.count("points") == bench.count("depth/camera_info") == 0

    good = info_message(replace(CAMERA, fx=CAMERA.fx + 1))  # another one than the one before
    bench.infer(rgb_message(100), good)
    until(lambda: bench.status().level == b"\x00", "diagnostics without the problem")
    assert len(bench.said()) == 1


def test_a_calibration_that_does_not_know_its_size_is_used(
    start: StartBench, predictor: DepthPredictor
):
    """Some drivers fill in P and leave width and height zero."""
    bench = start()
    bench.listen("depth/image", "depth/camera_info", "points")
    outputs = bench.infer(rgb_message(1), bad_info(width=0, height=0))
    expected = predictor.predict(noise(), CAMERA, outputs={"depth"}).depth
    np.testing.assert_array_equal(pixels_of(outputs["depth/image"]), expected)
    info = outputs["depth/camera_info"]
    assert (info.width, info.height, info.p[0]) == (61, 37, CAMERA.fx)
    # Binning counts all the same, of an axis whose size is known or not.
    binned = bad_info(width=0, height=74, binning_x=2, binning_y=2)
    half = bench.infer(rgb_message(2), binned)["depth/camera_info"]
    assert (half.width, half.height, half.p[0], half.p[6]) == (61, 37, 29.25, 9.375)
    assert bench.said() == []


@pytest.mark.parametrize(
    ("image_frame", "info_frame", "wrong"),
    [
        ("front", "rear", True),
        ("front", "/front", False),  # as in ROS 1
        ("front", "", False),  # says nothing
        ("", "rear", False),
    ],
)
def test_a_calibration_of_another_camera_is_named(
    start: StartBench, image_frame: str, info_frame: str, wrong: bool
):
    """Of the same size, so that nothing else gives the mistake away."""
    bench = start()
    bench.listen("depth/image", "points")
    image, info = rgb_message(1), info_message()
    image.header.frame_id, info.header.frame_id = image_frame, info_frame
    bench.infer(image, info)
    bench.infer(image)
    if not wrong:
        assert bench.said() == []
        return
    warning = bench.hears("it is of 'rear', the images on")
    assert warning.startswith(f"{bench.namespace}/camera_info: ")
    assert f"the images on {bench.namespace}/image of 'front'" in warning
    until(lambda: "of 'rear'" in bench.status().message, "the mistake in the diagnostics")
    assert len(bench.said()) == 1
    bench.infer(rgb_message(2), info_message(replace(CAMERA, fx=CAMERA.fx + 1)))
    until(lambda: bench.status().level == b"\x00", "diagnostics without the problem")


# --- said once ------------------------------------------------------------------------------------


class Clock:
    """Stands in for the reporter's `time`."""

    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(condition_log, "time", clock)
    return clock


def test_what_changes_or_comes_back_is_said_again(clock: Clock):
    said: list[str] = []
    report = ConditionLog(said.append)
    report.problem("image", "7 bytes are missing")
    report.problem("image", "8 bytes are missing")
    assert said == ["image: 7 bytes are missing"]
    assert report.problems() == ["image: 8 bytes are missing"]
    report.problem("camera_info", "7 bytes are missing")
    report.problem("image", "it is upside down")
    assert said[1:] == ["camera_info: 7 bytes are missing", "image: it is upside down"]

    report.solved("image")
    assert report.problems() == ["camera_info: 7 bytes are missing"]
    report.problem("image", "it is upside down")
    assert len(said) == 3, "on and off is one condition"
    for _ in range(5):
        clock.now += condition_log.QUIET_SECONDS - 1
        report.problem("image", "it is upside down")
    assert len(said) == 3, "and so is one that goes on"
    report.solved("image")
    clock.now += condition_log.QUIET_SECONDS
    report.problem("image", "it is upside down")
    assert len(said) == 4
    report.solved("image")
    report.mention("image", "it is late")
    clock.now += 10 * condition_log.QUIET_SECONDS
    report.mention("image", "it is late")
    assert len(said) == 5
    assert report.problems() == ["camera_info: 7 bytes are missing"], "what was said is no problem"
    report.clear()
    assert report.problems() == []
