"""What `process_bag` cuts a bag into and puts together again, and whose calibration is whose."""

from __future__ import annotations

import fcntl
import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hma_depth_ros.bags.new_messages import camera_info_message
from hma_depth_ros.bags.processing.camera_info_in_time import Calibrations
from hma_depth_ros.bags.processing.parts_folder import PartsFolder, merged
from hma_depth_ros.bags.processing.process import _groups, _identity, _namespace
from hma_depth_ros.bags.processing.silence import span_without_silence
from hma_depth_ros.bags.reader import BagReader
from hma_depth_ros.bags.typestore import message
from hma_depth_ros.bags.writer import BagWriter
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.geometry.camera import PinholeCamera
from hma_depth_ros.messages.types import CAMERA_INFO

SECOND = 1_000_000_000
STRING = "std_msgs/msg/String"


# --- calibrations -----------------------------------------------------------------------------


def info_bag(path: Path, times: dict[int, int], damaged: tuple[int, ...] = ()) -> Path:
    """CameraInfos by their time in the bag, of these header stamps; fx says which one it is."""
    with BagWriter(path) as bag:
        bag.add_topic("/info", CAMERA_INFO)
        for number, (time, stamp) in enumerate(times.items()):
            camera = PinholeCamera(fx=1.0 + number, fy=1.0, cx=1.0, cy=1.0, width=4, height=4)
            if number in damaged:
                bag.write_raw("/info", time, b"\0\1\0\0no")
            else:
                bag.write("/info", time, camera_info_message(camera, stamp=stamp, frame="a"))
    return path


def number_of(info: Any) -> int | None:
    return None if info is None else round(info.p[0]) - 1


