"""Attention masks as one picture: which scale of the network decided each pixel's depth."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

#: One colour per scale, coarse to fine, from Okabe and Ito's palette (2008), which people with the
#: common colour blindnesses can tell apart.
_OKABE_ITO = (
    (0, 114, 178),  # blue
    (230, 159, 0),  # orange
    (0, 158, 115),  # bluish green
    (204, 121, 167),  # reddish purple
    (240, 228, 66),  # yellow
    (86, 180, 233),  # sky blue
)


def scale_names(count: int) -> list[str]:
    """Names of `count` scales, coarse to fine, as the paper has them: H/8, H/4, H/2, H for four."""
    return [f"H/{2**power}" if power else "H" for power in reversed(range(count))]


def scale_colors(count: int) -> npt.NDArray[np.uint8]:
    """One RGB colour (count, 3) per scale, coarse to fine.

    Raises:
        ValueError: more scales than colours.

    """
    if not 0 < count <= len(_OKABE_ITO):
        raise ValueError(f"{count} scales: there are colours for 1 to {len(_OKABE_ITO)}")
    return np.array(_OKABE_ITO[:count], np.uint8)


def colorize_attention(
    masks: npt.NDArray[np.float32], *, out: npt.NDArray[np.uint8] | None = None
) -> npt.NDArray[np.uint8]:
    """Colours (H, W, 3), RGB, of the masks M_s (S, H, W), coarse to fine (equations 1 to 4).

    Each pixel is the sum over s of M_s times the colour of scale s. A scale that decides alone
    shows its own colour; the more they share, the greyer. Pixels without masks (NaN) are black.
    Written into `out`, if that is given.
    """
    planes = []
    # By OpenCV, not as a matrix product: NumPy's BLAS keeps all cores spinning for a while after
    # each one, which doubled the time of the network's pass beside it.
    for weights in scale_colors(len(masks)).T.astype(float):
        mixed = np.zeros(masks.shape[1:], np.float32)
        for mask, weight in zip(masks, weights, strict=True):
            cv2.scaleAdd(mask, weight, mixed, dst=mixed)
        cv2.patchNaNs(mixed, 0)
        planes.append(cv2.convertScaleAbs(mixed))
    return np.asarray(cv2.merge(planes, dst=out))
