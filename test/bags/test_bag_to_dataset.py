"""bag_to_dataset: labels are where the image has them, lists apart; bad bags say what is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from hma_depth_ros.bags.to_dataset.dataset_folder import DatasetFolder
from hma_depth_ros.bags.to_dataset.dataset_report import overlay
from hma_depth_ros.bags.to_dataset.frame_choice import difference, small_view
from hma_depth_ros.bags.to_dataset.scan_labels import completed_by
from hma_depth_ros.cli import run_command
from hma_depth_ros.data.depth.depth_png import read_depth_png
from hma_depth_ros.data.splits.located_split import read_located_split, read_training_split
from hma_depth_ros.messages.point_times import timed_returns

from .car_with_lidar import (
    CAMERA,
    SECOND,
    START,
    STEP,
    TO_CAMERA,
    UNITS,
    Car,
    timed_cloud,
)

Depth = npt.NDArray[np.float32]
#: As many lists as one: for tests of labels.
ONE_LIST = ("--shares", "0", "0", "1", "--no-occlusion-filter", "--overlays", "1")


def make(*arguments: object) -> int:
    return run_command("bag_to_dataset", list(map(str, arguments)))


def frames_of(folder: Path) -> dict[int, Depth]:
    """Depth of the test list's frames, by the number of the frame in its bag."""
    found = {}
    for entry in read_located_split(folder / "test.txt", folder):
        _, seconds, nanoseconds = entry.image.stem.rsplit("_", 2)
        number, _ = divmod(int(seconds) * SECOND + int(nanoseconds) - START, STEP)
        assert isinstance(entry.depth, Path)
        found[number] = read_depth_png(entry.depth)
    return found


def error(found: Depth, expected: Depth) -> float:
    """Median difference in metres where both know the depth of a post or of the road ahead."""
    both = (found > 0) & (expected > 0)
    assert both.sum() > 300
    return float(np.median(np.abs(found - expected)[both]))


@pytest.mark.parametrize("time_field", [*UNITS, None])
def test_points_are_moved_from_their_own_time_to_that_of_the_image(
    tmp_path: Path, time_field: tuple[str, str] | None
):
    """In the units of each driver; one that does not say the time has its points where they are."""
    car = Car(frames=5, turn=STEP if time_field else 0, time_field=time_field)
    bag = car.write(tmp_path / "bag")
    assert make(bag, "--output", tmp_path / "set", *ONE_LIST) == 0
    found = frames_of(tmp_path / "set")
    assert len(found) >= 2
    for number, depth in found.items():
        assert error(depth, car.seen(number)) < 0.02, number
    assert make(bag, "--output", tmp_path / "still", *ONE_LIST, "--no-motion") == 0
    for number, depth in frames_of(tmp_path / "still").items():
        assert error(depth, car.seen(number)) > 0.1, number


@pytest.mark.parametrize("time_field", UNITS)
def test_units_of_point_times(time_field: tuple[str, str]):
    after = np.array([0, 20_000_000, 99_000_000])
    points = np.array([[5.0, 0, 0], [6, 0, 0], [7, 0, 0]])
    found = timed_returns(timed_cloud(points, after, time_field, stamp=START))
    assert found.offsets == pytest.approx(after * 1e-9, abs=1e-6)
    assert found.field == time_field[0]


def test_times_of_another_clock_count_from_the_first_point():
    after = np.array([0, 20_000_000, 99_000_000])
    points = np.array([[5.0, 0, 0], [6, 0, 0], [7, 0, 0]])
    cloud = timed_cloud(points, after, ("timestamp", "<f8"), stamp=START)
    cloud = replace(cloud, header=replace(cloud.header, stamp=replace(cloud.header.stamp, sec=12)))
    found = timed_returns(cloud)
    assert found.offsets == pytest.approx(after * 1e-9, abs=1e-6)


def test_frames_are_metres_apart_and_a_car_that_waits_gives_one(tmp_path: Path):
    for name, odometry in (("way", True), ("view", False)):
        car = Car(frames=30, standing=15, odometry=odometry)
        bag = car.write(tmp_path / f"bag_{name}")
        folder = tmp_path / name
        assert make(bag, "--output", folder, *ONE_LIST, "--spacing", 2) == 0
        numbers = sorted(frames_of(folder))
        assert sum(number < 15 for number in numbers) == 1, name
        assert len(numbers) > 5
    # 10 m/s and 10 images a second: every second one.
    assert numbers[0] == 0
    way = sorted(frames_of(tmp_path / "way"))[1:]
    assert np.diff(way).tolist() == [2] * (len(way) - 1)


