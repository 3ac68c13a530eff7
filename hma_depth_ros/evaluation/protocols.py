"""What is scored under which name; "KITTI, Eigen split, Garg crop" alone can be two things."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

import numpy as np
import numpy.typing as npt

from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.evaluation import protocol_windows
from hma_depth_ros.evaluation.metrics import benchmark_metrics, depth_metrics
from hma_depth_ros.evaluation.protocol_windows import Window

Metrics = Callable[[npt.NDArray[np.floating], npt.NDArray[np.floating]], dict[str, float]]
#: Part of the image that a network is given: the 352x1216 crop or all of it.
View = Literal["crop", "image"]


@dataclass(frozen=True)
class Protocol:
    """A named way to score."""

    name: str
    description: str
    #: Where pixels count, of an image of (height, width).
    window: Callable[[int, int], Window]
    view: View = "crop"
    metrics: Metrics = depth_metrics
    #: Whether depth is limited; KITTI's server takes all there is.
    capped: bool = True
    #: Whether holes of a prediction are filled as the server does, instead of counting as 1 mm.
    fills_holes: bool = False

    def key(self, cap: float | None) -> str:
        """Name of a figure in reports, such as `bts_cap80`."""
        return self.name if cap is None else f"{self.name}_cap{cap:g}"


_KITTI = (
    Protocol(
        "bts",
        "crop pasted into the whole image, Garg's window of the image: the paper's tables (BTS)",
        protocol_windows.garg_window,
    ),
    Protocol(
        "kb_garg",
        "ground truth cropped first, Garg's window of the crop: AdaBins, NeWCRFs, ZoeDepth, iDisc",
        protocol_windows.garg_window_of_crop,
    ),
    Protocol(
        "eigen",
        "crop pasted into the whole image, Eigen's window: Eigen et al. 2014",
        protocol_windows.eigen_window,
    ),
    Protocol(
        "full",
        "the network sees the whole image, all of it counts: Depth Anything V2",
        protocol_windows.whole_image,
        view="image",
    ),
    Protocol(
        "benchmark",
        "all of the crop, at any depth: KITTI's depth prediction server",
        protocol_windows.kitti_crop,
        metrics=benchmark_metrics,
        capped=False,
        fills_holes=True,
    ),
)
#: KITTI's, by name.
PROTOCOLS = {protocol.name: protocol for protocol in _KITTI}

#: NYU Depth v2's only one.
NYU_PROTOCOL = Protocol(
    "nyu", "Eigen's window of the whole image", protocol_windows.nyu_window, view="image"
)


def protocols_by_name(
    names: Sequence[str], known: Mapping[str, Protocol] = PROTOCOLS
) -> list[Protocol]:
    """Protocols in the order named.

    Raises:
        HmaDepthError: there is none of that name, or one is named twice.

    """
    for name in names:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"did you mean '{near[0]}'?" if near else f"there are {', '.join(known)}"
            raise HmaDepthError(f"no protocol '{name}'; {hint}")
    if len(set(names)) < len(names):
        raise HmaDepthError(f"a protocol is named twice: {', '.join(names)}")
    return [known[name] for name in names]
