"""Depth unlike that of the training frames is told from depth like it by recorded ranges."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from safetensors import safe_open

from hma_depth_ros.cli import run_command
from hma_depth_ros.evaluation.spoiled_pictures import SPOILED
from hma_depth_ros.geometry.camera import PinholeCamera
from hma_depth_ros.inference.pixel_format import PixelFormat
from hma_depth_ros.inference.plan import Region
from hma_depth_ros.inference.plausibility import (
    SAMPLE_STRIDE,
    UPRIGHT,
    USUAL,
    depth_traits,
    strangeness,
    upright_trait,
    usual_ranges,
)
from hma_depth_ros.inference.predictor import DepthPredictor
from hma_depth_ros.inference.self_check_image import self_check_image
from hma_depth_ros.inference.upright import turned_traits
from hma_depth_ros.network.checkpoint import read_info


def road(rows: int = 12, columns: int = 20) -> npt.NDArray[np.float32]:
    """Thirds of e^3, e^2 and e^1 m; three columns are nearer by e, one is farther."""
    logarithms = np.repeat([3.0, 2.0, 1.0], rows // 3)[:, None] + np.zeros(columns)
    logarithms[:, :3] -= 1
    logarithms[:, -1:] += 1
    return np.exp(logarithms).astype(np.float32)


def test_traits_are_quantiles_of_the_middle_and_its_distance_to_the_bottom():
    depth = road()
    depth[5, 8:] *= np.exp(0.5, dtype=np.float32)
    depth[10:, 12:] *= np.exp(0.25, dtype=np.float32)  # a fifth of the bottom
    traits = depth_traits(depth)
    assert traits == pytest.approx(
        {
            "middle 10%": 1.0,
            "middle 50%": 2.0,
            "middle 90%": 2.5,
            "middle 90% over bottom 50%": 1.5,
        }
    )
    ramp = np.exp(np.tile(np.arange(11, dtype=np.float32) / 10, (3, 1)))
    assert [depth_traits(ramp)[f"middle {n}%"] for n in (10, 50, 90)] == pytest.approx(
        [0.1, 0.5, 0.9]
    )
    turned = depth_traits(depth[::-1, ::-1])
    assert turned["middle 90%"] == pytest.approx(2.5)
    assert turned["middle 90% over bottom 50%"] == pytest.approx(-0.5)
    assert upright_trait(traits, {"middle 90%": 1.75}) == pytest.approx({UPRIGHT: 0.75})
    assert upright_trait(traits, {"middle 90%": 0.5}) == {UPRIGHT: 1.5}, "no image is too upright"
    assert depth_traits(depth[:2]) == upright_trait({}, {}) == upright_trait(traits, {}) == {}


@pytest.mark.parametrize("value", [math.nan, math.inf, 0.0, -1.0])
def test_one_pixel_without_finite_depth_is_infinitely_strange(value: float):
    depth = road()
    depth[7, 3] = value
    traits = depth_traits(depth)
    assert all(map(math.isnan, traits.values()))
    assert strangeness(traits, {"middle 50%": (0.0, 9.0)}) == (math.inf, "middle 50%")


def test_strangeness_is_in_widths_of_the_range():
    ranges = {"a": (1.0, 3.0), "b": (0.0, 1.0)}
    assert strangeness({"a": 1.0, "b": 1.0}, ranges) == (0.0, "")
    assert strangeness({"a": 4.0, "b": 0.5}, ranges) == (0.5, "a")
    assert strangeness({"a": 4.0, "b": -0.75}, ranges) == (0.75, "b")
    assert strangeness({}, ranges) == (0.0, ""), "an older version has fewer traits"
    assert strangeness({"a": 2.0}, {"a": (1.0, 1.0)}) == (1000.0, "a"), "no width at all"


def test_ranges_leave_out_a_few_frames():
    frames = [{"a": float(number)} for number in range(1001)]
    assert USUAL == (0.5, 99.5)
    assert usual_ranges(frames) == {"a": (5.0, 995.0)}
    looks = [{UPRIGHT: float(number)} for number in range(1001)]
    assert usual_ranges(looks) == {UPRIGHT: (10.0, 995.0)}


def test_the_sample_is_the_network_s_own_depth(tiny_checkpoint: Path):
    """Whatever the camera, the region and the scale are."""
    image = np.random.default_rng(0).integers(0, 256, (200, 300, 3), dtype=np.uint8)
    predictor = DepthPredictor.from_checkpoint(tiny_checkpoint, device="cpu", input_width=0)
    found = predictor.predict(image, outputs={"depth", "sample"})
    assert found.depth is not None
    assert found.sample is not None
    half = SAMPLE_STRIDE // 2
    np.testing.assert_array_equal(
        found.sample, found.depth[half::SAMPLE_STRIDE, half::SAMPLE_STRIDE]
    )
    camera = PinholeCamera.from_focal_length(1000.0, width=300, height=200)
    predictor.scale = 2.0
    again = predictor.predict(image, camera, outputs={"points", "sample"})
    assert again.sample is not None
    np.testing.assert_array_equal(again.sample, found.sample)
    assert predictor.predict(image, outputs={"depth"}).sample is None


def tensors(path: Path) -> dict[str, bytes]:
    with safe_open(path, framework="np") as file:
        return {name: file.get_tensor(name).tobytes() for name in file.keys()}  # noqa: SIM118


def test_the_command_adds_the_ranges_and_nothing_else(
    tiny_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    lines = []
    for number in range(3):
        pixels = np.random.default_rng(number).integers(0, 256, (60, 90, 3), dtype=np.uint8)
        cv2.imwrite(str(tmp_path / f"{number}.png"), pixels)
        lines.append(f"{number}.png None 50.0\n")
    split, output = tmp_path / "split.txt", tmp_path / "ranged.safetensors"
    split.write_text("".join(lines))
    arguments = ["--checkpoint", str(tiny_checkpoint), "--split", str(split)]
    assert run_command("record_depth_ranges", [*arguments, "--output", str(output)]) == 0
    assert tensors(output) == tensors(tiny_checkpoint)
    before, after = read_info(tiny_checkpoint), read_info(output)
    assert before.depth_ranges == {}
    assert replace(after, depth_ranges={}) == before
    predictor = DepthPredictor.from_checkpoint(output, device="cpu")
    assert predictor.info.depth_ranges == after.depth_ranges
    middles = []
    for number in range(3):
        bgr = cv2.imread(str(tmp_path / f"{number}.png"))
        assert bgr is not None
        camera = PinholeCamera.from_focal_length(50.0, width=90, height=60)
        rgb = np.ascontiguousarray(bgr[:, :, ::-1])
        sample = predictor.predict(rgb, camera, outputs={"sample"}).sample
        assert sample is not None
        middles.append(depth_traits(sample)["middle 50%"])
    low, high = after.depth_ranges["middle 50%"]
    assert (low, high) == pytest.approx((min(middles), max(middles)), abs=0.02)
    judged = ["--checkpoint", str(output), "--split", str(split), "--spoiled", "--every", "2"]
    assert run_command("judge_depth", judged) == 0
    said = capsys.readouterr().out
    assert "2 frames" in said
    as_they_are = next(line for line in said.splitlines() if "as they are" in line)
    assert "0%" in as_they_are
    assert all(kind in said for kind in SPOILED)
    judged[1] = str(tiny_checkpoint)
    assert run_command("judge_depth", judged) == 2
    exported = str(tmp_path / "model.onnx")
    assert run_command("record_depth_ranges", [*arguments, "--output", exported]) == 2


#: The node's `implausible_beyond`.
LIMIT = 0.3

#: Those that are hidden from nobody; of the others docs/degraded_modes.md says more.
CERTAIN = ("black", "covered", "white", "noise", "out of focus", "a wall", "upside down")


@pytest.fixture(scope="module")
def bundled_network() -> DepthPredictor:
    return DepthPredictor.from_checkpoint(device="cpu")


def bundled_strangeness(predictor: DepthPredictor, pixels: npt.NDArray[np.uint8]) -> float:
    height, width = pixels.shape[:2]
    camera = PinholeCamera.from_focal_length(0.58 * width, width=width, height=height)
    sample = predictor.predict(pixels, camera, outputs={"sample"}).sample
    assert sample is not None
    traits = depth_traits(sample)
    turned = turned_traits(predictor, pixels, camera, PixelFormat.RGB)
    return strangeness(traits | upright_trait(traits, turned), predictor.info.depth_ranges)[0]


def test_the_bundled_network_knows_a_street(bundled_network: DepthPredictor):
    assert bundled_strangeness(bundled_network, self_check_image()) < LIMIT / 2


@pytest.mark.parametrize("kind", CERTAIN)
def test_the_bundled_network_knows_what_is_none(bundled_network: DepthPredictor, kind: str):
    picture = SPOILED[kind](self_check_image())
    assert bundled_strangeness(bundled_network, picture) > LIMIT


@pytest.mark.parametrize("part", [Region(0, 125, 1242, 250), Region(621, 0, 621, 375)])
def test_what_turns_is_the_region(bundled_network: DepthPredictor, part: Region):
    """Without the sky, and the right half: a street in them is one, and is none upside down."""
    image = self_check_image()
    assert image.shape[:2] == (375, 1242)
    seen = DepthPredictor(bundled_network.engine, bundled_network.info, region=part)
    whole = PinholeCamera.from_focal_length(720.0, width=1242, height=375)
    window = image[part.top : part.top + part.height, part.left : part.left + part.width]
    camera = whole.crop(left=part.left, top=part.top, width=part.width, height=part.height)
    expected = turned_traits(bundled_network, window, camera, PixelFormat.RGB)
    assert turned_traits(seen, image, whole, PixelFormat.RGB) == expected
    assert seen.region == part

    def upright(pixels: npt.NDArray[np.uint8]) -> float:
        sample = seen.predict(pixels, whole, outputs={"sample"}).sample
        assert sample is not None
        turned = turned_traits(seen, pixels, whole, PixelFormat.RGB)
        return upright_trait(depth_traits(sample), turned)[UPRIGHT]

    low, high = bundled_network.info.depth_ranges[UPRIGHT]
    least = low - LIMIT * (high - low)
    assert upright(image) > least
    assert upright(np.ascontiguousarray(image[::-1, ::-1])) < least


def test_what_turns_is_the_image(bundled_network: DepthPredictor):
    """In every order of the channels, and the camera stays as it is."""
    image = self_check_image()
    turned = np.ascontiguousarray(image[::-1, ::-1])
    sample = bundled_network.predict(turned, outputs={"sample"}).sample
    assert sample is not None
    bgr = np.ascontiguousarray(image[:, :, ::-1])
    assert turned_traits(bundled_network, bgr, None, PixelFormat.BGR) == depth_traits(sample)
