"""What fuzzing and reading for it have found, in its smallest form."""

from __future__ import annotations

import io
import json
import sqlite3
import struct
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import lz4.frame
import numpy as np
import pytest
from PIL import Image

from hma_depth_ros.bags.reader import BagReader
from hma_depth_ros.bags.storage import unpacking
from hma_depth_ros.bags.storage.bag_files import METADATA, find_files
from hma_depth_ros.bags.storage.definitions import DefinitionError, Definitions
from hma_depth_ros.bags.storage.mcap_file import MAGIC
from hma_depth_ros.bags.storage.storage_file import Channel, Definition
from hma_depth_ros.bags.storage.unpacking import unpacked_chunk, unpacked_message
from hma_depth_ros.data.depth.depth_png import read_depth_png
from hma_depth_ros.data.depth.stored_depth import read_stored_depth
from hma_depth_ros.data.image_file import image_size, read_rgb
from hma_depth_ros.data.image_limits import MOST_PIXELS, UNPROVEN_PIXELS, excess
from hma_depth_ros.data.kitti.calibration import CAMERAS_FILE, KittiCalibration, read_cameras
from hma_depth_ros.data.kitti.drive import SensorStream
from hma_depth_ros.data.kitti.odometry import OdometryStream
from hma_depth_ros.data.nyu.labelled import read_official_split
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.messages.depth_image import depth_array
from hma_depth_ros.messages.image import BadImageError
from hma_depth_ros.messages.pictures import rgb_image
from hma_depth_ros.messages.point_cloud import cloud_xyz
from hma_depth_ros.structured_text import MalformedTextError, parse_json, parse_yaml

from .guard import guarded
from .targets import (
    MCAP_BYTES,
    TARGETS,
    cloud_message,
    metadata_seeds,
    onnx_model,
    safetensors_bytes,
    safetensors_header,
    tiny_checkpoint,
)

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

#: Bytes that a refusal may take: nothing of the order of what a header asks for.
LITTLE = 64 << 20


# --- pictures that say that they are large --------------------------------------------------------


def png(width: int, height: int, *, bits: int = 8, kind: int = 2) -> bytes:
    """A PNG of that header, whole by all its checksums, with next to no pixels."""

    def chunk(name: bytes, content: bytes) -> bytes:
        body = name + content
        return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))

    head = struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0)
    rest = chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + rest


def jpeg(width: int, height: int) -> bytes:
    """A small JPEG that calls itself larger."""
    out = io.BytesIO()
    Image.new("RGB", (16, 16)).save(out, "JPEG")
    data = out.getvalue()
    at = data.index(b"\xff\xc0") + 5
    return data[:at] + struct.pack(">HH", height, width) + data[at + 4 :]


