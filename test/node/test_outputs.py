"""Depth, masks and pictures: values, encodings, and what stands where there is no depth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from hma_depth_ros.geometry.camera import PinholeCamera
from hma_depth_ros.inference.plan import Region
from hma_depth_ros.inference.predictor import DepthPredictor
from hma_depth_ros.messages.depth_image import depth_array
from hma_depth_ros.messages.depth_topics import COMPRESSED_DEPTH
from hma_depth_ros.messages.weight_image import weight_array
from hma_depth_ros.network.checkpoint import CheckpointInfo, Preprocessing, save_checkpoint
from hma_depth_ros.network.model import HmaDepth
from hma_depth_ros.network.model_config import ModelConfig
from hma_depth_ros.visualization.attention_color import colorize_attention
from hma_depth_ros.visualization.depth_color import colorize_depth

from .conftest import StartBench
from .graph import (
    CAMERA,
    HEIGHT,
    MASKS,
    WIDTH,
    info_message,
    noise,
    pixels_of,
    rgb_message,
    until,
)

#: The network answers 10 to 21 m; focal scaling makes that about 50 to 110 m.
TELE = PinholeCamera(fx=270.0, fy=270.0, cx=30.0, cy=18.0, width=WIDTH, height=HEIGHT)


def test_masks(start: StartBench, predictor: DepthPredictor):
    bench = start()
    bench.listen("depth/image", *MASKS)
    outputs = bench.infer(rgb_message(1), info_message())
    masks = np.stack([pixels_of(outputs[topic]) for topic in MASKS])
    expected = predictor.predict(noise(), CAMERA)
    np.testing.assert_array_equal(masks, expected.attention)  # coarse to fine: 8, 4, 2, 1
    assert masks.shape == (4, HEIGHT, WIDTH)
    assert masks.min() >= 0
    assert masks.max() <= 1
    np.testing.assert_allclose(masks.astype(float).sum(axis=0), 1, rtol=0, atol=1e-6)
    for topic in MASKS:
        assert outputs[topic].header == outputs["depth/image"].header
        assert outputs[topic].encoding == "32FC1"


def test_masks_in_bytes(start: StartBench, predictor: DepthPredictor):
    """To half of 1/255, and 0 where there is none."""
    bench = start(mask_encoding="mono8", region=[0, 0, WIDTH, 30])
    bench.listen(*MASKS)
    outputs = bench.infer(rgb_message(1), info_message())
    inside = DepthPredictor(predictor.engine, predictor.info, region=Region(0, 0, WIDTH, 30))
    expected = inside.predict(noise(), CAMERA).attention
    assert expected is not None
    for topic, mask in zip(MASKS, expected, strict=True):
        assert outputs[topic].encoding == "mono8"
        found = weight_array(outputs[topic])
        assert np.abs(found[:30] - mask[:30]).max() <= 0.5001 / 255
        assert not found[30:].any()
    assert bench.set(mask_encoding="32FC1").successful
    after = bench.infer(rgb_message(2))
    np.testing.assert_array_equal([weight_array(after[topic]) for topic in MASKS], expected)


def test_outside_the_region_there_is_nothing(start: StartBench, predictor: DepthPredictor):
    left, top, width, height = 7, 5, 50, 30
    bench = start(region=[left, top, width, height])
    bench.listen("depth/image", "depth/color", "attention/color", *MASKS)
    outputs = bench.infer(rgb_message(1), info_message())
    seen = np.zeros((HEIGHT, WIDTH), bool)
    seen[top : top + height, left : left + width] = True
    depth = pixels_of(outputs["depth/image"])
    assert np.isnan(depth[~seen]).all(), "never 0: depth_image_proc makes that a point"
    inside = DepthPredictor(
        predictor.engine, predictor.info, region=Region(left, top, width, height)
    )
    np.testing.assert_array_equal(depth, inside.predict(noise(), CAMERA).depth)
    for topic in MASKS:
        np.testing.assert_array_equal(np.isfinite(pixels_of(outputs[topic])), seen)
    assert not pixels_of(outputs["attention/color"])[~seen].any()
    assert len(np.unique(pixels_of(outputs["depth/color"])[~seen], axis=0)) == 1


def test_pictures(start: StartBench, predictor: DepthPredictor):
    bench = start(color_range=30.0)
    bench.listen("depth/image", "depth/color", "attention/color")
    outputs = bench.infer(rgb_message(1), info_message())
    expected = predictor.predict(noise(), CAMERA)
    assert expected.depth is not None
    assert expected.attention is not None
    for topic, picture in (
        ("depth/color", colorize_depth(expected.depth, max_depth=30.0)),
        ("attention/color", colorize_attention(expected.attention)),
    ):
        assert outputs[topic].header == outputs["depth/image"].header
        np.testing.assert_array_equal(pixels_of(outputs[topic]), picture)
        assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 5
    assert bench.set(color_range=80.0).successful
    other = pixels_of(bench.infer(rgb_message(2))["depth/color"])
    np.testing.assert_array_equal(other, colorize_depth(expected.depth, max_depth=80.0))


def test_millimetres(start: StartBench, predictor: DepthPredictor):
    """16UC1 of REP 118: 0 is no depth, and so is what 16 bits cannot hold."""
    bench = start(depth_encoding="16UC1", region=[0, 0, WIDTH, 30])
    bench.listen("depth/image")
    message = bench.infer(rgb_message(1), info_message(TELE))["depth/image"]
    assert message.encoding == "16UC1"
    found = pixels_of(message)
    inside = DepthPredictor(predictor.engine, predictor.info, region=Region(0, 0, WIDTH, 30))
    depth = inside.predict(noise(), TELE).depth
    assert depth is not None
    near, far = depth < 65.535, depth >= 65.536
    assert near.mean() > 0.1
    assert far.mean() > 0.1
    np.testing.assert_allclose(found[near], 1000.0 * depth[near], rtol=0, atol=0.51)
    assert not found[far].any()
    assert not found[30:].any()

    assert bench.set(max_range=60.0).successful
    limited = pixels_of(bench.infer(rgb_message(2))["depth/image"])
    assert not limited[depth > 60].any()
    np.testing.assert_array_equal(limited[depth <= 60], found[depth <= 60])


def test_beyond_the_range_is_infinite(start: StartBench, predictor: DepthPredictor):
    depth = predictor.predict(noise(), CAMERA).depth
    assert depth is not None
    limit = float(np.median(depth))
    bench = start(max_range=limit)
    bench.listen("depth/image")
    found = pixels_of(bench.infer(rgb_message(1), info_message())["depth/image"])
    np.testing.assert_array_equal(found, np.where(depth > limit, np.float32(np.inf), depth))
    assert 0.3 < np.isposinf(found).mean() < 0.7


@pytest.mark.parametrize(("encoding", "tolerance"), [("32FC1", 21 / 20200), ("16UC1", 0.00051)])
def test_compressed_depth(
    start: StartBench, predictor: DepthPredictor, encoding: str, tolerance: float
):
    """The depth image once more, to half a step of its numbers: here 21 m at most."""
    depth = predictor.predict(noise(), CAMERA).depth
    assert depth is not None
    limit = float(np.median(depth))
    bench = start(depth_encoding=encoding, max_range=limit, region=[0, 0, WIDTH, 30])
    bench.listen("depth/image", COMPRESSED_DEPTH)
    outputs = bench.infer(rgb_message(1), info_message())
    raw, compressed = outputs["depth/image"], outputs[COMPRESSED_DEPTH]
    assert compressed.header == raw.header
    assert compressed.format == f"{encoding}; compressedDepth png"
    expected, found = depth_array(raw), depth_array(compressed)
    np.testing.assert_allclose(found, expected, rtol=tolerance)  # NaN and +inf where it has them
    assert np.isnan(found[30:]).all()
    assert np.isposinf(found).any() == (encoding == "32FC1")
    assert 0.2 < np.isfinite(found).mean() < 0.8


def test_compressed_depth_follows_the_remapped_depth(start: StartBench):
    """As image_transport appends its transports' names."""
    bench = start(arguments=("-r", "depth/image:=/front/range"), inputs={"publish": False})
    for topic in ("/front/range/compressedDepth", "/front/range"):
        until(lambda t=topic: bench.tester.count_publishers(t) == 1, topic)  # type: ignore[misc]


@pytest.fixture
def plain_checkpoint(tmp_path: Path) -> Path:
    """A model without attention."""
    config = ModelConfig(
        "mobilenetv3_small_050", (16, 16, 8, 8, 8), aspp_channels=8, attention=False
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        model = HmaDepth(config)
    path = tmp_path / "plain.safetensors"
    save_checkpoint(path, model, CheckpointInfo(config, Preprocessing(input_width=48)))
    return path


def test_a_model_without_attention_has_no_mask_topics(start: StartBench, plain_checkpoint: Path):
    bench = start(checkpoint=str(plain_checkpoint))
    topics = {name for name, _ in bench.tester.get_topic_names_and_types()}
    own = {name.removeprefix(f"{bench.namespace}/") for name in topics if bench.namespace in name}
    assert {"depth/image", "depth/camera_info", "points", "depth/color"} <= own
    assert not [topic for topic in own if topic.startswith("attention")]
    bench.listen("depth/image", "points")
    depth = pixels_of(bench.infer(rgb_message(1), info_message())["depth/image"])
    expected = DepthPredictor.from_checkpoint(plain_checkpoint, device="cpu")
    np.testing.assert_array_equal(depth, expected.predict(noise(), CAMERA).depth)
