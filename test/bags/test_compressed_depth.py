"""compressedDepth: image_transport's code for depth, read and written."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from hma_depth_ros.bags.bag_cameras import find_cameras
from hma_depth_ros.bags.new_messages import compressed_image_message, image_message
from hma_depth_ros.bags.reader import BagReader
from hma_depth_ros.bags.writer import BagWriter
from hma_depth_ros.messages.compressed_depth import (
    compressed_depth,
    decompressed_depth,
    is_compressed_depth,
)
from hma_depth_ros.messages.depth_image import depth_array, depth_size, encoded_depth
from hma_depth_ros.messages.image import BadImageError
from hma_depth_ros.messages.types import COMPRESSED_IMAGE, IMAGE

NAN, INF = np.float32(np.nan), np.float32(np.inf)


def sent(form: str, data: bytes) -> Any:
    return SimpleNamespace(format=form, data=data)


def chunk(kind: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)


def png_by_hand(rows: list[list[int]], bits: int = 16) -> bytes:
    """Grey PNG by its specification, without a library for pictures."""
    size = struct.pack(">IIBBBBB", len(rows[0]), len(rows), bits, 0, 0, 0, 0)
    kind = "H" if bits == 16 else "B"
    lines = b"".join(b"\0" + struct.pack(f">{len(row)}{kind}", *row) for row in rows)
    body = chunk(b"IHDR", size) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def image_transports_depth(image: Any) -> npt.NDArray[np.float32]:
    """What codec.cpp's decodeCompressedDepthImage makes of a PNG, pixel by pixel, in float32."""
    _, a, b = struct.unpack_from("<iff", image.data)
    stored = cv2.imdecode(np.frombuffer(image.data[12:], np.uint8), cv2.IMREAD_UNCHANGED)
    assert stored is not None
    depth = np.full(stored.shape, NAN)
    with np.errstate(divide="ignore"):
        for place, number in np.ndenumerate(stored):
            if number:
                depth[place] = np.float32(a) / (np.float32(number) - np.float32(b))
    return depth


#: What image_transport_plugins' own code, compiled, makes of 2.5, 7.75, 80.5 m; NaN, Inf, 33 m with
#: its depth_max at 81 m (65.535 m in whole millimetres), and what it reads of that.
METRES = [[2.5001909732818604, 7.75317907333374, 81.0], [NAN, NAN, 33.03986358642578]]
MILLIMETRES = [[2.5, 7.75, 65.535], [NAN, NAN, 33.0]]
GOLDEN = {
    "32FC1; compressedDepth png": (
        "0000000000d01d46fa61f7c289504e470d0a1a0a0000000d4948445200000003000000021000000000e88fe585"
        "000000124944415408d763e0f76199cdc0c80006db000b5901b2baaf9a880000000049454e44ae426082",
        METRES,
    ),
    "32FC1; compressedDepth rvl": (
        "0000000000d01d46fa61f7c2030000000200000019af8b03c4bea1cd0050ad21",
        METRES,
    ),
    "16UC1; compressedDepth png": (
        "00000000e67f00000000000089504e470d0a1a0a0000000d4948445200000003000000021000000000e88fe585"
        "000000144944415408d763e03c22e7f6ff3f030834bc0000209004982e6d257b0000000049454e44ae426082",
        MILLIMETRES,
    ),
    "16UC1; compressedDepth rvl": (
        "000000003e7f00000000000003000000020000001ce98903d9aec28c8fdd21c3000000f1",
        MILLIMETRES,
    ),
}


@pytest.mark.parametrize("form", GOLDEN)
def test_what_image_transport_wrote_is_read(form: str) -> None:
    data, expected = GOLDEN[form]
    found = depth_array(sent(form, bytes.fromhex(data)))
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, np.array(expected, np.float32))
    assert depth_size(sent(form, bytes.fromhex(data))) == (3, 2)


def test_bytes_by_the_format_are_read() -> None:
    numbers = [[1, 0, 200, 65535], [30, 2, 0, 1000]]
    header = struct.pack("<iff", 0, 9000.0, -100.0)
    for form in ("32FC1; compressedDepth png", "32FC1; compressedDepth"):  # old ones name no codec
        found = depth_array(sent(form, header + png_by_hand(numbers)))
        expected = [
            [9000 / 101, NAN, 30, 9000 / 65635],
            [9000 / 130, 9000 / 102, NAN, 9000 / 1100],
        ]
        np.testing.assert_allclose(found, np.array(expected), rtol=1e-6)
    found = depth_array(sent("16UC1; compressedDepth", b"\xff" * 12 + png_by_hand(numbers)))
    expected = [[0.001, NAN, 0.2, 65.535], [0.03, 0.002, NAN, 1.0]]
    np.testing.assert_allclose(found, np.array(expected), rtol=1e-6)


def test_image_transport_reads_what_is_written() -> None:
    """To half a step, with no depth and beyond the range told apart."""
    depth = np.geomspace(0.2, 300, 60 * 50, dtype=np.float32).reshape(60, 50)
    depth[0] = NAN
    depth[1] = INF
    depth[2, :4] = 0, -1, 0.01, 1e6
    form, data = compressed_depth(depth)
    assert form == "32FC1; compressedDepth png"
    assert struct.unpack_from("<iff", data) == (0, 10100.0, 1.0)
    theirs = image_transports_depth(sent(form, data))
    np.testing.assert_array_equal(decompressed_depth(sent(form, data)), theirs)
    assert np.isnan(theirs[0]).all()
    assert np.isposinf(theirs[1]).all()
    np.testing.assert_allclose(theirs[2, :4], np.array([NAN, NAN, 10100 / 65534, INF]))
    error = theirs[3:].astype(float) - depth[3:]
    limit = depth[3:].astype(float) ** 2 / 20200
    assert np.abs(error / limit).max() < 1.02
    assert np.abs(error / limit).max() > 0.98, "there is a case that takes all of it"
    assert abs((error / limit).mean()) < 0.02, "no bias"


