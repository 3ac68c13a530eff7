"""Lists made from folders, checked, and refused before they spoil a training run."""

from __future__ import annotations

import json
import shutil
import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Literal, cast

import numpy as np
import pytest

from hma_depth_ros.cli import run
from hma_depth_ros.data.depth.depth_png import read_depth_png, write_depth_png
from hma_depth_ros.data.depth.ground_truth import read_ground_truth
from hma_depth_ros.data.depth.lidar_depth import LidarScan
from hma_depth_ros.data.frame_name import frame_name, kitti_drive_name, kitti_frame
from hma_depth_ros.data.image_file import read_rgb, write_png
from hma_depth_ros.data.kitti import downloads
from hma_depth_ros.data.kitti.calibration import KittiCalibration
from hma_depth_ros.data.kitti.frames import list_frames
from hma_depth_ros.data.semantic_labels import find_labels, read_labels
from hma_depth_ros.data.splits import known_splits
from hma_depth_ros.data.splits.known_splits import KnownSplit, fingerprint
from hma_depth_ros.data.splits.located_split import read_located_split, read_training_split
from hma_depth_ros.data.splits.split_file import SplitEntry, read_split, write_split
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.evaluation.baselines import GroundAndWall
from hma_depth_ros.evaluation.dataset_rules import KITTI
from hma_depth_ros.evaluation.quick_error import ErrorMeasure, validate
from hma_depth_ros.inference.predictor import DepthPredictor
from hma_depth_ros.synthetic.kitti_writer import write_kitti_drive
from hma_depth_ros.synthetic.synthetic_drive import KITTI_CAMERA, SyntheticDrive
from hma_depth_ros.training.samples.augmentation import NO_AUGMENTATION
from hma_depth_ros.training.samples.dataset import CropDataset, CropSettings, SampleKey

DRIVE = "2011_09_26_drive_9001_sync"
DAY = "2011_09_26"
SIZE = 310, 94
FX = KITTI_CAMERA.resize(width=SIZE[0], height=SIZE[1]).fx


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("rendered")
    camera = KITTI_CAMERA.resize(width=SIZE[0], height=SIZE[1])
    write_kitti_drive(SyntheticDrive(seed=0, frames=3, camera=camera), root)
    return root


@pytest.fixture
def root(rendered: Path, tmp_path: Path) -> Path:
    """Three frames of a synthetic drive, the days in kitti_raw as the archives are unpacked."""
    folder = tmp_path / "data"
    shutil.copytree(rendered / DAY, folder / "kitti_raw" / DAY)
    shutil.copytree(rendered / "data_depth_annotated", folder / "data_depth_annotated")
    return folder


def image(root: Path, number: int = 0) -> Path:
    return root / "kitti_raw" / DAY / DRIVE / "image_02" / "data" / f"{number:010}.png"


def truth(root: Path, number: int = 0) -> Path:
    folder = root / "data_depth_annotated" / "train" / DRIVE / "proj_depth" / "groundtruth"
    return folder / "image_02" / f"{number:010}.png"


def make_split(root: Path, *options: object) -> Path:
    split = root / "list.txt"
    arguments = ["make_split", "--data", root, "--output", split, *options]
    assert run([str(argument) for argument in arguments]) == 0
    return split


def check(root: Path, split: Path | None, *options: str) -> int:
    chosen = [] if split is None else ["--split", str(split)]
    return run(["check_dataset", "--data", str(root), *chosen, *options])


def test_a_list_of_a_drive_in_bts_format(root: Path):
    truth(root, 1).unlink()
    lines = make_split(root).read_text().splitlines()
    assert len(lines) == 2
    assert lines[1] == (
        f"{DAY}/{DRIVE}/image_02/data/0000000002.png "
        f"{DRIVE}/proj_depth/groundtruth/image_02/0000000002.png {FX!r}"
    )
    lines = make_split(root, "--unlabelled").read_text().splitlines()
    assert lines[1] == f"{DAY}/{DRIVE}/image_02/data/0000000001.png None {FX!r}"
    lines = make_split(root, "--ground-truth-source", "lidar", "--every", 2).read_text().split("\n")
    scan = f"{DAY}/{DRIVE}/velodyne_points/data/0000000002.bin"
    assert lines[1:] == [f"{DAY}/{DRIVE}/image_02/data/0000000002.png {scan} {FX!r}", ""]


