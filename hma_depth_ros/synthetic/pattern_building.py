"""Walls with windows and doors, tiled roofs, and masonry."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hma_depth_ros.synthetic.noise import Bools, Floats, cell_hash, noise
from hma_depth_ros.synthetic.paint import Paint, matt
from hma_depth_ros.synthetic.surface import SolidSurface

_BASE = 0.35  #: metres from the ground to the ground floor
_STOREY = 2.8


@dataclass(frozen=True, eq=False)
class _Openings:
    """Places (n) on a wall, seen from the window or door that is next to each."""

    off: Floats  #: sideways distance from the opening's middle
    rise: Floats  #: height above the floor
    half: Floats  #: half width of the opening
    sill: Floats
    tall: Floats
    present: Bools  #: there is an opening
    door: Bools
    window: Bools  #: an ordinary one, not under the gable, nor a shop's
    shop: Bools
    chance: Floats  #: random number of each opening

    @property
    def inset(self) -> Floats:
        """Distance inwards from the opening's edge, negative outside."""
        middle = self.sill + self.tall / 2
        return np.minimum(self.half - self.off, self.tall / 2 - np.abs(self.rise - middle))


def facade(s: SolidSurface) -> Paint:
    """Rendered wall with windows on every floor.

    Dimensions: width, depth, height of the eaves. Colours: wall, and shutters and doors.
    """
    front = np.abs(s.local_normal[1]) > np.abs(s.local_normal[0])
    width = np.where(front, s.dimension(0), s.dimension(1))
    u = np.where(front, s.local[0] + width / 2, s.local[1])
    openings = _openings(s, u, width, front)
    albedo = _wall(s, u)
    albedo = _around_openings(s, openings, albedo)
    return _in_openings(s, openings, albedo)


def _openings(s: SolidSurface, u: Floats, width: Floats, front: Bools) -> _Openings:
    v, eaves, seed = s.local[2], s.dimension(2), s.seed
    storeys = np.maximum(np.floor(eaves / _STOREY), 1)
    storey_height = (eaves - _BASE) / storeys
    storey = np.floor((v - _BASE) / storey_height)
    columns = np.maximum(np.round((width - 0.6) / (2.2 + 1.1 * s.chance(2))), 1)
    cell = width / columns
    column = np.floor(u / cell)
    towards_y = s.local_normal.sum(axis=0) > 0
    chance = cell_hash(seed, front * 2 + towards_y, column, storey)

    on_street = front & ~towards_y & (storey == 0)
    shop = on_street & (eaves > 2 * _STOREY) & (s.chance(7) < 0.3)
    door = on_street & (column == np.floor(columns * s.chance(5)))
    gable = v > eaves
    window = ~(shop | door | gable)
    half = np.minimum(0.42 + 0.35 * s.chance(4) + np.float32(0.12) * (chance > 0.75), 0.36 * cell)
    sill = np.select([door, shop], [0.0, 0.30], 0.85).astype(np.float32)
    off = np.abs(u - np.where(gable, width / 2, (column + 0.5) * cell))
    rise = np.where(gable, v - eaves + 0.6, v - _BASE - storey * storey_height)
    return _Openings(
        off=off,
        rise=rise,
        half=np.select([door, shop], [np.float32(0.55), cell * 0.44], half),
        sill=sill,
        tall=np.select([door | shop], [2.15 - sill], 1.15 + 0.45 * s.chance(3)),
        present=np.where(gable, off < 1.2, (storey >= 0) & (storey < storeys) & (chance > 0.07)),
        door=door,
        window=window,
        shop=shop & ~door,
        chance=chance,
    )


def _wall(s: SolidSurface, u: Floats) -> Floats:
    v, extent = s.local[2], s.footprint
    shifted = u + (s.seed % 97).astype(np.float32)
    stain = noise(shifted, v, 2.3, extent) + noise(shifted, v * 0.3, 0.5, extent)
    grain = noise(shifted, v, 0.09, extent) + noise(shifted, v, 0.21, extent)
    tone = 1 + 0.045 * stain + 0.03 * grain - 0.12 * np.exp(-np.maximum(v, 0) / 0.7)
    plinth = v < 0.35 + 0.5 * s.chance(1)
    return s.color * np.where(plinth, tone * np.float32(0.62), tone)


