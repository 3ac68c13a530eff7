"""Short training runs on rendered frames, and the comparison of what two of them came to."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file

from hma_depth_ros.benchmarks.gpu_check.parts import Scale
from hma_depth_ros.benchmarks.loader_speed import render_frames
from hma_depth_ros.data.splits.split_file import SplitEntry, write_split
from hma_depth_ros.synthetic.synthetic_drive import KITTI_CAMERA
from hma_depth_ros.training.run_folder import RunFolder

#: Width of frames on the CPU, a quarter of KITTI's.
_SMALL = (310, 94)


def write_list(folder: Path, count: int, *, small: bool) -> Path:
    """Render a few frames, and list them again and again, `count` in all."""
    camera = KITTI_CAMERA
    if small:
        camera = camera.resize(width=_SMALL[0], height=_SMALL[1])
    frames = render_frames(folder, camera)
    path = folder / "train.txt"
    entries: Iterable[SplitEntry] = (frames[n % len(frames)] for n in range(count))
    write_split(path, entries)
    return path


def overrides(scale: Scale, device: str, frames: Path, *changes: str) -> list[str]:
    """Arguments key=value of `train` for one epoch of short training on a list of frames."""
    small = device == "cpu"
    size = ["crop.input_width=160", "crop.focal_length=92.953"] if small else []
    return [
        *size,
        f"data.train=[{frames}]",
        f"crop.height={scale.crop[0]}",
        f"crop.width={scale.crop[1]}",
        "model.weights=random",
        f"optimiser.batch_size={scale.batch}",
        "optimiser.epochs=1",
        f"compute.device={device}",
        f"data.workers={scale.workers}",
        "run.tensorboard=false",
        *changes,
    ]


def logged(folder: RunFolder) -> list[dict[str, Any]]:
    """Lines of the metrics that are of steps; also while a run writes them."""
    if not folder.metrics.is_file():
        return []
    lines = folder.metrics.read_text(encoding="utf-8").splitlines(keepends=True)
    found = [json.loads(line) for line in lines if line.endswith("\n")]
    return [line for line in found if "loss" in line]


def images_per_second(lines: list[dict[str, Any]], *, after: int) -> float:
    """Of the steps after so many; lines tell of equally many steps each."""
    rates = [line["images_per_second"] for line in lines if line["step"] > after]
    return float(len(rates) / np.sum(1 / np.array(rates))) if rates else float("nan")


def difference(first: RunFolder, second: RunFolder) -> dict[str, Any]:
    """How far the states of two runs are apart."""
    one, other = (load_file(folder.state) for folder in (first, second))
    if one.keys() != other.keys():
        raise ValueError("the two runs have other tensors")
    worst = {
        name: float((one[name].double() - other[name].double()).abs().max())
        / max(float(one[name].double().abs().max()), 1e-30)
        for name in one
        if one[name].numel()
    }
    weights = {name: value for name, value in worst.items() if name.startswith("model/")}
    return {
        "equal_to_the_bit": all(torch.equal(one[name], other[name]) for name in one),
        # Of each tensor the largest difference over its largest value.
        "largest_in_weights": max(weights.values()),
        "largest_in_state": max(worst.values()),
        "in": max(worst, key=lambda name: worst[name]),
    }
