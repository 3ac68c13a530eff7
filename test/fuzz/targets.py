"""Everything that reads bytes from outside, as functions of bytes, with good inputs to begin with.

Each function may raise what `guard.guarded` takes for an answer, and nothing else.
"""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
from PIL import Image
from rosbags.rosbag2 import StoragePlugin

from hma_depth_ros.bags.bag_cameras import find_cameras
from hma_depth_ros.bags.new_messages import camera_info_message, image_message
from hma_depth_ros.bags.reader import BagReader
from hma_depth_ros.bags.storage.definitions import DefinitionError, Definitions
from hma_depth_ros.bags.storage.storage_file import Channel, Definition
from hma_depth_ros.bags.transforms import Transforms
from hma_depth_ros.bags.typestore import TYPESTORE, header, message
from hma_depth_ros.bags.writer import BagWriter
from hma_depth_ros.data.depth.depth_png import read_depth_png
from hma_depth_ros.data.depth.lidar_depth import LidarScan
from hma_depth_ros.data.depth.stored_depth import read_stored_depth
from hma_depth_ros.data.image_file import image_size, is_plain, read_rgb
from hma_depth_ros.data.kitti.calibration import CAMERAS_FILE, KittiCalibration, read_cameras
from hma_depth_ros.data.kitti.drive import SensorStream, load_velodyne
from hma_depth_ros.data.kitti.frames import read_intrinsics
from hma_depth_ros.data.kitti.odometry import OdometrySequence
from hma_depth_ros.data.kitti.oxts import read_oxts
from hma_depth_ros.data.nyu.labelled import open_labelled, read_official_split
from hma_depth_ros.data.semantic_labels import read_labels
from hma_depth_ros.data.splits.located_split import locate
from hma_depth_ros.data.splits.split_file import read_split
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.geometry.camera import PinholeCamera
from hma_depth_ros.messages.camera_info import camera_from_info, info_for_camera
from hma_depth_ros.messages.depth_image import depth_array
from hma_depth_ros.messages.pictures import rgb_image
from hma_depth_ros.messages.point_cloud import cloud_xyz
from hma_depth_ros.messages.point_times import timed_returns
from hma_depth_ros.messages.stamps import header_stamp, raw_header_stamp
from hma_depth_ros.messages.types import (
    CAMERA_INFO,
    COMPRESSED_IMAGE,
    IMAGE,
    POINT_CLOUD,
    TF_MESSAGE,
)
from hma_depth_ros.network.checkpoint import load_checkpoint

#: The neighbours' writer of MCAP files of any content.
MCAP_BYTES: Any = import_module("bags.mcap_bytes")
#: Messages of a bag that are looked at.
_FEW = 20


@dataclass(frozen=True)
class Target:
    """A reader, and inputs that it takes."""

    read: Callable[[bytes], object]
    seeds: Callable[[], list[bytes]]


@cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="hma_depth_fuzz_")


