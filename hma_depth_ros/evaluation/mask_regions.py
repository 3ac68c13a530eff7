"""Where each scale wins: the attention masks' weights over parts of the scene (paper, Fig. 2)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt

from hma_depth_ros.data.ground_plane import fit_ground
from hma_depth_ros.evaluation.boundaries import is_dense, predicted_boundaries, true_boundaries

Region = npt.NDArray[np.bool_]
Depth = npt.NDArray[np.float32]

#: Half width of the strip along a boundary, in pixels of KITTI's width.
_STRIP, _KITTI_WIDTH = 4, 1242
_NEAR, _FAR = 10.0, 30.0  #: metres
_SKY = np.float32(1000)  #: metres
#: Relative distance from the ground plane that is still road.
_ROAD = 0.05


def regions(
    truth: Depth,
    predicted: Depth,
    focal_length: float,
    random: np.random.Generator,
    *,
    sky: Region | None = None,
) -> dict[str, Region]:
    """Parts of a frame by what is known of it; all of (H, W).

    Boundaries are those of the ground truth where that is dense (`is_dense`), and those of the
    prediction where it is LiDAR, which shows no boundary to the pixel. Road, near and far are
    pixels with ground truth.

    Args:
        truth: metres, 0 unknown.
        predicted: metres.
        focal_length: in pixels.
        random: of the search for the ground.
        sky: known to be farther than everything; None: where is not known.

    """
    known = truth > 0
    if is_dense(truth):
        sky = np.zeros(truth.shape, bool) if sky is None else sky
        edges, _ = true_boundaries(np.where(sky, _SKY, truth), known | sky)
    else:
        edges = predicted_boundaries(predicted)
    found = {
        "all": np.ones(truth.shape, bool),
        "boundaries": _strip(edges),
        f"nearer than {_NEAR:.0f} m": known & (truth < _NEAR),
        f"{_NEAR:.0f} to {_FAR:.0f} m": known & (truth >= _NEAR) & (truth < _FAR),
        f"beyond {_FAR:.0f} m": known & (truth >= _FAR),
    }
    found["away from boundaries"] = ~found["boundaries"]
    ground = fit_ground(truth, focal_length, random)
    if ground is not None:
        v, u = np.mgrid[: truth.shape[0], : truth.shape[1]].astype(np.float64)
        inverse = ground.inverse_depth(u, v)
        with np.errstate(divide="ignore"):
            off = np.abs(np.where(known, 1 / truth, np.inf) - inverse)
        found["road"] = known & (off < _ROAD * np.abs(inverse))
    return found


def _strip(edges: Region) -> Region:
    """Pixels (H, W) along edges."""
    reach = max(round(_STRIP * edges.shape[1] / _KITTI_WIDTH), 1)
    grown = cv2.dilate(edges.astype(np.uint8), np.ones((2 * reach + 1, 2 * reach + 1), np.uint8))
    return np.asarray(grown > 0)


@dataclass
class MaskShares:
    """Sums over frames, by region."""

    scales: int
    weights: dict[str, npt.NDArray[np.float64]] = field(default_factory=dict)  #: (S,)
    wins: dict[str, npt.NDArray[np.float64]] = field(default_factory=dict)  #: (S,)
    pixels: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def add(self, attention: npt.NDArray[np.float32], parts: Mapping[str, Region]) -> None:
        """Add a frame's masks (S, H, W)."""
        best = attention.argmax(axis=0)
        for name, part in parts.items():
            zero = np.zeros(self.scales)
            self.weights[name] = self.weights.get(name, zero) + attention[:, part].sum(
                axis=1, dtype=np.float64
            )
            count = np.bincount(best[part], minlength=self.scales)
            self.wins[name] = self.wins.get(name, zero) + count
            self.pixels[name] += int(part.sum())

    def mean_weights(self) -> dict[str, list[float]]:
        """Mean weight of each scale, coarse to fine; they sum to 1."""
        return {name: list(self._shares(self.weights, name)) for name in self.weights}

    def win_shares(self) -> dict[str, list[float]]:
        """Share of pixels in which each scale weighs most."""
        return {name: list(self._shares(self.wins, name)) for name in self.wins}

    def _shares(
        self, sums: Mapping[str, npt.NDArray[np.float64]], name: str
    ) -> npt.NDArray[np.float64]:
        return np.asarray(sums[name] / max(self.pixels[name], 1))
