"""KITTI calibration, raw drives and the bags made of them, on a small drive and on a real one."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from rosbags.interfaces import QosDurability

from hma_depth_ros.bags.kitti.dialect import KITTI2BAG
from hma_depth_ros.bags.kitti.drive_bag import BagOptions, write_kitti_bag
from hma_depth_ros.bags.reader import BagReader
from hma_depth_ros.bags.transforms import TF_STATIC_TOPIC, Transforms
from hma_depth_ros.cli import run_command
from hma_depth_ros.data.depth.depth_png import write_depth_png
from hma_depth_ros.data.depth.lidar_depth import LidarScan
from hma_depth_ros.data.kitti.calibration import CAMERAS_FILE, KittiCalibration, read_cameras
from hma_depth_ros.data.kitti.drive import (
    KittiDrive,
    format_timestamp,
    load_velodyne,
    parse_timestamp,
)
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.files import as_given
from hma_depth_ros.geometry.rotation import (
    angles_from_matrix,
    matrix_from_angles,
    matrix_from_quaternion,
    quaternion_from_matrix,
)
from hma_depth_ros.messages.image import image_array
from hma_depth_ros.messages.pictures import rgb_image
from hma_depth_ros.messages.point_cloud import cloud_array
from hma_depth_ros.messages.stamps import header_stamp

WIDTH, HEIGHT = 64, 24
#: 2011-09-26 00:00:00 UTC, and the frames' times after it: nothing a float would keep.
DAY = 1_316_995_200_000_000_000
IMAGE_STAMPS = [DAY + frame * 103_123_457 + 961_661_696 for frame in range(6)]
SCAN_STAMPS = [stamp - 10_000_001 for stamp in IMAGE_STAMPS]
IMAGE_FRAMES, SCAN_FRAMES = (0, 1, 3), (0, 3)


def _write_stamps(folder: Path, stamps: list[int]) -> None:
    lines = [format_timestamp(stamp) for stamp in stamps]
    (folder / "timestamps.txt").write_text("\n".join(lines) + "\n")


def _scan(frame: int) -> np.ndarray:
    return np.random.default_rng(frame).normal(size=(5 + frame, 4)).astype(np.float32)


def _picture(frame: int, camera: int) -> np.ndarray:
    values = np.random.default_rng(10 * frame + camera).integers(0, 256, (HEIGHT, WIDTH, 3))
    return values.astype(np.uint8)


@pytest.fixture
def drive(tmp_path: Path) -> KittiDrive:
    """Partial drive: image 2 and scan 1 are missing, timestamps go on after the last frame."""
    folder = tmp_path / "kitti" / "2011_09_26" / "2011_09_26_drive_0009_sync"
    calibration = KittiCalibration.standard()
    small = {
        index: replace(camera, S_rect=(WIDTH, HEIGHT))
        for index, camera in calibration.cameras.items()
    }
    replace(calibration, cameras=small).write(folder.parent)
    for camera in (0, 2, 3):
        images = folder / f"image_{camera:02d}"
        (images / "data").mkdir(parents=True)
        _write_stamps(images, IMAGE_STAMPS)
        for frame in IMAGE_FRAMES:
            # As KITTI's: grey cameras have files of one channel.
            bgr = cv2.cvtColor(_picture(frame, camera), cv2.COLOR_RGB2BGR)
            cv2.imwrite(str(images / "data" / f"{frame:010d}.png"), bgr if camera else bgr[..., 1])
    scans = folder / "velodyne_points"
    (scans / "data").mkdir(parents=True)
    _write_stamps(scans, SCAN_STAMPS)
    for frame in SCAN_FRAMES:
        _scan(frame).tofile(scans / "data" / f"{frame:010d}.bin")
    return KittiDrive.open(folder)


# --- calibration --------------------------------------------------------------------------------


def test_standard_calibration_has_the_published_numbers() -> None:
    calibration = KittiCalibration.standard()
    camera = calibration.camera(2)
    assert (camera.fx, camera.fy, camera.cx, camera.cy) == (721.5377, 721.5377, 609.5593, 172.854)
    assert (camera.width, camera.height) == (1242, 375)
    assert sorted(calibration.cameras) == [0, 1, 2, 3]
    assert calibration.calibration(3).S == (1392, 512)
    assert calibration.calibration(1).T[0] == -0.537
    np.testing.assert_allclose(
        calibration.imu_to_velodyne[:3, 3], [-0.8086759, 0.3195559, -0.7997231]
    )
    # Colour stereo pair: 53.3 cm; a point is further left in the right camera.
    shift = calibration.velodyne_to_camera(3) - calibration.velodyne_to_camera(2)
    assert shift[0, 3] == pytest.approx(-0.5327, abs=2e-4)


def test_velodyne_to_camera_projects_as_the_development_kit() -> None:
    calibration = KittiCalibration.standard()
    points = np.random.default_rng(0).uniform([5, -10, -2, 1], [60, 10, 1, 1], (50, 4))
    points[:, 3] = 1
    for index in range(4):
        camera = calibration.calibration(index)
        rectify = np.eye(4)
        rectify[:3, :3] = calibration.calibration(0).R_rect
        expected = points @ (camera.P_rect @ rectify @ calibration.velodyne_to_unrectified).T
        mapped = points @ calibration.velodyne_to_camera(index).T
        pinhole = calibration.camera(index)
        u = pinhole.fx * mapped[:, 0] / mapped[:, 2] + pinhole.cx
        v = pinhole.fy * mapped[:, 1] / mapped[:, 2] + pinhole.cy
        np.testing.assert_allclose(u, expected[:, 0] / expected[:, 2], rtol=1e-12)
        np.testing.assert_allclose(v, expected[:, 1] / expected[:, 2], rtol=1e-12)


def test_calibration_is_written_and_read_without_loss(tmp_path: Path) -> None:
    standard = KittiCalibration.standard()
    # A third has no short decimal form: seven digits would not do.
    odd = replace(standard.calibration(2), T=np.array([1 / 3, -2e-17, 1e9]))
    written = replace(standard, cameras={**standard.cameras, 2: odd})
    written.write(tmp_path)
    back = KittiCalibration.read(tmp_path)
    for index in range(4):
        for key in ("S", "K", "D", "R", "T", "S_rect", "R_rect", "P_rect"):
            expected = getattr(written.calibration(index), key)
            np.testing.assert_array_equal(getattr(back.calibration(index), key), expected)
    np.testing.assert_array_equal(back.velodyne_to_unrectified, written.velodyne_to_unrectified)
    np.testing.assert_array_equal(back.imu_to_velodyne, written.imu_to_velodyne)
    assert (
        "P_rect_02: 7.215377e+02 0.000000e+00 6.095593e+02 4.485728e+01"
        in (tmp_path / CAMERAS_FILE).read_text()
    )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("R_rect_02:", "R_rect_0x:", "has no key R_rect_02"),
        ("K_03: 9.037596e+02", "K_03: 9.03x", "K_03: could not convert"),
        ("D_01: -3.644661e-01", "D_01:", "D_01: 4 numbers, expected 5"),
        ("P_rect_00: 7.215377e+02", "P_rect_00: nan", "P_rect_00: not every number is finite"),
        ("P_rect_00: 7.215377e+02", "P_rect_00: 0", "P_rect_00 and S_rect_00: not a pinhole"),
        ("corner_dist: ", "corner_dist", "line 2: not a KITTI calibration"),
    ],
)
def test_a_malformed_calibration_is_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    KittiCalibration.standard().write(tmp_path)
    path = tmp_path / CAMERAS_FILE
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(HmaDepthError, match=message) as error:
        read_cameras(path)
    assert str(path) in str(error.value)


def test_a_missing_calibration_file_is_named(tmp_path: Path) -> None:
    KittiCalibration.standard().write(tmp_path)
    (tmp_path / "calib_velo_to_cam.txt").unlink()
    with pytest.raises(HmaDepthError, match=r"calib_velo_to_cam.txt: No such file.*_calib.zip"):
        KittiCalibration.read(tmp_path)
    with pytest.raises(HmaDepthError, match="no camera 5, only 0, 1, 2, 3"):
        KittiCalibration.standard().camera(5)


@pytest.mark.parametrize(
    ("name", "key", "value", "message"),
    [
        (CAMERAS_FILE, "S_rect_02", "1e30 1e30", r"S_rect_02: not an image size: 1e\+30x1e\+30"),
        (CAMERAS_FILE, "S_rect_02", "1242.5 375", "S_rect_02: not an image size: 1242.5x375"),
        (CAMERAS_FILE, "R_rect_00", "0 0 0 0 0 0 0 0 0", "R_rect_00: not a rotation matrix"),
        (CAMERAS_FILE, "P_rect_03", "700 0 600 0 0 700 170 0 0 0 0 0", "P_rect_03.*[Ss]ingular"),
        (CAMERAS_FILE, "P_rect_02 ", "7 0 6 0 0 7 1 0 0 0 1 0", "P_rect_02 again, with another"),
        ("calib_velo_to_cam.txt", "R", "2 0 0 0 2 0 0 0 2", "R: not a rotation matrix"),
        ("calib_imu_to_velo.txt", "R", "1 0 0 0 1 0 0 0 -1", "R: not a rotation matrix"),
    ],
)
def test_a_calibration_that_cannot_be_is_named(
    tmp_path: Path, name: str, key: str, value: str, message: str
) -> None:
    KittiCalibration.standard().write(tmp_path)
    lines = (tmp_path / name).read_text().splitlines()
    kept = [line for line in lines if not line.startswith(f"{key}:")]
    (tmp_path / name).write_text("\n".join([*kept, f"{key}: {value}"]))
    with pytest.raises(HmaDepthError, match=rf"{name}.*{message}"):
        KittiCalibration.read(tmp_path)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_calibration_as_windows_saves_it(tmp_path: Path, encoding: str) -> None:
    written = KittiCalibration.standard()
    written.write(tmp_path)
    for path in tmp_path.iterdir():
        path.write_bytes(path.read_text().replace("\n", "\r\n").encode(encoding))
    back = KittiCalibration.read(tmp_path)
    np.testing.assert_array_equal(back.velodyne_to_camera(3), written.velodyne_to_camera(3))
    np.testing.assert_array_equal(back.imu_to_velodyne, written.imu_to_velodyne)


@pytest.mark.parametrize("angle", [0.0, 1e-9, 0.3, np.pi / 2, np.pi, 4.0])
@pytest.mark.parametrize("axis", [(1, 0, 0), (0, 0, 1), (0.6, 0, -0.8)])
def test_quaternion_of_a_rotation(angle: float, axis: tuple[float, float, float]) -> None:
    rotation, _ = cv2.Rodrigues(np.array(axis) * angle)
    quaternion = np.array(quaternion_from_matrix(rotation.astype(np.float64)))
    expected = np.array([*(np.sin(angle / 2) * np.array(axis)), np.cos(angle / 2)])
    # At half a turn both signs are the same rotation and w is 0 but for rounding.
    assert abs(quaternion @ expected) == pytest.approx(1, abs=1e-12)
    assert quaternion[3] >= -1e-12


def test_quaternion_of_seven_digits_is_the_nearest() -> None:
    exact, _ = cv2.Rodrigues(np.array([0.3, -1.1, 2.0]))
    rounded = exact.round(4)
    assert np.abs(rounded @ rounded.T - np.eye(3)).max() > 1e-5, "a rotation all the same"
    u, _, v = np.linalg.svd(rounded)
    nearest = matrix_from_quaternion(*quaternion_from_matrix(rounded))
    np.testing.assert_allclose(nearest, u @ v, atol=1e-9)


def test_half_a_turn_has_one_quaternion() -> None:
    assert quaternion_from_matrix(np.diag([-1.0, 1.0, -1.0])) == (0.0, 1.0, 0.0, 0.0)


def test_quaternions_of_any_length_are_rotations_but_for_none() -> None:
    expected = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    for length in (1e-100, 0.5, 1e100):
        matrix = matrix_from_quaternion(0.0, 0.0, length, length)
        np.testing.assert_allclose(matrix, expected, atol=1e-12)
    for odd in (0.0, np.nan, np.inf, 1e200):
        with pytest.raises(ValueError, match="not a rotation"):
            matrix_from_quaternion(0.0, 0.0, odd, odd)


def test_roll_then_pitch_then_yaw() -> None:
    left_up = matrix_from_angles(np.pi / 2, 0, 0)
    np.testing.assert_allclose(left_up @ [0, 1, 0], [0, 0, 1], atol=1e-12)
    front_down = matrix_from_angles(0, np.pi / 2, 0)
    np.testing.assert_allclose(front_down @ [1, 0, 0], [0, 0, -1], atol=1e-12)
    to_the_left = matrix_from_angles(0, 0, np.pi / 2)
    np.testing.assert_allclose(to_the_left @ [1, 0, 0], [0, 1, 0], atol=1e-12)
    together = matrix_from_angles(0.1, -0.4, 2.5)
    apart = [(0, 0, 2.5), (0, -0.4, 0), (0.1, 0, 0)]
    np.testing.assert_allclose(
        together, np.linalg.multi_dot([matrix_from_angles(*one) for one in apart]), atol=1e-12
    )
    assert angles_from_matrix(together) == pytest.approx((0.1, -0.4, 2.5), abs=1e-12)


# --- drive --------------------------------------------------------------------------------------


def test_timestamps_keep_every_nanosecond() -> None:
    stamp = 1_317_042_145_961_661_696
    assert parse_timestamp("2011-09-26 13:02:25.961661696") == stamp
    assert format_timestamp(stamp) == "2011-09-26 13:02:25.961661696"
    assert parse_timestamp("2011-09-26 13:02:25.5") == 1_317_042_145_500_000_000
    assert parse_timestamp("2011-09-26 13:02:25") == 1_317_042_145_000_000_000
    for bad in ("2011-09-26 13:02:25.9616616961", "2011-09-26T13:02", "2011-09-26 13:02:25.-1"):
        with pytest.raises(ValueError, match=r"time"):
            parse_timestamp(bad)


def test_frames_and_stamps_of_a_partial_drive(drive: KittiDrive) -> None:
    assert drive.name == "2011_09_26_drive_0009_sync"
    assert drive.cameras == (0, 2, 3)
    assert drive.images(2).frames == IMAGE_FRAMES
    assert drive.images(1).frames == ()
    assert drive.velodyne.frames == SCAN_FRAMES
    # By frame number, not by position among the files.
    assert drive.images(2).stamp(3) == IMAGE_STAMPS[3]
    assert drive.velodyne.stamp(3) == SCAN_STAMPS[3]
    np.testing.assert_array_equal(load_velodyne(drive.velodyne.path(3)), _scan(3))
    with pytest.raises(HmaDepthError, match=r"image_02 has no frame 2 \(3 present\)"):
        drive.images(2).path(2)
    with pytest.raises(HmaDepthError, match=r"timestamps.txt has no time for frame 6"):
        drive.images(2).stamp(6)


def test_png_is_preferred_to_jpeg_and_strange_files_are_ignored(drive: KittiDrive) -> None:
    data = drive.folder / "image_02" / "data"
    for name in ("0000000001.jpg", "0000000002.jpg", "thumbnail.png", "0000000005.txt"):
        (data / name).touch()
    stream = KittiDrive.open(drive.folder).images(2)
    assert stream.frames == (0, 1, 2, 3)
    assert stream.path(1).suffix == ".png"
    assert stream.path(2).suffix == ".jpg"


def test_stray_files_are_no_frames(drive: KittiDrive) -> None:
    data = drive.folder / "image_02" / "data"
    for name in ("99999999999999999999.png", "\u0663.png", "1.png", "copy of 1.png", "-3.png"):
        shutil.copy(data / "0000000000.png", data / name)
    again = KittiDrive.open(drive.folder)
    assert again.images(2).frames == IMAGE_FRAMES
    assert again.images(2).path(1).name == "0000000001.png"


def test_ground_truth_is_found_in_either_part(drive: KittiDrive, tmp_path: Path) -> None:
    tail = Path(drive.name, "proj_depth", "groundtruth", "image_02", "0000000003.png")
    (tmp_path / "annotated" / "val" / tail).parent.mkdir(parents=True)
    (tmp_path / "annotated" / "val" / tail).touch()
    assert drive.ground_truth(2, 3) is None
    annotated = KittiDrive.open(drive.folder, annotated_root=tmp_path / "annotated")
    assert annotated.ground_truth(2, 3) == tmp_path / "annotated" / "val" / tail
    assert annotated.ground_truth(2, 1) is None
    assert annotated.ground_truth(3, 3) is None


def test_the_companions_of_macos_and_capitals(drive: KittiDrive) -> None:
    """Every file and folder has a hidden companion, of which nothing is to be seen."""
    for path in [drive.folder, *drive.folder.rglob("*")]:
        companion(path)
    data = drive.folder / "image_02" / "data"
    (data / "0000000003.png").rename(data / "0000000003.PNG")
    again = KittiDrive.open(drive.folder)
    assert again.images(2).frames == IMAGE_FRAMES
    assert again.images(2).path(3).name == "0000000003.PNG"
    assert again.velodyne.frames == SCAN_FRAMES
    stamps = drive.folder / "image_02" / "timestamps.txt"
    stamps.write_bytes(b"\xef\xbb\xbf" + stamps.read_bytes())
    assert KittiDrive.open(drive.folder).images(2).stamp(0) == drive.images(2).stamp(0)
    with pytest.raises(HmaDepthError) as error:
        KittiDrive.open(drive.folder.parent)
    assert str(error.value).endswith("did you mean one of 2011_09_26_drive_0009_sync inside it?")


def companion(path: Path) -> None:
    path.with_name(f"._{path.name}").write_bytes(b"\x00\x05\x16\x07Mac OS X")


@pytest.fixture
def annotated(drive: KittiDrive, tmp_path: Path) -> Path:
    """Depth of frames 1 and 3, of camera 2 alone."""
    root = tmp_path / "data_depth_annotated"
    for frame in (1, 3):
        folder = root / "train" / drive.name / "proj_depth" / "groundtruth" / "image_02"
        write_depth_png(folder / f"{frame:010d}.png", np.full((HEIGHT, WIDTH), 9, np.float32))
    return root


@pytest.mark.parametrize("calibration", ["beside the link", "beside the target", "beside both"])
def test_a_linked_drive_is_the_one_of_the_path_given(
    drive: KittiDrive, annotated: Path, tmp_path: Path, calibration: str
) -> None:
    """As on network storage and under DVC, where the target has a name of no meaning."""
    blob = tmp_path / "store" / "blobs" / "x91"
    blob.parent.mkdir(parents=True)
    drive.folder.rename(blob)
    drive.folder.symlink_to(blob)
    if calibration != "beside the link":
        for path in drive.folder.parent.glob("calib*"):
            shutil.copy(path, blob.parent)
    if calibration == "beside the target":
        for path in drive.folder.parent.glob("calib*"):
            path.unlink()
    if calibration == "beside both":  # that of another day
        path = blob.parent / "calib_cam_to_cam.txt"
        path.write_text(path.read_text().replace("7.215377e+02", "7.070912e+02"))
    opened = KittiDrive.open(drive.folder, annotated_root=annotated)
    assert opened.name == "2011_09_26_drive_0009_sync"
    assert opened.calibration.camera(2).fx == 721.5377
    out = tmp_path / "bag"
    assert write_kitti_bag(opened, out)["/kitti/camera_color_left/depth_ground_truth"] == 2
    scan = LidarScan(drive.folder / "velodyne_points" / "data" / "0000000000.bin", 2)
    assert scan.depth().shape == (HEIGHT, WIDTH)


def test_a_link_of_another_name_leads_to_the_drive(
    drive: KittiDrive, annotated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = tmp_path / "desk" / "latest"
    link.parent.mkdir()
    link.symlink_to(drive.folder)
    opened = KittiDrive.open(link, annotated_root=annotated)
    assert opened.name == drive.name
    assert opened.ground_truth(2, 1) is not None
    assert opened.calibration.camera(2).width == WIDTH
    # The shell's folder, which the system knows by its target only.
    blob = tmp_path / "blob"
    drive.folder.rename(blob)
    drive.folder.symlink_to(blob)
    monkeypatch.chdir(drive.folder)
    monkeypatch.setenv("PWD", str(drive.folder))
    assert KittiDrive.open(Path()).folder == drive.folder
    monkeypatch.setenv("PWD", str(tmp_path))  # a stale one does not count
    assert KittiDrive.open(Path()).folder == blob
    monkeypatch.chdir(link.parent)
    assert as_given(Path("..", "kitti", "2011_09_26", drive.name)) == drive.folder
    assert as_given(drive.folder / "..") == blob.parent  # as the system has it


def test_parts_of_a_drive_may_be_links(drive: KittiDrive, tmp_path: Path) -> None:
    (drive.folder / "image_02" / "data").rename(tmp_path / "frames")
    (drive.folder / "image_02" / "data").symlink_to(tmp_path / "frames")
    drive.folder.parent.rename(tmp_path / "day")
    drive.folder.parent.symlink_to(tmp_path / "day")
    opened = KittiDrive.open(drive.folder)
    assert opened.images(2).frames == IMAGE_FRAMES
    assert opened.images(2).stamp(1) == drive.images(2).stamp(1)
    assert opened.calibration.camera(2) == drive.calibration.camera(2)


def test_bad_drives_are_named(drive: KittiDrive, tmp_path: Path) -> None:
    with pytest.raises(HmaDepthError, match="did you mean one of 2011_09_26_drive_0009_sync"):
        KittiDrive.open(drive.folder.parent.parent)
    with pytest.raises(HmaDepthError, match="is not a folder"):
        KittiDrive.open(tmp_path / "nowhere")
    with pytest.raises(HmaDepthError, match="no such folder of annotated depth"):
        KittiDrive.open(drive.folder, annotated_root=tmp_path / "nowhere")
    cut = tmp_path / "cut.bin"
    cut.write_bytes(bytes(33))
    with pytest.raises(HmaDepthError, match=r"cut.bin is not a velodyne scan.* 33 bytes"):
        load_velodyne(cut)
    stamps = drive.folder / "image_02" / "timestamps.txt"
    stamps.write_text("yesterday\n")
    with pytest.raises(HmaDepthError, match=r"image_02/timestamps.txt, line 1: .*yesterday"):
        KittiDrive.open(drive.folder).images(2).stamp(0)


# --- bag ----------------------------------------------------------------------------------------


def test_bag_of_a_drive_has_its_pixels_points_and_stamps(drive: KittiDrive, tmp_path: Path) -> None:
    counts = write_kitti_bag(drive, tmp_path / "bag")
    assert counts == {
        "/tf_static": 1,
        "/kitti/camera_gray_left/image_raw": 3,
        "/kitti/camera_gray_left/camera_info": 3,
        "/kitti/camera_color_left/image_raw": 3,
        "/kitti/camera_color_left/camera_info": 3,
        "/kitti/camera_color_right/image_raw": 3,
        "/kitti/camera_color_right/camera_info": 3,
        "/kitti/velo/pointcloud": 2,
    }
    with BagReader(tmp_path / "bag") as bag:
        assert {topic.name: topic.count for topic in bag.topics.values()} == counts
        read = [(message, bag.decode(message)) for message in bag.messages()]
    assert all(header_stamp(m) == raw.stamp for raw, m in read if raw.topic != TF_STATIC_TOPIC)
    assert (read[0][0].topic, read[0][0].stamp) == (TF_STATIC_TOPIC, SCAN_STAMPS[0])

    by_topic = {t: [(r.stamp, m) for r, m in read if r.topic == t] for t in counts}
    for camera in (2, 3):
        messages = by_topic[KITTI2BAG.image_topic(camera)]
        assert [stamp for stamp, _ in messages] == [IMAGE_STAMPS[f] for f in IMAGE_FRAMES]
        for frame, (_, image) in zip(IMAGE_FRAMES, messages, strict=True):
            assert image.encoding == "bgr8"
            assert image.header.frame_id == KITTI2BAG.camera_frames[camera]
            np.testing.assert_array_equal(rgb_image(image), _picture(frame, camera))
    grey = by_topic["/kitti/camera_gray_left/image_raw"][1][1]
    assert grey.encoding == "mono8"
    np.testing.assert_array_equal(image_array(grey), _picture(1, 0)[..., 1])

    clouds = by_topic["/kitti/velo/pointcloud"]
    assert [stamp for stamp, _ in clouds] == [SCAN_STAMPS[0], SCAN_STAMPS[3]]
    points = cloud_array(clouds[1][1])
    assert points.dtype.names == ("x", "y", "z", "i")
    assert clouds[1][1].header.frame_id == "velo_link"
    np.testing.assert_array_equal(np.stack([points[0][name] for name in "xyzi"], axis=-1), _scan(3))


def test_camera_info_is_that_of_rectified_images(drive: KittiDrive, tmp_path: Path) -> None:
    write_kitti_bag(drive, tmp_path / "bag")
    with BagReader(tmp_path / "bag") as bag:
        infos = {
            camera: bag.decode(next(bag.messages([KITTI2BAG.camera_info_topic(camera)])))
            for camera in (2, 3)
        }
    for camera, info in infos.items():
        assert (info.width, info.height) == (WIDTH, HEIGHT)
        assert info.header.frame_id == KITTI2BAG.camera_frames[camera]
        assert not info.d.any()
        np.testing.assert_array_equal(info.k.reshape(3, 3), info.p.reshape(3, 4)[:, :3])
        np.testing.assert_array_equal(info.k[[0, 2, 4, 5]], [721.5377, 609.5593, 721.5377, 172.854])
    assert infos[2].p[3] == 0
    assert infos[3].p[3] / infos[3].p[0] == pytest.approx(-0.5327, abs=2e-4)


def test_static_transforms_place_the_lidar_in_the_camera(drive: KittiDrive, tmp_path: Path) -> None:
    write_kitti_bag(drive, tmp_path / "bag", BagOptions(cameras=(2,)))
    with BagReader(tmp_path / "bag") as bag:
        (qos,) = bag.topics[TF_STATIC_TOPIC].qos
        assert qos.durability is QosDurability.TRANSIENT_LOCAL
        assert bag.topics_of("sensor_msgs/msg/Image") == [KITTI2BAG.image_topic(2)]
        tf = bag.decode(next(bag.messages([TF_STATIC_TOPIC])))
    to_parent = {}
    for edge in tf.transforms:
        t, q = edge.transform.translation, edge.transform.rotation
        vector = np.array([q.x, q.y, q.z])
        matrix = np.eye(4)
        matrix[:3, :3] = cv2.Rodrigues(
            vector / np.linalg.norm(vector) * 2 * np.arctan2(np.linalg.norm(vector), q.w)
            if vector.any()
            else vector
        )[0]
        matrix[:3, 3] = t.x, t.y, t.z
        to_parent[edge.child_frame_id] = edge.header.frame_id, matrix
    assert {child: parent for child, (parent, _) in to_parent.items()} == {
        "imu_link": "base_link",
        "velo_link": "imu_link",
        "camera_color_left": "imu_link",
    }
    lidar_to_camera = np.linalg.inv(to_parent["camera_color_left"][1]) @ to_parent["velo_link"][1]
    np.testing.assert_allclose(lidar_to_camera, drive.calibration.velodyne_to_camera(2), atol=3e-6)
    # The LiDAR sits 1.73 m above the ground, on which base_link lies.
    base_to_lidar = to_parent["imu_link"][1] @ to_parent["velo_link"][1]
    assert base_to_lidar[2, 3] == pytest.approx(1.73, abs=0.01)


def test_kitti_to_bag_command(
    drive: KittiDrive, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [str(drive.folder), "--output", str(tmp_path / "bag"), "--cameras", "2"]
    assert run_command("kitti_to_bag", arguments) == 0
    output = capsys.readouterr().out
    assert "      3  /kitti/camera_color_left/image_raw" in output
    assert "frames 0 to 3\n" in output
    assert "  LiDAR: without frames 1\n" in output
    assert "  camera 2: gaps at frames 2\n" in output
    assert run_command("kitti_to_bag", arguments) == 2
    assert "exists already" in capsys.readouterr().err


def test_what_a_bag_lacks_is_told(
    drive: KittiDrive, annotated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Annotated depth that is not there, and transforms without the IMU's calibration."""
    readings = drive.folder / "oxts"
    (readings / "data").mkdir(parents=True)
    _write_stamps(readings, IMAGE_STAMPS)
    (readings / "data" / "0000000000.txt").write_text(" ".join(["0"] * 30))
    (drive.folder.parent / "calib_imu_to_velo.txt").unlink()

    def lines(bag: str, *options: object) -> str:
        arguments = [drive.folder, "--output", tmp_path / bag, *options]
        assert run_command("kitti_to_bag", list(map(str, arguments))) == 0
        return capsys.readouterr().out

    output = lines("a", "--ground-truth", annotated)
    assert "  camera 2: no annotated depth for frames 0\n" in output
    assert f"  camera 3: no image has annotated depth; {annotated} has none of " in output
    assert "camera 0: no" not in output
    assert "calib_imu_to_velo.txt no transform says where it is" in output
    with BagReader(tmp_path / "a") as bag:
        found = Transforms.of_bag(bag).lookup("camera_color_left", "velo_link")
    np.testing.assert_allclose(found, drive.calibration.velodyne_to_camera(2), atol=1e-6)
    assert "annotated" not in lines("b")


