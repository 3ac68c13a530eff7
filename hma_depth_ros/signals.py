"""What SIGINT, SIGTERM and SIGHUP do in the executables, from their first line to their last.

Python runs a signal's handler in the main thread, and only between two of its instructions: a call
into C, such as waiting for messages or compiling a network, puts it off for seconds. So a thread
listens too, which hears of the signal at once.

Loaded before anything else, and therefore light: what takes a millisecond is imported below.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from _thread import get_ident
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

TYPE_CHECKING = False  # for type checkers; the constant of this name in `typing` costs an import
if TYPE_CHECKING:
    from typing import NoReturn

_NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

#: An impatient second Ctrl-C within so many seconds belongs to the first.
_SAME = 1.0
#: Seconds after which a main thread that does not come back from C is left there.
_STUCK = 5.0

_Handler = Callable[[int, FrameType | None], None]


class _Listener:
    """Signals of this process: to a handler in the main thread, and to a thread at once."""

    def __init__(
        self, numbers: list[signal.Signals], handle: _Handler, heard: Callable[[int], None]
    ) -> None:
        """Listen from now on. Only the main thread may.

        Args:
            numbers: signals.
            handle: called in the main thread, when that gets there.
            heard: called in a thread of its own.

        """
        import threading

        self.heard = heard
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)
        self._previous_fd = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        self._previous = {number: signal.signal(number, handle) for number in numbers}
        threading.Thread(target=self._listen, name="signals", daemon=True).start()

    def _listen(self) -> None:
        while numbers := os.read(self._reader, 16):
            for number in numbers:
                if number in self._previous:  # of all that have a handler
                    self.heard(number)
        os.close(self._reader)

    @property
    def numbers(self) -> list[signal.Signals]:
        """Signals that are listened to."""
        return list(self._previous)

    def close(self) -> None:
        """Leave the signals to whom they were left before."""
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._previous_fd)
        os.close(self._writer)  # the end of what the thread reads

    def ignore(self) -> None:
        """Let all further signals come to nothing."""
        self.heard = lambda _number: None
        for number in self._previous:
            signal.signal(number, signal.SIG_IGN)


class _Executable:
    """The state of an executable that has taken its signals over."""

    def __init__(self, name: str, numbers: list[signal.Signals], *, is_node: bool) -> None:
        self.name = name
        self.is_node = is_node
        self.first: int | None = None  # signal
        self.first_time = 0.0
        self.handled = False  # by the main thread
        self._undivided = 0  # how many blocks the main thread is in that are not to be interrupted
        self._postponed = False  # an interruption
        if is_node:
            self.listener = _Listener(numbers, _nothing, self.leave_at_once)
        else:
            self.listener = _Listener(numbers, self._interrupt, self._watch)
        self._masks: dict[int, set[int]] = {}  # before a fork, by the thread that forks
        os.register_at_fork(
            before=self._hold, after_in_parent=self._release, after_in_child=self._forked
        )

    @property
    def status(self) -> int:
        """Exit status of a process that a signal has ended."""
        return 0 if self.is_node else 128 + (self.first or signal.SIGINT)

    def leave_at_once(self, number: int) -> None:
        """End a process that has nothing to lose."""
        self.first = self.first or number
        os._exit(self.status)

    def _watch(self, number: int) -> None:
        self.first = self.first or number
        time.sleep(_STUCK)
        if not self.handled:
            self.say_so()
            os._exit(self.status)

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        """Unwind the main thread, so that what is half done is undone.

        While a module is being imported, though, the exception could come out as another one, or
        be swallowed; and most of all imports come before the work.
        """
        now = time.monotonic()
        again, self.handled = self.handled, True
        self.first = self.first or number
        if again and now - self.first_time < _SAME:
            return
        self.first_time = now
        if self._undivided:
            self._postponed = True
            return
        if _imports(frame):
            self.say_so()
            leave(self.status, tidy=True)
        raise KeyboardInterrupt

    def begin_undivided(self) -> None:
        """Let an interruption of the main thread wait."""
        self._undivided += 1

    def end_undivided(self) -> None:
        """Let it come, if this was the last block of the kind."""
        self._undivided -= 1
        if self._postponed and not self._undivided:
            self._postponed = False
            raise KeyboardInterrupt

    def _hold(self) -> None:
        """Let signals wait that come while a worker process is forked, which are for both."""
        numbers = self.listener.numbers
        self._masks[get_ident()] = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)

    def _release(self) -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, self._masks.pop(get_ident()))

    def _forked(self) -> None:
        """In the worker: Ctrl-C in the terminal is for the parent, which ends its workers."""
        signal.set_wakeup_fd(-1)  # the parent's
        for number in self.listener.numbers:
            ours = number == signal.SIGINT
            signal.signal(number, _nothing if ours else signal.SIG_DFL)
        self._release()

    def say_so(self) -> None:
        """One line, past the stream's lock, which the main thread may hold."""
        assert self.first is not None
        line = f"{self.name}: ended by {signal.Signals(self.first).name}\n"
        with suppress(OSError):
            os.write(2, line.encode())


