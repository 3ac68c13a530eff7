"""The `evaluate_nyu` command on a small data set in BTS's layout."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from hma_depth_ros.cli import run
from hma_depth_ros.data.depth.depth_png import read_depth_png, write_depth_png
from hma_depth_ros.data.nyu.layout import frame_name

SCENES = ("bathroom_0001", "kitchen_0028b")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Truth of 2 m, in Eigen's window 4 m, with 10 m in one corner; predictions of 5 m."""
    truth = np.full((480, 640), 2.0)
    truth[45:471, 41:601] = 4.0
    truth[45:55, 41:51] = 10.0
    lines = []
    for scene in SCENES:
        depth = tmp_path / "official_splits" / "test" / scene / "sync_depth_00045.png"
        write_depth_png(depth, truth, units_per_metre=1000)
        prediction = tmp_path / "predictions" / f"{scene}_rgb_00045.png"
        write_depth_png(prediction, np.full((480, 640), 5.0), units_per_metre=1000)
        lines.append(f"/{scene}/rgb_00045.jpg /{scene}/sync_depth_00045.png 518.8579")
    (tmp_path / "list.txt").write_text("\n".join(lines))
    return tmp_path


def evaluate(root: Path, *arguments: object) -> int:
    where = ("--predictions", root / "predictions", "--ground-truth", root)
    return run(["evaluate_nyu", *map(str, (*where, *arguments))])


@pytest.mark.parametrize("with_list", [False, True])
def test_millimetres_window_and_cap(root: Path, with_list: bool):
    output = root / "o.json"
    listed = ("--split", root / "list.txt") if with_list else ()
    (root / "truth").symlink_to(root / "official_splits" / "test")
    where = () if with_list else ("--ground-truth", root / "truth")
    assert evaluate(root, "--json", output, *listed, *where) == 0
    found = json.loads(output.read_text())["nyu_cap10"]
    assert sorted(found["per_image"]) == [f"{scene}_rgb_00045" for scene in SCENES]
    assert found["pixels"] == 2 * ((471 - 45) * (601 - 41) - 100)  # 10 m is the cap, exclusive
    expected = {"abs_rel": 0.25, "rmse": 1.0, "sq_rel": 0.25, "d1": 0.0, "d2": 1.0, "silog": 0.0}
    for metric, value in expected.items():
        assert found["mean"][metric] == pytest.approx(value, abs=1e-5)
    assert [(row["from"], row["to"]) for row in found["by_depth"]] == [(4, 5)]


def test_kittis_units_are_hinted_at(root: Path, capsys: pytest.CaptureFixture[str]):
    truth = ("--ground-truth", root / "official_splits")
    for path in (root / "predictions").iterdir():
        write_depth_png(path, np.full((480, 640), 4.2), units_per_metre=1000)
    assert evaluate(root, *truth) == 0
    assert "\nhint: " not in capsys.readouterr().out
    for path in (root / "predictions").iterdir():
        write_depth_png(path, read_depth_png(path, units_per_metre=1000), units_per_metre=256)
    assert evaluate(root, *truth) == 0
    assert "as if their PNG were in metres x 256; they are read as mill" in capsys.readouterr().out
    for path in (root / "official_splits").rglob("*.png"):
        write_depth_png(path, read_depth_png(path, units_per_metre=1000), units_per_metre=256)
    assert evaluate(root, *truth) == 0
    expected = "ends at 2.56 m, as if it were stored in metres x 256; it is read as millimetres"
    assert expected in capsys.readouterr().out


def test_images_of_another_size_are_refused(root: Path, capsys: pytest.CaptureFixture[str]):
    truth = root / "official_splits" / "test" / SCENES[0] / "sync_depth_00045.png"
    write_depth_png(truth, np.ones((240, 320)), units_per_metre=1000)
    write_depth_png(
        root / "predictions" / f"{SCENES[0]}_rgb_00045.png",
        np.ones((240, 320)),
        units_per_metre=1000,
    )
    assert evaluate(root, "--split", root / "list.txt") == 2
    assert "the image is 320x240, not NYU Depth v2's 640x480" in capsys.readouterr().err


def test_names():
    for path in ("a/kitchen/rgb_7.jpg", "kitchen/sync_depth_7.png", "x/kitchen_rgb_7.npy"):
        assert frame_name(Path(path)) == "kitchen_rgb_7"
