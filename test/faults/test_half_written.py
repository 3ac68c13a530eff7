"""Whatever writes is killed at each step, or finds a full disk: nothing half done passes for whole.

The old version is there or the new one, or none; a second try succeeds; a full disk is one line
that names the file, and leaves no rubbish.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .bench import environment

LONG = pytest.mark.faults
QUICK = ["checkpoint", "snapshot", "cache", "bag", "recording", "report"]
SLOW = ["predict", "process_bag", "export"]
REFUSED = 2
SIGKILL, SIGXFSZ = -9, -25


@pytest.fixture(scope="module")
def small_disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path | None]:
    """A file system of 8 MiB; None where this user may not mount one."""
    folder = tmp_path_factory.mktemp("small")
    command = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        yield None
        return
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def trials(
    writers: list[str], scratch: Path, checkpoint: Path, disk: Path | None, most: int
) -> dict[str, list[dict[str, Any]]]:
    order = {
        "scratch": str(scratch),
        "checkpoint": str(checkpoint),
        "writers": writers,
        "small": None if disk is None else str(disk),
        "most": most,
        "result": str(scratch / "result.json"),
    }
    path = scratch / "order.json"
    path.write_text(json.dumps(order))
    script = Path(__file__).with_name("half_written.py")
    done = subprocess.run(
        [sys.executable, str(script), str(path)],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    found: dict[str, list[dict[str, Any]]] = json.loads((scratch / "result.json").read_text())
    return found


@pytest.fixture(scope="module")
def quick(
    tmp_path_factory: pytest.TempPathFactory, tiny_checkpoint: Path, small_disk: Path | None
) -> dict[str, list[dict[str, Any]]]:
    """Trials of what is written within milliseconds."""
    return trials(QUICK, tmp_path_factory.mktemp("quick"), tiny_checkpoint, small_disk, 5)


@pytest.fixture(scope="module")
def slow(
    tmp_path_factory: pytest.TempPathFactory, tiny_checkpoint: Path, small_disk: Path | None
) -> dict[str, list[dict[str, Any]]]:
    """Trials of commands."""
    return trials(SLOW, tmp_path_factory.mktemp("slow"), tiny_checkpoint, small_disk, 100)


@pytest.mark.parametrize("writer", QUICK)
def test_killed_at_each_step(quick: dict[str, list[dict[str, Any]]], writer: str):
    judge_kills(quick[writer], writer)


@LONG
@pytest.mark.parametrize("writer", SLOW)
def test_commands_killed_at_each_step(slow: dict[str, list[dict[str, Any]]], writer: str):
    judge_kills(slow[writer], writer)


@pytest.mark.parametrize("writer", QUICK)
def test_a_full_disk(quick: dict[str, list[dict[str, Any]]], writer: str, small_disk: Path | None):
    judge_full_disks(quick[writer], writer, small_disk)


@LONG
@pytest.mark.parametrize("writer", SLOW)
def test_commands_on_a_full_disk(
    slow: dict[str, list[dict[str, Any]]], writer: str, small_disk: Path | None
):
    judge_full_disks(slow[writer], writer, small_disk)


def judge_kills(found: list[dict[str, Any]], writer: str) -> None:
    tried = [trial for trial in found if not trial["how"].startswith("room")]
    killed = [trial for trial in tried if trial["status"] in (SIGKILL, SIGXFSZ)]
    assert len(killed) >= 3, tried
    for trial in killed:
        judge(trial, writer)


def judge_full_disks(found: list[dict[str, Any]], writer: str, small_disk: Path | None) -> None:
    if small_disk is None:
        pytest.skip(f"user {os.getuid()} may not mount a small file system (tmpfs)")
    tried = [trial for trial in found if trial["how"].startswith("room")]
    refused = [trial for trial in tried if trial["status"]]
    assert refused, tried
    for trial in refused:
        # `predict` goes on with the next image, and has status 1 at the end.
        assert trial["status"] == (1 if writer == "predict" else REFUSED), trial
        assert "Traceback" not in trial["said"], trial
        assert trial["rubbish"] == [], trial
        judge(trial, writer)


def judge(trial: dict[str, Any], writer: str) -> None:
    assert trial["left"] != "half of one", f"half of one passes for whole: {trial}"
    if writer in {"checkpoint", "snapshot", "report"}:
        assert trial["left"] in (1, 2), f"the old version has gone: {trial}"
    if writer == "recording":  # what was recorded is kept, and is in the way of another
        return
    assert trial["again"] == 0, trial
    assert trial["final"] == 2, trial
