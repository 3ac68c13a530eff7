"""Depth PNG, colour image and PLY files: round trips and one clear error for each bad file."""

from __future__ import annotations

import resource
import struct
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from hma_depth_ros.bags.new_messages import image_message
from hma_depth_ros.data.depth.depth_png import read_depth_png, write_depth_png
from hma_depth_ros.data.image_file import image_size, read_rgb, write_png
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.geometry.ply import write_ply
from hma_depth_ros.messages.pictures import picture


def gradient() -> np.ndarray:
    return np.arange(40 * 60 * 3, dtype=np.uint32).reshape(40, 60, 3).astype(np.uint8)


def test_depth_png_keeps_metres_to_half_a_unit(tmp_path: Path):
    depth = np.geomspace(0.01, 255.9, 24 * 30, dtype=np.float32).reshape(24, 30)
    write_depth_png(tmp_path / "depth.png", depth)
    np.testing.assert_allclose(read_depth_png(tmp_path / "depth.png"), depth, atol=0.5 / 256)


def test_depth_png_is_what_kitti_stores(tmp_path: Path):
    write_depth_png(tmp_path / "depth.png", np.array([[1.0, 80.0, 10.01]], np.float32))
    stored = np.asarray(Image.open(tmp_path / "depth.png")).astype(int)
    assert stored.tolist() == [[256, 20480, 2563]]  # rounded: 10.01 * 256 = 2562.56


def test_what_depth_png_cannot_hold_is_no_depth(tmp_path: Path):
    depth = np.array([[np.nan, np.inf, -np.inf, -1.0, 0.0, 255.99, 256.0, 300.0]], np.float32)
    write_depth_png(tmp_path / "depth.png", depth)
    expected = [[0, 0, 0, 0, 0, 65533 / 256, 0, 0]]
    assert read_depth_png(tmp_path / "depth.png").tolist() == expected


def test_no_half_written_file_is_left(tmp_path: Path):
    write_depth_png(tmp_path / "depth.png", np.ones((3, 3), np.float32))
    assert [path.name for path in tmp_path.iterdir()] == ["depth.png"]


def damaged(path: Path) -> Path:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    return path


def test_a_bad_depth_file_is_named(tmp_path: Path):
    with pytest.raises(HmaDepthError, match=r"missing\.png: No such file"):
        read_depth_png(tmp_path / "missing.png")
    (tmp_path / "empty.png").touch()
    with pytest.raises(HmaDepthError, match=r"empty\.png is truncated"):
        read_depth_png(tmp_path / "empty.png")
    write_depth_png(tmp_path / "half.png", np.random.default_rng(0).uniform(1, 80, (50, 50)))
    with pytest.raises(HmaDepthError, match=r"half\.png is truncated"):
        read_depth_png(damaged(tmp_path / "half.png"))
    cv2.imwrite(str(tmp_path / "grey8.png"), np.ones((4, 4), np.uint8))
    with pytest.raises(HmaDepthError, match=r"grey8\.png is not a 16-bit"):
        read_depth_png(tmp_path / "grey8.png")
    cv2.imwrite(str(tmp_path / "color16.png"), np.ones((4, 4, 3), np.uint16))
    with pytest.raises(HmaDepthError, match=r"color16\.png is not a 16-bit"):
        read_depth_png(tmp_path / "color16.png")


def test_a_color_image_comes_back_as_rgb(tmp_path: Path):
    write_png(tmp_path / "image.png", gradient())
    np.testing.assert_array_equal(read_rgb(tmp_path / "image.png"), gradient())
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "image.png")), gradient())


def test_grey_transparent_and_rotated_images_are_read(tmp_path: Path):
    grey = gradient()[..., 0]
    Image.fromarray(grey).save(tmp_path / "grey.png")
    np.testing.assert_array_equal(read_rgb(tmp_path / "grey.png"), np.stack([grey] * 3, axis=-1))
    Image.fromarray(np.dstack([gradient(), grey])).save(tmp_path / "rgba.png")
    np.testing.assert_array_equal(read_rgb(tmp_path / "rgba.png"), gradient())
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held upright: turn by 90 degrees clockwise to show
    Image.fromarray(gradient()).save(tmp_path / "upright.png", exif=exif)
    np.testing.assert_array_equal(read_rgb(tmp_path / "upright.png"), np.rot90(gradient(), -1))


def saved(path: Path, image: np.ndarray, **options: Any) -> Path:
    """By OpenCV, which writes all depths, from RGB."""
    cv2.imwrite(str(path), image[..., ::-1] if image.ndim == 3 else image)
    return path


