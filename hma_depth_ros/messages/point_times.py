"""When each point of a LiDAR's cloud was measured, in the spellings of the usual drivers.

========================= =========================================================
driver                    field
========================= =========================================================
ouster_ros                `t`, uint32, nanoseconds since the header's stamp
velodyne_pointcloud       `time`, float32, seconds since the header's stamp (or -)
hesai, robosense          `timestamp`, float64, seconds since 1970
livox_ros_driver2         `timestamp`, float64, nanoseconds since 1970
livox's own clouds        `offset_time`, uint32, nanoseconds since the header's stamp
========================= =========================================================

No driver says the unit in the message, and others have milliseconds or microseconds: it follows
from how long a scan lasts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hma_depth_ros.messages.point_cloud import cloud_array, seen_points
from hma_depth_ros.messages.stamps import header_stamp

FIELDS = ("t", "time", "timestamp", "offset_time")

#: Seconds that a scan can last. Units are a thousand apart and these ends less: one unit fits.
_SHORTEST, _LONGEST = 0.003, 2.0
_UNITS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
#: Seconds from which on a time is one since 1970 (or since the scanner was switched on), and within
#: which it is by the clock of the header.
_ABSOLUTE, _SAME_CLOCK = 10.0, 1.0


@dataclass(frozen=True)
class TimedReturns:
    """What a scan has seen, and when."""

    points: npt.NDArray[np.float64]  #: (N, 3), metres, in the cloud's frame
    #: (N,) seconds since the header's stamp; None: all at the header's stamp, or not known.
    offsets: npt.NDArray[np.float64] | None
    field: str | None = None  #: that the times were read from
    unit: str | None = None  #: of it, as it was found out


def timed_returns(cloud: Any) -> TimedReturns:
    """`lidar_returns` with the time of each, where the cloud tells it.

    Times of a clock that is not the header's (the scanner's own, say) count from the first point.

    Raises:
        HmaDepthError: the cloud has no x, y, z.

    """
    array = cloud_array(cloud)
    points, seen = seen_points(array)
    members: Mapping[str, tuple[Any, ...]] = array.dtype.fields or {}
    for name in FIELDS:
        if name not in members or members[name][0].shape:
            continue
        stored = array[name].ravel()[seen]
        if stored.size < 2 or not np.isfinite(stored).all():
            continue
        # Differences first: nanoseconds since 1970 have more digits than a float64.
        since_first = (stored - stored.min()).astype(np.float64)
        unit = next(
            (u for u, s in _UNITS.items() if _SHORTEST <= since_first.max() * s <= _LONGEST), None
        )
        if unit is None:
            continue
        first = _first_offset(float(stored.min()) * _UNITS[unit], header_stamp(cloud) * 1e-9)
        return TimedReturns(points[seen], since_first * _UNITS[unit] + first, name, unit)
    return TimedReturns(points[seen], None)


def _first_offset(first: float, stamp: float) -> float:
    """Seconds from the header's stamp to the first point."""
    if abs(first) < _ABSOLUTE:
        return first
    return first - stamp if abs(first - stamp) < _SAME_CLOCK else 0.0
