"""CompressedImage as image_transport defines it, and JPEGs that are not whole."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from hma_depth_ros.bags.new_messages import image_message
from hma_depth_ros.bags.typestore import header, message
from hma_depth_ros.data.jpeg import jpeg_is_whole
from hma_depth_ros.messages.compressed_image import UnknownCodecError
from hma_depth_ros.messages.image import BadImageError
from hma_depth_ros.messages.pictures import picture, rgb_image
from hma_depth_ros.messages.types import COMPRESSED_IMAGE

COLOR = np.array([200, 60, 20], np.uint8)
RGB = np.tile(COLOR, (32, 48, 1))
#: Bright on the left, dark on the right: a picture whose values differ.
GREY = np.tile(np.linspace(250, 3, 48).astype(np.uint8), (32, 1))


def compressed(pixels: npt.NDArray[Any], format_: str, suffix: str | None = None) -> Any:
    """What a publisher sends that hands `pixels` to OpenCV, which takes colours for BGR."""
    suffix = suffix or (".png" if "png" in format_ else ".tiff" if "tiff" in format_ else ".jpg")
    done, data = cv2.imencode(suffix, pixels)
    assert done
    return message(COMPRESSED_IMAGE, header=header(0, ""), format=format_, data=data.ravel())


BGR = RGB[..., ::-1]
#: Format, and what of the red-brown picture was handed to the codec.
COLOURS: dict[str, npt.NDArray[Any]] = {
    "jpeg": BGR,
    "png": BGR,
    "jpg": BGR,
    "": BGR,
    "rgb8; jpeg compressed bgr8": BGR,
    "bgr8; jpeg compressed bgr8": BGR,
    "rgb8;jpeg compressed bgr8": BGR,
    "rgba8; png compressed bgr8": BGR,
    "rgb8; png compressed rgb8": RGB,
    "rgb8; png compressed ": RGB,
    "bgr8; png compressed ": RGB,  # which image_transport's subscriber turns round
    "rgb16; png compressed bgr16": BGR.astype(np.uint16) * 257,
    "rgb16; tiff compressed ": RGB.astype(np.uint16) * 257,
    "bayer_rggb8; jpeg compressed bgr8": BGR,  # made a picture before it was compressed
    "yuv422; jpeg compressed bgr8": BGR,
}


@pytest.mark.parametrize("format_", COLOURS)
def test_colours_come_back_whatever_their_order(format_: str) -> None:
    found = rgb_image(compressed(COLOURS[format_], format_)).astype(int)
    assert found.shape == RGB.shape
    assert np.abs(found - RGB).max() <= (3 if "png" not in format_ and "tiff" not in format_ else 0)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("codec", ["png", "jpeg"])
@pytest.mark.parametrize("order", ["rggb", "bggr", "gbrg", "grbg"])
def test_a_mosaic_becomes_the_picture_that_it_is_of(order: str, codec: str, bits: int) -> None:
    mosaic = np.zeros((32, 48), np.uint8)
    for place, channel in enumerate("rgb".index(letter) for letter in order):
        mosaic[place // 2 :: 2, place % 2 :: 2] = COLOR[channel]
    stored = mosaic if bits == 8 or codec == "jpeg" else mosaic.astype(np.uint16) * 257
    image = compressed(stored, f"bayer_{order}{bits}; {codec} compressed ")
    found = rgb_image(image).astype(int)
    assert np.abs(found - RGB)[2:-2, 2:-2].max() <= (12 if codec == "jpeg" else 0)


def test_a_mosaic_that_was_made_grey_before_is_grey() -> None:
    """As image_transport's JPEG has it since 2023."""
    found = picture(compressed(GREY, "bayer_rggb8; jpeg compressed mono8"))[0].astype(int)
    assert np.abs(found - GREY).max() <= 6


@pytest.mark.parametrize("format_", ["mono16; png compressed ", "png", "16UC1; tiff compressed "])
def test_16_bits_are_scaled_as_those_of_a_raw_image(format_: str) -> None:
    deep = GREY.astype(np.uint16) * 257 - 90
    found, kind = picture(compressed(deep, format_))
    expected, raw_kind = picture(image_message(deep, "mono16", stamp=0, frame=""))
    np.testing.assert_array_equal(found, expected)
    assert kind is raw_kind
    # By 65535, not by the brightest of the picture, nor by the upper byte.
    np.testing.assert_array_equal(found, np.rint(deep * (255 / 65535)))


