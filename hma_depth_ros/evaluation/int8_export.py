"""`export` in int8: calibrated on some frames of a list, judged by its error on the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from hma_depth_ros.data.image_file import read_rgb
from hma_depth_ros.data.splits.split_file import SplitEntry
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.evaluation.dataset_rules import KITTI
from hma_depth_ros.evaluation.quick_error import ALL, WHOLE_IMAGE, ErrorMeasure, validate
from hma_depth_ros.inference.engines.export import Verification, check_names, export_model
from hma_depth_ros.inference.engines.padding import pad, to_rows
from hma_depth_ros.inference.engines.quantization import MOST_IMAGES, import_nncf, quantise
from hma_depth_ros.inference.pixel_format import PixelFormat
from hma_depth_ros.inference.pixels import network_input, to_device
from hma_depth_ros.inference.plan import plan_input
from hma_depth_ros.inference.predictor import DepthPredictor
from hma_depth_ros.network.checkpoint import read_info

#: Largest relative change of AbsRel with which an int8 model is offered.
LIMIT = 0.02


@dataclass(frozen=True)
class Int8Outcome:
    """An int8 model that was good enough, and how good."""

    verification: Verification
    calibrated_on: int  #: frames
    judged_on: int  #: other frames
    abs_rel: float  #: of the checkpoint in fp32 PyTorch
    abs_rel_int8: float

    @property
    def change(self) -> float:
        """Relative change of AbsRel; positive is worse."""
        return self.abs_rel_int8 / self.abs_rel - 1


def export_int8(
    checkpoint: Path,
    output: Path,
    entries: Sequence[SplitEntry],
    *,
    size: tuple[int, int] | None = None,
) -> Int8Outcome:
    """Write an OpenVINO file in int8, unless AbsRel changes by `LIMIT` or more.

    Every second frame with ground truth is kept for judging, whole images by Garg's window up to
    80 m; the others calibrate.

    Args:
        checkpoint: a safetensors checkpoint.
        output: .xml, with the weights beside it in .bin.
        entries: frames of a camera like the one that the model will be used with.
        size: as of `export_model`.

    Raises:
        HmaDepthError: as `export_model`; too few frames; or the error changes too much.

    """
    check_names(checkpoint, output, "openvino")
    if read_info(checkpoint).model.camera_planes:
        raise HmaDepthError(
            f"{checkpoint} is a model that is told of the camera, which is not calibrated for int8 "
            "yet; export it in fp16, or a model with geometry 'none'"
        )
    labelled = [entry for entry in entries if entry.depth is not None]
    judged = labelled[1::2]
    chosen = {id(entry) for entry in judged}
    calibration = [entry for entry in entries if id(entry) not in chosen]
    if not judged:
        raise HmaDepthError(
            "int8 needs at least two frames with ground truth: some calibrate, the others show "
            f"whether the error stays; the list has {len(labelled)}"
        )
    import_nncf()  # before the frames, which take their time
    step = -(-len(calibration) // MOST_IMAGES)
    calibration = calibration[::step]
    images = [_network_rows(entry, checkpoint, size) for entry in calibration]
    measure = ErrorMeasure(WHOLE_IMAGE, KITTI.default_cap, KITTI.layout.units_per_metre)

    def abs_rel(predictor: DepthPredictor) -> float:
        return validate(predictor, judged, measure).means()[ALL]["abs_rel"]

    width = None if size is None else size[1]
    before = abs_rel(DepthPredictor.from_checkpoint(checkpoint, device="cpu", input_width=width))
    after = float("nan")

    def judge(path: Path) -> None:
        nonlocal after
        after = abs_rel(DepthPredictor.from_checkpoint(path, device="cpu"))
        if not abs(after / before - 1) < LIMIT:
            raise HmaDepthError(
                f"{output} was not written: AbsRel changes from {before:.4f} to {after:.4f} in "
                f"int8 on {len(judged)} frames, {abs(after / before - 1):.1%} where {LIMIT:.0%} "
                f"are allowed; calibrate with more or other frames ({len(calibration)} now), or "
                "use bf16"
            )

    verification = export_model(
        checkpoint,
        output,
        kind="openvino",
        size=size,
        precision="int8",
        quantise=lambda model, config: quantise(model, config, images),
        judge=judge,
    )
    return Int8Outcome(verification, len(calibration), len(judged), before, after)


def _network_rows(
    entry: SplitEntry, checkpoint: Path, size: tuple[int, int] | None
) -> npt.NDArray[np.uint8]:
    """The network's input (1, h, w, 3) of a frame."""
    image = read_rgb(entry.image)
    width = read_info(checkpoint).preprocessing.input_width if size is None else size[1]
    plan = plan_input((image.shape[0], image.shape[1]), input_width=width)
    if size is not None and plan.network_size != size:
        raise HmaDepthError(
            f"{entry.image} is {image.shape[1]}x{image.shape[0]}, which gives the network "
            f"{plan.network_size[1]}x{plan.network_size[0]} and not {size[1]}x{size[0]}; "
            "calibrate with frames of the camera, or export with --dynamic"
        )
    rows = to_rows(network_input(to_device(image, torch.device("cpu")), plan, PixelFormat.RGB))
    return rows if size is not None else pad(rows)
