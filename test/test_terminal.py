"""Output where the encoding lacks characters: delta in Latin-1, file names that are not UTF-8."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

CODE = r"""
import sys
from rich.console import Console
from rich.table import Table
from hma_depth_ros.terminal import print_whatever_it_takes

print_whatever_it_takes()
print("δ1 0.9 ± 0.1 straß\udcdfe.png")
print("δ straß\udcdfe.png", file=sys.stderr)
table = Table("AbsRel ↓", "δ1 ↑")
table.add_row("0.058", "0.96")
Console().print(table)
"""


def output(encoding: str, *command: str) -> tuple[str, str]:
    """Its stdout and stderr, decoded."""
    done = subprocess.run(
        [sys.executable, *command],
        env={**os.environ, "PYTHONIOENCODING": encoding},
        capture_output=True,
        check=False,
    )
    name = encoding.partition(":")[0]
    assert done.returncode == 0, done.stderr
    return done.stdout.decode(name), done.stderr.decode(name)


@pytest.mark.parametrize(
    ("encoding", "line", "error", "titles"),
    [
        ("utf-8", "δ1 0.9 ± 0.1 straß?e.png", "δ straß?e.png", ["AbsRel ↓", "δ1 ↑"]),
        ("latin-1", "d1 0.9 ± 0.1 straß?e.png", "d straß?e.png", ["AbsRel v", "d1 ^"]),
        ("ascii", "d1 0.9 +- 0.1 stra??e.png", "d stra??e.png", ["AbsRel v", "d1 ^"]),
        # What Python gives stdout in the locales C and POSIX.
        ("ascii:surrogateescape", "d1 0.9 +- 0.1 stra??e.png", "d stra??e.png", ["d1 ^"]),
        # The user's own choice, which Python heeds for stdout alone.
        ("ascii:ignore", "1 0.9  0.1 strae.png", "d stra??e.png", ["AbsRel", "1"]),
    ],
)
def test_what_an_encoding_lacks_is_replaced(
    encoding: str, line: str, error: str, titles: list[str]
):
    out, err = output(encoding, "-c", CODE)
    assert out.splitlines()[0] == line
    assert err.splitlines() == [error]
    for title in titles:
        assert title in out


def test_every_command_prints_so():
    out, _ = output("latin-1", "-m", "hma_depth_ros", "--help")
    assert "rolling AbsRel, d1, RMSE" in out