def test_a_failed_conversion_leaves_nothing(drive: KittiDrive, tmp_path: Path) -> None:
    wrong = drive.folder / "image_02" / "data" / f"{3:010d}.png"
    cv2.imwrite(str(wrong), np.zeros((HEIGHT, WIDTH + 1, 3), np.uint8))
    out = tmp_path / "bags" / "bag"
    with pytest.raises(HmaDepthError, match=r"0000000003.png has 65x24 .* for 64x24"):
        write_kitti_bag(drive, out)
    assert list(out.parent.iterdir()) == []
    with pytest.raises(HmaDepthError, match="no images of camera 1, only of 0, 2, 3"):
        write_kitti_bag(drive, out, BagOptions(cameras=(1,)))


# --- real recordings ----------------------------------------------------------------------------


@pytest.fixture
def real_drive(real_data: Path) -> KittiDrive:
    folder = real_data / "kitti_raw" / "2011_09_26" / "2011_09_26_drive_0001_sync"
    if not folder.is_dir():
        pytest.skip(f"no real drive at {folder}")
    return KittiDrive.open(folder, annotated_root=real_data / "data_depth_annotated")


def test_real_drive_is_read(real_drive: KittiDrive) -> None:
    assert real_drive.cameras == (2,)
    assert real_drive.images(2).frames == tuple(range(17))
    assert {real_drive.images(2).path(f).suffix for f in (0, 8)} == {".png", ".jpg"}
    assert real_drive.images(2).stamp(0) == 1_317_042_145_961_661_696
    assert real_drive.images(2).stamp(107) > real_drive.images(2).stamp(16)
    standard = KittiCalibration.standard()
    np.testing.assert_array_equal(
        real_drive.calibration.velodyne_to_camera(2), standard.velodyne_to_camera(2)
    )


