"""One scored frame on a page: image, ground truth, prediction, and where it errs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hma_depth_ros.evaluation.error_colors import error_colors, error_scale, thick
from hma_depth_ros.evaluation.protocol_windows import Window
from hma_depth_ros.visualization.color_scale import depth_scale
from hma_depth_ros.visualization.depth_color import colorize_depth
from hma_depth_ros.visualization.palette import LIGHT
from hma_depth_ros.visualization.sheet import Sheet, SheetBox
from hma_depth_ros.visualization.tiles import HEADER, draw_scale, draw_title

_WIDTH, _MARGIN, _GAP = 900, 24, 10
_CAPTION = 22
_OUTLINE = LIGHT.paper


@dataclass(frozen=True)
class ScoredFrame:
    """What there is to show, all of one size (H, W)."""

    caption: str
    image: npt.NDArray[np.uint8] | None  #: RGB
    truth: npt.NDArray[np.float32]  #: metres, 0 unknown
    depth: npt.NDArray[np.float32]  #: metres as predicted, NaN where a crop does not reach
    prediction: npt.NDArray[np.float32]  #: metres as scored, 1 mm where there is none
    window: Window  #: that is scored
    max_depth: float  #: far end of the colours


def error_page(frame: ScoredFrame) -> npt.NDArray[np.uint8]:
    """Picture (height, width, 3), RGB; the scored window is outlined in white.

    Points of ground truth are drawn three pixels wide, since they are sparse.
    """
    far, depths = frame.max_depth, depth_scale(frame.max_depth)
    rows = [
        ("Ground truth in metres", colorize_depth(thick(frame.truth), max_depth=far), depths),
        ("Prediction in metres", colorize_depth(frame.depth, max_depth=far), depths),
        ("Relative error", error_colors(frame.truth, frame.prediction), error_scale()),
    ]
    scale = _WIDTH / frame.truth.shape[1]
    height = round(frame.truth.shape[0] * scale)
    step = HEADER + height + _GAP
    pictures = [picture for _, picture, _ in rows]
    if frame.image is not None:
        pictures.insert(0, frame.image)
    sheet = Sheet(_WIDTH + 2 * _MARGIN, 2 * _MARGIN + _CAPTION + len(pictures) * step - _GAP)
    sheet.text(_MARGIN, _MARGIN + 6, frame.caption, size=13, color=LIGHT.faint_ink)
    top = _MARGIN + _CAPTION + HEADER
    boxes = [
        SheetBox(_MARGIN, top + index * step, _WIDTH, height) for index in range(len(pictures))
    ]
    for box, picture in zip(boxes, pictures, strict=True):
        sheet.paste(picture, box)
        down, right = round(frame.window.top * scale), round(frame.window.left * scale)
        rows_high, columns_wide = (round(length * scale) for length in frame.window.shape)
        scored = SheetBox(box.left + right, box.top + down, columns_wide, rows_high)
        sheet.outline(scored, _OUTLINE)
    if frame.image is not None:
        draw_title(sheet, boxes[0], "Image, the scored part outlined")
    for box, (title, _, colors) in zip(boxes[-len(rows) :], rows, strict=True):
        draw_title(sheet, box, title)
        draw_scale(sheet, box, colors)
    return sheet.render()
