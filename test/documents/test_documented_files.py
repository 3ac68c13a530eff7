"""Lines of the documents that make files of files, on small files of the names that they have."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import h5py
import numpy as np
import pytest
from scipy.io import savemat

from hma_depth_ros.bags.reader import BagReader
from hma_depth_ros.cli import run
from hma_depth_ros.data.depth.depth_png import write_depth_png
from hma_depth_ros.data.image_file import write_png
from hma_depth_ros.data.kitti.calibration import KittiCalibration
from hma_depth_ros.data.kitti.drive import KittiDrive
from hma_depth_ros.data.nyu.layout import image_path
from hma_depth_ros.inference.engines.model_file import read_model_info

from .documented import REPOSITORY, blocks_run_by, commands

LAYOUT = REPOSITORY / "config" / "depth.foxglove.json"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder as the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run_all(
    page: str,
    capsys: pytest.CaptureFixture[str],
    *,
    more: Sequence[str] = (),
    after: Callable[[int], None] = lambda number: None,
) -> list[str]:
    """Run the commands of a page's blocks, with further options; their names.

    Args:
        page: of docs/.
        capsys: for what a command that fails says.
        more: options behind the page's.
        after: is called with the number of each command that has run.

    """
    names: list[str] = []
    for block in blocks_run_by(__file__, page):
        for words in commands(block.text):
            assert run([*words, *more]) == 0, (words, capsys.readouterr().err)
            after(len(names))
            names.append(words[0])
    return names


# --- engines.md ---


@pytest.fixture
def list_of_frames(here: Path) -> None:
    """frames.txt: six small images, four of them with ground truth of 12 m."""
    random = np.random.default_rng(0)
    lines = []
    for number in range(6):
        small = random.integers(0, 256, (8, 12, 3), dtype=np.uint8)
        write_png(here / f"{number}.png", cv2.resize(small, (96, 64)))
        depth = f"{number}_depth.png" if number < 4 else "None"
        if number < 4:
            write_depth_png(here / depth, np.full((64, 96), 12, np.float32))
        lines.append(f"{number}.png {depth} 100.0\n")
    (here / "frames.txt").write_text("".join(lines))


@pytest.mark.long  # int8 takes half a minute
@pytest.mark.usefixtures("list_of_frames")
def test_exports(here: Path, capsys: pytest.CaptureFixture[str]):
    pytest.importorskip("nncf")
    import torch

    from hma_depth_ros.network.checkpoint import CheckpointInfo, Preprocessing, save_checkpoint
    from hma_depth_ros.network.model import HmaDepth
    from hma_depth_ros.network.model_config import ModelConfig

    config = ModelConfig("test_efficientnet", (128, 64, 16, 8, 8), aspp_channels=16)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = HmaDepth(config)
    info = CheckpointInfo(config, Preprocessing())
    save_checkpoint(here / "model.safetensors", model, info)
    assert run_all("engines.md", capsys) == ["export"] * 3
    for name in ("model.onnx", "model.xml", "int8.xml"):
        assert read_model_info(here / name).model == config


# --- datasets.md ---


def test_nyu_depth_v2(here: Path, tiny_checkpoint: Path, capsys: pytest.CaptureFixture[str]):
    """A file of three frames in the form of the labelled one."""
    scenes = ("kitchen", "office", "living_room")
    random = np.random.default_rng(0)
    with h5py.File(here / "nyu_depth_v2_labeled.mat", "w") as file:
        file["images"] = random.integers(0, 256, (3, 3, 640, 480), dtype=np.uint8)
        ramp = np.linspace(1, 4, 640, dtype=np.float32)
        file["rawDepths"] = np.tile(ramp[None, :, None], (3, 1, 480))
        cells = file.create_dataset("sceneTypes", (1, 3), dtype=h5py.ref_dtype)
        for number, scene in enumerate(scenes):
            codes = np.array([[ord(letter)] for letter in scene], np.uint16)
            cells[0, number] = file.create_dataset(f"#refs#/{number}", data=codes).ref
    savemat(here / "splits.mat", {"trainNdxs": [[2]], "testNdxs": [[1], [3]]})
    shutil.copy(tiny_checkpoint, here / "FILE")
    assert run_all("datasets.md", capsys) == ["extract_nyu", "evaluate_nyu"]
    assert (here / "ROOT" / image_path("kitchen", 0)).is_file()
    assert "nyu_cap10" in capsys.readouterr().out


# --- bags.md ---


def write_sequence(folder: Path) -> None:
    """Two frames of the odometry benchmark, with the left colour camera."""
    calibration = KittiCalibration.standard()
    lines = []
    for camera in range(4):
        p = calibration.calibration(camera).P_rect
        lines.append(f"P{camera}: {' '.join(f'{v:.12e}' for v in p.ravel())}\n")
    transform = calibration.velodyne_to_camera(0)[:3]
    lines.append(f"Tr: {' '.join(f'{v:.12e}' for v in transform.ravel())}\n")
    (folder / "image_2").mkdir(parents=True)
    for frame in range(2):
        cv2.imwrite(
            str(folder / "image_2" / f"{frame:06}.png"), np.full((37, 124, 3), 90, np.uint8)
        )
    (folder / "calib.txt").write_text("".join(lines))
    (folder / "times.txt").write_text("0.000000e+00\n1.036224e-01\n")


def test_drives_and_sequences_as_bags(
    here: Path, drive: KittiDrive, capsys: pytest.CaptureFixture[str]
):
    root = drive.folder.parent.parent
    for folder in root.rglob(drive.folder.name):
        place = here / "ROOT" / folder.relative_to(root).with_name("2011_09_26_drive_0001_sync")
        shutil.copytree(folder, place)
    for calibration in drive.folder.parent.glob("*.txt"):
        shutil.copy(calibration, here / "ROOT" / "2011_09_26")
    (here / "data_depth_annotated").symlink_to(here / "ROOT")
    write_sequence(here / "ROOT" / "sequences" / "00")
    topics = []

    def keep(_: int) -> None:
        with BagReader(here / "BAG") as out:
            topics.append(set(out.topics))
        shutil.rmtree(here / "BAG")

    assert run_all("bags.md", capsys, after=keep) == ["kitti_to_bag"] * 2
    assert "/kitti/camera_color_left/depth_ground_truth" in topics[0]
    assert "/kitti/camera_color_left/image_rect" in topics[1], "as the page has it"


# --- degraded_modes.md ---


@pytest.mark.parametrize(("modes", "slow"), [("none", 0), ("stale, uncalibrated", 1)])
def test_a_program_that_reads_the_diagnostics(modes: str, slow: int):
    (block,) = blocks_run_by(__file__, "degraded_modes.md")
    slowed: list[None] = []
    ok, error = b"\x00", b"\x02"
    status = SimpleNamespace(
        level=error if slow else ok, values=[SimpleNamespace(key="modes", value=modes)]
    )
    names: dict[str, Any] = {
        "status": status,
        "DiagnosticStatus": SimpleNamespace(OK=ok),
        "slow_down": lambda: slowed.append(None),
    }
    exec(block.text, names)
    assert names["usable"] is (not slow)
    assert len(slowed) == slow


# --- viewing.md ---


def drawn(panels: dict[str, Any]) -> dict[str, str]:
    """Topics of Foxglove's layout, with the kind of message that the panel draws."""
    pictures = (panel["imageMode"] for panel in panels.values() if "imageMode" in panel)
    found = {mode["imageTopic"]: "sensor_msgs/msg/Image" for mode in pictures}
    (world,) = (panel for panel in panels.values() if "topics" in panel)
    for topic, settings in world["topics"].items():
        cloud = "pointSize" in settings
        found[topic] = f"sensor_msgs/msg/{'PointCloud2' if cloud else 'CameraInfo'}"
    return found


