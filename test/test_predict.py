"""The `predict` command from image files to all of its output files."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from hma_depth_ros.cli import run
from hma_depth_ros.data.depth.depth_png import read_depth_png
from hma_depth_ros.data.image_file import read_rgb, write_png
from hma_depth_ros.data.kitti.calibration import KittiCalibration
from hma_depth_ros.inference.predictor import DepthPredictor
from hma_depth_ros.network.checkpoint import CheckpointInfo, Preprocessing, save_checkpoint
from hma_depth_ros.network.model import HmaDepth
from hma_depth_ros.network.model_config import ModelConfig

WIDTH, HEIGHT = 150, 71


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    config = ModelConfig(
        encoder="resnet10t", decoder_channels=(16, 16, 8, 8, 8), aspp_channels=8, scales=3
    )
    path = tmp_path_factory.mktemp("model") / "tiny.safetensors"
    info = CheckpointInfo(config, Preprocessing(focal_length=100.0))
    save_checkpoint(path, HmaDepth(config), info)
    return path


@pytest.fixture
def image(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    write_png(tmp_path / "street.png", rng.integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8))
    return tmp_path / "street.png"


def predict(*arguments: object) -> int:
    return run(["predict", *map(str, arguments)])


def test_all_files_tell_the_same_depth(image: Path, checkpoint: Path, tmp_path: Path):
    output = tmp_path / "results"
    options = ("--output", output, "--checkpoint", checkpoint, "--fx", 120, "--npz")
    assert predict(image, *options) == 0
    names = {path.name for path in output.iterdir()}
    assert names == {f"street{end}" for end in
                     ("_depth.png", "_color.png", "_panel.png", ".ply", ".npz")}  # fmt: skip

    with np.load(output / "street.npz") as arrays:
        depth, attention = arrays["depth"], arrays["attention"]
    assert depth.shape == (HEIGHT, WIDTH)
    assert depth.dtype == np.float32
    assert attention.shape == (3, HEIGHT, WIDTH)
    np.testing.assert_allclose(attention.sum(axis=0), 1.0, atol=1e-6)
    np.testing.assert_allclose(read_depth_png(output / "street_depth.png"), depth, atol=0.5 / 256)
    assert read_rgb(output / "street_color.png").shape == (HEIGHT, WIDTH, 3)
    assert read_rgb(output / "street_panel.png").shape[1] > 600

    header, _, body = (output / "street.ply").read_bytes().partition(b"end_header\n")
    assert f"element vertex {HEIGHT * WIDTH}\n".encode() in header
    vertices = np.frombuffer(body, [("xyz", "<f4", 3), ("rgb", "u1", 3)]).reshape(HEIGHT, WIDTH)
    np.testing.assert_array_equal(vertices["xyz"][..., 2], depth)
    # The right border is 74.5 pixels from the principal point, at a focal length of 120.
    np.testing.assert_allclose(vertices["xyz"][:, -1, 0], depth[:, -1] * 74.5 / 120, rtol=1e-5)
    np.testing.assert_array_equal(vertices["rgb"], read_rgb(image))


def test_the_npz_carries_the_uncertainty_of_a_model_that_states_it(image: Path, tmp_path: Path):
    torch.manual_seed(0)
    config = ModelConfig(
        "resnet10t", (16, 16, 8, 8, 8), aspp_channels=8, scales=3, attention=False, uncertainty=True
    )
    path = tmp_path / "uncertain.safetensors"
    save_checkpoint(path, HmaDepth(config), CheckpointInfo(config, Preprocessing()))
    assert (
        predict(image, "--output", tmp_path, "--checkpoint", path, "--npz", "--device", "cpu") == 0
    )
    with np.load(tmp_path / "street.npz") as arrays:
        assert set(arrays) == {"depth", "uncertainty"}
        sigma = arrays["uncertainty"]
    expected = (
        DepthPredictor.from_checkpoint(path, device="cpu").predict(read_rgb(image)).uncertainty
    )
    assert sigma.dtype == np.float32
    np.testing.assert_array_equal(sigma, expected)
    assert (sigma > 0).all()


def test_the_focal_length_scales_depth(image: Path, checkpoint: Path, tmp_path: Path):
    depths = []
    for fx in (100, 250):
        output = tmp_path / str(fx)
        options = ("--output", output, "--checkpoint", checkpoint, "--fx", fx, "--npz")
        assert predict(image, *options) == 0
        with np.load(output / "street.npz") as arrays:
            depths.append(arrays["depth"])
    np.testing.assert_allclose(depths[1], 2.5 * depths[0], rtol=1e-5)


def test_without_a_camera_there_is_no_cloud(image: Path, checkpoint: Path, tmp_path: Path):
    output = tmp_path / "results"
    assert predict(image, "--output", output, "--checkpoint", checkpoint) == 0
    names = {path.name for path in output.iterdir()}
    assert names == {"street_depth.png", "street_color.png", "street_panel.png"}


def test_the_calibration_must_fit_the_image(
    image: Path, checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    KittiCalibration.standard().write(tmp_path)
    calibration = tmp_path / "calib_cam_to_cam.txt"
    write_png(tmp_path / "whole.png", np.full((375, 1242, 3), 90, np.uint8))
    output = tmp_path / "results"
    options = ("--output", output, "--checkpoint", checkpoint, "--calibration", calibration)
    assert predict(image, tmp_path / "whole.png", *options) == 1
    stderr = capsys.readouterr().err
    assert "street.png is 150x71, but" in stderr
    assert "is for 1242x375" in stderr
    assert stderr.count("\n") == 1
    assert (output / "whole.ply").is_file()
    assert not list(output.glob("street*"))


def test_bad_images_are_named_and_the_others_done(
    image: Path, checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    broken = tmp_path / "broken.png"
    broken.write_bytes(image.read_bytes()[:3000])
    output = tmp_path / "results"
    options = ("--output", output, "--checkpoint", checkpoint)
    assert predict(broken, tmp_path / "missing.jpg", image, *options) == 1
    out, err = capsys.readouterr()
    assert [line.split(": ")[0] for line in err.splitlines()] == ["predict", "predict"]
    assert "broken.png" in err.splitlines()[0]
    assert "missing.jpg: No such file" in err.splitlines()[1]
    assert "1 of 3 images done" in out
    assert (output / "street_depth.png").is_file()


def test_strange_names_are_done_like_others(
    image: Path, checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """Not UTF-8, half a formula for matplotlib, as long as a name may be, not in the font."""
    output = tmp_path / "results"
    stems = ["stra\udcdfe", "$x_{$", "n" * (255 - len("_depth.png")), "街道"]
    images = [image.with_name(f"{stem}.png") for stem in stems]
    for path in images:
        shutil.copy(image, path)
    too_long = image.with_name("m" * 251 + ".png")
    shutil.copy(image, too_long)
    options = ("--output", output, "--checkpoint", checkpoint)
    assert predict(too_long, *images, image, *options) == 1
    expected = read_depth_png(output / "street_depth.png")
    for stem in stems:
        np.testing.assert_array_equal(read_depth_png(output / f"{stem}_depth.png"), expected)
        assert (output / f"{stem}_panel.png").is_file()
    out, err = capsys.readouterr()
    assert "/stra\N{REPLACEMENT CHARACTER}e.png: 150x71, depth" in out
    assert err.startswith("predict: cannot write ")
    assert err.endswith("File name too long\n")
    assert err.count("\n") == 1
    assert not list(output.glob(".*"))


def test_images_of_any_shape_are_done(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """A pixel alone, and strips so long that their picture would have no height or no mask."""
    sizes = [(1, 1), (1700, 1), (2, 200)]
    for width, height in sizes:
        content = np.full((height, width, 3), 90, np.uint8)
        write_png(tmp_path / f"{width}x{height}.png", content)
    images = sorted(tmp_path.glob("*.png"))
    output = tmp_path / "results"
    options = ("--output", output, "--checkpoint", checkpoint, "--fx", 50)
    assert predict(*images, *options) == 0, capsys.readouterr().err
    for width, height in sizes:
        assert read_depth_png(output / f"{width}x{height}_depth.png").shape == (height, width)


def test_the_same_picture_in_other_files_gives_the_same_depth(checkpoint: Path, tmp_path: Path):
    grey = np.tile(np.arange(0, 250, 2, dtype=np.uint8), (60, 1))
    Image.fromarray(grey).save(tmp_path / "a.png")
    for name in ("b.png", "c.tif", "d.pgm"):
        cv2.imwrite(str(tmp_path / name), grey.astype(np.uint16) * 257)
    Image.fromarray(grey.astype(np.float32) / 255).save(tmp_path / "e.tif")
    Image.fromarray(grey).quantize(256).save(tmp_path / "f.png")
    images = sorted(tmp_path.iterdir())
    output = tmp_path / "results"
    assert predict(*images, "--output", output, "--checkpoint", checkpoint, "--npz") == 0
    depths = [np.load(output / f"{path.stem}.npz")["depth"] for path in images]
    assert depths[0].std() > 0
    for depth in depths[1:]:
        np.testing.assert_array_equal(depth, depths[0])


def test_the_same_name_twice_is_refused_before_any_work(
    image: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    output = tmp_path / "results"
    options = ("--output", output, "--checkpoint", tmp_path / "not there")
    assert predict(image, tmp_path / "other" / "street.jpg", *options) == 2
    assert "would all be written as street_*" in capsys.readouterr().err
    assert not output.exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--fx", "-3"), "--fx must be a positive number"),
        (("--fx", "nan"), "--fx must be a positive number"),
        (("--calibration", "no/calib.txt"), "no/calib.txt"),
        (("--checkpoint", "no/model.safetensors"), "no/model.safetensors"),
    ],
)
def test_wrong_arguments_are_named(
    image: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    options: tuple[str, ...], message: str,
):  # fmt: skip
    assert predict(image, "--output", tmp_path / "results", *options) == 2
    stderr = capsys.readouterr().err
    assert message in stderr
    assert stderr.count("\n") == 1
