"""What another process holds and uses at one moment, of Linux's /proc."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from hma_depth_ros.errors import HmaDepthError

_TICK = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100


@dataclass(frozen=True)
class ProcessFigures:
    """Of one process (proc(5)); memory in bytes."""

    resident: int  #: all that is in RAM
    anonymous: int  #: of it the process's own memory
    shared: int  #: of it shared memory, such as the transport's
    threads: int
    descriptors: int  #: open files, sockets and the like
    cpu: float  #: seconds used since it began, by all threads


def read_process(pid: int) -> ProcessFigures:
    """Look at a process.

    Raises:
        HmaDepthError: it is not there, or there is no /proc.

    """
    folder = Path("/proc", str(pid))
    try:
        status = _fields((folder / "status").read_text(encoding="ascii", errors="replace"))
        # After the name in brackets, which may contain anything.
        numbers = (folder / "stat").read_text(errors="replace").rpartition(")")[2].split()
        descriptors = len(os.listdir(folder / "fd"))  # noqa: PTH208  a count needs no paths
        return ProcessFigures(
            resident=_kibibytes(status["VmRSS"]),
            anonymous=_kibibytes(status["RssAnon"]),
            shared=_kibibytes(status["RssShmem"]),
            threads=int(status["Threads"]),
            descriptors=descriptors,
            cpu=(int(numbers[11]) + int(numbers[12])) / _TICK,
        )
    except (OSError, KeyError) as error:  # one that is just ending has no memory any more
        raise HmaDepthError(f"cannot read the figures of process {pid}: {error!r}") from error


def busy_seconds() -> float:
    """CPU seconds that all processes and the kernel have used since the machine started.

    What a host took away from a virtual machine counts too: it was not there for others.
    """
    with Path("/proc/stat").open(encoding="ascii") as file:
        user, nice, system, _idle, _waiting, *interrupts = map(int, file.readline().split()[1:9])
    return (user + nice + system + sum(interrupts)) / _TICK


def _fields(text: str) -> dict[str, str]:
    return {
        name: value.strip()
        for name, _, value in (line.partition(":") for line in text.splitlines())
    }


def _kibibytes(text: str) -> int:
    return 1024 * int(text.split(maxsplit=1)[0])
