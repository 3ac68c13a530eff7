"""What the template needs to show frames: pictures as data URIs, keys of their colours, grids."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from hma_depth_ros.evaluation.error_colors import WORST_ERROR, error_colors
from hma_depth_ros.html_report.embedded_pictures import embedded, webp_uri
from hma_depth_ros.html_report.svg_chart import Tick
from hma_depth_ros.visualization.attention_color import scale_names
from hma_depth_ros.visualization.birds_eye import BirdsEyeExtent
from hma_depth_ros.visualization.confidence_color import colorize_confidence
from hma_depth_ros.visualization.depth_color import colorize_depth, nearest_colored_depth
from hma_depth_ros.visualization.frame_layers import LAYERS, FrameLayers, Picture

#: Pixels of a key's ramp.
_RAMP = 256
_LOSSLESS = 101
#: Ends of a ramp in its box.
KEY_LEFT, KEY_RIGHT = 12, 308


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
    depth = _depth_key(note.far)
    swatches = [(f"m{n}", name) for n, name in enumerate(scale_names(note.scales), 1)]
    return {
        "truth": depth,
        "depth": depth,
        "error": _error_key(),
        "masks": ColorKey("Scale that decides", swatches=swatches),
        "confidence": _confidence_key(),
    }


def _key(title: str, ramp: Picture, ticks: Sequence[tuple[float, str]]) -> ColorKey:
    placed = [Tick(round(KEY_LEFT + t * (KEY_RIGHT - KEY_LEFT), 1), label) for t, label in ticks]
    return ColorKey(title, webp_uri(np.repeat(ramp, 2, axis=0), _LOSSLESS), placed)


def _depth_key(far: float) -> ColorKey:
    near = nearest_colored_depth(far)
    ramp = colorize_depth(np.geomspace(near, far, _RAMP, dtype=np.float32)[None], max_depth=far)
    metres = np.geomspace(near, far, 6)
    labels = [f"{m:.3g}" if m >= 1 else f"{m:.2g}" for m in metres]
    return _key("Depth, m", ramp, list(zip(np.linspace(0, 1, 6).tolist(), labels, strict=True)))


def _error_key() -> ColorKey:
    errors = np.linspace(0, WORST_ERROR, _RAMP, dtype=np.float32)
    # Over its neighbours, since dots of ground truth are drawn three pixels wide.
    ramp = error_colors(np.ones((3, _RAMP), np.float32), np.repeat(1 + errors[None], 3, axis=0))
    ticks = [(error / WORST_ERROR, f"{error:.0%}") for error in (0.0, 0.1, 0.2, 0.3, 0.4)]
    return _key("Relative error of depth", ramp[1:2], [*ticks, (1.0, f"\u2265{WORST_ERROR:.0%}")])


def _confidence_key() -> ColorKey:
    ramp = colorize_confidence(np.linspace(0, 1, _RAMP, dtype=np.float32)[None])
    ticks = [(share, f"{share:g}") for share in (0.0, 0.25, 0.5, 0.75, 1.0)]
    return _key("Probability that depth is right to a factor of 1.25", ramp, ticks)


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