@contextmanager
def _file(name: str, data: bytes) -> Iterator[Path]:
    path = Path(_folder().name, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    yield path


def _each(*reads: Callable[[], object]) -> None:
    """All of them, whatever the ones before say of the input."""
    for read in reads:
        try:
            read()
        except HmaDepthError as error:
            assert "\n" not in str(error), f"not one line: {error}"


# Pictures.


def pixels() -> np.ndarray:
    """A small picture (20, 24, 3)."""
    return np.random.default_rng(0).integers(0, 255, (20, 24, 3), np.uint8)


def encoded(suffix: str, image: np.ndarray) -> bytes:
    """A picture as a file's bytes."""
    return bytes(cv2.imencode(suffix, image)[1])


def pictures() -> list[bytes]:
    """Files of all common formats."""
    grey16 = np.arange(480, dtype=np.uint16).reshape(20, 24)
    found = [encoded(s, pixels()) for s in (".png", ".jpg", ".bmp", ".webp", ".tiff")]
    found += [encoded(".png", grey16), encoded(".png", pixels()[..., 0]), encoded(".pgm", grey16)]
    for kind, mode, options in (
        ("GIF", "P", {}),
        ("TIFF", "RGB", {"compression": "tiff_lzw"}),
        ("TIFF", "F", {}),
        ("JPEG", "RGB", {"progressive": True}),
        ("PNG", "P", {}),
    ):
        out = io.BytesIO()
        Image.fromarray(pixels()).convert("L" if mode == "F" else mode).convert(mode).save(
            out, kind, **options
        )
        found.append(out.getvalue())
    return found


def image_file(data: bytes) -> None:
    """A picture of a data set."""
    with _file("image.png", data) as path:
        _each(
            lambda: image_size(path),
            lambda: read_rgb(path),
            lambda: is_plain(path, "PNG", grey=False),
            lambda: is_plain(path, "JPEG", grey=False),
        )


def png_file(data: bytes) -> None:
    """Depth and label maps."""
    with _file("depth.png", data) as path:
        _each(lambda: read_depth_png(path), lambda: read_labels(path))


def compressed_image(data: bytes) -> None:
    """What a CompressedImage holds."""
    rgb_image(SimpleNamespace(format="rgb8; jpeg compressed bgr8", data=data))


def npy_file(data: bytes) -> None:
    """A stored prediction."""
    with _file("depth.npy", data) as path:
        read_stored_depth(path)


def npy_files() -> list[bytes]:
    """Arrays of NumPy."""
    found = []
    for array in (np.ones((4, 6), np.float32), np.ones((1, 4, 6), ">f8"), np.ones(3, "i4")):
        out = io.BytesIO()
        np.save(out, array)
        found.append(out.getvalue())
    return found


# Messages.

EYE = PinholeCamera(fx=30, fy=30, cx=12, cy=10, width=24, height=20)


def cloud_message(points: np.ndarray, **changes: Any) -> Any:
    """A cloud of structured points (N,)."""
    assert points.dtype.fields is not None
    codes = {"f4": 7, "f8": 8, "u4": 6, "u2": 4}
    fields = [
        message(
            "sensor_msgs/msg/PointField",
            name=name,
            offset=offset,
            datatype=codes[kind.str[1:]],
            count=1,
        )
        for name, (kind, offset, *_) in points.dtype.fields.items()
    ]
    values: dict[str, Any] = {
        "header": header(10**18, "lidar"),
        "height": 1,
        "width": len(points),
        "fields": fields,
        "is_bigendian": False,
        "point_step": points.itemsize,
        "row_step": points.nbytes,
        "data": np.frombuffer(points.tobytes(), np.uint8),
        "is_dense": True,
    }
    return message(POINT_CLOUD, **{**values, **changes})


def _cloud() -> Any:
    points = np.zeros(5, [("x", "f4"), ("y", "f4"), ("z", "f4"), ("t", "u4")])
    points["x"] = range(5)
    points["t"] = np.arange(5) * 20_000_000
    return cloud_message(points)


def _transforms() -> Any:
    vector = message("geometry_msgs/msg/Vector3", x=1.0, y=2.0, z=3.0)
    turn = message("geometry_msgs/msg/Quaternion", x=0.0, y=0.0, z=0.0, w=1.0)
    stamped = message(
        "geometry_msgs/msg/TransformStamped",
        header=header(10**18, "base_link"),
        child_frame_id="eye",
        transform=message("geometry_msgs/msg/Transform", translation=vector, rotation=turn),
    )
    return message(TF_MESSAGE, transforms=[stamped])


def messages() -> dict[str, Any]:
    """A good message of each type that is read."""
    compressed = message(
        COMPRESSED_IMAGE,
        header=header(10**18, "eye"),
        format="jpeg",
        data=np.frombuffer(encoded(".jpg", pixels()), np.uint8),
    )
    return {
        IMAGE: image_message(pixels(), "rgb8", stamp=10**18, frame="eye"),
        COMPRESSED_IMAGE: compressed,
        CAMERA_INFO: camera_info_message(EYE, stamp=10**18, frame="eye"),
        POINT_CLOUD: _cloud(),
        TF_MESSAGE: _transforms(),
    }


def cdr(kind: str) -> bytes:
    """A good message, serialised."""
    return bytes(TYPESTORE.serialize_cdr(messages()[kind], kind))


def use(kind: str, content: Any) -> None:
    """All that the package does with a message of a type, up to the network."""
    if kind == TF_MESSAGE:
        transforms = Transforms()
        transforms.add(content)
        transforms.add(content, static=False)
        transforms.lookup("eye", "base_link")
        return
    header_stamp(content)
    if kind in (IMAGE, COMPRESSED_IMAGE):
        _each(lambda: rgb_image(content), lambda: depth_array(content))
    elif kind == CAMERA_INFO:
        camera = camera_from_info(content, width=24, height=20)
        info_for_camera(content, content.header, camera.resize(width=12, height=10))
    else:
        _each(lambda: cloud_xyz(content), lambda: timed_returns(content))


def deserialised(kind: str) -> Callable[[bytes], None]:
    """Reads CDR of a type."""

    def read(data: bytes) -> None:
        raw_header_stamp(data)
        try:
            content = TYPESTORE.deserialize_cdr(data, kind)
        except Exception:  # as BagReader.decode does
            return
        use(kind, content)

    return read


# Bags.


def _walk(path: Path) -> None:
    with BagReader(path) as bag:
        _ = bag.start, bag.end, bag.remarks
        stamps = bag.stamps()
        _each(lambda: find_cameras(bag), lambda: Transforms.of_bag(bag))
        for raw in islice(bag.messages(), _FEW):
            assert isinstance(raw.stamp, int) and isinstance(raw.data, bytes)
            try:
                content = bag.decode(raw)
            except HmaDepthError:
                continue
            if raw.type in messages():
                _each(lambda kind=raw.type, found=content: use(kind, found))  # type: ignore[misc]
        del stamps


@cache
def _bag(storage: str, *, compressed: bool = False) -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "bag")
        plugin = {"mcap": StoragePlugin.MCAP, "db3": StoragePlugin.SQLITE3}[storage]
        with BagWriter(path, storage=plugin, compressed=compressed) as bag:
            for kind, content in messages().items():
                topic = "/" + kind.rpartition("/")[2].lower()
                bag.add_topic(topic, kind)
                for number in range(3):
                    bag.write(topic, 10**18 + number, content)
        return {file.name: file.read_bytes() for file in path.iterdir()}


