"""process_bag: depth for every image of a bag, whole, reproducible and resumable."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rosbags.rosbag2 import StoragePlugin

from hma_depth_ros.bags.kitti.dialect import DIALECTS, KITTI2BAG
from hma_depth_ros.bags.kitti.drive_bag import BagOptions, write_kitti_bag
from hma_depth_ros.bags.new_messages import image_message
from hma_depth_ros.bags.processing.process import BagProcess
from hma_depth_ros.bags.reader import BagReader
from hma_depth_ros.bags.writer import BagWriter
from hma_depth_ros.cli import process_bag, run_command
from hma_depth_ros.data.image_file import read_rgb
from hma_depth_ros.data.kitti.drive import KittiDrive
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.geometry.backprojection import back_project
from hma_depth_ros.geometry.camera_planes import Mount
from hma_depth_ros.inference import together
from hma_depth_ros.inference.predictor import DepthPredictor, predict_requests
from hma_depth_ros.messages.depth_image import depth_array
from hma_depth_ros.messages.image import image_array
from hma_depth_ros.messages.point_cloud import cloud_array
from hma_depth_ros.messages.stamps import header_stamp
from hma_depth_ros.messages.types import CAMERA_INFO, IMAGE
from hma_depth_ros.synthetic.synthetic_drive import CAMERA

FRAMES = 8  #: of `drive`
IMAGE_TOPIC, INFO_TOPIC = KITTI2BAG.image_topic(CAMERA), KITTI2BAG.camera_info_topic(CAMERA)
REPOSITORY = Path(__file__).resolve().parent.parent

Process = Callable[..., int]


@pytest.fixture
def process(tiny_checkpoint: Path) -> Process:
    def run(*arguments: object) -> int:
        options = ["--checkpoint", tiny_checkpoint, "--device", "cpu", "--threads", 1]
        return run_command("process_bag", list(map(str, [*arguments, *options])))

    return run


def _messages(bag: Path, topic: str) -> list[Any]:
    with BagReader(bag) as reader:
        return [reader.decode(raw) for raw in reader.messages([topic])]


def _bytes(bag: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in bag.iterdir()}


def test_a_page_of_what_was_made(bag: Path, process: Process, tmp_path: Path):
    page, kinds = tmp_path / "page.html", ("--outputs", "depth,camera_info,masks")
    assert process(bag, tmp_path / "out", *kinds, "--report", page) == 0
    text = page.read_text(encoding="utf-8")
    for layer in ("image", "depth", "masks"):
        assert text.count(f'data-layer="{layer}" src="data:image/webp') == 6
    assert text.count('<figure class="above">') == 6  # by its camera_info
    with pytest.raises(SystemExit):
        process(bag, tmp_path / "other", "--outputs", "masks", "--report", page)


def test_the_mount_and_the_scale_are_the_predictors(
    drive: KittiDrive, bag: Path, tmp_path: Path, process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounts = []
    made = DepthPredictor.from_checkpoint

    def from_checkpoint(*arguments: Any, **options: Any) -> DepthPredictor:
        mounts.append(options["mount"])
        return made(*arguments, **options)

    monkeypatch.setattr(DepthPredictor, "from_checkpoint", from_checkpoint)
    for name, options in {
        "plain": (),
        "scaled": ("--depth-scale", 1.25, "--camera-height", 2.2, "--camera-pitch", 0.07),
    }.items():
        assert process(bag, tmp_path / name, "--outputs", "depth", "--outputs-only", *options) == 0
    assert mounts == [Mount(), Mount(2.2, 0.07)]
    pairs = [_messages(tmp_path / name, "/depth/image")[0] for name in ("plain", "scaled")]
    plain, scaled = map(depth_array, pairs)
    np.testing.assert_allclose(scaled, 1.25 * plain, rtol=1e-6)


def test_out_holds_what_the_predictor_says_of_every_image(
    drive: KittiDrive, bag: Path, tmp_path: Path, process: Process, tiny_checkpoint: Path
) -> None:
    out = tmp_path / "out"
    assert process(bag, out, "--outputs", "depth,camera_info,masks,cloud,color") == 0
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    with BagReader(out) as reader, BagReader(bag) as given:
        topics = {t.name: t.count for t in reader.topics.values()}
        assert {name: topics.pop(name) for name in given.topics} == {
            t.name: t.count for t in given.topics.values()
        }
        assert reader.start == given.start
        (tf_qos,) = reader.topics["/tf_static"].qos
        assert tf_qos.durability.name == "TRANSIENT_LOCAL"
        # In the bag, depth lies at its image's time.
        times = [raw.stamp for raw in reader.messages(["/depth/image"])]
        assert times == [raw.stamp for raw in given.messages([IMAGE_TOPIC])]
    masks = [f"/attention/scale_{scale}" for scale in (8, 4, 2, 1)]
    single = ("/depth/image", "/depth/camera_info", "/points", "/depth/color", "/attention/color")
    assert topics == dict.fromkeys([*single, *masks], FRAMES)

    predictor = DepthPredictor.from_checkpoint(tiny_checkpoint, device="cpu")
    camera = drive.calibration.camera(CAMERA)
    made = {topic: _messages(out, topic) for topic in topics}
    for index, path in enumerate(drive.images(CAMERA).files.values()):
        expected = predictor.predict(read_rgb(path), camera)
        assert expected.depth is not None
        assert expected.attention is not None
        stamp = drive.images(CAMERA).stamp(index)
        for messages in made.values():
            assert header_stamp(messages[index]) == stamp
            assert messages[index].header.frame_id == "camera_color_left"
        depth = depth_array(made["/depth/image"][index])
        np.testing.assert_array_equal(depth, expected.depth)
        for topic, mask in zip(masks, expected.attention, strict=True):
            np.testing.assert_array_equal(image_array(made[topic][index]), mask)
        cloud = cloud_array(made["/points"][index])
        assert cloud.shape == depth.shape
        assert cloud.dtype.itemsize == 16
        points = np.stack([cloud[axis] for axis in "xyz"], axis=-1)
        np.testing.assert_allclose(points, back_project(depth, camera), rtol=1e-6)
        info = made["/depth/camera_info"][index]
        assert (info.width, info.height) == (camera.width, camera.height)
        np.testing.assert_array_equal(info.p.reshape(3, 4)[:, :3], camera.matrix)
        assert image_array(made["/depth/color"][index]).shape == (*depth.shape, 3)


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
def test_all_dialects_give_the_same_depth_and_figures(
    drive: KittiDrive, bag: Path, tmp_path: Path, process: Process, dialect: Any
) -> None:
    assert process(bag, tmp_path / "reference", "--outputs", "depth") == 0
    write_kitti_bag(drive, tmp_path / "in", BagOptions(dialect=dialect))
    out = tmp_path / "out"
    assert process(tmp_path / "in", out) == 0
    for ours, reference in zip(
        *(_messages(b, "/depth/image") for b in (out, tmp_path / "reference")), strict=True
    ):
        np.testing.assert_array_equal(depth_array(ours), depth_array(reference))
    lidar = ["--lidar-topic", dialect.lidar_topic, "--protocols", "full"]
    assert run_command("evaluate_bag", [str(out), *lidar]) == 0  # through tf_static


def test_p_counts_and_not_the_raw_camera(bag: Path, tmp_path: Path, process: Process) -> None:
    """As kitti2bag and kitti_to_ros2bag write it: raw K and D beside the right P."""
    with BagReader(bag) as reader, BagWriter(tmp_path / "in") as writer:
        for topic in (IMAGE_TOPIC, INFO_TOPIC):
            writer.add_topic(topic, reader.topics[topic].type)
        for raw in reader.messages([IMAGE_TOPIC, INFO_TOPIC]):
            message = reader.decode(raw)
            if raw.topic == INFO_TOPIC:
                message.k = message.k * 1.4
                message.d = np.array([-0.37, 0.2, 0.001, 0.001, -0.07])
                # Ten nanoseconds after its image, as one of them has it.
                writer.write(raw.topic, raw.stamp + 10, message)
            else:
                writer.write(raw.topic, raw.stamp, message)
    assert process(bag, tmp_path / "reference", "--outputs", "depth") == 0
    assert process(tmp_path / "in", tmp_path / "out", "--part", "0.2") == 0
    for ours, reference in zip(
        *(_messages(tmp_path / b, "/depth/image") for b in ("out", "reference")), strict=True
    ):
        np.testing.assert_array_equal(depth_array(ours), depth_array(reference))


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_the_same_bytes_each_time(
    bag: Path, tmp_path: Path, process: Process, storage: str
) -> None:
    options = ("--storage", storage, "--compress", "--part", "0.3")
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        assert process(bag, tmp_path / name / "out", *options) == 0
    first, second = (_bytes(tmp_path / name / "out") for name in ("a", "b"))
    assert len(first) == 4  # three parts of 0.3 s and metadata.yaml
    assert first == second


def test_an_interrupted_run_goes_on(
    bag: Path, tmp_path: Path, tiny_checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["process_bag", bag, "--checkpoint", tiny_checkpoint, "--device", "cpu"]
    arguments += ["--threads", 1, "--part", 0.1, "--outputs", "depth,masks"]
    options = list(map(str, arguments))
    (tmp_path / "whole").mkdir()
    assert run_command(options[0], [*options[1:], str(tmp_path / "whole" / "out")]) == 0
    capsys.readouterr()

    out = tmp_path / "out"
    unfinished = tmp_path / ".out.unfinished"
    child = subprocess.Popen(
        [sys.executable, "-m", "hma_depth_ros", *options, str(out)], cwd=REPOSITORY
    )
    try:
        deadline = time.monotonic() + 100
        while not (unfinished / "out_1").exists():
            assert child.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.002)
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
    if out.exists():
        pytest.skip("it was finished before it could be killed")
    done = len([p for p in unfinished.glob("out_*") if p.is_dir()])
    assert done >= 2
    (unfinished / ".out_7.abcd.part").mkdir()  # as kill -9 leaves it in the midst of a part
    # With other options it is another work, which must not be mixed with this one.
    assert run_command(options[0], [*options[1:], "--max-range", "9", str(out)]) == 2
    assert "holds the unfinished work of a run with another model" in capsys.readouterr().err

    assert run_command(options[0], [*options[1:], str(out)]) == 0
    assert f"{FRAMES - done} images in" in (said := capsys.readouterr().out)
    assert f"{done} were there already" in said
    assert not unfinished.exists()
    assert _bytes(out) == _bytes(tmp_path / "whole" / "out")


def test_processes_share_the_parts(
    bag: Path, tmp_path: Path, tiny_checkpoint: Path, process: Process
) -> None:
    """As torchrun starts them; none waits for another."""
    (tmp_path / "alone").mkdir()
    options = ["--part", "0.1", "--outputs", "depth"]
    assert process(bag, tmp_path / "alone" / "out", *options) == 0
    command = [sys.executable, "-m", "hma_depth_ros", "process_bag", str(bag)]
    command += [str(tmp_path / "out"), "--checkpoint", str(tiny_checkpoint), "--device", "cpu"]
    command += ["--threads", "1", *options]
    children = [
        subprocess.Popen(
            command,
            cwd=REPOSITORY,
            env={**os.environ, "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    for child in children:
        _, errors = child.communicate(timeout=120)
        # The slower one may find all of it done before it begins.
        assert child.returncode == 0 or "exists already" in errors, errors
    assert _bytes(tmp_path / "out") == _bytes(tmp_path / "alone" / "out")


def test_another_process_makes_the_bag_before_this_one_looks(
    bag: Path,
    tmp_path: Path,
    process: Process,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "out"
    options = ["--part", "0.1", "--outputs", "depth"]
    run = process_bag._run

    def late(processes: Sequence[BagProcess]) -> None:
        monkeypatch.setattr(process_bag, "_run", run)
        assert process(bag, out, *options) == 0
        capsys.readouterr()
        run(processes)

    monkeypatch.setattr(process_bag, "_run", late)
    assert process(bag, out, *options) == 0
    assert f"0 images in 0.0 s, {FRAMES} were there already" in capsys.readouterr().out
    assert len(_messages(out, "/depth/image")) == FRAMES
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_several_bags_and_cameras(
    drive: KittiDrive, bag: Path, tmp_path: Path, process: Process
) -> None:
    stereo = tmp_path / "stereo"
    left, right = "/rig/left/image", "/rig/right/image"
    with BagReader(bag) as reader, BagWriter(stereo, storage=StoragePlugin.SQLITE3) as writer:
        for topic in (left, right):
            writer.add_topic(topic, IMAGE)
            writer.add_topic(f"{topic.rpartition('/')[0]}/camera_info", CAMERA_INFO)
        for raw in reader.messages([IMAGE_TOPIC, INFO_TOPIC]):
            for side in ("left", "right"):
                name = "image" if raw.topic == IMAGE_TOPIC else "camera_info"
                writer.write(f"/rig/{side}/{name}", raw.stamp, reader.decode(raw))
    out = tmp_path / "out"
    assert process(bag, stereo, out, "--outputs-only", "--outputs", "depth") == 0
    assert sorted(path.name for path in out.iterdir()) == ["drive", "stereo"]
    with BagReader(out / "drive") as reader:
        assert {t.name: t.count for t in reader.topics.values()} == {
            "/tf_static": 1,
            "/depth/image": FRAMES,
        }
    with BagReader(out / "stereo") as reader:
        assert {t.name: t.count for t in reader.topics.values()} == {
            "/rig/left/depth/image": FRAMES,
            "/rig/right/depth/image": FRAMES,
        }


def test_compressed_images_give_the_depth_of_their_files(
    drive: KittiDrive, bag: Path, tmp_path: Path, process: Process
) -> None:
    write_kitti_bag(drive, tmp_path / "png", BagOptions(image_format="png"))
    write_kitti_bag(drive, tmp_path / "jpeg", BagOptions(image_format="jpeg", jpeg_quality=90))
    assert process(bag, tmp_path / "raw", "--outputs", "depth") == 0
    reference = [depth_array(m) for m in _messages(tmp_path / "raw", "/depth/image")]
    for kind, tolerance in (("png", 0.0), ("jpeg", 0.2)):
        (image, *_) = _messages(tmp_path / kind, f"{IMAGE_TOPIC}/compressed")
        assert image.format == f"bgr8; {kind} compressed bgr8"
        out = tmp_path / f"{kind}_depth"
        assert process(tmp_path / kind, out, "--outputs", "depth") == 0
        depths = [depth_array(m) for m in _messages(out, "/depth/image")]
        assert len(depths) == FRAMES
        for depth, expected in zip(depths, reference, strict=True):
            np.testing.assert_allclose(depth, expected, rtol=tolerance)


def test_depth_is_compressed_as_image_transport_does(
    bag: Path, tmp_path: Path, process: Process
) -> None:
    assert process(bag, tmp_path / "raw", "--outputs", "depth") == 0
    options = ("--outputs", "depth,confidence", "--compress-depth", "--outputs-only")
    assert process(bag, tmp_path / "out", *options) == 0
    with BagReader(tmp_path / "out") as reader:
        topics = {topic.name: topic.count for topic in reader.topics.values()}
    assert topics == {"/tf_static": 1, "/depth/image/compressedDepth": FRAMES}
    expected = _messages(tmp_path / "raw", "/depth/image")
    found = _messages(tmp_path / "out", "/depth/image/compressedDepth")
    for raw, compressed in zip(expected, found, strict=True):
        assert header_stamp(compressed) == header_stamp(raw)
        assert compressed.header.frame_id == raw.header.frame_id
        assert compressed.format == "32FC1; compressedDepth png"
        np.testing.assert_allclose(depth_array(compressed), depth_array(raw), rtol=80 / 20000)


# --- bad input ----------------------------------------------------------------------------------


def test_without_calibration_there_is_an_error_or_unscaled_depth(
    bag: Path, tmp_path: Path, process: Process, capsys: pytest.CaptureFixture[str]
) -> None:
    with BagReader(bag) as reader, BagWriter(tmp_path / "in") as writer:
        writer.add_topic(IMAGE_TOPIC, IMAGE)
        for raw in reader.messages([IMAGE_TOPIC]):
            writer.write_raw(IMAGE_TOPIC, raw.stamp, raw.data)
    out = tmp_path / "out"
    assert process(tmp_path / "in", out) == 2
    assert f"has no camera_info for {IMAGE_TOPIC}" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["in"]
    assert process(tmp_path / "in", out, "--uncalibrated") == 0
    with BagReader(out) as reader:
        assert "/depth/image" in reader.topics
        assert not {"/points", "/depth/camera_info"} & set(reader.topics)


def _with_other_calibration(bag: Path, out: Path, change: Callable[[Any], None]) -> None:
    """Write a bag's images and their CameraInfo again, each of those changed."""
    _changed(bag, out, INFO_TOPIC, change)


