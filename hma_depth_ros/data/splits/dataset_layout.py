"""Where each data set keeps its files, what it calls its frames, and how it stores depth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from hma_depth_ros.data.depth import depth_png
from hma_depth_ros.data.depth.ground_truth import GroundTruth
from hma_depth_ros.data.frame_name import frame_name
from hma_depth_ros.data.kitti import layout as kitti_layout
from hma_depth_ros.data.nyu import layout as nyu_layout

DatasetName = Literal["kitti", "nyu"]
DATASETS: tuple[DatasetName, ...] = get_args(DatasetName)


@dataclass(frozen=True)
class Layout:
    """File layout and depth units of one data set."""

    name: str  #: for people
    #: Name by which image, ground truth and prediction of a frame find each other.
    frame_name: Callable[[Path], str]
    #: Functions of the data folder and a list's path; None: not there.
    find_image: Callable[[Path, Path], Path | None]
    find_depth: Callable[[Path, GroundTruth], GroundTruth | None]
    units_per_metre: float  #: of 16-bit depth PNG


KITTI = Layout(
    "KITTI",
    frame_name,
    kitti_layout.find_image,
    kitti_layout.find_depth,
    depth_png.UNITS_PER_METRE,
)
NYU = Layout(
    "NYU Depth v2",
    nyu_layout.frame_name,
    nyu_layout.find_image,
    nyu_layout.find_depth,
    nyu_layout.UNITS_PER_METRE,
)
LAYOUTS: dict[DatasetName, Layout] = {"kitti": KITTI, "nyu": NYU}
