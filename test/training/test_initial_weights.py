"""What a run's weights start from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from hma_depth_ros.network.checkpoint import CheckpointInfo, Preprocessing, save_checkpoint
from hma_depth_ros.training.config_file import load_config
from hma_depth_ros.training.initial_weights import initial_model


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
