"""A bag made in parts, by one process or several, each part whole or not there.

Beside OUT lies a hidden folder, `.OUT.unfinished`. Every part in it is a small bag of its own, made
under a lock; when all are there, their files become the files of OUT, as `ros2 bag record` splits a
long recording, and the hidden folder goes. After kill -9 or a full disk the finished parts remain,
and the next run makes the others.
"""

from __future__ import annotations

import fcntl
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.files import atomic_path
from hma_depth_ros.signals import undivided
from hma_depth_ros.structured_text import parse_json, parse_yaml

_INFORMATION = "rosbag2_bagfile_information"
_METADATA = "metadata.yaml"


class PartsFolder:
    """The unfinished parts of one bag."""

    def __init__(self, out: Path, parts: int, settings: Mapping[str, Any]) -> None:
        """Open the parts_folder of `out`, or set it up.

        Args:
            out: folder of the bag to be.
            parts: how many it will have.
            settings: all that the content depends on, as JSON.

        Raises:
            HmaDepthError: `out` exists, or unfinished parts were made with other settings.

        """
        self.out = out.expanduser().absolute()
        self.parts = parts
        if self.out.exists():
            raise HmaDepthError(f"{out} exists already; remove it or choose another name")
        self.folder = self.out.parent / f".{self.out.name}.unfinished"
        note = self.folder / "settings.json"
        wanted = json.loads(json.dumps({**settings, "parts": parts}))
        # Settings that have led to nothing yet bind nobody.
        if not any(self.folder.glob(f"{self.out.name}_*/{_METADATA}")):
            with atomic_path(note) as temporary:
                temporary.write_text(json.dumps(wanted, indent=1) + "\n", encoding="utf-8")
        try:
            noted = parse_json(note.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise HmaDepthError(f"cannot read {note}: {error}; remove {self.folder}") from error
        if noted != wanted:
            others = [key for key in {**noted, **wanted} if noted.get(key) != wanted.get(key)]
            raise HmaDepthError(
                f"{self.folder} holds the unfinished work of a run with another "
                f"{', '.join(others)}; remove it, or run with the same options to finish it"
            )

    def part(self, index: int) -> Path:
        """Bag of a part."""
        return self.folder / f"{self.out.name}_{index}"

    def finished(self, index: int) -> bool:
        """Whether a part is there."""
        return self.out.exists() or (self.part(index) / _METADATA).is_file()

    def counts(self, index: int) -> dict[str, int]:
        """Messages of a finished part by topic."""
        return {
            entry["topic_metadata"]["name"]: entry["message_count"]
            for entry in self._metadata(index)["topics_with_message_count"]
        }

    @contextmanager
    def claimed(self, index: int) -> Iterator[bool]:
        """Claim a part for this process; False if it is finished, or another process has it."""
        with self._lock(f"part_{index}", wait=False) as mine:
            if not mine or self.finished(index):
                yield False
                return
            for left in self.folder.glob(f".{self.part(index).name}.*.part"):  # by kill -9
                shutil.rmtree(left, ignore_errors=True)
            yield True

    def assemble(self) -> bool:
        """Make the bag out of its parts; False while some of them are missing.

        Raises:
            HmaDepthError: a file cannot be moved or written.

        """
        if not all(self.finished(index) for index in range(self.parts)):
            return False
        with self._lock("assembly", wait=True):
            if self.out.exists():  # another process was faster
                return True
            with undivided():  # files are renamed only, and none is left beside the whole bag
                try:
                    self._assemble()
                except OSError as error:
                    raise HmaDepthError(
                        f"cannot write the bag {self.out}: {error.strerror or error}"
                    ) from error
                shutil.rmtree(self.folder, ignore_errors=True)
        return True

    def discard(self) -> None:
        """Remove all parts, which are of no use."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _assemble(self) -> None:
        # What an interrupted assembly has moved stays moved.
        assembled = self.folder / "assembled"
        assembled.mkdir(exist_ok=True)
        metadata = [self._metadata(index) for index in range(self.parts)]
        filled = [m for m in metadata if m["message_count"]] or metadata[:1]
        for index, information in enumerate(metadata):
            if not any(information is kept for kept in filled):
                continue
            for name in information["relative_file_paths"]:
                if (file := self.part(index) / name).exists():
                    file.rename(assembled / name)
        text = yaml.safe_dump({_INFORMATION: merged(filled)}, sort_keys=False)
        with atomic_path(assembled / _METADATA) as temporary:
            temporary.write_text(text, encoding="utf-8")
        assembled.rename(self.out)

    def _metadata(self, index: int) -> dict[str, Any]:
        file = self.part(index) / _METADATA
        try:
            content = parse_yaml(file.read_text(encoding="utf-8"))
            return dict(content[_INFORMATION])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise HmaDepthError(f"cannot read {file}: {error}; remove {file.parent}") from error

    @contextmanager
    def _lock(self, name: str, *, wait: bool) -> Iterator[bool]:
        """Hold a lock that ends with the process; yields whether it was to be had."""
        try:
            with (self.folder / f"{name}.lock").open("w", encoding="ascii") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
                except BlockingIOError:
                    yield False
                    return
                yield True
        except FileNotFoundError:  # assembled meanwhile, and the folder gone
            if not self.out.exists():
                raise
            yield wait


def merged(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """Metadata (rosbag2_bagfile_information) of a bag whose files are those of `parts` in order."""
    starts = [part["starting_time"]["nanoseconds_since_epoch"] for part in parts]
    ends = [
        start + part["duration"]["nanoseconds"] for start, part in zip(starts, parts, strict=True)
    ]
    counts: dict[str, int] = {}
    for part in parts:
        for entry in part["topics_with_message_count"]:
            name = entry["topic_metadata"]["name"]
            counts[name] = counts.get(name, 0) + entry["message_count"]
    return {
        **parts[0],
        "relative_file_paths": [name for part in parts for name in part["relative_file_paths"]],
        "duration": {"nanoseconds": max(ends) - min(starts)},
        "starting_time": {"nanoseconds_since_epoch": min(starts)},
        "message_count": sum(part["message_count"] for part in parts),
        "topics_with_message_count": [
            {**entry, "message_count": counts[entry["topic_metadata"]["name"]]}
            for entry in parts[0]["topics_with_message_count"]
        ],
        "files": [file for part in parts for file in part["files"]],
    }
