"""NYU Depth v2 from its labelled file to figures, on a small file of the same form."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import h5py
import numpy as np
import pytest
from scipy.io import savemat

from hma_depth_ros.cli import run
from hma_depth_ros.data.depth.depth_png import read_depth_png
from hma_depth_ros.data.image_file import read_rgb
from hma_depth_ros.data.nyu.frames import list_nyu_frames
from hma_depth_ros.data.splits import dataset_layout
from hma_depth_ros.data.splits.known_splits import identify
from hma_depth_ros.data.splits.located_split import read_training_split
from hma_depth_ros.data.splits.split_file import SplitEntry, write_split

SCENES = ("kitchen", "office", "living_room")


def images() -> np.ndarray:
    """(N, 480, 640, 3), each frame of its own colours."""
    v, u = np.mgrid[0:480, 0:640]
    frames = [np.stack([u % 256, v % 256, np.full_like(u, 40 * i)], -1) for i in range(3)]
    return np.stack(frames).astype(np.uint8)


def depths() -> np.ndarray:
    """(N, 480, 640), metres."""
    ramp = np.linspace(1.0004, 4.0, 640, dtype=np.float32)
    raw = np.tile(ramp, (3, 480, 1))
    raw[:, 100:110, 200:210] = 0
    return raw


def write_mat(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["images"] = images().transpose(0, 3, 2, 1)
        file["rawDepths"] = depths().transpose(0, 2, 1)
        file["depths"] = (depths() + 1).transpose(0, 2, 1)
        cells = file.create_dataset("sceneTypes", (1, 3), dtype=h5py.ref_dtype)
        for number, scene in enumerate(SCENES):
            codes = np.array([[ord(c)] for c in scene], np.uint16)
            cells[0, number] = file.create_dataset(f"#refs#/{number}", data=codes).ref


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("nyu")
    write_mat(folder / "labelled.mat")
    savemat(folder / "splits.mat", {"trainNdxs": [[2]], "testNdxs": [[1], [3]]})
    arguments = [folder / "labelled.mat", "--output", folder / "out", "--splits"]
    assert run(["extract_nyu", *map(str, arguments), str(folder / "splits.mat")]) == 0
    return folder / "out"


def test_files_and_lists_are_btss(root: Path):
    lines = (root / "test.txt").read_text().splitlines()
    assert lines == [
        "kitchen/rgb_00000.png kitchen/sync_depth_00000.png 518.8579",
        "living_room/rgb_00002.png living_room/sync_depth_00002.png 518.8579",
    ]
    assert "office/rgb_00001.png" in (root / "train.txt").read_text()
    image = read_rgb(root / "kitchen/rgb_00000.png")
    expected = images()[0]
    assert np.array_equal(image[7:474, 7:632], expected[7:474, 7:632])
    assert image[:7].max() == image[474:].max() == image[:, :7].max() == image[:, 632:].max() == 0
    stored = cv2.imread(str(root / "office/sync_depth_00001.png"), cv2.IMREAD_UNCHANGED)
    assert stored is not None
    assert stored.dtype == np.uint16
    assert np.array_equal(stored, np.floor(depths()[1].astype(np.float64) * 1000))
    assert stored[105, 205] == 0


def test_filled_depth_and_the_border_can_be_had(root: Path, tmp_path: Path):
    arguments = [str(root.parent / "labelled.mat"), "--output", str(tmp_path)]
    assert run(["extract_nyu", *arguments, "--depth", "filled", "--keep-border"]) == 0
    depth = read_depth_png(tmp_path / "kitchen/sync_depth_00000.png", units_per_metre=1000)
    assert depth[105, 205] == 1.0
    assert np.array_equal(read_rgb(tmp_path / "kitchen/rgb_00000.png"), images()[0])
    assert len((tmp_path / "all.txt").read_text().splitlines()) == 3


def test_an_interrupted_extraction_goes_on(root: Path, tmp_path: Path):
    arguments = ["extract_nyu", str(root.parent / "labelled.mat"), "--output", str(tmp_path)]
    assert run(arguments) == 0
    kept = tmp_path / "kitchen/rgb_00000.png"
    lost = [tmp_path / "office/sync_depth_00001.png", tmp_path / "living_room/rgb_00002.png"]
    before = kept.stat().st_mtime_ns
    for path in lost:
        path.unlink()
    assert run(arguments) == 0
    assert kept.stat().st_mtime_ns == before
    assert all(path.is_file() for path in lost)


@pytest.mark.parametrize("option", [("--depth", "filled"), ("--keep-border",)])
def test_a_folder_of_other_options_is_refused(
    root: Path, tmp_path: Path, option: tuple[str, ...], capsys: pytest.CaptureFixture[str]
):
    arguments = ["extract_nyu", str(root.parent / "labelled.mat"), "--output", str(tmp_path)]
    for first, second in (((), option), (option, ())):
        shutil.rmtree(tmp_path)
        assert run([*arguments, *first]) == 0
        (tmp_path / "kitchen/sync_depth_00000.png").unlink()
        assert run([*arguments, *second]) == 2
        assert f"{tmp_path} holds frames unpacked with other options" in capsys.readouterr().err
        assert not (tmp_path / "kitchen/sync_depth_00000.png").exists()
        assert run([*arguments, *first]) == 0


def test_from_the_list_to_figures(root: Path, tmp_path: Path):
    """Predictions a tenth too far everywhere: AbsRel 0.1 where there is truth in Eigen's window."""
    for scene, number in (("kitchen", 0), ("living_room", 2)):
        truth = read_depth_png(root / scene / f"sync_depth_{number:05}.png", units_per_metre=1000)
        np.save(tmp_path / f"{scene}_rgb_{number:05}.npy", truth * np.float32(1.1))
    output = tmp_path / "o.json"
    lists = ["--split", str(root / "test.txt"), "--ground-truth", str(root)]
    assert run(["evaluate_nyu", "--predictions", str(tmp_path), *lists, "--json", str(output)]) == 0
    mean = json.loads(output.read_text())["nyu_cap10"]["mean"]
    assert mean["abs_rel"] == pytest.approx(0.1, rel=1e-5)
    assert mean["d1"] == 1


