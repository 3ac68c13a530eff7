"""`ordered_map` keeps the order, does not run ahead, and ends at an error."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from hma_depth_ros.evaluation.ordered_map import ordered_map


def test_results_keep_their_order():
    def slow_at_first(item: int) -> int:
        time.sleep(0.02 if item % 3 == 0 else 0)
        return item * item

    assert list(ordered_map(slow_at_first, range(20), workers=3)) == [i * i for i in range(20)]


def test_items_are_taken_only_a_few_ahead():
    taken = []

    def items() -> Iterator[int]:
        for item in range(1000):
            taken.append(item)
            yield item

    results = ordered_map(str, items(), workers=2)
    for expected in range(5):
        assert next(results) == str(expected)
        assert len(taken) <= expected + 1 + 2 * 2
    results.close()  # type: ignore[attr-defined]


def test_an_error_ends_it():
    done = []

    def fail_at_3(item: int) -> int:
        if item == 3:
            raise ValueError("three")
        time.sleep(0.01)
        done.append(item)
        return item

    with pytest.raises(ValueError, match="three"):
        list(ordered_map(fail_at_3, range(1000), workers=2))
    assert len(done) < 12
