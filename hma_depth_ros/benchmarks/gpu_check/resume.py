"""A run that is killed with -9 and resumed comes to the weights of one that was left alone."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from hma_depth_ros.benchmarks.gpu_check.parts import Scale, scale_for
from hma_depth_ros.benchmarks.gpu_check.runs import difference, logged, overrides, write_list
from hma_depth_ros.files import atomic_path
from hma_depth_ros.training.run_folder import RunFolder

STEPS, SNAPSHOT_EVERY, KILLED_AFTER = 12, 4, 6


def measure_resume(scale: Scale, device: str, work: Path) -> dict[str, object]:
    """Make both runs and compare their states.

    Raises:
        SystemExit: a run failed, or was done before it could be killed.

    """
    split = write_list(work, STEPS * scale.compared_batch, small=device == "cpu")
    alone, killed = RunFolder(work / "alone"), RunFolder(work / "killed")
    given = overrides(
        scale,
        device,
        *("run.log_every=1", f"run.snapshot_every={SNAPSHOT_EVERY}"),
        *(f"optimiser.batch_size={scale.compared_batch}", "compute.deterministic=true"),
    )

    def command(*where: str) -> list[str]:
        return [sys.executable, "-m", "hma_depth_ros", "train", *where]

    def start(folder: RunFolder) -> list[str]:
        lists = ("--preset", scale.preset, "--split", str(split))
        return command(*lists, "--output", str(folder.path), *given)

    process = subprocess.Popen(start(killed))
    while process.poll() is None and _step(killed) < KILLED_AFTER:
        time.sleep(0.01)
    process.kill()
    if process.wait() != -9:
        raise SystemExit(f"the run ended with status {process.returncode} before it was killed")
    reached = _step(killed)
    for words in (command("--resume", str(killed.path)), start(alone)):
        if subprocess.run(words, check=False).returncode:
            raise SystemExit(f"failed: {' '.join(words)}")
    return {"killed_after": reached, "steps": STEPS, **difference(alone, killed)}


def _step(folder: RunFolder) -> int:
    return max((line["step"] for line in logged(folder)), default=0)


def main() -> None:
    """Measure, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", required=True)
    parser.add_argument("--json", type=Path, required=True)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hma_depth_gpu_check_") as work:
        found = measure_resume(scale_for(arguments.device), arguments.device, Path(work))
    with atomic_path(arguments.json) as temporary:
        temporary.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=2))
    if not found["equal_to_the_bit"]:
        raise SystemExit("the resumed run's state is not that of the run that was left alone")


if __name__ == "__main__":
    main()
