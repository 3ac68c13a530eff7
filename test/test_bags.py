"""Writing and reading rosbag2 folders, and the numpy views of what is in them."""

from __future__ import annotations

import gc
import re
import shutil
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from rosbags.interfaces import QosDurability, QosReliability
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer

from hma_depth_ros.bags.new_messages import cloud_message, image_message
from hma_depth_ros.bags.reader import BagReader
from hma_depth_ros.bags.recorded_qos import offered_qos
from hma_depth_ros.bags.typestore import TYPESTORE, header, message
from hma_depth_ros.bags.writer import BagWriter
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.messages.image import image_array
from hma_depth_ros.messages.pictures import rgb_image
from hma_depth_ros.messages.point_cloud import cloud_array, cloud_xyz
from hma_depth_ros.messages.stamps import header_stamp
from hma_depth_ros.messages.types import COMPRESSED_IMAGE, IMAGE, POINT_CLOUD

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

START = 1_317_042_145_961_661_696
PIXELS: dict[str, npt.NDArray[Any]] = {
    "rgb8": np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3),
    "bgra8": np.arange(4 * 6 * 4, dtype=np.uint8).reshape(4, 6, 4),
    "mono8": np.arange(24, dtype=np.uint8).reshape(4, 6),
    "16UC1": np.arange(1000, 1024, dtype=np.uint16).reshape(4, 6),
    "32FC1": np.array([[1.5, np.nan], [np.inf, 80.0]], dtype=np.float32),
}


def _write(path: Path, storage: StoragePlugin = StoragePlugin.MCAP) -> Path:
    with BagWriter(path, storage=storage) as bag:
        bag.add_topic("/image", IMAGE)
        bag.add_topic("/points", POINT_CLOUD, qos=offered_qos(depth=1, transient_local=True))
        for index, (encoding, pixels) in enumerate(PIXELS.items()):
            stamp = START + index
            bag.write("/image", stamp, image_message(pixels, encoding, stamp=stamp, frame="eye"))
        points = np.arange(12, dtype=np.float32).reshape(3, 4)
        bag.write(
            "/points", START + 2, cloud_message(points, ("x", "y", "z", "i"), stamp=0, frame="up")
        )
        assert bag.counts == {"/image": 5, "/points": 1}
    return path


@pytest.mark.parametrize("storage", [StoragePlugin.MCAP, StoragePlugin.SQLITE3])
def test_what_is_written_is_read(tmp_path: Path, storage: StoragePlugin) -> None:
    path = _write(tmp_path / "bag", storage)
    with BagReader(path) as bag:
        assert (bag.start, bag.end) == (START, START + 4)
        assert list(bag.topics) == ["/image", "/points"]
        assert bag.topics["/points"].qos[0].durability is QosDurability.TRANSIENT_LOCAL
        assert bag.topics["/image"].qos[0].durability is QosDurability.VOLATILE
        assert bag.topics["/image"].qos[0].reliability is QosReliability.RELIABLE
        images = [(m, bag.decode(m)) for m in bag.messages(["/image"])]
        (cloud,) = [bag.decode(m) for m in bag.messages(["/points"])]
        assert [m.topic for m in bag.messages(start=START + 2, stop=START + 4)].count("/image") == 2
        assert list(bag.messages([])) == []
    assert [raw.stamp for raw, _ in images] == [START + i for i in range(5)]
    for (encoding, pixels), (raw, image) in zip(PIXELS.items(), images, strict=True):
        assert image.encoding == encoding
        assert header_stamp(image) == raw.stamp
        assert image.header.frame_id == "eye"
        np.testing.assert_array_equal(image_array(image), pixels)
    assert cloud.is_dense
    np.testing.assert_array_equal(cloud_array(cloud)["i"], [[3, 7, 11]])
    np.testing.assert_array_equal(cloud_xyz(cloud)[1], [4, 5, 6])


def test_a_single_storage_file_is_a_bag_too(tmp_path: Path) -> None:
    path = _write(tmp_path / "bag")
    assert sorted(file.name for file in path.iterdir()) == ["bag.mcap", "metadata.yaml"]
    with BagReader(path / "bag.mcap") as bag:
        assert bag.topics["/image"].count == 5


