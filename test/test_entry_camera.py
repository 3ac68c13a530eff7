"""Lists that give a whole camera, and the camera of those that give the focal length alone."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hma_depth_ros.cli import run
from hma_depth_ros.data.depth.depth_png import write_depth_png
from hma_depth_ros.data.image_file import image_size, write_png
from hma_depth_ros.data.kitti.calibration import KittiCalibration
from hma_depth_ros.data.splits.entry_camera import entry_camera
from hma_depth_ros.data.splits.located_split import read_training_split
from hma_depth_ros.data.splits.split_file import SplitEntry, read_split, write_split
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.evaluation.dataset_rules import KITTI
from hma_depth_ros.evaluation.quick_error import ErrorMeasure, validate
from hma_depth_ros.geometry.camera import Intrinsics, PinholeCamera
from hma_depth_ros.inference.prediction import Prediction
from hma_depth_ros.inference.predictor import DepthPredictor

DAY, DRIVE = "2011_09_26", "2011_09_26_drive_0001_sync"
OFFICIAL = KittiCalibration.standard().camera(2)
FX = round(OFFICIAL.fx, 4)
#: Of an image as high and wide as KITTI's, and no one's camera.
LISTED = Intrinsics(700.0, 690.0, 500.25, 130.5)
CROP_LEFT, CROP_TOP = (1242 - 1216) // 2, 375 - 352


# --- lists --------------------------------------------------------------------------------------


def test_three_and_six_columns_are_read_and_written(tmp_path: Path):
    path = tmp_path / "list.txt"
    path.write_text("a.png None 700\nb.png None 700 690 500.25 130.5\n")
    entries = read_split(path, Path())
    assert entries == [
        SplitEntry(Path("a.png"), None, 700.0),
        SplitEntry(Path("b.png"), None, 700.0, LISTED),
    ]
    write_split(tmp_path / "again.txt", entries)
    assert read_split(tmp_path / "again.txt", Path()) == entries
    assert (tmp_path / "again.txt").read_text().splitlines() == [
        "a.png None 700.0000",
        "b.png None 700.0000 690.0000 500.2500 130.5000",
    ]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ("", "expected 'image depth focal' or 'image depth fx fy cx cy', 2 columns found"),
        ("700 690", "expected 'image depth focal' or 'image depth fx fy cx cy', 4 columns found"),
        ("700 690 5 5 5", "fx fy cx cy', 7 columns found"),
        ("700 690 5 here", "expected numbers of pixels, found '700 690 5 here'"),
        ("0 690 5 5", "0 is no focal length"),
        ("700 -1 5 5", "not a pinhole camera: fx=700.0, fy=-1.0"),
        ("700 690 nan 5", "cx=nan"),
        ("700 690 5 inf", "cy=inf"),
    ],
)
def test_what_is_no_camera_is_refused_with_its_line(tmp_path: Path, columns: str, message: str):
    path = tmp_path / "list.txt"
    path.write_text(f"a.png None 700\na.png None {columns}\n")
    with pytest.raises(HmaDepthError, match=f"list.txt, line 2: .*{re.escape(message)}"):
        read_split(path, Path())


# --- the camera of an entry ---------------------------------------------------------------------


def raw_image(root: Path, size: tuple[int, int] = (375, 1242), camera: int = 2) -> Path:
    """A frame of KITTI's raw layout with the calibration of its day; size is (H, W)."""
    if not (root / DAY).exists():
        KittiCalibration.standard().write(root / DAY)
    path = root / DAY / DRIVE / f"image_0{camera}" / "data" / "0000000005.png"
    noise = np.random.default_rng(0).integers(0, 255, (16, 40, 3), np.uint8)
    rows, columns = np.arange(size[0]) * 16 // size[0], np.arange(size[1]) * 40 // size[1]
    write_png(path, noise[rows][:, columns])
    return path


def test_a_listed_camera_is_taken_as_it_is(tmp_path: Path):
    entry = SplitEntry(raw_image(tmp_path), None, LISTED.fx, LISTED)
    found = entry_camera(entry, (375, 1242, 3))
    assert found.source == "list"
    assert found.camera == PinholeCamera(700.0, 690.0, 500.25, 130.5, 1242, 375)


@pytest.mark.parametrize("camera", [0, 2, 3])
def test_the_rest_of_a_camera_is_of_the_days_calibration(tmp_path: Path, camera: int):
    official = KittiCalibration.standard().camera(camera)
    entry = SplitEntry(raw_image(tmp_path, camera=camera), None, FX)
    found = entry_camera(entry, (375, 1242))
    assert found.source == "calibration"
    assert (found.camera.width, found.camera.height) == (1242, 375)
    assert found.camera.fx == FX  # the list's, to the bit
    assert (found.camera.cx, found.camera.cy) == (official.cx, official.cy)
    assert found.camera.fy == official.fy


