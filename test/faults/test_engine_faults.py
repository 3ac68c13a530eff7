"""What runs the network fails: raises once or always, gives NaN, lacks memory, or never answers."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import numpy as np
import pytest
from lifecycle_msgs.srv import ChangeState

from hma_depth_ros.ros.depth_node.engine_recovery import PATIENCE

from .bench import DEADLINE, ERROR, WARN, FaultBench, graph
from .conftest import StartFaults

FAILED = "failed: the network failed"


@pytest.fixture(autouse=True)
def afresh(bench: FaultBench) -> None:
    """Each test begins with a new engine that works."""
    bench.fault()
    if bench.figures().get(FAILED, "0") == "0":
        return
    for transition in ("deactivate", "cleanup", "configure", "activate"):
        bench.change(transition)
    assert bench.state() == "active"
    bench.connect()


def failures(bench: FaultBench) -> int:
    return int(bench.figures().get(FAILED, "0"))


def fails(bench: FaultBench, images: int) -> None:
    """Send images, one after the other, of which each is to fail."""
    before = failures(bench)
    for number in range(1, images + 1):
        bench.send()
        bench.until(lambda n=number: failures(bench) == before + n, f"failure {number}")  # type: ignore[misc]


def test_once_is_one_image(bench: FaultBench):
    before, engine = failures(bench), bench.figures()["engine"]
    bench.fault("raise", times=1)
    bench.send()
    bench.until(lambda: failures(bench) == before + 1, "the failure")
    status = bench.status()
    assert status.level == WARN, status.message
    assert "the network has failed with RuntimeError: engine" in status.message
    assert "and more lines" not in status.message
    bench.passes()
    assert failures(bench) == before + 1
    assert bench.figures()["engine"] == engine
    bench.recovers()
    assert "started anew" not in bench.log()[-2000:]


@pytest.mark.faults
def test_one_that_goes_on_failing_is_started_anew(bench: FaultBench):
    number = first_number(bench)
    bench.fault("raise", engines=[number])
    fails(bench, PATIENCE)
    bench.hears(f"engine {number} has a fault: the engine is started anew")
    bench.passes()
    assert bench.figures()["precision"] == "bf16"
    bench.recovers()


@pytest.mark.faults
def test_one_that_fails_again_gives_way_to_fp32_on_the_cpu(bench: FaultBench):
    number = first_number(bench)
    bench.fault("raise", engines=[number, number + 1])
    fails(bench, 2 * PATIENCE)
    bench.hears(f"engine {number + 1} has a fault: fp32 on the CPU takes over")
    bench.passes()
    figures = bench.figures()
    assert (figures["engine"], figures["precision"]) == ("torch", "fp32")
    assert figures["modes"] == "engine_fallback"
    status = bench.status()
    assert status.level == WARN
    assert (
        f"engine_fallback: the network has failed in {PATIENCE} images in a row" in status.message
    )
    # And so it stays, until it is loaded again.
    bench.fault()
    bench.passes()
    assert bench.figures()["precision"] == "fp32"


def test_where_nothing_helps_the_node_says_so_and_can_be_recovered(bench: FaultBench):
    bench.fault("raise")
    before = failures(bench)
    fails(bench, 3 * PATIENCE)
    bench.until(lambda: bench.state() == "inactive", "the node to give up")
    status = bench.status()
    assert status.level == ERROR
    assert "nothing has helped. To load it anew: cleanup, configure, activate" in status.message
    assert "RuntimeError: engine" in status.message
    assert failures(bench) == before + 3 * PATIENCE
    # The same engine is not tried again.
    assert not bench.change("activate")
    assert bench.state() == "inactive"
    assert bench.status().level == ERROR
    bench.fault()
    for transition in ("cleanup", "configure", "activate"):
        assert bench.change(transition), transition
    bench.connect()
    bench.recovers()
    assert bench.figures()["precision"] == "bf16"


def test_not_a_number_stays_one_and_is_counted(bench: FaultBench):
    bench.hear("points", "depth/color")
    key = "frames with NaN of the network"
    before = int(bench.figures()[key])
    bench.fault("nan", times=1)
    number = bench.send()

    def of(topic: str):
        return next((m for m in bench.received[topic] if m.header.stamp.sec == number), None)

    found = {t: bench.until(lambda t=t: of(t), t) for t in ("depth/image", "points", "depth/color")}  # type: ignore[misc]
    depth, points = graph.pixels_of(found["depth/image"]), graph.points_of(found["points"])
    undefined = np.isnan(depth)
    height, width = undefined.shape
    assert undefined[: height // 2 - 4, : width // 2 - 4].all()
    assert not undefined[height // 2 + 4 :, width // 2 + 4 :].any()
    assert np.isnan(points[undefined]).all()
    colors = graph.pixels_of(found["depth/color"])
    assert {tuple(color) for color in colors[undefined]} == {(38, 38, 38)}
    bench.until(lambda: int(bench.figures()[key]) == before + 1, "the count")
    status = bench.status()
    assert status.level == WARN
    assert "it gives no number (NaN) for" in status.message
    bench.recovers()
    assert int(bench.figures()[key]) == before + 1


@pytest.mark.faults
def test_memory_that_is_there_the_second_time(bench: FaultBench):
    before = failures(bench)
    bench.fault("memory", times=1)
    number = bench.send()
    bench.until(
        lambda: any(m.header.stamp.sec == number for m in bench.received["depth/image"]),
        "the depth of that very image",
    )
    assert failures(bench) == before
    assert "out of memory (OutOfMemoryError" in bench.log()


def test_memory_that_stays_away_needs_no_patience(bench: FaultBench):
    number = first_number(bench)
    bench.fault("memory", engines=[number])
    fails(bench, 1)
    bench.hears("the network has failed in an image, the last time with OutOfMemoryError")
    bench.passes()
    figures = bench.figures()
    assert (figures["precision"], figures["modes"]) == ("fp32", "engine_fallback")


@pytest.mark.faults
def test_one_that_fails_in_its_self_check_gives_way_as_it_is_started_anew(start: StartFaults):
    """To fp32 PyTorch, which is the reference, and has nothing to be checked by."""
    bench = start(self_check="true")
    bench.connect()
    bench.fault("raise")
    fails(bench, PATIENCE)
    bench.hears("engine 1 has a fault: the engine is started anew")
    bench.until(lambda: bench.figures()["precision"] == "fp32", "the reference")
    status = bench.status()
    assert "engine torch is left out: in bf16 on cpu" in status.message
    fails(bench, PATIENCE)
    bench.hears("engine 3 has a fault: fp32 on the CPU takes over")
    fails(bench, PATIENCE)
    bench.until(lambda: bench.state() == "inactive", "the node to give up")
    assert bench.status().level == ERROR


# --- it never answers ---------------------------------------------------------------------------

NO_ANSWER = "dropped: the network does not answer"


@pytest.fixture
def hanging(start: StartFaults) -> Iterator[FaultBench]:
    """A node whose network has answered once, and then never again."""
    bench = start(engine_timeout=1.0)
    bench.connect()
    bench.fault("hang")
    bench.send()
    yield bench
    bench.order()


def stalls(bench: FaultBench) -> str:
    """Wait for the mode; the message with it."""
    bench.until(lambda: "engine_stalled" in bench.figures()["modes"], "the mode")
    status = bench.status()
    assert status.level == ERROR
    return str(status.message)


def test_one_that_hangs_is_told_and_the_node_goes_on(hanging: FaultBench):
    """It answers whatever it is asked, takes no image, and works again if the network does."""
    message = stalls(hanging)
    assert "engine_stalled: the network has not answered for" in message
    assert "more than 1 (by engine_timeout)" in message
    hanging.hears(f"{hanging.namespace}/image: engine_stalled: the network has not answered")
    before = hanging.account
    with hanging.camera(20):
        hanging.until(lambda: int(hanging.figures().get(NO_ANSWER, "0")) > 10, "images left out")
        assert hanging.set("max_range", 50.0).successful
        assert not hanging.set("max_range", -1.0).successful
        assert hanging.state() == "active"
        assert not hanging.change("configure")
    since = hanging.account.since(before)
    assert since.processed == 0
    assert hanging.account.waiting == 1
    hanging.order()
    hanging.passes()
    hanging.until(lambda: hanging.figures()["modes"] == "none", "the end of the mode")
    hanging.hears("engine_stalled: no longer")
    assert hanging.quiet().waiting == 0
    hanging.recovers()
    assert "started anew" not in hanging.log()


def test_one_that_hangs_is_left_behind_and_another_one_loaded(hanging: FaultBench):
    """What a lifecycle manager can do; the thread that hangs comes back later, and is nobody's."""
    stalls(hanging)
    assert hanging.change("deactivate")
    assert "it is not waited for" in hanging.log()
    account = hanging.quiet()
    assert account.waiting == 0
    assert account.causes["dropped: the node was stopped"] == 1
    assert not hanging.change("activate"), "the same engine is not tried again"
    status = hanging.status()
    assert status.level == ERROR
    assert (
        "the network has not answered yet since before the node was deactivated" in status.message
    )
    assert "cleanup, configure, activate" in status.message
    for transition in ("cleanup", "configure"):
        assert hanging.change(transition), transition
    hanging.order("hang", engines=[1])  # which lets one go on, too
    assert hanging.change("activate")
    hanging.connect()
    hanging.recovers()
    assert hanging.quiet().since(account).causes["dropped: the node was stopped"] == 0


