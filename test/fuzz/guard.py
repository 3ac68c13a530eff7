"""What no input may do to who reads it: make it fall over, hang, or take memory by a number."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from hma_depth_ros.errors import HmaDepthError, environment_error

#: Bytes of address space that reading one small input may take beyond what the process has. Memory
#: that is never written to counts as well: whoever asks for it by a header will write to it next.
MOST_BYTES = 384 << 20
#: Seconds for one input, on a loaded machine.
MOST_SECONDS = 20.0


class HungError(BaseException):
    """An input took too long; no `except Exception` of what is tested swallows it."""


class GreedyError(AssertionError):
    """An input made the process ask for memory."""


def _virtual() -> tuple[int, int]:
    """Bytes of address space: the most so far, and now (Linux)."""
    lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
    found = dict(line.split(":", 1) for line in lines if line.startswith(("VmPeak", "VmSize")))
    peak, size = (int(found[key].split()[0]) << 10 for key in ("VmPeak", "VmSize"))
    return peak, size


@contextmanager
def guarded(*, most_bytes: int = MOST_BYTES, seconds: float = MOST_SECONDS) -> Iterator[None]:
    """Run what reads an input; `HmaDepthError` and what executables say in one line are answers.

    The peak of a process only grows, so that a second input which asks for as much as an earlier
    one is not noticed: small limits come first.

    Raises:
        GreedyError: it took more than `most_bytes`.
        HungError: it took more than `seconds`.

    """
    peak_before, size_before = _virtual()
    before = signal.signal(signal.SIGALRM, _hung)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    except HmaDepthError as error:
        assert "\n" not in str(error), f"not one line: {error}"
    except (OSError, UnicodeEncodeError) as error:
        if environment_error(error) is None:
            raise
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    peak, _ = _virtual()
    if peak > max(peak_before, size_before + most_bytes):
        raise GreedyError(f"{(peak - size_before) >> 20} MiB of address space for one input")


def _hung(number: int, frame: FrameType | None) -> None:
    raise HungError


def survives(read: Callable[[], object]) -> None:
    """Call `read` guarded."""
    with guarded():
        read()
