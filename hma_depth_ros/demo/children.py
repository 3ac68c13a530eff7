"""Child processes that are watched while they run and stopped whatever happens."""

from __future__ import annotations

import ctypes
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

from hma_depth_ros.errors import HmaDepthError

_PATIENCE = 15.0  # seconds between the request to end and the kill

# Looked up here, not between fork and exec, where another thread's locks stay locked for ever.
_prctl = ctypes.CDLL(None).prctl
_PR_SET_PDEATHSIG = 1  # prctl(2)
_setpgid = ctypes.CDLL(None).setpgid
_signal = ctypes.CDLL(None).signal
_signal.argtypes, _signal.restype = [ctypes.c_int, ctypes.c_void_p], ctypes.c_void_p


class ChildError(HmaDepthError):
    """A process has failed; its last lines are quoted as such."""

    def __str__(self) -> str:
        """Return the message, of several lines."""
        return "\n".join(str(HmaDepthError(line)) for line in str(self.args[0]).split("\n"))


class Child:
    """A process whose output goes to a log file."""

    def __init__(
        self, name: str, command: Sequence[str], log: Path, environment: Mapping[str, str]
    ) -> None:
        self.name = name
        self.log = log
        with log.open("wb") as output:
            # `_prepare` gives it a process group of its own: Ctrl-C in the terminal reaches only
            # this process, which then ends its children in order.
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(environment),
                preexec_fn=_prepare,  # noqa: PLW1509  it makes three C calls, no more
            )

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._process.pid

    @property
    def status(self) -> int | None:
        """Exit status (negative: killed by that signal), or None while it runs."""
        return self._process.poll()

    def ask_to_end(self) -> None:
        """Interrupt the process, as Ctrl-C does."""
        if self.status is None:
            self._process.send_signal(signal.SIGINT)

    def end(self, patience: float) -> bool:
        """Wait for the end, at most `patience` seconds, then kill; False if that was needed."""
        try:
            self._process.wait(max(0.0, patience))
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            return False
        return True

    def has_said(self, words: str) -> bool:
        """Whether the log contains these words."""
        return words in self.log.read_text(encoding="utf-8", errors="replace")

    def quotation(self, count: int = 8) -> str:
        """End of the log, its lines side by side: errors are one line."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return f"last lines of {self.log}: {' | '.join(lines[-count:]) or 'none'}"


class Children:
    """Processes that share logs' folder and environment; a context manager that ends them all."""

    def __init__(self, logs: Path, environment: Mapping[str, str]) -> None:
        self._logs = logs
        self._environment = environment
        self._children: list[Child] = []

    def __enter__(self) -> Children:
        self._logs.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.end(*self._children)

    def start(self, name: str, command: Sequence[str]) -> Child:
        """Start a process; its output goes to `name`.log."""
        child = Child(name, command, self._logs / f"{name}.log", self._environment)
        self._children.append(child)
        return child

    def check(self) -> None:
        """Check that no process has failed.

        Raises:
            ChildError: one has, quoting its last lines.

        """
        for child in self._children:
            if child.status:
                raise ChildError(
                    f"the {child.name} ended with status {child.status}; {child.quotation()}"
                )

    def end(self, *children: Child) -> None:
        """Ask processes to end, all at once, and kill those that do not in time.

        The kill also comes if the waiting itself is interrupted.
        """
        deadline = time.monotonic() + _PATIENCE
        try:
            for child in children:
                child.ask_to_end()
            for child in children:
                child.end(deadline - time.monotonic())
        finally:
            for child in children:
                child.end(0.0)


def _prepare() -> None:
    """In the child: let the kernel end it even if the parent is killed with -9; heed SIGINT.

    Started in the background of a shell, the parent ignores SIGINT, and children inherit that.
    A process group and not a session: Linux shares a busy machine's cores out among sessions
    (sched_autogroup), so that four nodes would get four times what one rig node gets.
    """
    _setpgid(0, 0)
    _prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM))
    _signal(int(signal.SIGINT), None)