@pytest.mark.parametrize("mode", [CompressionMode.FILE, CompressionMode.MESSAGE])
def test_compressed_bags_are_read(tmp_path: Path, mode: CompressionMode) -> None:
    writer = Writer(tmp_path / "bag", version=9)
    writer.set_compression(mode, CompressionFormat.ZSTD)
    with writer:
        connection = writer.add_connection("/image", IMAGE, typestore=TYPESTORE)
        image = image_message(PIXELS["rgb8"], "rgb8", stamp=START, frame="eye")
        writer.write(connection, START, TYPESTORE.serialize_cdr(image, IMAGE))
    with BagReader(tmp_path / "bag") as bag:
        (raw,) = bag.messages()
        np.testing.assert_array_equal(image_array(bag.decode(raw)), PIXELS["rgb8"])


def test_an_empty_bag(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "bag") as bag:
        bag.add_topic("/image", IMAGE)
    with BagReader(tmp_path / "bag") as reader:
        assert (reader.start, reader.end) == (0, 0)
        assert list(reader.messages()) == []


@pytest.mark.parametrize("fails", [False, True])
def test_the_temporary_folder_of_a_bag_is_removed_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: bool
):
    """Once more would be in a finalizer, where Python prints Ctrl-C as ignored and goes on."""
    remove, removed = shutil.rmtree, list[str]()

    def noted(path: str | Path, ignore_errors: bool = False) -> None:
        removed.append(Path(path).name)
        remove(path, ignore_errors)

    monkeypatch.setattr(shutil, "rmtree", noted)
    with suppress(RuntimeError), BagWriter(tmp_path / "bag"):
        if fails:
            raise RuntimeError
    gc.collect()
    assert len(removed) == 1
    assert [path.name for path in tmp_path.iterdir()] == ([] if fails else ["bag"])


def test_a_bag_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "bag"
    with pytest.raises(RuntimeError, match="power"), BagWriter(path) as bag:
        bag.add_topic("/image", IMAGE)
        assert not path.exists()
        raise RuntimeError("power cut")
    assert list(tmp_path.iterdir()) == []
    _write(path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["bag"]
    before = (path / "bag.mcap").read_bytes()
    with pytest.raises(HmaDepthError, match="bag exists already"):
        BagWriter(path)
    assert (path / "bag.mcap").read_bytes() == before


def test_types_without_definition_are_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(HmaDepthError, match="topic /odd: my_msgs/msg/Odd is no standard message"),
        BagWriter(tmp_path / "bag") as bag,
    ):
        bag.add_topic("/odd", "my_msgs/msg/Odd")


def test_a_wrong_topic_lists_those_that_would_do(tmp_path: Path) -> None:
    with BagReader(_write(tmp_path / "bag")) as bag:
        assert bag.topic("/image", IMAGE).count == 5
        with pytest.raises(
            HmaDepthError, match=r"bag has no topic /imag; topics with .*Image.*: /image$"
        ):
            bag.topic("/imag")
        with pytest.raises(
            HmaDepthError, match=r"has sensor_msgs/msg/PointCloud2 on /points; .* Image: /image$"
        ):
            bag.topic("/points", IMAGE)
        with pytest.raises(HmaDepthError, match=r"topics with Odd: none$"):
            bag.topic("/image", "my_msgs/msg/Odd")


def _spoil_middle(path: Path) -> None:
    file = path / "bag.mcap"
    data = bytearray(file.read_bytes())
    # A message record has its length 14 bytes before its time.
    position = data.index((START + 1).to_bytes(8, "little")) - 14
    data[position : position + 8] = b"\xff" * 8
    file.write_bytes(bytes(data))


def _remove_storage(path: Path) -> None:
    (path / "bag.mcap").unlink()


def _unknown_compression(path: Path) -> None:
    meta = path / "metadata.yaml"
    text = meta.read_text()
    text = text.replace("compression_format: ''", "compression_format: br")
    meta.write_text(text.replace("compression_mode: ''", "compression_mode: file"))


def _break_metadata(path: Path) -> None:
    (path / "metadata.yaml").write_text("rosbag2_bagfile_information: [")


def _point_to_metadata(path: Path) -> None:
    (path / "metadata.yaml").write_text("version https://git-lfs.github.com/spec/v1\n")


