"""How well edges that a LiDAR sees meet edges of the image, and which small rotation fits better.

After Levinson and Thrun, "Automatic Online Calibration of Cameras and Lasers" (RSS 2013): where
depth jumps between neighbouring returns, the image mostly has an edge. If the LiDAR is turned a
little against what its calibration says, fewer of these returns lie on one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from hma_depth_ros.geometry.camera import PinholeCamera

Depth = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]
Angles = tuple[float, float, float]

#: A return is an edge if a neighbour beside it is farther by so much, as a share and in metres.
_JUMP, _LEAST_JUMP = 0.1, 0.5
#: Returns of a frame that are used at most, and for a first look.
_POINTS, _COARSE_POINTS = 1000, 100
#: Of what an edge of the image is still worth a pixel further away, and how many pixels it reaches.
_FADING, _REACH = 0.88, 14
#: Degrees about a pixel, whose mean worth is that of no edge in particular.
_SURROUNDINGS = 2.5
#: Degrees: how far off is looked for, and in which steps.
_FARTHEST, _COARSE = 2.0, 0.25
_FINE = (0.125, 0.05)
_ROLLS = (-1.5, -0.75, 0.0, 0.75, 1.5)
#: When a rotation is more than what the check cannot tell: on KITTI's drive 0001 and rendered
#: streets the right calibration came out 0.4 degrees off about x and y and 0.7 about z (edges near
#: the image's middle hardly move by that), one that was 1 degree off about x or y 0.7 to 1.5.
_CERTAIN_ROLL = 1.0
_CERTAIN_ANGLE, _CERTAIN_FRAMES, _CERTAIN_GAIN, _CERTAIN_POINTS = 0.5, 0.75, 0.01, 400
#: The best of some thousand rotations is better by a few sigma even where none is.
_CERTAIN_SIGMAS = 3.0
#: Of the score, which is 0 by chance: the right calibration had 0.04 on KITTI's drive 0001 and 0.05
#: and 0.004 on rendered streets, wrong ones (3 to 180 degrees, half a second) -0.04 to 0.04.
_CHANCE, _USUAL = 0.015, 0.04


@dataclass(frozen=True)
class EdgeFrame:
    """Edges of one frame."""

    points: Floats  #: (N, 3) returns at a jump of depth, metres, optical frame
    #: (H, W): how near an edge of the image is, above what is usual thereabouts; below 1.
    worth: npt.NDArray[np.float32]
    camera: PinholeCamera

    def score(self, rotation: Floats) -> Floats:
        """(N,) worth of the image where each return falls, turned by a 3x3 rotation; 0 outside."""
        x, y, z = rotation @ self.points.T
        camera = self.camera
        with np.errstate(divide="ignore", invalid="ignore"):
            column = np.rint(camera.fx * x / z + camera.cx)
            row = np.rint(camera.fy * y / z + camera.cy)
        inside = (z > 0) & (column >= 0) & (column < camera.width)
        inside &= (row >= 0) & (row < camera.height)
        found = np.zeros(len(self.points))
        at = row[inside].astype(np.intp), column[inside].astype(np.intp)
        found[inside] = self.worth[at]
        return found


@dataclass(frozen=True)
class EdgeCheck:
    """What a small rotation would change."""

    frames: int
    points: int
    score: float  #: mean worth of the edges as calibrated: 0 is chance
    best_score: float  #: of the best rotation
    #: Degrees about the camera's axes x (right), y (down), z (forward), of the LiDAR's points.
    rotation: Angles
    better_frames: float  #: share of the frames that the rotation is better in
    noise: float = 0.0  #: of the difference of the two scores: one sigma, by chance

    @property
    def is_off(self) -> bool:
        """Whether the calibration is clearly not the best."""
        return (
            (
                max(abs(self.rotation[0]), abs(self.rotation[1])) > _CERTAIN_ANGLE
                or abs(self.rotation[2]) > _CERTAIN_ROLL
            )
            and self.better_frames >= _CERTAIN_FRAMES
            and self.best_score - self.score > max(_CERTAIN_GAIN, _CERTAIN_SIGMAS * self.noise)
            and self.points >= _CERTAIN_POINTS
            # At the end of what is looked at there may be better ones beyond: none was found.
            and max(map(abs, self.rotation)) <= _FARTHEST
        )

    @property
    def is_chance(self) -> bool:
        """Whether edges meet so little that nothing is said about the calibration."""
        return not self.is_off and self.score < _CHANCE

    def __str__(self) -> str:
        turn = "{:+.2f}, {:+.2f}, {:+.2f}".format(*self.rotation)
        where = f"{self.points} edges of {self.frames} frames"
        if self.is_off:
            return (
                f"extrinsics: {where} meet the image's better ({self.score:.3f} -> "
                f"{self.best_score:.3f}, in {self.better_frames:.0%} of the frames) with the LiDAR "
                f"turned by {turn} degrees about the camera's x, y, z: check the calibration"
            )
        if self.is_chance:
            return (
                f"extrinsics: {where} meet the image's hardly more than by chance "
                f"({self.score:.3f}, right ones mostly {_USUAL:g}): as of a calibration or a clock "
                "that is far off, or where little is to be seen; look at the overlays"
            )
        return (
            f"extrinsics: {where} say nothing against them (best turned by {turn} degrees about "
            f"the camera's x, y, z; it tells {_CERTAIN_ANGLE:g}, about z {_CERTAIN_ROLL:g})"
        )


def edge_frame(
    image: npt.NDArray[np.uint8], depth: Depth, camera: PinholeCamera
) -> EdgeFrame | None:
    """Edges of an image (H, W, 3) and its sparse depth (H, W); None where depth has none."""
    rows, columns = np.nonzero(_jumps(depth))
    if rows.size < 20:
        return None
    some = np.random.default_rng(0).permutation(rows.size)[:_POINTS]
    rows, columns = rows[some], columns[some]
    z = depth[rows, columns].astype(np.float64)
    x = (columns - camera.cx) / camera.fx * z
    y = (rows - camera.cy) / camera.fy * z
    return EdgeFrame(np.column_stack([x, y, z]), _worth(image, camera), camera)


def check_rotation_by_edges(frames: Iterable[EdgeFrame]) -> EdgeCheck | None:
    """Look for the rotation with which most edges meet; None of fewer than three frames."""
    kept = list(frames)
    if len(kept) < 3:
        return None
    grid = np.arange(-_FARTHEST, _FARTHEST + _COARSE / 2, _COARSE)
    tried = [
        (float(pitch), float(yaw), float(roll)) for roll in _ROLLS for pitch in grid for yaw in grid
    ]
    thinned = [
        replace(frame, points=frame.points[:: max(len(frame.points) // _COARSE_POINTS, 1)])
        for frame in kept
    ]
    best = max(tried, key=lambda angles: _total(thinned, angles))
    for step in (_COARSE, *_FINE):
        best = _climb(kept, best, step)
    before, after = (_by_frame(kept, angles) for angles in ((0.0, 0.0, 0.0), best))
    unturned, turned = rotation_of((0.0, 0.0, 0.0)), rotation_of(best)
    gains = np.concatenate([frame.score(turned) - frame.score(unturned) for frame in kept])
    counts = np.array([len(frame.points) for frame in kept], np.float64)
    return EdgeCheck(
        frames=len(kept),
        points=int(counts.sum()),
        score=float(before @ counts / counts.sum()),
        best_score=float(after @ counts / counts.sum()),
        rotation=best,
        better_frames=float((after > before).mean()),
        noise=float(gains.std() / np.sqrt(gains.size)),
    )


def _climb(frames: Sequence[EdgeFrame], start: Angles, step: float) -> Angles:
    best, most = start, _total(frames, start)
    for _ in range(40):
        around = [
            (
                best[0] + step * (axis == 0) * sign,
                best[1] + step * (axis == 1) * sign,
                best[2] + step * (axis == 2) * sign,
            )
            for axis in range(3)
            for sign in (-1, 1)
        ]
        scores = [_total(frames, angles) for angles in around]
        if max(scores) <= most:
            break
        most = max(scores)
        best = around[scores.index(most)]
    return best


def _total(frames: Sequence[EdgeFrame], angles: Angles) -> float:
    rotation = rotation_of(angles)
    return sum(float(frame.score(rotation).sum()) for frame in frames)


def _by_frame(frames: Sequence[EdgeFrame], angles: Angles) -> Floats:
    rotation = rotation_of(angles)
    return np.array([frame.score(rotation).mean() for frame in frames])


def rotation_of(angles: Angles) -> Floats:
    """3x3 rotation by degrees about x, y and z (as a rotation vector)."""
    matrix, _ = cv2.Rodrigues(np.radians(np.asarray(angles, np.float64)))
    return np.asarray(matrix, np.float64)


def _jumps(depth: Depth) -> npt.NDArray[np.bool_]:
    """Returns that are clearly nearer than one beside them (rings are apart)."""
    known = depth > 0
    columns = np.nonzero(known)[1]
    gaps = np.diff(columns)
    gaps = gaps[(gaps > 0) & (gaps < 25)]
    reach = 2 if gaps.size == 0 else int(np.ceil(1.3 * float(np.median(gaps))))
    far = cv2.dilate(depth, np.ones((3, 2 * reach + 1), np.uint8))
    jump = np.maximum(depth * np.float32(_JUMP), np.float32(_LEAST_JUMP))
    return np.asarray(known & (far > depth + jump))


def _worth(image: npt.NDArray[np.uint8], camera: PinholeCamera) -> npt.NDArray[np.float32]:
    grey = cv2.GaussianBlur(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), (0, 0), 0.8)
    across = cv2.Sobel(grey, cv2.CV_32F, 1, 0)
    down = cv2.Sobel(grey, cv2.CV_32F, 0, 1)
    strength = np.hypot(across, down)
    worth = np.clip(strength / max(float(np.percentile(strength, 97)), 1e-3), 0, 1)
    worth = worth.astype(np.float32)
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    for _ in range(_REACH):
        worth = np.maximum(worth, np.float32(_FADING) * cv2.dilate(worth, cross))
    # Foliage is full of edges, and would draw all returns to it.
    side = 2 * round(np.tan(np.radians(_SURROUNDINGS)) * camera.fx) + 1
    return worth - cv2.blur(worth, (side, side))
