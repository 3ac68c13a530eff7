"""Procedural texture: one tileable noise image, looked up in metres on a surface.

All irregularity of the synthetic street (asphalt grain, leaves, stains, clouds) is this noise at
different wavelengths. It is a function of the place on the object alone, so that it stays put when
the camera moves and every sensor sees the same holes in the same tree.
"""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]

_SIZE = 512  #: texels per side of the tile
_TEXELS_PER_WAVE = 8
_ROW = 1024  #: cv2.remap takes two-dimensional maps; lists of places are folded into such rows


@cache
def _tile() -> Floats:
    """Noise of one octave around a wavelength of 8 texels, mean 0, deviation 1, periodic."""
    white = np.random.default_rng(20110926).standard_normal((_SIZE, _SIZE))
    frequency = np.hypot(np.fft.fftfreq(_SIZE)[:, None], np.fft.rfftfreq(_SIZE))
    octaves = np.log2(np.maximum(frequency, 1e-6) * _TEXELS_PER_WAVE)
    band = np.exp(-0.5 * (octaves / 0.6) ** 2)
    noise = np.fft.irfft2(np.fft.rfft2(white) * band, s=white.shape)
    return (noise / noise.std()).astype(np.float32)


def noise(u: Floats, v: Floats, wavelength: float, footprint: Floats | None = None) -> Floats:
    """Noise (N) of mean 0 and deviation 1 at the places (u, v), all in metres.

    With `footprint`, the extent of a sample on the surface, it fades out where it would alias.
    The pattern repeats every 64 wavelengths; sums of octaves at odd ratios hide that.
    """
    fade: Floats | None = None
    if footprint is not None:
        fade = np.clip(2 - 4 / np.float32(wavelength) * footprint, 0, 1)
        if not fade.any():
            return np.zeros_like(u)
    maps, count = _maps(u, v)
    maps *= np.float32(_TEXELS_PER_WAVE / (_SIZE * wavelength))
    maps -= np.floor(maps)
    maps *= np.float32(_SIZE)
    values = cv2.remap(_tile(), maps[0], maps[1], cv2.INTER_LINEAR, None, cv2.BORDER_WRAP)
    sampled: Floats = values.ravel()[:count]
    return sampled if fade is None else np.multiply(sampled, fade, out=sampled)


def look_up(image: Floats, column: Floats, row: Floats) -> Floats:
    """Values (n) of an image between its pixels at (column, row), 0 outside of it."""
    maps, count = _maps(column, row)
    values = cv2.remap(image, maps[0], maps[1], cv2.INTER_LINEAR, None, cv2.BORDER_CONSTANT, 0.0)
    return values.ravel()[:count]


def _maps(column: Floats, row: Floats) -> tuple[Floats, int]:
    """Places (n) as the two-dimensional maps (2, rows, columns) of `cv2.remap`, and n."""
    count = column.size
    rows = max(1, -(-count // _ROW))
    maps = np.empty((2, rows * _ROW), np.float32)
    maps[0, :count], maps[1, :count], maps[:, count:] = column, row, 0
    return maps.reshape(2, rows, _ROW), count


def cell_hash(*keys: npt.NDArray[np.generic] | int) -> Floats:
    """Uniform random numbers in [0, 1) fixed by whole keys, such as a window's column and floor.

    The finaliser of MurmurHash3 (Austin Appleby, public domain), folded over the keys.
    """
    value: npt.NDArray[np.uint32] = np.zeros(1, np.uint32)
    for key in keys:
        value = (value * np.uint32(31)) ^ np.asarray(key).astype(np.int64).astype(np.uint32)
        value ^= value >> np.uint32(16)
        value *= np.uint32(0x85EBCA6B)
        value ^= value >> np.uint32(13)
        value *= np.uint32(0xC2B2AE35)
        value ^= value >> np.uint32(16)
    return (value >> np.uint32(8)).astype(np.float32) / np.float32(1 << 24)