def _stored(suffix: str, **options: bool) -> bytes:
    return next(
        data for name, data in _bag(suffix, **options).items() if name.endswith(f".{suffix}")
    )


def mcap_file(data: bytes) -> None:
    """An MCAP file."""
    with _file("bag.mcap", data) as path:
        _walk(path)


def mcap_files() -> list[bytes]:
    """With and without summary and compression."""
    schema = (IMAGE, "ros2msg", TYPESTORE.generate_msgdef(IMAGE, ros_version=2)[0].encode())
    found = [_stored("mcap")]
    for compression in ("", "lz4", "zstd"):
        small = MCAP_BYTES.Mcap(compression=compression)
        small.add("/eye/image", schema, {10**18 + n: cdr(IMAGE) for n in range(2)})
        found.append(small.whole())
    return [*found, found[1][:-60]]


def sqlite_file(data: bytes) -> None:
    """An SQLite file."""
    with _file("bag.db3", data) as path:
        _walk(path)


def bag_metadata(data: bytes) -> None:
    """The metadata.yaml of a bag."""
    with _file("bag/metadata.yaml", data) as path:
        storage = path.with_name("bag.mcap")
        if not storage.exists():
            storage.write_bytes(_stored("mcap"))
        _walk(path.parent)


def definition(data: bytes) -> None:
    """A message definition of a bag, in either language, and a message of it."""
    text = data.decode("utf-8", "replace")
    for language in ("ros2msg", "ros2idl"):
        channel = Channel(
            1, "/topic", "own_msgs/msg/Own", "cdr", Definition(language, text), "", (), 1
        )
        try:
            store = Definitions().typestore(channel)
        except DefinitionError:
            continue
        for content in (bytes([0, 1, 0, 0]) + bytes(64), bytes([0, 1, 0, 0]) + b"\xff" * 64):
            try:
                store.deserialize_cdr(content, channel.type)
            except Exception:  # as BagReader.decode does
                continue


