"""`describe` prints what a checkpoint holds, for people."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from hma_depth_ros.cli import run
from hma_depth_ros.network.checkpoint import CheckpointInfo, Preprocessing, save_checkpoint
from hma_depth_ros.network.flops import count_flops, saved_flops
from hma_depth_ros.network.model import HmaDepth
from hma_depth_ros.network.model_config import ModelConfig, preset


def test_nested_figures_are_readable_and_rounded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    config = ModelConfig("mobilenetv3_small_050", (16, 16, 8, 8, 8), 8, max_depth=10.0)
    info = CheckpointInfo(
        config,
        Preprocessing(input_width=320),
        description="tiny",
        training={"loss": {"form": "silog", "lam": 0.85}, "epoch": 3},
        evaluation={"whole": {"all": {"abs_rel": 0.123456789}}},
    )
    path = tmp_path / "tiny.safetensors"
    save_checkpoint(path, HmaDepth(config), info)
    assert run(["describe", "--checkpoint", str(path)]) == 0
    out = capsys.readouterr().out
    assert "decoder_channels: [16, 16, 8, 8, 8]" in out
    assert "loss: {form: silog, lam: 0.85}" in out
    assert "abs_rel: 0.12346" in out
    assert "description: tiny" in out
    parameters = sum(p.numel() for p in HmaDepth(config).parameters())
    assert f"{parameters:,}" in out


def test_operations_are_those_of_the_convolutions():
    config = ModelConfig("mobilenetv3_small_050", (16, 16, 8, 8, 8), 8)
    found = count_flops(config, (64, 96))
    # The finest depth module: one 3x3 convolution from 8 channels to 1, on every pixel.
    assert found["decoder H: depth module"] == 2 * 64 * 96 * 8 * 9
    # At H/8 one to half the width and one to a single channel.
    assert found["decoder H/8: attention module"] == 2 * 8 * 12 * 9 * (16 * 8 + 8)
    # From 8 channels at H/2 to 8, then with the image's three at H.
    reduce, fuse = 2 * 32 * 48 * 9 * 8 * 8, 2 * 64 * 96 * 9 * 11 * 8
    assert found["decoder H: upsampling with skip"] == reduce + fuse
    plain = count_flops(replace(config, attention=False), (64, 96))
    assert not any("attention" in name for name in plain)
    saved = saved_flops(config, (64, 96))
    heads = [found[f"decoder H/{r}: {k} module"] * (r * r - 1) for r in (8, 4, 2)
             for k in ("depth", "attention")]  # fmt: skip
    assert saved["modules at their own resolution, not at H"] == sum(heads)


def test_resnet50_takes_three_quarters_of_btss_operations():
    assert sum(count_flops(preset("resnet50"), (352, 1216)).values()) < 0.75 * 304e9


def test_the_table_of_operations(capsys: pytest.CaptureFixture[str]):
    assert run(["describe", "--model", "mobile", "--flops", "192x640"]) == 0
    out = capsys.readouterr().out
    assert "operations for one image of 192x640" in out
    assert "decoder H/8: ASPP" in out
    assert "saved: convolution before upsampling" in out


def test_the_operations_stand_beside_btss(capsys: pytest.CaptureFixture[str]):
    """Where those of its code were counted: at its crop's size, with its encoders."""
    assert run(["describe", "--model", "resnet50", "--flops"]) == 0
    assert "BTS with this encoder: ours is 74.8% of it" in capsys.readouterr().out
    assert run(["describe", "--model", "mobile", "--flops"]) == 0
    assert "ours is" not in capsys.readouterr().out