def test_millimetres_are_exact() -> None:
    depth = np.array([[1.5, NAN, 65.534], [INF, 0.0012, 80.0]], np.float32)
    form, data = compressed_depth(encoded_depth(depth, "16UC1"))
    assert form == "16UC1; compressedDepth png"
    stored = cv2.imdecode(np.frombuffer(data[12:], np.uint8), cv2.IMREAD_UNCHANGED)
    assert stored is not None
    assert stored.tolist() == [[1500, 0, 65534], [0, 1, 0]]
    expected = np.array([[1.5, NAN, 65.534], [NAN, 0.001, NAN]], np.float32)
    np.testing.assert_array_equal(depth_array(sent(form, data)), expected)


@pytest.mark.parametrize("share", [0.0, 0.05, 0.6, 1.0])
def test_rvl_of_runs_of_all_lengths(share: float) -> None:
    """Coded here as the paper says, nibble by nibble."""
    random = np.random.default_rng(3)
    runs = random.random((37, 61)) < share
    pixels = np.where(runs, random.integers(1, 65536, runs.shape), 0)
    nibbles: list[int] = []

    def put(number: int) -> None:
        while True:
            nibbles.append(number & 7 | (8 if number >> 3 else 0))
            number >>= 3
            if not number:
                return

    flat, previous, at = pixels.ravel().tolist(), 0, 0
    while at < len(flat):
        for zero in (True, False):
            run = at
            while run < len(flat) and (flat[run] == 0) == zero:
                run += 1
            put(run - at)
            for value in [] if zero else flat[at:run]:
                delta, previous = value - previous, value
                put(2 * delta if delta >= 0 else -2 * delta - 1)
            at = run
    nibbles += [0] * (-len(nibbles) % 8)
    words = [
        int("".join(f"{n:x}" for n in nibbles[i : i + 8]), 16) for i in range(0, len(nibbles), 8)
    ]
    data = struct.pack(f"<12xII{len(words)}I", 61, 37, *words)
    found = depth_array(sent("16UC1; compressedDepth rvl", data))
    np.testing.assert_array_equal(np.nan_to_num(found), (pixels / 1000).astype(np.float32))


HEADER = bytes(12)
WHOLE = png_by_hand([[1, 2], [3, 4]])
RVL = struct.pack("<II", 2, 2)


@pytest.mark.parametrize(
    ("form", "data", "complaint"),
    [
        ("32FC1; compressedDepth png", HEADER, "12 bytes of .* are no image"),
        ("32FC1; compressedDepth png", HEADER + WHOLE[:40], "hold no PNG of 16 bits"),
        ("32FC1; compressedDepth png", HEADER + png_by_hand([[1, 2]], bits=8), "no PNG of 16 bits"),
        ("32FC1; compressedDepth zfp", HEADER + WHOLE, "is neither png nor rvl"),
        ("rgb8; compressedDepth png", HEADER + WHOLE, "is not 32FC1 or 16UC1 depth"),
        ("jpeg", HEADER + WHOLE, r"in compressedDepth, not compressed \(jpeg\)"),
        ("16UC1; compressedDepth rvl", HEADER + RVL[:6], "no image of 0x0 pixels"),
        ("16UC1; compressedDepth rvl", HEADER + b"\xff" * 12, "no image of 4294967295x4294967295"),
        ("16UC1; compressedDepth rvl", HEADER + RVL, "RVL data of 0 bytes end at pixel 0 of 4"),
        ("16UC1; compressedDepth rvl", HEADER + RVL + bytes(4), "run of 0 and 0 at pixel 0"),
        ("16UC1; compressedDepth rvl", HEADER + RVL + b"\0\0\0\x50", "run of 5 and 0 at pixel 0"),
        ("16UC1; compressedDepth rvl", HEADER + RVL + b"\0\0\0\x05", "run of 0 and 5"),
        ("16UC1; compressedDepth rvl", HEADER + RVL + b"\xff" * 16, "a number without end"),
    ],
)
def test_damage_is_told(form: str, data: bytes, complaint: str) -> None:
    with pytest.raises(BadImageError, match=complaint):
        depth_array(sent(form, data))


def test_it_is_no_camera(tmp_path: Path) -> None:
    depth = np.full((4, 6), 7, np.float32)
    form, data = compressed_depth(depth)
    with BagWriter(tmp_path / "bag") as writer:
        writer.add_topic("/camera/image", IMAGE)
        writer.add_topic("/camera/depth/compressedDepth", COMPRESSED_IMAGE)
        picture = image_message(np.zeros((4, 6, 3), np.uint8), "rgb8", stamp=0, frame="eye")
        writer.write("/camera/image", 0, picture)
        message = compressed_image_message(data, form, stamp=0, frame="eye")
        writer.write("/camera/depth/compressedDepth", 0, message)
    assert is_compressed_depth(message)
    assert not is_compressed_depth(picture)
    with BagReader(tmp_path / "bag") as reader:
        found = find_cameras(reader)
    assert [camera.image for camera in found.cameras] == ["/camera/image"]
    assert "compressedDepth" in found.left_out["/camera/depth/compressedDepth"]
