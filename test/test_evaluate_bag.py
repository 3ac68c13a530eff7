"""evaluate_bag: depth of a bag against LiDAR and ground truth; kitti2mcap's bags too."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from hma_depth_ros.bags.kitti.dialect import KITTI2MCAP
from hma_depth_ros.bags.kitti.drive_bag import BagOptions, write_kitti_bag
from hma_depth_ros.bags.new_messages import (
    camera_info_message,
    cloud_message,
    compressed_image_message,
    image_message,
)
from hma_depth_ros.bags.reader import BagReader
from hma_depth_ros.bags.scoring.depth_truth import match_nearest
from hma_depth_ros.bags.transforms import Transforms, transform_message
from hma_depth_ros.bags.typestore import message
from hma_depth_ros.bags.writer import BagWriter
from hma_depth_ros.cli import run_command
from hma_depth_ros.data.depth.depth_png import read_depth_png
from hma_depth_ros.data.depth.lidar_depth import project_scan
from hma_depth_ros.data.depth.lidar_occlusion import without_occluded
from hma_depth_ros.data.kitti.drive import KittiDrive, load_velodyne
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.evaluation.metrics import depth_metrics
from hma_depth_ros.geometry.backprojection import back_project
from hma_depth_ros.geometry.camera import PinholeCamera
from hma_depth_ros.messages.compressed_depth import compressed_depth
from hma_depth_ros.messages.depth_image import encoded_depth
from hma_depth_ros.messages.types import (
    CAMERA_INFO,
    COMPRESSED_IMAGE,
    IMAGE,
    POINT_CLOUD,
    TF_MESSAGE,
)
from hma_depth_ros.synthetic.kitti_writer import write_kitti_drive
from hma_depth_ros.synthetic.synthetic_drive import CAMERA, KITTI_CAMERA, SyntheticDrive

Depth = npt.NDArray[np.float32]

CAMERA_MODEL = PinholeCamera(fx=60.0, fy=60.0, cx=30.0, cy=18.0, width=61, height=37)
#: The LiDAR's axes (forward, left, up) in the camera's; it sits 20 cm above and 30 cm behind.
TO_CAMERA = np.array([[0, -1, 0, 0], [0, 0, -1, -0.2], [1, 0, 0, -0.3], [0, 0, 0, 1]], np.float64)
SECOND = 1_000_000_000
START = 1_317_042_145 * SECOND
LIMIT = 50_000_000
INFO = camera_info_message(CAMERA_MODEL, stamp=START, frame="eye")


def truth_of(index: int) -> Depth:
    """Depth that varies over the image and from frame to frame."""
    columns = np.linspace(0.8, 1.2, CAMERA_MODEL.width, dtype=np.float32)
    return np.tile((10 + index) * columns, (CAMERA_MODEL.height, 1)).astype(np.float32)


def depth_of(index: int) -> Depth:
    """What a node might say of it."""
    rows = np.linspace(0.9, 1.4, CAMERA_MODEL.height, dtype=np.float32)[:, None]
    return (truth_of(index) * rows).astype(np.float32)


def scan_of(index: int) -> npt.NDArray[np.float32]:
    points = back_project(truth_of(index), CAMERA_MODEL).reshape(-1, 3)
    inverse = np.linalg.inv(TO_CAMERA)
    return (points @ inverse[:3, :3].T + inverse[:3, 3]).astype(np.float32)


def write_bag(
    path: Path,
    *,
    encoding: str = "32FC1",
    compressed: bool = False,
    tf: bool = True,
    info: bool = True,
    shift: int = 20_000_000,
) -> Path:
    """Six depth images of another node, and five scans `shift` nanoseconds later."""
    with BagWriter(path) as bag:
        topic = "/other/depth/compressedDepth" if compressed else "/other/depth"
        bag.add_topic(topic, COMPRESSED_IMAGE if compressed else IMAGE)
        bag.add_topic("/scan", POINT_CLOUD)
        bag.add_topic("/cloud_of_depth", POINT_CLOUD)
        if info:
            bag.add_topic("/other/camera_info", CAMERA_INFO)
            bag.write("/other/camera_info", START, INFO)
        if tf:
            bag.add_topic("/tf_static", TF_MESSAGE)
            # car -> lidar and car -> eye: the way between them goes up and down the tree.
            car_to_lidar = np.eye(4)
            car_to_lidar[:3, 3] = 1, 2, 3
            edges = [
                transform_message("car", "lidar", car_to_lidar, START),
                transform_message("/car", "eye", car_to_lidar @ np.linalg.inv(TO_CAMERA), START),
            ]
            bag.write("/tf_static", START + SECOND, message(TF_MESSAGE, transforms=edges))
        for index in range(6):
            stamp = START + index * 100_000_000
            pixels = encoded_depth(depth_of(index), encoding)
            depth = image_message(pixels, encoding, stamp=stamp, frame="eye")
            if compressed:
                form, data = compressed_depth(pixels)
                depth = compressed_image_message(data, form, stamp=stamp, frame="eye")
            bag.write(topic, stamp + 3 * SECOND, depth)  # recorded later than the scans
            own = cloud_message(scan_of(index), ("x", "y", "z"), stamp=stamp, frame="eye")
            bag.write("/cloud_of_depth", stamp, own)
            if index < 5:
                scan = cloud_message(
                    scan_of(index), ("x", "y", "z"), stamp=stamp + shift, frame="lidar"
                )
                bag.write("/scan", stamp + shift, scan)
    return path


def evaluate(*arguments: object) -> int:
    return run_command("evaluate_bag", list(map(str, arguments)))


def figures(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text())
    return found


@pytest.mark.parametrize(
    ("encoding", "tolerance", "compressed"),
    [("32FC1", 2e-5, False), ("16UC1", 2e-3, False), ("32FC1", 2e-3, True)],
)
def test_figures_of_another_nodes_depth_against_its_lidar(
    tmp_path: Path,
    encoding: str,
    tolerance: float,
    compressed: bool,
    capsys: pytest.CaptureFixture[str],
) -> None:
    bag = write_bag(tmp_path / "bag", encoding=encoding, compressed=compressed)
    topic = "/other/depth/compressedDepth" if compressed else "/other/depth"
    out = tmp_path / "out.json"
    options = ("--protocols", "full", "--csv", tmp_path / "o.csv", "--panels", tmp_path / "panels")
    assert evaluate(bag, "--json", out, *options) == 0
    assert f"5 of 6 depth images on {topic} have ground truth, of 5 messages on /scan" in (
        capsys.readouterr().out
    )
    found = figures(out)
    assert found["run"]["ground_truth_topic"] == "/scan"
    assert found["run"]["transform"] == "tf"
    per_image = found["full_cap80"]["per_image"]
    assert list(per_image) == [f"1317042145.{index}00000000" for index in range(5)]
    for index, metrics in enumerate(per_image.values()):
        # Every pixel has its return: rounding of float32 moves none of them to another pixel.
        expected = depth_metrics(depth_of(index).ravel(), truth_of(index).ravel())
        for name, value in expected.items():
            assert metrics[name] == pytest.approx(value, rel=tolerance, abs=tolerance), name
    assert found["full_cap80"]["pixels"] == 5 * 61 * 37
    assert len(list((tmp_path / "panels").glob("*.png"))) == 6


def test_nearest_stamps_match_within_the_limit() -> None:
    def pairs(depths: list[int], truths: list[int]) -> list[tuple[int, int]]:
        return [(m.depth, m.truth) for m in match_nearest(depths, truths, limit=10)]

    assert pairs([100, 200, 300], [95, 211, 290, 303]) == [(0, 0), (2, 3)]
    assert pairs([100], [90, 110]) == [(0, 0)]
    assert pairs([100], [89, 111]) == []
    assert pairs([300, 100], [305, 100, 95]) == [(0, 0), (1, 1)]  # a loop, and out of order
    assert pairs([100], []) == []


@pytest.mark.parametrize(
    ("made", "options", "complaint"),
    [
        ({"tf": False}, [], r"no transform from lidar to eye; .*: none; --calibration DAY"),
        ({"info": False}, [], r"no camera_info beside the depth images.*--camera-info-topic"),
        ({"shift": 60_000_000_000}, [], r"none of the 6 depth images .* within 0.05 s .* /scan"),
        (
            {},
            ["--depth-topic", "/scan"],
            r"PointCloud2 on /scan; topics with .*Image: /other/depth",
        ),
        ({}, ["--lidar-topic", "/velo"], r"no topic /velo; .*: /cloud_of_depth, /scan"),
        ({}, ["--protocols", "gargle"], r"no protocol 'gargle'"),
        ({}, ["--max-difference", "0.001"], r"none of the 6 depth images"),
        ({}, ["--calibration", "/nowhere"], r"cannot read the KITTI calibration /nowhere"),
    ],
)
def test_what_is_missing_is_named(
    tmp_path: Path,
    made: dict[str, Any],
    options: list[str],
    complaint: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert evaluate(write_bag(tmp_path / "bag", **made), *options) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert re.search(complaint, line), line


def test_a_damaged_frame_is_an_error_or_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with BagReader(write_bag(tmp_path / "bag")) as reader, BagWriter(tmp_path / "bad") as writer:
        for topic in reader.topics.values():
            writer.add_topic(topic.name, topic.type)
        for raw in reader.messages():
            content = reader.decode(raw)
            if raw.topic == "/other/depth" and raw.stamp == START + 3 * SECOND + 200_000_000:
                content.data = content.data[:100]
            writer.write(raw.topic, raw.stamp, content)
    assert evaluate(tmp_path / "bad", "--protocols", "full") == 2
    assert "61x37 32FC1 needs 9028 bytes, the message has 100" in capsys.readouterr().err
    assert evaluate(tmp_path / "bad", "--protocols", "full", "--allow-partial") == 0
    assert "4 of 5 frames scored" in capsys.readouterr().out


def test_a_calibration_of_another_camera_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = write_bag(tmp_path / "bag")
    with BagReader(source) as reader, BagWriter(tmp_path / "mixed") as writer:
        for topic in reader.topics.values():
            writer.add_topic(topic.name, topic.type)
        for raw in reader.messages():
            content = reader.decode(raw)
            if raw.topic.endswith("camera_info"):
                content.header.frame_id = "rear"
            writer.write(raw.topic, raw.stamp, content)
    assert evaluate(tmp_path / "mixed", "--protocols", "full") == 0
    assert "camera_info: it is of 'rear', the images on " in capsys.readouterr().out
    assert evaluate(source, "--protocols", "full") == 0
    assert "it is of" not in capsys.readouterr().out


def test_damaged_messages_of_any_topic_spoil_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rubbish = {"/broken": IMAGE, "/broken_cloud": POINT_CLOUD, "/tf": TF_MESSAGE}
    with BagReader(write_bag(tmp_path / "bag")) as reader, BagWriter(tmp_path / "bad") as writer:
        for name, kind in {**rubbish, **{t.name: t.type for t in reader.topics.values()}}.items():
            writer.add_topic(name, kind)
        for name in ("/broken", "/broken_cloud"):
            writer.write_raw(name, START, b"\x00\x01\x00\x00")
        odd = transform_message("car", "wheel", np.eye(4), START)
        odd.transform.rotation.w = 0.0
        writer.write("/tf", START, message(TF_MESSAGE, transforms=[odd]))
        first = True
        for raw in reader.messages():
            cut = raw.topic == "/other/depth" and first
            first = first and not cut
            writer.write_raw(raw.topic, raw.stamp, raw.data[:8] if cut else raw.data)
    scored = ("--protocols", "full", "--max-difference", "4")
    assert evaluate(tmp_path / "bad", *scored) == 2
    assert "damaged sensor_msgs/msg/Image on /other/depth" in capsys.readouterr().err
    assert evaluate(tmp_path / "bad", *scored, "--allow-partial") == 0
    assert "5 of 6 frames scored" in capsys.readouterr().out


# --- transforms and occlusion -------------------------------------------------------------------


def test_static_transforms_go_up_and_down_the_tree() -> None:
    rng = np.random.default_rng(1)
    rotations = [np.linalg.qr(rng.normal(size=(3, 3)))[0] for _ in range(3)]
    steps = []
    for rotation in rotations:
        step = np.eye(4)
        step[:3, :3] = rotation * np.linalg.det(rotation)
        step[:3, 3] = rng.normal(size=3)
        steps.append(step)
    a, b, c = steps
    edges = [("root", "a", a), ("a", "b", b), ("root", "c", c)]
    tree = Transforms()
    tree.add(message(TF_MESSAGE, transforms=[transform_message(*edge, 0) for edge in edges]))
    np.testing.assert_allclose(tree.lookup("c", "b"), np.linalg.inv(c) @ a @ b, atol=1e-9)
    np.testing.assert_allclose(tree.lookup("b", "/c") @ tree.lookup("c", "b"), np.eye(4), atol=1e-9)
    with pytest.raises(HmaDepthError, match=r"from d to a; frames on .*: a, b, c, root$"):
        tree.lookup("a", "d")


def turned(angle: float, *position: float) -> npt.NDArray[np.float64]:
    """A pose about the vertical axis."""
    pose = np.eye(4)
    pose[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    pose[:3, 3] = position
    return pose


def pose_of(stamp: int) -> npt.NDArray[np.float64]:
    """The car of `moving_bag` in the world: 20 m/s in a bend, from START on."""
    seconds = (stamp - START) / SECOND
    angle = 0.5 * seconds
    return turned(angle, 40 * np.sin(angle), 40 * (1 - np.cos(angle)), 0)


def moving_bag(path: Path, *, until: float = 1.0, motion: bool = True) -> Path:
    """Depth of a street of posts, and scans of it 40 ms later, from a car that drives."""
    base_to_lidar = turned(0.1, 1, 0, 2)
    base_to_eye = base_to_lidar @ np.linalg.inv(TO_CAMERA)
    static = [("base", "lidar", base_to_lidar), ("base", "eye", base_to_eye)]
    with BagWriter(path) as bag:
        for topic, kind in (
            ("/depth/image", IMAGE),
            ("/depth/camera_info", CAMERA_INFO),
            ("/scan", POINT_CLOUD),
            ("/tf_static", TF_MESSAGE),
            ("/tf", TF_MESSAGE),
        ):
            bag.add_topic(topic, kind)
        edges = [transform_message(*edge, START) for edge in static]
        odd = transform_message("base", "odd", np.eye(4), START)
        odd.transform.rotation.w = 0.0  # no rotation: nobody's business but its own
        bag.write("/tf_static", START, message(TF_MESSAGE, transforms=[*edges, odd]))
        bag.write("/depth/camera_info", START, INFO)
        for step in range(int(until * 50)) if motion else ():
            stamp = START + step * SECOND // 50
            odometry = transform_message("odom", "base", pose_of(stamp), stamp)
            jump = transform_message("map", "odom", turned(0, step % 3, 0, 0), stamp)
            bag.write("/tf", stamp, message(TF_MESSAGE, transforms=[odometry, jump]))
        for index in range(5):
            stamp = START + index * SECOND // 10 + 7_000_000
            depth = image_message(truth_of(index), "32FC1", stamp=stamp, frame="eye")
            bag.write("/depth/image", stamp, depth)
            later = stamp + 40_000_000
            # What the camera sees, from where the LiDAR is when it scans.
            seen = back_project(truth_of(index), CAMERA_MODEL).reshape(-1, 3)
            lidar_to_world = pose_of(later) @ base_to_lidar
            to_lidar = np.linalg.inv(lidar_to_world) @ pose_of(stamp) @ base_to_eye
            points = (seen @ to_lidar[:3, :3].T + to_lidar[:3, 3]).astype(np.float32)
            scan = cloud_message(points, ("x", "y", "z"), stamp=later, frame="lidar")
            bag.write("/scan", later, scan)
    return path


def test_scans_are_moved_to_the_time_of_their_image(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bag, out = moving_bag(tmp_path / "bag"), tmp_path / "out.json"
    scored = ("--protocols", "full", "--json", out, "--no-occlusion-filter")
    assert evaluate(bag, *scored) == 0
    said = capsys.readouterr().out
    assert "40.0 ms between image and scan on average, 40.0 ms at most; 5 of 5 scans" in said
    # 0.8 m of the car's way, less what the bend brings the LiDAR, 1 m ahead, to the side.
    moved = figures(out)
    assert moved["run"]["timing"]["way"] == pytest.approx(0.8, abs=0.01)
    assert moved["full_cap80"]["mean"]["abs_rel"] < 1e-4
    assert evaluate(bag, *scored, "--no-motion") == 0
    assert "nothing tells how the LiDAR moved meanwhile: at 10 m/s that is 0.40 m" in (
        capsys.readouterr().out
    )
    assert figures(out)["full_cap80"]["mean"]["abs_rel"] > 0.03


def test_where_tf_does_not_tell_scans_stay(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate(moving_bag(tmp_path / "none", motion=False), "--protocols", "full") == 0
    assert "nothing tells how the LiDAR moved" in capsys.readouterr().out
    # The transforms end in the midst: of the scans of 47, 147 and 247 ms only.
    assert evaluate(moving_bag(tmp_path / "half", until=0.3), "--protocols", "full") == 0
    assert "3 of 5 scans are moved" in capsys.readouterr().out


def test_transforms_between_two_times() -> None:
    tree = Transforms()
    for stamp, angle, x in ((0, 0.0, 0.0), (SECOND, 1.0, 10.0), (7 * SECOND, 2.0, 20.0)):
        edge = transform_message("odom", "base", turned(angle, x, 0, 0), stamp)
        tree.add(message(TF_MESSAGE, transforms=[edge]), static=False)
    constant = transform_message("base", "eye", turned(0, 0, 0, 1), 0)
    tree.add(message(TF_MESSAGE, transforms=[constant]), static=False)  # as kitti2bag has it
    np.testing.assert_allclose(
        tree.lookup("odom", "base", SECOND // 4), turned(0.25, 2.5, 0, 0), atol=1e-9
    )
    np.testing.assert_allclose(tree.lookup("base", "eye")[2, 3], 1)
    np.testing.assert_allclose(tree.lookup("odom", "eye", SECOND)[:3, 3], [10, 0, 1], atol=1e-9)
    motion = tree.motion("eye", 0, SECOND)
    assert motion is not None
    expected = np.linalg.inv(turned(1.0, 10, 0, 1)) @ turned(0, 0, 0, 1)
    np.testing.assert_allclose(motion, expected, atol=1e-9)
    for start, end in ((0, 2 * SECOND), (-1, 0), (0, 8 * SECOND)):  # a gap, before, behind
        assert tree.motion("eye", start, end) is None
    with pytest.raises(HmaDepthError, match="no transform from base to odom"):
        tree.lookup("odom", "base", 2 * SECOND)


def test_returns_behind_an_object_are_left_out() -> None:
    """A wall seen through a car from above; the road, and the wall over the car, stay."""
    depth = np.zeros((60, 40), np.float32)
    depth[0:20:5, ::2] = 30.0  # the wall above the car
    depth[20:40:5, ::2] = 8.0  # the car
    depth[22, 10:30:4] = 30.0  # the wall, seen by the scanner over the car's roof
    depth[40:60:5, ::2] = np.array([[7.5], [7.0], [6.5], [6.0]])  # the road before it
    found = without_occluded(depth)
    assert not found[22].any()
    depth[22] = 0
    np.testing.assert_array_equal(found, depth)


@pytest.mark.parametrize(
    ("nearer", "rows", "columns", "is_left_out"),
    [
        (0.06, 12, 3, True),  # more than 5 % nearer, at the far corners of the surroundings
        (0.04, 1, 0, False),  # not clearly nearer
        (0.5, 13, 0, False),  # too far above and below
        (0.5, 1, 4, False),  # too far aside
    ],
)
def test_what_clearly_nearer_and_close_mean(
    nearer: float, rows: int, columns: int, is_left_out: bool
) -> None:
    depth = np.zeros((40, 20), np.float32)
    depth[20, 10] = 30.0
    depth[20 - rows, 10 - columns] = depth[20 + rows, 10 + columns] = 30.0 * (1 - nearer)
    assert (without_occluded(depth)[20, 10] == 0) == is_left_out


def test_the_filter_removes_what_kittis_annotation_contradicts(real_data: Path) -> None:
    """Annotated depth is made of eleven scans and checked by stereo: it knows what is in front."""
    folder = real_data / "kitti_raw" / "2011_09_26" / "2011_09_26_drive_0001_sync"
    if not folder.is_dir():
        pytest.skip(f"no real drive at {folder}")
    drive = KittiDrive.open(folder, annotated_root=real_data / "data_depth_annotated")
    wrong, all_known, wrong_kept, kept_known = 0, 0, 0, 0
    for frame in (5, 10, 15):
        annotated = drive.ground_truth(CAMERA, frame)
        assert annotated is not None
        truth = read_depth_png(annotated)
        calibration = drive.calibration
        scan = load_velodyne(drive.velodyne.path(frame))
        projected = project_scan(
            scan, calibration.velodyne_to_camera(CAMERA), calibration.camera(CAMERA)
        )
        kept = without_occluded(projected)
        for depth, is_kept in ((projected, False), (kept, True)):
            both = (depth > 0) & (truth > 0)
            behind = both & (depth > truth * 1.1)
            if is_kept:
                wrong_kept, kept_known = wrong_kept + behind.sum(), kept_known + both.sum()
            else:
                wrong, all_known = wrong + behind.sum(), all_known + both.sum()
    assert wrong > 100
    assert wrong_kept < 0.5 * wrong
    assert kept_known > 0.97 * all_known


# --- bags that this code did not write ------------------------------------------------------------


@pytest.fixture(scope="module")
def kitti2mcap() -> str:
    """kitti2mcap of PyPI, in an environment of its own: it wants other versions than ours."""
    found = os.environ.get("KITTI2MCAP") or shutil.which("kitti2mcap")
    if not found:
        pytest.skip(
            "no kitti2mcap (pip install kitti2mcap in an environment of its own, and set "
            "KITTI2MCAP to its executable)"
        )
    return found


def test_bags_of_kitti2mcap(kitti2mcap: str, tmp_path: Path, tiny_checkpoint: Path) -> None:
    """Same topics, types, stamps, frames, pixels and points as ours; same depth and figures."""
    street = SyntheticDrive(
        seed=7, frames=4, camera=KITTI_CAMERA.resize(width=124, height=38), sampling=1
    )
    drive = write_kitti_drive(street, tmp_path / "street")
    theirs, ours = tmp_path / "theirs.mcap", tmp_path / "ours"
    # It reads the first image of every camera.
    for camera in (0, 1, 3):
        shutil.copytree(drive.images(CAMERA).folder, drive.images(camera).folder)
    subprocess.run(
        [
            *(kitti2mcap, "--date", "2011_09_26", "--drive", "9001"),
            *("--kitti-dir", str(tmp_path / "street"), "--output", str(theirs)),
        ],
        check=True,
        env={k: v for k, v in os.environ.items() if k not in ("LD_LIBRARY_PATH", "PYTHONPATH")},
    )
    write_kitti_bag(drive, ours, BagOptions(cameras=(CAMERA,), dialect=KITTI2MCAP))
    with BagReader(theirs) as their_bag, BagReader(ours) as our_bag:
        shared = {name: topic.type for name, topic in their_bag.topics.items() if name != "/tf"}
        assert shared.items() <= {n: t.type for n, t in our_bag.topics.items()}.items()
        for topic in (KITTI2MCAP.image_topic(CAMERA), KITTI2MCAP.lidar_topic):
            pairs = list(zip(their_bag.messages([topic]), our_bag.messages([topic]), strict=True))
            assert len(pairs) == 4
            for their_raw, our_raw in pairs:
                assert their_raw.stamp == our_raw.stamp
                found, expected = their_bag.decode(their_raw), our_bag.decode(our_raw)
                assert found.header.frame_id == expected.header.frame_id
                np.testing.assert_array_equal(found.data, expected.data)
    results, depths = [], []
    for bag in (theirs, ours):
        out = tmp_path / f"{bag.stem}_depth"
        options = ["--checkpoint", str(tiny_checkpoint), "--device", "cpu"]
        assert run_command("process_bag", [str(bag), str(out), *options]) == 0
        report = tmp_path / f"{bag.stem}.json"
        lidar = ("--lidar-topic", KITTI2MCAP.lidar_topic, "--protocols", "full")
        assert evaluate(out, *lidar, "--json", report) == 0
        results.append(figures(report)["full_cap80"]["mean"])
        with BagReader(out) as reader:
            depths.append([reader.decode(m).data for m in reader.messages(["/depth/image"])])
    np.testing.assert_array_equal(depths[0], depths[1])
    # Its camera frames lack the millimetres forward and up in P_rect's fourth column.
    assert results[0] == pytest.approx(results[1], rel=0.01)
