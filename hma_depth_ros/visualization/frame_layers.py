"""One frame as pictures of one size that can be laid over each other, and as files of a folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hma_depth_ros.data.image_file import read_rgb, write_png
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.files import atomic_path
from hma_depth_ros.structured_text import parse_json
from hma_depth_ros.visualization.attention_color import colorize_attention
from hma_depth_ros.visualization.birds_eye import BirdsEyeExtent, mark_points, splat
from hma_depth_ros.visualization.confidence_color import colorize_confidence
from hma_depth_ros.visualization.depth_color import colorize_depth
from hma_depth_ros.visualization.palette import MEASURED
from hma_depth_ros.visualization.sheet import resample

Picture = npt.NDArray[np.uint8]

#: Names of layers in the order in which they are shown, and what they are called.
LAYERS = {
    "image": "Image",
    "truth": "Ground truth",
    "depth": "Depth",
    "error": "Error",
    "masks": "Masks",
    "confidence": "Confidence",
}
#: Width of the view from above, of which 40 m in 80 are seen: a tenth of a metre in a pixel.
_ABOVE_WIDTH = 400
_NOTE, _ABOVE = "frame.json", "above.png"


@dataclass(frozen=True)
class LayerNote:
    """What the pictures do not tell."""

    name: str  #: of the frame
    far: float  #: metres at the far end of depth's colours
    group: str = ""  #: such as worst
    figure: str = ""  #: such as AbsRel 0.214
    scales: int = 0  #: of the masks
    measured: bool = False  #: whether points of ground truth are in the view from above


@dataclass(frozen=True)
class FrameLayers:
    """Pictures (H, W, 3), RGB, of one frame."""

    note: LayerNote
    pictures: Mapping[str, Picture]  #: by name of `LAYERS`, all of one size
    #: Bare view of `BirdsEyeExtent.for_range(note.far)` without a grid; None: no camera is known.
    above: Picture | None = None


@dataclass(frozen=True)
class MeasuredTruth:
    """What a frame's depth is compared with."""

    truth: Picture  #: ground truth in depth's colours
    error: Picture
    #: (N, 3), metres in the optical frame: the ground truth's; None: no camera is known.
    points: npt.NDArray[np.float32] | None = None


@dataclass(frozen=True)
class FrameArrays:
    """What there is of one frame, all of one size (H, W) but for the image."""

    depth: npt.NDArray[np.float32]  #: metres, NaN where there is none
    image: Picture | None = None  #: RGB, of any size
    attention: npt.NDArray[np.float32] | None = None  #: (S, H, W), coarse to fine
    confidence: npt.NDArray[np.float32] | None = None  #: a probability
    points: npt.NDArray[np.float32] | None = None  #: (H, W, 3), metres in the optical frame


def draw_layers(
    arrays: FrameArrays,
    *,
    name: str,
    far: float,
    measured: MeasuredTruth | None = None,
    group: str = "",
    figure: str = "",
) -> FrameLayers:
    """Pictures of a frame.

    Args:
        arrays: of which they are made.
        name: see `LayerNote`, as for `far`, `group` and `figure`.
        far: metres.
        measured: ground truth, and the error by it.
        group: of frames.
        figure: of the frame.

    """
    rows, columns = arrays.depth.shape
    drawn = {"depth": colorize_depth(arrays.depth, max_depth=far)}
    if arrays.image is not None:
        drawn["image"] = _resized(arrays.image, rows, columns)
    if measured is not None:
        drawn |= {"truth": measured.truth, "error": measured.error}
    if arrays.attention is not None:
        drawn["masks"] = colorize_attention(arrays.attention)
    if arrays.confidence is not None:
        drawn["confidence"] = colorize_confidence(arrays.confidence)
    above, marks = None, None
    if arrays.points is not None:
        extent = BirdsEyeExtent.for_range(far)
        height, width = arrays.points.shape[:2]
        colors = _resized(drawn.get("image", drawn["depth"]), height, width)
        above = splat(arrays.points, colors, extent=extent, width=_ABOVE_WIDTH)
        marks = None if measured is None else measured.points
        if marks is not None:
            mark_points(above, marks, MEASURED, extent=extent)
    scales = 0 if arrays.attention is None else len(arrays.attention)
    note = LayerNote(name, far, group, figure, scales, measured=marks is not None)
    return FrameLayers(note, {name: drawn[name] for name in LAYERS if name in drawn}, above)


def _resized(picture: Picture, rows: int, columns: int) -> Picture:
    if picture.shape[:2] == (rows, columns):
        return picture
    return resample(picture, width=columns, height=rows)


def write_layers(folder: Path, layers: FrameLayers) -> None:
    """Write the pictures as PNG, and beside them what they do not tell.

    Raises:
        HmaDepthError: a file cannot be written.

    """
    for name, picture in layers.pictures.items():
        write_png(folder / f"{name}.png", picture)
    if layers.above is not None:
        write_png(folder / _ABOVE, layers.above)
    with atomic_path(folder / _NOTE) as temporary:
        content = json.dumps(asdict(layers.note), indent=1, ensure_ascii=True)
        temporary.write_text(content + "\n", encoding="utf-8")


def read_layers(folder: Path) -> FrameLayers:
    """Pictures of a folder that `write_layers` made.

    Raises:
        HmaDepthError: a file is missing or damaged, or the pictures are of different sizes.

    """
    path = folder / _NOTE
    try:
        note = LayerNote(**parse_json(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise HmaDepthError(f"cannot read {path}: {error}; write the pictures anew") from error
    files = {name: folder / f"{name}.png" for name in LAYERS}
    pictures = {name: read_rgb(file) for name, file in files.items() if file.is_file()}
    if len({picture.shape for picture in pictures.values()}) != 1:
        raise HmaDepthError(f"{folder} does not hold pictures of one size; write them anew")
    above = folder / _ABOVE
    return FrameLayers(note, pictures, read_rgb(above) if above.is_file() else None)


def read_all_layers(folder: Path) -> list[FrameLayers]:
    """Those of all folders in a folder, sorted by name.

    Raises:
        HmaDepthError: there are none, or see `read_layers`.

    """
    found = sorted(path.parent for path in folder.glob(f"*/{_NOTE}"))
    if not found:
        raise HmaDepthError(
            f"{folder} holds no pictures of frames; evaluate_* --panels writes them"
        )
    return [read_layers(path) for path in found]