def definitions() -> list[bytes]:
    """In both languages."""
    msg, _ = TYPESTORE.generate_msgdef(POINT_CLOUD, ros_version=2)
    idl = (
        "module own_msgs { module msg { module Own_Constants { const long N = 3 + (2 * 2); };\n"
        "typedef double double__9[9]; struct Own { @default (value=1) long a; double__9 b;\n"
        "sequence<string, 4> c; }; }; };\n"
    )
    small = b"uint8 A=1\nstring[3] x\nstd_msgs/Header[2] y\nfloat64[] z"
    return [msg.encode(), idl.encode(), small]


# Lists, calibrations and times.


def split_list(data: bytes) -> None:
    """A list of frames."""
    with _file("list/frames.txt", data) as path:
        for entry in read_split(path, Path()):
            locate(path.parent, entry)


@cache
def _calibration_files() -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as folder:
        KittiCalibration.standard().write(Path(folder))
        return {file.name: file.read_bytes() for file in Path(folder).iterdir()}


def calibration_file(data: bytes) -> None:
    """KITTI's three calibration files, and what a scan becomes by them."""
    drive = "day/2011_09_26_drive_0001_sync"
    with _file(f"{drive}/velodyne_points/data/0000000000.bin", bytes(range(1, 65))) as scan:
        day = scan.parents[3]
        for name, usual in _calibration_files().items():
            for other, content in _calibration_files().items():
                if not (day / other).exists():
                    (day / other).write_bytes(content)
            (day / name).write_bytes(data)
            _each(lambda: KittiCalibration.read(day))
            if name == CAMERAS_FILE:
                _each(
                    lambda: read_cameras(day / CAMERAS_FILE),
                    lambda: LidarScan(scan, 2).depth(),
                )
            (day / name).write_bytes(usual)


def intrinsics_file(data: bytes) -> None:
    """The camera of a selected image."""
    with _file("intrinsics.txt", data) as path:
        read_intrinsics(path)


def odometry_calibration(data: bytes) -> None:
    """calib.txt and times.txt of a sequence."""
    with _file("00/image_2/000000.png", encoded(".png", pixels())) as image:
        folder = image.parents[1]
        (folder / "calib.txt").write_bytes(data)
        (folder / "times.txt").write_bytes(data)
        sequence = OdometrySequence.open(folder)
        _each(lambda: sequence.calibration, lambda: header(sequence.images(2).stamp(0), "eye"))


def timestamps(data: bytes) -> None:
    """timestamps.txt, up to the message that a stamp goes into."""
    with _file("image_02/timestamps.txt", data) as path:
        stream = SensorStream(path.parent, (".png",))
        for frame in range(3):
            _each(lambda frame=frame: _in_a_message(stream.stamp(frame)))  # type: ignore[misc]


def _in_a_message(stamp: int) -> None:
    kind = "std_msgs/msg/Header"
    TYPESTORE.serialize_cdr(header(stamp, "eye"), kind)


def oxts_file(data: bytes) -> None:
    """A reading of GPS and IMU, up to its messages."""
    with _file("oxts.txt", data) as path:
        reading = read_oxts(path)
        _ = reading.rotation, reading.position_mode, reading.position_accuracy**2


def velodyne_file(data: bytes) -> None:
    """A scan."""
    with _file("scan.bin", data) as path:
        load_velodyne(path)


# Configurations, models, data sets of others.


def training_yaml(data: bytes) -> None:
    """A training's configuration."""
    from hma_depth_ros.training.config_file import load_config

    with _file("config.yaml", data) as path:
        load_config(file=path)


def override(data: bytes) -> None:
    """`section.key=value`."""
    from hma_depth_ros.training.config_file import load_config

    load_config(overrides=[data.decode("utf-8", "surrogateescape")])


@cache
def tiny_checkpoint() -> bytes:
    """A model with random weights."""
    import torch

    from hma_depth_ros.network.checkpoint import CheckpointInfo, Preprocessing, save_checkpoint
    from hma_depth_ros.network.model import HmaDepth
    from hma_depth_ros.network.model_config import ModelConfig

    config = ModelConfig("mobilenetv3_small_050", (8, 8, 8, 8, 8), aspp_channels=8)
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "tiny.safetensors")
        info = CheckpointInfo(config, Preprocessing(input_width=48, focal_length=40.0))
        save_checkpoint(path, HmaDepth(config), info, half=True)
        return path.read_bytes()


