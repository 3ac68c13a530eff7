"""What differs between the data sets that can be scored on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from hma_depth_ros.data import depth_png, kitti_layout, nyu_layout
from hma_depth_ros.data.frame_name import frame_name
from hma_depth_ros.data.ground_truth import SOURCES, GroundTruth, Source
from hma_depth_ros.evaluation.protocols import NYU_PROTOCOL, PROTOCOLS, Protocol


@dataclass(frozen=True)
class Benchmark:
    """File layout, depth units and protocols of one data set."""

    name: str
    frame_name: Callable[[Path], str]
    #: Functions of the data folder and a split's path; None: not there.
    find_image: Callable[[Path, Path], Path | None]
    find_depth: Callable[[Path, GroundTruth], GroundTruth | None]
    units_per_metre: float  #: of 16-bit depth PNG
    protocols: Mapping[str, Protocol]
    prediction_names: str  #: for help texts
    default_protocol: str
    default_cap: float  #: metres
    sources: tuple[Source, ...]  #: of ground truth
    #: Whether the paper's Table I is of this data set.
    published: bool


KITTI = Benchmark(
    name="KITTI",
    frame_name=frame_name,
    find_image=kitti_layout.find_image,
    find_depth=kitti_layout.find_depth,
    units_per_metre=depth_png.UNITS_PER_METRE,
    protocols=PROTOCOLS,
    prediction_names="DRIVE_FRAME, of the 352x1216 crop or the whole image",
    default_protocol="bts",
    default_cap=80.0,
    sources=SOURCES,
    published=True,
)
NYU = Benchmark(
    name="NYU Depth v2",
    frame_name=nyu_layout.frame_name,
    find_image=nyu_layout.find_image,
    find_depth=nyu_layout.find_depth,
    units_per_metre=nyu_layout.UNITS_PER_METRE,
    protocols={NYU_PROTOCOL.name: NYU_PROTOCOL},
    prediction_names="SCENE_rgb_N",
    default_protocol=NYU_PROTOCOL.name,
    default_cap=10.0,
    sources=("annotated",),
    published=False,
)