SIZES = [(65535, 65535), (30000, 30000), (13000, 13000)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("make", [png, jpeg])
def test_a_header_of_65535x65535_is_refused_first(
    tmp_path: Path, make: Callable[[int, int], bytes], size: tuple[int, int]
):
    path = tmp_path / "large.png"
    path.write_bytes(make(*size))
    compressed = SimpleNamespace(format="jpeg", data=make(*size))
    with guarded(most_bytes=LITTLE):
        readers: list[tuple[Callable[[Any], object], object]]
        readers = [(read_rgb, path), (image_size, path), (rgb_image, compressed)]
        for read, file in readers:
            with pytest.raises(HmaDepthError, match=r"says that it is (\d+x\d+|larger)|exceeds"):
                read(file)
        path.write_bytes(png(*size, bits=16, kind=0))
        with pytest.raises(HmaDepthError, match="says that it is"):
            read_depth_png(path)


def test_a_large_image_that_is_there_is_read(tmp_path: Path):
    """The limit is what so many bytes can hold, and a black image takes few."""
    side = 4200
    assert side**2 > UNPROVEN_PIXELS
    path = tmp_path / "black.png"
    Image.new("1", (side, side)).save(path)
    assert path.stat().st_size < 5_000
    assert read_rgb(path).shape == (side, side, 3)
    assert excess(12000, 12000, 20_000) is None
    assert excess(8 * 1032, 2100, 2100) is None and excess(8 * 1032 + 1, 2100, 2100)
    assert excess(4096, 4096, 100) is None and excess(4097, 4096, 100), "16 MiB are believed"
    assert excess(13000, 14000, 10**9) is not None and MOST_PIXELS < 13000 * 14000


def test_a_text_that_swells_in_a_picture_is_damage():
    """Pillow answers it with another kind of exception than other damage."""
    whole = png(16, 16)
    body = b"zTXt" + b"Comment\0\0" + zlib.compress(bytes(2 << 20))
    text = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    at = whole.index(b"IDAT") - 4
    compressed = SimpleNamespace(format="png", data=whole[:at] + text + whole[at:])
    with pytest.raises(HmaDepthError, match="is damaged: Decompressed data too large"):
        rgb_image(compressed)


def test_a_calibration_makes_no_room_for_its_images(tmp_path: Path):
    KittiCalibration.standard().write(tmp_path)
    path = tmp_path / CAMERAS_FILE
    lines = path.read_text().splitlines()
    for key in ("S_rect_02", "S_02"):
        changed = [f"{key}: 65535 65535" if line.startswith(key) else line for line in lines]
        path.write_text("\n".join(changed))
        with pytest.raises(HmaDepthError, match=f"{key}: not an image size: 65535x65535"):
            read_cameras(path)


# --- messages ------------------------------------------------------------------------------------


def test_an_image_without_an_encoding_is_no_depth_image():
    """It ended the accuracy monitor: what has no encoding was taken for a compressed image."""
    with pytest.raises(BadImageError, match="not ''"):
        depth_array(SimpleNamespace(encoding="", height=1, width=1, step=1, data=b"1"))


def test_what_others_write_stays_in_the_line():
    compressed = SimpleNamespace(format="jpeg\nERROR: all is lost\x1b[2J", data=b"")
    for read in (depth_array, rgb_image):
        with pytest.raises(BadImageError) as error:
            read(compressed)
        assert "jpeg\\nERROR: all is lost\\x1b[2J" in str(error.value)


@pytest.mark.parametrize(
    "numbers",
    [
        {"height": 0, "width": 2**32 - 1, "point_step": 2**32 - 1},
        {"height": 0, "width": 0, "point_step": 2**31},
        {"height": 2**32 - 1, "width": 2**32 - 1, "point_step": 0},
        {"height": 2**32 - 1, "width": 0, "point_step": 2**31 - 1, "row_step": 2**32 - 1},
    ],
)
def test_a_cloud_without_points_may_have_any_numbers(numbers: dict[str, int]):
    points = np.zeros(0, [("x", "f4"), ("y", "f4"), ("z", "f4")])
    with guarded(most_bytes=LITTLE):
        assert cloud_xyz(cloud_message(points, **numbers)).shape == (0, 3)


def test_an_empty_scan_is_still_one():
    points = np.zeros(0, [("x", "f4"), ("y", "f4"), ("z", "f4")])
    assert cloud_xyz(cloud_message(points)).shape == (0, 3)


# --- YAML and JSON --------------------------------------------------------------------------------

#: Ten lines for 10^9 values, by aliases; and by merging, which copies them.
LAUGHS = "a0: &a0 [x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10)
)
MERGES = "a0: &a0 {k: v}\n" + "".join(
    f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}]}}\n" for n in range(1, 10)
)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (LAUGHS, "aliases stand for too many"),
        (MERGES, "aliases stand for too many"),
        ("a: &a [*a]", "part of itself"),
        ("[" * 5000, "nested too deeply"),
        ("a: 2001-99-99", "month"),
        ("a: " + "9" * 5000, "digits"),
        ("- " * 5000, "nested too deeply"),
        ("a: !!int ''", "index"),
        ("a: !!bool x", "x"),
        ("a: !!timestamp x", "groupdict"),
        ("? {a: b}\n: c", "unhashable"),
        ("a: !!python/object/apply:os.system [true]", "could not determine a constructor"),
        ("a: !!python/name:os.system ''", "could not determine a constructor"),
        ("a: !!python/tuple [1]", "could not determine a constructor"),
        ("[" * 101 + "]" * 101, "nested too deeply"),
    ],
)
def test_hostile_yaml_is_refused(tmp_path: Path, text: str, reason: str):
    with guarded(most_bytes=LITTLE):
        with pytest.raises(MalformedTextError, match=reason) as error:
            parse_yaml(text)
        assert "\n" not in str(error.value)
        with pytest.raises(HmaDepthError):
            TARGETS["training_yaml"].read(text.encode())
        # A bag is read without its metadata.
        (tmp_path / "bag.mcap").write_bytes(MAGIC)
        (tmp_path / METADATA).write_text(text)
        assert f"damaged {METADATA}" in str(find_files(tmp_path).remark)