def _changed(bag: Path, out: Path, topic: str, change: Callable[[Any], None]) -> None:
    """Write a bag's images and their CameraInfo again, each message of one topic changed."""
    with BagReader(bag) as reader, BagWriter(out) as writer:
        for name in (IMAGE_TOPIC, INFO_TOPIC):
            writer.add_topic(name, reader.topics[name].type)
        for raw in reader.messages([IMAGE_TOPIC, INFO_TOPIC]):
            message = reader.decode(raw)
            if raw.topic == topic:
                change(message)
            writer.write(raw.topic, raw.stamp, message)


def _uncalibrate(info: Any) -> None:
    """Make a CameraInfo that of a driver without calibration."""
    info.p, info.k = np.zeros(12), np.zeros(9)


def test_zero_calibration_is_an_error(
    bag: Path, tmp_path: Path, process: Process, capsys: pytest.CaptureFixture[str]
) -> None:
    _with_other_calibration(bag, tmp_path / "in", _uncalibrate)
    assert process(tmp_path / "in", tmp_path / "out") == 2
    error = capsys.readouterr().err
    assert "no calibration: its projection matrix P is zero; --uncalibrated does without" in error
    assert process(tmp_path / "in", tmp_path / "out", "--uncalibrated") == 0


def test_a_calibration_of_another_camera_is_named(
    bag: Path, tmp_path: Path, process: Process, capsys: pytest.CaptureFixture[str]
) -> None:
    """It may be of the same size: nothing else gives it away."""
    right = "camera_color_right"
    _with_other_calibration(
        bag, tmp_path / "in", lambda info: setattr(info.header, "frame_id", right)
    )
    said = f"{INFO_TOPIC}: it is of '{right}', the images on {IMAGE_TOPIC} of"
    assert process(tmp_path / "in", tmp_path / "out") == 0
    assert capsys.readouterr().out.count(said) == 1
    assert process(bag, tmp_path / "other") == 0
    assert "it is of" not in capsys.readouterr().out


