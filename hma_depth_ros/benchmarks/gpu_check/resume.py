"""A run that is killed with -9 and resumed comes to the weights of one that was left alone."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from hma_depth_ros.benchmarks.gpu_check.compared_runs import (
    difference,
    logged,
    overrides,
    write_list,
)
from hma_depth_ros.benchmarks.gpu_check.part_program import part_arguments, write_figures
from hma_depth_ros.benchmarks.gpu_check.parts import Scale, scale_for
from hma_depth_ros.benchmarks.gpu_check.training_speed import train
from hma_depth_ros.files import temporary_folder
from hma_depth_ros.training.config_file import load_config
from hma_depth_ros.training.run_folder import RunFolder

STEPS, SNAPSHOT_EVERY, KILLED_AFTER = 12, 4, 6


def measure_resume(scale: Scale, device: str, work: Path) -> dict[str, object]:
    """Make both runs and compare their states.

    Raises:
        SystemExit: the run failed, or was done before it could be killed.
        HmaDepthError: the resumed one, or the one that is left alone, failed.

    """
    split = write_list(work, STEPS * scale.compared_batch, small=device == "cpu")
    alone, killed = RunFolder(work / "alone"), RunFolder(work / "killed")
    given = overrides(
        scale,
        device,
        split,
        *("run.log_every=1", f"run.snapshot_every={SNAPSHOT_EVERY}"),
        *(f"optimiser.batch_size={scale.compared_batch}", "compute.deterministic=true"),
    )
    command = (sys.executable, "-m", "hma_depth_ros", "train", "--preset", scale.preset)
    process = subprocess.Popen([*command, "--output", str(killed.path), *given])
    while process.poll() is None and _step(killed) < KILLED_AFTER:
        time.sleep(0.01)
    process.kill()
    if process.wait() != -9:
        raise SystemExit(f"the run ended with status {process.returncode} before it was killed")
    reached = _step(killed)
    train(killed, killed.read_config(), resume=True)
    train(alone, load_config(preset=scale.preset, overrides=given))
    return {"killed_after": reached, "steps": STEPS, **difference(alone, killed)}


def _step(folder: RunFolder) -> int:
    return max((line["step"] for line in logged(folder)), default=0)


def main() -> None:
    """Measure, and write the figures."""
    arguments = part_arguments(__doc__)
    with temporary_folder(prefix="hma_depth_gpu_check_") as work:
        found = measure_resume(scale_for(arguments.device), arguments.device, work)
    print(write_figures(arguments.json, found))
    if not found["equal_to_the_bit"]:
        raise SystemExit("the resumed run's state is not that of the run that was left alone")


if __name__ == "__main__":
    main()