def test_anchors_as_people_use_them_are_read():
    assert parse_yaml("a: &a {k: 1}\nb: {<<: *a, l: 2}\nc: [*a, *a]") == {
        "a": {"k": 1},
        "b": {"k": 1, "l": 2},
        "c": [{"k": 1}, {"k": 1}],
    }
    assert parse_yaml("") is None
    assert parse_yaml("[" * 100 + "]" * 100) is not None
    assert len(parse_yaml("- 0\n" * 20_000)) == 20_000, "what is written may be long"


def test_deep_json_is_refused():
    with pytest.raises(MalformedTextError, match="nested too deeply"):
        parse_json("[" * 200_000)


# --- stored arrays --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "head",
    [
        "{'descr':'<f4','fortran_order':False,'shape':(1000000,100000)}",
        "{'descr':'<f4','fortran_order':False,'shape':(4294967296,4294967296)}",
        f"{{'descr':'<f4','fortran_order':False,'shape':({'9' * 60},)}}",
        "{'descr':'<f4',1:False,'shape':(4,)}",
        "(" * 9000,
        f"{{'descr':'<f4','fortran_order':False,'shape':({'-' * 3000}1,)}}",
        "{'descr':'|O','fortran_order':False,'shape':(4,)}",
    ],
)
def test_a_header_of_npy_is_not_believed(tmp_path: Path, head: str):
    path = tmp_path / "depth.npy"
    text = head.encode() + b"\n"
    path.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + bytes(64))
    with guarded(most_bytes=LITTLE), pytest.raises(HmaDepthError, match="cannot read the depth"):
        read_stored_depth(path)


def test_a_number_type_of_nyu_that_numpy_has_not_is_refused():
    """Found by atheris, in the properties of a float type."""
    (data,) = TARGETS["nyu_file"].seeds()
    float32 = struct.pack("<HHBBBBI", 0, 32, 23, 8, 0, 23, 127)  # ending in its bias
    at = data.index(float32) + len(float32) - 1
    with pytest.raises(HmaDepthError, match="is damaged: Insufficient precision"):
        TARGETS["nyu_file"].read(data[:at] + b"\x04" + data[at + 1 :])


def test_a_mat_file_of_version_4_asks_for_nothing(tmp_path: Path):
    path = tmp_path / "splits.mat"
    path.write_bytes(struct.pack("<5i", 0, 2**15, 2**15, 0, 9) + b"trainNdxs" + bytes(200))
    with guarded(most_bytes=LITTLE), pytest.raises(HmaDepthError, match="no MAT file of version 5"):
        read_official_split(path)


def test_a_compressed_mat_file_may_not_swell(tmp_path: Path):
    packed = zlib.compress(struct.pack("<II", 14, 1 << 28) + bytes(1 << 28), 1)
    path = tmp_path / "splits.mat"
    head = b"MATLAB 5.0".ljust(124) + struct.pack("<H", 0x0100) + b"IM"
    path.write_bytes((head + struct.pack("<II", 15, len(packed)) + packed)[: 1 << 20])
    with guarded(most_bytes=LITTLE), pytest.raises(HmaDepthError, match="not NYU Depth v2's"):
        read_official_split(path)


# --- times ----------------------------------------------------------------------------------------


def test_times_beyond_a_message_are_refused(tmp_path: Path):
    """The line of 1e999999 would have become a number of a million digits."""
    stream = SensorStream(tmp_path / "image_02", (".png",))
    stream.folder.mkdir()
    stream.times_file.write_text("9999-01-01 00:00:00\n1066-10-14 12:00:00\n2037-01-01 00:00:00")
    for frame in (0, 1):
        with pytest.raises(HmaDepthError, match=rf"line {frame + 1}: a message can have no time"):
            stream.stamp(frame)
    assert stream.stamp(2) == 2_114_380_800 * 10**9
    odometry = OdometryStream(tmp_path / "image_2", (".png",))
    odometry.times_file.write_text("1e999999\n-1e999999\nnan\n1e-1\n-1")
    for frame in (0, 1, 2, 4):
        with pytest.raises(HmaDepthError, match=f"line {frame + 1}: "):
            odometry.stamp(frame)
    assert odometry.stamp(3) == 100_000_000