def _around_openings(s: SolidSurface, o: _Openings, albedo: Floats) -> Floats:
    """Shutters or a light surround, a sill of stone, a shop's name above its windows."""
    shutters = (s.chance(6) < 0.35) & o.window
    beside = o.present & shutters & (o.off > o.half) & (o.off < o.half * 1.85)
    beside &= (o.rise > o.sill) & (o.rise < o.sill + o.tall)
    slats = 1 - np.float32(0.25) * (np.mod(o.rise, 0.08) < 0.03) * np.clip(
        2 - s.footprint * 40, 0, 1
    )
    surround = o.present & ~shutters & (o.inset > -0.10) & (o.inset <= 0)
    ledge = o.present & o.window & (o.off < o.half + 0.1) & (np.abs(o.rise - o.sill + 0.05) < 0.05)
    board = o.shop & (o.rise > 2.25) & (o.rise < 2.65)
    albedo = np.where(surround, np.minimum(albedo * 1.18 + 0.03, 0.85), albedo)
    albedo = np.where(beside, s.accent * slats, albedo)
    albedo = np.where(board, s.accent * 1.3, albedo)
    return np.where(ledge, 0.32, albedo)


def _in_openings(s: SolidSurface, o: _Openings, albedo: Floats) -> Paint:
    """Frames, panes with curtains and blinds behind them, and doors."""
    opening = o.present & (o.inset > 0)
    bars = (o.off < 0.03) | (np.abs(o.rise - o.sill - 0.72 * o.tall) < 0.025)
    frame = opening & ((o.inset < 0.065) | (bars & ~o.door))
    pane = opening & ~frame
    shade = np.clip((o.sill + o.tall - o.rise) / 0.35, 0.25, 1)  # of the lintel
    curtain = (cell_hash(s.seed, o.chance * 997, 9) > 0.6) * (0.20 + 0.12 * np.sin(o.off * 38))
    blind = o.window & (o.chance > 0.80) & (o.rise - o.sill > o.tall * (1.9 - o.chance * 1.6))
    glass = (0.018 + curtain * o.window + np.float32(0.35) * blind) * shade
    albedo = np.where(frame, np.where(o.door, s.accent * 0.6, 0.68) * shade, albedo)
    albedo = np.where(pane, np.where(o.door, s.accent * 0.8, glass), albedo)
    gloss = np.where(pane & ~o.door & ~blind, 0.09, 0)
    return Paint(albedo.astype(np.float32), gloss.astype(np.float32))


def roof(s: SolidSurface) -> Paint:
    """Rows of tiles; the height tells the row."""
    along = np.where(np.abs(s.local_normal[0]) > np.abs(s.local_normal[1]), s.local[1], s.local[0])
    up = s.local[2] / np.sqrt(np.maximum(1 - s.local_normal[2] ** 2, 0.05))
    row = np.floor(up / 0.32)
    place = along / 0.24 + 0.5 * np.mod(row, 2)
    tile = cell_hash(row, np.floor(place), s.seed) - 0.5
    lap = np.mod(up / 0.32, 1)
    relief = (
        0.30 * tile - 0.45 * (lap < 0.12) + 0.12 * (lap - 0.5) - 0.12 * (np.mod(place, 1) < 0.12)
    )
    moss = noise(along, up, 1.7, s.footprint) + 0.6 * noise(along, up, 0.6, s.footprint)
    near = np.clip(2 - s.footprint / 0.06, 0, 1)
    return matt(s.color * np.maximum(1 + near * relief + 0.10 * moss, 0.1))


def masonry(s: SolidSurface) -> Paint:
    """Courses of bricks or stones, or boards.

    Dimensions: length and height of one; a length of 0 makes boards. Colours: stone and joint.
    """
    boards = s.dimension(0) <= 0
    length = np.where(boards, np.float32(1e3), s.dimension(0))
    height = s.dimension(1)
    main = np.abs(s.local_normal).argmax(axis=0)
    u = np.where(main == 0, s.local[1], s.local[0])
    v = np.where(main == 2, s.local[1], s.local[2])
    row = np.floor(v / height)
    place = u / length + 0.5 * np.mod(row, 2) + 0.25
    joint = np.minimum(_to_edge(place) * length, _to_edge(v / height) * height)
    near = np.clip(2 - s.footprint / (0.35 * height), 0, 1)
    stone = cell_hash(row, np.floor(place), s.seed) - 0.5
    tone = 1 + 0.35 * near * stone + 0.08 * noise(u, v, 1.3, s.footprint)
    tone += 0.06 * noise(u, v, 0.08, s.footprint) - 0.25 * np.exp(-np.maximum(s.local[2], 0) / 0.25)
    mortar = near * np.clip(1.5 - joint / 0.008, 0, 1)
    return matt(s.color * tone * (1 - mortar) + s.accent * mortar * 0.8)


def _to_edge(cells: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """Distance to the nearest edge of a cell, in cells."""
    part = np.mod(cells, 1)
    return np.minimum(part, 1 - part)