def test_real_lidar_falls_on_kittis_own_projection(real_drive: KittiDrive) -> None:
    annotated = real_drive.ground_truth(2, 5)
    assert annotated is not None
    path = str(annotated).replace("groundtruth", "velodyne_raw")
    projected = np.asarray(cv2.imread(path, cv2.IMREAD_UNCHANGED)) / 256
    scan = load_velodyne(real_drive.velodyne.path(5))
    points = np.column_stack([scan[:, :3], np.ones(len(scan))])
    x, y, z, _ = real_drive.calibration.velodyne_to_camera(2) @ points[points[:, 0] > 1].T
    camera = real_drive.calibration.camera(2)
    u = np.rint(camera.fx * x / z + camera.cx).astype(int)
    v = np.rint(camera.fy * y / z + camera.cy).astype(int)
    inside = (u >= 0) & (u < camera.width) & (v >= 0) & (v < camera.height)
    known = projected[v[inside], u[inside]]
    error = np.abs(known - z[inside])[known > 0]
    # Without R_rect it is 32 cm, without P_rect's fourth column 8 cm; 3 cm are the car's motion.
    assert len(error) > 4000
    assert np.median(error) < 0.05


def test_bag_of_the_real_drive(real_drive: KittiDrive, tmp_path: Path) -> None:
    counts = write_kitti_bag(real_drive, tmp_path / "bag")
    assert counts["/kitti/camera_color_left/image_raw"] == 17
    assert counts["/kitti/velo/pointcloud"] == 17
    with BagReader(tmp_path / "bag") as bag:
        assert bag.start == real_drive.velodyne.stamp(0)
        image = bag.decode(next(bag.messages([KITTI2BAG.image_topic(2)])))
        expected = cv2.imread(str(real_drive.images(2).path(0)), cv2.IMREAD_COLOR)
        np.testing.assert_array_equal(image_array(image), expected)