# --- bags -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["zstd", "lz4"])
def test_a_chunk_becomes_no_larger_than_it_says(method: str):
    compress = {"zstd": zstd.compress, "lz4": lz4.frame.compress}[method]
    bomb = compress(bytes(200 << 20))
    with guarded(most_bytes=LITTLE), pytest.raises(ValueError, match="more than 1000 bytes"):
        unpacked_chunk(bomb, method, size=1000, checksum=0)
    with guarded(most_bytes=LITTLE), pytest.raises(ValueError, match="the most"):
        unpacked_chunk(compress(b"x"), method, size=1 << 40, checksum=0)


@pytest.mark.parametrize("method", ["zstd", "lz4", ""])
def test_a_chunk_is_what_it_says(method: str, monkeypatch: pytest.MonkeyPatch):
    compress: Callable[[bytes], bytes]
    compress = {"zstd": zstd.compress, "lz4": lz4.frame.compress, "": bytes}[method]
    records = np.random.default_rng(0).bytes(1000)
    packed, checksum = compress(records), zlib.crc32(records)
    monkeypatch.setattr(unpacking, "_MOST_BYTES", 1000)
    for known in (checksum, 0):
        assert unpacked_chunk(packed, method, size=1000, checksum=known) == records
    for size, stated in ((1000, checksum ^ 1), (1001, 0)):
        with pytest.raises(ValueError, match=r"is wrong|is larger than"):
            unpacked_chunk(packed, method, size=size, checksum=stated)
    monkeypatch.setattr(unpacking, "_MOST_BYTES", 2000)
    with pytest.raises(ValueError, match="its checksum or size is wrong"):
        unpacked_chunk(packed, method, size=1001, checksum=0)
    with pytest.raises(ValueError, match="cut short" if method else "is wrong"):
        unpacked_chunk(packed[:-10], method, size=1000, checksum=0)


def test_a_frame_of_lz4_makes_no_room_for_what_it_says():
    data = bytearray(lz4.frame.compress(b"abc", store_size=True))
    data[6:14] = struct.pack("<Q", 1 << 36)
    data[14] = 0  # of the header's checksum, which is wrong for any other
    with guarded(most_bytes=LITTLE), pytest.raises(RuntimeError, match="LZ4F"):
        unpacked_chunk(bytes(data), "lz4", size=3, checksum=0)


def test_a_message_of_many_frames_is_refused(monkeypatch: pytest.MonkeyPatch):
    """What follows each is copied: a megabyte of empty ones took minutes."""
    empty = zstd.compress(b"")
    assert unpacked_message(zstd.compress(b"a") + zstd.compress(b"b")) == b"ab"
    with pytest.raises(ValueError, match="frames"):
        unpacked_message(empty * 100_000)
    monkeypatch.setattr(unpacking, "_MOST_BYTES", 10)
    with pytest.raises(ValueError, match="more than 10 bytes"):
        unpacked_message(zstd.compress(bytes(11)))
    with pytest.raises(ValueError, match="more than 10 bytes"):
        unpacked_message(zstd.compress(bytes(8)) * 2)


def mcap(tmp_path: Path, change: Callable[[bytes], bytes]) -> Path:
    bag = MCAP_BYTES.Mcap()
    bag.add("/a", ("std_msgs/msg/String", "ros2msg", b"string data\n"), {5: b"\0\1\0\0" + bytes(8)})
    path = tmp_path / "bag.mcap"
    path.write_bytes(change(bag.whole()))
    return path


def test_a_summary_makes_no_room_for_what_it_says(tmp_path: Path):
    """A chunk of 2^40 bytes, by the index at the end of the file."""

    def enlarge(data: bytes) -> bytes:
        header = len(MCAP_BYTES.MAGIC)
        chunk = header + 9 + struct.unpack_from("<Q", data, header + 1)[0]
        (length,) = struct.unpack_from("<Q", data, chunk + 1)
        old = struct.pack("<QQ", chunk, length + 9)
        assert data.count(old) == 1
        return data.replace(old, struct.pack("<QQ", chunk, 1 << 40))

    path = mcap(tmp_path, enlarge)
    with (
        guarded(most_bytes=LITTLE),
        pytest.raises(HmaDepthError, match="is not in a file of"),
        BagReader(path) as bag,
    ):
        list(bag.messages())


