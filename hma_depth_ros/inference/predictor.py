"""`DepthPredictor`: a NumPy image and its camera in; depth in metres, masks and points out."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from hma_depth_ros.assets import default_checkpoint
from hma_depth_ros.geometry.camera import PinholeCamera
from hma_depth_ros.geometry.camera_planes import USUAL_MOUNT, Mount
from hma_depth_ros.inference.camera_input import camera_input
from hma_depth_ros.inference.cloud_filter import ALL_POINTS, CloudFilter
from hma_depth_ros.inference.engines.engine import Engine
from hma_depth_ros.inference.engines.engine_choice import EngineRequest, start_engine
from hma_depth_ros.inference.engines.model_source import ModelSource
from hma_depth_ros.inference.marks import Mark
from hma_depth_ros.inference.pixel_format import PixelFormat, check_image
from hma_depth_ros.inference.pixels import network_input, to_device
from hma_depth_ros.inference.plan import InputPlan, Region, plan_input
from hma_depth_ros.inference.points import CloudLayout
from hma_depth_ros.inference.postprocess import NetworkAnswer, OutputForm, output_tensors
from hma_depth_ros.inference.prediction import (
    OUTPUTS,
    OWN_MEMORY,
    Output,
    OutputArrays,
    Prediction,
    PredictionRequest,
    Resolution,
)
from hma_depth_ros.inference.transfer import to_host
from hma_depth_ros.network.checkpoint import CheckpointInfo
from hma_depth_ros.network.model import ScaleMaps

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Prepared:
    """An image on its way to the network."""

    request: PredictionRequest
    plan: InputPlan
    network_camera: PinholeCamera | None
    pixels: Tensor  #: (H, W, C), uint8, on the engine's device
    network_pixels: Tensor  #: (1, 3, h, w), values 0 to 255
    planes: Tensor | None  #: (1, C, h, w), the camera's maps
    begin: Mark  #: of this, and
    end: Mark  #: its end


class _Forward:
    """A pass through the network. CUDA runs behind the host, so its time is known at the end."""

    def __init__(self, engine: Engine, pixels: Tensor, planes: Tensor | None) -> None:
        self._begin = Mark(engine.device)
        self._maps = engine(pixels, planes)
        self._end = Mark(engine.device)
        self.count = len(pixels)

    def maps_of(self, index: int) -> ScaleMaps:
        """Of one image."""
        return self._maps if self.count == 1 else self._maps.of_image(index)

    @property
    def seconds(self) -> float:
        """Of all images together."""
        return self._begin.until(self._end)


class DepthPredictor:
    """One network with fixed pre- and post-processing; not for two threads at a time."""

    def __init__(
        self,
        engine: Engine,
        info: CheckpointInfo,
        *,
        region: Region | None = None,
        input_width: int | None = None,
        resolution: Resolution = "image",
        max_range: float | None = None,
        cloud_layout: CloudLayout = CloudLayout.PADDED,
        cloud_filter: CloudFilter = ALL_POINTS,
        mount: Mount = USUAL_MOUNT,
        scale: float = 1.0,
    ) -> None:
        """Wrap an engine.

        Args:
            engine: runs the network.
            info: of the engine's checkpoint.
            region: part of the image that the network sees; None is all of it.
            input_width: width of the network's input; None is the checkpoint's choice, 0 the
                image's own size.
            resolution: `image` gives arrays of the image's own size; `network` gives them as the
                network has them, cropped and resized, with the camera to match.
            max_range: metres from which on depth becomes +inf (REP 117); None keeps all.
            cloud_layout: of the points.
            cloud_filter: which points the cloud has.
            mount: of the camera on the car, for a model that takes the ground as an input.
            scale: factor on all depth, beside that of the focal length.

        """
        self.engine = engine
        self.info = info
        self.region = region
        chosen = info.preprocessing.input_width if input_width is None else input_width
        self.input_width = chosen or None
        self.resolution = resolution
        self.max_range = max_range
        self.cloud_layout = cloud_layout
        self.cloud_filter = cloud_filter
        self.mount = mount
        self.scale = scale
        self._planes: tuple[object, Tensor | None] = (None, None)  # of the camera seen last

    @classmethod
    def from_checkpoint(
        cls,
        path: Path | None = None,
        *,
        device: str = "auto",
        engine: str | None = None,
        precision: str = "auto",
        threads: int = 0,
        region: Region | None = None,
        input_width: int | None = None,
        resolution: Resolution = "image",
        max_range: float | None = None,
        cloud_layout: CloudLayout = CloudLayout.PADDED,
        cloud_filter: CloudFilter = ALL_POINTS,
        mount: Mount = USUAL_MOUNT,
        scale: float = 1.0,
    ) -> DepthPredictor:
        """Load a checkpoint (None: the bundled default), or an exported file, for a device.

        `engine` None is PyTorch in fp32 for a checkpoint, which is what all others are measured by,
        and for an exported file a runtime that takes it, in fp32 or the file's own precision;
        `auto` is the fastest one. No self-check is made here.

        Raises:
            HmaDepthError: the file, the device, the engine or the precision cannot be used.

        """
        source = ModelSource(default_checkpoint() if path is None else path)
        if engine is None:
            engine = source.plain_engine
            if precision == "auto":
                precision = source.plain_precision
        request = EngineRequest(engine=engine, precision=precision, device=device, threads=threads)
        chosen = start_engine(source, request, self_check=False, warn=_LOG.warning).engine
        return cls(
            chosen,
            source.info,
            region=region,
            input_width=input_width,
            resolution=resolution,
            max_range=max_range,
            cloud_layout=cloud_layout,
            cloud_filter=cloud_filter,
            mount=mount,
            scale=scale,
        )

    @property
    def max_depth(self) -> float:
        """Metres at which the network saturates, for its training focal length."""
        return self.info.model.max_depth

    @property
    def scales(self) -> tuple[int, ...]:
        """Reduction factor of each mask, coarse to fine; empty without attention."""
        return self.info.model.reductions if self.info.model.attention else ()

    @property
    def estimates_error(self) -> bool:
        """Whether there are `uncertainty` and `confidence`."""
        return self.info.model.uncertainty

    def plan(self, image_size: tuple[int, int]) -> InputPlan:
        """How an image of (H, W) is cropped and resized."""
        return plan_input(image_size, region=self.region, input_width=self.input_width)

    def output_size(self, image_size: tuple[int, int]) -> tuple[int, int]:
        """(H, W) of the arrays that `predict` returns for an image of (H, W)."""
        if self.resolution == "image":
            return image_size
        return self.plan(image_size).network_size

    def cloud_size(self, image_size: tuple[int, int]) -> tuple[int, int]:
        """(H, W) of the cloud that `predict` returns for an image of (H, W)."""
        return self.cloud_filter.size(self.output_size(image_size))

    def output_camera(self, camera: PinholeCamera, image_size: tuple[int, int]) -> PinholeCamera:
        """Camera of the arrays that `predict` returns for an image of (H, W) from `camera`."""
        if self.resolution == "image":
            return camera
        return self.plan(image_size).network_camera(camera)

    def depth_scale(self, network_camera: PinholeCamera | None) -> float:
        """Factor on the network's depth: fx at its input over the focal length it was trained for.

        1 without a camera or for a model that does not depend on the focal length (BTS, section 4).
        """
        focal_length = self.info.preprocessing.focal_length
        if network_camera is None or focal_length is None:
            return 1.0
        return network_camera.fx / focal_length

    @property
    def builds_for_size(self) -> bool:
        """Whether the first image of a size takes much longer than the next: see `prepare`."""
        return self.engine.device.type != "cpu"

    def prepare(
        self,
        image_size: tuple[int, int],
        camera: PinholeCamera | None = None,
        *,
        together: int = 1,
    ) -> None:
        """Have the engine build what images of (H, W) need, as a first image would.

        On a GPU kernels are chosen and a graph is recorded; TensorRT builds an engine, for minutes.

        Args:
            image_size: (H, W).
            camera: of the images.
            together: up to how many such images will go through the network at once.

        Raises:
            HmaDepthError: as `predict`.

        """
        image = np.zeros((*image_size, 3), np.uint8)
        for count in range(1, together + 1):
            self.predict_batch([image] * count, [camera] * count, outputs={"depth"})

    @torch.inference_mode()
    def predict(
        self,
        image: npt.NDArray[np.uint8],
        camera: PinholeCamera | None = None,
        *,
        pixel_format: PixelFormat = PixelFormat.RGB,
        outputs: Collection[Output] = OUTPUTS,
        out: OutputArrays = OWN_MEMORY,
        scale: float = 1.0,
    ) -> Prediction:
        """Depth, masks and points of one rectified image.

        Args:
            image: uint8 (H, W, C), or (H, W) for MONO; any row stride.
            camera: of the image. Without, the depth is not scaled and there are no points.
            pixel_format: order of the channels.
            outputs: what to compute; points need a camera, attention a model with attention, and
                what cannot be had is None.
            out: where to write what is computed; these arrays are then the prediction's.
            scale: factor on this image's depth, beside the predictor's own.

        Raises:
            ValueError: not an image of that format.
            HmaDepthError: the camera is for another image size, or the region is not inside.

        """
        request = PredictionRequest(image, camera, pixel_format, outputs, out, scale)
        return predict_requests([(self, request)])[0]

    def predict_batch(
        self,
        images: Sequence[npt.NDArray[np.uint8]],
        cameras: Sequence[PinholeCamera | None],
        *,
        pixel_format: PixelFormat = PixelFormat.RGB,
        outputs: Collection[Output] = OUTPUTS,
    ) -> list[Prediction]:
        """`predict` for images of several cameras, with one pass through the network.

        Args:
            images: as for `predict`; the network's input has the same size for all.
            cameras: one for each image.
            pixel_format: of all images.
            outputs: of all images.

        Returns:
            One prediction for each image; the batch's forward pass counts in equal shares.

        Raises:
            ValueError: as `predict`; no image; or network inputs of several sizes.
            HmaDepthError: as `predict`.

        """
        return predict_requests(
            [
                (self, PredictionRequest(image, camera, pixel_format, outputs))
                for image, camera in zip(images, cameras, strict=True)
            ]
        )

    def _prepare(self, request: PredictionRequest) -> _Prepared:
        image, camera, pixel_format = request.image, request.camera, request.pixel_format
        check_image(image, pixel_format)
        begin = Mark(self.engine.device)
        plan = self.plan((image.shape[0], image.shape[1]))
        network_camera = None if camera is None else plan.network_camera(camera)
        pixels = to_device(image, self.engine.device)
        network_pixels = network_input(pixels, plan, pixel_format)
        return _Prepared(
            request=request,
            plan=plan,
            network_camera=network_camera,
            pixels=pixels,
            network_pixels=network_pixels,
            planes=self._camera_input(plan.network_size, network_camera),
            begin=begin,
            end=Mark(self.engine.device),
        )

    def _camera_input(
        self, size: tuple[int, int], network_camera: PinholeCamera | None
    ) -> Tensor | None:
        """The camera's maps on the engine's device; those of the latest camera are kept."""
        key = size, network_camera, self.mount, self.engine.device
        if self._planes[0] != key:
            planes = camera_input(self.info, size, network_camera, self.mount)
            on_device = None if planes is None else planes.to(self.engine.device)
            self._planes = key, on_device
        return self._planes[1]

    def _finish(self, frame: _Prepared, forward: _Forward, index: int) -> Prediction:
        """What was asked for, of the maps of one image, the `index`-th of a forward pass."""
        begin = Mark(self.engine.device)
        request = frame.request
        camera = request.camera if self.resolution == "image" else frame.network_camera
        factor = self.scale * request.scale * self.depth_scale(frame.network_camera)
        tensors = output_tensors(
            NetworkAnswer(
                maps=forward.maps_of(index),
                plan=frame.plan,
                depth_factor=factor,
                sigma_factor=self.info.uncertainty_scale,
                camera=camera,
                pixels=frame.pixels,
                pixel_format=request.pixel_format,
                network_pixels=frame.network_pixels,
            ),
            OutputForm(self.resolution, self.max_range, self.cloud_layout, self.cloud_filter),
            request.outputs,
            request.out,
        )
        arrays = to_host(tensors, {name: getattr(request.out, name, None) for name in tensors})
        undefined = arrays.get("undefined")
        return Prediction(
            camera=camera,
            depth=arrays.get("depth"),
            attention=arrays.get("attention"),
            uncertainty=arrays.get("uncertainty"),
            confidence=arrays.get("confidence"),
            cloud=arrays.get("cloud"),
            undefined=0 if undefined is None else int(undefined[0]),
            sample=arrays.get("sample"),
            seconds={
                "preprocess": frame.begin.until(frame.end),
                "forward": forward.seconds / forward.count,
                "postprocess": begin.until(Mark(self.engine.device)),
            },
        )


@torch.inference_mode()
def predict_requests(
    requests: Sequence[tuple[DepthPredictor, PredictionRequest]],
) -> list[Prediction]:
    """Each predictor's prediction of its image, with one pass through the network.

    Args:
        requests: to predictors that share an engine, such as those of a rig's cameras; the
            network's input has the same size for all images.

    Returns:
        One prediction for each request; the forward pass counts in equal shares.

    Raises:
        ValueError: as `DepthPredictor.predict`; no image; or network inputs of several sizes.
        HmaDepthError: as `DepthPredictor.predict`.

    """
    prepared = [predictor._prepare(request) for predictor, request in requests]
    sizes = {frame.plan.network_size for frame in prepared}
    if len(sizes) != 1:
        raise ValueError(f"a batch needs images of one size for the network, not {len(sizes)}")
    engine = requests[0][0].engine
    assert all(predictor.engine is engine for predictor, _ in requests)
    planes = [frame.planes for frame in prepared if frame.planes is not None]
    forward = _Forward(
        engine,
        _batch([frame.network_pixels for frame in prepared]),
        _batch(planes) if planes else None,
    )
    return [
        predictor._finish(frame, forward, index)
        for index, ((predictor, _), frame) in enumerate(zip(requests, prepared, strict=True))
    ]


def _batch(tensors: Sequence[Tensor]) -> Tensor:
    """Along the first axis; a single one is not copied."""
    return tensors[0] if len(tensors) == 1 else torch.cat(list(tensors))
