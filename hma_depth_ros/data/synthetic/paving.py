"""What the ground looks like: asphalt, lane marks, kerbstones, pavement, grass."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hma_depth_ros.data.synthetic.materials import Color, Label
from hma_depth_ros.data.synthetic.noise import Floats, cell_hash, noise
from hma_depth_ros.data.synthetic.patterns import Paint, rgb
from hma_depth_ros.data.synthetic.street import Street, Zone

#: Label of each `Zone`.
_LABELS = np.array(
    [Label.ROAD, Label.SIDEWALK, Label.SIDEWALK, Label.TERRAIN, Label.TERRAIN], np.uint8
)


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


def labels(street: Street, lateral: Floats) -> npt.NDArray[np.uint8]:
    """Semantic class (n) of ground at signed distances from the street's middle."""
    return _LABELS[street.zone(lateral)]


def paint_ground(
    paving: Paving, street: Street, x: Floats, lateral: Floats, footprint: Floats
) -> Paint:
    """Colour ground places (n)."""
    zone = street.zone(lateral)
    albedo = np.empty((3, x.size), np.float32)
    for kind, painter in (
        (Zone.ROAD, _road), (Zone.KERBSTONE, _kerbstone), (Zone.PAVEMENT, _pavement),
        (Zone.VERGE, _verge), (Zone.LAND, _land),
    ):
        here = np.flatnonzero(zone == kind)
        if here.size:
            albedo[:, here] = painter(paving, street, x[here], lateral[here], footprint[here])
    return Paint(albedo, np.where(zone == Zone.ROAD, 0.012, 0.0).astype(np.float32))


def _road(p: Paving, street: Street, x: Floats, lateral: Floats, footprint: Floats) -> Floats:
    grain = noise(x, lateral, 0.035, footprint) + 0.8 * noise(x + 1, lateral, 0.09, footprint)
    blotches = noise(x * 0.4, lateral, 2.9, footprint) + noise(x * 0.15, lateral, 0.6, footprint)
    lane = street.half_width / p.lanes
    in_lane = np.mod(np.abs(lateral), lane) / lane - 0.5
    tracks = np.exp(-(((np.abs(in_lane) - 0.23) / 0.10) ** 2))
    oil = np.exp(-((in_lane / 0.12) ** 2))
    tone = 1 + 0.13 * grain + 0.03 * blotches + 0.05 * tracks - 0.07 * oil * p.wear
    gutter = np.exp(-(street.half_width - np.abs(lateral)) / 0.25)
    tone -= 0.16 * gutter * (1 + 0.5 * noise(x, lateral, 0.9, footprint))
    tone *= _repairs(p, x, lateral, footprint)
    base = rgb(p.asphalt, p.asphalt * 0.99, p.asphalt * 0.97)
    marks = _marks(p, street, x, lateral, footprint)
    worn = np.clip(0.86 + 0.14 * noise(x, lateral, 0.14, footprint) - 0.25 * p.wear *
                   np.clip(noise(x, lateral, 0.6, footprint), 0, 2), 0, 1)
    cover = marks * worn
    return (base * np.maximum(tone, 0.2) * (1 - cover) + rgb(0.86, 0.86, 0.83) * cover).astype(
        np.float32
    )


def _repairs(p: Paving, x: Floats, lateral: Floats, footprint: Floats) -> Floats:
    """Tone of patches, cracks and manholes on the carriageway."""
    tone = np.ones_like(x)
    # Patches: one candidate rectangle per 9 m x 2.6 m cell.
    column, row = np.floor(x / 9), np.floor(lateral / 2.6)
    i, j = column.astype(np.int64), row.astype(np.int64)
    du, dv = x - (column + 0.5) * 9, lateral - (row + 0.5) * 2.6
    length = 0.8 + 3.2 * cell_hash(i, j, p.seed, 1)
    width = 0.4 + 0.8 * cell_hash(i, j, p.seed, 2)
    patch = (np.abs(du) < length) & (np.abs(dv) < width)
    patch &= cell_hash(i, j, p.seed, 3) < 0.35 * p.wear
    tone = np.where(patch, tone * (0.78 + 0.36 * cell_hash(i, j, p.seed, 4)), tone)
    # Cracks sealed with tar: zero crossings of a smooth noise, where another one allows it.
    line = np.abs(noise(x + p.seed % 101, lateral, 3.1)) + 0.15 * np.abs(noise(x, lateral, 0.5))
    zones = noise(x * 0.4 + 17, lateral, 5.3) > 1.6 - 1.5 * p.wear
    crack = zones * np.clip(1.6 - line / 0.035, 0, 1) * np.clip(1.6 - footprint / 0.05, 0, 1)
    tone = tone * (1 - 0.55 * crack)
    # Manholes: every other 27 m, in a wheel's way.
    k = np.floor(x / 27)
    centre_x = (k + 0.2 + 0.6 * cell_hash(k.astype(np.int64), p.seed, 7)) * 27
    centre_y = -1.4 + 2.8 * cell_hash(k.astype(np.int64), p.seed, 8)
    r = np.hypot(x - centre_x, lateral - centre_y)
    return np.where(r < 0.32, 0.55, np.where(r < 0.38, 0.8, tone)).astype(np.float32)


