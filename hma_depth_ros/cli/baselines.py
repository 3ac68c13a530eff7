"""Write what needs no network: mean depth of the training frames, and a flat road with a wall.

`evaluate_kitti --predictions OUTPUT/mean_depth` (or `.../ground_and_wall`) scores them.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hma_depth_ros.data.depth.depth_units import unit_hint
from hma_depth_ros.data.depth.stored_depth import write_stored_depth
from hma_depth_ros.data.splits.dataset_layout import KITTI
from hma_depth_ros.data.splits.located_split import read_located_split

if TYPE_CHECKING:
    from hma_depth_ros.evaluation.baselines import GroundAndWall, MeanDepth


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="baselines",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--train", type=Path, required=True, metavar="FILE", help="list of frames to learn from"
    )
    parser.add_argument(
        "--train-data", type=Path, metavar="ROOT", help="folder of its files (default: the list's)"
    )
    parser.add_argument(
        "--split", type=Path, required=True, metavar="FILE", help="list of frames to answer for"
    )
    parser.add_argument(
        "--data", type=Path, metavar="ROOT", help="folder of its files (default: the list's)"
    )
    parser.add_argument("--output", type=Path, required=True, metavar="DIR")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """See the module's docstring."""
    arguments = _parser().parse_args(argv)

    # Only now: what works here takes its time to import, and a wrong argument need not wait for it.
    from hma_depth_ros.data.image_file import image_size
    from hma_depth_ros.evaluation.baselines import GroundAndWall, MeanDepth

    train = read_located_split(arguments.train, arguments.train_data)
    frames = read_located_split(arguments.split, arguments.data)
    truths = [entry.depth for entry in train if isinstance(entry.depth, Path)]
    if hint := unit_hint(truths, units_per_metre=KITTI.units_per_metre):
        print(f"hint: {hint}")
    plane = GroundAndWall.of(train)
    baselines: dict[str, MeanDepth | GroundAndWall] = {
        "mean_depth": MeanDepth.of(train),
        "ground_and_wall": plane,
    }
    for name, baseline in baselines.items():
        folder = arguments.output / name
        folder.mkdir(parents=True, exist_ok=True)
        for entry in frames:
            columns, rows = image_size(entry.image)
            depth = baseline.depth((rows, columns), entry.focal_length)
            write_stored_depth(folder / f"{KITTI.frame_name(entry.image)}.png", depth)
        print(f"{folder}: {len(frames)} predictions")
    print(
        f"road {plane.height:.2f} m below, horizon at {plane.horizon:.2f} of the rows, wall at "
        f"{plane.wall:.0f} m"
    )
    return 0
