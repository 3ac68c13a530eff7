"""What the cloud's filters take out of the bundled model's cloud: the table of docs/model_card.md.

Run in .venv: `.venv/bin/python .ci/measure_filters.py`. Ten frames of rendered streets that were in
no training, half of KITTI's size, where the true depth of every pixel is known.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from scipy.ndimage import distance_transform_edt
from scipy.spatial import cKDTree

from hma_depth_ros.evaluation.boundaries import true_boundaries
from hma_depth_ros.geometry.backprojection import back_project
from hma_depth_ros.inference.cloud_filter import ALL_POINTS, CloudFilter
from hma_depth_ros.inference.predictor import DepthPredictor
from hma_depth_ros.synthetic.synthetic_drive import KITTI_CAMERA, SyntheticDrive

SEEDS = range(5201, 5211)
CAMERA = KITTI_CAMERA.resize(width=621, height=188)
FILTERS = {
    **{f"`edge_filter:={angle}`": CloudFilter(min_angle=angle) for angle in (1.0, 2.0, 3.0)},
    **{f"`min_confidence:={p}`": CloudFilter(min_confidence=p) for p in (0.3, 0.5, 0.7)},
}
#: Metres from any true surface that make a point wrong; pixels from a boundary that are at it.
FAR_OFF, BESIDE = 1.0, 5.0

Region = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Points:
    """Points of a frame, or of several: (N,) each."""

    wrong: Region
    at_edge: Region
    kept: Mapping[str, Region]  #: by each filter


def main(argv: Sequence[str]) -> int:
    """Print the table, of the bundled model or of the checkpoint that is named."""
    predictor = DepthPredictor.from_checkpoint(Path(argv[0]) if argv else None, device="cpu")
    frames = [measured(predictor, seed) for seed in SEEDS]
    wrong = np.concatenate([frame.wrong for frame in frames])
    at_edge = np.concatenate([frame.at_edge for frame in frames])
    edges = at_edge[wrong].mean()
    print(f"{len(wrong):,} points, {wrong.mean():.1%} wrong, {edges:.0%} of these at edges")
    print("| filter | wrong taken out | of them at edges | good lost | wrong among those left |")
    for name in FILTERS:
        kept = np.concatenate([frame.kept[name] for frame in frames])
        shares = [(~kept[of]).mean() for of in (wrong, wrong & at_edge, ~wrong)]
        row = [name, *(f"{100 * share:.1f} %" for share in (*shares, wrong[kept].mean()))]
        print(f"| {' | '.join(row)} |")
    return 0


def measured(predictor: DepthPredictor, seed: int) -> Points:
    """The points of a street's first frame that are not in the sky."""
    frame = SyntheticDrive(seed=seed, frames=1, camera=CAMERA).frame(0)
    found = predictor.predict(frame.image, CAMERA, outputs=("depth", "confidence"))
    assert found.depth is not None and found.confidence is not None
    known = np.isfinite(frame.depth)
    surfaces = cKDTree(back_project(frame.depth, CAMERA)[known])
    points = back_project(found.depth, CAMERA)[known]
    away, _ = surfaces.query(points, distance_upper_bound=FAR_OFF)
    boundaries, _ = true_boundaries(np.where(known, frame.depth, np.float32(0)), known)
    at_edge = distance_transform_edt(~boundaries) <= BESIDE
    depth, confidence = torch.from_numpy(found.depth), torch.from_numpy(found.confidence)

    def kept(by: CloudFilter) -> Region:
        left = by.of(depth, confidence, CAMERA.fx, limited=False)
        return np.isfinite(left.numpy())[known]

    assert kept(ALL_POINTS).all()
    return Points(~np.isfinite(away), at_edge[known], {n: kept(f) for n, f in FILTERS.items()})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