def safetensors_header(data: bytes) -> tuple[dict[str, Any], bytes]:
    """Header and the rest of a safetensors file."""
    length = int.from_bytes(data[:8], "little")
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def safetensors_bytes(head: Any, tensors: bytes) -> bytes:
    """The other way round."""
    text = head if isinstance(head, bytes) else json.dumps(head).encode()
    return len(text).to_bytes(8, "little") + text + tensors


def checkpoint(data: bytes) -> None:
    """A checkpoint."""
    with _file("model.safetensors", data) as path:
        load_checkpoint(path)


def checkpoint_metadata(data: bytes) -> None:
    """The JSON in a checkpoint, to a whole model."""
    head, tensors = safetensors_header(tiny_checkpoint())
    head["__metadata__"]["hma_depth"] = data.decode("utf-8", "replace")
    checkpoint(safetensors_bytes(head, tensors))


def metadata_seeds() -> list[bytes]:
    """As our checkpoints have it."""
    head, _ = safetensors_header(tiny_checkpoint())
    return [head["__metadata__"]["hma_depth"].encode()]


def export_texts() -> dict[str, str]:
    """What an exported file says of itself."""
    from hma_depth_ros.inference.engines.model_file import ExportRecord, export_metadata
    from hma_depth_ros.inference.engines.self_check import GRID
    from hma_depth_ros.network.checkpoint import decode_info

    info = decode_info(metadata_seeds()[0].decode(), Path("seed"))
    return export_metadata(info, ExportRecord("fp32", "0", (32, 64), (1.0,) * GRID**2))


def onnx_model(texts: dict[str, str]) -> Any:
    """A graph of one node with the input of a network of ours."""
    from onnx import TensorProto, helper

    image = helper.make_tensor_value_info("image", TensorProto.UINT8, [1, 32, 64, 3])
    output = helper.make_tensor_value_info("depth", TensorProto.UINT8, [1, 32, 64, 3])
    node = helper.make_node("Identity", ["image"], ["depth"])
    model = helper.make_model(helper.make_graph([node], "g", [image], [output]))
    helper.set_model_props(model, texts)
    return model


@cache
def openvino_files() -> dict[str, bytes]:
    """The same for OpenVINO, `.xml` and `.bin`."""
    import openvino

    image = openvino.opset13.parameter([1, 32, 64, 3], np.float32, name="image")
    result = openvino.opset13.multiply(image, np.full((1, 1, 1, 3), 2, np.float32))
    model = openvino.Model([result], [image], "g")
    for key, value in export_texts().items():
        model.set_rt_info(value, [key])
    with tempfile.TemporaryDirectory() as folder:
        openvino.save_model(model, Path(folder, "g.xml"))
        return {file.suffix: file.read_bytes() for file in Path(folder).iterdir()}


def _look_at_model(path: Path) -> None:
    from hma_depth_ros.inference.engines.model_source import ModelSource

    source = ModelSource(path)
    _ = source.fixed_size, source.plain_precision, source.record


def onnx_file(data: bytes) -> None:
    """An exported ONNX file."""
    with _file("model.onnx", data) as path:
        _look_at_model(path)


def openvino_graph(data: bytes) -> None:
    """The graph of an exported OpenVINO model, with good weights."""
    with _file("model.bin", openvino_files()[".bin"]), _file("model.xml", data) as path:
        _look_at_model(path)


def nyu_file(data: bytes) -> None:
    """The labelled file of NYU Depth v2."""
    with _file("labelled.mat", data) as path, open_labelled(path) as found:
        for number in range(min(len(found), 3)):
            found.frame(number)


def nyu_split(data: bytes) -> None:
    """splits.mat."""
    with _file("splits.mat", data) as path:
        read_official_split(path)


def nyu_splits() -> list[bytes]:
    """Plain and compressed."""
    from scipy.io import savemat

    found = []
    for packed in (False, True):
        out = io.BytesIO()
        savemat(out, {"trainNdxs": [[2]], "testNdxs": [[1], [3]]}, do_compression=packed)
        found.append(out.getvalue())
    return found


