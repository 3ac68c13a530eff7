"""What pages are made of in tests: a small evaluation, and a reader of their HTML."""

from __future__ import annotations

from collections.abc import Mapping
from html.parser import HTMLParser
from typing import Any

import numpy as np

from hma_depth_ros.evaluation.protocols import protocols_by_name
from hma_depth_ros.evaluation.report.summary import EvaluationSummary
from hma_depth_ros.evaluation.report.written_files import report_content
from hma_depth_ros.evaluation.score import FrameScores, score
from hma_depth_ros.visualization.frame_layers import (
    FrameArrays,
    FrameLayers,
    MeasuredTruth,
    draw_layers,
)

SIZE = (24, 40)
#: Prediction over ground truth by frame, of which each scene has some.
FACTORS = {"a_0": 1.1, "a_1": 1.2, "b_0": 1.4, "b_1": 1.02}
NASTY = '<script>alert("x")</script>&\'name'


def evaluation(*, sigma: bool = True, factors: Mapping[str, float] = FACTORS) -> dict[str, Any]:
    """What `evaluate_kitti` writes of frames whose AbsRel is known: the factor less one."""
    protocols = protocols_by_name(["full", "benchmark"])
    summary = EvaluationSummary({"full_cap80": 80.0, "benchmark": None})
    truth = np.linspace(2, 50, SIZE[0] * SIZE[1], dtype=np.float32).reshape(SIZE)
    for name, factor in factors.items():
        frame = FrameScores(name, SIZE, scene=name[0])
        for protocol in protocols:
            stated = np.full(SIZE, 0.1, np.float32) if sigma else None
            frame.scores |= score(truth * factor, truth, protocol, [80.0], uncertainty=stated)
        summary.add(frame)
    run = {
        "split": NASTY,
        "checkpoint": "runs/own.safetensors (SHA-256 0123)",
        "frames": {"scored": len(factors), "expected": 5, "missing": ["c_0: no image"]},
        "hints": [f"hint {NASTY}"],
        "windows": {"full": {"24x40": {"top": 0, "bottom": 24, "left": 0, "right": 40}}},
        "principal_points": {"middle": 4},
        "long_" * 30: "long" * 30,
    }
    return report_content(summary, run)


def layers(
    name: str, group: str, *, size: tuple[int, int] = SIZE, noise: bool = False
) -> FrameLayers:
    """A frame with all layers, and a cloud of a wall 20 m ahead."""
    rng = np.random.default_rng(len(name))
    metres = rng.uniform(2, 80, size) if noise else np.full(size, 20.0)
    depth = metres.astype(np.float32)
    x = np.linspace(-8, 8, size[1], dtype=np.float32)
    points = np.stack(np.broadcast_arrays(x, np.float32(0), depth), axis=-1)
    masks = rng.random((4, *size)).astype(np.float32)
    picture = rng.integers(0, 255, (*size, 3), np.uint8)
    arrays = FrameArrays(
        depth, picture, masks / masks.sum(axis=0), rng.random(size).astype(np.float32), points
    )
    measured = MeasuredTruth(picture, picture, points[:1] - np.array([0, 0, 10], np.float32))
    return draw_layers(
        arrays, name=name, far=80.0, measured=measured, group=group, figure="AbsRel 0.100"
    )


class PageReader(HTMLParser):
    """Elements of a page with their attributes, and its text, but for what one must point at."""

    def __init__(self, html: str) -> None:
        """Read all of it."""
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self._silent = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Of `HTMLParser`."""
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        self._silent = tag in {"style", "script", "title"}

    def handle_endtag(self, tag: str) -> None:
        """Of `HTMLParser`."""
        self._silent = False

    def handle_data(self, data: str) -> None:
        """Of `HTMLParser`."""
        if not self._silent and data.strip():
            self.texts.append(" ".join(data.split()))

    def of(self, tag: str, **attributes: str) -> list[dict[str, str]]:
        """Attributes of the elements of a tag that have these."""
        return [
            found
            for name, found in self.elements
            if name == tag and all(found.get(key) == value for key, value in attributes.items())
        ]

    def after(self, text: str) -> str:
        """The text that follows another one."""
        return self.texts[self.texts.index(text) + 1]
