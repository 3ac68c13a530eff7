"""What a fine-tuning takes from its checkpoint and its frames, before the user's own changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hma_depth_ros.assets import named_checkpoint
from hma_depth_ros.data.image_file import image_size
from hma_depth_ros.data.splits.entry_camera import entry_camera
from hma_depth_ros.data.splits.located_split import read_located_split
from hma_depth_ros.data.splits.split_file import SplitEntry
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.geometry.camera import PinholeCamera
from hma_depth_ros.network.checkpoint import read_info
from hma_depth_ros.structured_text import parse_json

#: The preset's name.
FINETUNE = "finetune"

#: Of a crop, which is as high as the frames of the lowest list: high crops served better than wide
#: ones (docs/own_car.md), and frames enlarged to fill one would never be seen as at inference.
_CROP_PIXELS, _LEAST_WIDTH, _MOST_WIDTH = 80_000, 192, 0.75
_MULTIPLE = 32
#: Of the crops, where lists are mixed in: of the own car; the other lists share the rest.
_OWN_SHARE = 0.75
#: Of a data set's folder.
_TRAIN, _VALIDATION = "train.txt", "validation.txt"


def weights_file(weights: str) -> Path:
    """Checkpoint that `model.weights` names.

    Raises:
        HmaDepthError: it names none.

    """
    path = named_checkpoint(weights)
    if not path.is_file():
        raise HmaDepthError(
            f"model.weights={weights}: fine-tuning goes on from a checkpoint; there is no such file"
        )
    return path


def lists_of(folder: Path, mixed: Sequence[str]) -> dict[str, Any]:
    """Keys `data.*` of the folder that `bag_to_dataset` made, and of lists to mix in.

    Raises:
        HmaDepthError: the folder has no list to train on.

    """
    train = folder / _TRAIN
    if not train.is_file():
        raise HmaDepthError(
            f"{folder} has no {_TRAIN}: make it with bag_to_dataset --output {folder}, or name "
            "lists by --split"
        )
    data: dict[str, Any] = {"root": None, "train": [str(train), *mixed]}
    if mixed:
        data["list_shares"] = [_OWN_SHARE, *[(1 - _OWN_SHARE) / len(mixed)] * len(mixed)]
    if (folder / _VALIDATION).is_file() and (folder / _VALIDATION).stat().st_size:
        data["validation"] = str(folder / _VALIDATION)
    return data


def fitted(
    weights: Path, lists: Sequence[Sequence[SplitEntry]], *, report: Path | None
) -> dict[str, Any]:
    """Sections of the configuration that follow from the checkpoint and the frames.

    The network's input and the focal length that its depth is metric for stay those of the
    checkpoint: depth of another camera is scaled, as at inference. The crop is a part of the frame:
    the network is told where it is, and more of them fit into half an hour.

    Args:
        weights: the checkpoint.
        lists: to train on, of which the first one's camera is the new one.
        report: of the data set, which may tell the camera's mount.

    Raises:
        HmaDepthError: checkpoint or image cannot be read.

    """
    info = read_info(weights)
    sizes = [image_size(entries[0].image) for entries in lists]
    width, height = sizes[0]
    camera = entry_camera(lists[0][0], (height, width)).camera
    input_width = info.preprocessing.input_width or width
    rows = _whole_blocks(min(rows * input_width / columns for columns, rows in sizes))
    most = int(_MOST_WIDTH * input_width)
    columns = _whole_blocks(min(max(_CROP_PIXELS // rows, _LEAST_WIDTH), most))
    return {
        "model": asdict(info.model),
        "crop": {
            "height": rows,
            "width": columns,
            "input_width": info.preprocessing.input_width,
            "focal_length": info.preprocessing.focal_length,
        },
        "loss": {"uncertainty_weight": 0.1 if info.model.uncertainty else 0.0},
        "camera": {**vars(camera), **_mount(report, camera)},
    }


def _whole_blocks(pixels: float) -> int:
    """So many pixels, rounded down to what the encoder halves five times."""
    return max(int(pixels) // _MULTIPLE, 1) * _MULTIPLE


def _mount(report: Path | None, camera: PinholeCamera) -> dict[str, float]:
    """Height (m) and pitch (rad) of a data set's camera by its report, if it is this one."""
    if report is None or not report.is_file():
        return {}
    try:
        content = parse_json(report.read_text(encoding="utf-8"))
    except ValueError:
        return {}
    mount = content.get("mount") if isinstance(content, Mapping) else None
    if not mount or content.get("camera", {}).get("fx") != camera.fx:
        return {}
    return {"mount_height": mount["height"], "mount_pitch": mount["pitch"]}


def listed(paths: Sequence[str], root: Path | None) -> list[list[SplitEntry]]:
    """Entries of each list with the paths of files that are there.

    Raises:
        HmaDepthError: a list cannot be read, or files are missing.

    """
    return [read_located_split(Path(path), root) for path in paths]
