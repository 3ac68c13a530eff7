"""A spinning 64-beam LiDAR, as on KITTI's car.

Source: Velodyne HDL-64E S2 manual: 64 beams, +2 to -8.33 degrees in steps of 1/3 and -8.83 to
-24.33 in steps of 1/2; 10 turns a second; 120 m; 2 cm. A turn is a snapshot here: the car does not
move while the scanner spins, so points need no motion compensation.
"""

from __future__ import annotations

import numpy as np

from hma_depth_ros.synthetic.casting import NOTHING, Hits, cast
from hma_depth_ros.synthetic.ground import cast_ground
from hma_depth_ros.synthetic.rays import Doubles, Floats, LidarRays
from hma_depth_ros.synthetic.shading import painted
from hma_depth_ros.synthetic.solids import SolidSet
from hma_depth_ros.synthetic.style import Style
from hma_depth_ros.synthetic.surface import SolidSurface

ELEVATIONS = np.deg2rad(
    np.concatenate([2.0 - np.arange(32) / 3, -8.83 - np.arange(32) / 2])
)  #: of the beams, rad, from the top
FIRINGS = 2083  #: per beam and turn: 0.173 degrees apart
MAX_RANGE = 120.0
RANGE_NOISE = 0.02  #: metres, standard deviation
_MIN_RANGE = 0.9
_GLASS = 0.08  #: least gloss of window panes and lamps


def scan(
    solids: SolidSet, style: Style, lidar_to_world: Doubles, rng: np.random.Generator
) -> Floats:
    """Points (N, 4) of one turn: x forward, y left, z up in metres, and reflectance in [0, 1].

    Beam by beam from the top, each turning counter-clockwise from forward, as KITTI stores them.
    """
    azimuths = 2 * np.pi * np.arange(FIRINGS) / FIRINGS
    half = FIRINGS // 2
    turns = [
        _half_turn(solids, style, lidar_to_world, part)
        for part in (azimuths[:half], azimuths[half:])
    ]
    ranges = np.concatenate([r for r, _ in turns], axis=1)
    reflectance = np.concatenate([i for _, i in turns], axis=1)

    ranges = ranges + rng.normal(0, RANGE_NOISE, ranges.shape)
    # What comes back fades with the square of the range; the weakest echoes are lost.
    echo = reflectance / (1 + (ranges / 45.0) ** 2)
    chance = np.where(np.isfinite(ranges), 0.995 * np.clip(echo / 0.012, 0, 1), 0)
    seen = (rng.random(ranges.shape) < chance) & (ranges > _MIN_RANGE) & (ranges < MAX_RANGE)
    beam, firing = np.nonzero(seen)
    elevation, azimuth = ELEVATIONS[beam], azimuths[firing]
    flat = ranges[seen] * np.cos(elevation)
    points = np.stack(
        [flat * np.cos(azimuth), flat * np.sin(azimuth), ranges[seen] * np.sin(elevation)], axis=1
    )
    # KITTI keeps millimetres and hundredths.
    shine = np.clip(reflectance[seen] + rng.normal(0, 0.03, beam.size), 0, 0.99)
    return np.column_stack([points.round(3), shine.round(2)]).astype(np.float32)


def _half_turn(
    solids: SolidSet, style: Style, lidar_to_world: Doubles, azimuths: Doubles
) -> tuple[Doubles, Doubles]:
    """Ranges and reflectances (beams, firings), without noise; +inf where nothing is."""
    rays = LidarRays.fired(ELEVATIONS, azimuths, lidar_to_world)
    hits = Hits.nothing(rays.shape)
    cast(rays, solids, hits)
    cast_ground(rays, style.street, hits)
    out_of_reach = hits.t > MAX_RANGE + 1
    hits.t[out_of_reach], hits.face[out_of_reach] = np.inf, NOTHING
    reflectance = np.zeros(hits.t.size)
    for surface, look in painted(rays, hits, solids, style):
        cosine = np.abs((surface.view * surface.normal).sum(axis=0))
        # Leaves are bright in the infrared; glass lets the light through or mirrors it away.
        bright = look.albedo.mean(axis=0) * (6.0 if look.leafy else 1.0)
        bright = np.where(look.gloss > _GLASS, 0.02, bright)
        echo = np.sqrt(bright) * (0.30 + 0.30 * cosine)
        if isinstance(surface, SolidSurface):
            echo += solids.retro[surface.solid] * cosine
        reflectance[surface.rays] = echo
    return hits.t.astype(np.float64), np.clip(reflectance, 0, 0.99).reshape(rays.shape)