def test_the_calibration_follows_a_resized_image(tmp_path: Path):
    entry = SplitEntry(raw_image(tmp_path, (187, 621)), None, FX / 2)
    found = entry_camera(entry, (187, 621))
    assert found.source == "calibration"
    assert found.camera.cx == pytest.approx((OFFICIAL.cx + 0.5) / 2 - 0.5)
    assert found.camera.cy == pytest.approx((OFFICIAL.cy + 0.5) * 187 / 375 - 0.5)
    assert found.camera.fy == pytest.approx(OFFICIAL.fy * 187 / 375)


@pytest.mark.parametrize(
    ("size", "fx"),
    [
        ((352, 1216), FX),  # cut
        ((375, 1242), FX * 1.2),  # cut and enlarged
        ((375, 1242), 707.0912),  # another day's
    ],
)
def test_the_calibration_is_not_taken_for_images_of_another_camera(
    tmp_path: Path, size: tuple[int, int], fx: float
):
    found = entry_camera(SplitEntry(raw_image(tmp_path, size), None, fx), size)
    assert found.source == "middle"
    assert found.camera == PinholeCamera.from_focal_length(fx, width=size[1], height=size[0])


def test_without_a_calibration_the_middle_is_taken(tmp_path: Path):
    for name in ("image_02/data/a.png", "image/a.png", "a.png"):
        found = entry_camera(SplitEntry(tmp_path / DAY / DRIVE / name, None, 300.0), (100, 201))
        assert found.source == "middle"
        assert found.camera == PinholeCamera(300.0, 300.0, 100.0, 49.5, 201, 100)


def test_a_selected_image_has_its_own_intrinsics(tmp_path: Path):
    image = tmp_path / "image" / "a.png"
    (tmp_path / "intrinsics").mkdir()
    numbers = "721.5377 0 596.5593 0 720.5 149.854 0 0 1"
    (tmp_path / "intrinsics" / "a.txt").write_text(numbers)
    found = entry_camera(SplitEntry(image, None, 721.5377), (352, 1216))
    assert found.source == "calibration"
    assert found.camera == PinholeCamera(721.5377, 720.5, 596.5593, 149.854, 1216, 352)


def test_a_damaged_calibration_is_told(tmp_path: Path):
    image = raw_image(tmp_path)
    (tmp_path / DAY / "calib_cam_to_cam.txt").write_text("P_rect_02: 1\n")
    with pytest.raises(HmaDepthError, match=r"calib_cam_to_cam.txt"):
        entry_camera(SplitEntry(image, None, FX), (375, 1242))


# --- who uses it --------------------------------------------------------------------------------


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[PinholeCamera | None]:
    """Cameras that the predictor is given."""
    cameras: list[PinholeCamera | None] = []
    predict = DepthPredictor.predict

    def recorded(self: DepthPredictor, image: Any, camera: Any = None, **more: Any) -> Prediction:
        cameras.append(camera)
        return predict(self, image, camera, **more)

    monkeypatch.setattr(DepthPredictor, "predict", recorded)
    return cameras


def labelled(root: Path, line_of: str) -> Path:
    """A list of one raw frame with ground truth; `line_of` gives the camera's columns."""
    image = raw_image(root)
    truth = root / "truth.png"
    write_depth_png(truth, np.full((375, 1242), 12.0))
    split = root / "list.txt"
    split.write_text(f"{image.relative_to(root)} {truth.name} {line_of}\n")
    return split


SIX = "700 690 500.25 130.5"
IN_CROP = PinholeCamera(700.0, 690.0, 500.25 - CROP_LEFT, 130.5 - CROP_TOP, 1216, 352)
WHOLE = PinholeCamera(700.0, 690.0, 500.25, 130.5, 1242, 375)


def test_evaluation_sees_the_listed_camera_through_its_crops(
    tmp_path: Path,
    tiny_checkpoint: Path,
    seen: list[PinholeCamera | None],
    capsys: pytest.CaptureFixture[str],
):
    split = labelled(tmp_path, SIX)
    output = tmp_path / "o.json"
    arguments = ["--data", tmp_path, "--split", split, "--checkpoint", tiny_checkpoint]
    options = ["--device", "cpu", "--protocols", "full,bts", "--flip", "--json", output]
    assert run(["evaluate_kitti", *map(str, [*arguments, *options])]) == 0
    flipped = PinholeCamera(700.0, 690.0, 1241 - 500.25, 130.5, 1242, 375)
    in_flipped = PinholeCamera(700.0, 690.0, 1215 - IN_CROP.cx, IN_CROP.cy, 1216, 352)
    assert len(seen) == 4
    assert {*seen} == {WHOLE, flipped, IN_CROP, in_flipped}
    assert json.loads(output.read_text())["run"]["principal_points"] == {"list": 1}
    assert "principal points: 1 from the list\n" in capsys.readouterr().out


