"""The process itself: signals at every stage of its life, and a second one of its name."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from lifecycle_msgs.srv import ChangeState

from hma_depth_ros.benchmarks.soak.frame_account import Audit

from .bench import DEADLINE, OK, WARN, FaultBench, graph, started
from .conftest import StartFaults

pytestmark = pytest.mark.faults

SIGNALS = (signal.SIGINT, signal.SIGTERM)
#: Its status where a signal meets it while it imports what belongs to the environment (`site`).
PYTHON_S_OWN = {signal.SIGINT: 1, signal.SIGTERM: -signal.SIGTERM}
#: Of the time from the process's first line to the active state, and a bit.
STAGES = [0.05 * number for number in range(24)]


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_at_every_stage_of_the_start(
    tiny_checkpoint: Path, tmp_path: Path, number: signal.Signals
):
    program = ["-m", "hma_depth_ros", "depth_node", "--ros-args"]
    parameters = [f"checkpoint:={tiny_checkpoint}", "engine:=torch", "precision:=fp32"]
    flags = [word for parameter in parameters for word in ("-p", parameter)]
    space = f"/signals_{os.getpid()}_{number.name.lower()}"
    log = tmp_path / "log"

    @contextmanager
    def running() -> Iterator[subprocess.Popen[str]]:
        command = [*program, "-r", f"__ns:={space}", *flags]
        with log.open("w") as output:
            process = started(command, stdout=output, stderr=subprocess.STDOUT)
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    begin = time.monotonic()
    with running() as process:
        graph.until(lambda: "engine: torch" in log.read_text(), "the active state", 5 * DEADLINE)
        whole = time.monotonic() - begin
        process.send_signal(number)
        assert process.wait(DEADLINE) == 0
    late = 0
    for stage in STAGES:
        with running() as process:
            time.sleep(stage * whole)
            heeded = heeds_signals(process.pid)
            late += heeded
            process.send_signal(number)
            status = process.wait(DEADLINE)
        said = log.read_text()
        if not heeded:  # Python has not come to the package yet, and ends in its own ways
            assert status in {0, -number, PYTHON_S_OWN[number]}, (stage, said)
            assert "hma_depth_ros" not in said, (stage, said)
            continue
        assert status == 0, (stage, said)
        assert "Traceback" not in said, (stage, said)
        assert "[ERROR]" not in said, (stage, said)
    assert late > len(STAGES) / 2


def heeds_signals(pid: int) -> bool:
    """Whether a process has a handler for SIGTERM, which Python alone has not."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    caught = next(line.split()[1] for line in lines if line.startswith("SigCgt:"))
    return bool(int(caught, 16) >> (signal.SIGTERM - 1) & 1)


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("transition", ["deactivate", "cleanup", "configure", "activate"])
def test_a_signal_in_the_midst_of_a_transition(
    start: StartFaults, number: signal.Signals, transition: str
):
    bench = start()
    bench.connect()
    for before in ("deactivate", "cleanup", "configure"):
        if transition == before:
            break
        assert bench.change(before)
    client = bench.client(ChangeState, "change_state")
    with bench.camera(50):
        request = ChangeState.Request()
        request.transition.label = transition
        client.call_async(request)
        bench.process.send_signal(number)
        assert bench.process.wait(DEADLINE) == 0, bench.log()[-3000:]
    assert "Traceback" not in bench.log()


def test_a_signal_while_a_failing_engine_is_started_anew(start: StartFaults):
    bench = start(self_check="true")
    bench.connect()
    bench.fault("raise")
    with bench.camera(20):
        bench.hears("is started anew")
        bench.process.send_signal(signal.SIGTERM)
        assert bench.process.wait(DEADLINE) == 0, bench.log()[-3000:]


def test_two_of_one_name_live_and_say_so(start: StartFaults, tmp_path: Path):
    bench: FaultBench = start()
    bench.connect()
    audited = bench.audit
    bench.audit = Audit()  # of both, which mixes their accounts up
    script = Path(__file__).with_name("failing_node.py")
    log = tmp_path / "other.log"
    command = [script, bench.faults, "--ros-args", "-r", f"__ns:={bench.namespace}"]
    with log.open("w") as output:
        other = started(
            [*command, "-p", "engine:=torch", "-p", f"checkpoint:={checkpoint_of(bench)}"],
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        bench.hears("there is another node of this name")
        bench.until(lambda: "another node of this name" in log.read_text(), "the other's word")
        bench.until(lambda: bench.status().level == WARN, "the diagnostics")
        with bench.camera(10):
            before = len(bench.received["depth/image"])
            bench.until(lambda: len(bench.received["depth/image"]) > before + 10, "depth of both")
        other.send_signal(signal.SIGINT)
        assert other.wait(DEADLINE) == 0, log.read_text()[-3000:]
    finally:
        other.kill()
        other.wait()
    bench.until(lambda: bench.status().level == OK, "its end")
    bench.passes()
    bench.audit = audited


def checkpoint_of(bench: FaultBench) -> str:
    return bench.figures()["checkpoint"]
