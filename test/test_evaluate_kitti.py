"""The `evaluate_kitti` command: against BTS's own figures, and from a checkpoint to its reports."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from hma_depth_ros.cli import run
from hma_depth_ros.data.depth.depth_png import read_depth_png, write_depth_png
from hma_depth_ros.data.frame_name import kitti_frame
from hma_depth_ros.data.image_file import read_rgb, write_png
from hma_depth_ros.data.splits import known_splits
from hma_depth_ros.data.splits.known_splits import KNOWN_SPLITS, SplitIdentity
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.evaluation.evaluated_frames import EvaluatedFrame, FrameList
from hma_depth_ros.evaluation.protocols import PROTOCOLS
from hma_depth_ros.evaluation.score import score
from hma_depth_ros.geometry.camera import PinholeCamera
from hma_depth_ros.inference import together
from hma_depth_ros.inference.plan import Region
from hma_depth_ros.inference.prediction import Prediction, PredictionRequest
from hma_depth_ros.inference.predictor import DepthPredictor, predict_requests
from hma_depth_ros.network import cpu
from hma_depth_ros.network.checkpoint import CheckpointInfo, Preprocessing, save_checkpoint
from hma_depth_ros.network.model import HmaDepth
from hma_depth_ros.network.model_config import ModelConfig

HERE = Path(__file__).resolve().parent
BUNDLED = HERE / "data" / "reference_metrics"
FIGURES = [f"{name}_cap{cap}" for name in ("bts", "eigen", "kb_garg") for cap in (80, 50)]


def evaluate(*arguments: object) -> int:
    return run(["evaluate_kitti", *map(str, arguments)])


def reference(folder: Path, output: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the command finds for a folder of reference pairs, and what BTS's script found."""
    options = ("--protocols", "bts,kb_garg,eigen", "--caps", "80,50", "--json", output)
    pairs = ("--predictions", folder / "predictions", "--ground-truth", folder / "ground_truth")
    assert evaluate(*pairs, *options) == 0
    expected = json.loads((BUNDLED / "expected.json").read_text())
    assert set(expected) == set(FIGURES)
    return json.loads(output.read_text()), expected


def test_figures_equal_those_of_bts_per_image(tmp_path: Path):
    found, expected = reference(BUNDLED, tmp_path / "out.json")
    for figure in FIGURES:
        per_image = found[figure]["per_image"]
        assert len(per_image) == 2
        for name, metrics in per_image.items():
            assert metrics == pytest.approx(expected[figure]["per_image"][name], rel=1e-5)
        for metric, mean in found[figure]["mean"].items():
            values = [metrics[metric] for metrics in per_image.values()]
            assert mean == pytest.approx(sum(values) / 2)
            low, high = found[figure]["confidence_95"][metric]
            assert min(values) <= low <= mean <= high <= max(values)


def test_means_equal_those_of_bts(tmp_path: Path):
    beside = HERE.parent.parent / "shared" / "reference_metrics"
    folder = Path(os.environ.get("HMA_DEPTH_REFERENCE_METRICS", beside))
    if not folder.is_dir():
        pytest.skip(f"no reference pairs at {folder} (set HMA_DEPTH_REFERENCE_METRICS to a copy)")
    found, expected = reference(folder, tmp_path / "out.json")
    for figure in FIGURES:
        assert found[figure]["per_image"].keys() == expected[figure]["per_image"].keys()
        for name, metrics in expected[figure]["per_image"].items():
            assert found[figure]["per_image"][name] == pytest.approx(metrics, rel=1e-5)
        assert found[figure]["mean"] == pytest.approx(expected[figure]["mean"], rel=1e-5)


@pytest.fixture
def pairs(tmp_path: Path) -> tuple[Path, Path]:
    """Folders of predictions and ground truth of two frames, one of them npy."""
    predictions, truths = tmp_path / "predictions", tmp_path / "truth"
    shutil.copytree(BUNDLED / "predictions", predictions)
    shutil.copytree(BUNDLED / "ground_truth", truths)
    png = predictions / "2011_09_26_drive_9002_sync_0000000014.png"
    np.save(png.with_suffix(".npy"), read_depth_png(png)[None].astype(np.float64))
    png.unlink()
    return predictions, truths


def options(pairs: tuple[Path, Path]) -> tuple[object, ...]:
    return "--predictions", pairs[0], "--ground-truth", pairs[1]


