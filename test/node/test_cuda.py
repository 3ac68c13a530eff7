"""On CUDA the node says what it says on the CPU."""

from __future__ import annotations

import gc
from typing import Any

import numpy as np
import pytest
import torch

from hma_depth_ros.geometry.backprojection import back_project

from .conftest import StartBench
from .graph import (
    CAMERA,
    MASKS,
    TYPES,
    WIDTH,
    colors_of,
    info_message,
    noise,
    pixels_of,
    points_of,
    rgb_message,
)

pytestmark = pytest.mark.cuda

TOLERANCE = {"fp32": 2e-3, "fp16": 2e-2}
#: Where pixels are resized first: CPU and CUDA round a few of them to neighbouring levels.
RESIZED = {"fp32": 1e-2, "fp16": 2e-2}


@pytest.mark.parametrize("precision", TOLERANCE)
@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"input_width": WIDTH},
        {"region": [7, 5, 50, 30], "input_width": 50, "cloud_layout": "packed"},
        {"resolution": "network", "max_range": 15.0},
    ],
    ids=["resized", "own size", "region, packed", "network size, range"],
)
def test_the_device_does_not_matter(start: StartBench, precision: str, parameters: dict[str, Any]):
    outputs = []
    for device, chosen in (("cpu", "fp32"), ("cuda", precision)):
        bench = start(device=device, precision=chosen, self_check=False, **parameters)
        bench.listen(*TYPES)
        outputs.append(bench.infer(rgb_message(1), info_message()))
        figures = bench.figures()
        assert figures["device"].startswith(device)
        assert figures["precision"] == chosen
    cpu, cuda = outputs
    tolerance = (TOLERANCE if "input_width" in parameters else RESIZED)[precision]
    depth, expected = pixels_of(cuda["depth/image"]), pixels_of(cpu["depth/image"])
    both = np.isfinite(depth) & np.isfinite(expected)
    assert (np.isfinite(depth) == np.isfinite(expected)).mean() > 0.99, "only at the very range"
    np.testing.assert_allclose(depth[both], expected[both], rtol=tolerance)
    masks = np.stack([pixels_of(cuda[topic]) for topic in MASKS])
    others = np.stack([pixels_of(cpu[topic]) for topic in MASKS])
    np.testing.assert_allclose(masks, others, atol=tolerance)
    np.testing.assert_allclose(np.nansum(masks, axis=0)[both], 1, atol=1e-6)
    assert cuda["depth/camera_info"] == cpu["depth/camera_info"]

    info = cuda["depth/camera_info"]
    camera = CAMERA.from_projection(info.p, width=info.width, height=info.height)
    np.testing.assert_allclose(
        points_of(cuda["points"]), back_project(depth, camera), rtol=1e-6, atol=1e-6
    )
    if "resolution" in parameters:
        colors, others = (colors_of(one["points"]).astype(int) for one in (cuda, cpu))
        assert np.abs(colors - others).max() <= 1
    else:
        np.testing.assert_array_equal(colors_of(cuda["points"]), colors_of(cpu["points"]))
        np.testing.assert_array_equal(colors_of(cuda["points"]), noise())


def test_auto_is_cuda_in_half_precision_and_checked(start: StartBench):
    figures = start(device="auto", precision="auto", inputs={"publish": False}).figures()
    assert figures["device"].startswith("cuda")
    assert figures["self-check"].startswith(("passed", "failed"))
    assert figures["precision"] == ("fp16" if "passed" in figures["self-check"] else "fp32")
    assert float(figures["device memory [MiB]"]) > 0


def test_cleanup_frees_the_device(start: StartBench):
    bench = start(device="cuda")
    bench.listen(*TYPES)
    bench.infer(rgb_message(1), info_message())
    network = bench.node._model.engine.current._network
    weights = sum(w.numel() * w.element_size() for w in network.parameters())
    del network
    loaded = torch.cuda.memory_allocated()
    assert loaded > weights
    assert bench.change("deactivate")
    assert bench.change("cleanup")
    gc.collect()
    # Not to zero: PyTorch's libraries keep work space of their own.
    assert torch.cuda.memory_allocated() <= loaded - weights
