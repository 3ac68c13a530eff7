"""What differs between the data sets that can be scored on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hma_depth_ros.data.depth.ground_truth import SOURCES, Source
from hma_depth_ros.data.splits import dataset_layout
from hma_depth_ros.data.splits.dataset_layout import Layout
from hma_depth_ros.evaluation.protocols import NYU_PROTOCOL, PROTOCOLS, Protocol


@dataclass(frozen=True)
class Benchmark:
    """Layout and protocols of one data set."""

    layout: Layout
    protocols: Mapping[str, Protocol]
    prediction_names: str  #: for help texts
    default_protocol: str
    default_cap: float  #: metres
    sources: tuple[Source, ...]  #: of ground truth
    #: Whether the paper's Table I is of this data set.
    published: bool


KITTI = Benchmark(
    layout=dataset_layout.KITTI,
    protocols=PROTOCOLS,
    prediction_names="DRIVE_FRAME, of the 352x1216 crop or the whole image",
    default_protocol="bts",
    default_cap=80.0,
    sources=SOURCES,
    published=True,
)
NYU = Benchmark(
    layout=dataset_layout.NYU,
    protocols={NYU_PROTOCOL.name: NYU_PROTOCOL},
    prediction_names="SCENE_rgb_N",
    default_protocol=NYU_PROTOCOL.name,
    default_cap=10.0,
    sources=("annotated",),
    published=False,
)