def test_one_chunk_listed_often_is_read_once(tmp_path: Path):
    """All copies would be in memory at once; what is there is found without the summary."""

    def repeat(data: bytes) -> bytes:
        footer = len(data) - 8 - 20 - 9
        (summary,) = struct.unpack_from("<Q", data, footer + 9)
        index = data.index(b"\x08", summary)
        (length,) = struct.unpack_from("<Q", data, index + 1)
        record = data[index : index + 9 + length]
        return data[:index] + record * 5000 + data[index + len(record) :]

    with guarded(most_bytes=LITTLE), BagReader(mcap(tmp_path, repeat)) as bag:
        assert len(list(bag.messages())) == bag.topics["/a"].count == 1


def summary_of(data: bytes) -> tuple[int, int]:
    """Where the summary of an MCAP file begins and ends."""
    end = len(data) - 8 - 20 - 9
    (begin,) = struct.unpack_from("<Q", data, end + 9)
    return begin, end


def without(kind: int) -> Callable[[bytes], bytes]:
    """Leave the records of one kind out of the summary."""

    def change(data: bytes) -> bytes:
        at, end = begin, _ = summary_of(data)
        kept = b""
        while at < end:
            (length,) = struct.unpack_from("<Q", data, at + 1)
            if data[at] != kind:
                kept += data[at : at + 9 + length]
            at += 9 + length
        assert len(kept) < end - begin
        return data[:begin] + kept + data[end:]

    return change


def elsewhere(data: bytes) -> bytes:
    """Say that the summary is where the file is not."""
    _, end = summary_of(data)
    return data[: end + 9] + struct.pack("<Q", 1 << 40) + data[end + 17 :]


def long_name(data: bytes) -> bytes:
    """In the summary the topic's name is longer than the record that it is in."""
    begin, _ = summary_of(data)
    name = struct.pack("<I", 2) + b"/a"
    assert data.count(name, begin) == 1
    return data[:begin] + data[begin:].replace(name, struct.pack("<I", 1000) + b"/a")


@pytest.mark.parametrize(
    "change",
    [without(4), without(8), without(11), elsewhere, long_name],
    ids=["no_channels", "no_indices", "no_statistics", "elsewhere", "long_name"],
)
def test_a_summary_that_is_not_whole_is_done_without(
    tmp_path: Path, change: Callable[[bytes], bytes]
):
    with BagReader(mcap(tmp_path, change)) as bag:
        assert len(list(bag.messages())) == bag.topics["/a"].count == 1


def test_a_field_longer_than_its_record_is_damage(tmp_path: Path):
    """Of the data themselves, which nothing else tells."""
    bag = MCAP_BYTES.Mcap(checksum=0)
    bag.add("/a", ("std_msgs/msg/String", "ros2msg", b"string data\n"), {5: bytes(12)})
    path = tmp_path / "bag.mcap"
    name = struct.pack("<I", 2) + b"/a"
    path.write_bytes(bag.whole().replace(name, struct.pack("<I", 1000) + b"/a"))
    with (
        pytest.raises(HmaDepthError, match="a record ends in the midst of a field"),
        BagReader(path),
    ):
        raise AssertionError
    path.write_bytes(b"X" + bag.whole()[1:])
    with pytest.raises(HmaDepthError, match="it is no MCAP file"), BagReader(path):
        raise AssertionError


def database(path: Path, *statements: str) -> Path:
    base = sqlite3.connect(path)
    base.executescript(
        "CREATE TABLE topics(id INTEGER PRIMARY KEY, name, type, serialization_format,"
        " offered_qos_profiles);"
        "CREATE TABLE messages(id INTEGER PRIMARY KEY, topic_id, timestamp, data);"
        "INSERT INTO topics VALUES(1, '/a', 'std_msgs/msg/String', 'cdr', '');"
        "INSERT INTO messages VALUES(1, 1, 5, X'0001000001000000');" + ";".join(statements)
    )
    base.commit()
    base.close()
    return path


ENDLESS = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT n AS"
ROW = "SELECT 1 AS id, 1 AS topic_id, zeroblob(1000000000) AS data, 5 AS timestamp"