def test_several_images_go_through_at_once(
    bag: Path, tmp_path: Path, process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a GPU by itself; all is as it is one by one, but for rounding."""
    alone, batched, broken = tmp_path / "alone", tmp_path / "batched", tmp_path / "broken"
    assert process(bag, alone) == 0
    counts: list[int] = []

    def recording(requests: Any) -> Any:
        counts.append(len(requests))
        return predict_requests(requests)

    monkeypatch.setattr(together, "predict_requests", recording)
    assert process(bag, batched, "--batch", "3") == 0
    assert counts == [3, 3, 2]
    with BagReader(alone) as one, BagReader(batched) as other:
        assert [(m.topic, m.stamp) for m in other.messages()] == [
            (m.topic, m.stamp) for m in one.messages()
        ]
    for found, expected in zip(
        _messages(batched, "/depth/image"), _messages(alone, "/depth/image"), strict=True
    ):
        assert header_stamp(found) == header_stamp(expected)
        np.testing.assert_allclose(depth_array(found), depth_array(expected), rtol=1e-4)

    def refuse(_: Any) -> Any:
        raise HmaDepthError("one of them is bad")

    monkeypatch.setattr(together, "predict_requests", refuse)
    assert process(bag, broken, "--batch", "3") == 0
    for found, expected in zip(
        _messages(broken, "/depth/image"), _messages(alone, "/depth/image"), strict=True
    ):
        np.testing.assert_array_equal(depth_array(found), depth_array(expected), "one by one")


def test_a_bad_image_is_left_out_and_told(
    bag: Path, tmp_path: Path, process: Process, capsys: pytest.CaptureFixture[str]
) -> None:
    with BagReader(bag) as reader, BagWriter(tmp_path / "in") as writer:
        for topic in (IMAGE_TOPIC, INFO_TOPIC):
            writer.add_topic(topic, reader.topics[topic].type)
        for number, raw in enumerate(reader.messages([IMAGE_TOPIC, INFO_TOPIC])):
            message = reader.decode(raw)
            if number == 6:
                message.data = message.data[:-200]
            writer.write(raw.topic, raw.stamp, message)
    for name, options, status in (("out", (), 1), ("allowed", ("--allow-partial",), 0)):
        out = tmp_path / name
        assert process(tmp_path / "in", out, "--part", "0.1", *options) == status
        said = capsys.readouterr().out
        assert f"left out: {IMAGE_TOPIC} at 1317042145.300000000: 124x38 bgr8 needs" in said
        assert f"\n{FRAMES - 1} images in " in said
        assert f"{out}: 1 images have no depth" in said
        assert len(_messages(out, "/depth/image")) == FRAMES - 1
        assert len(_messages(out, IMAGE_TOPIC)) == FRAMES


def test_what_an_interrupted_run_left_out_is_told_by_the_one_that_ends_it(
    bag: Path, tmp_path: Path, process: Process, capsys: pytest.CaptureFixture[str]
) -> None:
    """Otherwise its status would be that of a bag with depth for every image."""
    with BagReader(bag) as reader, BagWriter(tmp_path / "in") as writer:
        for topic in (IMAGE_TOPIC, INFO_TOPIC):
            writer.add_topic(topic, reader.topics[topic].type)
        for number, raw in enumerate(reader.messages([IMAGE_TOPIC, INFO_TOPIC])):
            writer.write_raw(raw.topic, raw.stamp, raw.data[:10] if number == 2 else raw.data)
    with pytest.MonkeyPatch.context() as patch:
        made = BagProcess.make

        def make(self: BagProcess, index: int, *arguments: Any, **options: Any) -> None:
            if index == 2:
                raise KeyboardInterrupt
            made(self, index, *arguments, **options)

        patch.setattr(BagProcess, "make", make)
        with pytest.raises(KeyboardInterrupt):
            process(tmp_path / "in", tmp_path / "out", "--part", "0.1")
    capsys.readouterr()
    assert process(tmp_path / "in", tmp_path / "out", "--part", "0.1") == 1
    said = capsys.readouterr().out
    assert "left out: " not in said
    assert f"{tmp_path / 'out'}: 1 images have no depth" in said


def test_a_bag_without_a_usable_image_is_refused(
    bag: Path, tmp_path: Path, process: Process, capsys: pytest.CaptureFixture[str]
) -> None:
    def cut(image: Any) -> None:
        image.data = image.data[:-200]

    _changed(bag, tmp_path / "in", IMAGE_TOPIC, cut)
    for _ in range(2):
        assert process(tmp_path / "in", tmp_path / "out") == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert "out is not written, for no image can be used: " in line
        assert f"{IMAGE_TOPIC} at 1317042145.000000000: 124x38 bgr8 needs" in line
        assert [path.name for path in tmp_path.iterdir()] == ["in"]


@pytest.mark.parametrize("both", [False, True])
def test_a_camera_whose_calibration_is_bad_spoils_no_other(
    bag: Path, tmp_path: Path, process: Process, capsys: pytest.CaptureFixture[str], both: bool
) -> None:
    with BagReader(bag) as reader, BagWriter(tmp_path / "in") as writer:
        for side in ("left", "right"):
            writer.add_topic(f"/{side}/image_raw", IMAGE)
            writer.add_topic(f"/{side}/camera_info", CAMERA_INFO)
        for raw in reader.messages([IMAGE_TOPIC, INFO_TOPIC]):
            content = reader.decode(raw)
            name = "image_raw" if raw.topic == IMAGE_TOPIC else "camera_info"
            for side in ("right", "left"):
                if name == "camera_info" and (side == "left" or both):
                    _uncalibrate(content)
                writer.write(f"/{side}/{name}", raw.stamp, content)
    options = ("--outputs", "depth", "--outputs-only")
    zero = "camera_info has no calibration: its projection matrix P is zero"
    assert process(tmp_path / "in", tmp_path / "out", *options) == (2 if both else 0)
    said = capsys.readouterr()
    if both:
        assert f"in: /left/image_raw: {zero}; --uncalibrated does without" in said.err
        return
    assert f"no cameras: /left/image_raw ({zero})" in said.out
    with BagReader(tmp_path / "out") as reader:
        assert {t.name: t.count for t in reader.topics.values()} == {"/depth/image": FRAMES}


def test_a_distortion_is_told(
    bag: Path, tmp_path: Path, process: Process, capsys: pytest.CaptureFixture[str]
) -> None:
    def distort(info: Any) -> None:
        info.distortion_model, info.d = "equidistant", np.array([0.1, 0, 0, 0])

    _with_other_calibration(bag, tmp_path / "in", distort)
    options = ("--outputs", "depth", "--outputs-only")
    assert process(tmp_path / "in", tmp_path / "out", *options) == 0
    said = capsys.readouterr().out
    assert (
        f"{INFO_TOPIC}: it has a distortion (equidistant): if the images on {IMAGE_TOPIC}" in said
    )
    assert process(bag, tmp_path / "plain", *options) == 0
    assert "has a distortion" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "wrong",
    [
        (["--image-topic", "/picture"], f"has no topic /picture; topics with .*: .*{IMAGE_TOPIC}"),
        (["--image-topic", "/tf_static"], "has tf2_msgs/msg/TFMessage on /tf_static"),
        (["--camera-info-topic", IMAGE_TOPIC], f"has sensor_msgs/msg/Image on {IMAGE_TOPIC}"),
        (["--region", "0,0,999,38"], "region 999x38 .* is not inside"),
        (["--engine", "onnxruntime", "--precision", "bf16"], "not bf16 here"),
    ],
)
def test_wrong_requests_are_explained(
    bag: Path,
    tmp_path: Path,
    process: Process,
    capsys: pytest.CaptureFixture[str],
    wrong: tuple[list[str], str],
) -> None:
    arguments, complaint = wrong
    assert process(bag, tmp_path / "out", *arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert re.search(complaint, line)
    assert not (tmp_path / "out").exists()
    # What led to nothing is in nobody's way.
    assert process(bag, tmp_path / "out", "--outputs", "depth") == 0
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_processed_bag_is_not_processed_into_itself(
    bag: Path, tmp_path: Path, process: Process, capsys: pytest.CaptureFixture[str]
) -> None:
    first = tmp_path / "first"
    assert process(bag, first, "--outputs", "depth") == 0
    assert process(bag, first) == 2
    assert "first exists already" in capsys.readouterr().err
    assert process(first, tmp_path / "second") == 2
    assert "has a topic /depth/image already; choose other names with --namespace" in (
        capsys.readouterr().err
    )
    assert process(first, tmp_path / "second", "--namespace", "again", "--outputs", "depth") == 0
    with BagReader(tmp_path / "second") as reader:
        assert reader.topics["/again/depth/image"].count == FRAMES


def test_a_full_disk_is_named_and_loses_nothing(
    bag: Path,
    tmp_path: Path,
    process: Process,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write, written = BagWriter.write_raw, [0]

    def full(self: BagWriter, topic: str, stamp: int, cdr: bytes | memoryview) -> None:
        written[0] += topic == "/depth/image"
        with self._disk_errors():
            if written[0] > 5:
                raise OSError(28, "No space left on device")
        write(self, topic, stamp, cdr)

    options = ("--part", "0.2", "--outputs", "depth")
    monkeypatch.setattr(BagWriter, "write_raw", full)
    assert process(bag, tmp_path / "out", *options) == 2
    assert "No space left on device" in capsys.readouterr().err
    unfinished = tmp_path / ".out.unfinished"
    assert sorted(p.name for p in unfinished.iterdir() if p.is_dir()) == ["out_0", "out_1"]
    monkeypatch.undo()
    assert process(bag, tmp_path / "out", *options) == 0
    assert "4 were there already" in capsys.readouterr().out
    assert len(_messages(tmp_path / "out", "/depth/image")) == FRAMES


def test_silence_costs_nothing(
    bag: Path, tmp_path: Path, process: Process, capsys: pytest.CaptureFixture[str]
) -> None:
    """A recorder that began before the clock was set, and another drive a week later."""
    week = 7 * 86_400 * 10**9
    with BagReader(bag) as reader, BagWriter(tmp_path / "in") as writer:
        for topic in (IMAGE_TOPIC, INFO_TOPIC):
            writer.add_topic(topic, reader.topics[topic].type)
        (info, *_), images = (list(reader.messages([t])) for t in (INFO_TOPIC, IMAGE_TOPIC))
        writer.write_raw(INFO_TOPIC, 3 * 10**9, info.data)
        for number, raw in enumerate(images):
            stamp = raw.stamp + week * (number >= 4)
            writer.write_raw(IMAGE_TOPIC, stamp, raw.data)
    out = tmp_path / "out"
    assert process(tmp_path / "in", out, "--outputs", "depth") == 0
    assert len(list(out.glob("*.mcap"))) == 3
    assert len(_messages(out, "/depth/image")) == FRAMES
    # Half a second of images twice, and what is said of the speed is of that.
    seconds, times = re.findall(r"in ([\d.]+) s: .*, ([\d.]+) times", capsys.readouterr().out)[0]
    assert float(seconds) * float(times) < 5
    assert process(bag, tmp_path / "reference", "--outputs", "depth") == 0
    for found, expected in zip(
        *(_messages(tmp_path / name, "/depth/image") for name in ("out", "reference")), strict=True
    ):
        np.testing.assert_array_equal(depth_array(found), depth_array(expected))


def test_pictures_of_one_namespace_get_names_of_their_own(
    bag: Path, tmp_path: Path, process: Process, capsys: pytest.CaptureFixture[str]
) -> None:
    topics = ("/eye/image_raw", "/eye/image_rect")
    with BagReader(bag) as reader, BagWriter(tmp_path / "in") as writer:
        writer.add_topic("/eye/camera_info", CAMERA_INFO)
        for topic in topics:
            writer.add_topic(topic, IMAGE)
        for raw in reader.messages([IMAGE_TOPIC, INFO_TOPIC]):
            for topic in topics if raw.topic == IMAGE_TOPIC else ("/eye/camera_info",):
                writer.write_raw(topic, raw.stamp, raw.data)
    out = tmp_path / "out"
    assert process(tmp_path / "in", out, "--outputs", "depth,camera_info", "--outputs-only") == 0
    assert "may be pictures of one camera" in capsys.readouterr().out
    with BagReader(out) as reader:
        assert {t.name: t.count for t in reader.topics.values()} == {
            f"{topic}/depth/{name}": FRAMES for topic in topics for name in ("image", "camera_info")
        }


def test_damaged_messages_and_images_without_calibration_spoil_nothing(
    bag: Path, tmp_path: Path, process: Process, capsys: pytest.CaptureFixture[str]
) -> None:
    with BagReader(bag) as reader, BagWriter(tmp_path / "in") as writer:
        for topic in (IMAGE_TOPIC, INFO_TOPIC, "/broken", "/detector/drawn"):
            writer.add_topic(topic, CAMERA_INFO if topic == INFO_TOPIC else IMAGE)
        for number, raw in enumerate(reader.messages([IMAGE_TOPIC, INFO_TOPIC])):
            if raw.topic == IMAGE_TOPIC:
                writer.write_raw("/broken", raw.stamp, raw.data[:9])
                writer.write_raw("/detector/drawn", raw.stamp, raw.data)
            writer.write_raw(raw.topic, raw.stamp, raw.data[:10] if number < 4 else raw.data)
    out = tmp_path / "out"
    options = ("--outputs", "depth", "--outputs-only")
    assert process(tmp_path / "in", out, *options) == 1
    said = capsys.readouterr().out
    assert f"damaged sensor_msgs/msg/Image on {IMAGE_TOPIC}" in said
    assert "/broken (no whole image), /detector/drawn (pictures without camera_info)" in said
    assert said.count(f"left out: {IMAGE_TOPIC} at ") == 2
    with BagReader(out) as reader:
        assert {t.name: t.count for t in reader.topics.values()} == {"/depth/image": FRAMES - 2}


def test_depth_topics_are_no_cameras(tmp_path: Path, process: Process) -> None:
    with BagWriter(tmp_path / "in") as writer:
        writer.add_topic("/cam/depth_ground_truth", IMAGE)
        depth = np.ones((4, 6), np.float32)
        message = image_message(depth, "32FC1", stamp=1, frame="a")
        writer.write("/cam/depth_ground_truth", 1, message)
    assert process(tmp_path / "in", tmp_path / "out") == 2
