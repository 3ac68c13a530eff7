"""The demo: which camera of a bag it takes, what it reads from its recording, and a whole run."""

from __future__ import annotations

import json
import subprocess
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console

from hma_depth_ros.bags.bag_cameras import camera_info_beside
from hma_depth_ros.bags.new_messages import (
    camera_info_message,
    compressed_image_message,
    image_message,
    organised_cloud_message,
)
from hma_depth_ros.bags.reader import BagReader
from hma_depth_ros.bags.typestore import header, message
from hma_depth_ros.bags.writer import BagWriter
from hma_depth_ros.cli import run
from hma_depth_ros.data.image_file import read_rgb
from hma_depth_ros.demo.demo_report import read_summary, summary_table, write_summary
from hma_depth_ros.demo.recording import DEPTH_TOPIC, bag_frames
from hma_depth_ros.demo.source import find_source, remove_bag
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.geometry.camera import PinholeCamera
from hma_depth_ros.inference.predictor import DepthPredictor
from hma_depth_ros.messages.compressed_depth import compressed_depth
from hma_depth_ros.messages.depth_image import depth_array
from hma_depth_ros.messages.point_cloud import cloud_xyz
from hma_depth_ros.messages.types import CAMERA_INFO, COMPRESSED_IMAGE, IMAGE, POINT_CLOUD
from hma_depth_ros.messages.weight_image import weight_array
from hma_depth_ros.network.checkpoint import CheckpointInfo, Preprocessing, save_checkpoint
from hma_depth_ros.network.model import HmaDepth
from hma_depth_ros.network.model_config import ModelConfig

WIDTH, HEIGHT = 160, 97
EYE = PinholeCamera(fx=130, fy=130, cx=80, cy=48.5, width=WIDTH, height=HEIGHT)
FRAMES = 6
START = 1_317_042_145_000_000_000  # KITTI's first drive, 2011
PERIOD = 100_000_000
DIAGNOSTICS = "diagnostic_msgs/msg/DiagnosticArray"


def street(index: int) -> np.ndarray:
    return np.random.default_rng(index).integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)


@pytest.fixture(scope="module")
def drive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("drive") / "bag"
    with BagWriter(path) as bag:
        bag.add_topic("/car/left/image_raw", IMAGE)
        bag.add_topic("/car/left/camera_info", CAMERA_INFO)
        bag.add_topic("/car/velo/points", POINT_CLOUD)
        for index in range(FRAMES):
            stamp = START + index * PERIOD
            image = image_message(street(index), "rgb8", stamp=stamp, frame="eye")
            bag.write("/car/left/image_raw", stamp, image)
            info = camera_info_message(EYE, stamp=stamp, frame="eye")
            bag.write("/car/left/camera_info", stamp, info)
    return path


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    config = ModelConfig(
        encoder="resnet10t", decoder_channels=(16, 16, 8, 8, 8), aspp_channels=8, scales=3
    )
    path = tmp_path_factory.mktemp("model") / "tiny.safetensors"
    save_checkpoint(path, HmaDepth(config), CheckpointInfo(config, Preprocessing(focal_length=100)))
    return path


def test_the_camera_of_a_bag_is_found(drive: Path):
    source = find_source(drive)
    assert source.image_topic == "/car/left/image_raw"
    assert source.topics == ["/car/left/image_raw", "/car/left/camera_info"]
    assert (source.images, source.compressed) == (FRAMES, False)
    assert source.seconds == pytest.approx((FRAMES - 1) * 0.1)


