"""One frame on one page: image, depth, attention, masks and cloud."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from hma_depth_ros.visualization import tiles
from hma_depth_ros.visualization.birds_eye import BirdsEyeExtent
from hma_depth_ros.visualization.sheet import Sheet, SheetBox
from hma_depth_ros.visualization.tiles import HEADER, NARROWEST, FrameView

_MARGIN, _GAP = 24, 18
_WIDTH = 795  # of image, depth and attention, in pixels


def panel(frame: FrameView) -> npt.NDArray[np.uint8]:
    """Picture (height, width, 3), RGB, of everything known about a frame.

    Image, colour depth and winning scales stand above each other, the cloud from above to their
    right, the masks in a row below. What the frame lacks is left out, and the page shrinks.
    """
    draw_rows = [tiles.draw_image, tiles.draw_depth]
    if frame.attention is not None:
        draw_rows.append(tiles.draw_winner)
    width, height = frame.picture_size(_WIDTH)
    column = max(width, NARROWEST)
    rows = [
        SheetBox(_MARGIN, _MARGIN + HEADER + index * (height + HEADER + _GAP), width, height)
        for index in range(len(draw_rows))
    ]
    right, bottom = _MARGIN + column, rows[-1].bottom

    cloud = None
    if frame.points is not None:
        tall = bottom - rows[0].top
        aspect = BirdsEyeExtent.for_range(frame.max_depth).aspect
        cloud = SheetBox(right + _GAP, rows[0].top, round(tall * aspect), tall)
        right = cloud.right

    masks: list[SheetBox] = []
    if frame.attention is not None:
        top = bottom + _GAP + HEADER
        edges = np.linspace(_MARGIN, right + _GAP, len(frame.attention) + 1).round().astype(int)
        mask_height = round((edges[1] - edges[0] - _GAP) * height / width)
        masks = [
            SheetBox(int(left), top, int(end - left) - _GAP, mask_height)
            for left, end in pairwise(edges)
        ]
        bottom = top + mask_height

    sheet = Sheet(right + _MARGIN, bottom + _MARGIN)
    for draw, box in zip(draw_rows, rows, strict=True):
        draw(sheet, box, frame)
    if cloud is not None:
        tiles.draw_cloud(sheet, cloud, frame)
    for index, box in enumerate(masks):
        tiles.draw_mask(sheet, box, frame, index)
    return sheet.render()
