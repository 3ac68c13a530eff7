"""From the network's maps of an image to its outputs: blended, scaled, in the image's pixels."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from hma_depth_ros.geometry.camera import PinholeCamera
from hma_depth_ros.inference.cloud_filter import CloudFilter
from hma_depth_ros.inference.pixel_format import PixelFormat
from hma_depth_ros.inference.plan import InputPlan
from hma_depth_ros.inference.plausibility import SAMPLE_STRIDE
from hma_depth_ros.inference.points import CloudLayout, pack_colors, write_cloud
from hma_depth_ros.inference.prediction import Output, OutputArrays, Resolution
from hma_depth_ros.inference.resampling import (
    blended_depth,
    full_masks,
    full_uncertainty,
    resample,
    resampled,
)
from hma_depth_ros.network.error_estimate import confidence
from hma_depth_ros.network.model import ScaleMaps


@dataclass(frozen=True)
class OutputForm:
    """How the outputs of a predictor look; see `DepthPredictor`."""

    resolution: Resolution
    max_range: float | None
    cloud_layout: CloudLayout
    cloud_filter: CloudFilter


@dataclass(frozen=True)
class NetworkAnswer:
    """The network's maps of one image, and what it takes to make outputs of them."""

    maps: ScaleMaps
    plan: InputPlan
    camera: PinholeCamera | None  #: of the outputs
    depth_factor: float  #: metres for each of the network's
    sigma_factor: float  #: calibration of the estimated error
    pixels: Tensor  #: (H, W, C), uint8: the image
    pixel_format: PixelFormat  #: of `pixels`
    network_pixels: Tensor  #: (1, 3, h, w), RGB, values 0 to 255


def output_tensors(
    answer: NetworkAnswer, form: OutputForm, outputs: Collection[Output], out: OutputArrays
) -> dict[str, Tensor]:
    """What was asked for and can be had, float32 on the network's device.

    Args:
        answer: of one image.
        form: of the outputs.
        outputs: what to compute.
        out: memory to compute it in, on the CPU.

    Returns:
        By the names of `Prediction`'s arrays, and `undefined` (1,), where depth or masks are.

    """
    maps = answer.maps
    grid = _Grid(answer.plan, form.resolution)
    with_points = "points" in outputs and answer.camera is not None
    tensors: dict[str, Tensor] = {}
    sure = None
    if maps.uncertainty is not None:
        sigma = full_uncertainty(maps) * answer.sigma_factor
        if "uncertainty" in outputs:
            tensors["uncertainty"] = grid.restored(sigma, _plane(out.uncertainty))[0]
        filtered = with_points and form.cloud_filter.min_confidence > 0
        if "confidence" in outputs or filtered:
            sure = grid.restored(confidence(sigma), _plane(out.confidence))[0]
            if "confidence" in outputs:
                tensors["confidence"] = sure
    if {"depth", "sample"} & set(outputs) or with_points:
        blended = blended_depth(maps)
        tensors["undefined"] = _count_undefined(blended)
        if "sample" in outputs:
            tensors["sample"] = _sampled(blended)
        if "depth" in outputs or with_points:
            depth = grid.restored(blended * answer.depth_factor, _plane(out.depth))[0]
            if form.max_range is not None:
                depth.masked_fill_(depth > form.max_range, torch.inf)
            if "depth" in outputs:
                tensors["depth"] = depth
            if with_points:
                tensors["cloud"] = _cloud(answer, form, depth, sure, out.cloud)
    if "attention" in outputs and maps.attentions:
        masks = full_masks(maps)
        if "undefined" not in tensors:  # any other mask's NaN are the last one's, too
            tensors["undefined"] = _count_undefined(masks[:, -1])
        tensors["attention"] = grid.restored(masks, out.attention)
    return tensors


@dataclass(frozen=True)
class _Grid:
    """The pixels of the outputs."""

    plan: InputPlan
    resolution: Resolution

    def restored(self, maps: Tensor, out: npt.NDArray[np.float32] | None) -> Tensor:
        """Undo resize and crop: (1, C, h, w) -> (C, H, W), NaN where the network saw nothing.

        On the CPU in `out`, if it is given.
        """
        in_network = self.resolution == "network"
        size = self.plan.network_size if in_network else self.plan.image_size
        whole = in_network or self.plan.is_whole_image
        if out is not None and maps.device.type == "cpu":
            restored = torch.from_numpy(out)
        elif whole:
            return resampled(maps, size)[0]
        else:
            restored = maps.new_empty((maps.shape[1], *size))
        window = restored
        if not whole:
            restored.fill_(torch.nan)
            region = self.plan.region
            window = restored[:, region.rows, region.columns]
        resample(maps, window[None])
        return restored


def _cloud(
    answer: NetworkAnswer,
    form: OutputForm,
    depth: Tensor,
    sure: Tensor | None,
    out: npt.NDArray[np.float32] | None,
) -> Tensor:
    """Points (h, w, columns) of depth (H, W) in metres and, where it is filtered by, confidence."""
    camera = answer.camera
    assert camera is not None
    image, rgb = answer.pixels, answer.pixel_format.rgb
    if form.resolution == "network":
        image, rgb = answer.network_pixels[0].permute(1, 2, 0), PixelFormat.RGB.rgb
    chosen = form.cloud_filter.of(depth, sure, camera.fx, limited=form.max_range is not None)
    step = form.cloud_filter.stride
    colors = pack_colors(image[::step, ::step], rgb)
    if out is not None and depth.device.type == "cpu":
        cloud = torch.from_numpy(out)
    else:
        cloud = torch.zeros((*chosen.shape, form.cloud_layout.value), device=depth.device)
    write_cloud(cloud, chosen, camera.every(step), colors, form.cloud_layout)
    return cloud


def _plane(out: npt.NDArray[np.float32] | None) -> npt.NDArray[np.float32] | None:
    """(H, W) as (1, H, W)."""
    return None if out is None else out[None]


def _count_undefined(values: Tensor) -> Tensor:
    """How many are NaN, as float32 (1,): it goes to the host with the arrays."""
    return values.isnan().sum(dtype=torch.float32).reshape(1)


def _sampled(depth: Tensor) -> Tensor:
    """Some pixels (h', w') of (1, 1, h, w), in memory of their own; three rows, if there are."""
    steps = (min(SAMPLE_STRIDE, max(side // 3, 1)) for side in depth.shape[2:])
    rows, columns = (slice(step // 2, None, step) for step in steps)
    return depth[0, 0, rows, columns].float().contiguous()
