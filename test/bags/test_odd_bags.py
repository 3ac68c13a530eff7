"""Bags that hold more, or less, than whole ROS 2 messages: one odd topic spoils no other."""

from __future__ import annotations

import re
import sqlite3
import struct
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer

from hma_depth_ros.bags.new_messages import camera_info_message, image_message
from hma_depth_ros.bags.reader import BagReader
from hma_depth_ros.bags.storage import bag_files
from hma_depth_ros.bags.typestore import TYPESTORE, message
from hma_depth_ros.bags.writer import BagWriter
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.geometry.camera import PinholeCamera
from hma_depth_ros.messages.image import image_array
from hma_depth_ros.messages.types import CAMERA_INFO, IMAGE

from .mcap_bytes import Mcap

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

START = 1_700_000_000_000_000_000
STRING = "std_msgs/msg/String"
IMAGE_SCHEMA = (IMAGE, "ros2msg", TYPESTORE.generate_msgdef(IMAGE, ros_version=2)[0].encode())
STRING_SCHEMA = (STRING, "ros2msg", b"string data\n")


def picture(number: int) -> Any:
    pixels = np.full((4, 6, 3), number, np.uint8)
    return image_message(pixels, "rgb8", stamp=START + number, frame="eye")


def cdr(content: Any, kind: str) -> bytes:
    return bytes(TYPESTORE.serialize_cdr(content, kind))


def camera(bag: Mcap) -> None:
    """Three images, which must come back whatever else the file holds."""
    images = {START + number: cdr(picture(number), IMAGE) for number in (1, 2, 3)}
    bag.add("/eye/image", IMAGE_SCHEMA, images)


def images_of(path: Path) -> list[int]:
    with BagReader(path) as bag:
        return [int(image_array(bag.decode(m))[0, 0, 0]) for m in bag.messages(["/eye/image"])]