def test_every_panel_of_foxglove_s_layout_has_something_to_show(
    here: Path, bag: Path, uncertain_checkpoint: Path, capsys: pytest.CaptureFixture[str]
):
    """Of a bag that was made as the page says: topics, types, values, colours and frames."""
    (here / "IN").symlink_to(bag)
    small = ["--checkpoint", str(uncertain_checkpoint), "--device", "cpu"]
    assert run_all("viewing.md", capsys, more=small) == ["process_bag"]

    panels = json.loads(LAYOUT.read_text(encoding="utf-8"))["configById"]
    (world,) = (panel for panel in panels.values() if "topics" in panel)
    with BagReader(here / "OUT") as out:
        assert {t: out.topics[t].type for t in drawn(panels)} == drawn(panels)
        assert all(out.topics[topic].count for topic in drawn(panels))
        for panel in panels.values():
            if (mode := panel.get("imageMode")) is None:
                continue
            image = out.first(mode["imageTopic"])
            # Foxglove draws colours as they are, and needs limits for numbers.
            if "colorMode" not in mode:
                assert image.encoding in {"rgb8", "bgr8"}
                continue
            assert image.encoding == "32FC1"
            values = image.data.view(np.float32)
            assert mode["minValue"] <= values.min() < values.max() <= mode["maxValue"]
        for topic, settings in world["topics"].items():
            if settings.get("colorMode") == "rgb":
                assert settings["colorField"] in {f.name for f in out.first(topic).fields}
        transforms = out.first("/tf_static").transforms
        assert world["followTf"] in {t.header.frame_id for t in transforms}
        diagnostics = [p["topicToRender"] for p in panels.values() if "topicToRender" in p]
        assert diagnostics == ["/diagnostics"], "the running node's"
