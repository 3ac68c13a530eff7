"""Which files make up a bag, and what its metadata.yaml adds to them."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from tempfile import TemporaryDirectory
from typing import Any

from rosbags.interfaces import Qos

from hma_depth_ros.bags.recorded_qos import recorded_qos
from hma_depth_ros.bags.storage.mcap_file import McapFile
from hma_depth_ros.bags.storage.sqlite_file import SqliteFile
from hma_depth_ros.bags.storage.storage_file import Storage
from hma_depth_ros.bags.storage.unpacking import unpacked_file
from hma_depth_ros.data.text_file import read_text
from hma_depth_ros.errors import HmaDepthError, one_line
from hma_depth_ros.file_kind import known_kind
from hma_depth_ros.structured_text import parse_yaml

METADATA = "metadata.yaml"
_INFORMATION = "rosbag2_bagfile_information"
_PACKED = ".zstd"
_STORAGES: dict[str, type[McapFile] | type[SqliteFile]] = {".mcap": McapFile, ".db3": SqliteFile}


@dataclass(frozen=True)
class BagFiles:
    """Storage files of a bag, in the order of their names in it."""

    files: list[Path]
    qos: dict[str, tuple[Qos, ...]] = field(default_factory=dict)  #: by topic
    remark: str | None = None  #: what a reader should know


def find_files(path: Path) -> BagFiles:
    """Files of a bag: a folder, or one storage file.

    Raises:
        HmaDepthError: no such bag, or a file of it is missing, saying which.

    """
    if not path.exists():
        raise HmaDepthError(f"no such bag: {path}")
    if path.suffix == ".bag":
        raise HmaDepthError(f"{path} is a ROS 1 bag; convert it with `rosbags-convert` first")
    if not path.is_dir():
        if _kind(path) not in _STORAGES:
            raise HmaDepthError(f"cannot read the bag {path}: it is no .mcap or .db3 file")
        return BagFiles([path])
    if (path / METADATA).is_file():
        return _listed(path)
    # Companions of macOS (._bag.mcap) have the names of storage files and are none.
    files = sorted(f for f in path.iterdir() if _kind(f) in _STORAGES and f.name[0] != ".")
    if not files:
        raise HmaDepthError(f"{path} is no bag: it has no {METADATA} and no .mcap or .db3 file")
    filled = [file for file in files if file.stat().st_size]
    empty = ", ".join(file.name for file in files if file not in filled)
    if not filled:
        raise HmaDepthError(f"{path} is no bag: it has no {METADATA}, and {empty} is empty")
    remark = f"no {METADATA}, as after a recorder that was killed: its files are read"
    return BagFiles(filled, remark=f"{remark}; {empty} is empty" if empty else remark)


def open_storage(file: Path, stack: ExitStack) -> Storage:
    """Open a storage file; a compressed one is unpacked into a temporary folder.

    Raises:
        ValueError: the file is damaged, or something else than its name says.

    """
    opened = file
    try:
        if file.suffix == _PACKED:
            folder = Path(stack.enter_context(TemporaryDirectory(prefix="hma_depth_bag_")))
            opened = unpacked_file(file, folder / file.stem)
        storage = _STORAGES[opened.suffix](opened)
    except Exception as error:  # each format has its own
        kind = known_kind(opened)
        if kind is None or (opened.suffix == _PACKED and kind.startswith("an archive")):
            raise ValueError(f"{file.name}: {str(error) or type(error).__name__}") from error
        raise ValueError(f"{file.name} is {kind}") from error
    stack.callback(storage.close)
    return storage


def _kind(file: Path) -> str:
    return Path(file.stem).suffix if file.suffix == _PACKED else file.suffix


def _listed(path: Path) -> BagFiles:
    try:
        content = parse_yaml(read_text(path / METADATA, "the metadata of the bag"))
        information: dict[str, Any] = content[_INFORMATION]
        files = [path / PurePath(name).name for name in information["relative_file_paths"]]
        topics = [t["topic_metadata"] for t in information["topics_with_message_count"]]
        compression = information.get("compression_format")
        qos = {topic["name"]: topic.get("offered_qos_profiles") for topic in topics}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        reason = one_line(error)
        raise HmaDepthError(
            f"cannot read the bag {path}: its {METADATA} is damaged ({reason}); name a storage "
            f"file of it instead, or remove {METADATA}"
        ) from error
    if compression not in (None, "", "zstd"):
        raise HmaDepthError(
            f"cannot read the bag {path}: compression format '{compression}' is not supported, "
            "only zstd"
        )
    missing = [file.name for file in files if not file.exists()]
    if missing:
        raise HmaDepthError(f"cannot read the bag {path}: files are missing: {', '.join(missing)}")
    unknown = [file.name for file in files if _kind(file) not in _STORAGES]
    if unknown:
        raise HmaDepthError(f"cannot read the bag {path}: {unknown[0]} is no .mcap or .db3 file")
    return BagFiles(files, {name: recorded_qos(q) for name, q in qos.items() if q})
