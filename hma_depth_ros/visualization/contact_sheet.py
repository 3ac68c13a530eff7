"""Several frames of a recording on one page."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from hma_depth_ros.visualization import tiles
from hma_depth_ros.visualization.birds_eye import BirdsEyeExtent
from hma_depth_ros.visualization.sheet import Sheet, SheetBox
from hma_depth_ros.visualization.tiles import HEADER, NARROWEST, FrameView

_MARGIN, _GAP = 24, 16
_WIDTH = 560  # of one picture, in pixels
_BETWEEN_FRAMES = 14  # on top of the gap


def spread(total: int, count: int) -> list[int]:
    """At most `count` indices spread evenly over range(total), first and last among them."""
    return sorted({int(index) for index in np.linspace(0, total - 1, min(count, total)).round()})


def contact_sheet(frames: Sequence[FrameView]) -> npt.NDArray[np.uint8]:
    """Picture (height, width, 3), RGB, of all frames below each other.

    Each shows image and depth on the left, attention and masks in the middle, the cloud from above
    on the right; a column that no frame has is left out.

    Raises:
        ValueError: there are no frames.

    """
    if not frames:
        raise ValueError("a contact sheet needs at least one frame")
    width, height = frames[0].picture_size(_WIDTH)
    picture = SheetBox(_MARGIN, _MARGIN + HEADER, width, height)
    right_step = max(width, NARROWEST) + _GAP
    down_step = height + HEADER + _GAP
    masks = picture.moved(left=right_step)
    with_masks = any(frame.attention is not None for frame in frames)
    cloud_height = down_step + height
    cloud_aspect = BirdsEyeExtent.for_range(frames[0].max_depth).aspect
    cloud_left = picture.left + (2 if with_masks else 1) * right_step
    cloud = SheetBox(cloud_left, picture.top, round(cloud_height * cloud_aspect), cloud_height)
    with_cloud = any(frame.points is not None for frame in frames)
    right = cloud.right if with_cloud else cloud.left - _GAP
    frame_step = 2 * down_step + _BETWEEN_FRAMES

    bottom = _MARGIN + len(frames) * frame_step - _GAP - _BETWEEN_FRAMES
    sheet = Sheet(right + _MARGIN, bottom + _MARGIN)
    for index, frame in enumerate(frames):
        top = index * frame_step
        tiles.draw_image(sheet, picture.moved(top=top), frame)
        tiles.draw_depth(sheet, picture.moved(top=top + down_step), frame)
        if frame.attention is not None:
            tiles.draw_winner(sheet, masks.moved(top=top), frame)
            tiles.draw_masks(sheet, masks.moved(top=top + down_step), frame)
        if frame.points is not None:
            tiles.draw_cloud(sheet, cloud.moved(top=top), frame)
    return sheet.render()
