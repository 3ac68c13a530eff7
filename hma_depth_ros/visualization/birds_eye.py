"""A coloured point cloud seen from above, with a grid in metres."""

from __future__ import annotations

from dataclasses import astuple, dataclass

import cv2
import numpy as np
import numpy.typing as npt

from hma_depth_ros.visualization.palette import EGO, NIGHT, NIGHT_GRID, NIGHT_INK, rgb
from hma_depth_ros.visualization.sheet import Sheet, SheetBox


@dataclass(frozen=True)
class BirdsEyeExtent:
    """The part of the world that is drawn, in metres of the optical frame (REP 103)."""

    side: float = 20.0  #: to the left and to the right of the camera
    behind: float = 2.0  #: behind the camera, room for its marker
    ahead: float = 60.0
    #: Points higher above the camera are left out: the sky and the crowns of trees hide the street.
    ceiling: float = 3.0

    @classmethod
    def for_range(cls, max_depth: float) -> BirdsEyeExtent:
        """The default extent for a range of 80 m, scaled to another range such as a room's 10 m."""
        scale = max_depth / 80.0
        return cls(*(scale * metres for metres in astuple(cls())))

    @property
    def aspect(self) -> float:
        """Width over height of the view."""
        return 2 * self.side / (self.behind + self.ahead)

    @property
    def grid_step(self) -> float:
        """Distance of the grid lines in metres: the roundest that gives about six ahead."""
        steps = np.array([0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0])
        return float(steps[np.abs(np.log(steps * 6 / self.ahead)).argmin()])


def splat(
    points: npt.NDArray[np.floating],
    colors: npt.NDArray[np.uint8],
    *,
    extent: BirdsEyeExtent,
    width: int,
) -> npt.NDArray[np.uint8]:
    """Bare view (height, width, 3), RGB, of the points: ahead is up, right is right.

    Where points coincide the highest is seen. The rows of a depth image hit the ground ever further
    apart, so a point is drawn the larger the further away it is; it never covers another point.

    Args:
        points: (..., 3) in metres, optical frame; rows with NaN or infinity are left out.
        colors: RGB, of the points' shape.
        extent: What to draw.
        width: Of the view, in pixels; its height follows from the extent.

    """
    height = round(width / extent.aspect)
    chosen, rows, columns = _places(points, extent, width=width, height=height)
    view = np.empty((height, width, 3), np.uint8)
    view[:] = rgb(NIGHT)
    if not chosen.size:
        return view
    # Of several values for one pixel the last one stays.
    view[rows, columns] = colors.reshape(-1, 3)[chosen]
    empty = np.ones((height, width), np.uint8)
    empty[rows, columns] = 0
    radius = np.linspace(4.0, 1.0, height) * width / 500
    return _grow(view, empty, radius)


def mark_points(
    view: npt.NDArray[np.uint8],
    points: npt.NDArray[np.floating],
    color: str,
    *,
    extent: BirdsEyeExtent,
) -> None:
    """Paint points (..., 3) onto a view of `splat`, in one colour over all that is there.

    Each is two pixels wide, enough to be seen and not so much that it hides what it is compared to.
    """
    height, width = view.shape[:2]
    _, rows, columns = _places(points, extent, width=width, height=height)
    mark = np.zeros((height, width), np.uint8)
    mark[rows, columns] = 1
    view[cv2.dilate(mark, np.ones((2, 2), np.uint8)) > 0] = rgb(color)


def _places(
    points: npt.NDArray[np.floating], extent: BirdsEyeExtent, *, width: int, height: int
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Numbers of the points (..., 3) that are seen, lowest first; the row and column of each."""
    scale = width / (2 * extent.side)
    flat = points.reshape(-1, 3)
    with np.errstate(invalid="ignore"):
        column = (flat[:, 0] + extent.side) * scale
        row = (extent.ahead - flat[:, 2]) * scale
        seen = (column >= 0) & (column < width) & (row >= 0) & (row < height)
        seen &= flat[:, 1] > -extent.ceiling
    lowest_first = np.flatnonzero(seen)[np.argsort(-flat[seen, 1], kind="stable")]
    return lowest_first, row[lowest_first].astype(np.intp), column[lowest_first].astype(np.intp)


def _grow(
    view: npt.NDArray[np.uint8], empty: npt.NDArray[np.uint8], radius: npt.NDArray[np.float64]
) -> npt.NDArray[np.uint8]:
    """Give every empty pixel the colour of the nearest painted one within `radius` (per row)."""
    distance, label = cv2.distanceTransformWithLabels(
        empty, cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    color_of_label = np.empty((int(label.max()) + 1, 3), np.uint8)
    painted = empty == 0
    color_of_label[label[painted]] = view[painted]
    near = distance <= radius[:, None]
    grown = view.copy()
    grown[near] = color_of_label[label[near]]
    return grown


def draw_birds_eye(
    sheet: Sheet,
    box: SheetBox,
    points: npt.NDArray[np.floating],
    colors: npt.NDArray[np.uint8],
    extent: BirdsEyeExtent,
) -> None:
    """Draw the view, its grid in metres and the camera into a box of the extent's aspect."""
    sheet.paste(splat(points, colors, extent=extent, width=box.width), box)
    scale = box.width / (2 * extent.side)
    middle, origin = box.left + box.width / 2, box.top + extent.ahead * scale
    step = extent.grid_step
    for metres in np.arange(0.0, extent.ahead, step).tolist():
        y = origin - metres * scale
        sheet.line([(box.left, y), (box.right, y)], NIGHT_GRID, alpha=0.35)
        if metres > 0:
            sheet.text(box.left + 6, y - 8, f"{metres:g} m", size=12, color=NIGHT_INK, halo=NIGHT)
    count = int(np.ceil(extent.side / step)) - 1
    for metres in (np.arange(-count, count + 1) * step).tolist():
        x = middle + metres * scale
        sheet.line([(x, box.top), (x, box.bottom)], NIGHT_GRID, alpha=0.35)
        if metres:
            sheet.text(x + 4, box.bottom - 9, f"{metres:g} m", size=12, color=NIGHT_INK, halo=NIGHT)
    half = max(5.0, box.width / 60)
    marker = [(0.0, -1.6 * half), (half, half), (0.0, 0.4 * half), (-half, half)]
    sheet.polygon([(middle + dx, origin + dy) for dx, dy in marker], EGO)


def birds_eye(
    points: npt.NDArray[np.floating],
    colors: npt.NDArray[np.uint8],
    *,
    extent: BirdsEyeExtent | None = None,
    width: int = 500,
) -> npt.NDArray[np.uint8]:
    """Picture (height, width, 3), RGB, of a cloud from above with a labelled grid in metres.

    Args:
        points: (..., 3) in metres in the optical frame (x right, y down, z forward, REP 103); rows
            with NaN or infinity are left out.
        colors: uint8 RGB, of the points' shape.
        extent: What to draw; by default 20 m to either side and 60 m ahead.
        width: Of the picture, in pixels; its height follows from the extent.

    """
    extent = extent or BirdsEyeExtent()
    box = SheetBox(0, 0, width, round(width / extent.aspect))
    sheet = Sheet(box.width, box.height)
    draw_birds_eye(sheet, box, points, colors, extent)
    return sheet.render()
