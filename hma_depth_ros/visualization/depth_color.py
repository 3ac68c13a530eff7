"""Metric depth as colour, fast enough to run beside the network for every frame."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

#: Shown where there is no depth (NaN), none within range (inf) or an impossible one (<= 0): a dark
#: neutral grey, which the turbo map itself does not contain.
NO_DEPTH_RGB = (38, 38, 38)

#: Octaves of depth that the colours span by default, counted down from the maximum: 2.5 m to 80 m
#: on the road, 0.31 m to 10 m indoors.
_OCTAVES = 5

#: The part of turbo's 256 colours in use; its ends are nearly black and look like no depth.
_COLDEST, _WARMEST = 14, 244


def nearest_colored_depth(max_depth: float) -> float:
    """Default near end of the colour scale in metres: five octaves below `max_depth`."""
    return max_depth / 2**_OCTAVES


def colorize_depth(
    depth: npt.NDArray[np.float32],
    *,
    max_depth: float,
    min_depth: float | None = None,
    out: npt.NDArray[np.uint8] | None = None,
) -> npt.NDArray[np.uint8]:
    """Colours (H, W, 3), RGB, of a depth image (H, W) in metres: near is warm, far is cold.

    The map is *turbo* (Mikhailov, Google AI blog, 2019) over the logarithm of depth, so that the
    same ratio of depths makes the same step of colour at 5 m and at 50 m. Depths outside
    [min_depth, max_depth] take the colour of the nearer end; NaN, infinity and values <= 0 are
    `NO_DEPTH_RGB`. `min_depth` defaults to `nearest_colored_depth(max_depth)`. The picture is put
    into `out`, if that is given.

    The upper half of an IEEE float is sign, exponent and seven bits of mantissa: already a
    logarithmic code with 128 steps per octave, NaN and infinity included. It indexes a table of all
    65536 codes, so a frame costs one gather and no arithmetic (0.5 ms at 1242x375).

    Raises:
        ValueError: not 0 < min_depth < max_depth.

    """
    near = nearest_colored_depth(max_depth) if min_depth is None else min_depth
    codes = np.ascontiguousarray(depth, "<f4").view("<u2")[:, 1::2]
    rgba = np.take(_table(near, max_depth), codes)
    pixels = rgba.view(np.uint8).reshape(*depth.shape, 4)
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGBA2RGB, dst=out))


@lru_cache(maxsize=8)
def _table(min_depth: float, max_depth: float) -> npt.NDArray[np.uint32]:
    """RGBA colour of each of the 65536 upper halves of a float32, one pixel per word."""
    if not 0 < min_depth < max_depth:
        raise ValueError(f"not a range of depths: {min_depth} m to {max_depth} m")
    halves = np.arange(1 << 16, dtype=np.uint32)
    depth = ((halves << 16) | 0x8000).view(np.float32)  # the middle of what shares an upper half
    valid = np.isfinite(depth) & (depth >= np.finfo(np.float32).tiny)  # zero is among the subnormal
    logarithm = np.log(np.where(valid, depth, max_depth))
    nearness = np.interp(logarithm, np.log([min_depth, max_depth]), [_WARMEST, _COLDEST])
    turbo = cv2.applyColorMap(np.arange(256, dtype=np.uint8)[:, None], cv2.COLORMAP_TURBO)
    rgb = turbo[:, 0, ::-1][np.rint(nearness).astype(np.intp)]
    rgba = np.full((1 << 16, 4), 255, np.uint8)
    rgba[:, :3] = np.where(valid[:, None], rgb, np.array(NO_DEPTH_RGB, np.uint8))
    return rgba.view(np.uint32)[:, 0]