def _marks(p: Paving, street: Street, x: Floats, lateral: Floats, footprint: Floats) -> Floats:
    """Cover (n) of white paint, 0 to 1; edges are as soft as the footprint."""
    soft = np.maximum(footprint * 0.7, 0.006)

    def band(distance: Floats, half: float) -> Floats:
        return np.clip(0.5 + (half - distance) / soft * 0.5, 0, 1)

    dash = band(np.abs(np.mod(x, 9.0) - 4.5), 1.5 if street.half_width < 5 else 2.0)
    cover = np.zeros_like(x)
    if p.middle_mark == "dashed":
        cover = band(np.abs(lateral), 0.06) * dash
    elif p.middle_mark == "solid":
        cover = band(np.abs(np.abs(lateral) - 0.12), 0.06)
    if p.edge_marks:
        cover = np.maximum(cover, band(np.abs(np.abs(lateral) - street.half_width + 0.35), 0.07))
    for index in range(1, p.lanes):
        at = street.half_width * index / p.lanes
        cover = np.maximum(cover, band(np.abs(np.abs(lateral) - at), 0.06) * dash)
    return np.asarray(cover, np.float32)


def _kerbstone(p: Paving, street: Street, x: Floats, lateral: Floats, footprint: Floats) -> Floats:
    stone = cell_hash(np.floor(x).astype(np.int64), (lateral > 0).astype(np.int64), p.seed) - 0.5
    joint = np.clip(1.5 - np.abs(np.mod(x, 1.0) - 0.5 + 0.5) / 0.012, 0, 1) * (footprint < 0.03)
    tone = 1 + 0.16 * stone + 0.08 * noise(x, lateral, 0.06, footprint) - 0.4 * joint
    return rgb(0.60, 0.59, 0.57) * tone


def _pavement(p: Paving, street: Street, x: Floats, lateral: Floats, footprint: Floats) -> Floats:
    grain = noise(x, lateral, 0.05, footprint) + noise(x, lateral, 0.15, footprint)
    stain = noise(x, lateral, 1.4, footprint) + 0.7 * noise(x + 7, lateral, 0.5, footprint)
    tone = 1 + 0.06 * grain + 0.07 * stain
    length, width = p.slabs
    if length > 0:
        row = np.floor(lateral / width)
        along = x / length + 0.5 * np.mod(row, 2)
        slab = cell_hash(np.floor(along).astype(np.int64), row.astype(np.int64), p.seed) - 0.5
        u = np.minimum(np.mod(along, 1), 1 - np.mod(along, 1)) * length
        v = np.minimum(np.mod(lateral, width), width - np.mod(lateral, width))
        near = np.clip(2 - footprint / 0.05, 0, 1)
        tone += near * (0.14 * slab - 0.35 * np.clip(1.6 - np.minimum(u, v) / 0.008, 0, 1))
    return rgb(*p.pavement) * np.maximum(tone, 0.1)


def _grass(color: Color, x: Floats, lateral: Floats, footprint: Floats) -> Floats:
    blades = noise(x, lateral, 0.045, footprint) + 0.9 * noise(x + 3, lateral * 0.6, 0.12, footprint)
    patches = noise(x, lateral, 1.1, footprint) + noise(x + 5, lateral, 4.7, footprint)
    dry = np.clip(0.10 * patches + 0.05 * noise(x, lateral, 0.4, footprint), -0.2, 0.35)
    tone = np.clip(1 + 0.26 * blades + 0.08 * patches, 0.2, 2)
    return rgb(*color) * tone * np.stack([1 + 0.7 * dry, 1 + 0.25 * dry, 1 - 0.1 * dry])


def _verge(p: Paving, street: Street, x: Floats, lateral: Floats, footprint: Floats) -> Floats:
    grass = _grass(p.grass, x, lateral, footprint)
    bare = np.clip(noise(x, lateral, 2.1, footprint) - 1.0 + 0.4 * noise(x, lateral, 0.3, footprint),
                   0, 1)
    earth = rgb(0.42, 0.36, 0.29) * (1 + 0.2 * noise(x, lateral, 0.07, footprint))
    return grass * (1 - bare) + earth * bare


def _land(p: Paving, street: Street, x: Floats, lateral: Floats, footprint: Floats) -> Floats:
    return _grass(p.land, x, lateral, footprint)
