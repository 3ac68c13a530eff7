"""What signals do in the executables; the executables here are a few lines each.

No test says how fast: each would wait for ever, or end otherwise, if the signal were not heeded.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hma_depth_ros import signals
from hma_depth_ros.cli import NODES, command_names

REPOSITORY = Path(__file__).resolve().parent.parent
TIMEOUT = 60.0

# As cli.main is, with `work` for the command. The main thread says when it has begun.
EXECUTABLE = """
import os, signal, sys, time
# Whatever a shell or nohup has made of them for the tests:
signal.signal(signal.SIGINT, signal.{disposition})
signal.signal(signal.SIGHUP, signal.{hangup})
from hma_depth_ros import signals
def ready(): print("ready", flush=True)
signals.take_over("tool", is_node={node})
try:
    status = work()
except KeyboardInterrupt:
    status = None
sys.exit(signals.finish(status))
"""
#: Seconds of C without Python's lock, which no signal interrupts.
IN_C = "import hashlib; hashlib.pbkdf2_hmac('sha256', b'', b'', 2**31 - 1)"

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start an executable in a process group of its own; wait until it is at work."""
    started: list[subprocess.Popen[str]] = []

    def begin(
        work: str, *, node: bool = False, ignored: bool = False, nohup: bool = False
    ) -> subprocess.Popen[str]:
        disposition = "SIG_IGN" if ignored else "default_int_handler"
        hangup = "SIG_IGN" if nohup else "SIG_DFL"
        lines = "\n    ".join(work.strip().splitlines())
        head, tail = EXECUTABLE.format(node=node, disposition=disposition, hangup=hangup).split(
            "signals.take_over", 1
        )
        code = f"{head}def work():\n    {lines}\n    return 0\nsignals.take_over{tail}"
        process = subprocess.Popen(
            [sys.executable, "-c", code],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
            start_new_session=True,
        )
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n", process.communicate()
        return process

    yield begin
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def end_of(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    output, errors = process.communicate(timeout=TIMEOUT)
    return process.returncode, output, errors


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("where", ["time.sleep(600)", "while True: pass", IN_C])
def test_a_node_with_nothing_to_lose_ends_at_once(start: Start, where: str, number: int):
    process = start(f"ready()\n{where}", node=True)
    if where == IN_C:
        time.sleep(0.5)  # until it is there
    process.send_signal(number)
    assert end_of(process) == (0, "", "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_command_undoes_what_is_half_done_and_says_so(start: Start, number: int):
    process = start("try: ready(); time.sleep(600)\nfinally: print('undone')")
    process.send_signal(number)
    line = f"tool: ended by {signal.Signals(number).name}\n"
    assert end_of(process) == (128 + number, "undone\n", line)


def test_an_impatient_second_ctrl_c_does_not_stop_the_undoing(start: Start):
    process = start(
        "signals._SAME = 60.0  # not impatient for long, on a busy machine\n"
        "try: ready(); time.sleep(600)\n"
        "finally: print('undoing', flush=True); time.sleep(0.5); print('undone')"
    )
    process.send_signal(signal.SIGINT)
    assert process.stdout is not None
    assert process.stdout.readline() == "undoing\n"
    process.send_signal(signal.SIGINT)
    assert end_of(process) == (130, "undone\n", "tool: ended by SIGINT\n")


def test_what_is_not_to_be_divided_is_done_before_the_interruption(start: Start):
    process = start(
        "made = []\n"
        "try:\n"
        "    with signals.undivided(), signals.undivided():\n"
        "        ready(); time.sleep(0.5); made.append('made')\n"
        "    time.sleep(600)\n"
        "finally: print(*made, 'and undone')"
    )
    process.send_signal(signal.SIGINT)
    assert end_of(process) == (130, "made and undone\n", "tool: ended by SIGINT\n")


# The signal comes when something has just been made, or is about to be removed.
STRUCK = """
import os, pathlib, shutil
from hma_depth_ros.bags.writer import BagWriter
from hma_depth_ros.files import atomic_path, temporary_folder
real = {function}
def struck(*arguments, **options):
    if real is shutil.rmtree: os.kill(os.getpid(), signal.SIGINT)
    result = real(*arguments, **options)
    if real is not shutil.rmtree: os.kill(os.getpid(), signal.SIGINT)
    return result
ready()
{function} = struck
with {block}: pass
time.sleep(600)
"""
FOLDER = "temporary_folder(prefix='.folder', beside=pathlib.Path())"
BAG = "BagWriter(pathlib.Path('bag'))"


@pytest.mark.parametrize(
    ("function", "block"),
    [
        ("os.open", "atomic_path(pathlib.Path('file'))"),
        *(
            (function, block)
            for function in ("os.mkdir", "shutil.rmtree")
            for block in (FOLDER, BAG)
        ),
    ],
)
def test_nothing_temporary_is_left(start: Start, tmp_path: Path, function: str, block: str):
    """Not even of the moment between its making and the block that removes it."""
    process = start(STRUCK.format(function=function, block=block))
    assert end_of(process) == (130, "", "tool: ended by SIGINT\n")
    assert [path.name for path in tmp_path.iterdir() if path.name != "bag"] == []


def test_an_interrupt_that_was_swallowed_is_not_the_last(start: Start):
    """As in a callback from C, of which Python prints the exception and goes on."""
    process = start(
        "try: ready(); time.sleep(600)\n"
        "except BaseException: print('swallowed', flush=True)\n"
        "time.sleep(600)"
    )
    process.send_signal(signal.SIGINT)
    assert process.stdout is not None
    assert process.stdout.readline() == "swallowed\n"
    time.sleep(1.1)
    process.send_signal(signal.SIGINT)
    assert end_of(process) == (130, "", "tool: ended by SIGINT\n")


def test_an_import_is_not_interrupted_but_left(start: Start, tmp_path: Path):
    """Modules swallow KeyboardInterrupt, or make another exception of it, and go on."""
    (tmp_path / "greedy.py").write_text(
        "import time\n"
        "print('ready', flush=True)\n"
        "try: time.sleep(600)\n"
        "except BaseException: time.sleep(600)\n"
    )
    process = start(
        "import atexit\natexit.register(print, 'tidied')\nsys.path.insert(0, '.')\nimport greedy"
    )
    process.send_signal(signal.SIGINT)
    assert end_of(process) == (130, "tidied\n", "tool: ended by SIGINT\n")


def test_a_command_does_not_stay_in_c(start: Start):
    process = start(f"signals._STUCK = 0.2\nready()\n{IN_C}")
    time.sleep(0.5)  # until it is there
    process.send_signal(signal.SIGTERM)
    assert end_of(process) == (143, "", "tool: ended by SIGTERM\n")


def test_what_a_signal_has_broken_is_no_error(start: Start):
    """Worker processes hear the signal too, and their end is an exception in the parent."""
    code = (
        "import sys, time, types, hma_depth_ros.cli as cli\n"
        "def main(argv):\n"
        "    print('ready', flush=True)\n"
        "    try: time.sleep(600)\n"
        "    except KeyboardInterrupt: raise RuntimeError('a worker has died')\n"
        "sys.modules['hma_depth_ros.cli.describe'] = types.SimpleNamespace(main=main)\n"
        "cli.main(['describe'])"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        assert end_of(process) == (143, "", "describe: ended by SIGTERM\n")


def test_workers_leave_ctrl_c_to_their_parent(start: Start):
    process = start(
        "import multiprocessing\n"
        "ctx = multiprocessing.get_context('fork')\n"
        "ctx.Process(target=time.sleep, args=(600,)).start()\n"
        "ready()\ntime.sleep(600)"
    )
    os.killpg(process.pid, signal.SIGINT)  # as the terminal does
    assert end_of(process) == (130, "", "tool: ended by SIGINT\n")
    with pytest.raises(ProcessLookupError):  # nobody of the group is left
        for _ in range(600):
            os.killpg(process.pid, 0)
            time.sleep(0.1)


def test_a_command_in_a_script_s_background_is_not_for_ctrl_c(start: Start):
    process = start("ready()\ntime.sleep(0.3)\nprint('done')", ignored=True)
    process.send_signal(signal.SIGINT)
    assert end_of(process) == (0, "done\n", "")


def test_a_node_in_a_script_s_background_heeds_kill_int(start: Start):
    process = start("ready()\ntime.sleep(600)", node=True, ignored=True)
    process.send_signal(signal.SIGINT)
    assert end_of(process) == (0, "", "")


@pytest.mark.parametrize("node", [False, True])
def test_what_nohup_has_started_outlives_the_terminal(start: Start, node: bool):
    process = start("ready()\ntime.sleep(0.3)\nprint('done')", node=node, nohup=True)
    process.send_signal(signal.SIGHUP)
    assert end_of(process) == (0, "done\n", "")


HEARD = """
import threading
stop = threading.Event()
def hear():
    print("heard", flush=True)
    stop.set()
with signals.heard_by(hear, patience={patience}):
    ready()
    {work}
print("after")
"""


def test_a_node_is_asked_to_stop_once_and_finishes(start: Start):
    work = "stop.wait(); time.sleep(0.5); print('finished')"
    process = start(HEARD.format(patience=None, work=work), node=True)
    process.send_signal(signal.SIGINT)
    assert process.stdout is not None
    assert process.stdout.readline() == "heard\n"
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGINT)
    assert end_of(process) == (0, "finished\nafter\n", "")


def test_a_node_that_does_not_come_to_its_end_is_ended(start: Start):
    process = start(HEARD.format(patience=0.2, work=IN_C), node=True)
    time.sleep(0.5)  # until it is there
    process.send_signal(signal.SIGTERM)
    assert end_of(process) == (0, "heard\n", "")


def test_signals_after_the_work_change_nothing(start: Start):
    code = HEARD.format(patience=None, work="") + "ready()\ntime.sleep(0.5)\nprint('report')"
    process = start(code, node=True)
    assert process.stdout is not None
    assert [process.stdout.readline() for _ in range(2)] == ["after\n", "ready\n"]
    process.send_signal(signal.SIGINT)
    assert end_of(process) == (0, "report\n", "")


def test_signals_while_python_ends_change_nothing(start: Start):
    process = start(
        "import atexit\ndef end(): ready(); time.sleep(0.5); print('end')\natexit.register(end)"
    )
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGTERM)
    assert end_of(process) == (0, "end\n", "")


def test_a_library_gives_the_signals_back():
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    calls: list[int] = []
    with signals.heard_by(lambda: calls.append(1), patience=0.01):
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)
        deadline = time.monotonic() + TIMEOUT
        while not calls:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        time.sleep(0.1)  # patience is for executables
    assert calls == [1]
    assert signal.set_wakeup_fd(-1) == -1
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_the_nodes_are_those_that_use_ros():
    """The others may import ROS, too, but run without a session."""
    folder = REPOSITORY / "hma_depth_ros" / "cli"
    sources = {
        name: (folder / f"{name}.py").read_text(encoding="utf-8") for name in command_names()
    }
    assert {n for n, s in sources.items() if "ros_session" in s or "run_node" in s} == NODES


def test_hardly_anything_is_imported_before_the_signals_are_taken_over():
    code = (
        f"import sys; sys.path.insert(0, {str(REPOSITORY)!r}); before = set(sys.modules); "
        "import hma_depth_ros.cli; print(*set(sys.modules) - before)"
    )
    bare = [sys.executable, "-I", "-S", "-c", code]  # nothing that site has imported already
    done = subprocess.run(bare, capture_output=True, text=True, check=True)
    imported = {name.partition(".")[0] for name in done.stdout.split()}
    assert "hma_depth_ros" in imported
    assert not imported & {"typing", "threading", "pathlib", "ast", "inspect", "numpy", "rclpy"}
