"""What the parts that are programs of their own share: their arguments and the file of figures."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NamedTuple

from hma_depth_ros.files import atomic_path
from hma_depth_ros.structured_text import json_text


class PartArguments(NamedTuple):
    """Of the command line."""

    device: str
    json: Path


def part_arguments(description: str | None) -> PartArguments:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--device", required=True)
    parser.add_argument("--json", type=Path, required=True)
    arguments = parser.parse_args()
    return PartArguments(arguments.device, arguments.json)


def write_figures(path: Path, figures: object) -> str:
    """Write figures as JSON, and return the text."""
    text = json_text(figures, indent=2)
    with atomic_path(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")
    return text
