"""The scale of depth by the camera's height above the road, beside that of the ground truth.

What the depth node's scale_from_height would multiply depth by, on frames of which it is known by
what it should be: how far it can be trusted. One scale for each scene, the median of its frames;
the same is to be given to process_bag as --depth-scale.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from hma_depth_ros.data.frame_name import scene_name
from hma_depth_ros.data.splits.list_arguments import add_list_arguments, entries_of
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.evaluation.median_scale import ScaledFrame, by_scene, median_scale
from hma_depth_ros.files import atomic_path, short_paths
from hma_depth_ros.inference.network_arguments import (
    add_checkpoint_argument,
    add_mount_arguments,
    mount_of,
)
from hma_depth_ros.inference.road_scale import FARTHEST, scale_by_height
from hma_depth_ros.structured_text import json_text

_CAP = 80.0
#: Ground truth that counts is at least so far, as in the evaluation.
_LEAST = 1e-3


def _parser() -> argparse.ArgumentParser:
    summary, _, details = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(prog="height_scale", description=summary, epilog=details)
    add_list_arguments(parser)
    add_checkpoint_argument(parser)
    add_mount_arguments(parser)
    parser.add_argument(
        "--limit", type=float, default=2.0, metavar="FACTOR", help="default: %(default)s"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here too")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """See the module's docstring."""
    arguments = _parser().parse_args(argv)
    mount = mount_of(arguments)
    if not 1 < arguments.limit < math.inf:
        raise HmaDepthError(f"--limit is a factor above 1, not {arguments.limit:g}")

    # Only now: PyTorch takes seconds to import, and a wrong argument should not wait for it.
    from hma_depth_ros.evaluation.evaluated_network import computed_by, evaluated_network
    from hma_depth_ros.evaluation.frames_with_truth import frames_with_truth

    entries = entries_of(arguments)
    predictor = evaluated_network(arguments.checkpoint, mount=mount)
    frames = []
    for frame in frames_with_truth(entries):
        truth = frame.truth
        depth = predictor.predict(frame.image, frame.camera, outputs={"depth"}).depth
        assert depth is not None
        known = (truth > _LEAST) & (truth < _CAP)
        if not known.any():
            continue
        frames.append(
            ScaledFrame(
                scene_name(frame.entry.image),
                scale_by_height(depth, frame.camera, mount, limit=arguments.limit),
                median_scale(depth, truth, _CAP),
                median_scale(depth, truth, FARTHEST),
                depth[known],
                truth[known],
            )
        )
    if not frames:
        raise HmaDepthError(f"{arguments.split} lists no frame with ground truth")
    scenes = by_scene(frames)
    Console(width=120).print(_table(scenes))
    if arguments.json is not None:
        content = {"scenes": scenes, "mount": vars(mount), "run": computed_by(predictor)}
        with atomic_path(arguments.json) as temporary:
            temporary.write_text(json_text(content, indent=2) + "\n", encoding="utf-8")
    return 0


def _table(scenes: dict[str, dict[str, float]]) -> Table:
    table = Table(title="What depth is to be multiplied by", title_justify="left")
    titles = ("with a road", "by height", "agree", "by truth", "apart", "by truth below 15 m")
    for title in ("scene", *titles, "apart", "AbsRel", "scaled by height"):
        table.add_column(title, justify="left" if title == "scene" else "right")
    names = short_paths([*scenes])
    for scene, figures in scenes.items():
        table.add_row(
            names[scene],
            f"{figures['with_road']:.0f} of {figures['frames']:.0f}",
            _number(figures["by_height"], ".3f"),
            f"{figures['share']:.2f}",
            f"{figures['by_truth']:.3f}",
            _number(figures["error"], ".1%"),
            _number(figures["near"], ".3f"),
            _number(figures["near_error"], ".1%"),
            f"{figures['abs_rel']:.3f}",
            f"{figures['abs_rel_scaled']:.3f}",
        )
    return table


def _number(value: float, form: str) -> str:
    return "-" if np.isnan(value) else format(value, form)