@pytest.mark.parametrize(
    "statements",
    [
        ("DROP TABLE messages", f"CREATE VIEW messages AS {ENDLESS} timestamp, n AS id FROM c"),
        ("DROP TABLE messages", f"CREATE VIEW Messages AS {ROW}"),
        ("DROP TABLE messages", f"CREATE TABLE m(x); CREATE VIEW messages AS {ROW}"),
        (
            "DROP TABLE messages",
            "CREATE TABLE messages(id, topic_id, timestamp, data AS (zeroblob(9)))",
        ),
        ("CREATE VIEW message_definitions AS SELECT zeroblob(1000000000) AS topic_type",),
        ("CREATE VIRTUAL TABLE message_definitions USING rtree(id, low, high)",),
    ],
)
def test_a_database_that_computes_is_refused(tmp_path: Path, statements: tuple[str, ...]):
    path = database(tmp_path / "bag.db3", *statements)
    with (
        guarded(most_bytes=LITTLE, seconds=5),
        pytest.raises(HmaDepthError, match="is not a table of stored rows"),
        BagReader(path),
    ):
        raise AssertionError


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE topics SET name = X'ff'", "bytes in place of str"),
        ("UPDATE topics SET type = 7", "int in place of str"),
        ("UPDATE topics SET type = NULL", "NoneType in place of str"),
        ("UPDATE messages SET timestamp = 'soon'", "str in place of int"),
        ("UPDATE messages SET timestamp = 1.5", "float in place of int"),
        ("UPDATE messages SET data = 'text'", "str in place of bytes"),
        ("UPDATE messages SET data = NULL", "NoneType in place of bytes"),
    ],
)
def test_a_column_of_another_type_is_named(tmp_path: Path, statement: str, said: str):
    path = database(tmp_path / "bag.db3", statement)
    with pytest.raises(HmaDepthError, match=said), BagReader(path) as bag:
        list(bag.messages())


def test_every_stamp_is_whole(tmp_path: Path):
    """Also one between others, which the bag's beginning and end do not show."""
    more = (f"INSERT INTO messages VALUES({n}, 1, {t}, X'00')" for n, t in ((2, 5.5), (3, 6)))
    with BagReader(database(tmp_path / "bag.db3", *more)) as bag:
        for read in (lambda: list(bag.messages()), bag.stamps):
            with pytest.raises(HmaDepthError, match="float in place of int"):
                read()


def test_a_database_as_it_should_be_is_read(tmp_path: Path):
    with BagReader(database(tmp_path / "bag.db3")) as bag:
        assert [m.stamp for m in bag.messages()] == [5]


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("ros2msg", "string[4294967295] x"),
        ("ros2msg", "std_msgs/Header[1000000] x"),
        ("ros2msg", "string[0] x"),
        ("ros2msg", "float64[0] x"),
        ("ros2idl", "module a { module msg { struct B { long x[0 - 5]; }; }; };"),
        ("ros2idl", "module a { const long N = 1 << 99999999999; };"),
    ],
)
def test_a_definition_that_never_ends_is_refused(language: str, text: str):
    channel = Channel(1, "/a", "a/msg/B", "cdr", Definition(language, text), "", (), 1)
    with guarded(most_bytes=LITTLE), pytest.raises(DefinitionError):
        Definitions().typestore(channel)


@pytest.mark.parametrize(
    ("kind", "most"), [("string", 1000), ("std_msgs/Header", 1000), ("float64", 1 << 24)]
)
def test_a_fixed_array_has_its_limit(kind: str, most: int):
    header = "=" * 80 + "\nMSG: std_msgs/Header\nstring frame_id\n"

    def store(length: int, digest: str = "") -> object:
        text = f"{kind}[{length}] x\n{header if '/' in kind else ''}"
        definition = Definition("ros2msg", text)
        return Definitions().typestore(
            Channel(1, "/a", "a/msg/B", "cdr", definition, digest, (), 1)
        )

    store(most)
    with pytest.raises(DefinitionError, match=f"its array x has {most + 1} elements"):
        store(most + 1)
    with pytest.raises(DefinitionError, match="of another version of the type"):
        store(1, "RIHS01_" + "0" * 64)


def test_a_definition_writes_no_code():
    """Rosbags makes Python of it; names and values stay names and values."""
    ran = Path("/tmp/hma_depth_fuzz_ran")
    for text in (
        f"string X='; open({str(ran)!r}, 'w'); '\nuint8 a",
        f'string X="""\nopen({str(ran)!r}, "w")\n"""\nuint8 a',
        "uint8 __import__('os')",
        "a/B'+open('x')+' a",
        'uint8 a\n"""\nimport os\n"""',
    ):
        channel = Channel(1, "/a", "a/msg/B", "cdr", Definition("ros2msg", text), "", (), 1)
        try:
            store = Definitions().typestore(channel)
            store.deserialize_cdr(bytes([0, 1, 0, 0, 1, 0, 0, 0]), "a/msg/B")
        except Exception as error:
            assert "open" not in type(error).__name__
    assert not ran.exists()