def test_the_focal_length_is_that_of_the_stored_image(root: Path):
    half = read_rgb(image(root))[::2, ::2]
    for number in range(3):
        write_png(image(root, number), half)
        write_depth_png(truth(root, number), read_depth_png(truth(root, number))[::2, ::2])
    assert list_frames(root)[0].focal_length == pytest.approx(FX / 2)
    split = make_split(root)
    assert check(root, split) == 0
    split.write_text(split.read_text().replace(f"{FX / 2!r}", f"{FX!r}"))
    assert check(root, split) == 1


def test_a_damaged_first_image_is_listed_like_the_others(root: Path):
    """Its focal length is the drive's; what it is, `check_dataset` says."""
    expected = list_frames(root)
    for content in (b"", b"version https://git-lfs.github.com/spec/v1\n"):
        image(root).write_bytes(content)
        assert list_frames(root) == expected
    for number in range(3):
        image(root, number).write_bytes(b"")
    with pytest.raises(HmaDepthError, match=r"0000000000\.png is not an image .*empty"):
        list_frames(root)


def test_drives_are_chosen_by_name(root: Path, capsys: pytest.CaptureFixture[str]):
    other = "2011_09_26_drive_0009_sync"  # of the test list
    shutil.copytree(root / "kitti_raw" / DAY / DRIVE, root / "kitti_raw" / DAY / other)
    lidar = ("--ground-truth-source", "lidar")

    def drives(*options: str) -> set[str | None]:
        return {kitti_drive_name(e.image) for e in read_split(make_split(root, *lidar, *options))}

    assert drives() == {DRIVE, other}
    assert drives("--without-test-scenes") == {DRIVE}
    assert drives("--without", DRIVE) == {other}
    assert drives("--drives", other.removesuffix("_sync")) == {other}
    arguments = ["make_split", "--data", str(root), "--output", str(root / "l"), "--drives", "0009"]
    capsys.readouterr()
    assert run(arguments) == 2
    assert "there is no drive 0009_sync in the data" in capsys.readouterr().err
    assert not (root / "l").exists()


def test_lists_are_read_back(tmp_path: Path):
    picture = Path(DAY, DRIVE, "image_03", "data", "0000000001.png")
    scan = Path(DAY, DRIVE, "velodyne_points", "data", "0000000001.bin")
    entries = [
        SplitEntry(picture, LidarScan(scan, 3), 721.5377),
        SplitEntry(picture, Path("depth.png"), 707.0912),
        SplitEntry(picture, None, 360.0),
    ]
    write_split(tmp_path / "list.txt", entries)
    assert read_split(tmp_path / "list.txt", Path()) == entries
    with pytest.raises(HmaDepthError, match=r"cannot hold a path with blanks: 'my image.png'"):
        write_split(tmp_path / "list.txt", [SplitEntry(Path("my image.png"), None, 1.0)])
    for line, message in (
        (f"{picture} scans/1.bin 700", "line 1: scans/1.bin is no scan"),
        ("a.png None -700", "line 1: -700 is no focal length"),
        ("a.png None nan", "line 1: nan is no focal length"),
    ):
        (tmp_path / "bad.txt").write_text(line)
        with pytest.raises(HmaDepthError, match=message):
            read_split(tmp_path / "bad.txt", Path())


