"""Where each scale wins: weights of the attention masks on road, boundaries, near and far."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from hma_depth_ros.data.splits.list_arguments import add_list_arguments, entries_of
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.files import atomic_path
from hma_depth_ros.inference.network_arguments import (
    add_checkpoint_argument,
    add_mount_arguments,
    mount_of,
)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="mask_shares", description=__doc__)
    add_list_arguments(parser)
    add_checkpoint_argument(parser)
    add_mount_arguments(parser)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here too")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """See the module's docstring."""
    arguments = _parser().parse_args(argv)
    mount = mount_of(arguments)

    # Only now: PyTorch takes seconds to import, and a wrong argument should not wait for it.
    from hma_depth_ros.data.semantic_labels import labelled_sky
    from hma_depth_ros.evaluation.evaluated_network import computed_by, evaluated_network
    from hma_depth_ros.evaluation.frames_with_truth import frames_with_truth
    from hma_depth_ros.evaluation.mask_regions import MaskShares, regions

    entries = entries_of(arguments)
    path = arguments.checkpoint
    predictor = evaluated_network(path, mount=mount)
    if not predictor.info.model.attention:
        raise HmaDepthError(f"{path} is a model without attention: it has no masks")
    shares = MaskShares(predictor.info.model.scales)
    for number, frame in enumerate(frames_with_truth(entries)):
        entry, truth = frame.entry, frame.truth
        found = predictor.predict(frame.image, frame.camera, outputs={"depth", "attention"})
        assert found.depth is not None
        assert found.attention is not None
        random = np.random.default_rng(number)
        sky = labelled_sky(entry.image, truth.shape)
        parts = regions(truth, found.depth, entry.focal_length, random, sky=sky)
        shares.add(found.attention, parts)
    if not shares.pixels:
        raise HmaDepthError(f"{arguments.split} lists no frame with ground truth")
    weights, wins = shares.mean_weights(), shares.win_shares()
    names = [f"H/{r}" if r > 1 else "H" for r in predictor.info.model.reductions]
    table = Table(title="mean weight of each scale, and share of pixels that it wins")
    for title in ("", "pixels", *names):
        table.add_column(title, justify="left" if not title else "right")
    for name, values in weights.items():
        cells = [f"{w:.3f} ({x:.0%})" for w, x in zip(values, wins[name], strict=True)]
        table.add_row(name, f"{shares.pixels[name]:,}", *cells)
    Console(width=100).print(table)
    if arguments.json is not None:
        figures = {"scales": names, "weights": weights, "wins": wins, "pixels": shares.pixels}
        content = {**figures, "run": computed_by(predictor)}
        with atomic_path(arguments.json) as temporary:
            temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return 0
