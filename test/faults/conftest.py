"""Fixtures of the fault tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from rclpy.context import Context

from .bench import FaultBench, graph

StartFaults = Callable[..., FaultBench]


@pytest.fixture(scope="session")
def context() -> Iterator[Context]:
    """Rclpy in this process."""
    with graph.initialised() as context:
        yield context


def _factory(
    stack: ExitStack, context: Context, checkpoint: Path, make: pytest.TempPathFactory
) -> StartFaults:
    def start(**values: Any) -> FaultBench:
        bench = FaultBench(context, checkpoint, make.mktemp("faults"), **values)
        stack.callback(bench.close)
        return bench

    return start


@pytest.fixture
def start(
    context: Context, tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[StartFaults]:
    """Start a node's process with these parameters, for one test."""
    with ExitStack() as stack:
        yield _factory(stack, context, tiny_checkpoint, tmp_path_factory)


@pytest.fixture(scope="module")
def bench(
    context: Context, tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[FaultBench]:
    """The process that all tests of a file do their worst to, one after the other."""
    with ExitStack() as stack:
        bench = _factory(stack, context, tiny_checkpoint, tmp_path_factory)()
        bench.connect()
        yield bench