def test_evaluation_says_where_principal_points_come_from(
    tmp_path: Path,
    tiny_checkpoint: Path,
    seen: list[PinholeCamera | None],
    capsys: pytest.CaptureFixture[str],
):
    split = labelled(tmp_path, f"{FX}")
    for name in ("a", "b"):
        write_png(tmp_path / f"{name}.png", np.full((375, 1242, 3), 90, np.uint8))
        split.write_text(split.read_text() + f"{name}.png truth.png 650\n")
    output = tmp_path / "o.json"
    arguments = ["--data", tmp_path, "--split", split, "--checkpoint", tiny_checkpoint]
    options = ["--device", "cpu", "--json", output, "--workers", "1"]
    assert run(["evaluate_kitti", *map(str, [*arguments, *options])]) == 0
    points = json.loads(output.read_text())["run"]["principal_points"]
    assert points == {"calibration": 1, "middle": 2}
    told = "principal points: 1 from KITTI's calibration, 2 taken to be the image's middle\n"
    assert told in capsys.readouterr().out
    first = seen[0]
    assert first is not None
    assert first.cx == pytest.approx(OFFICIAL.cx - CROP_LEFT)
    assert first.cy == pytest.approx(OFFICIAL.cy - CROP_TOP)


def test_stored_predictions_need_no_camera(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    split = labelled(tmp_path, SIX)
    np.save(tmp_path / f"{DRIVE}_0000000005.npy", np.full((375, 1242), 12.0, np.float32))
    (tmp_path / "truth.png").rename(tmp_path / "kept.png")
    split.write_text(split.read_text().replace("truth.png", "truth/0.png"))
    (tmp_path / "truth").mkdir()
    (tmp_path / "kept.png").rename(tmp_path / "truth" / "0.png")
    arguments = ["--data", tmp_path, "--split", split, "--predictions", tmp_path]
    output = tmp_path / "o.json"
    assert run(["evaluate_kitti", *map(str, [*arguments, "--json", output])]) == 0
    found = json.loads(output.read_text())
    assert found["bts_cap80"]["mean"]["abs_rel"] < 1e-6
    assert found["run"]["principal_points"] == {}
    assert "principal points" not in capsys.readouterr().out


def test_validation_and_training_lists_take_cameras(
    tmp_path: Path, tiny_checkpoint: Path, seen: list[PinholeCamera | None]
):
    split = labelled(tmp_path, SIX)
    entries = read_training_split(split, tmp_path)
    assert entries[0].intrinsics == LISTED
    predictor = DepthPredictor.from_checkpoint(tiny_checkpoint, device="cpu")
    for protocol, expected in (("bts", IN_CROP), ("whole", WHOLE)):
        seen.clear()
        validate(predictor, entries, ErrorMeasure.named(protocol, KITTI))
        assert seen == [expected]


def test_make_split_writes_cameras_on_request(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    raw_image(tmp_path, (187, 621))
    output = tmp_path / "list.txt"
    command = ["make_split", "--data", str(tmp_path), "--output", str(output), "--unlabelled"]
    assert run([*command, "--intrinsics"]) == 0
    entry = read_split(output)[0]
    width, height = image_size(entry.image)
    found = entry_camera(entry, (height, width))
    assert found.source == "list"
    expected = OFFICIAL.resize(width=621, height=187)
    assert found.camera == expected
    assert run(command) == 0
    assert len(output.read_text().split()) == 3

    raw_image(tmp_path, (176, 608))  # cut, so that no calibration is its own
    capsys.readouterr()
    assert run([*command, "--intrinsics"]) == 2
    assert "--intrinsics: 1 of 1 images are not whole ones" in capsys.readouterr().err


def test_the_real_lists_with_cameras_are_scored(
    real_data: Path, tiny_checkpoint: Path, tmp_path: Path
):
    for folder, name, source in (
        ("other_cameras", "split_cameras.txt", "list"),
        ("kitti_mini/val", "split.txt", "middle"),
    ):
        data = real_data / folder
        if not (data / name).is_file():
            pytest.skip(f"no {data / name}")
        short = tmp_path / name
        lines = (data / name).read_text().splitlines()[::8]
        short.write_text("\n".join(lines) + "\n")
        output = tmp_path / "o.json"
        arguments = ["--data", data, "--split", short, "--checkpoint", tiny_checkpoint]
        options = ["--device", "cpu", "--protocols", "full,bts", "--json", output]
        assert run(["evaluate_kitti", *map(str, [*arguments, *options])]) == 0
        found = json.loads(output.read_text())
        assert found["run"]["principal_points"] == {source: len(lines)}
        assert set(found) == {"full_cap80", "bts_cap80", "run"}
