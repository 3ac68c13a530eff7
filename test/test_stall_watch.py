"""When the network is taken to answer no more, for which camera, and who is left behind in it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterator
from contextlib import ExitStack

import pytest

from hma_depth_ros.ros.depth_node.stall_watch import (
    FIRST_TIMES,
    LeftBehindError,
    Silence,
    StallWatch,
)

WAIT = 60.0


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Pass:
    """A thread that is in the network until it is told to come back."""

    def __init__(self, watch: StallWatch[str], cameras: list[str], kind: Hashable = None) -> None:
        self.error: BaseException | None = None
        self._watch, self._cameras, self._kind = watch, cameras, kind
        self._inside, self._answer = threading.Event(), threading.Event()
        self.fails = False
        self.thread = threading.Thread(target=self._run)
        self.thread.start()
        assert self._inside.wait(WAIT)

    def _run(self) -> None:
        try:
            with self._watch.passing(self._cameras, self._kind):
                self._inside.set()
                assert self._answer.wait(WAIT)
                if self.fails:
                    raise ValueError
        except BaseException as error:
            self.error = error

    def end(self, *, fails: bool = False) -> BaseException | None:
        """Let it come back; what came of it."""
        self.fails = fails
        self._answer.set()
        self.thread.join()
        return self.error


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def watch(clock: Clock) -> StallWatch[str]:
    """Of which images of size 1 have come through before."""
    watch = StallWatch[str](10.0, clock=clock)
    with watch.passing(["front"], 1):
        pass
    return watch


@pytest.fixture
def goes(watch: StallWatch[str]) -> Iterator[Callable[..., Pass]]:
    """Let a thread be in the network; the end of the test brings it back."""
    with ExitStack() as stack:

        def go(cameras: list[str], kind: Hashable = 1) -> Pass:
            one = Pass(watch, cameras, kind)
            stack.callback(one.end)
            return one

        yield go


def test_beyond_the_timeout_it_is_stalled(
    watch: StallWatch[str], clock: Clock, goes: Callable[..., Pass]
):
    one = goes(["front"])
    clock.now += 10.0
    assert watch.silence("front", workers=1) is None
    clock.now += 0.5
    silence = watch.silence("front", workers=1)
    assert silence == Silence(10.5, 10.0)
    assert silence.stalled
    assert (
        str(silence) == "the network has not answered for 10.5 s, more than 10 (by engine_timeout)"
    )
    watch.timeout = 11.0
    assert watch.silence("front", workers=1) is None, "the parameter is live"
    watch.timeout = 0.0
    assert watch.silence("front", workers=1) is None, "0 is never"
    watch.timeout = 10.0
    assert one.end() is None
    assert watch.silence("front", workers=1) is None


@pytest.mark.parametrize("kind", [2, None])
def test_the_first_of_a_kind_may_take_longer(
    watch: StallWatch[str], clock: Clock, goes: Callable[..., Pass], kind: Hashable
):
    """It is said, and not called stalled before its own limit."""
    goes(["front"], kind)
    clock.now += 10.5
    silence = watch.silence("front", workers=1)
    assert silence == Silence(10.5, 10.0 * FIRST_TIMES)
    assert not silence.stalled
    assert "it may be compiling for images of a new size, 200 s at most" in str(silence)
    clock.now += 10.0 * FIRST_TIMES - 10.5
    assert not watch.silence("front", workers=1).stalled  # type: ignore[union-attr]
    clock.now += 0.5
    assert watch.silence("front", workers=1).stalled  # type: ignore[union-attr]


def test_a_kind_is_known_once_the_network_has_answered(
    watch: StallWatch[str], clock: Clock, goes: Callable[..., Pass]
):
    assert isinstance(goes(["front"], 2).end(fails=True), ValueError)
    for limit in (10.0 * FIRST_TIMES, 10.0):
        one = goes(["front"], 2)
        clock.now += 11.0
        assert watch.silence("front", workers=1) == Silence(11.0, limit)
        assert one.end() is None
    # None is no kind that could ever be known.
    assert goes(["front"], None).end() is None
    goes(["front"], None)
    clock.now += 11.0
    assert watch.silence("front", workers=1) == Silence(11.0, 10.0 * FIRST_TIMES)


def test_a_camera_waits_for_its_own_frame_or_for_all_workers(
    watch: StallWatch[str], clock: Clock, goes: Callable[..., Pass]
):
    goes(["front", "left"])
    clock.now += 11.0
    assert watch.silence("front", workers=2) == Silence(11.0, 10.0)
    assert watch.silence("left", workers=2) == Silence(11.0, 10.0)
    assert watch.silence("rear", workers=2) is None, "another worker is free"
    assert watch.silence("rear", workers=1) == Silence(11.0, 10.0)
    second = goes(["rear"])
    clock.now += 5.0
    assert watch.silence("right", workers=2) is None, "the other one is quick enough so far"
    clock.now += 6.0
    assert watch.silence("rear", workers=2) == Silence(11.0, 10.0)
    assert watch.silence("front", workers=2) == Silence(22.0, 10.0)
    assert watch.silence("right", workers=2) == Silence(11.0, 10.0), "the one that came last"
    assert second.end() is None


def test_a_worker_that_compiles_will_be_free_again(
    watch: StallWatch[str], clock: Clock, goes: Callable[..., Pass]
):
    goes(["rear"], 2)
    clock.now += 10.0
    goes(["front"])
    clock.now += 20.0
    assert watch.silence("front", workers=2) == Silence(20.0, 10.0)
    assert watch.silence("right", workers=2) == Silence(30.0, 10.0 * FIRST_TIMES)


def test_whoever_is_left_behind_hears_of_it(
    watch: StallWatch[str], clock: Clock, goes: Callable[..., Pass]
):
    """And nobody is who is not in the network."""
    one = goes(["front", "rear"])
    ident = one.thread.ident
    assert not watch.left
    assert watch.leave(ident) == ("front", "rear")
    assert watch.left
    assert watch.leave(ident) is None, "once"
    clock.now += 100.0
    assert watch.silence("front", workers=1) is None, "nobody waits for it"
    assert isinstance(one.end(), LeftBehindError)
    assert not watch.left
    assert watch.leave(ident) is None
    assert watch.leave(None) is None, "a thread that was not started"


def test_what_is_left_behind_and_fails_is_left_behind(
    watch: StallWatch[str], goes: Callable[..., Pass]
):
    one = goes(["front"])
    assert watch.leave(one.thread.ident) == ("front",)
    assert isinstance(one.end(fails=True), LeftBehindError)
    assert not watch.left
