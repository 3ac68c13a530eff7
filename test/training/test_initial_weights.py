"""What a run's weights start from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.network.checkpoint import CheckpointInfo, Preprocessing, save_checkpoint
from hma_depth_ros.network.model import HmaDepth
from hma_depth_ros.training.config_file import load_config
from hma_depth_ros.training.initial_weights import initial_model


@pytest.mark.parametrize(
    ("encoder", "message"),
    [
        (
            "botnet26t_256",
            r"^the encoder 'botnet26t_256' is not for .* of 96x64 it makes ",
        ),
        (
            "legacy_xception",
            r"of 96x64 its features at reduction 2 are \(64, 29, 45\), not \(64, 32, 48\)$",
        ),
    ],
)
def test_an_encoder_for_some_sizes_only_is_refused_before_training(encoder: str, message: str):
    section = replace(load_config(preset="tiny").model, weights="random", encoder=encoder)
    with pytest.raises(HmaDepthError, match=message):
        initial_model(section)


def test_looking_at_an_encoder_changes_nothing():
    section = replace(load_config(preset="tiny").model, weights="random")
    torch.manual_seed(0)
    found, after = initial_model(section), torch.rand(1)
    torch.manual_seed(0)
    plain = HmaDepth(found.config)
    assert torch.equal(torch.rand(1), after)
    assert all(module.training for module in found.modules())
    for name, value in plain.state_dict().items():
        assert torch.equal(found.state_dict()[name], value), name


def test_fresh_attention_starts_those_modules_alone_anew(tmp_path: Path):
    section = replace(load_config(preset="tiny").model, weights="random")
    model = initial_model(section)
    with torch.no_grad():
        for weight in model.decoder.attention_heads.parameters():
            weight.fill_(7.0)
    path = tmp_path / "collapsed.safetensors"
    save_checkpoint(path, model, CheckpointInfo(model.config, Preprocessing()))
    kept = initial_model(replace(section, weights=str(path))).state_dict()
    fresh = initial_model(replace(section, weights=str(path), fresh_attention=True)).state_dict()
    untrained = initial_model(section).state_dict()
    for name, value in kept.items():
        if name.startswith("decoder.attention_heads"):
            if name.endswith("logit.bias"):
                assert torch.equal(fresh[name], untrained[name]), "every scale begins alike"
            if name.endswith(("weight", "bias")):
                assert not torch.equal(fresh[name], value), name
        else:
            assert torch.equal(fresh[name], value), name
