"""One scored frame on a page: image, ground truth, prediction, and where it errs."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from hma_depth_ros.evaluation.windows import Window
from hma_depth_ros.visualization.depth_color import colorize_depth, nearest_colored_depth
from hma_depth_ros.visualization.sheet import FAINT_INK, Box, Sheet

_WIDTH, _MARGIN, _HEADER = 900, 24, 30
#: Relative errors from this on have the brightest colour.
_WORST_ERROR = 0.5
_OUTLINE = "#ffffff"


@dataclass(frozen=True)
class ScoredFrame:
    """What there is to show, all of one size (H, W)."""

    caption: str
    image: npt.NDArray[np.uint8] | None  #: RGB
    truth: npt.NDArray[np.float32]  #: metres, 0 unknown
    prediction: npt.NDArray[np.float32]  #: metres
    window: Window  #: that is scored
    max_depth: float  #: far end of the colours


def error_page(frame: ScoredFrame) -> npt.NDArray[np.uint8]:
    """Picture (height, width, 3), RGB; the scored window is outlined in white.

    Points of ground truth are drawn three pixels wide, since they are sparse.
    """
    near, far = nearest_colored_depth(frame.max_depth), frame.max_depth
    rows = [
        (f"Ground truth, {near:g} m red to {far:g} m blue", _depth(_thick(frame.truth), far)),
        ("Prediction", _depth(frame.prediction, far)),
        (
            f"Relative error, 0 black to {_WORST_ERROR:.0%} and more yellow",
            error_colors(frame.truth, frame.prediction),
        ),
    ]
    if frame.image is not None:
        rows.insert(0, ("Image", frame.image))
    scale = _WIDTH / frame.truth.shape[1]
    height = round(frame.truth.shape[0] * scale)
    step = _HEADER + height + 8
    sheet = Sheet(_WIDTH + 2 * _MARGIN, 2 * _MARGIN + len(rows) * step)
    for index, (title, picture) in enumerate(rows):
        box = Box(_MARGIN, _MARGIN + _HEADER + index * step, _WIDTH, height)
        sheet.text(box.left, box.top - 13, title, size=16, bold=True)
        sheet.paste(picture, box)
        top, left = round(frame.window.top * scale), round(frame.window.left * scale)
        rows_high, columns_wide = (round(length * scale) for length in frame.window.shape)
        sheet.outline(Box(box.left + left, box.top + top, columns_wide, rows_high), _OUTLINE)
    right, top = _MARGIN + _WIDTH, _MARGIN + _HEADER
    sheet.text(right, top - 13, frame.caption, size=13, color=FAINT_INK, align="right")
    return sheet.render()


def _depth(depth: npt.NDArray[np.float32], far: float) -> npt.NDArray[np.uint8]:
    return colorize_depth(depth, max_depth=far)


def _thick(points: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return cv2.dilate(points, np.ones((3, 3), np.uint8))


def error_colors(
    truth: npt.NDArray[np.float32], prediction: npt.NDArray[np.float32]
) -> npt.NDArray[np.uint8]:
    """Relative error of depth (H, W) as RGB (H, W, 3), black to yellow; grey where none is known.

    Points of ground truth, 0 where it is unknown, are drawn three pixels wide.
    """
    known = truth > 0
    relative = np.zeros_like(truth)
    relative[known] = np.abs(prediction[known] / truth[known] - 1)
    shade = np.rint(_thick(relative).clip(0, _WORST_ERROR) * (255 / _WORST_ERROR)).astype(np.uint8)
    colors = cv2.cvtColor(cv2.applyColorMap(shade, cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB)
    colors[cv2.dilate(known.astype(np.uint8), np.ones((3, 3), np.uint8)) == 0] = 60
    return np.asarray(colors, np.uint8)