def test_noise_and_light_are_no_new_view():
    picture = Car().picture(3)
    view = small_view(picture)
    noisy = picture + np.random.default_rng(0).normal(0, 6, picture.shape)
    assert difference(view, small_view(np.clip(noisy, 0, 255).astype(np.uint8))) < 0.002
    assert difference(view, small_view((picture * 0.7).astype(np.uint8))) < 0.002


def test_lists_are_read_by_train_and_are_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    bags = [Car(frames=70).write(tmp_path / name) for name in ("one", "two")]
    folder = tmp_path / "set"
    assert make(*bags, "--output", folder, "--spacing", 1, "--gap", 3, "--overlays", 3) == 0
    training = read_training_split(folder / "train.txt", folder)
    lists = {"train": training} | {
        name: read_located_split(folder / f"{name}.txt", folder) for name in ("validation", "test")
    }
    assert len(training) > len(lists["test"]) > 0 < len(lists["validation"])
    ways: dict[str, list[tuple[str, float]]] = {}
    for name, entries in lists.items():
        for entry in entries:
            assert entry.intrinsics == CAMERA.intrinsics
            seconds, nanoseconds = entry.image.stem.rsplit("_", 2)[1:]
            stamp = int(seconds) * SECOND + int(nanoseconds)
            ways.setdefault(name, []).append((entry.image.parent.name, Car().x(stamp)))
    for first, second in (("train", "test"), ("train", "validation"), ("validation", "test")):
        apart = [abs(a - b) for bag, a in ways[first] for other, b in ways[second] if bag == other]
        assert min(apart) > 2.99, (first, second)
    report = json.loads((folder / "report.json").read_text())
    assert report["lists"] == {name: len(entries) for name, entries in lists.items()}
    assert report["mount"]["height"] == pytest.approx(2.0 - 0.3, abs=0.05)
    assert report["label_density"][1]["labels"] > 0
    assert len(list((folder / "overlays").glob("*.jpg"))) == 3
    assert "train.txt" in capsys.readouterr().out


def test_an_interrupted_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    bag = Car(frames=14).write(tmp_path / "bag")
    whole, folder = tmp_path / "whole", tmp_path / "set"
    assert make(bag, "--output", whole, *ONE_LIST) == 0
    add: Callable[..., Any] = DatasetFolder.add
    calls: list[Any] = []

    def some(*arguments: Any) -> None:
        if len(calls) == 4:
            raise KeyboardInterrupt
        calls.append(arguments)
        add(*arguments)

    monkeypatch.setattr(DatasetFolder, "add", some)
    with pytest.raises(KeyboardInterrupt):
        make(bag, "--output", folder, *ONE_LIST)
    monkeypatch.undo()
    with (folder / "frames" / "bag.jsonl").open("a") as file:
        file.write('{"stamp": 17')  # half of a line
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*.png")}
    assert len(before) == 8
    capsys.readouterr()
    assert make(bag, "--output", folder, *ONE_LIST) == 0
    assert "4 were there already" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in before} == before
    names = sorted(p.relative_to(whole) for p in whole.rglob("*") if p.is_file())
    assert names == sorted(p.relative_to(folder) for p in folder.rglob("*") if p.is_file())
    for name in names:
        if name.suffix in {".png", ".txt"}:
            assert (whole / name).read_bytes() == (folder / name).read_bytes(), name
    assert make(bag, "--output", folder, *ONE_LIST, "--spacing", 5) == 2
    assert "another spacing" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("car", "says"),
    [
        (Car(lidar=False), "has no LiDAR (PointCloud2)"),
        (Car(without_scans=range(12)), "has no message on /lidar (PointCloud2)"),
        (Car(tf_static=False, odometry=False), "--lidar-to-camera x y z qx qy qz qw"),
        (Car(clock=12_300_000_000), "is 12.30 s ahead of that of /camera/image_rect"),
        (Car(clock=-3 * SECOND), "is 3.00 s behind"),
        (Car(tf_static=False), "no transform from lidar to eye"),
        (Car(reversed_tf=True), "is the wrong way round"),
        (Car(upside_down=True), "upside down into the image"),
        (Car(scale=1000.0), "are they millimetres"),
        (Car(frame_ids=("", "")), "on /lidar and /camera/image_rect have an empty frame_id"),
        (Car(frame_ids=("eye", "eye")), "is in the camera's own frame"),
        (Car(lidar=False, packets=True), "but /velodyne_packets (velodyne_msgs/msg/VelodyneScan)"),
        (Car(covered=range(12)), "no scan on /lidar can be used: they have no returns"),
        (Car(frames=1), "too little road for all lists"),
    ],
)
def test_bad_bags_are_one_line(
    tmp_path: Path, car: Car, says: str, capsys: pytest.CaptureFixture[str]
):
    bag = replace(car, frames=min(car.frames, 12)).write(tmp_path / "bag")
    assert make(bag, "--output", tmp_path / "set") == 2
    message = capsys.readouterr().err
    assert says in message
    assert message.count("\n") == 1


