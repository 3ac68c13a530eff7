"""Figures for programs: JSON of everything, CSV with one line per image."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hma_depth_ros.evaluation.report.summary import EvaluationSummary
from hma_depth_ros.files import atomic_path


def report_content(summary: EvaluationSummary, run: Mapping[str, Any]) -> dict[str, Any]:
    """Figures by `Protocol.key`, and under `run` what was scored and how; for programs.

    Each has `mean` and `per_image` by metric, `confidence_95` of the mean over images and
    `confidence_95_over_scenes` (null of a single scene), `pixels`, `pixels_outside_prediction`,
    `by_depth` over all pixels, and `by_drive` with the number of `images` of each drive or scene
    and their `mean`; where they were asked for and could be had, `reliability` (see
    `ReliabilityFigures`) and `boundaries` (see `boundary_figures`), else null.
    """
    content: dict[str, Any] = {
        key: {
            "per_image": {name: score.metrics for name, score in figures.per_image.items()},
            "mean": figures.mean,
            "confidence_95": figures.interval,
            "confidence_95_over_scenes": figures.scene_interval,
            "pixels": figures.pixels,
            "pixels_outside_prediction": figures.outside,
            "by_depth": figures.by_depth,
            "by_drive": {
                scene: {"images": len(own.per_image), "mean": own.mean}
                for scene, own in figures.by_scene.items()
            },
            "reliability": None if figures.reliability is None else figures.reliability.as_json(),
            "boundaries": figures.boundaries,
        }
        for key, figures in summary.figures.items()
    }
    return {**content, "run": dict(run)}


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write what `report_content` or `comparison_content` gives.

    Raises:
        HmaDepthError: the file cannot be written.

    """
    text = json.dumps(content, indent=1, allow_nan=False) + "\n"
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_csv(path: Path, summary: EvaluationSummary) -> None:
    """Write lines of frame, figure (`Protocol.key`), pixels and metrics, empty where it has none.

    Raises:
        HmaDepthError: the file cannot be written.

    """
    metrics = dict.fromkeys(
        name for figures in summary.figures.values() for name in figures.metric_names
    )
    with (
        atomic_path(path) as temporary,
        # Names of frames are names of files, which need not be UTF-8.
        temporary.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file,
    ):
        writer = csv.DictWriter(file, ["frame", "figure", "pixels", *metrics])
        writer.writeheader()
        for key, figures in summary.figures.items():
            for name, score in figures.per_image.items():
                row = {"frame": name, "figure": key, "pixels": score.pixels}
                writer.writerow({**row, **score.metrics})
