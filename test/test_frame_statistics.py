"""What a camera's figures are made of, without a node."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

statistics = pytest.importorskip("hma_depth_ros.ros.depth_node.statistics")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that the figures read, to be set."""
    now = [1000.0]
    monkeypatch.setattr(statistics, "time", SimpleNamespace(monotonic=lambda: now[0]))
    return now


def test_before_the_first_image_all_is_nothing(clock: list[float]):
    clock[0] += 10
    assert statistics.FrameStatistics().snapshot() == statistics.Snapshot(
        received=0,
        waiting=0,
        processed=0,
        dropped={},
        skipped={},
        failed={},
        undefined=0,
        rate=0.0,
        latency=None,
        age=None,
        stages={},
        quiet=None,
    )


def test_each_image_has_one_fate_and_each_fate_its_causes(clock: list[float]):
    figures = statistics.FrameStatistics()
    for _ in range(9):
        figures.count_arrived()
    figures.count_processed(latency=0.1, age=None, stages={})
    figures.count_undefined()
    figures.count_undefined()
    figures.count_skipped("nobody listens")
    figures.count_failed("bad image")
    figures.count_dropped("late")
    figures.count_dropped("late", 2)
    figures.count_dropped("stopped", 0)  # is none
    found = figures.snapshot()
    assert (found.received, found.waiting) == (6, 3)
    assert (found.processed, found.undefined) == (1, 2)
    assert found.dropped == {"late": 3}
    assert found.skipped == {"nobody listens": 1}
    assert found.failed == {"bad image": 1}
    figures.count_missed("overrun", 1)  # which nobody has seen arrive
    figures.count_missed("overrun", 3)
    found = figures.snapshot()
    assert (found.received, found.waiting) == (10, 3)
    assert found.dropped == {"late": 3, "overrun": 4}
    before = figures.snapshot()
    figures.count_dropped("late")
    assert before.dropped["late"] == 3, "a snapshot is of its moment"


def test_the_rate_is_that_since_the_last_snapshot(clock: list[float]):
    figures = statistics.FrameStatistics()
    figures.count_processed(latency=0.1, age=None, stages={})
    clock[0] += 4
    assert figures.snapshot().rate == 0.25
    for _ in range(3):
        figures.count_processed(latency=0.1, age=None, stages={})
    figures.count_dropped("late")
    clock[0] += 0.5
    assert figures.snapshot().rate == 6.0
    assert figures.snapshot().rate == 0.0, "twice in one moment"
    figures.count_processed(latency=0.1, age=None, stages={})
    assert figures.snapshot().rate == pytest.approx(1e9), "of no time, but a number"


def test_quiet_since_an_image_was_through(clock: list[float]):
    """One that is processed or that nobody wanted; what fails or gives way is no sign of life."""
    figures = statistics.FrameStatistics()
    for count in (
        lambda: figures.count_processed(latency=0.1, age=None, stages={}),
        lambda: figures.count_skipped("nobody listens"),
    ):
        count()
        clock[0] += 2
        assert figures.snapshot().quiet == 2
        figures.count_failed("bad image")
        figures.count_dropped("late")
        figures.count_missed("overrun", 1)
        figures.count_arrived()
        clock[0] += 1
        assert figures.snapshot().quiet == 3


def test_means_are_of_the_latest_images():
    figures = statistics.FrameStatistics()
    figures.count_processed(latency=9.0, age=9.0, stages={"wait": 9.0, "once": 5.0})
    for number in range(statistics.WINDOW):
        figures.count_processed(
            latency=0.05, age=0.5 + number % 2, stages={"wait": 0.25 + number % 2}
        )
    found = figures.snapshot()
    assert found.latency == {"p50": 0.05, "p95": 0.05, "max": 0.05}
    assert found.age == 1.0
    assert found.stages == {"wait": 0.75, "once": 5.0}
    figures.count_processed(latency=0.05, age=None, stages={})
    assert figures.snapshot().age == 1.0, "an image without an age changes nothing"


def test_percentiles_are_those_of_all_latencies():
    """Of 1 to 101 ms: the middle one, and the one with 5 % above it."""
    figures = statistics.FrameStatistics()
    for milliseconds in range(101, 0, -1):
        figures.count_processed(latency=milliseconds / 1e3, age=0, stages={})
    found = figures.snapshot()
    assert found.latency == pytest.approx({"p50": 0.051, "p95": 0.096, "max": 0.101})
    assert found.age == 0.0
