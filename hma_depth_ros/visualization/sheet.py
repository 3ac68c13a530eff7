"""A picture composed in pixel coordinates: pasted images under anti-aliased text and lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
import numpy.typing as npt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.patheffects import withStroke
from matplotlib.textpath import TextPath

from hma_depth_ros.visualization.palette import FONT, LIGHT

#: A point of typography is 1/72 inch; at 72 dots per inch font sizes are therefore pixels.
_DPI = 72
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


@cache
def _drawable() -> frozenset[str]:
    """Characters of the font."""
    return frozenset(map(chr, get_font(findfont(FontProperties(family=FONT))).get_charmap()))


@dataclass(frozen=True)
class SheetBox:
    """A rectangle in pixels; (left, top) is its upper left corner."""

    left: int
    top: int
    width: int
    height: int

    @property
    def right(self) -> int:
        """First column right of the box."""
        return self.left + self.width

    @property
    def bottom(self) -> int:
        """First row below the box."""
        return self.top + self.height

    def moved(self, *, left: int = 0, top: int = 0) -> SheetBox:
        """The same box, shifted."""
        return SheetBox(self.left + left, self.top + top, self.width, self.height)


def resample(image: npt.NDArray[np.uint8], *, width: int, height: int) -> npt.NDArray[np.uint8]:
    """Image (H, W[, 3]) at another size: averaged when it shrinks, smooth when it grows.

    A side of 0, as rounding makes it of a long strip, becomes 1.
    """
    width, height = max(1, width), max(1, height)
    shrinks = width * height <= image.shape[0] * image.shape[1]
    how = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return cv2.resize(image, (width, height), interpolation=how)


class Sheet:
    """A canvas in pixels, (0, 0) at the upper left; text and lines lie over all pasted images.

    Matplotlib draws through its Agg backend without pyplot, so that nothing global is touched and a
    display is not needed.
    """

    def __init__(self, width: int, height: int) -> None:
        self._figure = Figure(
            figsize=(width / _DPI, height / _DPI), dpi=_DPI, facecolor=LIGHT.paper
        )
        self._canvas = FigureCanvasAgg(self._figure)
        self._axes = self._figure.add_axes((0, 0, 1, 1))
        self._axes.set_axis_off()
        self._axes.set_xlim(0, width)
        self._axes.set_ylim(height, 0)
        self._height = height

    def paste(self, image: npt.NDArray[np.uint8], box: SheetBox) -> None:
        """Image (H, W) grey or (H, W, 3) RGB, resampled to fill the box exactly."""
        scaled = resample(image, width=box.width, height=box.height)
        rgb = scaled if scaled.ndim == 3 else np.repeat(scaled[..., None], 3, axis=2)
        # Without resampling by matplotlib, whose half-pixel shifts would soften the picture.
        self._figure.figimage(
            rgb, xo=box.left, yo=self._height - box.bottom, origin="upper", zorder=-1
        )

    def rectangle(self, box: SheetBox, color: str) -> None:
        """Filled rectangle."""
        x, y = [box.left, box.right, box.right, box.left], [box.top] * 2 + [box.bottom] * 2
        self._axes.fill(x, y, color=color, linewidth=0)

    def outline(self, box: SheetBox, color: str) -> None:
        """Frame of one pixel around a box."""
        left, top, right, bottom = box.left - 0.5, box.top - 0.5, box.right + 0.5, box.bottom + 0.5
        self.line([(left, top), (right, top), (right, bottom), (left, bottom), (left, top)], color)

    def polygon(self, corners: Sequence[tuple[float, float]], color: str) -> None:
        """Filled polygon with corners (x, y), over all lines."""
        self._axes.fill(*zip(*corners, strict=True), color=color, linewidth=0, zorder=3)

    def line(
        self, points: Sequence[tuple[float, float]], color: str, *, alpha: float = 1.0
    ) -> None:
        """Line of one pixel through (x, y)."""
        self._axes.plot(*zip(*points, strict=True), color=color, alpha=alpha, linewidth=1)

    def text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        size: int = 15,
        color: str = LIGHT.ink,
        align: str = "left",
        bold: bool = False,
        halo: str | None = None,
    ) -> None:
        """Text of `size` pixels, its middle at height y; `align` says which end is at x.

        It is drawn as it is, since it may be the name of a file: no formulas between $, and a mark
        for what the font lacks. A `halo` is the colour of an outline that keeps the text readable
        on a picture.
        """
        outline = [] if halo is None else [withStroke(linewidth=3, foreground=halo)]
        self._axes.text(
            x,
            y,
            "".join(c if c in _drawable() else _REPLACEMENT for c in text),
            parse_math=False,
            fontfamily=FONT,
            fontsize=size,
            color=color,
            horizontalalignment=align,
            verticalalignment="center_baseline",
            fontweight="bold" if bold else "normal",
            path_effects=outline,
        )

    @staticmethod
    def text_width(text: str, *, size: int) -> float:
        """Pixels that `text` will take."""
        return float(
            TextPath((0, 0), text, size=size, prop=FontProperties(family=FONT)).get_extents().width
        )

    def render(self) -> npt.NDArray[np.uint8]:
        """The finished picture (H, W, 3), RGB."""
        self._canvas.draw()
        return np.asarray(self._canvas.buffer_rgba())[..., :3].copy()