def test_all_reports(pairs: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    reports = ("--json", tmp_path / "o.json", "--csv", tmp_path / "o.csv", "--panels", tmp_path)
    protocols = ("--protocols", "bts,full,benchmark", "--panel-count", 1)
    assert evaluate(*options(pairs), *reports, *protocols) == 0

    found = json.loads((tmp_path / "o.json").read_text())
    assert list(found) == ["bts_cap80", "full_cap80", "benchmark", "run"]
    expected = json.loads((BUNDLED / "expected.json").read_text())["bts_cap80"]["per_image"]
    for name, metrics in found["bts_cap80"]["per_image"].items():
        assert metrics == pytest.approx(expected[name], rel=1e-5)  # the npy one too
    drives = found["bts_cap80"]["by_drive"]
    assert {drive: own["images"] for drive, own in drives.items()} == {
        "2011_09_26_drive_9001_sync": 1,
        "2011_09_26_drive_9002_sync": 1,
    }
    mean, over = (found["bts_cap80"][key] for key in ("mean", "confidence_95_over_scenes"))
    for metric, (low, high) in over.items():  # two scenes of a frame each
        of_drives = sorted(own["mean"][metric] for own in drives.values())
        assert [low, mean[metric], high] == [of_drives[0], sum(of_drives) / 2, of_drives[1]]
    for drive, own in drives.items():
        (name,) = (name for name in found["bts_cap80"]["per_image"] if name.startswith(drive))
        assert own["mean"] == found["bts_cap80"]["per_image"][name]
    rows = found["bts_cap80"]["by_depth"]
    assert [row["from"] for row in rows] == [0, 10, 20, 30, 40, 50, 60, 70]
    assert sum(row["pixels"] for row in rows) == found["bts_cap80"]["pixels"]
    assert found["run"]["frames"] == {"scored": 2, "expected": 2, "missing": [], "failed": []}
    assert found["run"]["windows"]["bts"]["370x1224"] == {
        "top": 151, "bottom": 366, "left": 43, "right": 1180
    }  # fmt: skip

    with (tmp_path / "o.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == 6
    of_bts = {line["frame"]: float(line["rmse"]) for line in lines if line["figure"] == "bts_cap80"}
    assert of_bts == {
        name: metrics["rmse"] for name, metrics in found["bts_cap80"]["per_image"].items()
    }

    worst = max(found["bts_cap80"]["per_image"].items(), key=lambda item: item[1]["abs_rel"])[0]
    assert read_rgb(tmp_path / f"worst_1_{worst}.png").shape[1] == 948
    assert len(list(tmp_path.glob("best_*.png"))) == len(list(tmp_path.glob("worst_*.png"))) == 1

    printed = capsys.readouterr().out
    assert "374x1238, 1 of the frames: rows 152:370, columns 44:1193" in printed
    assert "HMA-Depth-DenseNet 161" in printed
    assert "95 % over scenes from" in printed
    assert "2 scenes" in printed
    assert "pixels lie outside of predictions of the crop and count as 1 mm" in printed
    assert f"{found['bts_cap80']['mean']['abs_rel']:.3f}" in printed


def test_a_missing_prediction_is_an_error_unless_allowed(
    pairs: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    (pairs[0] / "2011_09_26_drive_9001_sync_0000000007.png").unlink()
    output = tmp_path / "o.json"
    assert evaluate(*options(pairs), "--json", output) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "1 of 2 frames cannot be scored" in error
    assert "2011_09_26_drive_9001_sync_0000000007: no prediction" in error
    assert not output.exists()

    assert evaluate(*options(pairs), "--json", output, "--allow-partial") == 0
    assert "left out: 2011_09_26_drive_9001_sync_0000000007" in capsys.readouterr().out
    found = json.loads(output.read_text())
    assert list(found["bts_cap80"]["per_image"]) == ["2011_09_26_drive_9002_sync_0000000014"]
    assert found["run"]["frames"]["expected"] == 2


def test_what_lies_beside_ground_truth_is_not_scored(pairs: tuple[Path, Path], tmp_path: Path):
    """Sparse scans are in the same archive; and `image` above the folder means nothing."""
    folder = tmp_path / "image" / "annotated"
    shutil.copytree(pairs[1], folder)
    scan = folder / "2011_09_26_drive_9001_sync/proj_depth/velodyne_raw/image_02/0000000007.png"
    scan.parent.mkdir(parents=True)
    write_depth_png(scan, np.ones((370, 1224)))
    assert evaluate("--predictions", pairs[0], "--ground-truth", folder) == 0


def test_folders_as_other_systems_leave_them(
    pairs: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """MacOS' companions, suffixes in capitals, and links, one of which leads back."""
    for folder in pairs:
        for path in [path for path in folder.rglob("*") if path.is_file()]:
            path.with_name(f"._{path.name}").write_bytes(b"\x00\x05\x16\x07Mac OS X")
            path.rename(path.with_suffix(path.suffix.upper()))
    companions = pairs[1] / "__MACOSX" / "image_02" / "0000000001.png"
    companions.parent.mkdir(parents=True)
    companions.write_bytes(b"\x00\x05\x16\x07Mac OS X")
    store, linked = tmp_path / "store", tmp_path / "linked"
    linked.mkdir()
    store.mkdir()
    for drive in [path for path in pairs[1].iterdir() if "drive" in path.name]:
        drive.rename(store / drive.name)
        (linked / drive.name).symlink_to(store / drive.name)
    (linked / "again").symlink_to(linked)
    (linked / "train").symlink_to(store)
    assert evaluate("--predictions", pairs[0], "--ground-truth", linked) == 0
    assert "2 of 2 frames scored" in capsys.readouterr().out
    assert evaluate("--predictions", pairs[0], "--ground-truth", store.parent / "truth") == 2
    assert "holds no PNG" in capsys.readouterr().err


def test_frames_whose_names_are_not_utf8(tmp_path: Path):
    """Scored, drawn and in every report."""
    for folder in ("predictions", "truth"):
        write_depth_png(tmp_path / folder / "stra\udcdfe.png", np.full((40, 60), 7.0))
    where = ("--predictions", tmp_path / "predictions", "--ground-truth", tmp_path / "truth")
    reports = ("--json", tmp_path / "o.json", "--csv", tmp_path / "o.csv", "--panels", tmp_path)
    assert evaluate(*where, *reports, "--protocols", "full", "--panel-count", 1) == 0
    found = json.loads((tmp_path / "o.json").read_text())
    assert list(found["full_cap80"]["per_image"]) == ["stra\udcdfe"]
    assert b"\nstra\xdfe,full_cap80,2400," in (tmp_path / "o.csv").read_bytes()
    assert read_rgb(tmp_path / "best_1_stra\udcdfe.png").ndim == 3


def scaled(paths: list[Path], units: float) -> None:
    """The same depth in PNG of other units: what cannot be stored becomes none."""
    for path in paths:
        write_depth_png(path, read_depth_png(path).astype(np.float64) * units / 256)


def as_npy_of_millimetres(paths: list[Path]) -> None:
    for path in paths:
        np.save(path.with_suffix(".npy"), read_depth_png(path) * 1000)
        path.unlink()


@pytest.mark.parametrize(
    ("change", "which", "hint"),
    [
        (lambda paths: None, "predictions", None),
        (
            lambda paths: scaled(paths, 1000),
            "predictions",
            r"the predictions are 3\.\d\d times the ground truth \(median\), as if their PNG were "
            "in millimetres; they are read as metres x 256",
        ),
        (lambda paths: scaled(paths, 100), "predictions", "as if their PNG were in centimetres"),
        (
            as_npy_of_millimetres,
            "predictions",
            "as if their npy were in millimetres; they are read as metres",
        ),
        (
            lambda paths: scaled(paths, 1000),
            "truth",
            "as if it were stored in millimetres; it is read as metres x 256",
        ),
    ],
)
def test_another_unit_is_hinted_at(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    change: Callable[[list[Path]], None],
    which: str,
    hint: str | None,
):
    rng = np.random.default_rng(0)
    truth, prediction = tmp_path / "truth", tmp_path / "predictions"
    for number in range(3):
        name = f"2011_09_26_drive_9001_sync_{number:010}.png"
        depth = rng.gamma(2, 8, (375, 1242)).clip(3, 84)
        write_depth_png(truth / name, depth)
        write_depth_png(prediction / name, depth * rng.normal(1, 0.1, depth.shape))
    change(sorted((tmp_path / which).iterdir()))
    output = tmp_path / "o.json"
    assert evaluate("--predictions", prediction, "--ground-truth", truth, "--json", output) == 0
    hints = [line for line in capsys.readouterr().out.splitlines() if line.startswith("hint: ")]
    assert [f"hint: {line}" for line in json.loads(output.read_text())["run"]["hints"]] == hints
    if hint is None:
        assert not hints
    else:
        (line,) = hints
        assert re.search(hint, line)


def test_pixels_without_a_prediction_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    depth = np.full((375, 1242), 20.0, np.float32)
    lacking = depth.copy()
    lacking[:, :311], lacking[:, 311:400], lacking[:, 400:497] = np.nan, -1, 0  # 40 %
    name = "2011_09_26_drive_9001_sync_0000000000"
    write_depth_png(tmp_path / "truth" / f"{name}.png", depth)
    (tmp_path / "predictions").mkdir()
    options = ("--predictions", tmp_path / "predictions", "--ground-truth", tmp_path / "truth")
    for predicted, said in ((lacking, True), (depth, False), (depth[23:, 13:1229], False)):
        np.save(tmp_path / "predictions" / f"{name}.npy", predicted)
        assert evaluate(*options) == 0
        found = "hint: 40% of the pixels with ground truth have no prediction"
        assert (found in capsys.readouterr().out) is said


def test_a_damaged_file_is_one_error_unless_allowed(
    pairs: tuple[Path, Path], capfd: pytest.CaptureFixture[str]
):
    damaged = pairs[0] / "2011_09_26_drive_9001_sync_0000000007.png"
    damaged.write_bytes(damaged.read_bytes()[:1000])
    assert evaluate(*options(pairs)) == 2
    error = capfd.readouterr().err  # libpng's own words would be here too
    assert error == (
        f"evaluate_kitti: the depth image {damaged} is truncated, damaged or not a PNG\n"
    )
    assert evaluate(*options(pairs), "--allow-partial") == 0
    printed = capfd.readouterr().out
    assert "1 of 2 frames scored" in printed
    assert f"left out: the depth image {damaged}" in printed


def test_a_folder_of_a_published_lists_ground_truth_is_recognised(
    pairs: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    names = [path.stem for path in BUNDLED.glob("predictions/*.png")]
    frames = [frame for name in names if (frame := kitti_frame(Path(name))) is not None]
    mark = known_splits.fingerprint(frames)
    published = known_splits.KnownSplit("Pairs", 3, 2, "of three frames", mark)
    output = tmp_path / "o.json"

    def split() -> str:
        assert evaluate(*options(pairs), "--json", output, "--allow-partial") == 0
        return str(json.loads(output.read_text())["run"]["split"])

    assert split() == "all ground truth in the folder, another list"
    monkeypatch.setattr(known_splits, "KNOWN_SPLITS", (published,))
    assert split() == "all ground truth in the folder, that of Pairs, verified"
    next(pairs[0].glob("*.png")).unlink()
    assert split() == "all ground truth in the folder, another list"


def test_brackets_in_paths_are_no_markup(
    pairs: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    folder = tmp_path / "seq [bold] [" / "foo]"
    shutil.copytree(pairs[1], folder)
    damaged = next(folder.rglob("0000000007.png"))
    damaged.write_bytes(b"")
    found = ("--predictions", pairs[0], "--ground-truth", folder, "--allow-partial")
    assert evaluate(*found) == 0
    assert f"left out: the depth image {damaged}" in capsys.readouterr().out


@pytest.mark.parametrize("value", [np.inf, np.nan, 0, -1])
def test_a_prediction_without_any_depth_has_figures(
    pairs: tuple[Path, Path], tmp_path: Path, value: float
):
    """As 1 mm everywhere: the worst there is, but nothing that JSON cannot hold."""
    name = "2011_09_26_drive_9001_sync_0000000007"
    (pairs[0] / f"{name}.png").unlink()
    np.save(pairs[0] / f"{name}.npy", np.full((352, 1216), value, np.float32))
    output = tmp_path / "o.json"
    found = ("--predictions", pairs[0], "--ground-truth", pairs[1], "--json", output)
    assert evaluate(*found, "--protocols", "benchmark, bts") == 0
    figures = json.loads(output.read_text())
    assert figures["benchmark"]["per_image"][name]["abs_error_rel"] == pytest.approx(100, abs=0.1)
    if value != np.inf:
        assert figures["bts_cap80"]["per_image"][name]["abs_rel"] == pytest.approx(1, abs=1e-3)


def test_a_known_list_without_some_of_its_ground_truth_is_refused_unless_allowed():
    identity = SplitIdentity(697, 1, KNOWN_SPLITS[0], verified=False)
    frames = FrameList([EvaluatedFrame("a", Path("a.png"))], [], identity)
    frames.check(allow_partial=True)
    with pytest.raises(HmaDepthError, match="1 with ground truth where the published list has 652"):
        frames.check(allow_partial=False)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (("--protocols", "garg"), "no protocol 'garg'"),
        (("--caps", "80,none"), "--caps takes different positive metres"),
        (("--flip",), "--flip is for a checkpoint"),
        (("--precision", "bf16"), "--precision is for a checkpoint"),
        (("--workers", "0"), "must be 1 or more"),
        (("--batch", "2"), "--batch is for a checkpoint"),
        (("--json", "/proc/absent/o.json"), "cannot write to /proc/absent"),
        (("--split", "absent.txt"), "cannot read the split absent.txt"),
    ],
)
def test_wrong_arguments(
    pairs: tuple[Path, Path],
    wrong: tuple[str, ...],
    message: str,
    capsys: pytest.CaptureFixture[str],
):
    assert evaluate(*options(pairs), *wrong) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


# --- a checkpoint -----------------------------------------------------------------------------

HEIGHT, WIDTH, FX = 360, 1220, 700.0
CROP = Region(left=2, top=8, width=1216, height=352)


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two networks of different weights that see images 128 pixels wide."""
    config = ModelConfig(
        encoder="resnet10t", decoder_channels=(16, 16, 8, 8, 8), aspp_channels=8, scales=3
    )
    info = CheckpointInfo(config, Preprocessing(focal_length=100.0, input_width=128))
    folder = tmp_path_factory.mktemp("models")
    for seed in (0, 1):
        torch.manual_seed(seed)
        save_checkpoint(folder / f"{seed}.safetensors", HmaDepth(config), info)
    return [folder / "0.safetensors", folder / "1.safetensors"]


NAMES = ["2011_09_26_drive_0001_sync_0000000005", "2011_09_26_drive_0001_sync_0000000006"]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two frames in KITTI's folders with a split of them and of one without ground truth."""
    root, rng, lines = tmp_path / "kitti", np.random.default_rng(0), []
    for number in (5, 6):
        image = f"2011_09_26/2011_09_26_drive_0001_sync/image_02/data/{number:010}.png"
        depth = f"2011_09_26_drive_0001_sync/proj_depth/groundtruth/image_02/{number:010}.png"
        noise = rng.integers(0, 255, (9, 30, 3), np.uint8).repeat(45, 0).repeat(45, 1)
        write_png(root / "kitti_raw" / image, noise[:HEIGHT, :WIDTH])
        if number == 6:  # many keep KITTI as JPEG, under lists of PNG
            stored = root / "kitti_raw" / image
            Image.open(stored).save(stored.with_suffix(".jpg"))
            stored.unlink()
        truth = rng.uniform(2, 90, (HEIGHT, WIDTH)) * (rng.random((HEIGHT, WIDTH)) < 0.05)
        write_depth_png(root / "data_depth_annotated" / "train" / depth, truth)
        lines.append(f"{image} {depth} {FX}")
    lines.append("2011_09_26/2011_09_26_drive_0001_sync/image_02/data/0000000000.png None 700.0")
    (root / "split.txt").write_text("\n".join(lines) + "\n")
    return root


def expected_figures(
    data: Path, checkpoint: Path, name: str, protocol: str, *, flip: bool = False
) -> dict[str, float]:
    """By the predictor's own cropping and pasting of whole images."""
    frame = name[-10:]
    image = read_rgb(next(data.rglob(f"data/{frame}.*")))
    truth = read_depth_png(next(data.rglob(f"groundtruth/image_02/{frame}.png")))
    region = CROP if PROTOCOLS[protocol].view == "crop" else None
    predictor = DepthPredictor.from_checkpoint(checkpoint, device="cpu", region=region)
    camera = PinholeCamera.from_focal_length(FX, width=WIDTH, height=HEIGHT)
    depth = predictor.predict(image, camera).depth
    assert depth is not None
    if flip:
        mirrored = predictor.predict(np.ascontiguousarray(image[:, ::-1]), camera).depth
        assert mirrored is not None
        depth = (depth + mirrored[:, ::-1]) * np.float32(0.5)
    key = f"{protocol}_cap80"
    return score(np.nan_to_num(depth), truth, PROTOCOLS[protocol], [80.0])[key].metrics


def network(data: Path, checkpoint: Path, output: Path) -> tuple[object, ...]:
    split = ("--data", data, "--split", data / "split.txt", "--device", "cpu")
    return *split, "--checkpoint", checkpoint, "--json", output


@pytest.mark.parametrize("flip", [False, True])
def test_a_checkpoint_sees_the_crop_or_the_image(
    data: Path, checkpoints: list[Path], tmp_path: Path, flip: bool
):
    output = tmp_path / "o.json"
    more = ("--flip",) if flip else ()
    arguments = (*network(data, checkpoints[0], output), "--protocols", "bts,kb_garg,full", *more)
    assert evaluate(*arguments) == 0
    found = json.loads(output.read_text())
    assert found["run"]["split"] == "another list, 3 listed, 2 with ground truth"
    assert found["bts_cap80"]["confidence_95_over_scenes"] is None  # of a single drive
    for protocol in ("bts", "kb_garg", "full"):
        per_image = found[f"{protocol}_cap80"]["per_image"]
        assert list(per_image) == NAMES
        for name, metrics in per_image.items():
            expected = expected_figures(data, checkpoints[0], name, protocol, flip=flip)
            assert metrics == pytest.approx(expected, rel=1e-5)


def test_frames_go_through_the_network_in_batches(
    data: Path, checkpoints: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """An image and its mirror image are two; figures are those of one by one, but for rounding."""
    counts: list[int] = []

    def recording(requests: Any) -> list[Prediction]:
        counts.append(len(requests))
        return predict_requests(requests)

    monkeypatch.setattr(together, "predict_requests", recording)
    kept = ("--predictions-dir", tmp_path / "kept")

    def ran(*more: object) -> dict[str, Any]:
        output = tmp_path / "o.json"
        listed = network(data, checkpoints[0], output)
        assert evaluate(*listed, "--protocols", "bts,full", "--flip", *more) == 0
        found: dict[str, Any] = json.loads(output.read_text())
        return found

    one_by_one = ran()
    assert counts == []
    batched = ran("--batch", "3", *kept)
    assert counts == [3, 3], "of four crops, and of four whole images"
    assert ran("--batch", "2", *kept)["bts_cap80"] == batched["bts_cap80"], "which are kept"
    assert counts == [3, 3]
    assert (one_by_one["run"]["batch"], batched["run"]["batch"]) == (1, 3)
    for key in ("bts_cap80", "full_cap80"):
        expected = one_by_one[key]["per_image"]
        assert list(batched[key]["per_image"]) == list(expected) == NAMES
        for name, metrics in batched[key]["per_image"].items():
            assert metrics == pytest.approx(expected[name], rel=1e-5)

    (damaged,) = data.rglob("image_02/data/0000000005.png")
    damaged.write_bytes(damaged.read_bytes()[:200])
    others = ("--predictions-dir", tmp_path / "others")
    partly = ran("--batch", "4", "--allow-partial", *others)
    assert counts[2:] == [2, 2]
    assert list(partly["bts_cap80"]["per_image"]) == NAMES[1:]
    (failure,) = partly["run"]["frames"]["failed"]
    assert str(damaged) in failure


def test_a_mirror_image_has_the_mirrored_camera(
    data: Path, checkpoints: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    asked: list[PredictionRequest] = []

    def recording(requests: Any) -> list[Prediction]:
        asked.extend(request for _, request in requests)
        return predict_requests(requests)

    monkeypatch.setattr(together, "predict_requests", recording)
    split = data / "split.txt"
    split.write_text(split.read_text().replace(f" {FX}\n", f" {FX} {FX} 600.0 170.0\n"))
    listed = network(data, checkpoints[0], tmp_path / "o.json")
    assert evaluate(*listed, "--protocols", "full", "--flip", "--batch", "2") == 0
    assert len(asked) == 4
    for image, mirrored in zip(asked[::2], asked[1::2], strict=True):
        np.testing.assert_array_equal(mirrored.image, image.image[:, ::-1])
        assert image.camera is not None
        assert mirrored.camera is not None
        assert (image.camera.cx, mirrored.camera.cx) == (600.0, WIDTH - 1 - 600.0)


def test_no_batch_is_not_a_batch(
    data: Path, checkpoints: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert evaluate(*network(data, checkpoints[0], tmp_path / "o.json"), "--batch", "0") == 2
    assert "--batch and --panel-count must be 1 or more" in capsys.readouterr().err


def test_kept_predictions_are_reused(
    data: Path, checkpoints: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    outputs = [tmp_path / f"{number}.json" for number in range(3)]
    folder = tmp_path / "kept"
    keep = ("--predictions-dir", folder)
    for output in outputs[:2]:
        assert evaluate(*network(data, checkpoints[0], output), *keep) == 0
    first, second = (json.loads(output.read_text())["bts_cap80"] for output in outputs[:2])
    assert first == second

    # A changed file shows in the figures of its frame and in no other; a deleted one is made anew.
    np.save(folder / f"{NAMES[0]}.npy", np.full((352, 1216), 10, np.float32))
    (folder / f"{NAMES[1]}.npy").unlink()
    assert evaluate(*network(data, checkpoints[0], outputs[2]), *keep) == 0
    third = json.loads(outputs[2].read_text())["bts_cap80"]
    assert third["per_image"][NAMES[0]]["silog"] != first["per_image"][NAMES[0]]["silog"]
    assert third["per_image"][NAMES[1]] == first["per_image"][NAMES[1]]

    kept = folder / f"{NAMES[0]}.npy"
    whole = kept.read_bytes()
    kept.write_bytes(whole[:5000])
    capsys.readouterr()
    assert evaluate(*network(data, checkpoints[0], outputs[1]), *keep) == 2
    assert f"{kept}: " in (error := capsys.readouterr().err)
    assert error.endswith("; delete it, and it is predicted anew\n")
    kept.write_bytes(whole)

    truths = ("--ground-truth", data, "--split", data / "split.txt")
    assert evaluate("--predictions", folder, *truths, "--json", outputs[0]) == 0
    assert json.loads(outputs[0].read_text())["bts_cap80"] == third


def test_predictions_of_another_checkpoint_are_refused(
    data: Path, checkpoints: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    output, keep = tmp_path / "o.json", ("--predictions-dir", tmp_path / "kept")
    assert evaluate(*network(data, checkpoints[0], output), *keep) == 0
    capsys.readouterr()
    assert evaluate(*network(data, checkpoints[1], output), *keep) == 2
    assert "holds predictions made with" in capsys.readouterr().err


def test_predictions_of_nobody_knows_what_are_not_added_to(
    data: Path, checkpoints: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """They would be taken for this network's, and those made now for the next one's."""
    kept, output = tmp_path / "kept", tmp_path / "o.json"
    kept.mkdir()
    np.save(kept / f"{NAMES[0]}.npy", np.full((352, 1216), 10, np.float32))
    arguments = (*network(data, checkpoints[0], output), "--predictions-dir", kept)
    assert evaluate(*arguments) == 2
    error = capsys.readouterr().err
    assert f"{kept} holds predictions (1) and no predictions.json" in error
    assert f"--predictions {kept}, or" in error
    assert [path.name for path in kept.iterdir()] == [f"{NAMES[0]}.npy"]
    (kept / f"{NAMES[0]}.npy").rename(kept / "notes.txt")  # other files are no matter
    assert evaluate(*arguments) == 0


@pytest.fixture
def bf16_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """A CPU on which `auto` is bf16: by an instruction that every Linux machine has."""
    known = {*cpu._first("flags").split(), *cpu._first("Features").split()}
    monkeypatch.setattr(cpu, "_BF16", frozenset(list(known)[:1]))


@pytest.mark.usefixtures("bf16_cpu")
@pytest.mark.parametrize(
    ("options", "ran"),
    [
        ((), ("torch", "fp32")),
        (("--engine", "torch"), ("torch", "fp32")),
        (("--engine", "openvino"), ("openvino", "fp32")),
        (("--precision", "bf16"), ("torch", "bf16")),
        (("--precision", "auto"), ("torch", "bf16")),
    ],
)
def test_figures_are_of_fp32_unless_asked_and_say_so(
    data: Path, checkpoints: list[Path], tmp_path: Path, options: Any, ran: tuple[str, str]
):
    pytest.importorskip(ran[0])
    output = tmp_path / "o.json"
    assert evaluate(*network(data, checkpoints[0], output), *options) == 0
    found = json.loads(output.read_text())
    assert tuple(found["run"][key] for key in ("engine", "precision")) == ran
    assert found["run"]["hardware"]
    # And not only the label: in bf16 depth is another.
    expected = expected_figures(data, checkpoints[0], NAMES[0], "bts")["silog"]
    difference = abs(found["bts_cap80"]["per_image"][NAMES[0]]["silog"] / expected - 1)
    assert (difference < 1e-6) == (ran[1] == "fp32")


@pytest.mark.cuda
def test_figures_on_cuda_are_those_of_the_cpu(data: Path, checkpoints: list[Path], tmp_path: Path):
    """Unless asked otherwise: in fp16, which the node takes there, they would be others."""
    found = []
    for device in ("cpu", "cuda"):
        output = tmp_path / f"{device}.json"
        assert evaluate(*network(data, checkpoints[0], output), "--device", device) == 0
        found.append(json.loads(output.read_text()))
    assert [ran["run"]["precision"] for ran in found] == ["fp32", "fp32"]
    assert found[1]["run"]["hardware"] != found[0]["run"]["hardware"]
    on_cpu, on_cuda = (ran["bts_cap80"]["mean"] for ran in found)
    assert on_cuda == pytest.approx(on_cpu, rel=2e-6)


def test_predictions_of_another_precision_are_refused(
    data: Path, checkpoints: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """Figures of a folder with both would be those of neither."""
    kept = tmp_path / "kept"
    arguments = (*network(data, checkpoints[0], tmp_path / "o.json"), "--predictions-dir", kept)
    assert evaluate(*arguments) == 0
    note = json.loads((kept / "predictions.json").read_text())
    assert note.keys() >= {"checkpoint", "flip", "engine", "precision", "hardware"}
    capsys.readouterr()
    assert evaluate(*arguments, "--precision", "bf16") == 2
    error = capsys.readouterr().err
    assert "'precision': 'fp32'" in error
    assert "'precision': 'bf16'" in error
    assert error.count("\n") == 1


def test_kept_png_are_what_quantise_scores(data: Path, checkpoints: list[Path], tmp_path: Path):
    kept, quantised = tmp_path / "kept.json", tmp_path / "quantised.json"
    keep = ("--predictions-dir", tmp_path / "kept", "--predictions-format", "png")
    assert evaluate(*network(data, checkpoints[0], kept), *keep) == 0
    assert evaluate(*network(data, checkpoints[0], quantised), "--quantise") == 0
    exact = tmp_path / "exact.json"
    assert evaluate(*network(data, checkpoints[0], exact)) == 0
    of_kept, of_quantised, of_exact = (
        json.loads(path.read_text())["bts_cap80"]["mean"] for path in (kept, quantised, exact)
    )
    assert of_kept == of_quantised
    assert of_exact["silog"] != of_kept["silog"]
    assert of_exact == pytest.approx(of_kept, rel=0.02)


def test_missing_files_are_told_before_work_begins(
    data: Path, checkpoints: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    next(data.rglob("data/0000000005.png")).unlink()
    next(data.rglob("groundtruth/image_02/0000000006.png")).unlink()
    assert evaluate(*network(data, checkpoints[0], tmp_path / "o.json"), "--allow-partial") == 2
    error = capsys.readouterr().err
    assert f"2 of 2 frames cannot be scored: {NAMES[0]}: no image" in error
    assert f"{NAMES[1]}: no ground truth" in error


def test_real_frames_in_kittis_layout(real_data: Path, tmp_path: Path):
    """The bundled network, one frame stored as PNG and one as JPEG, in the official folders."""
    drive, lines = "2011_09_26_drive_0001_sync", []
    for number in (7, 8):
        image = f"2011_09_26/{drive}/image_02/data/{number:010}.png"
        depth = f"{drive}/proj_depth/groundtruth/image_02/{number:010}.png"
        lines.append(f"{image} {depth} 721.5377")
    (tmp_path / "split.txt").write_text("\n".join(lines))
    output = tmp_path / "o.json"
    assert evaluate("--data", real_data, "--split", tmp_path / "split.txt", "--json", output) == 0
    found = json.loads(output.read_text())
    assert found["run"]["frames"]["scored"] == 2
    # Far from the figures of a trained network only if crop, scale or alignment are wrong.
    assert found["bts_cap80"]["mean"]["abs_rel"] < 0.3
    assert found["bts_cap80"]["mean"]["d1"] > 0.6
