"""What a worker does about each frame, and about each way in which one goes wrong; without ROS."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("rclpy.context")

from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.inference.prediction import Prediction
from hma_depth_ros.messages.image import BadImageError
from hma_depth_ros.ros.depth_node import frame_loop
from hma_depth_ros.ros.depth_node.frame_loop import FrameLoop
from hma_depth_ros.ros.depth_node.image_input import STALLED, STOPPED
from hma_depth_ros.ros.depth_node.stall_watch import LeftBehindError, Silence, StallWatch
from hma_depth_ros.ros.depth_node.statistics import FrameStatistics

#: A thread that ends by an exception does so unseen.
pytestmark = pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")

WAIT = 60.0
FAILED = {"the network failed": 1}


def pixels() -> Prediction:
    """What has been through the network."""
    return Prediction(camera=None, seconds={"forward": 0.1})


class Stream:
    """A camera whose frames are what is to be made of them: a function, or an error."""

    def __init__(self, name: str = "front") -> None:
        self.name = name
        self.statistics = FrameStatistics()
        self.problems: list[str] = []
        self.reporter = SimpleNamespace(
            problem=lambda subject, words: self.problems.append(f"{subject}: {words}")
        )
        self.finished: list[Any] = []
        self.prepared: list[int] = []
        self.preparing: Callable[[], None] = lambda: None
        self.finishing: Callable[[], None] = lambda: None

    def image_topic(self) -> str:
        return f"/{self.name}/image"

    def begin(self, frame: Any) -> Any:
        if isinstance(frame, Exception):
            raise frame
        if frame is None:
            return None
        request = SimpleNamespace(outputs={"depth"})
        return SimpleNamespace(
            frame=frame, request=request, predictor=SimpleNamespace(engine="engine"), camera=None
        )

    def network_size(self, frame: Any) -> tuple[int, int]:
        return (32, 64)

    def finish(self, job: Any, prediction: Any, ending: Callable[[], bool], again: Any) -> None:
        with again():
            self.finishing()
        self.finished.append(prediction)

    def prepare(self, together: int) -> None:
        self.prepared.append(together)
        self.preparing()


class Watch:
    """Notes who is in the network, and for what."""

    def __init__(self) -> None:
        self.passes: list[tuple[list[Any], Any]] = []
        self.quiet: Silence | None = None
        self.asked: list[tuple[Any, int]] = []
        self.left_behind = False

    @contextmanager
    def passing(self, cameras: Sequence[Any], kind: Any = None) -> Iterator[None]:
        self.passes.append((list(cameras), kind))
        yield
        if self.left_behind:
            raise LeftBehindError

    def silence(self, camera: Any, *, workers: int) -> Silence | None:
        self.asked.append((camera, workers))
        return self.quiet


class Recovery:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.given_up = ""
        self.attempt = 7
        self.told: list[Any] = []

    def works(self) -> None:
        self.told.append("works")

    def failed(self, error: BaseException, attempt: int) -> None:
        self.told.append((str(error), attempt))


class Bench:
    """A loop among these, whose work a test does in its own thread."""

    def __init__(self, *names: str, **options: Any) -> None:
        self.streams = [Stream(name) for name in names or ("front",)]
        self.watch, self.recovery = Watch(), Recovery()
        self.ending = False
        self.logged: list[str] = []
        self.throttled: list[float] = []

        def log(words: str, *, throttle_duration_sec: float = 0.0) -> None:
            self.logged.append(words)
            self.throttled.append(throttle_duration_sec)

        self.loop = FrameLoop(
            self.streams,  # type: ignore[arg-type]
            lockstep=options.get("lockstep", False),
            together=options.get("together", 2),
            workers=options.get("workers", 1),
            recovery=self.recovery,  # type: ignore[arg-type]
            watch=options.get("watch", self.watch),
            ending=lambda: self.ending,
            logger=SimpleNamespace(warning=log, error=log),
        )

    @property
    def front(self) -> Stream:
        return self.streams[0]

    def process(self, *frames: Any) -> None:
        """One frame of each camera."""
        self.loop._process(list(zip(self.streams, frames, strict=True)))  # type: ignore[arg-type]

    def work(self) -> threading.Thread:
        """Start the first worker."""
        self.loop.start()
        return self.loop.workers[0]


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> list[list[Any]]:
    """What the network was given; a frame is what comes out, or a function that gives or raises."""
    given: list[list[Any]] = []

    def predictions(jobs: Sequence[Any], together: int) -> list[Any]:
        given.append([job.frame for job in jobs])
        return [job.frame() if callable(job.frame) else job.frame for job in jobs]

    monkeypatch.setattr(frame_loop, "_predictions", predictions)
    size = SimpleNamespace(network_size=lambda stream, frame: stream.network_size(frame))
    monkeypatch.setattr(frame_loop, "CameraStream", size)
    return given


def raising(*errors: Exception | None) -> Callable[[], Prediction]:
    """Raise these, one a call, before there is a prediction."""
    left = list(errors)

    def answer() -> Prediction:
        error = left.pop(0) if left else None
        if error is not None:
            raise error
        return pixels()

    return answer


def memory() -> Exception:
    """As PyTorch says it."""
    import torch

    return torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB")


def fates(stream: Stream) -> dict[str, dict[str, int]]:
    found = stream.statistics
    kinds = {"dropped": found.dropped, "failed": found.failed, "skipped": found.skipped}
    return {kind: dict(causes) for kind, causes in kinds.items() if causes}


def test_frames_go_through_together_and_out_one_by_one(network: list[list[Any]]):
    bench = Bench("front", "rear")
    first, second = pixels(), pixels()
    bench.process(first, second)
    assert network == [[first, second]]
    assert [stream.finished for stream in bench.streams] == [[first], [second]]
    assert bench.recovery.told == ["works"]
    sizes = [(32, 64), (32, 64)]
    assert bench.watch.passes == [
        (bench.streams, (7, *sizes)),
        # What is published waits for no more than itself and those after it.
        (bench.streams, (7, "once more", (32, 64))),
        (bench.streams[1:], (7, "once more", (32, 64))),
    ]
    assert [fates(stream) for stream in bench.streams] == [{}, {}]


def test_what_nobody_wants_goes_no_further(network: list[list[Any]]):
    bench = Bench("front", "rear")
    second = pixels()
    bench.process(None, second)
    assert network == [[second]]
    assert [stream.finished for stream in bench.streams] == [[], [second]]
    assert bench.watch.passes[0] == ([bench.streams[1]], (7, (32, 64)))


def test_what_needed_no_network_is_no_proof_that_it_works(network: list[list[Any]]):
    bench = Bench()
    bench.process(Prediction(camera=None))
    assert len(bench.front.finished) == 1
    assert bench.recovery.told == []


@pytest.mark.parametrize(
    ("error", "fate", "words"),
    [
        (BadImageError("no encoding 'plaid'"), "bad image", ["/front/image: no encoding 'plaid'"]),
        (HmaDepthError("no region"), "bad request", ["/front/image: no region"]),
        (ZeroDivisionError("a bug"), "internal error", []),
    ],
)
@pytest.mark.parametrize("where", ["begin", "finish"])
def test_a_camera_s_faults_are_its_own(
    network: list[list[Any]], error: Exception, fate: str, words: list[str], where: str
):
    bench = Bench("front", "rear")
    second = pixels()
    if where == "begin":
        bench.process(error, second)
    else:

        def fault() -> None:
            raise error

        bench.front.finishing = fault
        bench.process(pixels(), second)
    assert fates(bench.front) == {"failed": {fate: 1}}
    assert bench.front.problems == words
    assert (bench.streams[1].finished, fates(bench.streams[1])) == ([second], {})
    assert ("Traceback" in str(bench.logged)) == (fate == "internal error")
    assert all(bench.throttled), "at thirty images a second it would fill the disk"
    assert not bench.loop._over


def test_a_request_that_the_predictor_refuses_is_one_of_its_camera(network: list[list[Any]]):
    bench = Bench("front", "rear")
    refused, second = HmaDepthError("the region is outside"), pixels()
    bench.process(lambda: refused, second)
    assert fates(bench.front) == {"failed": {"bad request": 1}}
    assert bench.front.problems == ["/front/image: the region is outside"]
    assert bench.streams[1].finished == [second]
    assert bench.recovery.told == ["works"]


def test_refused_as_a_whole_it_is_no_failure_of_the_network(network: list[list[Any]]):
    bench = Bench("front", "rear")
    bench.process(pixels(), raising(HmaDepthError("of two sizes")))
    assert [fates(stream) for stream in bench.streams] == 2 * [{"failed": {"bad request": 1}}]
    assert bench.recovery.told == []


def test_a_network_that_raises_fails_in_all_that_it_was_given(network: list[list[Any]]):
    bench = Bench("front", "rear")
    bench.process(pixels(), raising(RuntimeError("a fault\nand more")))
    for stream in bench.streams:
        assert fates(stream) == {"failed": FAILED}
        (problem,) = stream.problems
        assert problem == (
            f"{stream.image_topic()}: the network has failed with RuntimeError: a fault"
        )
        assert stream.finished == []
    assert bench.recovery.told == [("a fault\nand more", 7)]
    assert "Traceback" in bench.logged[0]
    assert "and more" in bench.logged[0]
    assert all(bench.throttled)
    # Another engine may have to be compiled.
    assert bench.watch.passes[-1] == ([], None)
    assert not bench.loop._over


def test_the_attempt_is_that_of_the_beginning(network: list[list[Any]]):
    """What another worker has had done meanwhile is no failure of its engine."""
    bench = Bench()

    def meanwhile() -> Prediction:
        bench.recovery.attempt += 1
        raise RuntimeError("of the one before")

    bench.process(meanwhile)
    assert bench.recovery.told == [("of the one before", 7)]


def test_nothing_is_asked_of_a_network_that_was_given_up(network: list[list[Any]]):
    bench = Bench("front", "rear")
    bench.recovery.given_up = "it fails"
    bench.process(pixels(), pixels())
    assert network == []
    assert [fates(stream) for stream in bench.streams] == 2 * [{"failed": FAILED}]


def test_missing_memory_is_looked_for_once(
    network: list[list[Any]], monkeypatch: pytest.MonkeyPatch
):
    freed: list[Any] = []
    monkeypatch.setattr(frame_loop, "free_memory", freed.append)
    bench = Bench()
    bench.process(raising(memory()))
    assert (len(network), freed, len(bench.front.finished)) == (2, ["engine"], 1)
    assert bench.recovery.told == ["works"]
    assert "out of memory (OutOfMemoryError: CUDA out of memory" in bench.logged[0]
    assert all(bench.throttled)
    bench.process(raising(memory(), memory()))
    assert fates(bench.front) == {"failed": FAILED}
    assert len(bench.recovery.told) == 2
    bench.process(raising(RuntimeError("another"), None))
    assert len(freed) == 2, "only where memory is missing"
    assert fates(bench.front) == {"failed": {"the network failed": 2}}


def test_only_what_needs_the_network_goes_there(monkeypatch: pytest.MonkeyPatch):
    """Of the others, such as for a CameraInfo alone, there is nothing but their camera."""
    asked: list[Any] = []

    def together(pairs: Sequence[Any], *, most: int) -> list[str]:
        asked.append((list(pairs), most))
        return [f"depth of {request.name}" for _, request in pairs]

    monkeypatch.setattr(frame_loop, "predict_together", together)
    jobs: list[Any] = [
        SimpleNamespace(
            frame=name,
            request=SimpleNamespace(name=name, outputs=outputs),
            predictor=f"predictor {name}",
            camera=f"camera {name}",
        )
        for name, outputs in (("a", {"depth"}), ("b", set()), ("c", {"points"}))
    ]
    found = frame_loop._predictions(jobs, 3)
    assert found == ["depth of a", Prediction(camera="camera b"), "depth of c"]  # type: ignore[arg-type]
    pairs = [("predictor a", jobs[0].request), ("predictor c", jobs[2].request)]
    assert asked == [(pairs, 3)]
    sizes = frame_loop._sizes([(Stream(), job) for job in jobs])  # type: ignore[misc]
    assert sizes == [(32, 64), (32, 64)]


@pytest.mark.parametrize("where", ["network", "publishing"])
def test_at_the_end_nothing_is_an_error(network: list[list[Any]], where: str):
    """Engine and publishers are being taken away."""
    bench = Bench("front", "rear")
    bench.ending = True

    def fault() -> None:
        raise RuntimeError("it has gone")

    if where == "network":
        bench.process(pixels(), fault)
        assert [fates(stream) for stream in bench.streams] == 2 * [{"dropped": {STOPPED: 1}}]
    else:
        bench.front.finishing = fault
        bench.process(pixels(), pixels())
        assert [fates(stream) for stream in bench.streams] == [{"dropped": {STOPPED: 1}}, {}]
    assert bench.loop._over
    assert bench.recovery.told in ([], ["works"])
    assert bench.logged == []
    assert bench.front.problems == []


# --- preparing ------------------------------------------------------------------------------------


def test_a_preparation_that_fails_concerns_no_image(network: list[list[Any]]):
    bench = Bench("front", "rear")

    def fault() -> None:
        raise RuntimeError("no room")

    bench.front.preparing = fault
    bench.loop._prepare()
    assert [stream.prepared for stream in bench.streams] == [[2], [2]]
    assert bench.recovery.told == [("no room", 7)]
    assert [fates(stream) for stream in bench.streams] == [{}, {}]
    assert bench.watch.passes[0] == ([], None)


# --- the thread -----------------------------------------------------------------------------------


def test_a_worker_takes_frames_and_prepares_until_it_is_stopped(network: list[list[Any]]):
    bench = Bench()
    there = threading.Event()
    bench.front.preparing = there.set
    worker = bench.work()
    assert worker.daemon, "or one that hangs would hold up the end of the process"
    bench.loop.prepare()
    assert there.wait(WAIT)
    finished = threading.Semaphore(0)
    bench.front.finishing = finished.release
    for _ in range(2):  # for the first gives its camera back
        assert bench.loop.put(bench.front, pixels())  # type: ignore[arg-type]
        assert finished.acquire(timeout=WAIT)
    bench.loop.stop()
    assert not worker.is_alive()
    assert len(bench.front.finished) == 2
    assert fates(bench.front) == {}


def test_frames_of_one_size_are_taken_together(network: list[list[Any]]):
    """As many as may; one of another size goes alone."""
    bench = Bench("front", "rear", "left", "other", together=2)
    bench.streams[3].network_size = lambda frame: (1, 1)  # type: ignore[method-assign]
    finished = threading.Semaphore(0)
    for stream in bench.streams:
        stream.finishing = finished.release
        bench.loop.put(stream, pixels())  # type: ignore[arg-type]
    bench.work()
    for _ in bench.streams:
        assert finished.acquire(timeout=WAIT)
    bench.loop.stop()
    assert [len(frames) for frames in network] == [2, 1, 1]


def test_a_newer_frame_takes_the_place_of_one_that_waits(network: list[list[Any]]):
    bench = Bench("front", "rear")
    assert bench.loop.put(bench.front, pixels())  # type: ignore[arg-type]
    assert not bench.loop.put(bench.front, pixels())  # type: ignore[arg-type]
    bench.loop.stop()
    assert [fates(stream) for stream in bench.streams] == [{"dropped": {STOPPED: 1}}, {}]
    all_of_them = Bench(lockstep=True)
    for _ in range(3):
        assert all_of_them.loop.put(all_of_them.front, pixels())  # type: ignore[arg-type]
    all_of_them.loop.stop()
    assert fates(all_of_them.front) == {"dropped": {STOPPED: 3}}


@pytest.mark.parametrize(("seconds", "stored"), [(3.0, True), (30.0, False)])
def test_no_frame_waits_for_a_network_that_does_not_answer(
    network: list[list[Any]], seconds: float, stored: bool
):
    bench = Bench(lockstep=True, workers=3)
    bench.watch.quiet = Silence(seconds, 10.0)
    assert bench.loop.put(bench.front, pixels())  # type: ignore[arg-type]
    assert bench.watch.asked == [(bench.front, 3)]
    bench.loop.stop()
    assert fates(bench.front) == {"dropped": {STOPPED if stored else STALLED: 1}}


def test_the_end_waits_once_for_all_frames_under_way(monkeypatch: pytest.MonkeyPatch):
    """Not for each of them, or two held up would take more than the end may.

    A node that goes on waits for a frame that is not in the network, such as one that is published.
    """
    clock = [100.0]
    monkeypatch.setattr(frame_loop, "time", SimpleNamespace(monotonic=lambda: clock[0]))

    class Worker:
        ident = 1

        def __init__(self) -> None:
            self.end = clock[0] + 60.0

        def is_alive(self) -> bool:
            return clock[0] < self.end

        def join(self, seconds: float) -> None:
            clock[0] += seconds

    waited = []
    for ending in (True, False):
        bench = Bench(watch=StallWatch(1.0))
        bench.ending = ending
        bench.loop.workers = [Worker(), Worker()]  # type: ignore[list-item]
        begin = clock[0]
        bench.loop.stop()
        waited.append(clock[0] - begin)
    assert waited == pytest.approx([frame_loop.LAST_FRAME_SECONDS, 60.0], abs=0.11)


def test_who_was_left_behind_does_nothing_more(network: list[list[Any]]):
    """Its frames have been accounted for, and the streams are others' by now."""
    bench = Bench("front", "rear")
    bench.watch.left_behind = True
    for call in (lambda: bench.process(pixels(), pixels()), bench.loop._prepare):
        with pytest.raises(LeftBehindError):
            call()
    bench.front.finishing = lambda: None
    assert [fates(stream) for stream in bench.streams] == [{}, {}]
    assert bench.recovery.told == ["works"]
    worker = bench.work()
    bench.loop.put(bench.front, pixels())  # type: ignore[arg-type]
    worker.join(WAIT)
    assert not worker.is_alive()


def test_a_worker_in_the_network_is_left_behind_after_a_while(
    network: list[list[Any]], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(frame_loop, "LEAVE_SECONDS", 0.2)
    inside, answer = threading.Event(), threading.Event()

    def hanging() -> Prediction:
        inside.set()
        assert answer.wait(WAIT)
        return pixels()

    bench = Bench(watch=StallWatch(10.0))
    worker = bench.work()
    bench.loop.put(bench.front, hanging)  # type: ignore[arg-type]
    assert inside.wait(WAIT)
    bench.loop.stop()
    assert worker.is_alive()
    assert fates(bench.front) == {"dropped": {STOPPED: 1}}
    assert bench.logged == ["the network has not answered within 0.2 s: it is not waited for"]
    answer.set()
    worker.join(WAIT)
    assert not worker.is_alive()
    assert bench.front.finished == []
    assert fates(bench.front) == {"dropped": {STOPPED: 1}}
