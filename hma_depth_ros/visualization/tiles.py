"""The labelled pictures that panels and contact sheets are made of, each with its key above it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hma_depth_ros.visualization.attention_color import (
    colorize_attention,
    scale_colors,
    scale_names,
)
from hma_depth_ros.visualization.birds_eye import BirdsEyeExtent, draw_birds_eye
from hma_depth_ros.visualization.color_scale import ColorScale, depth_scale
from hma_depth_ros.visualization.depth_color import colorize_depth
from hma_depth_ros.visualization.palette import LIGHT
from hma_depth_ros.visualization.sheet import Sheet, SheetBox, resample

HEADER = 30  #: pixels of title and key above a picture
NARROWEST = 420  #: pixels that the widest header needs
_KEY_NARROWEST = 240  # under which a mask's grey key would touch its title
_TALLEST = 320
_SCALE_WIDTH, _TITLE_ROOM = 300, 170


@dataclass(frozen=True)
class FrameView:
    """What there is to show of one frame."""

    image: npt.NDArray[np.uint8]  #: (H, W, 3) RGB
    depth: npt.NDArray[np.float32]  #: (H, W) metres, NaN where there is none
    max_depth: float  #: metres, the far end of colours and bird's-eye view
    attention: npt.NDArray[np.float32] | None = None  #: (S, H, W) weights, coarse to fine
    #: (h, w, 3) metres in the optical frame, of an even grid of pixels; NaN where there is none
    points: npt.NDArray[np.float32] | None = None
    caption: str = ""

    def picture_size(self, width: int) -> tuple[int, int]:
        """Width and height in pixels to draw it at: `width` wide unless that gets too tall."""
        rows, columns = self.image.shape[:2]
        scale = min(width / columns, _TALLEST / rows)
        return round(columns * scale), round(rows * scale)


def draw_image(sheet: Sheet, box: SheetBox, frame: FrameView) -> None:
    """The camera's image; `box` is the picture without its header, here and below."""
    draw_title(sheet, box, "Image")
    right = max(box.right, box.left + NARROWEST)
    room = (right - box.left - 80) // 8
    caption = frame.caption if len(frame.caption) <= room else f"...{frame.caption[3 - room :]}"
    sheet.text(right, box.top - 13, caption, size=13, color=LIGHT.faint_ink, align="right")
    sheet.paste(frame.image, box)


def draw_depth(sheet: Sheet, box: SheetBox, frame: FrameView) -> None:
    """Colour-mapped depth under a colour bar in metres."""
    draw_title(sheet, box, "Depth in metres")
    sheet.paste(colorize_depth(frame.depth, max_depth=frame.max_depth), box)
    draw_scale(sheet, box, depth_scale(frame.max_depth))


def draw_scale(sheet: Sheet, box: SheetBox, scale: ColorScale) -> None:
    """A bar of a scale's colours at the right of a picture's header, its numbers above it."""
    right = max(box.right, box.left + NARROWEST)
    width = min(_SCALE_WIDTH, right - box.left - _TITLE_ROOM)
    bar = SheetBox(right - width, box.top - 13, width, 8)
    sheet.paste(np.repeat(scale.ramp, bar.height, axis=0), bar)
    for place, label in scale.ticks:
        align = "left" if place == 0 else "right" if place == 1 else "center"
        x = bar.left + place * bar.width
        sheet.text(x, bar.top - 8, label, size=12, color=LIGHT.faint_ink, align=align)


def draw_winner(sheet: Sheet, box: SheetBox, frame: FrameView) -> None:
    """Attention of all scales in one picture under a legend of their colours."""
    assert frame.attention is not None
    draw_title(sheet, box, "Attention")
    sheet.paste(colorize_attention(frame.attention), box)
    names, colors = scale_names(len(frame.attention)), scale_colors(len(frame.attention))
    right = max(box.right, box.left + NARROWEST)
    for name, color in zip(reversed(names), reversed(colors), strict=True):
        sheet.text(right, box.top - 13, name, size=13, color=LIGHT.faint_ink, align="right")
        text_width = round(sheet.text_width(name, size=13))
        swatch = SheetBox(right - text_width - 18, box.top - 19, 12, 12)
        sheet.rectangle(swatch, "#{:02x}{:02x}{:02x}".format(*color))
        right = swatch.left - 16


def draw_mask(sheet: Sheet, box: SheetBox, frame: FrameView, index: int) -> None:
    """The mask of one scale under its name and a key from 0, black, to 1, white."""
    assert frame.attention is not None
    draw_title(sheet, box, f"Mask {scale_names(len(frame.attention))[index]}")
    _grey_key(sheet, box)
    sheet.paste(_grey(frame.attention[index]), box)


def draw_masks(sheet: Sheet, box: SheetBox, frame: FrameView) -> None:
    """All masks in two rows within one box, their names inside."""
    assert frame.attention is not None
    draw_title(sheet, box, "Masks")
    _grey_key(sheet, box)
    gap, columns = 6, (len(frame.attention) + 1) // 2
    width, height = (box.width - (columns - 1) * gap) // columns, (box.height - gap) // 2
    for index, name in enumerate(scale_names(len(frame.attention))):
        row, column = divmod(index, columns)
        left, top = box.left + column * (width + gap), box.top + row * (height + gap)
        sheet.paste(_grey(frame.attention[index]), SheetBox(left, top, width, height))
        sheet.text(left + 7, top + 12, name, size=13, color="#ffffff", halo="#000000")


def draw_cloud(sheet: Sheet, box: SheetBox, frame: FrameView) -> None:
    """The cloud in the image's colours from above; the box has `BirdsEyeExtent.aspect`."""
    assert frame.points is not None
    draw_title(sheet, box, "Cloud from above")
    height, width = frame.points.shape[:2]
    colors = frame.image
    if colors.shape[:2] != (height, width):
        colors = resample(colors, width=width, height=height)
    draw_birds_eye(sheet, box, frame.points, colors, BirdsEyeExtent.for_range(frame.max_depth))


def draw_title(sheet: Sheet, box: SheetBox, title: str) -> None:
    """A picture's title, above its left end."""
    sheet.text(box.left, box.top - 13, title, size=16, bold=True)


def _grey(mask: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    return np.rint(np.nan_to_num(mask).clip(0, 1) * 255).astype(np.uint8)


def _grey_key(sheet: Sheet, box: SheetBox) -> None:
    if box.width < _KEY_NARROWEST:
        return
    ramp = np.linspace(0, 1, 64, dtype=np.float32)[None].repeat(8, axis=0)
    bar = SheetBox(box.right - 64 - 14, box.top - 17, 64, 8)
    sheet.paste(_grey(ramp), bar)
    sheet.outline(bar, LIGHT.faint_ink)
    sheet.text(bar.left - 6, box.top - 13, "0", size=12, color=LIGHT.faint_ink, align="right")
    sheet.text(box.right, box.top - 13, "1", size=12, color=LIGHT.faint_ink, align="right")