def test_the_calibration_of_an_image_does_not_depend_on_the_part(tmp_path: Path):
    """That of its own stamp, else the latest before, else the first: as of the whole bag."""
    chance = random.Random(0)
    for trial, (seconds, count) in enumerate([(0.1, 40), (0.4, 9), (7.0, 1), (7.0, 5)]):
        every = seconds * SECOND
        times = {round((10 + k * every / SECOND) * SECOND): 0 for k in range(count)}
        times = {time: time - chance.choice([0, 30_000_000]) for time in times}
        bag = info_bag(tmp_path / f"bag_{trial}", times)
        stamps = sorted(times.values())
        first, last = min(times) - 3 * SECOND, max(times) + 3 * SECOND
        with BagReader(bag) as reader:
            calibrations = Calibrations(reader, "/info")
            for length in (SECOND // 2, 10 * SECOND):
                for start in range(first, last, length):
                    calibrations.move_to(start, start + length)
                    for _ in range(4):
                        image = chance.randrange(start, start + length)
                        before = [k for k, stamp in enumerate(stamps) if stamp <= image]
                        expected = before[-1] if before else 0
                        assert number_of(calibrations.of(image)) == expected, (trial, image)
                    for k, stamp in enumerate(stamps):
                        if start <= stamp < start + length:
                            assert number_of(calibrations.of(stamp)) == k


def test_a_calibration_that_comes_just_after_its_image_is_its_own(tmp_path: Path):
    """Within a second; of one stamp it is even if the part ends between the two."""
    bag = info_bag(tmp_path / "bag", {10 * SECOND: 10 * SECOND, round(11.9 * SECOND): 11 * SECOND})
    with BagReader(bag) as reader:
        calibrations = Calibrations(reader, "/info")
        calibrations.move_to(10 * SECOND, 11 * SECOND + 1)
        assert number_of(calibrations.of(11 * SECOND)) == 1
        assert number_of(calibrations.of(11 * SECOND - 1)) == 0


def test_damaged_calibrations_are_passed_over(tmp_path: Path):
    times = {k * 5 * SECOND: k * 5 * SECOND for k in range(1, 6)}
    with BagReader(info_bag(tmp_path / "bag", times, damaged=(0, 2))) as reader:
        calibrations = Calibrations(reader, "/info")
        calibrations.move_to(0, 2 * SECOND)
        assert number_of(calibrations.of(SECOND)) == 1, "the first that is whole"
        calibrations.move_to(10 * SECOND, 16 * SECOND)
        assert number_of(calibrations.of(15 * SECOND)) == 1
        calibrations.move_to(22 * SECOND, 23 * SECOND)
        assert number_of(calibrations.of(22 * SECOND)) == 3
    with BagReader(info_bag(tmp_path / "none", times, damaged=(0, 1, 2, 3, 4))) as reader:
        calibrations = Calibrations(reader, "/info")
        calibrations.move_to(0, 30 * SECOND)
        assert calibrations.of(SECOND) is None
        calibrations.move_to(22 * SECOND, 23 * SECOND)
        assert calibrations.of(22 * SECOND) is None


# --- parts ------------------------------------------------------------------------------------


def part_of(folder: PartsFolder, index: int, words: dict[int, str]) -> None:
    with BagWriter(folder.part(index)) as bag:
        for topic in ("/words", "/others"):
            bag.add_topic(topic, STRING)
        for stamp, word in words.items():
            topic = "/others" if word == "other" else "/words"
            bag.write(topic, stamp, message(STRING, data=word))


def test_parts_become_one_bag_and_their_folder_goes(tmp_path: Path):
    folder = PartsFolder(tmp_path / "out", 3, {"a": 1})
    for index, words in ((2, {9: "c", 7: "other"}), (0, {3: "a", 4: "b"})):
        with folder.claimed(index) as mine:
            assert mine
            part_of(folder, index, words)
        assert folder.finished(index)
        assert not folder.assemble(), "one is missing"
    assert folder.counts(2) == {"/words": 1, "/others": 1}
    with folder.claimed(2) as mine:
        assert not mine, "it is finished"
    with folder.claimed(1) as mine:
        assert mine
        part_of(folder, 1, {})  # in which there was nothing
    assert folder.assemble()
    assert folder.finished(1), "with the bag"
    assert folder.assemble(), "as another process finds it"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert sorted(file.suffix for file in (tmp_path / "out").iterdir()) == [".mcap"] * 2 + [".yaml"]
    with BagReader(tmp_path / "out") as bag:
        found = [(raw.stamp, bag.decode(raw).data) for raw in bag.messages()]
        assert found == [(3, "a"), (4, "b"), (7, "other"), (9, "c")]
        assert {topic.name: topic.count for topic in bag.topics.values()} == {
            "/words": 3,
            "/others": 1,
        }


def test_metadata_of_parts_are_added_up():
    def information(start: int, seconds: int, words: int, name: str) -> dict[str, Any]:
        return {
            "version": 9,
            "starting_time": {"nanoseconds_since_epoch": start},
            "duration": {"nanoseconds": seconds},
            "message_count": words + 1,
            "relative_file_paths": [name],
            "files": [{"path": name}],
            "topics_with_message_count": [
                {"topic_metadata": {"name": "/words"}, "message_count": words},
                {"topic_metadata": {"name": name}, "message_count": 1},
            ],
        }

    first, second = information(100, 30, 4, "a"), information(50, 20, 5, "b")
    assert merged([first, second]) == {
        "version": 9,
        "starting_time": {"nanoseconds_since_epoch": 50},
        "duration": {"nanoseconds": 80},
        "message_count": 11,
        "relative_file_paths": ["a", "b"],
        "files": [{"path": "a"}, {"path": "b"}],
        "topics_with_message_count": [
            {"topic_metadata": {"name": "/words"}, "message_count": 9},
            {"topic_metadata": {"name": "a"}, "message_count": 1},
        ],
    }


def test_a_part_that_another_process_has_is_left_to_it(tmp_path: Path):
    folder = PartsFolder(tmp_path / "out", 2, {})
    left = folder.folder / ".out_1.abcd.part"
    left.mkdir()
    with (folder.folder / "part_1.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with folder.claimed(1) as mine:
            assert not mine
        assert left.exists(), "which may be at work on it"
        with folder.claimed(0) as mine:
            assert mine
    with folder.claimed(1) as mine:
        assert mine
        assert not left.exists()


def test_settings_bind_once_a_part_was_made_with_them(tmp_path: Path):
    PartsFolder(tmp_path / "out", 2, {"range": 80, "name": "a"})
    folder = PartsFolder(tmp_path / "out", 3, {"range": 9, "name": "a"})  # which led to nothing
    part_of(folder, 0, {})
    for parts, settings, words in (
        (3, {"range": 80, "name": "a"}, "another range;"),
        (2, {"range": 9, "name": "a"}, "another parts;"),
        (3, {"range": 9}, "another name;"),
        (3, {"range": 9, "name": "a", "new": 1}, "another new;"),
    ):
        with pytest.raises(HmaDepthError) as error:
            PartsFolder(tmp_path / "out", parts, settings)
        assert f"{folder.folder} holds the unfinished work of a run with {words}" in str(
            error.value
        )
    PartsFolder(tmp_path / "out", 3, {"name": "a", "range": 9})
    (folder.folder / "settings.json").write_text("half of", encoding="utf-8")
    with pytest.raises(HmaDepthError, match=r"cannot read .*settings\.json: .*; remove "):
        PartsFolder(tmp_path / "out", 3, {"range": 9, "name": "a"})
    (folder.folder / "settings.json").unlink()  # nobody knows what the part was made with
    with pytest.raises(HmaDepthError, match=r"cannot read .*settings\.json: .*; remove "):
        PartsFolder(tmp_path / "out", 3, {"range": 9, "name": "a"})
    folder.discard()
    assert not folder.folder.exists()
    folder.out.mkdir()
    with pytest.raises(HmaDepthError, match="out exists already"):
        PartsFolder(tmp_path / "out", 3, {})


def test_a_part_whose_metadata_are_damaged_is_named(tmp_path: Path):
    folder = PartsFolder(tmp_path / "out", 1, {})
    part_of(folder, 0, {1: "a"})
    for text in ("a: [", "[]", "rosbag2_bagfile_information: 7", "other: {}"):
        (folder.part(0) / "metadata.yaml").write_text(text)
        with pytest.raises(HmaDepthError, match=r"cannot read .*out_0/metadata\.yaml: .*; remove"):
            folder.assemble()
    assert not folder.out.exists()


def test_who_comes_too_late_for_a_lock_finds_the_bag(tmp_path: Path):
    folder = PartsFolder(tmp_path / "out", 1, {})
    folder.discard()
    with pytest.raises(FileNotFoundError), folder.claimed(0):
        raise AssertionError
    folder.out.mkdir()  # as another process has made it
    with folder.claimed(0) as mine:
        assert not mine
    assert folder.assemble()


def test_the_note_is_of_the_files_of_the_bag(tmp_path: Path):
    bag = tmp_path / "bag"
    (bag / "folder").mkdir(parents=True)
    (bag / "b.mcap").write_bytes(b"12345")
    (bag / "a.yaml").write_bytes(b"1")
    found = _identity(bag)
    assert list(found) == [str(bag / "a.yaml"), str(bag / "b.mcap")]
    size, changed = found[str(bag / "b.mcap")]
    assert (size, changed) == (5, (bag / "b.mcap").stat().st_mtime_ns)
    assert _identity(bag / "b.mcap") == {str(bag / "b.mcap"): [size, changed]}
    assert json.loads(json.dumps(found)) == found


# --- single steps -------------------------------------------------------------------------------


def test_messages_are_grouped_by_images():
    def lengths(messages: str, images: int) -> list[int]:
        """`i` for an image, `.` for another message."""
        given = ((None, "image" if m == "i" else None) for m in messages)
        return [len(group) for group in _groups(given, images)]  # type: ignore[arg-type]

    assert lengths("i.i..", 1) == [1] * 5
    assert lengths(".i.i.i.", 2) == [4, 3]
    assert lengths("iiii", 2) == [2, 2]
    assert lengths("", 2) == []
    assert lengths(200 * ".", 2) == [64, 64, 64, 8], "they do not wait for ever"


@pytest.mark.parametrize(
    ("prefix", "own", "namespace"),
    [("", "", ""), ("a", "", "/a"), ("/a/", "/b//c", "/a/b/c"), ("", "b/", "/b")],
)
def test_a_namespace_has_a_slash_before_each_part(prefix: str, own: str, namespace: str):
    assert _namespace(prefix, own) == namespace


def test_a_silence_counts_as_a_second():
    stamps = np.array([0, 1, 3, 63, 124, 125], np.int64) * SECOND
    assert span_without_silence(stamps) == 1 + 2 + 60 + 1 + 1
    assert span_without_silence(stamps, longest=1.5) == 1 + 1 + 1 + 1 + 1
    assert span_without_silence(stamps[:1]) == 0.0
    assert span_without_silence(stamps[:0]) == 0.0
