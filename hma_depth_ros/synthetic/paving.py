"""What the ground looks like: asphalt, lane marks, kerbstones, pavement, grass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hma_depth_ros.data.semantic_labels import Label
from hma_depth_ros.synthetic.materials import Color
from hma_depth_ros.synthetic.noise import Floats, cell_hash, noise
from hma_depth_ros.synthetic.paint import Paint, rgb
from hma_depth_ros.synthetic.street import Street, Zone

#: Label of each `Zone`.
_LABELS = np.array(
    [Label.ROAD, Label.SIDEWALK, Label.SIDEWALK, Label.TERRAIN, Label.TERRAIN], np.uint8
)
_MARK_HALF = 0.06  #: metres, half the width of a narrow line (RMS, the German standard)
_DASH_PERIOD = 9.0  #: metres, of which a third is painted in towns


@dataclass(frozen=True)
class Paving:
    """Surfaces of one street."""

    asphalt: float  #: sRGB grey of the carriageway
    wear: float  #: 0 to 1: cracks, patches, oil
    middle_mark: str  #: "none", "dashed" or "solid"
    edge_marks: bool
    lanes: int  #: per direction
    slabs: tuple[float, float]  #: length and width of the pavement's slabs; 0: asphalt
    pavement: Color
    grass: Color
    land: Color
    seed: int


@dataclass(frozen=True, eq=False)
class _Ground:
    """n places on the ground of a street."""

    paving: Paving
    street: Street
    x: Floats
    lateral: Floats
    footprint: Floats

    def noise(self, wavelength: float, *, stretch: float = 1.0, shift: float = 0.0) -> Floats:
        """Noise (n), drawn out along the street by `stretch`."""
        along = (self.x + shift) / np.float32(stretch)
        return noise(along, self.lateral, wavelength, self.footprint)


def labels(street: Street, lateral: Floats) -> npt.NDArray[np.uint8]:
    """Semantic class (n) of ground at signed distances from the street's middle."""
    return _LABELS[street.zone(lateral)]


def paint_ground(
    paving: Paving, street: Street, x: Floats, lateral: Floats, footprint: Floats
) -> Paint:
    """Colour ground places (n)."""
    zone = street.zone(lateral)
    albedo = np.empty((3, x.size), np.float32)
    for kind, painter in _PAINTERS.items():
        here = np.flatnonzero(zone == kind)
        if here.size:
            ground = _Ground(paving, street, x[here], lateral[here], footprint[here])
            albedo[:, here] = painter(ground)
    return Paint(albedo, np.zeros_like(x))


def _road(g: _Ground) -> Floats:
    grain = g.noise(0.035) + 0.8 * g.noise(0.09, shift=1)
    blotches = g.noise(2.9, stretch=2.5) + g.noise(0.6, stretch=7)
    lane = np.float32(g.street.half_width / g.paving.lanes)
    in_lane = np.mod(np.abs(g.lateral), lane) / lane - 0.5
    tracks = np.exp(-np.square((np.abs(in_lane) - 0.23) / 0.10))
    oil = np.exp(-np.square(in_lane / 0.12)) * np.float32(g.paving.wear)
    gutter = np.exp((np.abs(g.lateral) - np.float32(g.street.half_width)) / 0.25)
    tone = 1 + 0.13 * grain + 0.03 * blotches + 0.05 * tracks - 0.07 * oil
    tone -= 0.16 * gutter * (1 + 0.5 * g.noise(0.9))
    tone = np.maximum(tone * _repairs(g), 0.2)
    peeled = np.float32(0.25 * g.paving.wear) * np.clip(g.noise(0.6), 0, 2)
    cover = _marks(g) * np.clip(0.86 + 0.14 * g.noise(0.14) - peeled, 0, 1)
    grey = g.paving.asphalt
    asphalt = rgb(grey, grey * 0.99, grey * 0.97)
    return asphalt * (tone * (1 - cover)) + rgb(0.86, 0.86, 0.83) * cover


def _repairs(g: _Ground) -> Floats:
    """Tone (n) of patches, cracks and manholes."""
    seed, wear = g.paving.seed, np.float32(g.paving.wear)
    # Patches: a rectangle in some cells of 9 m x 2.6 m.
    i, j = np.floor(g.x / 9), np.floor(g.lateral / 2.6)
    patch = np.abs(g.x - (i + 0.5) * 9) < 0.8 + 3.2 * cell_hash(i, j, seed, 1)
    patch &= np.abs(g.lateral - (j + 0.5) * np.float32(2.6)) < 0.4 + 0.8 * cell_hash(i, j, seed, 2)
    patch &= cell_hash(i, j, seed, 3) < 0.35 * wear
    tone = np.where(patch, 0.78 + 0.36 * cell_hash(i, j, seed, 4), 1)
    # Cracks sealed with tar run where a smooth noise changes sign, if another one lets them.
    line = np.abs(g.noise(3.1, shift=seed % 101)) + 0.15 * np.abs(g.noise(0.5))
    cracked = g.noise(5.3, stretch=2.5, shift=17) > 1.6 - 1.5 * wear
    visible = np.clip(1.6 - g.footprint / 0.05, 0, 1)
    tone = tone * (1 - np.float32(0.55) * cracked * np.clip(1.6 - line / 0.035, 0, 1) * visible)
    # Manholes: one in most 27 m.
    k = np.floor(g.x / 27)
    centre_x = (k + 0.2 + 0.6 * cell_hash(k, seed, 7)) * 27
    radius = np.hypot(g.x - centre_x, g.lateral + 1.4 - 2.8 * cell_hash(k, seed, 8))
    radius += cell_hash(k, seed, 9) > 0.6
    return np.where(radius < 0.32, 0.55, np.where(radius < 0.38, 0.8, tone)).astype(np.float32)


