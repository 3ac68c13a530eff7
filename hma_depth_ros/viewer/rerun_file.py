"""Rerun's recordings as files that are whole."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def told_of_errors(target: Path) -> Iterator[Path]:
    """Yield a name to write to, whose content goes to `target`; the writer closes it in the block.

    For Rerun, which writes in a thread of its own: where the disk is full it keeps half a file,
    says so in its log only, and may wait for that thread for ever. What it is given here is a pipe,
    which always takes what it writes.

    Raises:
        OSError: the file cannot be written.

    """
    reading, writing = os.pipe()
    errors: list[OSError] = []

    def copy() -> None:
        with os.fdopen(reading, "rb") as source:
            try:
                with target.open("wb") as out:
                    shutil.copyfileobj(source, out)
            except OSError as error:
                errors.append(error)
                while source.read(2**20):  # or the writer would wait
                    pass

    thread = threading.Thread(target=copy)
    thread.start()
    try:
        yield Path(f"/dev/fd/{writing}")
    finally:
        os.close(writing)
        thread.join()
    if errors:
        raise errors[0]
