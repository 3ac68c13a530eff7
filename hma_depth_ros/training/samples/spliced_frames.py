"""Columns of one training frame put into another.

A few drives teach a network what their streets look like: with the left of a scene it recalls the
right. A frame whose middle is of another street has to be read from what stands in each column.
That a box or a car meets the road in the row that its distance gives stays true, for only frames
of the same camera are put together, and each column stays where it is (CutMix, Yun et al., ICCV
2019, along columns alone).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from hma_depth_ros.data.frame_name import scene_name
from hma_depth_ros.data.semantic_labels import NO_LABEL
from hma_depth_ros.data.splits.split_file import SplitEntry
from hma_depth_ros.training.samples.decoded_frame import DecodedFrame

#: Shares of the width that come from the other frame.
_LEAST, _MOST = 0.15, 0.6
#: Focal lengths of one camera are this much alike: lists round them, and so do resized images.
_ALIKE = 0.003


class OtherScenes:
    """Which frames columns can be taken of: those of another scene that the same camera took."""

    def __init__(self, entries: Sequence[SplitEntry], heights: Sequence[float]) -> None:
        """Know the frames of a training.

        Args:
            entries: of one list or several.
            heights: of each entry's camera above the road, metres.

        """
        self._focal = np.array([entry.focal_length for entry in entries])
        self._height = np.array(heights)
        names = [scene_name(entry.image) for entry in entries]
        _, self._scene = np.unique(names, return_inverse=True)

    def of(self, index: int) -> npt.NDArray[np.intp]:
        """Places of those for the frame at `index`.

        They are found anew each time, in less than a millisecond for all of KITTI: kept for every
        frame they would take gigabytes.
        """
        focal, height, scene = self._focal, self._height, self._scene
        same_camera = (height == height[index]) & (abs(focal / focal[index] - 1) <= _ALIKE)
        return np.flatnonzero(same_camera & (scene != scene[index]))


def splice(frame: DecodedFrame, other: DecodedFrame, random: np.random.Generator) -> DecodedFrame:
    """Take a band of columns from another frame, with all that is known of its pixels.

    Frames of two sizes are of two cameras: `frame` is returned as it is.
    """
    if frame.image.shape != other.image.shape:
        return frame
    columns = frame.image.shape[1]
    width = round(random.uniform(_LEAST, _MOST) * columns)
    start = int(random.integers(0, columns - width + 1))
    band = np.s_[:, start : start + width]
    image = frame.image.copy()
    image[band] = other.image[band]
    return frame._replace(
        image=image,
        depth=_spliced(frame.depth, other.depth, band, missing=np.float32(0)),
        labels=_spliced(frame.labels, other.labels, band, missing=np.uint8(NO_LABEL)),
        weight=_spliced(frame.weight, other.weight, band, missing=np.float32(1)),
    )


def _spliced(
    own: npt.NDArray[Any] | None,
    other: npt.NDArray[Any] | None,
    band: tuple[slice, slice],
    *,
    missing: np.generic,
) -> npt.NDArray[Any] | None:
    """Return a copy of a map (H, W) with the band of the other's; `missing` where there is none."""
    present = other if own is None else own
    if present is None:
        return None
    spliced = np.full_like(present, missing) if own is None else own.copy()
    spliced[band] = missing if other is None else other[band]
    return spliced