def test_a_tag_of_orientation_does_not_turn_the_picture() -> None:
    """The calibration is for the picture as the camera publishes it."""
    jpeg = compressed(BGR, "jpeg")
    # EXIF with one entry: orientation (0x0112), a short, 6: turned by a quarter.
    tiff = (
        b"MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00"
        + bytes(4)
    )
    body = b"Exif\x00\x00" + tiff
    segment = b"\xff\xe1" + (len(body) + 2).to_bytes(2, "big") + body
    data = jpeg.data.tobytes()
    jpeg.data = np.frombuffer(data[:2] + segment + data[2:], np.uint8)
    turned = cv2.imdecode(jpeg.data, cv2.IMREAD_COLOR)
    assert turned is not None
    assert turned.shape == (48, 32, 3), "the tag is right"
    assert rgb_image(jpeg).shape == (32, 48, 3)


def test_numbers_that_are_no_pixels_are_refused() -> None:
    depth = compressed(np.full((4, 6), 7.5, np.float32), "32FC1; tiff compressed ")
    with pytest.raises(BadImageError, match=r"'32FC1; tiff compressed ' holds float32 pixels"):
        picture(depth)


@pytest.mark.parametrize("format_", ["h264", "hevc", "zstd", "16UC1; compressedDepth", "rvl"])
def test_other_codecs_are_named_with_what_to_do(format_: str) -> None:
    image = message(
        COMPRESSED_IMAGE, header=header(0, ""), format=format_, data=np.arange(99, dtype=np.uint8)
    )
    with pytest.raises(UnknownCodecError, match="cannot decode 99 bytes") as error:
        picture(image)
    assert f"format '{format_}'" in str(error.value)
    assert "ros2 run image_transport republish" in str(error.value)


# --- truncated JPEGs ----------------------------------------------------------------------------

NOISE = np.random.default_rng(0).integers(0, 256, (40, 60, 3)).astype(np.uint8)
PROGRESSIVE = [cv2.IMWRITE_JPEG_PROGRESSIVE, 1]
RESTARTS = [cv2.IMWRITE_JPEG_RST_INTERVAL, 2]


def jpeg(*options: int) -> bytes:
    return cv2.imencode(".jpg", NOISE, options)[1].tobytes()


def with_thumbnail() -> bytes:
    """A whole small JPEG lies in the header, with an end marker of its own."""
    small = cv2.imencode(".jpg", NOISE[:8, :8])[1].tobytes()
    data = jpeg()
    return data[:2] + b"\xff\xe2" + (len(small) + 2).to_bytes(2, "big") + small + data[2:]


JPEGS = {
    "plain": jpeg(),
    "progressive": jpeg(*PROGRESSIVE),
    "with restart markers": jpeg(*RESTARTS),
    "with a thumbnail": with_thumbnail(),
}


@pytest.mark.parametrize("kind", JPEGS)
def test_a_truncated_jpeg_is_refused_wherever_it_ends(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = JPEGS[kind]
    assert jpeg_is_whole(data)
    # Cameras leave padding behind the end, and some a block of their own.
    for behind in (bytes(9000), b"\x00" * 3, b"GPS position"):
        assert jpeg_is_whole(data + behind)
    for end in [*range(2, len(data), 97), len(data) - 1]:
        assert not jpeg_is_whole(data[:end]), end

    # Whatever OpenCV makes of it: versions before 4.11 make a picture.
    monkeypatch.setattr(cv2, "imdecode", lambda *_: NOISE)
    image = message(COMPRESSED_IMAGE, header=header(0, ""), format="jpeg", data=None)
    image.data = np.frombuffer(data, np.uint8)
    np.testing.assert_array_equal(rgb_image(image), NOISE[..., ::-1])
    image.data = image.data[: len(data) * 6 // 10]
    with pytest.raises(BadImageError, match=r"bytes of format 'jpeg': the JPEG is cut short"):
        picture(image)