def nyu_files() -> list[bytes]:
    """One frame."""
    import h5py

    out = io.BytesIO()
    with h5py.File(out, "w") as file:
        for name, shape, kind in (
            ("images", (1, 3, 640, 480), "u1"),
            ("rawDepths", (1, 640, 480), "f4"),
            ("depths", (1, 640, 480), "f4"),
        ):
            file.create_dataset(name, shape, kind, chunks=True, compression="gzip")
        cells = file.create_dataset("sceneTypes", (1, 1), dtype=h5py.ref_dtype)
        codes = np.array([[ord(c)] for c in "kitchen"], np.uint16)
        cells[0, 0] = file.create_dataset("#refs#/0", data=codes).ref
    return [out.getvalue()]


def _text(*lines: str) -> Callable[[], list[bytes]]:
    return lambda: [line.encode() for line in lines]


def _calibration_seeds() -> list[bytes]:
    return list(_calibration_files().values())


TARGETS: dict[str, Target] = {
    "image_file": Target(image_file, pictures),
    "png_file": Target(png_file, lambda: pictures()[:1] + pictures()[5:7]),
    "compressed_image": Target(compressed_image, pictures),
    "npy_file": Target(npy_file, npy_files),
    "cdr_image": Target(deserialised(IMAGE), lambda: [cdr(IMAGE)]),
    "cdr_compressed_image": Target(deserialised(COMPRESSED_IMAGE), lambda: [cdr(COMPRESSED_IMAGE)]),
    "cdr_camera_info": Target(deserialised(CAMERA_INFO), lambda: [cdr(CAMERA_INFO)]),
    "cdr_cloud": Target(deserialised(POINT_CLOUD), lambda: [cdr(POINT_CLOUD)]),
    "cdr_transforms": Target(deserialised(TF_MESSAGE), lambda: [cdr(TF_MESSAGE)]),
    "mcap_file": Target(mcap_file, mcap_files),
    "sqlite_file": Target(sqlite_file, lambda: [_stored("db3"), _stored("db3", compressed=True)]),
    "bag_metadata": Target(bag_metadata, lambda: [_bag("mcap")["metadata.yaml"]]),
    "definition": Target(definition, definitions),
    "split_list": Target(
        split_list,
        _text(
            "a/b.png c.png 721.5 # a comment\nd.jpg None 1 2 3 4\n",
            "/d/2011_09_26_drive_0001_sync/image_02/data/1.png "
            "d/2011_09_26_drive_0001_sync/velodyne_points/data/1.bin 7\n",
        ),
    ),
    "calibration_file": Target(calibration_file, _calibration_seeds),
    "intrinsics_file": Target(intrinsics_file, _text("7 0 3 0 7 2 0 0 1")),
    "odometry": Target(
        odometry_calibration,
        lambda: [
            "\n".join(f"P{n}: 7 0 3 0 0 7 2 0 0 0 1 0" for n in range(4)).encode(),
            b"0.0\n1.0e-1\n",
        ],
    ),
    "timestamps": Target(timestamps, _text("2011-09-26 13:02:25.961661696\n\n2011-09-26 13:02:26")),
    "oxts_file": Target(oxts_file, lambda: [" ".join(str(n / 7) for n in range(30)).encode()]),
    "velodyne_file": Target(velodyne_file, lambda: [bytes(range(32))]),
    "training_yaml": Target(
        training_yaml,
        _text(
            "extends: mobile\nmodel:\n  scales: 3\n"
            "data: {train: [a, b], root: &r x, validation: *r}"
        ),
    ),
    "override": Target(override, _text("model.scales=3", "data.train=[a, b]")),
    "checkpoint": Target(checkpoint, lambda: [tiny_checkpoint()]),
    "checkpoint_metadata": Target(checkpoint_metadata, metadata_seeds),
    "onnx_file": Target(onnx_file, lambda: [onnx_model(export_texts()).SerializeToString()]),
    "openvino_graph": Target(openvino_graph, lambda: [openvino_files()[".xml"]]),
    "nyu_file": Target(nyu_file, nyu_files),
    "nyu_split": Target(nyu_split, nyu_splits),
}
