"""Steps of training: images a second, memory, fp32 beside bf16, and two runs from one seed."""

from __future__ import annotations

import gc
import json
import time
from pathlib import Path
from typing import Any

import cv2
import torch

from hma_depth_ros.benchmarks.gpu_check.compared_runs import (
    difference,
    images_per_second,
    logged,
    overrides,
    write_list,
)
from hma_depth_ros.benchmarks.gpu_check.part_program import part_arguments, write_figures
from hma_depth_ros.benchmarks.gpu_check.parts import Scale, scale_for
from hma_depth_ros.files import temporary_folder
from hma_depth_ros.training.config_file import load_config
from hma_depth_ros.training.lists import read_lists
from hma_depth_ros.training.processes import joined_processes
from hma_depth_ros.training.run_config import TrainConfig
from hma_depth_ros.training.run_folder import RunFolder
from hma_depth_ros.training.trainer import Trainer

#: Steps before the first that counts.
WARM_UP = 20


def train(folder: RunFolder, config: TrainConfig, *, resume: bool = False) -> dict[str, Any]:
    """Make a run of one epoch, or what is left of it, and say how it went."""
    lists = read_lists(config.data)
    cv2.setNumThreads(1)
    begin = time.monotonic()
    with joined_processes(config.compute.device) as processes:
        on_cuda = processes.device.type == "cuda"
        if on_cuda:
            gc.collect()  # of the run before
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(processes.device)
        trainer = Trainer(config, lists, folder, processes, resume=resume)
        if not resume:
            folder.create(config, lists.description)
        trainer.run()
        device = processes.device
        memory = (
            {
                "peak_bytes": torch.cuda.max_memory_allocated(device),
                "peak_reserved_bytes": torch.cuda.max_memory_reserved(device),
            }
            if on_cuda
            else {}
        )
    lines = logged(folder)
    steps = trainer.progress.step
    return {
        "steps": steps,
        "skipped": trainer.progress.skipped,
        "seconds": time.monotonic() - begin,
        "images_per_second": images_per_second(lines, after=min(WARM_UP, steps // 2)),
        "losses": [line["loss"] for line in lines],
        **memory,
    }


def measure_training(scale: Scale, device: str, work: Path, json_path: Path) -> None:
    """Make all runs, writing the figures after each."""
    found: dict[str, Any] = {}
    small = device == "cpu"
    split = write_list(work, scale.steps * scale.batch, small=small)
    lines = split.read_text(encoding="utf-8").splitlines(keepends=True)

    def note(name: str, figures: dict[str, Any]) -> None:
        found[name] = figures
        print(name, json.dumps(figures))
        write_figures(json_path, found)

    def one(name: str, frames: Path, *changes: str) -> tuple[RunFolder, dict[str, Any]]:
        folder = RunFolder(work / name)
        config = load_config(
            preset=scale.preset, overrides=overrides(scale, device, frames, *changes)
        )
        return folder, train(folder, config)

    for precision in ("fp32", "bf16"):
        every = max(1, scale.steps // 12)
        figures = one(precision, split, f"compute.precision={precision}", f"run.log_every={every}")[
            1
        ]
        note(precision, figures)
    for name, batch, deterministic in (
        ("same_seed", scale.batch, False),
        ("same_seed_deterministic", scale.compared_batch, True),
    ):
        short = work / f"{name}.txt"
        short.write_text("".join(lines[: scale.compared * batch]), encoding="utf-8")
        changes = (
            "run.log_every=1",
            f"optimiser.batch_size={batch}",
            f"compute.deterministic={str(deterministic).lower()}",
        )
        (first, a), (second, b) = (one(f"{name}_{n}", short, *changes) for n in (1, 2))
        losses = [abs(x - y) / abs(x) for x, y in zip(a["losses"], b["losses"], strict=True)]
        apart = difference(first, second)
        note(name, {**apart, "losses": losses, "images_per_second": b["images_per_second"]})
        if deterministic and not apart["equal_to_the_bit"]:
            raise SystemExit("two deterministic runs from one seed differ")


def main() -> None:
    """Measure, and write the figures."""
    arguments = part_arguments(__doc__)
    with temporary_folder(prefix="hma_depth_gpu_check_") as work:
        measure_training(scale_for(arguments.device), arguments.device, work, arguments.json)


if __name__ == "__main__":
    main()