def _empty_metadata(path: Path) -> None:
    (path / "metadata.yaml").write_text("")


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (_spoil_middle, "cannot read the bag"),
        (_remove_storage, "files are missing: bag.mcap"),
        (_unknown_compression, "compression format 'br' is not supported"),
    ],
)
def test_damaged_bags_give_one_clear_error(tmp_path: Path, damage: Any, complaint: str) -> None:
    path = _write(tmp_path / "bag")
    damage(path)
    with pytest.raises(HmaDepthError, match=complaint) as error, BagReader(path) as bag:
        assert len(list(bag.messages())) < 6
    assert str(path) in str(error.value)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (_break_metadata, r"a damaged metadata\.yaml \(while parsing"),
        (_point_to_metadata, r"metadata\.yaml: it is a Git LFS pointer"),
        (_empty_metadata, r"a damaged metadata\.yaml \(empty\): its files are read"),
    ],
)
def test_a_bag_is_read_whatever_became_of_its_metadata(
    tmp_path: Path, damage: Any, said: str
) -> None:
    path = _write(tmp_path / "bag")
    damage(path)
    with BagReader(path) as bag:
        assert bag.topic("/image", IMAGE).count == 5
        (remark,) = bag.remarks
    assert re.search(said, remark)


@pytest.mark.parametrize("storage", list(StoragePlugin))
def test_a_time_before_1970(tmp_path: Path, storage: StoragePlugin) -> None:
    """As of a clock that was not set; SQLite has such times."""
    cdr = bytes(
        TYPESTORE.serialize_cdr(message("std_msgs/msg/String", data="x"), "std_msgs/msg/String")
    )
    with BagWriter(tmp_path / "bag", storage=storage) as bag:
        bag.add_topic("/text", "std_msgs/msg/String")
        if storage is StoragePlugin.MCAP:
            with pytest.raises(
                HmaDepthError, match=r"/text has a message at -2.5\d* s, before 1970"
            ):
                bag.write_raw("/text", -2_500_000_000, cdr)
            return
        bag.write_raw("/text", -2_500_000_000, cdr)
    with BagReader(tmp_path / "bag") as found:
        assert [raw.stamp for raw in found.messages()] == [-2_500_000_000]


def test_what_is_no_bag(tmp_path: Path) -> None:
    with pytest.raises(HmaDepthError, match=r"no such bag: .*nowhere"):
        BagReader(tmp_path / "nowhere")
    for name, complaint in (("old.bag", "ROS 1"), ("empty.mcap", "empty"), ("x.txt", "cannot")):
        (tmp_path / name).touch()
        with pytest.raises(HmaDepthError, match=complaint), BagReader(tmp_path / name):
            pass
    (tmp_path / "folder").mkdir()
    with pytest.raises(HmaDepthError, match=r"folder is no bag: it has no metadata.yaml"):
        BagReader(tmp_path / "folder")


@pytest.mark.parametrize("storage", list(StoragePlugin))
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("stored", "complaint"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid", "a Git LFS pointer .*git lfs pull"),
        (b"<!DOCTYPE html><title>Sign in</title>", "a web page"),
        (b"", "empty"),
        (b"something", None),
    ],
)
def test_what_a_storage_file_is_instead_is_said(
    tmp_path: Path, storage: StoragePlugin, packed: bool, stored: bytes, complaint: str | None
) -> None:
    with Writer(tmp_path / "bag", version=9, storage_plugin=storage) as writer:
        writer.add_connection("/text", "std_msgs/msg/String", typestore=TYPESTORE)
    suffix = {StoragePlugin.MCAP: ".mcap", StoragePlugin.SQLITE3: ".db3"}[storage]
    file = tmp_path / "bag" / f"bag{suffix}"
    if packed:
        metadata = tmp_path / "bag" / "metadata.yaml"
        metadata.write_text(metadata.read_text().replace(file.name, f"{file.name}.zstd"))
        file = file.rename(f"{file}.zstd")
    file.write_bytes(stored)
    said = f"{file.name} is {complaint}" if complaint else f"{file.name}: "
    for path in (tmp_path / "bag", file):
        with pytest.raises(HmaDepthError, match=f"{path}: {said}"), BagReader(path):
            pass


