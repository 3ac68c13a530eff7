"""The errors that a user can cause and mend; everything else is a bug and keeps its traceback."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

#: Characters that end a line or command a terminal.
_CONTROL = re.compile("[\\x00-\\x1f\\x7f-\\x9f\\u2028\\u2029]")


#: Errors that name no file, and what can be done.
_OF_THE_MACHINE = {
    errno.ENOSPC: "the disk, or what output goes to, is full",
    errno.EDQUOT: "the disk, or what output goes to, is full",
    errno.EFBIG: "files may not become so large here (ulimit -f)",
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
    errno.ENFILE: "the machine has no room for more open files",
    errno.ENOMEM: "the machine has not enough memory",
    errno.EIO: "look at the disk",
}


#: Of PyTorch's RuntimeError, on CPU and GPU.
_NO_MEMORY = "DefaultCPUAllocator|out of memory"


class HmaDepthError(Exception):
    """Base of all errors whose message alone tells what is wrong and what to do.

    Executables print the message in one line and end with status 2; the node logs it and goes on.
    It quotes what others have written, such as an image's encoding: of that, control characters are
    shown and not obeyed, so that it stays one line and no terminal does what they say.
    """

    def __str__(self) -> str:
        """Return the message."""
        return _CONTROL.sub(lambda found: repr(found[0])[1:-1], super().__str__())


def one_line(error: Exception) -> str:
    """What an error of some library says, in one line; its type where it says nothing."""
    return " ".join(str(error).split()) or type(error).__name__


@contextmanager
def errors_as(what: str) -> Iterator[None]:
    """Turn whatever the parsing of foreign bytes stumbles over into one line.

    Raises:
        HmaDepthError: one of the block as it is, or of any other error `what` and its reason.

    """
    try:
        yield
    except HmaDepthError:
        raise
    except Exception as error:
        raise HmaDepthError(f"{what}: {one_line(error)}") from error


def environment_error(error: Exception) -> str | None:
    """One line for what is wrong with a file rather than with the code, None for all else.

    Such as a folder that may not be entered, met where no one expected it, or a name that is not
    UTF-8 and that some library does not take; or with the machine, which has too little memory.
    """
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.strerror}: {os.fsencode(error.filename).decode(errors='replace')}"
    if isinstance(error, OSError) and error.errno in _OF_THE_MACHINE:
        return f"{error.strerror}: {_OF_THE_MACHINE[error.errno]}"
    if isinstance(error, MemoryError) or re.search(_NO_MEMORY, str(error)):
        return "the machine, its GPU or ulimit -v has not enough memory"
    if isinstance(error, UnicodeEncodeError) and error.reason == "surrogates not allowed":
        name = error.object.encode(errors="surrogateescape").decode(errors="replace")
        return f"'{name}' is not UTF-8, and some library here needs that; rename the file or folder"
    return None
