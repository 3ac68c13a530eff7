"""kitti_to_bag beyond images and LiDAR: odometry, GPS and IMU, true depth, formats, names."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from hma_depth_ros.bags.kitti.dialect import DIALECTS, KITTI2BAG
from hma_depth_ros.bags.kitti.drive_bag import ranges
from hma_depth_ros.bags.reader import BagReader
from hma_depth_ros.bags.transforms import Transforms
from hma_depth_ros.cli import run_command
from hma_depth_ros.data.depth.depth_png import read_depth_png
from hma_depth_ros.data.image_file import read_rgb
from hma_depth_ros.data.kitti.calibration import KittiCalibration
from hma_depth_ros.data.kitti.drive import KittiDrive
from hma_depth_ros.data.kitti.odometry import OdometrySequence
from hma_depth_ros.demo.source import drive_bag, find_source
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.geometry.rotation import matrix_from_quaternion
from hma_depth_ros.messages.depth_image import depth_array
from hma_depth_ros.messages.pictures import rgb_image
from hma_depth_ros.messages.stamps import header_stamp
from hma_depth_ros.synthetic.kitti_writer import write_kitti_drive
from hma_depth_ros.synthetic.synthetic_drive import CAMERA, KITTI_CAMERA, SyntheticDrive

WIDTH, HEIGHT = 124, 38
DAY = "2011_09_26"


@pytest.fixture(scope="module")
def drive(tmp_path_factory: pytest.TempPathFactory) -> KittiDrive:
    street = SyntheticDrive(
        seed=2, frames=3, camera=KITTI_CAMERA.resize(width=WIDTH, height=HEIGHT), sampling=1
    )
    return write_kitti_drive(street, tmp_path_factory.mktemp("street"))


def convert(*arguments: object) -> int:
    return run_command("kitti_to_bag", list(map(str, arguments)))


def messages(bag: Path, topic: str) -> list[Any]:
    with BagReader(bag) as reader:
        reader.topic(topic)
        return [reader.decode(raw) for raw in reader.messages([topic])]


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
def test_names_are_the_dialects(drive: KittiDrive, tmp_path: Path, dialect: Any) -> None:
    options = ("--dialect", dialect.name, "--ground-truth", drive.annotated_root)
    assert convert(drive.folder, "--output", tmp_path / "bag", *options) == 0
    with BagReader(tmp_path / "bag") as bag:
        assert {name: topic.count for name, topic in bag.topics.items()} == {
            dialect.image_topic(CAMERA): 3,
            dialect.camera_info_topic(CAMERA): 3,
            dialect.ground_truth_topic(CAMERA): 3,
            dialect.lidar_topic: 3,
            dialect.imu_topic: 3,
            dialect.gps_topic: 3,
            "/tf_static": 1,
        }
        frames = Transforms.of_bag(bag)
        found = frames.lookup(dialect.camera_frames[CAMERA], dialect.lidar_frame)
        image = bag.decode(next(bag.messages([dialect.image_topic(CAMERA)])))
    np.testing.assert_allclose(found, drive.calibration.velodyne_to_camera(CAMERA), atol=3e-6)
    assert image.encoding == dialect.color_encoding
    np.testing.assert_array_equal(rgb_image(image), read_rgb(drive.images(CAMERA).path(0)))


def test_gps_and_imu_say_where_the_car_is(drive: KittiDrive, tmp_path: Path) -> None:
    street = SyntheticDrive(
        seed=2, frames=3, camera=KITTI_CAMERA.resize(width=WIDTH, height=HEIGHT), sampling=1
    )
    assert convert(drive.folder, "--output", tmp_path / "bag") == 0
    imus = messages(tmp_path / "bag", KITTI2BAG.imu_topic)
    fixes = messages(tmp_path / "bag", KITTI2BAG.gps_topic)
    for index, (imu, fix) in enumerate(zip(imus, fixes, strict=True)):
        assert header_stamp(imu) == header_stamp(fix) == drive.oxts.stamp(index)
        assert imu.header.frame_id == "imu_link"
        pose = street.imu_to_world(0.1 * index)
        q = imu.orientation
        np.testing.assert_allclose(
            matrix_from_quaternion(q.x, q.y, q.z, q.w), pose[:3, :3], atol=1e-7
        )
        # At rest an IMU shows gravity upwards.
        assert imu.linear_acceleration.z == pytest.approx(9.81, abs=1.5)
        assert fix.altitude == pytest.approx(pose[2, 3])
        assert (fix.status.status, fix.status.service) == (2, 1)
        np.testing.assert_allclose(fix.position_covariance, np.eye(3).ravel() * 0.05**2)
    # Ten metres a second to the east.
    east = np.deg2rad(fixes[1].longitude - fixes[0].longitude) * 6378137
    assert east * np.cos(np.deg2rad(49.015)) == pytest.approx(1.0, abs=0.05)


def test_true_depth_is_the_annotated_one(drive: KittiDrive, tmp_path: Path) -> None:
    (drive.ground_truth(CAMERA, 1) or Path()).rename(tmp_path / "away.png")
    try:
        options = ("--ground-truth", drive.annotated_root)
        assert convert(drive.folder, "--output", tmp_path / "bag", *options) == 0
    finally:
        tail = f"proj_depth/groundtruth/image_02/{1:010d}.png"
        assert drive.annotated_root is not None
        (tmp_path / "away.png").rename(drive.annotated_root / "train" / drive.name / tail)
    depths = messages(tmp_path / "bag", KITTI2BAG.ground_truth_topic(CAMERA))
    assert [header_stamp(d) for d in depths] == [drive.images(CAMERA).stamp(i) for i in (0, 2)]
    for index, depth in zip((0, 2), depths, strict=True):
        path = drive.ground_truth(CAMERA, index)
        assert path is not None
        stored = read_depth_png(path)
        np.testing.assert_array_equal(np.isnan(depth_array(depth)), stored == 0)
        np.testing.assert_array_equal(np.nan_to_num(depth_array(depth)), stored)


def test_compressed_images_are_the_files_where_they_can_be(
    drive: KittiDrive, tmp_path: Path
) -> None:
    for kind in ("png", "jpeg"):
        options = ("--images", kind, "--storage", "sqlite3", "--compress")
        assert convert(drive.folder, "--output", tmp_path / kind, *options) == 0
        images = messages(tmp_path / kind, f"{KITTI2BAG.image_topic(CAMERA)}/compressed")
        for index, image in enumerate(images):
            path = drive.images(CAMERA).path(index)
            assert image.format == f"bgr8; {kind} compressed bgr8"
            if kind == "png":
                assert image.data.tobytes() == path.read_bytes()
            difference = rgb_image(image).astype(int) - read_rgb(path)
            assert np.abs(difference).mean() < (1e-9 if kind == "png" else 6)


def of_16_bits(path: Path) -> None:
    cv2.imwrite(str(path), np.asarray(cv2.imread(str(path)), np.uint16) * 257)


def jpeg_called_png(path: Path) -> None:
    content = Image.open(path)
    content.load()
    content.save(path, format="JPEG")


def turned(path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 3
    content = Image.open(path)
    content.load()
    content.save(path, exif=exif)


def palette(path: Path) -> None:
    Image.open(path).quantize(64).save(path)


@pytest.mark.parametrize("change", [of_16_bits, jpeg_called_png, turned, palette])
def test_files_that_other_readers_would_see_otherwise_are_not_passed_on(
    drive: KittiDrive, tmp_path: Path, change: Callable[[Path], None]
) -> None:
    """What is in the bag is 8-bit RGB of the format that its message names."""
    copied = tmp_path / DAY / drive.name
    shutil.copytree(drive.folder.parent, copied.parent)
    path = copied / "image_02" / "data" / "0000000001.png"
    change(path)
    assert convert(copied, "--output", tmp_path / "bag", "--images", "png") == 0
    image = messages(tmp_path / "bag", f"{KITTI2BAG.image_topic(CAMERA)}/compressed")[1]
    assert image.data[:4].tobytes() == b"\x89PNG"
    stored = np.asarray(cv2.imdecode(image.data, cv2.IMREAD_UNCHANGED))
    assert stored.dtype == np.uint8
    np.testing.assert_array_equal(stored[..., ::-1], read_rgb(path))


def test_damaged_files_are_named_and_the_others_converted(
    drive: KittiDrive, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    truth = drive.ground_truth(CAMERA, 0)
    assert truth is not None
    files = {
        drive.oxts.path(1): (b"1 2 3", "no GPS/IMU reading of KITTI: 3 numbers, expected 30"),
        drive.images(CAMERA).path(1): (b"\x89PNG\r\n\x1a\n", "is not an image"),
        drive.velodyne.path(2): (bytes(33), "33 bytes are no whole number of points"),
        truth: (b"", "truncated, damaged or not a PNG"),
    }
    images = [drive.images(CAMERA).path(frame) for frame in range(3)]
    before = {path: path.read_bytes() for path in (*files, *images)}
    options = ("--ground-truth", drive.annotated_root)
    try:
        for path, (content, _) in files.items():
            path.write_bytes(content)
        assert convert(drive.folder, "--output", tmp_path / "bag", *options) == 1
        lines = capsys.readouterr().err.splitlines()
        for path in images:
            path.write_bytes(b"")
        assert convert(drive.folder, "--output", tmp_path / "bags" / "bag", *options) == 2
    finally:
        for path, content in before.items():
            path.write_bytes(content)
    assert len(lines) == len(files)
    for path, (_, complaint) in files.items():
        (line,) = (line for line in lines if str(path) in line)
        assert line.startswith("kitti_to_bag: left out: ")
        assert complaint in line
    with BagReader(tmp_path / "bag") as bag:
        counts = {topic.name: topic.count for topic in bag.topics.values()}
    left = "/kitti/camera_color_left"
    assert counts[f"{left}/image_raw"] == counts[f"{left}/camera_info"] == 2
    assert counts["/kitti/velo/pointcloud"] == counts["/kitti/oxts/imu"] == 2
    assert counts[f"{left}/depth_ground_truth"] == 1  # of frame 2: 0 is damaged, 1 has no image
    # Without a single image there is no bag.
    assert "is empty" in capsys.readouterr().err.splitlines()[-1]
    assert list((tmp_path / "bags").iterdir()) == []


def test_the_demo_replays_a_drive_with_a_damaged_image(drive: KittiDrive, tmp_path: Path) -> None:
    copied = tmp_path / "store"
    shutil.copytree(drive.folder.parent, copied)
    linked = tmp_path / DAY
    linked.symlink_to(copied)
    (copied / drive.name / "image_02" / "data" / "0000000001.png").write_bytes(b"")
    (error,) = drive_bag(linked / drive.name, tmp_path / "bag")
    assert "0000000001.png" in str(error)
    assert find_source(tmp_path / "bag").images == 2
    assert len(drive_bag(linked / drive.name, tmp_path / "bag")) == 1  # in place of the first


# --- odometry -----------------------------------------------------------------------------------


@pytest.fixture
def sequence(tmp_path: Path) -> Path:
    """Sequence 07 as the benchmark lays it out, with cameras 2 and 3."""
    folder = tmp_path / "sequences" / "07"
    calibration = KittiCalibration.standard()
    lines = []
    for camera in range(4):
        p = calibration.calibration(camera).P_rect.copy()
        lines.append(f"P{camera}: {' '.join(f'{v:.12e}' for v in p.ravel())}")
    tr = calibration.velodyne_to_camera(0)[:3]
    lines.append(f"Tr: {' '.join(f'{v:.12e}' for v in tr.ravel())}")
    rng = np.random.default_rng(0)
    for name in ("image_2", "image_3", "velodyne"):
        (folder / name).mkdir(parents=True)
    for frame in range(3):
        for camera in (2, 3):
            pixels = rng.integers(0, 256, (HEIGHT, WIDTH, 3)).astype(np.uint8)
            cv2.imwrite(str(folder / f"image_{camera}" / f"{frame:06d}.png"), pixels)
        if frame != 1:
            points = rng.random((10, 4)).astype("<f4")
            (folder / "velodyne" / f"{frame:06d}.bin").write_bytes(points.tobytes())
    (folder / "calib.txt").write_text("\n".join(lines) + "\n")
    times = ["0.000000e+00", "1.036224e-01", "2.072449e-01", "3.1e-01"]
    (folder / "times.txt").write_text("\n".join(times) + "\n")
    return folder


def test_an_odometry_sequence(
    sequence: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert convert(sequence, "--output", tmp_path / "bag") == 0
    said = capsys.readouterr().out
    assert "sequence 07, frames 0 to 2\n" in said
    assert "camera 2: 3 of the 4 frames recorded" in said
    assert "LiDAR: without frames 1" in said
    calibration = KittiCalibration.standard()
    with BagReader(tmp_path / "bag") as bag:
        assert set(bag.topics) == {
            *(f"/kitti/camera_color_{s}/image_rect" for s in ("left", "right")),
            *(f"/kitti/camera_color_{s}/camera_info" for s in ("left", "right")),
            *("/kitti/velo/pointcloud", "/tf_static"),
        }
        frames = Transforms.of_bag(bag)
        right = bag.decode(next(bag.messages(["/kitti/camera_color_right/camera_info"])))
    assert frames.frames == ["camera_color_left", "camera_color_right", "velo_link"]
    for camera, name in ((2, "camera_color_left"), (3, "camera_color_right")):
        found = frames.lookup(name, "velo_link")
        np.testing.assert_allclose(found, calibration.velodyne_to_camera(camera), atol=3e-6)
    assert right.p[3] / right.p[0] == pytest.approx(-0.5327, abs=2e-4)
    assert (right.width, right.height) == (WIDTH, HEIGHT)
    images = messages(tmp_path / "bag", "/kitti/camera_color_left/image_rect")
    assert [header_stamp(image) for image in images] == [0, 103_622_400, 207_244_900]
    np.testing.assert_array_equal(
        rgb_image(images[2]), read_rgb(sequence / "image_2" / "000002.png")
    )


def test_bad_sequences_are_named(
    sequence: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "bag"
    assert convert(sequence, "--output", out, "--ground-truth", tmp_path) == 2
    assert "KITTI annotates the depth of raw drives only" in capsys.readouterr().err
    (sequence / "times.txt").write_text("0.0\nsoon\n2.0\n")
    assert convert(sequence, "--output", out) == 2
    assert "times.txt, line 2: not a number of seconds: 'soon'" in capsys.readouterr().err
    text = (sequence / "calib.txt").read_text()
    (sequence / "calib.txt").write_text(text.replace("Tr:", "Trr:"))
    with pytest.raises(HmaDepthError, match=r"calib\.txt has no key Tr"):
        _ = OdometrySequence.open(sequence).calibration
    (sequence / "calib.txt").unlink()
    assert convert(sequence, "--output", out) == 2
    assert "cannot read the KITTI calibration" in capsys.readouterr().err
    assert not out.exists()


def test_ranges_of_frames() -> None:
    assert ranges([0, 1, 2, 5, 7, 8]) == "0 to 2, 5, 7 to 8"
    assert ranges([]) == ""
