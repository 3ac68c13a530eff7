"""The scale of predicted depth by the road: where the camera's mount has it, and where depth does.

Whoever knows how high the camera is, and how far it looks down, needs no LiDAR for the scale: depth
is as much too small as the road in it is too near. The plane is fitted with the mount's pitch, and
only its distance is looked for: depth of a network that is wrong about a camera mostly has the road
at a wrong pitch, too, and a plane that follows it meets the camera's foot at any height.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hma_depth_ros.geometry.camera import PinholeCamera
from hma_depth_ros.geometry.camera_planes import Mount

#: Metres at which the road is looked for. Farther off, pitch decides and not height: half a degree
#: is 3 % of depth at 6 m, 8 % at 15 m, for a camera 1.65 m high.
NEAREST, FARTHEST = 3.0, 15.0
#: Shares of the image's width between which it is looked for, and pixels that are enough.
_LEFT, _RIGHT, _PIXELS = 0.2, 0.8, 6000
_LEAST_PIXELS = 50
#: Of ln(depth): how far pixels of the road agree on a scale. Of a wall a fifth would do so.
_TOLERANCE, _LEAST_SHARE = 0.08, 0.4
#: Frames with a road that the scale is the median of, and how many it takes to apply it.
WINDOW, LEAST_FRAMES = 50, 5


@dataclass(frozen=True)
class HeightScale:
    """What one frame says."""

    scale: float  #: what depth has to be multiplied by for the road to be where it is
    share: float  #: of the pixels where the road should be that agree on it


def scale_by_height(
    depth: npt.NDArray[np.float32], camera: PinholeCamera, mount: Mount, *, limit: float = 2.0
) -> HeightScale | None:
    """What depth has to be multiplied by for the road to be as far below as it is.

    The scale on which most pixels of the road agree, of those within the limit.

    Args:
        depth: (H, W), metres along the optical axis; NaN and inf are unknown.
        camera: of the depth.
        mount: of the camera, as it is.
        limit: of the factor, which lies between its inverse and it.

    Returns:
        None where there is no road, or none that fits the mount within the limit.

    """
    # A point Z (x, y, 1) of the road: Z (y cos p + sin p) = height.
    y = (np.arange(depth.shape[0]) - camera.cy) / camera.fy
    inverse = (y * np.cos(mount.pitch) + np.sin(mount.pitch)) / mount.height
    (seen,) = np.nonzero((inverse > 1 / FARTHEST) & (inverse < 1 / NEAREST))
    left, right = int(_LEFT * depth.shape[1]), int(_RIGHT * depth.shape[1])
    step = max(1, int(np.sqrt(seen.size * (right - left) / _PIXELS)))
    rows = seen[::step]
    found = depth[rows, left:right:step].astype(np.float64)
    pixels = found.size
    with np.errstate(divide="ignore", invalid="ignore"):
        wanted = -np.log(inverse[rows, None] * found).ravel()
    wanted = np.sort(wanted[np.abs(wanted) <= np.log(limit) + _TOLERANCE])  # NaN is not
    if wanted.size < _LEAST_PIXELS:
        return None
    reached = np.searchsorted(wanted, wanted + 2 * _TOLERANCE, side="right")
    first = int((reached - np.arange(wanted.size)).argmax())
    agreed = wanted[first : reached[first]]
    scale, share = float(np.exp(np.median(agreed))), agreed.size / pixels
    if share < _LEAST_SHARE or not 1 / limit <= scale <= limit:
        return None
    return HeightScale(scale, share)


@dataclass(frozen=True)
class SmoothedScale:
    """What the last frames say."""

    value: float  #: median
    spread: float  #: half of what the middle two thirds of the frames span: sigma of a frame
    share: float  #: mean, of the pixels where the road should be that agree on it
    frames: int  #: with a road, at most `WINDOW`


class ScaleSmoother:
    """The scale of a camera over time: the median of the last frames with a road."""

    def __init__(self) -> None:
        self._found: deque[HeightScale] = deque(maxlen=WINDOW)
        self.frames = 0  #: that were looked at
        self.roads = 0  #: of them with a road

    def add(self, found: HeightScale | None, *, applied: float = 1.0) -> None:
        """Take what the next frame says.

        Args:
            found: by its depth.
            applied: what that depth had been multiplied by already on account of the height.

        """
        self.frames += 1
        if found is not None:
            self.roads += 1
            self._found.append(HeightScale(found.scale * applied, found.share))

    def smoothed(self) -> SmoothedScale | None:
        """Of the last frames; None where none had a road."""
        if not self._found:
            return None
        scales = np.array([frame.scale for frame in self._found])
        low, value, high = np.percentile(scales, [100 / 6, 50, 500 / 6]).tolist()
        share = float(np.mean([frame.share for frame in self._found]))
        return SmoothedScale(value, (high - low) / 2, share, len(scales))

    @property
    def factor(self) -> float:
        """What the next frame's depth is to be multiplied by; 1 until enough frames have a road."""
        found = self.smoothed()
        return 1.0 if found is None or found.frames < LEAST_FRAMES else found.value
