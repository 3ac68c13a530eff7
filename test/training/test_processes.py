"""What one process of a run decides and reads for all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist

from hma_depth_ros.cli import ablate, train
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.training import lists, processes
from hma_depth_ros.training.processes import Processes

CPU = torch.device("cpu")


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the first process sent last, which the others get."""
    message: list[Any] = []

    def broadcast(values: list[Any], *, device: Any) -> None:
        assert device is None
        if not message:
            message.extend(values)
        values[:] = message

    monkeypatch.setattr(dist, "broadcast_object_list", broadcast)
    return message


def test_the_first_process_decides_for_all(sent: list[Any]):
    answers = iter(["first", "second"])
    found = [Processes(rank, 2, CPU).by_first(lambda: next(answers)) for rank in (0, 1)]
    assert found == ["first", "first"]
    assert next(answers) == "second", "asked once"


def test_its_error_is_that_of_all(sent: list[Any]):
    def fail() -> None:
        raise HmaDepthError("the folder is full")

    for rank in (0, 1):
        with pytest.raises(HmaDepthError, match="the folder is full"):
            Processes(rank, 2, CPU).by_first(fail)


class _StopError(Exception):
    pass


class _Second(Processes):
    def by_first(self, function: Callable[[], Any]) -> Any:
        raise _StopError


@pytest.mark.parametrize("command", [train, ablate])
def test_the_files_of_the_lists_are_looked_for_by_the_first_alone(
    command: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Tens of thousands of frames and scans on a file server, by every process at once."""

    @contextmanager
    def joined(_: str) -> Iterator[Processes]:
        yield _Second(1, 2, CPU)

    def stat(*_: Any, **__: Any) -> None:
        raise AssertionError("the second process looks for files")

    monkeypatch.setattr(processes, "joined_processes", joined)
    monkeypatch.setattr(lists, "read_lists", stat)
    argv = ["--preset", "tiny", "--split", "train.txt", "--output", str(tmp_path / "run")]
    with pytest.raises(_StopError):
        command.main(argv)