def test_scans_train_and_score_like_the_exact_depth(root: Path, tmp_path: Path):
    """A rendered drive knows both: its LiDAR, projected, must say what the renderer knows."""
    split = make_split(root, "--ground-truth-source", "lidar")
    entries = read_training_split(split, root)
    assert [entry.image for entry in entries] == [image(root, number) for number in range(3)]
    whole = CropSettings(SIZE[1], SIZE[0], "whole", input_width=SIZE[0], focal_length=FX)
    crops = CropDataset(entries, whole, NO_AUGMENTATION, seed=0)
    target = crops[SampleKey(0, 0)]["depth"]
    exact = read_depth_png(truth(root))
    both = (target[0].numpy() > 0) & (exact > 0)
    assert both.sum() > 5000
    ratio = target[0].numpy()[both] / exact[both]
    assert 0.5 < np.median(np.abs(ratio - 1)) * 100 < 1.2  # per cent; 3 where a pixel beside

    # Against the renderer's depth, by a list of annotated depth; one frame has lost its own.
    predictions = tmp_path / "predictions"
    for number in range(3):
        name = frame_name(image(root, number))
        write_depth_png(predictions / f"{name}.png", read_depth_png(truth(root, number)))
    truth(root, 1).unlink()
    split = make_split(root, "--unlabelled")
    output = tmp_path / "o.json"
    arguments = ["--data", root, "--split", split, "--predictions", predictions, "--json", output]
    source = ["--ground-truth-source", "lidar"]
    assert run(["evaluate_kitti", *map(str, arguments), *source]) == 0
    found = json.loads(output.read_text())
    assert len(found["bts_cap80"]["per_image"]) == 3
    assert 0.001 < found["bts_cap80"]["mean"]["abs_rel"] < 0.06
    assert found["bts_cap80"]["mean"]["d1"] > 0.95
    assert found["run"]["ground_truth_source"] == "lidar"
    assert found["run"]["split"] == "another list, 3 listed, 2 with ground truth"
    arguments += ["--allow-partial"]
    assert run(["evaluate_kitti", *map(str, arguments)]) == 0
    found = json.loads(output.read_text())
    assert len(found["bts_cap80"]["per_image"]) == 2
    assert found["bts_cap80"]["mean"]["abs_rel"] == 0


@pytest.fixture
def selection(tmp_path: Path) -> Path:
    """Two frames of a depth selection, the second without ground truth."""
    folder = tmp_path / "depth_selection" / "val_selection_cropped"
    drive = "2011_09_26_drive_0002_sync"
    for number in (5, 8):
        name = f"{drive}_image_{number:010}_image_02"
        write_png(folder / "image" / f"{name}.png", np.full((352, 1216, 3), 90, np.uint8))
        (folder / "intrinsics").mkdir(exist_ok=True)
        (folder / "intrinsics" / f"{name}.txt").write_text("721.5377 0 596.5593 0 721.5377 149.854 "
                                                            "0 0 1")  # fmt: skip
    name = f"{drive}_groundtruth_depth_0000000005_image_02.png"
    write_depth_png(folder / "groundtruth_depth" / name, np.full((352, 1216), 12.0))
    return folder


def test_a_depth_selection(selection: Path):
    first, second = list_frames(selection)
    assert first.depth == Path(
        "groundtruth_depth/2011_09_26_drive_0002_sync_groundtruth_depth_0000000005_image_02.png"
    )
    assert second.depth is None
    assert first.focal_length == 721.5377
    # The list serves from the folder that the archive was unpacked in, too.
    split = make_split(selection)
    for folder in (selection, selection.parent.parent):
        assert check(folder, split) == 0
    predictions = selection / "predictions"
    write_depth_png(predictions / f"{frame_name(first.image)}.png", np.full((352, 1216), 15.0))
    output = selection / "o.json"
    arguments = ["--data", selection, "--split", split, "--predictions", predictions]
    options = ["--protocols", "benchmark", "--json", output]
    assert run(["evaluate_kitti", *map(str, [*arguments, *options])]) == 0
    mean = json.loads(output.read_text())["benchmark"]["mean"]
    assert mean["abs_error_rel"] == pytest.approx(25.0)
    with pytest.raises(HmaDepthError, match="has no velodyne scans"):
        list_frames(selection, source="lidar")
    (selection / "intrinsics" / f"{first.image.stem}.txt").write_text("1 2 3")
    with pytest.raises(HmaDepthError, match="does not hold the nine numbers"):
        list_frames(selection)


