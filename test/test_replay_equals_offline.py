"""What the node publishes is what the evaluation tool scores, to the bit.

A drive becomes a bag, the bag is replayed over DDS to a node in lockstep, what it publishes is
recorded, and `evaluate_bag` scores the recording; `process_bag` makes the same without ROS. Both
must give the figures of `evaluate_kitti`, which reads the drive's own files, and the same pixels.

Everything that may differ is pinned: PyTorch in fp32 on one CPU thread.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from hma_depth_ros.bags.kitti.dialect import KITTI2BAG
from hma_depth_ros.bags.kitti.drive_bag import open_recording, write_kitti_bag
from hma_depth_ros.bags.reader import BagReader
from hma_depth_ros.cli import run_command
from hma_depth_ros.geometry.window import kitti_crop
from hma_depth_ros.messages.depth_image import depth_array
from hma_depth_ros.messages.stamps import header_stamp
from hma_depth_ros.messages.types import IMAGE
from hma_depth_ros.synthetic.kitti_writer import write_kitti_drive
from hma_depth_ros.synthetic.synthetic_drive import CAMERA, KITTI_CAMERA, SyntheticDrive

pytest.importorskip("rclpy")

#: Seconds in which the node starts on a busy machine.
_START = 100.0
#: Seconds after which DDS repeats an announcement that was lost, and a bit.
_DDS_PERIOD = 3.2

Figures = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Case:
    """A drive, and what is to agree."""

    root: Path  #: for evaluate_kitti
    drive: Path
    annotated: Path
    protocols: str
    region: tuple[int, int, int, int] | None  #: left, top, width, height
    view: str  #: folder of evaluate_kitti's predictions


@pytest.fixture(scope="module")
def synthetic(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """A street, small, of which the network sees the whole."""
    root = tmp_path_factory.mktemp("street")
    camera = KITTI_CAMERA.resize(width=410, height=124)
    drive = SyntheticDrive(seed=3, frames=6, camera=camera, sampling=1)
    written = write_kitti_drive(drive, root)
    annotated = written.annotated_root
    assert annotated is not None
    return Case(root, written.folder, annotated, "full", None, "whole_image")


@pytest.fixture(scope="module")
def real(real_data: Path) -> Case:
    """KITTI's frames, PNG and JPEG, of which the network sees the crop as the paper's tables do."""
    drive = real_data / "kitti_raw" / "2011_09_26" / "2011_09_26_drive_0001_sync"
    if not drive.is_dir():
        pytest.skip(f"no real drive at {drive}")
    height, width = KITTI_CAMERA.height, KITTI_CAMERA.width
    crop = kitti_crop(height, width)
    rows, columns = crop.shape
    return Case(
        real_data,
        drive,
        real_data / "data_depth_annotated",
        "bts,kb_garg,eigen,benchmark",
        (crop.left, crop.top, columns, rows),
        "",
    )


@pytest.fixture(scope="module", params=["synthetic", "real"])
def case(request: pytest.FixtureRequest) -> Case:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Case)
    return found


@pytest.fixture(scope="module")
def bag(case: Case, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("bag") / "drive"
    write_kitti_bag(open_recording(case.drive, annotated_root=case.annotated), out)
    return out


@pytest.fixture(scope="module")
def offline(case: Case, tmp_path_factory: pytest.TempPathFactory) -> tuple[Figures, Path]:
    """Figures of evaluate_kitti, and the folder of its predictions."""
    folder = tmp_path_factory.mktemp("offline")
    split = folder / "split.txt"
    _run("make_split", "--data", case.root, "--output", split)
    _run(
        *("evaluate_kitti", "--data", case.root, "--split", split, "--device", "cpu"),
        *("--protocols", case.protocols, "--caps", "80,50", "--json", folder / "kitti.json"),
        *("--predictions-dir", folder / "predictions"),
    )
    return _figures(folder / "kitti.json"), folder / "predictions" / case.view


def _run(command: str, *arguments: object) -> None:
    assert run_command(command, list(map(str, arguments))) == 0


def _figures(path: Path) -> Figures:
    figures: Figures = json.loads(path.read_text())
    del figures["run"]
    return figures


def _score(depth_bag: Path, bag: Path, case: Case, out: Path) -> Figures:
    truth = KITTI2BAG.ground_truth_topic(CAMERA)
    _run(
        *("evaluate_bag", depth_bag, "--ground-truth-bag", bag, "--ground-truth-topic", truth),
        *("--protocols", case.protocols, "--caps", "80,50", "--json", out),
    )
    return _figures(out)


def _assert_same(found: Figures, expected: Figures) -> None:
    """Frames have other names, but the same order."""
    assert found.keys() == expected.keys()
    for key, figures in expected.items():
        per_image = [list(metrics.values()) for metrics in figures["per_image"].values()]
        ours = [list(metrics.values()) for metrics in found[key]["per_image"].values()]
        assert len(per_image) >= 6
        np.testing.assert_allclose(ours, per_image, rtol=0, atol=1e-5, err_msg=key)
        assert found[key]["pixels"] == figures["pixels"]
        for name, mean in figures["mean"].items():
            assert found[key]["mean"][name] == pytest.approx(mean, abs=1e-5), (key, name)


def _depths(depth_bag: Path) -> dict[int, npt.NDArray[np.float32]]:
    with BagReader(depth_bag) as reader:
        images = [reader.decode(raw) for raw in reader.messages(["/depth/image"])]
    return {header_stamp(image): depth_array(image) for image in images}


def _replayed(case: Case, bag: Path, out: Path) -> None:
    """Replay the bag to a node in lockstep; record its depth. Three processes over real DDS."""
    from hma_depth_ros.demo.children import Children
    from hma_depth_ros.demo.environment import free_domain, isolated_environment

    program = (sys.executable, "-m", "hma_depth_ros")
    image, info = KITTI2BAG.image_topic(CAMERA), KITTI2BAG.camera_info_topic(CAMERA)
    parameters = ["device:=cpu", "engine:=torch", "precision:=fp32", "threads:=1", "lockstep:=true"]
    if case.region is not None:
        parameters.append(f"region:=[{','.join(map(str, case.region))}]")
    flags = [word for parameter in parameters for word in ("-p", parameter)]
    with BagReader(bag) as reader:
        images = reader.topics[image].count
    logs = out.parent / "logs"
    environment = isolated_environment(free_domain(), logs / "ros")
    with Children(logs, environment) as children:

        def until(done: Callable[[], bool]) -> None:
            deadline = time.monotonic() + _START
            while not done():
                children.check()
                assert time.monotonic() < deadline, "too slow"
                time.sleep(0.05)

        children.start(
            "node",
            [
                *program,
                "depth_node",
                *("--ros-args", "-r", f"image:={image}", "-r", f"camera_info:={info}", *flags),
            ],
        )
        recorder = children.start(
            "recorder",
            [
                *(*program, "record_bag", f"/depth/image:{IMAGE}", "--output", str(out)),
                *("--max-messages", str(images)),
            ],
        )
        until(lambda: recorder.has_said("recording"))
        time.sleep(_DDS_PERIOD)  # the node must know the recorder, too
        replayer = children.start(
            "replayer",
            [
                *(*program, "replay_bag", str(bag), "--rate", "1000", "--topics", image, info),
                *("--lockstep", "/depth/image", "--wait-for-subscribers", image, info),
            ],
        )
        until(lambda: replayer.status == 0)
        until(lambda: recorder.status == 0)


@pytest.fixture(scope="module")
def processed(case: Case, bag: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("processed") / "depth"
    region = [] if case.region is None else ["--region", ",".join(map(str, case.region))]
    _run(
        *("process_bag", bag, out, "--device", "cpu", "--threads", 1, "--precision", "fp32"),
        *("--outputs", "depth", "--part", "0.4", *region),
    )
    return out


@pytest.fixture(scope="module")
def replayed(case: Case, bag: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("replayed") / "depth"
    _replayed(case, bag, out)
    return out


@pytest.mark.parametrize("way", ["processed", "replayed"])
def test_figures_and_pixels_are_those_of_the_evaluation_tool(
    way: str, request: pytest.FixtureRequest, case: Case, offline: tuple[Figures, Path]
) -> None:
    depth_bag: Path = request.getfixturevalue(way)
    expected, predictions = offline
    bag: Path = request.getfixturevalue("bag")
    found = _score(depth_bag, bag, case, depth_bag.parent / "figures.json")
    _assert_same(found, expected)

    depths = _depths(depth_bag)
    drive = open_recording(case.drive)
    stream = drive.images(CAMERA)
    assert sorted(depths) == [stream.stamp(frame) for frame in stream.frames]
    files = sorted(predictions.glob("*.npy"))
    assert len(files) >= 6
    for file in files:
        depth = depths[stream.stamp(int(file.stem[-10:]))]
        if case.region is not None:
            seen = kitti_crop(*depth.shape)
            assert np.isnan(depth).sum() == depth.size - seen.of(depth).size
            depth = seen.of(depth)
        np.testing.assert_array_equal(depth, np.load(file), strict=True)
        assert np.ptp(depth) > 5