@pytest.mark.faults
def test_one_that_answers_late_may_be_used_again(hanging: FaultBench):
    stalls(hanging)
    assert hanging.change("deactivate")
    hanging.order()
    hanging.until(lambda: hanging.change("activate"), "the end of the pass")
    hanging.connect()
    hanging.recovers()


@pytest.mark.faults
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("moment", ["at once", "stalled", "deactivating", "left behind"])
def test_a_signal_ends_one_that_hangs(hanging: FaultBench, number: signal.Signals, moment: str):
    if moment != "at once":
        stalls(hanging)
    if moment == "left behind":
        assert hanging.change("deactivate")
    elif moment == "deactivating":
        request = ChangeState.Request()
        request.transition.label = "deactivate"
        hanging.client(ChangeState, "change_state").call_async(request)
    hanging.process.send_signal(number)
    assert hanging.process.wait(DEADLINE) == 0, hanging.log()[-3000:]
    assert "Traceback" not in hanging.log()


def first_number(bench: FaultBench) -> int:
    """Of the engine that runs now, which it tells by failing once."""
    bench.fault("raise", times=1)
    before = failures(bench)
    bench.send()
    bench.until(lambda: failures(bench) == before + 1, "the failure")
    number = int(bench.status().message.rpartition("RuntimeError: engine ")[2].split()[0])
    bench.fault()
    bench.passes()
    return number