def test_anonymous_images_have_no_ground_truth(tmp_path: Path):
    write_png(tmp_path / "image" / "0000000000.png", np.zeros((352, 1216, 3), np.uint8))
    (tmp_path / "intrinsics").mkdir()
    (tmp_path / "intrinsics" / "0000000000.txt").write_text("721.5 0 600 0 721.5 150 0 0 1")
    assert list_frames(tmp_path) == [SplitEntry(Path("image/0000000000.png"), None, 721.5)]
    assert check(tmp_path, None) == 1


@pytest.mark.parametrize("source", ["annotated", "lidar"])
def test_a_sound_dataset_is_usable(root: Path, source: str, capsys: pytest.CaptureFixture[str]):
    split = make_split(root, "--ground-truth-source", source)
    assert check(root, split, "--training", "--workers", "3") == 0
    assert check(root, None, "--ground-truth-source", source) == 0
    printed = capsys.readouterr().out
    assert "list.txt: another list, 3 listed, 3 with ground truth" in printed
    assert printed.count("\nusable\n") == 2
    assert "NOT" not in printed
    assert "no calibration" not in printed
    assert printed.count("principal points: 3 from KITTI's calibration\n") == 2


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _break_calibration(root: Path, split: Path) -> None:
    (root / "kitti_raw" / DAY / "calib_cam_to_cam.txt").write_text("P_rect_02: 1\n")


def _other_days_focal_length(root: Path, split: Path) -> None:
    """The two of KITTI's days that differ least, 2011_10_03 and 2011_09_29."""
    other = f"{FX * 718.856 / 718.3351:.4f}"
    split.write_text(split.read_text().replace(f"{FX!r}", other, 1))


def _other_cameras_column(column: int, more: float = 3.0) -> Callable[[Path, Path], object]:
    """A number of the second line's camera, which the list gives in full, is larger."""

    def change(root: Path, split: Path) -> None:
        make_split(root, "--intrinsics")
        lines = [line.split() for line in split.read_text().splitlines()]
        lines[1][column + 1] = str(float(lines[1][column + 1]) + more)
        split.write_text("".join(" ".join(line) + "\n" for line in lines))

    return change


def _repeat_a_line(root: Path, split: Path) -> None:
    first, second, _ = split.read_text().splitlines(keepends=True)
    split.write_text(first + second + second)


DAMAGE: list[tuple[str, int, Callable[[Path, Path], object]]] = [
    ("missing image", 1, lambda root, split: image(root, 1).unlink()),
    ("missing ground truth", 1, lambda root, split: truth(root, 1).unlink()),
    ("unreadable", 1, lambda root, split: _cut(image(root, 1))),
    ("unreadable", 1, lambda root, split: _cut(truth(root, 1))),
    ("unreadable", 3, _break_calibration),
    (
        "image and ground truth of different size",
        1,
        lambda root, split: write_depth_png(truth(root, 1), np.ones((SIZE[1] - 1, SIZE[0]))),
    ),
    (
        "ground truth without a single pixel",
        1,
        lambda root, split: write_depth_png(truth(root, 1), np.zeros((SIZE[1], SIZE[0]))),
    ),
    ("focal length of another camera", 1, _other_days_focal_length),
    ("fy or principal point of another camera", 1, _other_cameras_column(2)),
    ("fy or principal point of another camera", 1, _other_cameras_column(3)),
    ("fy or principal point of another camera", 1, _other_cameras_column(4)),
    ("principal point outside of the image", 1, _other_cameras_column(4, 3 * SIZE[1])),
    ("frame listed twice", 2, _repeat_a_line),
]