DEEP = {
    "grey PNG": lambda folder, grey, rgb: saved(folder / "a.png", grey.astype(np.uint16) * 257),
    "grey TIFF": lambda folder, grey, rgb: saved(folder / "a.tif", grey.astype(np.uint16) * 257),
    "grey PGM": lambda folder, grey, rgb: saved(folder / "a.pgm", grey.astype(np.uint16) * 257),
    "colour PNG": lambda folder, grey, rgb: saved(folder / "a.png", rgb.astype(np.uint16) * 257),
    "colour TIFF": lambda folder, grey, rgb: saved(folder / "a.tif", rgb.astype(np.uint16) * 257),
    "float TIFF": lambda folder, grey, rgb: saved(folder / "a.tif", grey.astype(np.float32) / 255),
    "float PFM": lambda folder, grey, rgb: saved(folder / "a.pfm", grey.astype(np.float32) / 255),
}


@pytest.mark.parametrize("kind", DEEP)
def test_images_of_more_bits_are_the_same_picture(tmp_path: Path, kind: str):
    grey = gradient()[..., 0]
    path = DEEP[kind](tmp_path, grey, gradient())
    expected = gradient() if kind.startswith("colour") else np.stack([grey] * 3, axis=-1)
    np.testing.assert_array_equal(read_rgb(path), expected)
    assert image_size(path) == (60, 40)


def test_16_bits_are_scaled_as_the_node_does_it(tmp_path: Path):
    stored = np.arange(0, 65536, 8, dtype=np.uint16).reshape(64, 128)
    message = image_message(stored, "mono16", stamp=0, frame="")
    expected, _ = picture(message)
    np.testing.assert_array_equal(read_rgb(saved(tmp_path / "a.png", stored))[..., 0], expected)
    # White may be 0 in TIFF.
    Image.fromarray(stored).save(tmp_path / "a.tif", tiffinfo={262: 0})
    np.testing.assert_array_equal(read_rgb(tmp_path / "a.tif")[..., 0], 255 - expected)


def test_palettes_cmyk_and_big_endian_pixels(tmp_path: Path):
    grey = gradient()[..., 0]
    rgb = np.stack([grey // 64 * 80, grey // 128 * 200, np.zeros_like(grey)], axis=-1)
    Image.fromarray(rgb).quantize(16, dither=Image.Dither.NONE).save(
        tmp_path / "palette.png", transparency=bytes(range(16))
    )
    Image.fromarray(rgb).convert("CMYK").save(tmp_path / "cmyk.tif")
    Image.fromarray(rgb).convert("CMYK").save(tmp_path / "cmyk.jpg", quality=100, subsampling=0)
    for name, tolerance in (("palette.png", 0), ("cmyk.tif", 0), ("cmyk.jpg", 12)):
        difference = read_rgb(tmp_path / name).astype(int) - rgb
        assert np.abs(difference).max() <= tolerance, name
    big = Image.fromarray((grey.astype(np.uint16) * 257).astype(">u2"))
    big.save(tmp_path / "big.tif")
    np.testing.assert_array_equal(read_rgb(tmp_path / "big.tif")[..., 1], grey)


@pytest.mark.parametrize(
    ("numbers", "what"),
    [
        (np.float32(300) * np.ones((4, 4), np.float32), "floating-point pixels from 300 to 300"),
        (np.full((4, 4), -0.5, np.float32), "floating-point pixels from -0.5"),
        (np.full((4, 4), np.nan, np.float32), "floating-point pixels from nan"),
        (np.full((4, 4), 200, np.int32), "32-bit pixels from 200"),
        (np.full((4, 4), -3, np.int16), "signed or 32-bit pixels from -3"),
        (np.ones((4, 4, 3), np.float32), "it is a TIFF image of a kind that is not known here"),
    ],
)
def test_pixels_whose_white_is_unknown_are_refused(tmp_path: Path, numbers: np.ndarray, what: str):
    path = saved(tmp_path / "odd.tif", numbers)
    with pytest.raises(HmaDepthError, match=rf"odd\.tif.*{what}"):
        read_rgb(path)


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".png", ".tif"])
def test_a_file_of_several_pictures_is_refused(tmp_path: Path, suffix: str):
    first, other = (Image.new("RGB", (8, 6), color) for color in ("red", "blue"))
    path = tmp_path / f"film{suffix}"
    first.save(path, save_all=True, append_images=[other])
    for read in (read_rgb, image_size):
        with pytest.raises(HmaDepthError, match=rf"film\{suffix} has 2 pictures; save the one"):
            read(path)
    first.save(path, save_all=True)
    assert read_rgb(path).shape == (6, 8, 3)


def test_a_thumbnail_in_a_tiff_is_no_second_picture(tmp_path: Path):
    path = tmp_path / "scan.tif"
    Image.new("RGB", (8, 6), "red").save(
        path, save_all=True, append_images=[Image.new("RGB", (4, 3), "blue")]
    )
    np.testing.assert_array_equal(read_rgb(path), np.full((6, 8, 3), (255, 0, 0)))


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
def test_the_size_is_that_of_the_image_as_it_is_shown(tmp_path: Path, suffix: str):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(gradient()).save(tmp_path / f"turned{suffix}", exif=exif)
    height, width = read_rgb(tmp_path / f"turned{suffix}").shape[:2]
    assert image_size(tmp_path / f"turned{suffix}") == (width, height) == (40, 60)


