"""Code blocks of the documents: their commands, and which test runs them.

A block that a test runs stands below a comment that names the test: `<!-- run by test/... -->`.
Of all others at least the options are checked (test_documented_lines.py).
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hma_depth_ros.cli import command_names

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = sorted(
    [*(REPOSITORY / "docs").glob("*.md"), REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md"]
)

_BLOCK = re.compile(
    r"(?:^<!-- run by (?P<test>\S+) -->\n)?^```(?P<language>\w*)\n(?P<text>.*?)^```",
    re.DOTALL | re.MULTILINE,
)


@dataclass(frozen=True)
class Block:
    """A code block of a page."""

    page: Path
    language: str
    text: str
    test: str | None  #: that runs it

    def __str__(self) -> str:
        return f"{self.page.name}: {self.text.splitlines()[0]}"


def blocks(page: Path) -> list[Block]:
    """All code blocks of a page."""
    return [
        Block(page, match["language"], match["text"], match["test"])
        for match in _BLOCK.finditer(page.read_text(encoding="utf-8"))
    ]


def blocks_run_by(test: str, page: str) -> list[Block]:
    """Blocks of docs/PAGE that this test runs, in order; there is one at least."""
    name = Path(test).resolve().relative_to(REPOSITORY).as_posix()
    found = [block for block in blocks(REPOSITORY / "docs" / page) if block.test == name]
    assert found, f"docs/{page} names no block that {name} runs"
    return found


def commands(text: str) -> list[list[str]]:
    """Words of each command of this package in a block of `sh`, from the command's name on.

    `ros2 launch` has its file's name first. A loop is gone through once, with its last value.
    """
    for variable, values in re.findall(r"\bfor (\w+) in (.*?); do", text):
        last = values.rstrip(")").split()[-1]
        text = re.sub(rf"\${variable}\b", last, text)
        inside = re.compile(rf"(\$\(\([^)]*?)\b{variable}\b")  # of a sum
        text = inside.sub(rf"\g<1>{last}", text)
    text = text.replace("\\\n", " ").replace("...", " ")
    text = re.sub(r"\$\(\((.*?)\)\)", _number, text)
    text = re.sub(r"^export \w+=\$\((.*)\)$", r"\1", text, flags=re.MULTILINE)
    text = re.sub(r"\[(--[^\]]*)\]", r"\1", text)  # may be given
    found = (_of_package(words) for line in text.splitlines() for words in _split(line))
    return [words for words in found if words]


def _number(expression: re.Match[str]) -> str:
    """Of a sum; 1 of anything else."""
    if not re.fullmatch(r"\d+( [+-] \d+)*", expression[1]):
        return "1"
    return str(sum(map(int, re.findall(r"[+-]?\d+", expression[1].replace(" ", "")))))


def _split(line: str) -> Iterator[list[str]]:
    """Words of each command in a line."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="&;|")
    lexer.whitespace_split = True
    words: list[str] = []
    for word in lexer:
        if set(word) <= set("&;|"):
            yield words
            words = []
        else:
            words.append(word)
    yield words


def _of_package(words: list[str]) -> list[str]:
    match words:
        case ["export", assignment, *_] if re.match(r"\w+=", assignment):  # the shell's own
            return []
        case ["ros2", "run" | "launch", "hma_depth_ros", *rest]:
            return rest
        case [first, *_] if first in command_names():
            return words
    if "hma_depth_ros" in words and words[words.index("hma_depth_ros") - 1] == "-m":
        return words[words.index("hma_depth_ros") + 1 :]
    return []
