"""Predictions in files: what is read as metres, and what is refused."""

from __future__ import annotations

import resource
from pathlib import Path

import numpy as np
import pytest

from hma_depth_ros.data.depth.stored_depth import read_stored_depth, write_stored_depth
from hma_depth_ros.errors import HmaDepthError


def test_npy_keeps_every_bit(tmp_path: Path):
    depth = np.random.default_rng(0).random((3, 5)).astype(np.float32)
    depth[0, :2] = np.nan, np.inf
    write_stored_depth(tmp_path / "a.npy", depth)
    np.testing.assert_array_equal(read_stored_depth(tmp_path / "a.npy"), depth)


@pytest.mark.parametrize("units", [256.0, 1000.0])
def test_png_has_the_units_named(tmp_path: Path, units: float):
    depth = np.array([[1.5, 0.0], [20.25, 3.0]], np.float32)
    write_stored_depth(tmp_path / "a.png", depth, units_per_metre=units)
    found = read_stored_depth(tmp_path / "a.png", units_per_metre=units)
    np.testing.assert_array_equal(found, depth)
    other = read_stored_depth(tmp_path / "a.png", units_per_metre=2 * units)
    np.testing.assert_array_equal(other, depth / 2)


def test_double_precision_and_an_axis_of_one_are_fine(tmp_path: Path):
    np.save(tmp_path / "a.npy", np.full((1, 2, 3), 7.5))
    found = read_stored_depth(tmp_path / "a.npy")
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, np.full((2, 3), 7.5))


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.ones((2, 3, 4)), r"shape \(2, 3, 4\), not \(H, W\)"),
        (np.ones((2, 3), np.uint16), "does not hold an array of floating-point metres"),
        (np.array([{"a": 1}], object), "cannot read the depth"),
    ],
)
def test_other_arrays_are_refused(tmp_path: Path, array: np.ndarray, message: str):
    np.save(tmp_path / "a.npy", array, allow_pickle=True)
    with pytest.raises(HmaDepthError, match=message):
        read_stored_depth(tmp_path / "a.npy")


def test_truncated_and_missing_files_are_named(tmp_path: Path):
    np.save(tmp_path / "a.npy", np.ones((20, 30)))
    data = (tmp_path / "a.npy").read_bytes()
    for size in (0, 60, 1000):
        (tmp_path / "a.npy").write_bytes(data[:size])
        with pytest.raises(HmaDepthError, match=r"cannot read the depth .*a\.npy") as error:
            read_stored_depth(tmp_path / "a.npy")
        assert "it is an array of NumPy" not in str(error.value)  # but not a whole one
    with pytest.raises(HmaDepthError, match=r"b\.npy"):
        read_stored_depth(tmp_path / "b.npy")


@pytest.mark.parametrize("suffix", [".npy", ".png"])
def test_a_full_disk_is_named(tmp_path: Path, suffix: str):
    """The limit on the size of files stands in for the disk."""
    depth = np.random.default_rng(0).uniform(1, 80, (100, 100)).astype(np.float32)
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, usual[1]))
    try:
        with pytest.raises(HmaDepthError, match=rf"cannot write .*a\{suffix}: File too large"):
            write_stored_depth(tmp_path / f"a{suffix}", depth)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
    assert not list(tmp_path.iterdir())