EVENT = "example_interfaces/srv/AddTwoInts_Event"
FEEDBACK = "example_interfaces/action/Fibonacci_FeedbackMessage"
#: Channels that are no ROS 2 messages: schema, encoding of the messages, and what is said of them.
FOREIGN: dict[str, tuple[tuple[str, str, bytes] | None, str, str]] = {
    "json": (("thing", "jsonschema", b"{}"), "json", "json messages"),
    "protobuf": (("thing.Thing", "protobuf", b"\xff\xfe\x80"), "protobuf", "protobuf messages"),
    "flatbuffer in CDR": (("thing", "flatbuffer", b"\x00\xff"), "cdr", "thing is no message type"),
    "ROS 1": ((IMAGE, "ros1msg", b"Header header\n"), "ros1", "ros1 messages"),
    "no schema": (None, "cdr", "messages without a type"),
    "no encoding": (None, "", "unknown messages"),
    "service": ((EVENT, "ros2msg", b"int64 a\n"), "cdr", f"events of a service ({EVENT})"),
    "raw .srv": ((EVENT, "ros2msg", b"int64 a\n---\nint64 s\n"), "cdr", "events of a service"),
    "action": ((FEEDBACK, "ros2msg", b"int32 i\n"), "cdr", "messages of an action"),
    "a type of nobody": (("a/b/c/D", "ros2msg", b"string data\n"), "cdr", "no message type"),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_a_foreign_channel_is_left_out_by_name(tmp_path: Path, kind: str) -> None:
    schema, encoding, said = FOREIGN[kind]
    bag = Mcap()
    bag.add("/odd", schema, {START - 5: b"\x00\x01\x00\x00what it is"}, encoding=encoding)
    camera(bag)
    file = tmp_path / "a.mcap"
    file.write_bytes(bag.whole())
    assert images_of(file) == [1, 2, 3]
    with BagReader(file) as reader:
        assert list(reader.topics) == ["/eye/image"]
        assert [m.topic for m in reader.messages()] == ["/eye/image"] * 3
        (remark,) = reader.remarks
        assert f"{file}: left out: /odd: " in remark
        assert said in remark
        assert (reader.start, reader.end) == (START + 1, START + 3)  # of what is read
        with pytest.raises(HmaDepthError, match=r"on /odd; topics with .*Image.*: /eye/image$"):
            reader.topic("/odd")


#: Definitions that only their own topic suffers from.
UNUSABLE: dict[str, tuple[str, str, bytes]] = {
    "an undefined part": ("my_msgs/msg/Odd", "ros2msg", b"my_msgs/Part part\n"),
    "not parsed": ("my_msgs/msg/Odd", "ros2msg", b"int32 = b\n"),
    "wide strings": ("my_msgs/msg/Odd", "ros2msg", b"wstring text\n"),
    "an unknown language": ("my_msgs/msg/Odd", "sdl", b"odd"),
    "no definition": ("my_msgs/msg/Odd", "", b""),
    "not parsed IDL": ("my_msgs/msg/Odd", "ros2idl", b"module {"),
}


@pytest.mark.parametrize("kind", UNUSABLE)
def test_a_definition_that_cannot_be_used_concerns_its_topic_alone(
    tmp_path: Path, kind: str
) -> None:
    bag = Mcap()
    bag.add("/odd", UNUSABLE[kind], {START: b"\x00\x01\x00\x00abcd"})
    camera(bag)
    file = tmp_path / "a.mcap"
    file.write_bytes(bag.whole())
    assert images_of(file) == [1, 2, 3]
    with BagReader(file) as reader:
        # Its messages are there, for a replay needs no definition; they cannot be decoded.
        assert reader.topics["/odd"].count == 1
        assert reader.typestore("/odd") is None
        (raw,) = reader.messages(["/odd"])
        with pytest.raises(HmaDepthError, match=r"a\.mcap: /odd: .*my_msgs/msg/Odd"):
            reader.decode(raw)


def test_definitions_may_lack_standard_parts_or_be_wrong_for_a_standard_type(
    tmp_path: Path,
) -> None:
    bag = Mcap()
    own = b"std_msgs/Header header\nint32 number\n"  # without what std_msgs/Header is
    stamped = struct.pack("<4sIIIxxxxI", b"\x00\x01\x00\x00", 7, 8, 1, 42)
    bag.add("/own", ("my_msgs/msg/Stamped", "ros2msg", own), {START: stamped})
    bag.add(
        "/words",
        (STRING, "ros2msg", b"= nonsense"),
        {START: cdr(message(STRING, data="x"), STRING)},
    )
    camera(bag)
    (tmp_path / "a.mcap").write_bytes(bag.whole())
    with BagReader(tmp_path / "a.mcap") as reader:
        (raw,) = reader.messages(["/own"])
        found = reader.decode(raw)
        assert (found.header.stamp.sec, found.number) == (7, 42)
        (raw,) = reader.messages(["/words"])
        assert reader.decode(raw).data == "x"


def test_definitions_in_idl_and_names_of_ros_1(tmp_path: Path) -> None:
    idl = (
        "=" * 80 + "\nIDL: my_msgs/msg/Own\nmodule my_msgs { module msg { struct Own {\n"
        "int32 number; }; }; };\n"
    )
    old = TYPESTORE.generate_msgdef(CAMERA_INFO, ros_version=2)[0]
    for name in "dkrp":  # as ROS 1 named them
        old = re.sub(rf"(float64\[\d*\]) {name}\n", rf"\1 {name.upper()}\n", old)
    assert "float64[12] P" in old
    bag = Mcap()
    camera(bag)
    bag.add(
        "/own", ("my_msgs/msg/Own", "ros2idl", idl.encode()), {START: b"\x00\x01\0\0\x09\0\0\0"}
    )
    eye = PinholeCamera(fx=9, fy=8, cx=3, cy=2, width=7, height=5)
    info = camera_info_message(eye, stamp=START, frame="eye")
    info.p = np.arange(12.0)
    bag.add(
        "/eye/camera_info", (CAMERA_INFO, "ros2msg", old.encode()), {START: cdr(info, CAMERA_INFO)}
    )
    bag.add("/eye/other", (CAMERA_INFO, "ros2msg", b"int32 x\n"), {START: cdr(info, CAMERA_INFO)})
    (tmp_path / "a.mcap").write_bytes(bag.whole())
    with BagReader(tmp_path / "a.mcap") as reader:
        (raw,) = reader.messages(["/own"])
        assert reader.decode(raw).number == 9
        (raw,) = reader.messages(["/eye/camera_info"])
        np.testing.assert_array_equal(reader.decode(raw).p, info.p)
        (raw,) = reader.messages(["/eye/other"])
        with pytest.raises(
            HmaDepthError, match=r"/eye/other: .* its fields are not those of ROS 2"
        ):
            reader.decode(raw)


@pytest.mark.parametrize("name", ["std_msgs/String", "std_msgs::msg::String", STRING])
def test_types_may_be_named_as_other_programs_do(tmp_path: Path, name: str) -> None:
    bag = Mcap()
    words = {START: cdr(message(STRING, data="x"), STRING)}
    bag.add("/words", (name, "ros2msg", b"string data\n"), words)
    (tmp_path / "a.mcap").write_bytes(bag.whole())
    with BagReader(tmp_path / "a.mcap") as reader:
        assert reader.topics["/words"].type == STRING
        assert [reader.decode(raw).data for raw in reader.messages()] == ["x"]


@pytest.mark.parametrize("method", ["lz4", "zstd"])
def test_compressed_chunks(tmp_path: Path, method: str) -> None:
    bag = Mcap(compression=method)
    camera(bag)
    file = tmp_path / "a.mcap"
    file.write_bytes(bag.whole())
    assert images_of(file) == [1, 2, 3]
    file.write_bytes(bag.whole()[:-100])  # without an index
    assert images_of(file) == [1, 2, 3]
    for wrong in (Mcap(compression=method, checksum=99), Mcap(compression="br")):
        camera(wrong)
        file.write_bytes(wrong.whole())
        with pytest.raises(HmaDepthError, match=r"cannot read .*a\.mcap: (a chunk|chunks compr)"):
            images_of(file)


def test_two_versions_of_a_type_are_each_decoded_by_its_own(tmp_path: Path) -> None:
    bag = Mcap()
    bag.add(
        "/a", ("my_msgs/msg/V", "ros2msg", b"int32 x\n"), {START: b"\x00\x01\x00\x00\x05\0\0\0"}
    )
    bag.add("/b", ("my_msgs/msg/V", "ros2msg", b"uint8 y\n"), {START: b"\x00\x01\x00\x00\x06"})
    (tmp_path / "a.mcap").write_bytes(bag.whole())
    with BagReader(tmp_path / "a.mcap") as reader:
        first, second = (reader.decode(raw) for raw in reader.messages())
    assert (first.x, second.y) == (5, 6)


def test_a_topic_with_two_types_is_left_out_and_one_with_two_encodings_is_not(
    tmp_path: Path,
) -> None:
    bag = Mcap()
    camera(bag)
    bag.add("/both", STRING_SCHEMA, {START: cdr(message(STRING, data="x"), STRING)})
    bag.add("/both", IMAGE_SCHEMA, {START: cdr(picture(1), IMAGE)})
    bag.add("/eye/image", ("thing", "jsonschema", b"{}"), {START: b"{}"}, encoding="json")
    (tmp_path / "a.mcap").write_bytes(bag.whole())
    assert images_of(tmp_path / "a.mcap") == [1, 2, 3]
    with BagReader(tmp_path / "a.mcap") as reader:
        assert "messages of several types" in reader.left_out["/both"]


@pytest.mark.parametrize("profile", ["", "x-own", "ros2"])
@pytest.mark.parametrize("way", ["whole", "bare"])
def test_any_profile_and_any_way_to_write_mcap(tmp_path: Path, profile: str, way: str) -> None:
    bag = Mcap(profile=profile)
    camera(bag)
    # Out of order, as a recorder with several threads writes.
    bag.add("/words", STRING_SCHEMA, {START + 2: cdr(message(STRING, data="x"), STRING)})
    file = tmp_path / "a.mcap"
    file.write_bytes(getattr(bag, way)())
    assert images_of(file) == [1, 2, 3]
    with BagReader(file) as reader:
        assert reader.remarks == []
        stamps = [m.stamp - START for m in reader.messages()]
        assert stamps == [1, 2, 2, 3]
        assert [m.stamp - START for m in reader.messages(start=START + 2, stop=START + 3)] == [2, 2]
        np.testing.assert_array_equal(reader.stamps() - START, [1, 2, 2, 3])
        np.testing.assert_array_equal(reader.stamps(["/words"]) - START, [2])
        assert {t.name: t.count for t in reader.topics.values()} == {"/eye/image": 3, "/words": 1}


@pytest.mark.parametrize("way", ["whole", "bare"])
def test_a_time_that_is_none_is_named(tmp_path: Path, way: str) -> None:
    bag = Mcap()
    bag.add("/eye/image", IMAGE_SCHEMA, {START: cdr(picture(1), IMAGE), 2**64 - 1: b""})
    (tmp_path / "a.mcap").write_bytes(getattr(bag, way)())
    with (
        pytest.raises(HmaDepthError, match=r"a\.mcap: .*time 18446744073709551615 ns, beyond"),
        BagReader(tmp_path / "a.mcap") as reader,
    ):
        reader.stamps()


# --- files that are not whole -------------------------------------------------------------------


def long_bag(path: Path, storage: StoragePlugin = StoragePlugin.MCAP) -> Path:
    """Sixty images of 60 kB: three chunks and a bit."""
    with BagWriter(path, storage=storage) as bag:
        bag.add_topic("/eye/image", IMAGE)
        for number in range(60):
            pixels = np.full((100, 200, 3), number, np.uint8)
            content = image_message(pixels, "rgb8", stamp=START + number, frame="eye")
            bag.write("/eye/image", START + number, content)
    return path


def test_a_file_that_was_cut_short_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    file = long_bag(tmp_path / "bag") / "bag.mcap"
    data = file.read_bytes()
    for share, least in ((0.99, 59), (0.6, 35), (0.2, 11), (0.01, 0)):
        file.write_bytes(data[: int(len(data) * share)])
        found = images_of(file) if least else []
        assert found == list(range(len(found)))
        assert least <= len(found) <= 60 * share + 1, share
        with BagReader(file.parent) as reader:
            (remark,) = reader.remarks
            assert f"{file} is cut short" in remark
            assert f"{len(found)} messages in " in remark
            if found:
                assert reader.end == START + len(found) - 1
                assert reader.stamps().size == len(found)


def test_a_folder_without_metadata_is_read(tmp_path: Path) -> None:
    folder = long_bag(tmp_path / "bag")
    (folder / "metadata.yaml").unlink()
    (folder / "._bag.mcap").write_bytes(b"\x00\x05\x16\x07")  # macOS puts it beside the file
    assert images_of(folder) == list(range(60))
    with BagReader(folder) as reader:
        assert "no metadata.yaml" in reader.remarks[0]


def test_an_empty_file_among_others_is_named(tmp_path: Path) -> None:
    """A recorder that was killed when it began its next file."""
    folder = long_bag(tmp_path / "bag")
    (folder / "metadata.yaml").unlink()
    (folder / "bag_1.mcap").touch()
    assert images_of(folder) == list(range(60))
    with BagReader(folder) as reader:
        assert "bag_1.mcap is empty" in reader.remarks[0]
    (folder / "bag.mcap").write_bytes(b"")
    with pytest.raises(HmaDepthError, match=r"bag is no bag: .*bag\.mcap.* empty"):
        BagReader(folder)


def test_a_companion_of_macos_beside_a_file_is_nothing(tmp_path: Path) -> None:
    folder = long_bag(tmp_path / "bag")
    (folder / "._bag.mcap").write_bytes(b"\x00\x05\x16\x07")
    assert images_of(folder) == list(range(60))


def test_files_of_a_split_bag_come_in_order_of_time_whatever_their_names(tmp_path: Path) -> None:
    (tmp_path / "bag").mkdir()
    for name, numbers in (("bag_10", (1, 3)), ("bag_9", (2,))):
        bag = Mcap()
        bag.add("/eye/image", IMAGE_SCHEMA, {START + n: cdr(picture(n), IMAGE) for n in numbers})
        (tmp_path / "bag" / f"{name}.mcap").write_bytes(bag.whole())
    assert images_of(tmp_path / "bag") == [1, 2, 3]


# --- files that are not what metadata.yaml or their names say -----------------------------------


def split_bag(folder: Path) -> Path:
    """Three files of two images each."""
    for part in range(3):
        bag = Mcap()
        images = {START + n: cdr(picture(n), IMAGE) for n in (2 * part, 2 * part + 1)}
        bag.add("/eye/image", IMAGE_SCHEMA, images)
        folder.mkdir(exist_ok=True)
        (folder / f"bag_{part}.mcap").write_bytes(bag.whole())
    names = "".join(f"\n  - bag_{part}.mcap" for part in range(3))
    (folder / "metadata.yaml").write_text(
        f"rosbag2_bagfile_information:\n  relative_file_paths:{names}\n"
        "  topics_with_message_count: []\n"
    )
    return folder


def rename(folder: Path) -> None:
    (folder / "bag_1.mcap").rename(folder / "drive.mcap")


def pack(folder: Path) -> None:
    """The packed file beside what it was made of, as `ros2 bag play` leaves them, and alone."""
    for part in (1, 2):
        file = folder / f"bag_{part}.mcap"
        (folder / f"{file.name}.zstd").write_bytes(zstd.compress(file.read_bytes()))
    file.unlink()


def unlist(folder: Path) -> None:
    metadata = folder / "metadata.yaml"
    metadata.write_text(metadata.read_text().replace("  - bag_2.mcap\n", ""))


#: Images that are found, and what is said.
CHANGED: dict[str, tuple[Any, list[int], str | None]] = {
    "gone": (
        lambda folder: (folder / "bag_1.mcap").unlink(),
        [0, 1, 4, 5],
        r"files are missing: bag_1\.mcap; the others are read",
    ),
    "empty": (
        lambda folder: (folder / "bag_1.mcap").write_bytes(b""),
        [0, 1, 4, 5],
        r"left out: bag_1\.mcap is empty; copy or download it again",
    ),
    "something else": (
        lambda folder: (folder / "bag_1.mcap").write_bytes(b"<html>"),
        [0, 1, 4, 5],
        r"left out: bag_1\.mcap is a web page",
    ),
    "renamed": (
        rename,
        list(range(6)),
        r"lists bag_1\.mcap, which is not there; drive\.mcap is read in its place",
    ),
    "packed": (pack, list(range(6)), None),
    "not listed": (unlist, [0, 1, 2, 3], r"does not list bag_2\.mcap, which is not read"),
}


@pytest.mark.parametrize("change", CHANGED)
def test_a_split_bag_is_read_as_far_as_its_files_are_there(tmp_path: Path, change: str) -> None:
    folder = split_bag(tmp_path / "bag")
    changed, found, said = CHANGED[change]
    changed(folder)
    assert images_of(folder) == found
    with BagReader(folder) as reader:
        assert len(reader.remarks) == (said is not None)
        assert re.search(said or "", "".join(reader.remarks))


def test_no_file_is_left_out_for_want_of_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others would be taken for the whole bag."""
    folder = split_bag(tmp_path / "bag")
    pack(folder)

    def full(_source: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device", str(target))

    monkeypatch.setattr(bag_files, "unpacked_file", full)
    with pytest.raises(HmaDepthError, match=r"cannot unpack .*bag_2\.mcap\.zstd into .*: No space"):
        images_of(folder)


def test_nothing_is_read_twice_without_metadata(tmp_path: Path) -> None:
    """A bag that was packed, and one that was converted, beside what they were made of."""
    folder = long_bag(tmp_path / "bag")
    (folder / "metadata.yaml").unlink()
    (folder / "bag.mcap.zstd").write_bytes(zstd.compress((folder / "bag.mcap").read_bytes()))
    assert images_of(folder) == list(range(60))
    (long_bag(tmp_path / "old", StoragePlugin.SQLITE3) / "old.db3").rename(folder / "bag.db3")
    assert images_of(folder) == list(range(60))
    with BagReader(folder) as reader:
        assert "but for bag.db3, of which there is an .mcap file" in reader.remarks[0]


@pytest.mark.parametrize("storage", list(StoragePlugin))
@pytest.mark.parametrize(
    "name", ["bag.MCAP", "bag.DB3", "bag.mcap", "bag.db3", "recording", "x.zst"]
)
def test_a_storage_file_is_known_by_its_content(
    tmp_path: Path, storage: StoragePlugin, name: str
) -> None:
    (file,) = long_bag(tmp_path / "bag", storage).glob("bag.*")
    file.rename(tmp_path / name)
    assert images_of(tmp_path / name) == list(range(60))


def test_a_folder_may_be_named_as_a_bag_of_ros_1(tmp_path: Path) -> None:
    assert images_of(long_bag(tmp_path / "drive.bag")) == list(range(60))
    for name in ("old.db3", "old.mcap", "old"):
        (tmp_path / name).write_bytes(b"#ROSBAG V2.0\n" + bytes(5000))
        with pytest.raises(HmaDepthError, match=r"is .*a ROS 1 bag; convert it"):
            images_of(tmp_path / name)


def test_a_folder_of_bags_names_them(tmp_path: Path) -> None:
    for name in ("one", "two"):
        long_bag(tmp_path / name)
    with pytest.raises(HmaDepthError, match=r"is no bag: .*it holds bags: one, two: name one"):
        BagReader(tmp_path)


def test_profiles_of_metadata_go_before_those_of_the_file(tmp_path: Path) -> None:
    """People mend /tf_static's durability by hand in metadata.yaml."""
    folder = long_bag(tmp_path / "bag")
    metadata = folder / "metadata.yaml"
    content = yaml.safe_load(metadata.read_text())
    (entry,) = content["rosbag2_bagfile_information"]["topics_with_message_count"]
    entry["topic_metadata"]["offered_qos_profiles"][0]["durability"] = "transient_local"
    metadata.write_text(yaml.safe_dump(content))
    assert images_of(folder) == list(range(60))
    with BagReader(folder) as reader:
        (qos,) = reader.topics["/eye/image"].qos
        assert qos.durability.name == "TRANSIENT_LOCAL"
    entry["topic_metadata"]["offered_qos_profiles"] = "- {"  # and sometimes break it
    metadata.write_text(yaml.safe_dump(content))
    with BagReader(folder) as reader:
        assert [qos.durability.name for qos in reader.topics["/eye/image"].qos] == ["VOLATILE"]


# --- SQLite -------------------------------------------------------------------------------------


def spoil_definitions(file: Path) -> None:
    with sqlite3.connect(file) as database:
        database.execute("UPDATE message_definitions SET encoding = 'unknown'")
        for row in ((9, "/event", EVENT, "cdr", "", ""), (10, "/json", "x", "json", "", "")):
            database.execute("INSERT INTO topics VALUES (?, ?, ?, ?, ?, ?)", row)


def make_it_old(file: Path) -> None:
    """As Foxy wrote it: no definitions, no profiles, no hashes."""
    with sqlite3.connect(file) as database:
        for table in ("message_definitions", "metadata", "schema"):
            database.execute(f"DROP TABLE {table}")
        for column in ("offered_qos_profiles", "type_description_hash"):
            database.execute(f"ALTER TABLE topics DROP COLUMN {column}")


def wrong_hash(file: Path) -> None:
    with sqlite3.connect(file) as database:
        database.execute("UPDATE message_definitions SET encoded_message_definition = 'int32 x'")


@pytest.mark.parametrize("change", [spoil_definitions, make_it_old, wrong_hash])
def test_sqlite_files_with_odd_definitions(tmp_path: Path, change: Any) -> None:
    folder = long_bag(tmp_path / "bag", StoragePlugin.SQLITE3)
    change(folder / "bag.db3")
    assert images_of(folder / "bag.db3") == list(range(60))
    with BagReader(folder) as reader:
        assert set(reader.left_out) == (
            {"/event", "/json"} if change is spoil_definitions else set()
        )
        np.testing.assert_array_equal(reader.stamps() - START, range(60))


def test_a_database_that_was_cut_short_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    file = long_bag(tmp_path / "bag", StoragePlugin.SQLITE3) / "bag.db3"
    data = file.read_bytes()
    for share, least in ((0.99, 55), (0.6, 30), (0.2, 8)):
        file.write_bytes(data[: int(len(data) * share)])
        found = images_of(file)
        assert found == list(range(len(found)))
        assert least <= len(found) <= 60 * share + 1
        with BagReader(file) as reader:
            (remark,) = reader.remarks
            assert f"{file} is cut short" in remark
            assert f"{len(found)} messages of it can be read" in remark
    file.write_bytes(data[:3000])  # not even its tables
    with pytest.raises(HmaDepthError, match=r"bag\.db3: database disk image is malformed"):
        images_of(file)
    assert [path.name for path in tmp_path.iterdir()] == ["bag"]


@pytest.mark.parametrize("mode", [CompressionMode.FILE, CompressionMode.MESSAGE])
@pytest.mark.parametrize("storage", [StoragePlugin.MCAP, StoragePlugin.SQLITE3])
def test_compressed_bags_of_both_storages(
    tmp_path: Path, mode: CompressionMode, storage: StoragePlugin
) -> None:
    writer = Writer(tmp_path / "bag", version=9, storage_plugin=storage)
    writer.set_compression(mode, CompressionFormat.ZSTD)
    with writer:
        connection = writer.add_connection("/eye/image", IMAGE, typestore=TYPESTORE)
        for number in (1, 2):
            writer.write(connection, START + number, cdr(picture(number), IMAGE))
    assert images_of(tmp_path / "bag") == [1, 2]
