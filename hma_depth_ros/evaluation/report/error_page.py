"""One scored frame on a page: image, ground truth, prediction, and where it errs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hma_depth_ros.evaluation.error_colors import WORST_ERROR, error_colors, thick
from hma_depth_ros.evaluation.protocol_windows import Window
from hma_depth_ros.visualization.depth_color import colorize_depth, nearest_colored_depth
from hma_depth_ros.visualization.palette import LIGHT
from hma_depth_ros.visualization.sheet import Sheet, SheetBox

_WIDTH, _MARGIN, _HEADER = 900, 24, 30
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
        (f"Ground truth, {near:g} m red to {far:g} m blue", _depth(thick(frame.truth), far)),
        ("Prediction", _depth(frame.prediction, far)),
        (
            f"Relative error, 0 black to {WORST_ERROR:.0%} and more yellow",
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
        box = SheetBox(_MARGIN, _MARGIN + _HEADER + index * step, _WIDTH, height)
        sheet.text(box.left, box.top - 13, title, size=16, bold=True)
        sheet.paste(picture, box)
        top, left = round(frame.window.top * scale), round(frame.window.left * scale)
        rows_high, columns_wide = (round(length * scale) for length in frame.window.shape)
        sheet.outline(SheetBox(box.left + left, box.top + top, columns_wide, rows_high), _OUTLINE)
    right, top = _MARGIN + _WIDTH, _MARGIN + _HEADER
    sheet.text(right, top - 13, frame.caption, size=13, color=LIGHT.faint_ink, align="right")
    return sheet.render()


def _depth(depth: npt.NDArray[np.float32], far: float) -> npt.NDArray[np.uint8]:
    return colorize_depth(depth, max_depth=far)
