"""What the template needs to show frames: pictures as data URIs, keys of their colours, grids."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from hma_depth_ros.evaluation.error_colors import error_scale
from hma_depth_ros.html_report.embedded_pictures import embedded, webp_uri
from hma_depth_ros.html_report.svg_chart import Tick
from hma_depth_ros.visualization.attention_color import scale_names
from hma_depth_ros.visualization.birds_eye import BirdsEyeExtent
from hma_depth_ros.visualization.color_scale import ColorScale, confidence_scale, depth_scale
from hma_depth_ros.visualization.frame_layers import LAYERS, FrameLayers, Picture

_LOSSLESS = 101
#: Ends of a ramp in its box, with room for half a number beside them.
KEY_LEFT, KEY_RIGHT = 16, 304


@dataclass(frozen=True)
class ColorKey:
    """What the colours of a layer mean: a ramp with ticks, or a swatch for each name."""

    title: str
    ramp: str = ""  #: data URI
    ticks: Sequence[Tick] = ()
    swatches: Sequence[tuple[str, str]] = ()  #: class and name


@dataclass(frozen=True)
class ViewerLayer:
    """One picture that can be laid over the others."""

    name: str
    title: str
    uri: str
    key: ColorKey | None


@dataclass(frozen=True)
class AboveView:
    """The view from above, turned so that ahead is right; lengths are pixels of the picture."""

    uri: str
    width: int
    height: int
    origin: float  #: column of the camera
    middle: float  #: row of the camera
    ahead: Sequence[Tick]
    aside: Sequence[Tick]
    measured: bool


@dataclass(frozen=True)
class Viewer:
    """One frame."""

    key: str  #: of its own on the page
    name: str
    group: str
    figure: str
    layers: Sequence[ViewerLayer]
    width: int
    height: int
    left: str  #: layers that are shown at first
    right: str
    above: AboveView | None


def viewers(frames: Sequence[FrameLayers], *, budget: int) -> list[Viewer]:
    """Frames with all their pictures in at most `budget` characters."""
    pictures: list[Picture] = []
    for frame in frames:
        pictures += frame.pictures.values()
        if frame.above is not None:
            pictures.append(np.rot90(frame.above, k=-1))
    uris = iter(embedded([np.ascontiguousarray(picture) for picture in pictures], budget=budget))
    return [_viewer(frame, f"frame{number}", uris) for number, frame in enumerate(frames, 1)]


def _viewer(frame: FrameLayers, key: str, uris: Iterator[str]) -> Viewer:
    keys = _keys(frame)
    layers = [
        ViewerLayer(name, LAYERS[name], next(uris), keys.get(name)) for name in frame.pictures
    ]
    height, width = next(iter(frame.pictures.values())).shape[:2]
    return Viewer(
        key,
        frame.note.name,
        frame.note.group,
        frame.note.figure,
        layers,
        width,
        height,
        "image" if "image" in frame.pictures else layers[0].name,
        "depth",
        None if frame.above is None else _above(frame, next(uris)),
    )


def _keys(frame: FrameLayers) -> dict[str, ColorKey]:
    note = frame.note
    depth = _key(depth_scale(note.far))
    swatches = [(f"m{n}", name) for n, name in enumerate(scale_names(note.scales), 1)]
    return {
        "truth": depth,
        "depth": depth,
        "error": _key(error_scale()),
        "masks": ColorKey("Scale that decides", swatches=swatches),
        "confidence": _key(confidence_scale()),
    }


def _key(scale: ColorScale) -> ColorKey:
    width = KEY_RIGHT - KEY_LEFT
    ticks = [Tick(round(KEY_LEFT + place * width, 1), label) for place, label in scale.ticks]
    return ColorKey(scale.title, webp_uri(np.repeat(scale.ramp, 2, axis=0), _LOSSLESS), ticks)


def _above(frame: FrameLayers, uri: str) -> AboveView:
    assert frame.above is not None
    extent = BirdsEyeExtent.for_range(frame.note.far)
    width, height = frame.above.shape[:2]  # turned
    scale = height / (2 * extent.side)
    step = extent.grid_step
    origin, middle = extent.behind * scale, height / 2
    ahead = [
        Tick(round(origin + metres * scale, 1), f"{metres:g} m")
        for metres in np.arange(step, extent.ahead, step).tolist()
    ]
    count = int(np.ceil(extent.side / step)) - 1
    aside = [
        Tick(round(middle + metres * scale, 1), f"{abs(metres):g} m" if metres else "")
        for metres in (np.arange(-count, count + 1) * step).tolist()
    ]
    return AboveView(uri, width, height, origin, middle, ahead, aside, frame.note.measured)