def test_a_header_that_promises_too_much_is_named(tmp_path: Path):
    saved(tmp_path / "huge.png", np.zeros((4, 4), np.uint16))
    content = bytearray((tmp_path / "huge.png").read_bytes())
    content[16:24] = struct.pack(">II", 1 << 30, 1 << 30)
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    (tmp_path / "huge.png").write_bytes(content)
    for read in (read_rgb, image_size, read_depth_png):
        with pytest.raises(HmaDepthError, match=r"huge\.png"):
            read(tmp_path / "huge.png")


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_a_damaged_image_is_named(tmp_path: Path, suffix: str):
    noise = np.random.default_rng(0).integers(0, 255, (80, 90, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / f"half{suffix}")
    with pytest.raises(HmaDepthError, match=rf"half\{suffix}.*truncated"):
        read_rgb(damaged(tmp_path / f"half{suffix}"))


def test_what_is_no_image_is_named(tmp_path: Path):
    with pytest.raises(HmaDepthError, match=r"missing\.png: No such file"):
        read_rgb(tmp_path / "missing.png")
    (tmp_path / "notes.png").write_text("not an image")
    with pytest.raises(HmaDepthError, match=r"notes\.png is not an image"):
        read_rgb(tmp_path / "notes.png")
    with pytest.raises(HmaDepthError, match="Is a directory"):
        read_rgb(tmp_path)


def read_ply(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Points and colours, read from the header's own description of the vertices."""
    header, _, body = path.read_bytes().partition(b"end_header\n")
    lines = header.decode("ascii").splitlines()
    assert lines[:2] == ["ply", "format binary_little_endian 1.0"]
    count = next(int(line.split()[-1]) for line in lines if line.startswith("element vertex"))
    kinds = {"float": "<f4", "uchar": "u1"}
    fields = [line.split()[1:] for line in lines if line.startswith("property")]
    vertices = np.frombuffer(body, [(name, kinds[kind]) for kind, name in fields])
    assert len(vertices) == count
    points = np.stack([vertices[name] for name in ("x", "y", "z")], axis=-1)
    return points, np.stack([vertices[name] for name in ("red", "green", "blue")], axis=-1)


def test_ply_keeps_valid_points_in_order(tmp_path: Path):
    points = np.random.default_rng(0).normal(size=(5, 7, 3)).astype(np.float32)
    colors = gradient()[:5, :7]
    points[0, 0] = np.nan
    points[2, 3, 1] = np.inf
    assert write_ply(tmp_path / "cloud.ply", points, colors) == 33
    valid = np.isfinite(points).all(axis=-1)
    read_points, read_colors = read_ply(tmp_path / "cloud.ply")
    np.testing.assert_array_equal(read_points, points[valid])
    np.testing.assert_array_equal(read_colors, colors[valid])


def test_an_empty_cloud_is_a_valid_ply(tmp_path: Path):
    nothing = np.full((2, 2, 3), np.nan, np.float32)
    assert write_ply(tmp_path / "cloud.ply", nothing, np.zeros((2, 2, 3), np.uint8)) == 0
    assert len(read_ply(tmp_path / "cloud.ply")[0]) == 0


def test_points_and_colors_must_match(tmp_path: Path):
    with pytest.raises(ValueError, match="not both"):
        write_ply(tmp_path / "c.ply", np.zeros((4, 3), np.float32), np.zeros((5, 3), np.uint8))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("missing", [1, 500, 14_000])
def test_a_full_disk_is_no_cloud(tmp_path: Path, missing: int):
    """Down to the last byte; the limit on the size of files stands in for the disk."""
    points = np.random.default_rng(0).normal(size=(1000, 3)).astype(np.float32)
    write_ply(tmp_path / "whole.ply", points, np.zeros((1000, 3), np.uint8))
    size = (tmp_path / "whole.ply").stat().st_size
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size - missing, usual[1]))
    try:
        with pytest.raises(HmaDepthError, match=r"cannot write .*part\.ply: File too large"):
            write_ply(tmp_path / "part.ply", points, np.zeros((1000, 3), np.uint8))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
    assert [file.name for file in tmp_path.iterdir()] == ["whole.ply"]


def test_every_flipped_bit_and_every_cut_is_found_without_a_word(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    """Libraries below print what they think of a damaged PNG; one error is enough."""
    path, rng = tmp_path / "depth.png", np.random.default_rng(0)
    write_depth_png(path, rng.uniform(1, 80, (20, 30)))
    whole = path.read_bytes()
    damaged = [whole[:size] for size in range(0, len(whole), 7)]
    for position in rng.integers(0, len(whole), 200):
        flipped = bytearray(whole)
        flipped[position] ^= 1 << int(rng.integers(8))
        damaged.append(bytes(flipped))
    for content in damaged:
        path.write_bytes(content)
        with pytest.raises(HmaDepthError, match=r"depth\.png is truncated, damaged or not a PNG"):
            read_depth_png(path)
    assert capfd.readouterr() == ("", "")
