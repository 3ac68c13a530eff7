"""The folder of a data set: images, ground truth, lists, and what is known of each frame."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from hma_depth_ros.data.depth.depth_png import write_depth_png
from hma_depth_ros.data.image_file import write_png
from hma_depth_ros.data.splits.own_dataset import JOURNALS, REPORT
from hma_depth_ros.data.splits.split_file import SplitEntry, write_split
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.files import atomic_path
from hma_depth_ros.geometry.camera import Intrinsics, PinholeCamera
from hma_depth_ros.structured_text import parse_json

#: The lists; what a network is judged by comes last.
LISTS = ("train", "validation", "test")
_JPEG_QUALITY = 95


@dataclass(frozen=True)
class MadeFrame:
    """A frame that is there, or that had too few labels to be one."""

    stamp: int  #: of the image, nanoseconds
    image: str  #: relative to the folder; empty: it had too few labels
    depth: str
    camera: tuple[float, float, float, float]  #: fx fy cx cy
    size: tuple[int, int]  #: (H, W)
    labels: tuple[int, ...]  #: see `label_counts`
    drive: int
    way: float
    place: tuple[float, float, float] | None
    apart: float  #: seconds from image to scan

    def entry(self) -> SplitEntry:
        """Line of a list."""
        return SplitEntry(
            Path(self.image), Path(self.depth), self.camera[0], Intrinsics(*self.camera)
        )


class DatasetFolder:
    """Files of a data set::

    images/BAG/BAG_SECONDS_NANOSECONDS.png (or .jpg)
    depth/BAG/BAG_SECONDS_NANOSECONDS.png     16 bit, metres x 256, 0 without a label
    train.txt, validation.txt, test.txt       lines of `image depth fx fy cx cy`
    report.json, overlays/                    what there is, and how to see whether it is right
    frames/BAG.jsonl                          what is known of each frame; by it a run goes on
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def journal(self, bag: str) -> Path:
        """File with a line for each frame of a bag."""
        return self.path / JOURNALS / f"{bag}.jsonl"

    def begin(self, bag: str, settings: Mapping[str, Any]) -> dict[int, MadeFrame]:
        """Frames of a bag that an earlier run has made, by stamp; begins a journal without one.

        Raises:
            HmaDepthError: they were made with other settings, or the folder cannot be written.

        """
        path = self.journal(bag)
        if not path.is_file():
            with atomic_path(path) as temporary:
                temporary.write_text(json.dumps(dict(settings)) + "\n", encoding="utf-8")
            return {}
        lines = [_json(line) for line in path.read_text(encoding="utf-8").splitlines()]
        before = lines[0] if lines else None
        if before != json.loads(json.dumps(dict(settings))):
            changed = [k for k, v in settings.items() if not before or before.get(k) != v]
            raise HmaDepthError(
                f"{self.path} holds frames of {bag} that were made with another "
                f"{', '.join(changed) or 'setting'}; name another --output, or delete it"
            )
        made = {}
        for line in lines[1:]:
            if line is not None:
                frame = _frame(line)
                if not frame.image or (self.path / frame.depth).is_file():
                    made[frame.stamp] = frame
        return made

    def add(
        self,
        bag: str,
        frame: MadeFrame,
        image: npt.NDArray[np.uint8] | None = None,
        depth: npt.NDArray[np.float32] | None = None,
    ) -> None:
        """Write the files of a frame, and then its line.

        Raises:
            HmaDepthError: they cannot be written.

        """
        if image is not None and depth is not None:
            write_image(self.path / frame.image, image)
            write_depth_png(self.path / frame.depth, depth)
        try:
            with self.journal(bag).open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(frame)) + "\n")
        except OSError as error:
            raise HmaDepthError(f"cannot write {self.journal(bag)}: {error.strerror}") from error

    def write_lists(self, lists: Sequence[Sequence[MadeFrame]]) -> None:
        """Write a list of each name, those without a frame too, for an old one would stay."""
        for name, frames in zip(LISTS, lists, strict=True):
            write_split(self.path / f"{name}.txt", [frame.entry() for frame in frames])

    def write_report(self, content: Mapping[str, Any]) -> None:
        """Write the report."""
        with atomic_path(self.path / REPORT) as temporary:
            temporary.write_text(json.dumps(dict(content), indent=2) + "\n", encoding="utf-8")


def file_stem(bag: str, stamp: int) -> str:
    """Name of a frame's files, the only one of it in the data set."""
    seconds, nanoseconds = divmod(stamp, 1_000_000_000)
    return f"{bag}_{seconds}_{nanoseconds:09d}"


def write_image(path: Path, image: npt.NDArray[np.uint8]) -> None:
    """Write an RGB image, as PNG or JPEG by the name's suffix."""
    if path.suffix == ".png":
        write_png(path, image)
        return
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    _, encoded = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    with atomic_path(path) as temporary:
        temporary.write_bytes(encoded.tobytes())


def _json(line: str) -> dict[str, Any] | None:
    """A line of the journal; None of one that a killed run has not finished."""
    try:
        content = parse_json(line)
    except ValueError:
        return None
    return content if isinstance(content, dict) else None


def _frame(line: dict[str, Any]) -> MadeFrame:
    for key in ("camera", "size", "labels"):
        line[key] = tuple(line[key])
    line["place"] = line["place"] and tuple(line["place"])
    return MadeFrame(**line)


def camera_of(frame: MadeFrame) -> PinholeCamera:
    """Camera of a frame's image."""
    return Intrinsics(*frame.camera).of_image(width=frame.size[1], height=frame.size[0])
