"""However a recording ends, what was recorded can be read."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from rosbags.rosbag2 import StoragePlugin

from hma_depth_ros.bags.reader import BagReader
from hma_depth_ros.bags.typestore import message
from hma_depth_ros.bags.writer import BagWriter
from hma_depth_ros.demo.source import remove_bag
from hma_depth_ros.errors import HmaDepthError

STRING = "std_msgs/msg/String"
Write = Callable[[int], None]


def words(path: Path) -> tuple[list[int], list[str]]:
    """Numbers of a bag's messages, and what its reader remarks."""
    with BagReader(path) as bag:
        return [int(bag.decode(raw).data) for raw in bag.messages()], bag.remarks


def writing(bag: BagWriter) -> Write:
    bag.add_topic("/words", STRING)
    return lambda number: bag.write("/words", number, message(STRING, data=str(number)))


@pytest.mark.parametrize("storage", [StoragePlugin.MCAP, StoragePlugin.SQLITE3])
def test_kill_9_loses_what_was_not_saved_and_nothing_else(
    tmp_path: Path, storage: StoragePlugin
) -> None:
    out, killed = tmp_path / "out", tmp_path / "killed" / "out"
    with BagWriter(out, recording=True, storage=storage) as bag:
        write = writing(bag)
        if storage is StoragePlugin.MCAP:
            shutil.copytree(out, tmp_path / "at_once")
            assert words(tmp_path / "at_once")[0] == []
        for number in range(3):
            write(number)
        bag.save()
        bag.save()
        write(3)
        shutil.copytree(out, killed)  # what a killed process leaves behind
        write(4)
    found, remarks = words(killed)
    assert found == [0, 1, 2]
    assert "no metadata.yaml" in remarks[0]
    assert words(out) == ([0, 1, 2, 3, 4], [])
    if storage is StoragePlugin.MCAP:  # such as the demo's, which the next one replaces
        remove_bag(killed)
        assert not killed.exists()


@pytest.mark.parametrize("end", [KeyboardInterrupt, SystemExit, RuntimeError("a bug")])
def test_whatever_ends_a_recording_it_is_completed(
    tmp_path: Path, end: type[BaseException] | BaseException
) -> None:
    with pytest.raises(BaseException), BagWriter(tmp_path / "out", recording=True) as bag:  # noqa: B017
        write = writing(bag)
        write(7)
        raise end
    assert words(tmp_path / "out") == ([7], [])
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_recording_of_nothing_leaves_nothing_if_it_fails(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), BagWriter(tmp_path / "out", recording=True) as bag:
        writing(bag)
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []
    with BagWriter(tmp_path / "out", recording=True) as bag:
        writing(bag)
    assert words(tmp_path / "out") == ([], [])


class FullDisk:
    """A file on a disk that takes so many bytes more."""

    def __init__(self, file: object, room: int) -> None:
        self._file, self._room = file, room

    def write(self, data: bytes) -> int:
        taken = min(len(data), self._room)
        self._room -= taken
        self._file.write(bytes(data)[:taken])  # type: ignore[attr-defined]
        if taken < len(data):
            raise OSError(28, "No space left on device")
        return taken

    def __getattr__(self, name: str) -> object:
        return getattr(self._file, name)


@pytest.mark.parametrize("room", [0, 30, 400])
def test_a_full_disk_is_named_and_keeps_what_it_has(tmp_path: Path, room: int) -> None:
    out = tmp_path / "out"
    with (
        pytest.raises(HmaDepthError, match="No space left on device; what was recorded before is"),
        BagWriter(out, recording=True) as bag,
    ):
        write = writing(bag)
        for number in range(3):
            write(number)
        bag.save()
        storage = bag._writer.storage
        storage.bio = FullDisk(storage.bio, room)
        for number in range(3, 1000):
            write(number)
            if number % 10 == 0:
                bag.save()
    found, remarks = words(out)
    assert found == list(range(len(found)))
    assert len(found) >= 3
    assert "is cut short" in remarks[1]


def test_a_finished_bag_is_kept_where_its_name_was_taken_meanwhile(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(HmaDepthError, match=r"out: .*; it is complete in ") as error:  # noqa: SIM117
        with BagWriter(out) as bag:
            writing(bag)(5)
            (out / "something").mkdir(parents=True)
    assert words(Path(str(error.value).rpartition(" in ")[2])) == ([5], [])
