"""Upright boxes pasted into training frames, as lorries, buses and walls stand on a road.

A network that has seen few of them learns the road and little else: it lets depth grow with height
on the side of a lorry too. An upright face has one depth in each column of an image (roll aside),
and where it meets the ground plane follows from that depth. So a box is: for each column the
nearest of its four sides, from the ground up to its height.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from hma_depth_ros.data.ground_plane import Floats, GroundPlane, fit_ground

Image = npt.NDArray[np.uint8]
Depth = npt.NDArray[np.float32]

_MOST_BOXES = 3
#: Share of a box's pixels that get ground truth: about LiDAR's, or boxes would be all that counts.
_LABELLED = 0.25
#: Boxes are not put where this share of what they would cover is known to be nearer.
_IN_FRONT = 0.12
#: Nor where they would cover more of the image than this.
_LARGEST = 0.4
_NEAREST = 1.5  #: metres
_TEXTURE = (64, 256)


@dataclass(frozen=True)
class PastedBox:
    """A box on the ground: x right, z forward of the camera, metres."""

    x: float  #: of its middle
    z: float
    width: float
    length: float
    height: float
    yaw: float  #: rad; at 0 the length lies along the optical axis

    @classmethod
    def random(cls, random: np.random.Generator) -> PastedBox:
        """Draw a vehicle, or a wall."""
        if random.random() < 0.15:
            width, length, height = 0.3, random.uniform(12, 40), random.uniform(1.8, 5)
        else:
            width, length = random.uniform(1.7, 2.6), random.uniform(3.5, 16)
            height = random.uniform(1.7, 4.0)
        yaw = random.normal(0, 0.1) + (np.pi / 2 if random.random() < 0.15 else 0.0)
        ahead = random.random() < 0.25
        x = random.uniform(-1.5, 1.5) if ahead else random.choice([-1, 1]) * random.uniform(2.4, 9)
        near = np.exp(random.uniform(np.log(5.0 if ahead else 1.5), np.log(35.0)))
        reach = (abs(np.cos(yaw)) * length + abs(np.sin(yaw)) * width) / 2
        return cls(float(x), float(near + reach), width, length, height, float(yaw))

    def sides(self) -> Floats:
        """Corners (4, 2) as (x, z), counter-clockwise from above."""
        half = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * [self.width / 2, self.length / 2]
        cos, sin = np.cos(self.yaw), np.sin(self.yaw)
        return half @ np.array([[cos, sin], [-sin, cos]]) + [self.x, self.z]


def column_depths(box: PastedBox, slopes: Floats) -> tuple[Floats, Floats, npt.NDArray[np.intp]]:
    """Where rays x = slope * z meet the box first, seen from above.

    Returns depth z (W,) in metres, inf where the ray misses; how far along the perimeter that is,
    metres; and which of the four sides it is.
    """
    corners = box.sides()
    step = np.roll(corners, -1, axis=0) - corners
    lengths = np.hypot(*step.T)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = (slopes * corners[:, 1:] - corners[:, :1]) / (step[:, :1] - slopes * step[:, 1:])
        z = corners[:, 1:] + share * step[:, 1:]
    hit = (share >= 0) & (share <= 1) & (z > _NEAREST)
    z = np.where(hit, z, np.inf)
    side = z.argmin(axis=0)
    columns = np.arange(slopes.size)
    along = (np.cumsum(lengths) - lengths)[side] + share[side, columns] * lengths[side]
    return z[side, columns], along, side


def paste_boxes(
    image: Image, depth: Depth, focal_length: float, random: np.random.Generator
) -> tuple[Image, Depth, npt.NDArray[np.bool_]]:
    """Paste up to three boxes; returns copies of image and depth, and where the boxes are.

    Args:
        image: (H, W, 3); its principal point is taken to be in the middle column.
        depth: (H, W), metres, 0 unknown; the ground is found in it, and where it cannot be, nothing
            is pasted.
        focal_length: in pixels of the image.
        random: of everything.

    """
    image, depth = image.copy(), depth.copy()
    pasted = np.zeros(depth.shape, bool)
    ground = fit_ground(depth, focal_length, random)
    if ground is None:
        return image, depth, pasted
    boxes = [PastedBox.random(random) for _ in range(random.integers(1, _MOST_BOXES + 1))]
    for box in sorted(boxes, key=lambda box: -box.z):
        place = _place(box, ground, focal_length, depth)
        if place is not None:
            _paint(place, image, depth, random)
            pasted |= place.mask
    return image, depth, pasted


@dataclass(frozen=True)
class _Place:
    """Where a box is in an image of (H, W)."""

    mask: npt.NDArray[np.bool_]  #: (H, W)
    distance: Floats  #: (W,) depth of each column, metres
    side: npt.NDArray[np.intp]  #: (W,) which of the four
    along: Floats  #: (W,) share of the perimeter
    above: Floats  #: (H, W) share of the height


def _place(box: PastedBox, ground: GroundPlane, focal_length: float, depth: Depth) -> _Place | None:
    """None where the box is out of sight, covers too much, or would cover what stands before it."""
    rows, width = depth.shape
    columns = np.arange(width, dtype=np.float64)
    z, along, side = column_depths(box, (columns - (width - 1) / 2) / focal_length)
    seen = np.isfinite(z)
    distance = np.where(seen, z, 1.0)
    foot = ground.row(columns, distance)
    tall = box.height * focal_length / distance
    above = (foot - np.arange(rows, dtype=np.float64)[:, None]) / tall
    mask = seen & (above >= 0) & (above <= 1)
    if not 0 < mask.mean() <= _LARGEST:
        return None
    known = mask & (depth > 0)
    if known.any() and (depth < 0.93 * distance)[known].mean() > _IN_FRONT:
        return None
    perimeter = 2 * (box.width + box.length)
    return _Place(mask, distance, side, along / perimeter, above)


def _paint(place: _Place, image: Image, depth: Depth, random: np.random.Generator) -> None:
    texture, light = _texture(image, random), random.uniform(0.45, 1.15, 4)  # each side has its own
    # In a window with a border of a pixel, for the soft edge.
    rows, columns = (_extent(np.asarray(place.mask.any(axis=axis))) for axis in (1, 0))
    window = (rows, columns)
    mask, above = place.mask[window], place.above[window]
    map_x = np.broadcast_to(place.along[columns] * (_TEXTURE[1] - 1), mask.shape)
    map_y = (1 - above) * (_TEXTURE[0] - 1)
    colours = cv2.remap(
        texture,
        map_x.astype(np.float32),
        map_y.astype(np.float32),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    shade = light[place.side[columns]].astype(np.float32)
    alpha = cv2.blur(mask.astype(np.float32), (2, 2))[..., None]
    painted = np.clip(colours * shade[:, None], 0, 255)
    image[window] = (image[window] + alpha * (painted - image[window])).astype(np.uint8)
    labelled = mask & (random.random(mask.shape) < _LABELLED)
    depth[window][mask] = 0
    depth[window][labelled] = np.broadcast_to(place.distance[columns], mask.shape)[labelled]


def _extent(used: npt.NDArray[np.bool_]) -> slice:
    """From the first to the last that is used, and one more on either side."""
    first, last = np.flatnonzero(used)[[0, -1]]
    return slice(max(int(first) - 1, 0), int(last) + 2)


def _texture(image: Image, random: np.random.Generator) -> Image:
    """What is wrapped around a box: paint with stripes and panels, or a piece of the frame."""
    rows, columns = _TEXTURE
    if random.random() < 0.4:
        height, width = image.shape[:2]
        h, w = int(random.uniform(0.2, 0.7) * height), int(random.uniform(0.1, 0.5) * width)
        top, left = random.integers(0, height - h), random.integers(0, width - w)
        piece = cv2.resize(image[top : top + h, left : left + w], (columns, rows))
        texture = piece * random.uniform(0.6, 1.4) * random.uniform(0.8, 1.2, 3)
    else:
        grey = random.uniform(10, 235)
        texture = np.full((rows, columns, 3), grey) + random.normal(0, 25, 3)
        for _ in range(random.integers(0, 9)):
            h = int(random.uniform(0.03, 0.6) * rows) + 1
            w = columns if random.random() < 0.3 else int(random.uniform(0.01, 0.3) * columns) + 1
            top, left = random.integers(0, rows - h + 1), random.integers(0, columns - w + 1)
            paint = random.uniform(5, 240) + random.normal(0, 40, 3)
            texture[top : top + h, left : left + w] = paint
        cells = random.normal(0, random.uniform(2, 14), (rows // 8, columns // 8))
        texture += cv2.resize(cells, (columns, rows), interpolation=cv2.INTER_CUBIC)[..., None]
    if random.random() < 0.6:  # wheels and the shade between them
        texture[int(random.uniform(0.72, 0.92) * rows) :] *= random.uniform(0.1, 0.5)
    if random.random() < 0.5:  # lighter towards the sky
        texture *= np.linspace(random.uniform(1, 1.3), random.uniform(0.6, 1), rows)[:, None, None]
    if not np.ptp(image[::8, ::8], axis=2).any():  # a grey frame
        texture[:] = texture.mean(axis=2, keepdims=True)
    return np.clip(texture, 0, 255).astype(np.uint8)