_executable: _Executable | None = None
_main_thread = get_ident()  # it is what imports this first, and may take signals over


def take_over(name: str, *, is_node: bool) -> None:
    """Decide what signals do in this process. An executable's first call, in its main thread.

    A ROS node ends with status 0: at once, until `heard_by` says otherwise. Any other command is
    interrupted by KeyboardInterrupt, and its status is 128 and the signal's number.

    Args:
        name: of the command, for the one line on the interruption.
        is_node: whether it is a ROS node.

    """
    global _executable  # noqa: PLW0603  signals are the process's
    numbers = _heeded(background=is_node)
    for number in numbers:  # at once; a thread takes its time to start
        signal.signal(number, lambda n, _: os._exit(0 if is_node else 128 + n))
    _executable = _Executable(name, numbers, is_node=is_node)


@contextmanager
def heard_by(stop: Callable[[], None], *, patience: float | None) -> Iterator[None]:
    """Let signals call `stop`, once, from another thread; further ones change nothing.

    Args:
        stop: asks the work to end.
        patience: seconds after which an executable leaves, whatever still runs; None: never, since
            its work must be finished. Without effect in a process that has not called `take_over`.

    """
    import threading

    executable = _executable
    begun = threading.Event()

    def heard(_number: int) -> None:
        if begun.is_set():
            return
        begun.set()
        if executable is not None and patience is not None:
            deadline = threading.Timer(patience, os._exit, (executable.status,))
            deadline.daemon = True
            deadline.start()
        stop()

    if executable is not None and executable.is_node:
        executable.listener.heard = heard
        try:
            yield
        finally:  # what is left is to leave
            executable.listener.heard = lambda _number: None
        return
    listener = _Listener(_heeded(background=True), _nothing, heard)
    try:
        yield
    finally:
        listener.close()


@contextmanager
def undivided() -> Iterator[None]:
    """Let an interruption of an executable wait for the end of the block, which is to be short.

    For what makes or removes something temporary: between the making and the `try` that removes it
    there would be a moment, and a removal that is interrupted leaves the rest. Other threads are
    never interrupted.
    """
    executable = _executable
    if executable is None or get_ident() != _main_thread:
        yield
        return
    executable.begin_undivided()
    try:
        yield
    finally:
        executable.end_undivided()


def heard() -> bool:
    """Whether a signal has come."""
    return _executable is not None and _executable.first is not None


def finish(status: int | None) -> int:
    """End an executable: a node at once, another command by returning its status.

    Args:
        status: of the command; None if a signal has interrupted it.

    """
    assert _executable is not None
    _executable.listener.ignore()
    if status is None:
        _executable.say_so()
        leave(_executable.status, tidy=True)
    if _executable.is_node:
        # Tearing down the interpreter and torch takes seconds, `ros2 launch` gives five to all.
        leave(status, tidy=False)
    return status


def leave(status: int, *, tidy: bool) -> NoReturn:
    """End the process without the interpreter's teardown.

    Args:
        status: of the process.
        tidy: end worker processes and call what atexit has noted.

    """
    if tidy:
        import atexit

        # PyTorch's loader raises when one of its workers ends.
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        if "multiprocessing" in sys.modules:
            from multiprocessing import active_children

            for child in active_children():
                child.terminate()
        atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # nobody reads it, or it is closed
            stream.flush()
    os._exit(status)


def _heeded(*, background: bool) -> list[signal.Signals]:
    """Signals that the process was not told to ignore, as nohup tells it of SIGHUP.

    `background`: SIGINT all the same, which a shell lets what it starts in the background ignore.
    """
    always = {signal.SIGINT, signal.SIGTERM} if background else set()
    return [n for n in _NUMBERS if n in always or signal.getsignal(n) is not signal.SIG_IGN]


def _nothing(_number: int, _frame: FrameType | None) -> None:
    """Handle a signal that is for somebody else: the listening thread, or the parent."""


def _imports(frame: FrameType | None) -> bool:
    """Whether a module is being imported in `frame`."""
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False