def test_the_folder_is_checked_and_listed(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    nyu = ["--dataset", "nyu", "--data", str(root)]
    assert run(["check_dataset", *nyu, "--split", str(root / "test.txt")]) == 0
    assert "2 listed, 2 with ground truth" in capsys.readouterr().out
    made = tmp_path / "made.txt"
    assert run(["make_split", *nyu, "--output", str(made)]) == 0
    assert sorted(made.read_text().splitlines()) == sorted(
        line
        for name in ("train", "test")
        for line in (root / f"{name}.txt").read_text().split("\n")
        if line
    )
    # BTS's lists say .jpg and begin with a slash.
    other = tmp_path / "list.txt"
    other.write_text("/office/rgb_00001.jpg /office/sync_depth_00001.png 518.8579\n")
    (entry,) = read_training_split(other, root, layout=dataset_layout.NYU)
    assert entry.image == root / "office/rgb_00001.png"
    other.write_text("/attic/rgb_00007.jpg /attic/sync_depth_00007.png 518.8579\n")
    assert run(["check_dataset", *nyu, "--split", str(other)]) == 1
    out = capsys.readouterr().out
    assert "missing image: 1" in out
    assert "nyu_depth_v2_labeled.mat and splits.mat from https://cs.nyu.edu" in out


def test_scenes_may_be_links_with_capitals_and_companions(root: Path, tmp_path: Path):
    (tmp_path / "data").mkdir()
    for scene in SCENES:
        shutil.copytree(root / scene, tmp_path / "store" / scene)
        (tmp_path / "data" / scene).symlink_to(tmp_path / "store" / scene)
    for path in list((tmp_path / "store").rglob("*.png")):
        path.with_name(f"._{path.name}").write_bytes(b"\x00\x05\x16\x07Mac OS X")
        path.rename(path.with_suffix(".PNG"))
    entries = list_nyu_frames(tmp_path / "data")
    assert [str(entry.image) for entry in entries] == [
        "kitchen/rgb_00000.PNG",
        "living_room/rgb_00002.PNG",
        "office/rgb_00001.PNG",
    ]
    split = tmp_path / "list.txt"
    write_split(split, entries)
    options = ["--dataset", "nyu", "--data", str(tmp_path / "data"), "--split", str(split)]
    assert run(["check_dataset", *options]) == 0
    split.write_text((root / "test.txt").read_text())  # of small letters
    assert run(["check_dataset", *options]) == 0


def test_a_changed_list_is_not_the_published_one():
    names = [f"kitchen/rgb_{i:05}.jpg" for i in range(654)]
    entries = [SplitEntry(Path(name), Path("d.png"), 518.8579) for name in names]
    assert str(identify(entries)) == "another list, 654 listed, 654 with ground truth"


def _damaged(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _without_scenes(path: Path) -> None:
    with h5py.File(path, "a") as file:
        del file["sceneTypes"]


def _other_sizes(path: Path) -> None:
    with h5py.File(path, "a") as file:
        del file["rawDepths"]
        file["rawDepths"] = np.zeros((3, 640, 479), np.float32)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_damaged, "is not HDF5, or truncated"),
        (lambda path: path.write_bytes(b"MATLAB 5.0"), "is not HDF5, or truncated"),
        (lambda path: path.unlink(), "there is no file"),
        (_without_scenes, "has no array 'sceneTypes'"),
        (_other_sizes, "do not go together"),
    ],
)
def test_bad_files_are_one_line_and_leave_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], spoil, message: str
):
    path = tmp_path / "labelled.mat"
    write_mat(path)
    spoil(path)
    assert run(["extract_nyu", str(path), "--output", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_wrong_list_of_numbers_and_an_unpacked_file_are_named(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    splits, file = tmp_path / "splits.mat", str(root.parent / "labelled.mat")
    arguments = ["extract_nyu", file, "--output", str(tmp_path / "out"), "--splits", str(splits)]
    splits.write_bytes(b"nothing")
    assert run(arguments) == 2
    assert "is not NYU Depth v2's splits.mat" in capsys.readouterr().err
    savemat(splits, {"trainNdxs": [[2]], "testNdxs": [[4]]})
    assert run(arguments) == 2
    assert "numbers frames that are not in the file" in capsys.readouterr().err
    assert run(["evaluate_nyu", "--data", file, "--split", str(root / "test.txt")]) == 2
    assert f"unpack {file} first: extract_nyu" in capsys.readouterr().err
