"""Lists of training and test frames in BTS's format, and with whole cameras."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from hma_depth_ros.data.depth import lidar_depth
from hma_depth_ros.data.depth.ground_truth import GroundTruth, Source
from hma_depth_ros.data.depth.lidar_depth import LidarScan
from hma_depth_ros.data.text_file import read_text
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.files import atomic_path
from hma_depth_ros.geometry.camera import Intrinsics

_COMMENT = re.compile(r"(^|\s)#.*")


@dataclass(frozen=True)
class SplitEntry:
    """One frame of a list."""

    image: Path
    depth: GroundTruth | None  #: None: the frame has no ground truth
    focal_length: float  #: fx in pixels of the stored image
    #: Of the stored image, with the same fx; None: the list gives the focal length alone, and
    #: `entry_camera` finds the rest.
    intrinsics: Intrinsics | None = None

    def __post_init__(self) -> None:
        assert self.intrinsics is None or self.intrinsics.fx == self.focal_length


def read_split(path: Path, root: Path | None = None) -> list[SplitEntry]:
    """Read lines of `image depth focal` or `image depth fx fy cx cy`, also mixed.

    Pixels are those of the stored image (the first one's centre is 0, 0), and paths are relative to
    `root` (default: the list's folder). A depth of `None` is none; one that ends in .bin is a
    velodyne scan (`LidarScan`). What follows a # is a comment, at the beginning or after a blank;
    paths may have the backslashes of Windows.

    Raises:
        HmaDepthError: the file is missing, empty or malformed, naming the line.

    """
    root = path.parent if root is None else root
    entries = []
    for number, line in enumerate(read_text(path, "the split").splitlines(), 1):
        content = _COMMENT.sub("", line)
        if not content.strip():
            continue
        try:
            entries.append(_entry(content, root))
        except HmaDepthError as error:
            raise HmaDepthError(f"{path}, line {number}: {error}") from None
    if not entries:
        raise HmaDepthError(f"the split {path} lists no frame")
    return entries


def write_split(path: Path, entries: Iterable[SplitEntry]) -> None:
    """Write a list that `read_split` reads back.

    Raises:
        HmaDepthError: the file cannot be written, or the format cannot hold a path.

    """
    lines = []
    for entry in entries:
        names = [entry.image.as_posix(), "None" if entry.depth is None else str(entry.depth)]
        if broken := next((name for name in names if len(name.split()) != 1), None):
            raise HmaDepthError(f"a split cannot hold a path with blanks: '{broken}'")
        lines.append(" ".join([*names, *map(_pixels, camera_columns(entry))]) + "\n")
    with atomic_path(path) as temporary:
        temporary.write_text("".join(lines), encoding="utf-8", errors="surrogateescape")


def with_source(entries: Iterable[SplitEntry], source: Source) -> list[SplitEntry]:
    """The same frames with the ground truth of `source`: for `lidar` the scans, even of `None`.

    Raises:
        HmaDepthError: an image is not of KITTI's raw recordings.

    """
    if source == "annotated":
        return list(entries)
    return [replace(entry, depth=LidarScan.of_image(entry.image)) for entry in entries]


def _entry(line: str, root: Path) -> SplitEntry:
    words = line.replace("\\", "/").split()
    if len(words) not in (3, 6):
        raise HmaDepthError(
            "expected 'image depth focal' or 'image depth fx fy cx cy', "
            f"{len(words)} columns found: '{line}'"
        )
    image, depth, *columns = words
    if not Path(image).name:
        raise HmaDepthError(f"'{image}' names no image")
    try:
        numbers = [float(column) for column in columns]
    except ValueError:
        raise HmaDepthError(f"expected numbers of pixels, found '{' '.join(columns)}'") from None
    fx = numbers[0]
    if not 0 < fx < float("inf"):
        raise HmaDepthError(f"{columns[0]} is no focal length in pixels")
    try:
        intrinsics = Intrinsics(*numbers) if len(numbers) == 4 else None
    except ValueError as error:
        raise HmaDepthError(str(error)) from None
    return SplitEntry(root / image, _depth(depth, image, root), fx, intrinsics)


def _depth(name: str, image: str, root: Path) -> GroundTruth | None:
    if name == "None":
        return None
    if Path(name).suffix.lower() == lidar_depth.SUFFIX:
        return LidarScan.listed(root / name, root / image)
    return root / name


def camera_columns(entry: SplitEntry) -> tuple[float, ...]:
    """What a line says of the camera: fx, or fx fy cx cy."""
    camera = entry.intrinsics
    if camera is None:
        return (entry.focal_length,)
    return camera.fx, camera.fy, camera.cx, camera.cy


def _pixels(value: float) -> str:
    """BTS's four decimals where they say it all, otherwise as many as it takes."""
    short = f"{value:.4f}"
    return short if float(short) == value else repr(value)