def test_raw_images_come_before_compressed_ones(tmp_path: Path):
    with BagWriter(tmp_path / "bag") as bag:
        for topic, kind in (("/a/image/compressed", COMPRESSED_IMAGE), ("/b/image", IMAGE)):
            bag.add_topic(topic, kind)
        picture = message(
            COMPRESSED_IMAGE, header=header(0, "eye"), format="png", data=np.zeros(3, np.uint8)
        )
        bag.write("/a/image/compressed", 5, picture)
        bag.write("/b/image", 5, image_message(street(0), "rgb8", stamp=5, frame="eye"))
    assert find_source(tmp_path / "bag").image_topic == "/b/image"
    source = find_source(tmp_path / "bag", image_topic="/a/image/compressed")
    assert source.compressed
    assert source.info_topic is None


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("/car/left/image_raw", "/car/left/camera_info"),
        ("/car/right/image_raw/compressed", "/car/right/camera_info"),
        ("/image", "/camera_info"),
        ("/other/image", "/camera_info"),
        ("/car/rear/image_raw", "/car/rear/image_raw/camera_info"),
        ("/car/rear/image_raw/compressed", "/car/rear/image_raw/camera_info"),
    ],
)
def test_the_nearest_camera_info_is_taken(image: str, expected: str):
    infos = ["/camera_info", "/car/left/camera_info", "/car/right/camera_info"]
    infos.append("/car/rear/image_raw/camera_info")
    assert camera_info_beside(image, infos) == expected
    assert camera_info_beside(image, ["/lidar/camera_info"]) is None


def test_wrong_topics_are_named(drive: Path):
    with pytest.raises(HmaDepthError, match=r"no topic /nope; .*Image: /car/left/image_raw"):
        find_source(drive, image_topic="/nope")
    with pytest.raises(HmaDepthError, match="PointCloud2 on /car/velo/points"):
        find_source(drive, image_topic="/car/velo/points")
    with pytest.raises(HmaDepthError, match="/car/left/camera_info"):
        find_source(drive, info_topic="/car/left/image_raw")


def test_a_bag_without_images_is_named(tmp_path: Path):
    with BagWriter(tmp_path / "bag") as bag:
        bag.add_topic("/points", POINT_CLOUD)
    with pytest.raises(HmaDepthError, match="bag has no images of a camera; its topics: /points"):
        find_source(tmp_path / "bag")


def test_only_bags_are_removed(drive: Path, tmp_path: Path):
    remove_bag(tmp_path / "nothing there")
    (tmp_path / "holiday.jpg").touch()
    with pytest.raises(HmaDepthError, match="not a bag"):
        remove_bag(tmp_path)
    assert (tmp_path / "holiday.jpg").exists()
    with BagWriter(tmp_path / "bag") as bag:
        bag.add_topic("/points", POINT_CLOUD)
    remove_bag(tmp_path / "bag")
    assert not (tmp_path / "bag").exists()


