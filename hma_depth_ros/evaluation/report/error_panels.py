"""The best and worst frames of a run as pictures."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from hma_depth_ros.data.image_file import write_png
from hma_depth_ros.evaluation.report.error_page import error_page
from hma_depth_ros.evaluation.report.pictured_frames import PicturedFrame
from hma_depth_ros.visualization.frame_layers import write_layers


def write_panels(folder: Path, frames: Iterable[PicturedFrame]) -> None:
    """Write a page of each frame, best_1_NAME.png, worst_1_NAME.png ..., and its layers.

    The layers, pictures of one size that can be laid over each other, are in a folder named as the
    page.

    Raises:
        HmaDepthError: a file cannot be used or written.

    """
    for frame in frames:
        write_png(folder / f"{frame.stem}.png", error_page(frame.page))
        write_layers(folder / frame.stem, frame.layers())