# --- models ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("model", "encoder", "hf-hub:somebody/model"),
        ("model", "encoder", "local-dir:/tmp"),
        ("model", "aspp_channels", 10**9),
        ("model", "aspp_channels", 60_000),
        ("model", "decoder_channels", [60_000] * 5),
        ("model", "decoder_channels", ["8"] * 5),
        ("model", "max_depth", float("inf")),
        ("model", "attention", "no"),
        ("preprocessing", "input_width", 10**9),
        ("preprocessing", "input_width", -1),
        ("preprocessing", "std", [0, 0, 0]),
        ("preprocessing", "mean", [1, 2]),
        ("preprocessing", "focal_length", "far"),
        (None, "uncertainty_scale", float("nan")),
        (None, "description", 7),
    ],
)
def test_a_checkpoint_says_nothing_that_is_not_checked(section: str | None, key: str, value: Any):
    """Of a model too large for its weights nothing is made: 60,000 channels would take 80 GB."""
    TARGETS["checkpoint_metadata"].read(metadata_seeds()[0])
    content = json.loads(metadata_seeds()[0])
    (content[section] if section else content)[key] = value
    with guarded(most_bytes=LITTLE), pytest.raises(HmaDepthError) as error:
        TARGETS["checkpoint_metadata"].read(json.dumps(content).encode())
    assert "not understood" in str(error.value) or "do not fit" in str(error.value)


def test_a_checkpoint_of_another_size_is_refused_before_it_is_made():
    head, tensors = safetensors_header(tiny_checkpoint())
    head["__metadata__"]["hma_depth"] = "[" * 100_000
    with guarded(), pytest.raises(HmaDepthError, match="nested too deeply"):
        TARGETS["checkpoint"].read(safetensors_bytes(head, tensors))
    with guarded(most_bytes=LITTLE), pytest.raises(HmaDepthError, match="not a readable"):
        TARGETS["checkpoint"].read((1 << 62).to_bytes(8, "little") + b"{}")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("reference_size", [10**6, 10**6]),
        ("reference_size", ["32", 64]),
        ("reference", [1.0]),
        ("reference", ["x"] * 576),
        ("precision", "fp64"),
        ("source", None),
        ("weights", 7),
    ],
)
def test_an_exported_file_says_nothing_that_is_not_checked(key: str, value: Any):
    from .targets import export_texts

    texts = export_texts()
    record = json.loads(texts["hma_depth_export"])
    texts["hma_depth_export"] = json.dumps({**record, key: value})
    with pytest.raises(HmaDepthError, match="not understood"):
        TARGETS["onnx_file"].read(onnx_model(texts).SerializeToString())


def test_metadata_of_openvino_that_are_no_text_are_refused():
    """Found by atheris."""
    (graph,) = TARGETS["openvino_graph"].seeds()
    changed = graph.replace(b"&quot;mean&quot;", b"&quot;me\xffn&quot;")
    assert changed != graph
    with pytest.raises(HmaDepthError, match="not a readable OpenVINO model: 'utf-8' codec"):
        TARGETS["openvino_graph"].read(changed)


def test_an_onnx_file_without_an_image_is_refused():
    from .targets import export_texts

    model = onnx_model(export_texts())
    del model.graph.input[0].type.tensor_type.shape.dim[:]
    with pytest.raises(HmaDepthError, match="its input is no image"):
        TARGETS["onnx_file"].read(model.SerializeToString())
    del model.graph.input[:]
    with pytest.raises(HmaDepthError, match="its input is no image"):
        TARGETS["onnx_file"].read(model.SerializeToString())


def test_an_onnx_file_with_a_loop_is_refused():
    from onnx import helper

    from .targets import export_texts

    model = onnx_model(export_texts())
    body = helper.make_graph([], "body", [], [])
    model.graph.node.append(helper.make_node("Loop", [], ["x"], body=body))
    with pytest.raises(HmaDepthError, match="graphs within its graph"):
        TARGETS["onnx_file"].read(model.SerializeToString())
