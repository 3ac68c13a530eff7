"""The demo's child processes, environment and report, without a ROS graph."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from hma_depth_ros.demo.children import Children
from hma_depth_ros.demo.environment import free_domain, isolated_environment
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.ros.transport import large_message_profile

SLEEP = [sys.executable, "-c", "import time; print('asleep', flush=True); time.sleep(600)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); "
    "print('asleep', flush=True); time.sleep(600)",
]
QUICK = [sys.executable, "-c", "print('done')"]
FAILING = [sys.executable, "-c", "print('first'); print('the reason'); raise SystemExit(3)"]


def wait_until(condition, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_children_end_with_the_block(tmp_path: Path):
    with Children(tmp_path / "logs", os.environ) as children:
        child = children.start("sleeper", SLEEP)
        wait_until(lambda: "asleep" in child.log.read_text())
        assert child.status is None
        children.check()
    assert child.status == -signal.SIGINT


def test_children_of_a_background_process_end_when_asked(tmp_path: Path):
    """A shell lets what it starts in the background ignore SIGINT, and children inherit that."""
    previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Children(tmp_path / "logs", os.environ) as children:
            child = children.start("sleeper", SLEEP)
            wait_until(lambda: "asleep" in child.log.read_text())
        assert child.status == -signal.SIGINT
    finally:
        signal.signal(signal.SIGINT, previous)


def test_ctrl_c_in_the_terminal_does_not_reach_the_children(tmp_path: Path):
    """Each is a process group of its own; in one session, as to the share of a busy machine."""
    ids = [sys.executable, "-c", "import os; print(os.getpgid(0), os.getsid(0))"]
    with Children(tmp_path, os.environ) as children:
        several = [children.start(name, ids) for name in ("one", "two")]
        wait_until(lambda: all(child.status == 0 for child in several))
    groups, sessions = zip(*(child.log.read_text().split() for child in several), strict=True)
    assert len({os.getpgid(0), *map(int, groups)}) == 3
    assert {*map(int, sessions)} == {os.getsid(0)}


def test_children_end_when_the_block_fails(tmp_path: Path):
    with pytest.raises(KeyboardInterrupt), Children(tmp_path, os.environ) as children:
        child = children.start("sleeper", SLEEP)
        raise KeyboardInterrupt
    assert child.status is not None


def test_a_child_that_ignores_the_request_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("hma_depth_ros.demo.children._PATIENCE", 0.5)
    with Children(tmp_path, os.environ) as children:
        child = children.start("stubborn", STUBBORN)
        wait_until(lambda: "asleep" in child.log.read_text())
    assert child.status == -signal.SIGKILL


def test_a_childs_failure_is_quoted(tmp_path: Path):
    with Children(tmp_path, os.environ) as children:
        quick, failing = children.start("quick", QUICK), children.start("failing", FAILING)
        wait_until(lambda: quick.status is not None and failing.status is not None)
        with pytest.raises(HmaDepthError) as caught:
            children.check()
    message = str(caught.value)
    assert message.startswith("the failing ended with status 3")
    assert message.endswith("failing.log: first | the reason")
    assert quick.log.read_text() == "done\n"


def test_children_do_not_outlive_a_killed_parent(tmp_path: Path):
    code = (
        "import os, sys, time\n"
        "from pathlib import Path\n"
        "from hma_depth_ros.demo.children import Children\n"
        f"with Children(Path({str(tmp_path)!r}), os.environ) as children:\n"
        f"    child = children.start('sleeper', {SLEEP!r})\n"
        "    print(child._process.pid, flush=True)\n"
        "    time.sleep(600)\n"
    )
    environment = isolated_environment(1, tmp_path)
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        wait_until(lambda: "asleep" in (tmp_path / "sleeper.log").read_text())
        assert is_running(pid)
        parent.kill()
    wait_until(lambda: not is_running(pid))


def profiles_in(environment: Mapping[str, str]) -> list[str]:
    return [v for k, v in environment.items() if k.endswith("_DEFAULT_PROFILES_FILE")]


def test_the_graph_is_isolated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    joined = {"ROS_DISCOVERY_SERVER", "ROS_STATIC_PEERS", "ROS_LOCALHOST_ONLY"}
    for name in joined:
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("PYTHONPATH", "/some/where")
    monkeypatch.delenv("FASTDDS_DEFAULT_PROFILES_FILE", raising=False)
    monkeypatch.delenv("FASTRTPS_DEFAULT_PROFILES_FILE", raising=False)
    assert profiles_in(isolated_environment(57, tmp_path)) == [str(large_message_profile())]
    monkeypatch.setenv("FASTRTPS_DEFAULT_PROFILES_FILE", "/the/users.xml")
    environment = isolated_environment(57, tmp_path)
    assert environment["ROS_DOMAIN_ID"] == "57"
    assert environment["ROS_AUTOMATIC_DISCOVERY_RANGE"] == "LOCALHOST"
    assert profiles_in(environment) == ["/the/users.xml"]
    package_parent, rest = environment["PYTHONPATH"].split(os.pathsep)
    assert (Path(package_parent) / "hma_depth_ros" / "errors.py").is_file()
    assert rest == "/some/where"
    assert not joined & environment.keys()


def test_a_free_domain_has_free_ports(monkeypatch: pytest.MonkeyPatch):
    domain = free_domain()
    assert 1 <= domain <= 101
    monkeypatch.setattr("hma_depth_ros.demo.environment._DOMAINS", range(domain, domain + 1))
    assert free_domain() == domain
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("", 7400 + 250 * domain + 10))  # a first participant's port
        with pytest.raises(HmaDepthError, match="no free ROS_DOMAIN_ID"):
            free_domain()
