"""Small synthetic drives and short runs on them, for the tests of training."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from hma_depth_ros.data.kitti.frames import list_frames
from hma_depth_ros.data.splits.split_file import SplitEntry, write_split
from hma_depth_ros.synthetic.kitti_writer import write_kitti_drive
from hma_depth_ros.synthetic.synthetic_drive import KITTI_CAMERA, SyntheticDrive

SIZE = (310, 94)  #: width and height: a quarter of KITTI's

#: The smallest that still has every part; 6 steps an epoch on 12 frames.
SHORT = (
    "crop.input_width=160",
    "crop.focal_length=92.953",
    "crop.height=32",
    "crop.width=128",
    "optimiser.batch_size=2",
    "optimiser.epochs=2",
    "run.log_every=1",
    "run.tensorboard=false",
    "validation.panels=1",
)


def write_drives(root: Path, *, drives: int, frames: int) -> None:
    """Render drives, and list their even frames as train.txt and the odd ones as val.txt."""
    camera = KITTI_CAMERA.resize(width=SIZE[0], height=SIZE[1])
    for number in range(drives):
        drive = SyntheticDrive(seed=number, frames=frames, camera=camera, sampling=1)
        write_kitti_drive(drive, root, number=9001 + number)
    entries: list[SplitEntry] = list_frames(root, cameras=(2,), source="annotated")
    for name, chosen in (("train", entries[::2]), ("val", entries[1::2])):
        write_split(root / f"{name}.txt", chosen)


def arguments(data: Path, run: Path, *overrides: str, preset: str = "tiny") -> list[str]:
    """Arguments of `train` for the drives in `data`."""
    lists = ["--split", str(data / "train.txt"), "--validation", str(data / "val.txt")]
    return ["--preset", preset, "--data", str(data), *lists, "--output", str(run), *overrides]


def command(*argv: str, processes: int = 1, name: str = "train") -> list[str]:
    """Command line of `train` or another, under torchrun for several processes."""
    module = ["-m", "hma_depth_ros", name, *argv]
    if processes == 1:
        return [sys.executable, *module]
    torchrun = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    return [sys.executable, *torchrun, *module]


def run_train(
    *argv: str, processes: int = 1, name: str = "train"
) -> subprocess.CompletedProcess[str]:
    """Run `train` or another in processes of its own."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        command(*argv, processes=processes, name=name),
        capture_output=True,
        text=True,
        env=environment,
        check=False,
        timeout=240,
    )


def steps(run: Path) -> list[dict[str, Any]]:
    """Logged steps, without what depends on the clock."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k != "images_per_second"} for line in lines]


def losses(run: Path) -> list[float]:
    """Of all logged steps."""
    return [line["loss"] for line in steps(run) if "loss" in line]


def state(run: Path) -> dict[str, torch.Tensor]:
    """Model, average and optimiser after the latest snapshot."""
    return load_file(run / "state.safetensors")