def diagnostics(name: str, figures: dict[str, object], level: int = 0) -> Any:
    pairs = [
        message("diagnostic_msgs/msg/KeyValue", key=key, value=str(value))
        for key, value in figures.items()
    ]
    status = message(
        "diagnostic_msgs/msg/DiagnosticStatus",
        level=level, name=name, message="too hot", hardware_id="", values=pairs,
    )  # fmt: skip
    return message(DIAGNOSTICS, header=header(0, ""), status=[status])


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """What a recorder would have of thirteen images, of which the node took three."""
    path = tmp_path / "recording"
    figures = {
        "frames received": 13, "frames processed": 3, "frames dropped": 7, "frames skipped": 2,
        "frames failed": 1, "frames waiting": 0, "dropped: replaced by a newer frame": 7,
        "skipped: nobody listens": 2, "failed: bad image": 1,
        "latency p50 [ms]": "20.50", "latency p95 [ms]": "30.00", "latency max [ms]": "31.00",
        "stage wait [ms]": "1.5", "stage convert [ms]": "2.0", "stage forward [ms]": "100",
        "stage publish [ms]": "3.25", "encoder": "resnet50", "device": "cpu",
    }  # fmt: skip
    early = {**figures, "frames received": 1, "frames processed": 0}
    depth = np.full((HEIGHT, WIDTH), 10.0, np.float32)
    with BagWriter(path) as bag:
        masks = ["/attention/scale_1", "/attention/scale_16", "/attention/scale_2"]
        for topic in ("/eye", *masks):
            bag.add_topic(topic, IMAGE)
        bag.add_topic(DEPTH_TOPIC, COMPRESSED_IMAGE)
        bag.add_topic("/points", POINT_CLOUD)
        bag.add_topic("/diagnostics", DIAGNOSTICS)
        bag.write("/diagnostics", START, diagnostics("/depth_node: depth", early))
        for index in (0, 4, 5, 7, 9):
            stamp, late = START + index * PERIOD, START + index * PERIOD + 50
            image = image_message(street(index), "rgb8", stamp=stamp, frame="eye")
            bag.write("/eye", stamp, image)
            if index == 0:
                continue  # was dropped
            form, data = compressed_depth(depth + index)
            depth_image = compressed_image_message(data, form, stamp=stamp, frame="eye")
            bag.write(DEPTH_TOPIC, late, depth_image)
            for topic in masks:
                scale = np.full_like(depth, 1 / int(topic.rpartition("_")[2]))
                bag.write(topic, late, image_message(scale, "32FC1", stamp=stamp, frame="eye"))
            if index == 5:
                continue  # its cloud got lost
            points = np.full((HEIGHT // 2, WIDTH // 2, 4), index, np.float32)
            cloud = organised_cloud_message(points, 3, stamp=stamp, frame="eye")
            bag.write("/points", late, cloud)
        bag.write(
            "/diagnostics", START + 10 * PERIOD, diagnostics("/depth_node: depth", figures, 1)
        )
        silence = diagnostics("/depth_node: depth", figures, 1)
        silence.status[0].message = "nobody publishes"
        bag.write("/diagnostics", START + 11 * PERIOD, silence)
        other = diagnostics("battery", {"charge": 3})
        bag.write("/diagnostics", START + 12 * PERIOD, other)
    return path


def test_the_summary_is_that_of_the_last_diagnostics(recording: Path, tmp_path: Path):
    summary = read_summary(recording, replayed=14, replay_rate=10.0)
    assert (summary.replayed, summary.received, summary.processed) == (14, 13, 3)
    assert summary.dropped == {"replaced by a newer frame": 7}
    assert (summary.skipped, summary.failed) == ({"nobody listens": 2}, {"bad image": 1})
    assert summary.recorded == 4
    assert summary.rate == pytest.approx(3 / 0.5)  # depth images 4, 5, 7 and 9 at 10 Hz
    assert summary.latency == {"p50": 20.5, "p95": 30.0, "max": 31.0}
    assert summary.overhead == 5.25  # neither the network's 100 ms nor 1.5 ms of waiting
    assert summary.setup == {"encoder": "resnet50", "device": "cpu"}
    assert summary.warning == "too hot"

    write_summary(tmp_path / "summary.json", summary)
    content = json.loads((tmp_path / "summary.json").read_text())
    assert content["overhead"] == 5.25
    assert content["stages"]["forward"] == 100.0
    text = Console(width=100, file=StringIO(), record=True)
    text.print(summary_table(summary))
    lines = text.export_text().splitlines()
    (processed,) = [line for line in lines if "processed" in line]
    assert " 3 " in processed
    assert "6.0 a second" in processed
    for fate in ("dropped 7 replaced by a newer frame", "skipped 2 nobody listens"):
        assert any(fate in " ".join(line.replace("│", " ").split()) for line in lines)


def test_complete_frames_are_drawn(recording: Path):
    frames = bag_frames(recording, image_topic="/eye", count=4, max_depth=80.0)
    assert [frame.caption for frame in frames] == ["0.40 s", "0.70 s", "0.90 s"]
    for frame, index in zip(frames, (4, 7, 9), strict=True):
        np.testing.assert_array_equal(frame.image, street(index))
        np.testing.assert_allclose(frame.depth, 10.0 + index, atol=0.02)
        assert frame.attention is not None
        assert frame.attention[:, 0, 0].tolist() == [1 / 16, 1 / 2, 1.0]  # coarse to fine
        assert frame.points is not None
        assert frame.points.shape == (HEIGHT // 2, WIDTH // 2, 3)
        assert (frame.points == index).all()
    picked = bag_frames(recording, image_topic="/eye", count=2, max_depth=80.0)
    assert [frame.caption for frame in picked] == ["0.40 s", "0.90 s"]


def test_a_recording_without_depth_is_named(drive: Path):
    with pytest.raises(HmaDepthError, match="no diagnostics of a depth node"):
        read_summary(drive, replayed=1, replay_rate=1.0)
    with pytest.raises(HmaDepthError, match="no frame with both /car/left/image_raw and /depth"):
        bag_frames(drive, image_topic="/car/left/image_raw", count=4, max_depth=80.0)


def test_the_whole_demo(drive: Path, checkpoint: Path, tmp_path: Path):
    """Three processes over DDS; in lockstep every image of the bag must have come through."""
    output = tmp_path / "output"
    command: list[str | Path] = [sys.executable, "-m", "hma_depth_ros", "demo", "--bag", drive]
    command += ["--output", output, "--checkpoint", checkpoint, "--device", "cpu", "--lockstep"]
    demo = subprocess.run(command, capture_output=True, text=True, check=False)
    assert demo.returncode == 0, demo.stderr
    names = ("output_bag", "contact_sheet.png", "summary.json", "logs")
    assert {path.name for path in output.iterdir()} == set(names)
    assert all(str(output / name) in demo.stdout for name in names)

    summary = json.loads((output / "summary.json").read_text())
    counts = [summary[key] for key in ("replayed", "received", "processed", "recorded")]
    assert counts == [FRAMES] * 4
    assert summary["dropped"] == summary["skipped"] == summary["failed"] == {}
    assert summary["stages"]["forward"] > 0
    assert summary["latency"]["p50"] <= summary["latency"]["max"]
    sheet = read_rgb(output / "contact_sheet.png")
    assert sheet.shape[0] > 4 * 600  # four frames of two rows of 320 pixels

    recorded: dict[str, list[Any]] = {}
    with BagReader(output / "output_bag") as bag:
        for raw in bag.messages():
            recorded.setdefault(raw.topic, []).append(bag.decode(raw))
    everything = {
        "/car/left/image_raw", "/car/left/camera_info", DEPTH_TOPIC, "/depth/camera_info",
        "/depth/color", "/points", "/attention/scale_4", "/attention/scale_2",
        "/attention/scale_1", "/attention/color", "/diagnostics",
    }  # fmt: skip
    assert set(recorded) == everything
    assert {len(recorded[topic]) for topic in everything - {"/diagnostics"}} == {FRAMES}

    predictor = DepthPredictor.from_checkpoint(checkpoint, device="cpu")

    for index in range(FRAMES):
        expected = predictor.predict(street(index), EYE).depth
        assert expected is not None
        depth = depth_array(recorded[DEPTH_TOPIC][index])
        np.testing.assert_allclose(depth, expected, rtol=1e-2)  # bf16, if there is
        assert recorded[DEPTH_TOPIC][index].header.stamp.nanosec == index * PERIOD
        cloud = recorded["/points"][index]
        points = cloud_xyz(cloud).reshape(cloud.height, cloud.width, 3)
        kept = np.isfinite(points[..., 2])  # by the edge filter
        assert kept.mean() > 0.5
        np.testing.assert_allclose(points[kept, 2], depth[::2, ::2][kept], rtol=5e-3)
        masks = [weight_array(recorded[f"/attention/scale_{s}"][index]) for s in (4, 2, 1)]
        np.testing.assert_allclose(np.sum(masks, axis=0), 1, atol=3 * 0.501 / 255)


def test_a_node_that_does_not_start_is_quoted(
    drive: Path, checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    options = ["--bag", str(drive), "--output", str(tmp_path), "--checkpoint", str(checkpoint)]
    assert run(["demo", *options, "--device", "cuda:99"]) == 2
    stderr = capsys.readouterr().err
    assert "the node does not get ready; last lines of" in stderr
    assert "no device 'cuda:99'" in stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--bag", "no/bag"], "no such bag: no/bag"),
        (["--drive", "no/drive"], "no/drive"),
        (["--checkpoint", "no/model.safetensors"], "no/model.safetensors"),
    ],
)
def test_wrong_arguments_are_named_before_any_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str
):
    assert run(["demo", "--output", str(tmp_path / "output"), *options]) == 2
    stderr = capsys.readouterr().err
    assert message in stderr
    assert stderr.count("\n") == 1
    assert not (tmp_path / "output").exists()
