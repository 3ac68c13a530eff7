"""`describe` prints what a checkpoint holds, for people."""

from __future__ import annotations

from pathlib import Path

import pytest

from hma_depth_ros.cli import run
from hma_depth_ros.network.checkpoint import CheckpointInfo, Preprocessing, save_checkpoint
from hma_depth_ros.network.config import ModelConfig
from hma_depth_ros.network.model import HmaDepth


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
