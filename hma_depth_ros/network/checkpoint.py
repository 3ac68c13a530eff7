"""One safetensors file that holds a model and all that is needed to use it.

The header's metadata carry, as JSON under the key `hma_depth`, what `CheckpointInfo` lists. Loading
reads tensors and text only: nothing is ever unpickled.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from hma_depth_ros import __version__
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.file_kind import known_kind
from hma_depth_ros.files import atomic_path, shown
from hma_depth_ros.network.model import HmaDepth
from hma_depth_ros.network.model_config import LARGEST_INPUT, ModelConfig, is_count, is_finite
from hma_depth_ros.structured_text import parse_json

METADATA_KEY = "hma_depth"
FORMAT = 1

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Preprocessing:
    """How an image becomes the network's input."""

    #: Mean and standard deviation of R, G, B in [0, 1].
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    #: Images are resized to this width, and to about their aspect ratio; None takes them as they
    #: are.
    input_width: int | None = None
    #: Focal length in pixels, at the network's input, that the depth is metric for; images of
    #: another focal length have their depth scaled by fx / focal_length, as in BTS. None: no
    #: scaling (indoor models).
    focal_length: float | None = None

    def __post_init__(self) -> None:
        for name in ("mean", "std"):
            numbers = getattr(self, name)
            if len(numbers) != 3 or not all(is_finite(number) for number in numbers):
                raise ValueError(f"{name} must be three numbers, not {numbers!r}")
        if not all(deviation > 0 for deviation in self.std):
            raise ValueError(f"std must be positive, not {self.std!r}")
        if self.input_width is not None and not is_count(self.input_width, LARGEST_INPUT):
            raise ValueError(
                f"input_width must be a number of pixels up to {LARGEST_INPUT}, "
                f"not {self.input_width!r}"
            )
        if self.focal_length is not None and not (
            is_finite(self.focal_length) and self.focal_length > 0
        ):
            raise ValueError(f"focal_length must be positive, not {self.focal_length!r}")

    def mean_and_std(self, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
        """Both (1, 3, 1, 1), for images of 0 to 255: the input is (image - mean) / std."""
        mean, std = (
            torch.tensor(values, device=device).view(1, 3, 1, 1) * 255
            for values in (self.mean, self.std)
        )
        return mean, std


_TEXTS_AND_TABLES = {"description": str, "training": dict, "evaluation": dict, "code_version": str}


@dataclass(frozen=True)
class CheckpointInfo:
    """Metadata of a checkpoint."""

    model: ModelConfig
    preprocessing: Preprocessing
    #: One sentence for people: what the model is and what it was trained for.
    description: str = ""
    #: Data set, protocol and figures by metric, as measured; free-form.
    training: dict[str, Any] = field(default_factory=dict)
    evaluation: dict[str, Any] = field(default_factory=dict)
    #: What the network's own estimate of its error is multiplied by: training frames are known too
    #: well to say how wrong depth is elsewhere. Measured on validation frames.
    uncertainty_scale: float = 1.0
    #: Range of each trait of depth (`inference/plausibility.py`) over the training frames, by name.
    #: Empty: nobody has recorded them, and no depth is called implausible.
    depth_ranges: dict[str, tuple[float, float]] = field(default_factory=dict)
    code_version: str = __version__

    def __post_init__(self) -> None:
        for name, kind in _TEXTS_AND_TABLES.items():
            if not isinstance(getattr(self, name), kind):
                raise ValueError(f"{name} must be {kind.__name__}, not {getattr(self, name)!r}")
        if not (is_finite(self.uncertainty_scale) and self.uncertainty_scale > 0):
            raise ValueError(f"uncertainty_scale must be positive, not {self.uncertainty_scale!r}")


def encode_info(info: CheckpointInfo) -> str:
    """JSON of the metadata, as every model file carries it under `METADATA_KEY`."""
    return json.dumps({"format": FORMAT, **dataclasses.asdict(info)})


def decode_info(text: str, path: Path) -> CheckpointInfo:
    """Parse what `encode_info` wrote.

    Raises:
        HmaDepthError: naming `path`, the text is not that.

    """
    try:
        return _parse(parse_json(text))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise HmaDepthError(f"{path}: metadata '{METADATA_KEY}' not understood: {error}") from error


def save_checkpoint(
    path: Path, model: HmaDepth, info: CheckpointInfo, *, half: bool = False
) -> None:
    """Write `model` and `info` to `path`, atomically.

    `half` rounds the weights to float16, for half the size; loading widens them again. Tensors with
    values beyond its range, 65504, as running variances can have, stay as they are.

    Raises:
        HmaDepthError: weights are not finite, or the file cannot be written; what was there before
            stays.

    """
    metadata = {METADATA_KEY: encode_info(info)}
    tensors = {name: t.detach().contiguous() for name, t in model.state_dict().items()}
    if broken := _not_finite(tensors):
        raise HmaDepthError(
            f"{path} is not written: weights are not finite, the first in '{broken}'; lower "
            "optimiser.learning_rate or take compute.precision=fp32"
        )
    if half:
        tensors = {name: _halved(tensor) for name, tensor in tensors.items()}
    with atomic_path(path) as temporary:
        try:
            save_file(tensors, temporary, metadata=metadata)
        except SafetensorError as error:
            raise HmaDepthError(f"cannot write {path}: {error}") from error


def _halved(tensor: Tensor) -> Tensor:
    if not tensor.is_floating_point():
        return tensor
    halved = tensor.half()
    return halved if bool(halved.isfinite().all()) else tensor


def _not_finite(tensors: dict[str, Tensor]) -> str | None:
    """Name of the first tensor with such a value."""
    broken = (name for name, tensor in tensors.items() if not bool(tensor.isfinite().all()))
    return min(broken, default=None)


def rewrite_info(source: Path, target: Path, info: CheckpointInfo) -> None:
    """Write `source` to `target` with other metadata and the same tensors, to the bit; atomically.

    Raises:
        HmaDepthError: the file cannot be written.

    """
    with safe_open(source, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    with atomic_path(target) as temporary:
        try:
            save_file(tensors, temporary, metadata={METADATA_KEY: encode_info(info)})
        except SafetensorError as error:
            raise HmaDepthError(f"cannot write {target}: {error}") from error


def read_info(path: Path) -> CheckpointInfo:
    """Read the metadata only.

    Raises:
        HmaDepthError: no such file, not a safetensors file, or not one of this package.

    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
    except FileNotFoundError as error:  # what safetensors says of files that may not be read, too
        raise HmaDepthError(_not_opened(path)) from error
    except (SafetensorError, OSError) as error:
        raise HmaDepthError(_not_readable(path, error)) from error
    if METADATA_KEY not in metadata:
        raise HmaDepthError(
            f"{path} holds weights but no '{METADATA_KEY}' metadata: not a checkpoint of this "
            "package; those are written by its `train` command"
        )
    return decode_info(metadata[METADATA_KEY], path)


def _not_opened(path: Path) -> str:
    try:
        path.open("rb").close()
    except FileNotFoundError:
        return f"no checkpoint {path}"
    except OSError as error:
        return f"cannot read the checkpoint {path}: {error.strerror}"
    return f"the checkpoint {path} has only now come; try again"


def _not_readable(path: Path, error: Exception) -> str:
    if path.is_dir():
        inside = ", ".join(sorted(file.name for file in path.glob("*.safetensors")))
        return f"{path} is a folder; name a file in it" + (f": {inside}" if inside else "")
    if kind := known_kind(path):
        return f"{path} is {kind}"
    if shown(path) != str(path):
        return f"{shown(path)}: safetensors takes names in UTF-8 only; rename it"
    return (
        f"{path} is not a readable safetensors file: {error}; it is damaged, cut short or of "
        "another kind: copy or download it again"
    )


def _parse(content: dict[str, Any]) -> CheckpointInfo:
    if content.pop("format") != FORMAT:
        raise ValueError(f"its format is newer than this code knows ({FORMAT}); update the package")
    model, preprocessing = content.pop("model"), content.pop("preprocessing")
    model["decoder_channels"] = tuple(model["decoder_channels"])
    for key in ("mean", "std"):
        preprocessing[key] = tuple(preprocessing[key])
    ranges = content.pop("depth_ranges", {})
    return CheckpointInfo(
        model=ModelConfig(**model),
        preprocessing=Preprocessing(**preprocessing),
        depth_ranges={name: (float(low), float(high)) for name, (low, high) in ranges.items()},
        **content,
    )


def load_checkpoint(path: Path) -> tuple[HmaDepth, CheckpointInfo]:
    """Rebuild the model (float32, CPU, eval mode) from its file alone.

    Weights stored in half precision are widened.

    Raises:
        HmaDepthError: as `read_info`, or the tensors do not fit the model that the file describes.

    """
    info = read_info(path)
    with torch.device("meta"):  # a model of any size, without room for its weights
        expected = HmaDepth(info.model).state_dict()
    with safe_open(path, framework="pt") as file:
        names = set(file.keys())
        if names != set(expected):
            odd = sorted(names ^ set(expected))
            raise HmaDepthError(
                f"{path}: its tensors are not those of a {info.model.encoder} model: "
                f"{len(odd)} missing or unknown, the first is '{odd[0]}'"
            )
        for name, tensor in expected.items():
            stored = file.get_slice(name).get_shape()
            if stored != list(tensor.shape):
                raise HmaDepthError(
                    f"{path}: weights do not fit: '{name}' is {stored}, and "
                    f"{list(tensor.shape)} in the model that the file describes"
                )
        model = HmaDepth(info.model)
        try:
            tensors = {name: file.get_tensor(name).to(expected[name].dtype) for name in names}
            model.load_state_dict(tensors)
        except (SafetensorError, RuntimeError) as error:
            raise HmaDepthError(f"{path}: weights do not fit: {error}") from error
    if broken := _not_finite(tensors):
        raise HmaDepthError(f"{path}: weights are not finite, the first in '{broken}'")
    return model.eval(), info
