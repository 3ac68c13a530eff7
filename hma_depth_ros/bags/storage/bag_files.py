"""Which files make up a bag, and what its metadata.yaml adds to them."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from rosbags.interfaces import Qos

from hma_depth_ros.bags.recorded_qos import recorded_qos
from hma_depth_ros.bags.storage.mcap_file import MAGIC, McapFile
from hma_depth_ros.bags.storage.sqlite_file import SqliteFile, salvage
from hma_depth_ros.bags.storage.storage_file import Storage
from hma_depth_ros.bags.storage.unpacking import unpacked_file
from hma_depth_ros.data.text_file import read_text
from hma_depth_ros.errors import HmaDepthError, one_line
from hma_depth_ros.file_kind import ROS_1_BAG, known_kind
from hma_depth_ros.files import temporary_folder
from hma_depth_ros.structured_text import parse_yaml

METADATA = "metadata.yaml"
_INFORMATION = "rosbag2_bagfile_information"
_PACKED = ".zstd"
_STORAGES: dict[str, type[McapFile] | type[SqliteFile]] = {".mcap": McapFile, ".db3": SqliteFile}
#: How files begin, which counts for more than their names.
_MAGICS: dict[bytes, type[McapFile] | type[SqliteFile]] = {
    MAGIC: McapFile,
    b"SQLite format 3\x00": SqliteFile,
}
_ZSTD = b"\x28\xb5\x2f\xfd"


@dataclass(frozen=True)
class BagFiles:
    """Storage files of a bag, in the order of their names in it."""

    files: list[Path]
    qos: dict[str, tuple[Qos, ...]] = field(default_factory=dict)  #: by topic
    remark: str | None = None  #: what a reader should know


def find_files(path: Path) -> BagFiles:
    """Files of a bag: a folder, or one storage file.

    metadata.yaml is believed as far as it is true: files that were renamed, packed or unpacked
    since it was written are found, and those that are missing are named.

    Raises:
        HmaDepthError: no such bag, or none of its files is there.

    """
    if not path.exists():
        raise HmaDepthError(f"no such bag: {path}")
    if not path.is_dir():
        if path.suffix == ".bag":
            raise HmaDepthError(f"{path} is {ROS_1_BAG}")
        if _suffix(path) not in _STORAGES and _begins(path) is None:
            raise HmaDepthError(f"cannot read the bag {path}: it is {_what(path)}")
        return BagFiles([path])
    if not (path / METADATA).is_file():
        return _unlisted(path, f"no {METADATA}", ", as after a recorder that was killed")
    try:
        content = parse_yaml(read_text(path / METADATA, "the metadata of the bag"))
        information = content[_INFORMATION]
        names = [PurePath(name).name for name in information["relative_file_paths"]]
        topics = [t["topic_metadata"] for t in information["topics_with_message_count"]]
        compression = information.get("compression_format")
        qos = {topic["name"]: topic.get("offered_qos_profiles") for topic in topics}
    except (HmaDepthError, ValueError, KeyError, TypeError, AttributeError) as error:
        reason = one_line(error) if (path / METADATA).stat().st_size else "empty"
        return _unlisted(path, f"a damaged {METADATA} ({reason})")
    if compression not in (None, "", "zstd"):
        raise HmaDepthError(
            f"cannot read the bag {path}: compression format '{compression}' is not supported, "
            "only zstd"
        )
    return _listed(path, names, {name: recorded_qos(q) for name, q in qos.items() if q})


def _unlisted(path: Path, why: str, how: str = "") -> BagFiles:
    """Files of a folder in which nothing tells which they are."""
    files = _storage_files(path)
    if not files:
        raise HmaDepthError(
            f"{path} is no bag: it has {why} and no .mcap or .db3 file{_bags_in(path)}"
        )
    filled = [file for file in files if file.stat().st_size]
    empty = ", ".join(file.name for file in files if file not in filled)
    stems = {file.stem: file for file in filled if _suffix(file) == ".mcap"}
    twins = [file for file in filled if stems.get(file.stem, file) != file]
    filled = [file for file in filled if file not in twins]
    if not filled:
        raise HmaDepthError(f"{path} is no bag: it has {why}, and {empty} is empty")
    remark = f"{why}{how}: its files are read"
    if twins:
        named = ", ".join(file.name for file in twins)
        remark += f", but for {named}, of which there is an .mcap file of the same name"
    return BagFiles(filled, remark=f"{remark}; {empty} is empty" if empty else remark)


def _listed(path: Path, names: list[str], qos: Mapping[str, tuple[Qos, ...]]) -> BagFiles:
    found = {name: _stored_as(path / name) for name in names}
    files = [file for file in found.values() if file is not None]
    missing = ", ".join(name or "a file without a name" for name, file in found.items() if not file)
    taken = {_unpacked_name(file) for file in files}
    others = [
        file
        for file in _storage_files(path)
        if _unpacked_name(file) not in taken and file.stat().st_size
    ]
    spare = ", ".join(file.name for file in others)
    remark = None
    if missing and not (files or others):
        raise HmaDepthError(
            f"cannot read the bag {path}: files are missing: {missing}; copy them there"
        )
    if missing and others:
        remark = f"{METADATA} lists {missing}, which is not there; {spare} is read in its place"
        files += others
    elif missing:
        remark = f"files are missing: {missing}; the others are read"
    elif others:
        remark = f"{METADATA} does not list {spare}, which is not read; a file is by its own name"
    return BagFiles(files, dict(qos), remark)


def _storage_files(folder: Path) -> list[Path]:
    """Storage files of a folder, each once: not what it was packed into, too.

    Companions of macOS (._bag.mcap) have the names of storage files and are none.
    """
    files = [f for f in folder.iterdir() if _suffix(f) in _STORAGES and f.name[0] != "."]
    plain = {file.name for file in files if not _packed(file)}
    return sorted(f for f in files if not _packed(f) or _unpacked_name(f) not in plain)


def _stored_as(file: Path) -> Path | None:
    """The file, or what was made of it by packing or unpacking; None if there is neither."""
    others = (file.with_name(_unpacked_name(file)), file.with_name(f"{file.name}{_PACKED}"))
    return next((path for path in (file, *others) if file.name and path.is_file()), None)


def _bags_in(folder: Path) -> str:
    inside = sorted(f.parent.name for f in folder.glob(f"*/{METADATA}"))
    return f"; it holds bags: {', '.join(inside[:5])}: name one" if inside else ""


def open_storage(file: Path, stack: ExitStack) -> Storage:
    """Open a storage file, by its content rather than its name.

    A compressed one is unpacked into a temporary folder, and what can be read of a damaged database
    is copied to one.

    Raises:
        ValueError: the file is damaged, or something else than its name says.
        HmaDepthError: there is no room to unpack it.
        OSError: it may not be read.

    """

    def temporary(name: str) -> Path:
        return stack.enter_context(temporary_folder(prefix="hma_depth_bag_")) / name

    opened = file
    try:
        with file.open("rb") as content:
            packed = content.read(len(_ZSTD)) == _ZSTD
        if packed:
            opened = temporary(_unpacked_name(file))
            with _room(file, opened):
                unpacked_file(file, opened)
        kind = _begins(opened) or _STORAGES.get(_suffix(opened))
        if kind is None:
            raise ValueError(f"it is {_what(opened)}")
        storage = _opened(kind, opened, temporary)
    except (HmaDepthError, OSError):
        raise  # nothing that is wrong with the file
    except Exception as error:  # each format has its own
        known = known_kind(opened)
        if known is None or (opened is file and packed):
            raise ValueError(f"{file.name}: {one_line(error)}") from error
        raise ValueError(f"{file.name} is {known}") from error
    stack.callback(storage.close)
    return storage


@contextmanager
def _room(file: Path, copy: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, sqlite3.OperationalError) as error:
        if isinstance(error, sqlite3.OperationalError) and "full" not in str(error):
            raise
        reason = getattr(error, "strerror", None) or error
        raise HmaDepthError(
            f"cannot unpack {file} into {copy.parent}: {reason}; TMPDIR may name a folder with room"
        ) from error


def _opened(
    kind: type[McapFile] | type[SqliteFile], file: Path, temporary: Callable[[str], Path]
) -> McapFile | SqliteFile:
    try:
        return kind(file)
    except sqlite3.DatabaseError as error:
        if kind is not SqliteFile or _begins(file) is not SqliteFile:
            raise
        whole = temporary(file.name)
        try:
            with _room(file, whole):
                count = salvage(file, whole)
        except sqlite3.Error:
            raise error from None
        if not count:
            raise
    storage = SqliteFile(whole)
    storage.cut_short = f"{count} messages of it can be read"
    return storage


def _begins(file: Path) -> type[McapFile] | type[SqliteFile] | None:
    """What a file is by its content; of a packed one, None."""
    with file.open("rb") as content:
        head = content.read(16)
    return next((kind for magic, kind in _MAGICS.items() if head.startswith(magic)), None)


def _what(file: Path) -> str:
    kind = known_kind(file)
    return "no .mcap or .db3 file" + (f" but {kind}" if kind else "")


def _packed(file: Path) -> bool:
    return file.suffix.lower() == _PACKED


def _unpacked_name(file: Path) -> str:
    return file.stem if _packed(file) else file.name


def _suffix(file: Path) -> str:
    """Of what is in it, where it is packed."""
    return PurePath(_unpacked_name(file)).suffix.lower()
