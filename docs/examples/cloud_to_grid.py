"""A published cloud as occupancy grid, by the conventions of nav_msgs/OccupancyGrid and Nav2.

    python3 docs/examples/cloud_to_grid.py BAG [TOPIC]

BAG is what `process_bag` wrote, or a recording of the node; TOPIC its cloud, `/points` or the only
one. For each cloud it prints cells and what stands ahead, such as:

    12.300000000: 812 free, 143 occupied, 9045 unknown; nearest 9.9 m ahead at 1.1 m left

The arithmetic is NumPy alone. `cloud_to_grid_node.py` puts it between two topics.

Cells are -1 (unknown), 0 (free) and 100 (occupied): so Nav2's costmap publishes its 255, 0 and
254, and its static layer reads them back. Of `cells[row, column]` columns run along x (forward) and
rows along y (left): `cells.ravel()` is the message's row-major `data`, `origin` the corner of cell
(0, 0). The grid lies on the road, the camera's foot at x = y = 0 (REP 103: z is up).
Occupied is where points stand between `lowest` and `highest` above the road, free where only road
was seen. Nav2's obstacle layers clear along each ray too: here what nobody saw stays unknown.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hma_depth_ros.bags.reader import BagReader
from hma_depth_ros.geometry.camera_planes import USUAL_MOUNT, Mount
from hma_depth_ros.messages.point_cloud import cloud_xyz
from hma_depth_ros.messages.stamps import header_stamp, stamp_text
from hma_depth_ros.messages.types import POINT_CLOUD

UNKNOWN, FREE, OCCUPIED = -1, 0, 100


@dataclass(frozen=True)
class Grid:
    """Where the grid lies, and what counts in it; all in metres."""

    resolution: float = 0.2  #: side of a cell
    ahead: float = 40.0  #: from the camera's foot
    aside: float = 10.0  #: to the left and to the right
    lowest: float = 0.4  #: above the road, of an obstacle; less is road
    highest: float = 2.5  #: what hangs above can be driven under
    points: int = 3  #: that make a cell occupied: edges of depth leave single ones

    @property
    def shape(self) -> tuple[int, int]:
        """Rows (along y) and columns (along x)."""
        return round(2 * self.aside / self.resolution), round(self.ahead / self.resolution)

    @property
    def origin(self) -> tuple[float, float]:
        """Corner (x, y) of cell (0, 0) with the least x and y."""
        return 0.0, -self.aside


def on_the_road(points: npt.NDArray[np.floating], mount: Mount) -> npt.NDArray[np.float64]:
    """Points (N, 3) of the optical frame (right, down, forward), as x forward, y left, z up.

    The origin is on the road below the camera.
    """
    cos, sin = np.cos(mount.pitch), np.sin(mount.pitch)
    axes = np.array([[0, -1, 0], [-sin, 0, -cos], [cos, 0, -sin]])  # of right, down, forward
    return points @ axes + np.array([0, 0, mount.height])


def occupancy(
    points: npt.NDArray[np.floating], grid: Grid = Grid(), mount: Mount = USUAL_MOUNT
) -> npt.NDArray[np.int8]:
    """Cells (rows, columns) of points (N, 3) in the optical frame; NaN and inf are left out."""
    x, y, z = on_the_road(points[np.isfinite(points).all(axis=1)], mount).T
    column, row = (
        np.floor((value - begin) / grid.resolution).astype(int)
        for value, begin in zip((x, y), grid.origin, strict=True)
    )
    rows, columns = grid.shape
    inside = (row >= 0) & (row < rows) & (column >= 0) & (column < columns)

    def count(chosen: npt.NDArray[np.bool_]) -> npt.NDArray[np.intp]:
        places = row[chosen] * columns + column[chosen]
        return np.bincount(places, minlength=rows * columns).reshape(rows, columns)

    cells = np.full(grid.shape, UNKNOWN, np.int8)
    cells[count(inside & (z < grid.lowest)) > 0] = FREE
    standing = inside & (z >= grid.lowest) & (z <= grid.highest)
    cells[count(standing) >= grid.points] = OCCUPIED
    return cells


def summary(cells: npt.NDArray[np.int8], grid: Grid = Grid()) -> str:
    """One line for people."""
    free, occupied, unknown = ((cells == kind).sum() for kind in (FREE, OCCUPIED, UNKNOWN))
    line = f"{free} free, {occupied} occupied, {unknown} unknown"
    if not occupied:
        return line
    rows, columns = np.nonzero(cells == OCCUPIED)
    first = columns.argmin()
    x, y = (
        begin + (index + 0.5) * grid.resolution
        for begin, index in zip(grid.origin, (columns[first], rows[first]), strict=True)
    )
    side = "left" if y > 0 else "right"
    return f"{line}; nearest {x:.1f} m ahead at {abs(y):.1f} m {side}"


def main() -> None:
    """Print a line for each cloud of a bag."""
    with BagReader(Path(sys.argv[1])) as bag:
        clouds = bag.topics_of(POINT_CLOUD)
        default = "/points" if len(clouds) != 1 else clouds[0]
        topic = bag.topic(sys.argv[2] if len(sys.argv) > 2 else default, POINT_CLOUD)
        for message in bag.messages([topic.name]):
            cloud = bag.decode(message)
            print(f"{stamp_text(header_stamp(cloud))}: {summary(occupancy(cloud_xyz(cloud)))}")


if __name__ == "__main__":
    main()
