"""Text files as editors of every system save them."""

from __future__ import annotations

import codecs
from pathlib import Path

from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.file_kind import kind_of

_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read_text(path: Path, what: str, *, hint: str = "") -> str:
    """Text of a file in UTF-8, or as Windows saves it, in UTF-8 or UTF-16 with a byte order mark.

    Bytes that are not UTF-8 stay what `os.fsdecode` makes of them: a list may name files so.

    Args:
        path: of the file.
        what: it is, for errors, such as `the list of frames`.
        hint: how to get it, for the error of a file that is not there.

    Raises:
        HmaDepthError: the file cannot be read, or is no text.

    """
    try:
        data = path.read_bytes()
    except OSError as error:
        ending = f"; {hint}" if hint else ""
        raise HmaDepthError(f"cannot read {what} {path}: {error.strerror}{ending}") from error
    if data.startswith(_UTF16):
        try:
            return data.decode("utf-16")
        except UnicodeDecodeError as error:
            raise HmaDepthError(f"cannot read {what} {path}: {error}") from error
    # Pointers and pages are text too, and would be reported line by line.
    kind = kind_of(data[:512]) if data else None
    if kind is not None:
        raise HmaDepthError(f"cannot read {what} {path}: it is {kind}")
    if b"\0" in data:
        raise HmaDepthError(f"cannot read {what} {path}: it is not text")
    return data.decode("utf-8-sig", errors="surrogateescape")
