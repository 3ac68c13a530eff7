"""Frames are known by their paths, and published lists by their frames."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hma_depth_ros.data.frame_name import (
    KittiFrame,
    frame_name,
    kitti_frame,
    scene_name,
    short_scene_names,
)
from hma_depth_ros.data.splits.known_splits import EIGEN_TEST_DRIVES, fingerprint, identify
from hma_depth_ros.data.splits.split_file import SplitEntry, read_split

DRIVE = "2011_09_26_drive_0002_sync"


@pytest.mark.parametrize(
    "path",
    [
        f"2011_09_26/{DRIVE}/image_02/data/0000000069.png",
        f"/data/2011_09_26/{DRIVE}/image_02/data/0000000069.jpg",
        f"{DRIVE}/proj_depth/groundtruth/image_02/0000000069.png",
        f"image/{DRIVE}_image_0000000069_image_02.png",
        f"groundtruth_depth/{DRIVE}_groundtruth_depth_0000000069_image_02.png",
        f"predictions/{DRIVE}_0000000069.npy",
    ],
)
def test_frames_of_all_layouts(path: str):
    assert kitti_frame(Path(path)) == KittiFrame(DRIVE, "0000000069", 2)
    assert frame_name(Path(path)) == f"{DRIVE}_0000000069"


def test_the_right_camera_has_names_of_its_own():
    frame = kitti_frame(Path(f"2011_09_26/{DRIVE}/image_03/data/0000000069.png"))
    assert frame == KittiFrame(DRIVE, "0000000069", 3)
    assert kitti_frame(Path(f"{frame.name}.png")) == frame


def test_other_files_go_by_their_stem():
    assert kitti_frame(Path("depth/street_7.png")) is None
    assert frame_name(Path("depth/street_7.png")) == "street_7"


def test_fingerprint_is_of_the_sorted_frames():
    frames = [KittiFrame(DRIVE, f"{number:010}", 2) for number in (3, 1)]
    # printf 'D 0000000001 2\nD 0000000003 2\n' | sha256sum, with D the drive
    expected = "5023e5950b38bc17bdca6c2754c67e7ae0d6358032cb9e7fad00c33daf383744"
    assert fingerprint(frames) == fingerprint(frames[::-1]) == expected
    assert fingerprint(frames[:1]) != expected


def test_28_test_drives():
    assert len(EIGEN_TEST_DRIVES) == 28
    assert DRIVE in EIGEN_TEST_DRIVES
    assert "2011_09_26_drive_0001_sync" not in EIGEN_TEST_DRIVES


def test_other_lists_are_not_recognised():
    entries = [SplitEntry(Path("a.png"), None, 1.0), SplitEntry(Path("b.png"), Path("c.png"), 1.0)]
    assert str(identify(entries)) == "another list, 2 listed, 1 with ground truth"


@pytest.fixture(scope="module")
def lists() -> Path:
    """Eigen's lists as BTS publishes them."""
    beside = Path(__file__).resolve().parent.parent.parent / "shared" / "eigen_split"
    folder = Path(os.environ.get("HMA_DEPTH_EIGEN_SPLIT", beside))
    if not folder.is_dir():
        pytest.skip(f"no lists of Eigen's split at {folder} (set HMA_DEPTH_EIGEN_SPLIT to a copy)")
    return folder


def test_eigens_lists_are_recognised(lists: Path):
    test = read_split(lists / "eigen_test_files_with_gt.txt", Path("/anywhere"))
    train = read_split(lists / "eigen_train_files_with_gt.txt")
    assert str(identify(test)) == "Eigen test, 697 listed, 652 with ground truth, verified"
    assert str(identify(test[::-1])) == str(identify(test))
    assert str(identify(train)) == "Eigen train, 23158 listed, 23158 with ground truth, verified"
    assert identify(test[:-1]).known is None
    drives = {frame.drive for entry in test if (frame := kitti_frame(entry.image))}
    assert drives == EIGEN_TEST_DRIVES


def test_a_list_that_lost_ground_truth_is_not_verified(lists: Path):
    test = read_split(lists / "eigen_test_files_with_gt.txt")
    index = next(index for index, entry in enumerate(test) if entry.depth is not None)
    test[index] = SplitEntry(test[index].image, None, test[index].focal_length)
    found = identify(test)
    assert not found.verified
    assert "651 with ground truth where the published list has 652, NOT verified" in str(found)


@pytest.mark.parametrize(
    ("path", "scene"),
    [
        (f"image/{DRIVE.removesuffix('_sync')}_0000000005_2.jpg", DRIVE),
        ("image/nuscenes_scene0061_CAM_BACK.jpg", "scene-0061"),
        ("samples/Scene-0061_front.jpg", "scene-0061"),
        ("bathroom/rgb_00045.jpg", "bathroom"),
        ("image/obscene12.png", "image"),
    ],
)
def test_scenes(path: str, scene: str):
    assert scene_name(Path(path)) == scene


@pytest.mark.parametrize(
    ("names", "short"),
    [
        (["/data/nyu/kitchen", "/data/nyu/office"], ["kitchen", "office"]),
        (["/data/a/x/image", "/data/a/y/image", "scene-1"], ["x/image", "y/image", "scene-1"]),
        (["/data/image", DRIVE], ["image", DRIVE]),
        (["rel/image", "/abs/image"], ["rel/image", "/abs/image"]),
        ([], []),
    ],
)
def test_scenes_that_are_folders_are_shown_without_what_they_share(
    names: list[str], short: list[str]
):
    assert short_scene_names(names) == dict(zip(names, short, strict=True))