def _marks(g: _Ground) -> Floats:
    """Share (n) covered by white lines; their edges are as soft as the footprint."""
    soft = 2 * np.maximum(g.footprint * 0.7, 0.006)
    side = np.abs(g.lateral)

    def band(distance: Floats, half: float) -> Floats:
        return np.clip(0.5 + (half - distance) / soft, 0, 1)

    town = g.street.half_width < 5
    dash = band(np.abs(np.mod(g.x, _DASH_PERIOD) - _DASH_PERIOD / 2), 1.5 if town else 2.0)
    cover = np.zeros_like(g.x)
    if g.paving.middle_mark == "dashed":
        cover = band(side, _MARK_HALF) * dash
    elif g.paving.middle_mark == "solid":
        cover = band(np.abs(side - 0.12), _MARK_HALF)
    if g.paving.edge_marks:
        edge = np.float32(g.street.half_width - 0.35)
        cover = np.maximum(cover, band(np.abs(side - edge), 0.07))
    for lane in range(1, g.paving.lanes):
        at = np.float32(g.street.half_width * lane / g.paving.lanes)
        cover = np.maximum(cover, band(np.abs(side - at), _MARK_HALF) * dash)
    return cover


def _kerbstone(g: _Ground) -> Floats:
    stone = cell_hash(np.floor(g.x), g.lateral > 0, g.paving.seed) - 0.5
    joint = (np.mod(g.x, 1.0) < 0.012) & (g.footprint < 0.03)
    tone = 1 + 0.16 * stone + 0.08 * g.noise(0.06) - np.float32(0.4) * joint
    return np.asarray(rgb(0.60, 0.59, 0.57) * tone, np.float32)


def _pavement(g: _Ground) -> Floats:
    grain = g.noise(0.05) + g.noise(0.15)
    stain = g.noise(1.4) + 0.7 * g.noise(0.5, shift=7)
    tone = 1 + 0.06 * grain + 0.07 * stain
    length, width = (np.float32(side) for side in g.paving.slabs)
    if length > 0:
        row = np.floor(g.lateral / width)
        along = g.x / length + 0.5 * np.mod(row, 2)
        slab = cell_hash(np.floor(along), row, g.paving.seed) - 0.5
        u, v = np.mod(along, 1) * length, np.mod(g.lateral, width)
        to_joint = np.minimum(np.minimum(u, length - u), np.minimum(v, width - v))
        near = np.clip(2 - g.footprint / 0.05, 0, 1)
        tone += near * (0.14 * slab - 0.35 * np.clip(1.6 - to_joint / 0.008, 0, 1))
    return rgb(*g.paving.pavement) * np.maximum(tone, 0.1)


def _grass(g: _Ground, color: Color) -> Floats:
    blades = g.noise(0.045) + 0.9 * g.noise(0.12, shift=3)
    patches = g.noise(1.1) + g.noise(4.7, shift=5)
    dry = np.clip(0.10 * patches + 0.05 * g.noise(0.4), -0.2, 0.35)
    tone = np.clip(1 + 0.26 * blades + 0.08 * patches, 0.2, 2)
    return rgb(*color) * tone * np.stack([1 + 0.7 * dry, 1 + 0.25 * dry, 1 - 0.1 * dry])


def _verge(g: _Ground) -> Floats:
    bare = np.clip(g.noise(2.1) - 1.0 + 0.4 * g.noise(0.3), 0, 1)
    earth = rgb(0.42, 0.36, 0.29) * (1 + 0.2 * g.noise(0.07))
    return _grass(g, g.paving.grass) * (1 - bare) + earth * bare


def _land(g: _Ground) -> Floats:
    return _grass(g, g.paving.land)


_PAINTERS: dict[Zone, Callable[[_Ground], Floats]] = {
    Zone.ROAD: _road,
    Zone.KERBSTONE: _kerbstone,
    Zone.PAVEMENT: _pavement,
    Zone.VERGE: _verge,
    Zone.LAND: _land,
}