@pytest.mark.parametrize(
    ("stored", "complaint"),
    [
        (zstd.compress(b"<html>"), r"bag\.mcap\.zstd is a web page"),
        (zstd.compress(b"<html>")[:8], r"bag\.mcap\.zstd: (?!.*archive)"),
    ],
    ids=["page", "cut short"],
)
def test_a_packed_file_is_judged_by_what_is_in_it(
    tmp_path: Path, stored: bytes, complaint: str
) -> None:
    """To be packed is right, whatever else is wrong."""
    file = tmp_path / "bag.mcap.zstd"
    file.write_bytes(stored)
    with pytest.raises(HmaDepthError, match=complaint), BagReader(file):
        pass


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_metadata_is_read_as_windows_saves_it(tmp_path: Path, encoding: str) -> None:
    metadata = _write(tmp_path / "bag") / "metadata.yaml"
    metadata.write_text(metadata.read_text(), encoding=encoding)
    with BagReader(tmp_path / "bag") as bag:
        assert bag.topic("/image", IMAGE).count == 5


def test_a_damaged_message_names_its_topic(tmp_path: Path) -> None:
    image = image_message(PIXELS["rgb8"], "rgb8", stamp=START, frame="eye")
    with BagWriter(tmp_path / "bag") as writer:
        writer.add_topic("/image", IMAGE)
        writer.write_raw("/image", START, bytes(TYPESTORE.serialize_cdr(image, IMAGE))[:40])
    with BagReader(tmp_path / "bag") as bag:
        (raw,) = bag.messages()
        with pytest.raises(HmaDepthError, match=r"damaged .*Image on /image .*\(40 bytes\)"):
            bag.decode(raw)


def test_image_views_follow_step_and_byte_order() -> None:
    values = np.arange(6, dtype=">u2").reshape(2, 3)
    padded = np.zeros((2, 8), np.uint8)
    padded[:, :6] = values.view(np.uint8)
    image = image_message(values.astype(np.uint16), "mono16", stamp=0, frame="")
    image.is_bigendian, image.step, image.data = 1, 8, padded.ravel()
    view = image_array(image)
    np.testing.assert_array_equal(view, values)
    assert np.shares_memory(view, padded)
    image.step = 5
    with pytest.raises(
        HmaDepthError, match="a row of 3 mono16 pixels takes 6 bytes, but step is 5"
    ):
        image_array(image)
    image.step = 6  # of rows that are padded to 8
    with pytest.raises(HmaDepthError, match="its data have rows of 8 bytes, but step says 6"):
        image_array(image)
    image.data = np.zeros(36, np.uint8)  # a buffer too large
    assert image_array(image).shape == (2, 3)
    image.data = padded.ravel()
    image.step, image.height = 8, 3
    with pytest.raises(HmaDepthError, match="3x3 mono16 needs 22 bytes, the message has 16"):
        image_array(image)
    image.encoding = "bayer_plaid8"
    with pytest.raises(HmaDepthError, match="'bayer_plaid8' is not supported"):
        image_array(image)


def test_pictures_become_rgb() -> None:
    rgb = PIXELS["rgb8"]
    for encoding, pixels in (
        ("rgb8", rgb),
        ("bgr8", rgb[..., ::-1]),
        ("rgba8", np.dstack([rgb, np.zeros((4, 6), np.uint8)])),
    ):
        picture = rgb_image(image_message(pixels, encoding, stamp=0, frame=""))
        np.testing.assert_array_equal(picture, rgb)
    grey = rgb_image(image_message(PIXELS["mono8"], "mono8", stamp=0, frame=""))
    np.testing.assert_array_equal(grey[..., 2], PIXELS["mono8"])
    _, png = cv2.imencode(".png", rgb[..., ::-1])
    compressed = message(COMPRESSED_IMAGE, header=header(0, ""), format="png", data=png.ravel())
    np.testing.assert_array_equal(rgb_image(compressed), rgb)
    compressed.data = png.ravel()[:20]
    with pytest.raises(HmaDepthError, match="cannot decode 20 bytes of format 'png'"):
        rgb_image(compressed)
    with pytest.raises(HmaDepthError, match="'32FC1' is not supported"):
        rgb_image(image_message(PIXELS["32FC1"], "32FC1", stamp=0, frame=""))


def test_clouds_that_do_not_fit_together() -> None:
    points = np.full((2, 2), np.nan, np.float32)
    cloud = cloud_message(points, ("x", "y"), stamp=0, frame="")
    assert not cloud.is_dense
    with pytest.raises(HmaDepthError, match="without x, y, z: its fields are x, y"):
        cloud_xyz(cloud)
    cloud.width = 3
    with pytest.raises(HmaDepthError, match=r"not a whole .*: 3x1 points of 8 bytes, row_step 16"):
        cloud_array(cloud)