@pytest.mark.parametrize(("kind", "count", "damage"), DAMAGE)
def test_damage_is_found(
    root: Path,
    kind: str,
    count: int,
    damage: Callable[[Path, Path], object],
    capsys: pytest.CaptureFixture[str],
):
    split, problems = make_split(root), root / "problems.txt"
    damage(root, split)
    capsys.readouterr()
    assert check(root, split, "--problems", str(problems)) == 1
    printed = capsys.readouterr().out
    assert f"\n{kind}: {count}\n" in printed
    assert f"NOT usable: {count} of 3 frames have problems" in printed
    assert "no calibration" not in printed  # there is one, whatever else is damaged
    kinds = [line.partition("\t")[0] for line in problems.read_text().splitlines()]
    assert kinds == [kind] * count


def test_a_training_list_may_weigh_a_frame_twice(root: Path):
    split = make_split(root)
    _repeat_a_line(root, split)
    assert check(root, split, "--training") == 0


def test_a_published_list_must_keep_its_ground_truth(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    split = make_split(root)
    mark = fingerprint(frame for e in read_split(split) if (frame := kitti_frame(e.image)))
    known = KnownSplit("Street test", 3, 3, mark, mark)
    monkeypatch.setattr(known_splits, "KNOWN_SPLITS", (known,))
    assert check(root, split) == 0
    assert "Street test, 3 listed, 3 with ground truth, verified" in capsys.readouterr().out
    truth(root, 1).unlink()
    make_split(root, "--unlabelled")
    assert check(root, split) == 1
    assert "NOT usable: the list has lost ground truth" in capsys.readouterr().out


def test_a_cut_scan_and_a_missing_calibration(root: Path, capsys: pytest.CaptureFixture[str]):
    split = make_split(root, "--ground-truth-source", "lidar")
    scan = root / "kitti_raw" / DAY / DRIVE / "velodyne_points" / "data" / "0000000001.bin"
    scan.write_bytes(scan.read_bytes()[:-3])
    assert check(root, split) == 1
    assert "no whole number of points" in capsys.readouterr().out
    fresh = root.with_name("fresh")  # calibrations are kept in memory by their folder
    root.rename(fresh)
    for path in (fresh / "kitti_raw" / DAY).glob("calib_*.txt"):
        path.unlink()
    assert check(fresh, fresh / "list.txt") == 1
    printed = capsys.readouterr().out
    assert "unreadable: 3" in printed
    assert f"raw_data/{DAY}_calib.zip" in printed
    assert "3 frames have no calibration to check their cameras by" in printed


def test_archives_of_what_is_missing(tmp_path: Path):
    day = "2011_09_29"
    drive = f"{day}_drive_0071_sync"
    picture = Path(day, drive, "image_02", "data", "0000000005.png")
    depth = Path(drive, "proj_depth", "groundtruth", "image_02", "0000000005.png")

    def names(**missing: Sequence[Path | LidarScan]) -> list[tuple[str, str]]:
        found = downloads.archives_of(tmp_path, **missing)  # type: ignore[arg-type]
        return [
            (archive.url.rpartition("/")[2], archive.unpack_in.relative_to(tmp_path).as_posix())
            for archive in found
        ]

    raw = [(f"{day}_calib.zip", "kitti_raw"), (f"{drive}.zip", "kitti_raw")]
    annotated = ("data_depth_annotated.zip", "data_depth_annotated")
    assert names(images=[picture, picture]) == raw
    assert names(truths=[LidarScan.of_image(picture)]) == raw
    assert names(truths=[depth]) == [annotated]
    assert names(images=[picture], truths=[depth]) == [annotated, *raw]
    selected = Path("image", f"{drive}_image_0000000005_image_02.png")
    assert names(images=[selected]) == [("data_depth_selection.zip", ".")]
    # Neither synthetic drives nor others' cut-outs are in an archive.
    cut_out = Path("image", f"{day}_drive_0071_0000000005_2.jpg")
    assert names(images=[cut_out, Path(DAY, DRIVE, "image_02", "data", "0.png")]) == []
    # Days that lie in ROOT itself are joined by others there.
    KittiCalibration.standard().write(tmp_path / day)
    assert names(images=[picture]) == [(f"{drive}.zip", ".")]


TEST_SCENES = ["2011_09_26/2011_09_26_drive_0002_sync/image_02/data/0000000069.png",
               "image/2011_09_26_drive_0009_0000000000_2.jpg"]  # fmt: skip


@pytest.mark.parametrize("scene", TEST_SCENES)
def test_test_scenes_are_not_trained_on(root: Path, scene: str, capsys: pytest.CaptureFixture[str]):
    split = make_split(root)
    lines = split.read_text()
    (root / scene).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(image(root), root / scene)
    shutil.copy(truth(root), root / "depth.png")
    split.write_text(f"{lines}{scene} depth.png {FX:.4f}\n")
    output = root / "run"
    arguments = ["train", "--preset", "tiny", "--split", split, "--data", root, "--output"]
    capsys.readouterr()
    assert run([*map(str, arguments), str(output)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert f"1 of the 28 drives of Eigen's test list ({kitti_drive_name(Path(scene))})" in error
    assert "--allow-test-scenes" in error
    allowed = ["--allow-test-scenes", f"model.weights={root / 'none.safetensors'}"]
    assert run([*map(str, arguments), str(output), *allowed]) == 2
    assert (
        "none.safetensors" in capsys.readouterr().err
    )  # the list is accepted, the next step fails
    assert check(root, split, "--training") == 1
    assert "test scene in a training list: 1" in capsys.readouterr().out
    assert len(read_training_split(split, root, allow_test_scenes=True)) == 4
    assert check(root, split, "--training", "--allow-test-scenes") == 0
    assert check(root, split) == 0


def test_training_lists_must_be_complete(root: Path):
    split = make_split(root, "--unlabelled")
    image(root, 2).unlink()
    with pytest.raises(HmaDepthError, match=r"files of 1 of 3 frames are not under .*02.png;"):
        read_training_split(split, root)
    truth(root, 1).unlink()
    split = make_split(root, "--unlabelled")
    with pytest.raises(HmaDepthError, match=r"lists 1 of 2 frames without ground truth \(None\)"):
        read_training_split(split, root)
    assert check(root, split, "--training") == 1
    assert check(root, split) == 0
    # The scans are there.
    assert len(read_training_split(split, root, source="lidar")) == 2


def test_an_empty_folder_is_one_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert check(tmp_path, None) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "no image of camera 2 or 3" in error


def test_validation_tells_drives_apart_by_their_folders(root: Path):
    entries = read_located_split(make_split(root), root)
    depths = iter([read_depth_png(truth(root, number)) for number in range(3)])
    exact = SimpleNamespace(
        predict=lambda *_, **__: SimpleNamespace(
            depth=next(depths), attention=None, uncertainty=None
        )
    )
    measure = ErrorMeasure.named("whole", KITTI)
    means = validate(cast("DepthPredictor", exact), entries, measure).means()
    assert set(means) == {DRIVE.removesuffix("_sync"), "all"}
    assert means["all"]["abs_rel"] == 0


def test_paths_may_begin_with_a_slash_or_be_absolute(root: Path, tmp_path: Path):
    listed = read_split(make_split(root), Path())
    other = tmp_path / "other.txt"
    other.write_text("".join(f"/{e.image} /{e.depth} {e.focal_length}\n" for e in listed))
    expected = read_located_split(make_split(root), root)
    assert read_located_split(other, root) == expected
    other.write_text("".join(f"{e.image} {e.depth} {e.focal_length}\n" for e in expected))
    assert read_located_split(other, tmp_path / "elsewhere") == expected


WRITTEN = {
    "utf-8 with byte order mark": lambda text: b"\xef\xbb\xbf" + text.encode(),
    "utf-16 of PowerShell": lambda text: text.encode("utf-16"),
    "big-endian utf-16": lambda text: b"\xfe\xff" + text.encode("utf-16-be"),
    "lines of Windows": lambda text: text.replace("\n", "\r\n").encode(),
    "backslashes": lambda text: text.replace("/", "\\").encode(),
    "copied from a web page": lambda text: text.replace("_02", "_\u200b02\ufeff").encode(),
    "trailing blanks, tabs, comments": lambda text: (
        b"# mine\n\n"
        + text.replace("\n", " \t# day\n").replace(" ", "\t").encode()
        + b"  # end\n \n"
    ),
}


@pytest.mark.parametrize("how", WRITTEN)
def test_lists_as_other_systems_save_them(root: Path, how: str):
    split = make_split(root)
    expected = read_located_split(split, root)
    split.write_bytes(WRITTEN[how](split.read_text()))
    assert read_located_split(split, root) == expected
    assert len(expected) == 3
    assert check(root, split) == 0


@pytest.mark.parametrize(("list_form", "file_form"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_accents_may_be_written_in_two_ways(
    tmp_path: Path, list_form: Literal["NFC", "NFD"], file_form: Literal["NFC", "NFD"]
):
    """As one character, or as two, in the names of macOS: they look alike, and are other names."""
    listed = unicodedata.normalize(list_form, "Tür/Straße_é.png")
    stored = unicodedata.normalize(file_form, "Tür/Straße_é.png")
    folder, name = stored.split("/")
    (tmp_path / folder).mkdir()
    path = tmp_path / folder / name
    write_png(path, np.zeros((8, 8, 3), np.uint8))
    split = tmp_path / "list.txt"
    split.write_text(f"{listed} None 700\n", encoding="utf-8")
    assert [entry.image for entry in read_located_split(split, tmp_path)] == [path]
    twin = tmp_path / listed  # which is meant, once it is there
    twin.parent.mkdir()
    write_png(twin, np.zeros((8, 8, 3), np.uint8))
    assert [entry.image for entry in read_located_split(split, tmp_path)] == [twin]


@pytest.mark.parametrize(
    ("listed", "on_disk"),
    [(".png", ".jpg"), (".jpg", ".png"), (".png", ".JPG"), (".JPEG", ".png"), (".png", ".PNG")],
)
def test_a_list_may_have_the_other_suffix(root: Path, listed: str, on_disk: str):
    split = make_split(root)
    for number in range(3):
        image(root, number).rename(image(root, number).with_suffix(on_disk))
        truth(root, number).rename(truth(root, number).with_suffix(".PNG"))
    text = split.read_text()
    split.write_text(text.replace(".png 2011", f"{listed} 2011"))
    located = read_located_split(split, root)
    assert [entry.image for entry in located] == [
        image(root, number).with_suffix(on_disk) for number in range(3)
    ]
    assert [entry.depth for entry in located] == [
        truth(root, number).with_suffix(".PNG") for number in range(3)
    ]


def scan_of(split: Path, root: Path) -> LidarScan:
    scan = read_located_split(split, root)[1].depth
    assert isinstance(scan, LidarScan)
    return scan


def test_label_maps_may_have_capitals(root: Path):
    found = find_labels(image(root))
    assert found is not None
    before = read_labels(found)
    found.rename(found.with_suffix(".PNG"))
    again = find_labels(image(root))
    assert again == found.with_suffix(".PNG")
    np.testing.assert_array_equal(read_labels(again), before)


def test_scans_may_have_capitals(root: Path):
    split = make_split(root, "--ground-truth-source", "lidar")
    before = read_ground_truth(scan_of(split, root)).sum()
    for path in root.rglob("*.bin"):
        path.rename(path.with_suffix(".BIN"))
    for text in (split.read_text(), split.read_text().replace(".bin", ".BIN")):
        split.write_text(text)
        assert scan_of(split, root).path.suffix == ".BIN"
        assert read_ground_truth(scan_of(split, root)).sum() == before > 0


def test_a_list_may_name_files_that_are_not_utf8(root: Path, tmp_path: Path):
    strange = root / "stra\udcdfe.png"
    shutil.copy(image(root), strange)
    split = tmp_path / "list.txt"
    split.write_bytes(b"stra\xdfe.png None 700\n")
    (entry,) = read_located_split(split, root)
    assert entry.image == strange
    write_split(tmp_path / "again.txt", [SplitEntry(Path(strange.name), None, 700.0)])
    assert (tmp_path / "again.txt").read_bytes() == b"stra\xdfe.png None 700.0000\n"


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 7\n", "git lfs pull"),
        (b"<!DOCTYPE html><html></html>", "a web page"),
        (b"\x89PNG\r\n\x1a\n", "a PNG image"),
        (b"a.png b.png 7\0", "not text"),
        (b"", "lists no frame"),
        (b"# nothing\n", "lists no frame"),
        (b". None 700\n", r"list\.txt, line 1: '\.' names no image"),
        (b"/ / 700\n", r"list\.txt, line 1: '/' names no image"),
        (b"a.png b.png\n", r"list\.txt, line 1: expected 'image depth focal'"),
    ],
)
def test_what_is_no_list_is_named(tmp_path: Path, content: bytes, what: str):
    (tmp_path / "list.txt").write_bytes(content)
    with pytest.raises(HmaDepthError, match=what):
        read_split(tmp_path / "list.txt")
    with pytest.raises(HmaDepthError, match="Is a directory"):
        read_split(tmp_path)


def test_millimetres_and_disparities_are_hinted_at(
    root: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
):
    """In every command that reads ground truth and shows no metre."""
    split = make_split(root)
    drive = root / "kitti_raw" / DAY / DRIVE
    stub = SimpleNamespace(run=lambda: SimpleNamespace(steps=0, best=None))
    monkeypatch.setattr("hma_depth_ros.training.trainer.Trainer", lambda *_, **__: stub)
    plane = GroundAndWall(1.65, 0.45, 30)  # fitting one takes its time
    monkeypatch.setattr(GroundAndWall, "of", lambda _: plane)
    data = ["--data", str(root), "--split", str(split)]
    annotated = ["--ground-truth", str(root / "data_depth_annotated")]

    def hints(folder: str, said: str) -> list[str]:
        run_folder, predictions, bag = (str(tmp_path / folder / name) for name in "abc")
        learnt = ["--train", str(split), "--train-data", str(root)]
        commands = [
            ["check_dataset", *data],
            ["train", "--preset", "tiny", *data, "--output", run_folder],
            ["baselines", *learnt, *data, "--output", predictions],
            ["kitti_to_bag", str(drive), *annotated, "--output", bag],
        ]
        found = []
        for command in commands:
            capsys.readouterr()
            assert run(command) == 0
            output = capsys.readouterr().out
            hinted = (line for line in output.splitlines() if said in line)
            found += [command[0] for _ in hinted]
        return found

    every = ["check_dataset", "train", "baselines", "kitti_to_bag"]
    assert hints("right", "as if it were") == []
    depths = [read_depth_png(truth(root, number)) for number in range(3)]
    for number, depth in enumerate(depths):
        write_depth_png(truth(root, number), depth, units_per_metre=1000)
    assert hints("wrong", "as if it were stored in millimetres; it") == every
    for number, depth in enumerate(depths):  # as KITTI's stereo benchmarks have it
        disparity = np.divide(386.0, depth, out=np.zeros_like(depth), where=depth > 0)
        write_depth_png(truth(root, number), disparity)
    assert hints("stereo", "as if it were disparity (depth is fx x baseline") == every