def test_clocks_that_may_differ_are_asked_about(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    for clock, offset in ((400_000_000, "-0.400"), (-400_000_000, "0.400"), (150_000_000, "")):
        bag = Car(frames=12, clock=clock).write(tmp_path / f"bag{clock}")
        assert make(bag, "--output", tmp_path / f"set{clock}", *ONE_LIST) == 0
        said = capsys.readouterr().out
        assert (f"--time-offset {offset} corrects it" in said) == bool(offset), clock


def test_an_odometry_of_an_unknown_frame_is_told_and_not_used(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    bag = Car(frames=8, tf_static=False).write(tmp_path / "bag")
    given = ("--lidar-to-camera", *TO_CAMERA[:3, 3], 0.5, -0.5, 0.5, 0.5)
    assert make(bag, "--output", tmp_path / "set", *ONE_LIST, *given) == 0
    said = capsys.readouterr().out
    assert "/odom is of 'base_link': no transform from lidar to base_link" in said
    assert "it is not used" in said
    named = ("--odometry-topic", "/odom")
    assert make(bag, "--output", tmp_path / "no", *ONE_LIST, *given, *named) == 2
    assert "/odom is of 'base_link'" in capsys.readouterr().err


def test_a_sensor_with_two_places_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    for car, told in ((Car(frames=8, remounted=True), True), (Car(frames=8), False)):
        bag = car.write(tmp_path / f"bag_{told}")
        assert make(bag, "--output", tmp_path / f"set_{told}", *ONE_LIST) == 0
        said = capsys.readouterr().out
        assert ("/tf_static has two places of eye" in said) == told
        for number, depth in frames_of(tmp_path / f"set_{told}").items():
            assert error(depth, car.seen(number)) < 0.02, "by the latest"


def test_clocks_that_differ_are_taken_where_it_is_said(tmp_path: Path):
    car = Car(frames=8, clock=12_300_000_000)
    bag = car.write(tmp_path / "bag")
    assert make(bag, "--output", tmp_path / "set", *ONE_LIST, "--time-offset", -12.3) == 0
    for number, depth in frames_of(tmp_path / "set").items():
        assert error(depth, car.seen(number)) < 0.02


def test_extrinsics_by_hand_go_before_tf(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    car = Car(frames=8, reversed_tf=True)
    bag = car.write(tmp_path / "bag")
    half = 0.5
    numbers = (*TO_CAMERA[:3, 3], half, -half, half, half)
    given = ("--lidar-to-camera", *numbers)
    assert make(bag, "--output", tmp_path / "set", *ONE_LIST, *given) == 0
    for number, depth in frames_of(tmp_path / "set").items():
        assert error(depth, car.seen(number)) < 0.02
    away = ("--lidar-to-camera", 0, 0, 0, 0, 0, 0, 1)  # looks up: z of the LiDAR
    assert make(bag, "--output", tmp_path / "none", *ONE_LIST, *away) == 2
    assert "of the LiDAR's returns into the image" in capsys.readouterr().err


def test_pauses_and_stretches_without_scans_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    car = Car(frames=90, without_scans=range(10, 70), pause=(75, 3600 * SECOND), speed=2.0)
    bag = car.write(tmp_path / "bag")
    assert make(bag, "--output", tmp_path / "set", *ONE_LIST, "--spacing", 0.5) == 0
    said = capsys.readouterr().out
    assert "60 of 90 images have no scan" in said
    assert "1 empty stretches, the longest 5.9 s" in said
    covered = replace(car, without_scans=range(0), covered=range(10, 70), pause=(90, 0))
    bag = covered.write(tmp_path / "covered")
    assert make(bag, "--output", tmp_path / "other", *ONE_LIST, "--spacing", 0.5) == 0
    said_too = capsys.readouterr().out
    assert "hardly a return in the image of 20 frames, 20 of them in one stretch" in said_too
    assert "was the LiDAR covered" in said_too and "was the LiDAR covered" not in said
    assert "2 drives, the images' stamps jump at" in said
    report = json.loads((tmp_path / "set" / "report.json").read_text())
    assert report["bags"][0]["drives"] == 2


def test_the_own_car_is_left_out(tmp_path: Path):
    car = Car(frames=24, hood=True)
    bag = car.write(tmp_path / "bag")
    assert make(bag, "--output", tmp_path / "set", *ONE_LIST) == 0
    assert make(bag, "--output", tmp_path / "kept", *ONE_LIST, "--keep-static") == 0
    clean, kept = frames_of(tmp_path / "set"), frames_of(tmp_path / "kept")
    # The hood is less than 2 m before the camera, the road in its image 5 m and more.
    assert all((depth[depth > 0] < 2).sum() > 5 for depth in kept.values())
    assert all((depth[depth > 0] < 2).sum() == 0 for depth in clean.values())
    for number, depth in clean.items():
        assert (depth > 0).sum() > 0.6 * (car.seen(number) > 0).sum()
    mask = np.zeros((CAMERA.height, CAMERA.width), np.uint8)
    mask[:, :80] = 255
    cv2.imwrite(str(tmp_path / "mask.png"), mask)
    given = ("--ego-mask", tmp_path / "mask.png")
    assert make(bag, "--output", tmp_path / "masked", *ONE_LIST, *given) == 0
    for depth in frames_of(tmp_path / "masked").values():
        assert not depth[:, :80].any() and depth[:, 80:].any()
    cv2.imwrite(str(tmp_path / "mask.png"), mask[:50])
    assert make(bag, "--output", tmp_path / "wrong", *ONE_LIST, *given) == 2


def test_scans_are_added_up_without_what_moves(tmp_path: Path):
    """A car ahead at the own speed: seen from each place, it is where it no longer is."""
    # Nothing turns, so that one image's own scan has the posts and the object exactly.
    car = Car(
        frames=16, turn=0, time_field=None, image_delay=0, objects=[(14.0, 0.0, 4.0)], speed=7.3
    )
    bag = car.write(tmp_path / "bag")
    assert make(bag, "--output", tmp_path / "one", *ONE_LIST) == 0
    assert make(bag, "--output", tmp_path / "many", *ONE_LIST, "--accumulate", 3) == 0
    one, many = frames_of(tmp_path / "one"), frames_of(tmp_path / "many")
    more = [float((many[n] > 0).sum() / (one[n] > 0).sum()) for n in one]
    assert np.mean(more) > 1.1
    for number, depth in many.items():
        x = car.x(car.stamp(number))
        at = 14.0 + 4.0 * number * STEP / SECOND - x - 0.2  # of the object before the camera
        added = (depth > 0) & (one[number] == 0)
        road = 100 * 1.7 / np.maximum(np.mgrid[0:96, 0:160][0] - 40.0, 1e-3)
        # What was added and is in front of the road is on the object or a post, not where it was.
        middle = np.abs(np.arange(160) - 79.5) < 100 * 1.2 / max(at, 3)
        wrong = added & middle[None] & (depth < 0.85 * road) & (np.abs(depth - at) > 0.08 * at)
        assert wrong.sum() <= 2, number
    bag = Car(frames=12, odometry=False).write(tmp_path / "unknown")
    assert make(bag, "--output", tmp_path / "no", *ONE_LIST, "--accumulate", 1) == 2


def test_borders_of_the_image_are_no_labels():
    depth = np.zeros((40, 900), np.float32)
    depth[20, ::3] = 10
    shown = overlay(np.full((40, 900, 3), 90, np.uint8), depth)
    assert (shown[[0, -1]] == 90).all() and (shown[19:21, 0] != 90).any()
    other = np.zeros_like(depth)
    other[22, [0, 1, 450]] = 10.1
    other[22, 800] = 12
    found = completed_by(depth, other)
    assert found[22, [0, 1, 450]] == pytest.approx([10.1] * 3)
    assert found[22, 800] == 0, "its neighbours are at 10 m"
    assert completed_by(np.zeros_like(depth), other).max() == 0, "nothing bears it out"


def test_a_lidar_of_few_beams_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    bag = Car(frames=6, beams=2).write(tmp_path / "bag")
    assert make(bag, "--output", tmp_path / "set", *ONE_LIST) == 0
    assert "labels are sparse" in capsys.readouterr().out
