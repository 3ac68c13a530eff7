"""`view`: what is found in a bag, where the car was, and what Rerun reads of the recording."""

from __future__ import annotations

import os
import re
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from hma_depth_ros.bags.gps_places import EARTH, add_gps_places
from hma_depth_ros.bags.reader import BagReader
from hma_depth_ros.bags.transforms import Transforms
from hma_depth_ros.cli import run_command
from hma_depth_ros.data.image_file import write_png
from hma_depth_ros.data.kitti.drive import KittiDrive
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.synthetic.synthetic_drive import CAMERA
from hma_depth_ros.viewer.bag_topics import find_viewed_topics
from hma_depth_ros.viewer.moment import Moment
from hma_depth_ros.viewer.screenshot import write_screenshot

try:
    import rerun
except ImportError:
    rerun = None

needs_rerun = pytest.mark.skipif(rerun is None, reason="needs rerun-sdk: pip install rerun-sdk")
REPOSITORY = Path(__file__).resolve().parent.parent
FRAMES = 8  #: of `drive`


@pytest.fixture(scope="module")
def processed(bag: Path, tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("processed") / "bag"
    arguments = [str(bag), str(out), "--checkpoint", str(tiny_checkpoint), "--device", "cpu"]
    assert run_command("process_bag", [*arguments, "--compress-depth"]) == 0
    return out


def test_the_topics_of_a_camera(bag: Path, processed: Path) -> None:
    with BagReader(bag) as reader:
        found = find_viewed_topics(reader, Transforms.of_bag(reader), image_topic=None)
    assert (found.depth, found.cloud, found.masks) == (None, None, ())
    with BagReader(processed) as reader:
        found = find_viewed_topics(reader, Transforms.of_bag(reader), image_topic=None)
    assert found.camera.image == "/kitti/camera_color_left/image_raw"
    assert found.depth == "/depth/image/compressedDepth"
    assert found.cloud == "/points"
    assert found.masks == tuple(f"/attention/scale_{scale}" for scale in (8, 4, 2, 1))
    assert found.lidar == "/kitti/velo/pointcloud"
    assert found.confidence is None


def test_where_the_car_was_by_gps(drive: KittiDrive, bag: Path) -> None:
    """Against the drive's own readings: along the way, and the camera looks where it leads."""
    with BagReader(bag) as reader:
        transforms = Transforms.of_bag(reader)
        frame = find_viewed_topics(reader, transforms, image_topic=None).frame
        assert add_gps_places(reader, transforms, frame)
    images = drive.images(CAMERA)
    places = [transforms.place(frame, images.stamp(index)) for index in range(FRAMES)]
    known = [place for place in places if place is not None]
    assert len(known) >= 2
    way = known[-1][:3, 3] - known[0][:3, 3]
    assert 0.2 < np.linalg.norm(way) < 10
    forward, down = known[0][:3, 2], known[0][:3, 1]
    assert forward @ way / np.linalg.norm(way) > 0.98
    assert down[2] < -0.98, "z of the world is up"
    np.testing.assert_allclose(known[0][:3, :3] @ known[0][:3, :3].T, np.eye(3), atol=1e-9)
    unit = transforms.lookup(EARTH, "imu_link", images.stamp(0))
    assert np.abs(unit[:3, 3]).max() < 3, "the world begins where the drive does"


def test_points_have_the_colours_of_their_pixels() -> None:
    image = np.arange(40 * 60 * 3, dtype=np.uint8).reshape(40, 60, 3)
    cloud = np.zeros((20, 30, 3), np.float32)  # of each second pixel
    cloud[..., 0], cloud[..., 1] = np.meshgrid(np.arange(30), np.arange(20))
    cloud[3, 4] = np.nan
    points, colors = Moment(stamp=0, image=image, cloud=cloud).colored_points()
    assert len(points) == 20 * 30 - 1
    columns, rows = (2 * points[:, axis].astype(int) for axis in (0, 1))
    np.testing.assert_array_equal(colors, image[rows, columns])


def test_too_many_points_are_thinned() -> None:
    image = np.zeros((10, 10, 3), np.uint8)
    points, _ = Moment(0, image, cloud=np.zeros((800, 900, 3), np.float32)).colored_points()
    assert 60_000 < len(points) <= 120_000


def test_without_a_screen_a_picture_names_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(HmaDepthError, match=r"no viewer can run here: .*install xvfb"):
        write_screenshot(tmp_path / "a.rrd", tmp_path / "a.png", width=64, height=48)
    assert not (tmp_path / "a.png").exists()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["no/bag"], "no such file or folder: no/bag"),
        (["PICTURE", "FOLDER"], "several things at once can only be images"),
    ],
)
@needs_rerun
def test_wrong_arguments_are_named(
    tmp_path: Path, arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.png").touch()
    names = {"PICTURE": str(tmp_path / "a.png"), "FOLDER": str(tmp_path)}
    target = str(tmp_path / "x.rrd")
    assert run_command("view", [*(names.get(a, a) for a in arguments), "--save", target]) == 2
    assert complaint in capsys.readouterr().err


@needs_rerun
def test_a_folder_of_images_is_shown(
    tmp_path: Path, tiny_checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, target = tmp_path / "pictures", tmp_path / "x.rrd"
    folder.mkdir()
    for name in ("a.png", "b.PNG"):
        write_png(folder / name, np.full((40, 60, 3), 90, np.uint8))
    words = ["--checkpoint", str(tiny_checkpoint), "--save", str(target)]
    assert run_command("view", [str(folder), *words]) == 0
    assert f"{target}: 2 images" in capsys.readouterr().out


@needs_rerun
def test_a_full_disk_is_no_recording(
    processed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Rerun says nothing of it, or waits for ever; the limit on files stands for the disk."""
    whole, part = tmp_path / "whole.rrd", tmp_path / "part.rrd"
    words = [str(processed), "--every", "4", "--save"]
    assert run_command("view", [*words, str(whole)]) == 0
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    # How many bytes there are depends on how Rerun comes to divide them, by some thousands.
    for room in (1000, whole.stat().st_size * 3 // 4):
        capsys.readouterr()
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, usual[1]))
        try:
            assert run_command("view", [*words, str(part)]) == 2
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, usual)
        assert capsys.readouterr().err == f"view: cannot write {part}: File too large\n"
        assert [file.name for file in tmp_path.iterdir()] == ["whole.rrd"]


def test_without_rerun_one_line_says_so(
    bag: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "rerun", None)
    assert run_command("view", [str(bag), "--save", str(bag.parent / "x.rrd")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "pip install rerun-sdk" in line


@needs_rerun
def test_rerun_reads_what_was_saved(processed: Path, tmp_path: Path) -> None:
    """By its own program: every entity with a row for each image, and one image plane."""
    saved = tmp_path / "view.rrd"
    assert run_command("view", [str(processed), "--save", str(saved)]) == 0
    command = [sys.executable, "-m", "rerun_cli", "rrd", "print", "-v", str(saved)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ)
    rows: dict[str, int] = {}
    for count, entity in re.findall(r"with (\d+) rows? \([^)]*\) - (/\S+)", done.stdout):
        rows[entity] = rows.get(entity, 0) + int(count)
    pictures = ["/image", "/depth", "/attention", *(f"/masks/{index}" for index in range(4))]
    world = [f"/world/camera/{what}" for what in ("cloud", "lidar", "image_plane")]
    assert {entity: rows.get(entity) for entity in pictures} == dict.fromkeys(pictures, FRAMES)
    assert {entity for entity in world if rows.get(entity, 0) >= FRAMES} == set(world)
    assert rows["/figures/AbsRel_against_LiDAR"] >= FRAMES
    planes = set(re.findall(r"- (/\S+) - data columns: [^\n]*Pinhole", done.stdout))
    assert planes == {"/world/camera/image_plane"}


@needs_rerun
def test_a_bag_by_rerun_itself_has_one_image_plane_without_the_depths_camera_info(
    processed: Path, tmp_path: Path
) -> None:
    """As docs/viewing.md has it; with both Rerun complains of two that define one frame."""
    page = (REPOSITORY / "docs" / "viewing.md").read_text(encoding="utf-8")
    (option,) = re.findall(r"mcap convert BAG\.mcap (--\S+) '", page)
    (topic,) = re.findall(rf"{option} '(\S+)'", page)
    (file,) = processed.glob("*.mcap")
    rerun_program, saved = (sys.executable, "-m", "rerun_cli"), tmp_path / "bag.rrd"

    def planes(*options: str) -> set[str]:
        convert = (*rerun_program, "mcap", "convert", str(file), "-o", str(saved), *options)
        subprocess.run(convert, capture_output=True, check=True)
        show = (*rerun_program, "rrd", "print", "-v", str(saved))
        done = subprocess.run(show, capture_output=True, text=True, check=True)
        return set(re.findall(r"- (/\S+) - data columns: [^\n]*Pinhole", done.stdout))

    own = "/kitti/camera_color_left/camera_info"
    assert planes() == {own, "/depth/camera_info"}
    assert planes(option, topic) == {own}
