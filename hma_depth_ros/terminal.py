"""Printing to a terminal or file that lacks some characters: plainer ones, never an exception."""

from __future__ import annotations

import codecs
import io
import sys

_NAME = "plainer"
#: What Python gives stdout by itself; the second in the locales C and POSIX.
_OF_STDOUT = ("strict", "surrogateescape")
_PLAINER = {"δ": "d", "±": "+-", "↑": "^", "↓": "v"}


def print_whatever_it_takes() -> None:
    """Let stdout and stderr replace what their encoding lacks.

    Such as a delta in Latin-1, or a file name that is not UTF-8 anywhere. A choice of the user's,
    as PYTHONIOENCODING=ascii:ignore, stays.
    """
    codecs.register_error(_NAME, _plainer)
    for stream, defaults in ((sys.stdout, _OF_STDOUT), (sys.stderr, ("backslashreplace",))):
        if isinstance(stream, io.TextIOWrapper) and stream.errors in defaults:
            stream.reconfigure(errors=_NAME)


def _plainer(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    return "".join(_PLAINER.get(character, "?") for character in lacking), error.end
