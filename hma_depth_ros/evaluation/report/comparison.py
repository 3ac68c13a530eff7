"""Several networks on the same frames: their figures side by side, and how sure a difference is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from rich.table import Table

from hma_depth_ros.evaluation.metrics import HIGHER_IS_BETTER
from hma_depth_ros.evaluation.report.bootstrap import (
    LEAST_SCENES,
    Interval,
    confidence_interval,
    too_few,
)
from hma_depth_ros.evaluation.report.metric_table import metric_title, ordered_metrics
from hma_depth_ros.evaluation.report.summary import EvaluationSummary, Figures


@dataclass(frozen=True)
class Difference:
    """Of a metric's means over the frames that both networks have, second minus first."""

    first: float
    second: float
    difference: float
    confidence_95: Interval  #: paired bootstrap over frames: other frames of these scenes
    confidence_95_over_scenes: Interval | None  #: over whole scenes; None of a single one
    scenes: int  #: that the frames are of

    @property
    def sure(self) -> bool:
        """Whether it has one sign in both intervals, and the scenes are not too few.

        Of a single scene the interval over frames decides, for other frames of that scene.
        """
        intervals = [self.confidence_95, self.confidence_95_over_scenes or self.confidence_95]
        above, below = (low > 0 for low, _ in intervals), (high < 0 for _, high in intervals)
        return not too_few(self.scenes) and (all(above) or all(below))


def differences(first: Figures, second: Figures) -> dict[str, Difference]:
    """Differences by metric, on the frames that both have.

    Each frame's own difference is drawn, since a frame that is hard for one network is hard for
    the other: the interval of the difference is narrower than those of the means.
    """
    names = [name for name in first.per_image if name in second.per_image]
    values = [
        np.array([list(figures.per_image[name].metrics.values()) for name in names])
        for figures in (first, second)
    ]
    scenes = [first.scenes[name] for name in names]
    apart = values[1] - values[0]
    over_frames = confidence_interval(apart)
    over_scenes = confidence_interval(apart, scenes) if len(set(scenes)) > 1 else None
    found = {}
    for index, metric in enumerate(first.metric_names):
        ends = over_frames[:, index].tolist()
        whole = None if over_scenes is None else over_scenes[:, index].tolist()
        found[metric] = Difference(
            float(values[0][:, index].mean()),
            float(values[1][:, index].mean()),
            float(apart[:, index].mean()),
            (ends[0], ends[1]),
            None if whole is None else (whole[0], whole[1]),
            len(set(scenes)),
        )
    return found


#: By `Protocol.key` and name of each further network.
Differences = Mapping[str, Mapping[str, Mapping[str, Difference]]]


def differences_from_first(
    names: Sequence[str], summaries: Sequence[EvaluationSummary]
) -> Differences:
    """Of every further network from the first one."""
    return {
        key: {
            name: differences(first, summary.figures[key])
            for name, summary in zip(names[1:], summaries[1:], strict=True)
        }
        for key, first in summaries[0].figures.items()
    }


def comparison_tables(
    names: Sequence[str], summaries: Sequence[EvaluationSummary], apart: Differences
) -> list[Table]:
    """A table for each protocol and cap, with every further network against the first."""
    tables = []
    for key, first in summaries[0].figures.items():
        metrics = ordered_metrics(first.metric_names)
        table = Table(title=f"{key}, the same {len(first.per_image)} frames", title_justify="left")
        table.add_column("")
        for metric in metrics:
            arrow = "↑" if metric in HIGHER_IS_BETTER else "↓"
            table.add_column(f"{metric_title(metric)} {arrow}", justify="right", no_wrap=True)
        table.add_row(f"[bold]{names[0]}[/]", *(f"{first.mean[name]:.3f}" for name in metrics))
        for name, found in apart[key].items():
            table.add_section()
            table.add_row(f"[bold]{name}[/]", *(f"{found[m].second:.3f}" for m in metrics))
            table.add_row(
                f"  minus {names[0]}",
                *(f"{found[m].difference:+.3f}{'*' * found[m].sure}" for m in metrics),
            )
            for what in ("confidence_95", "confidence_95_over_scenes"):
                ends = [getattr(found[m], what) for m in metrics]
                if None not in ends:
                    label = "95 %" if what == "confidence_95" else "95 % over scenes"
                    for side, word in enumerate(("from", "to")):
                        cells = (f"{end[side]:+.3f}" for end in ends)
                        table.add_row(f"  {label} {word}", *cells, style="dim")
        table.caption = _caption(
            min(d.scenes for found in apart[key].values() for d in found.values())
        )
        table.caption_justify = "left"
        tables.append(table)
    return tables


def _caption(scenes: int) -> str:
    if too_few(scenes):
        return (
            f"{scenes} drives or scenes: too few drives to say which differences are sure; "
            f"it takes {LEAST_SCENES}"
        )
    if scenes == 1:
        return "* sure for other frames of this one drive or scene: the interval does not hold 0"
    return "* sure: neither the interval over frames nor that over scenes holds 0"


def comparison_content(
    names: Sequence[str],
    summaries: Sequence[EvaluationSummary],
    apart: Differences,
    run: Mapping[str, Any],
) -> dict[str, Any]:
    """Means, differences from the first network and figures by image, by `Protocol.key`."""
    content: dict[str, Any] = {}
    for key in summaries[0].figures:
        content[key] = {
            "mean": {n: s.figures[key].mean for n, s in zip(names, summaries, strict=True)},
            "minus_first": {
                name: {metric: {**asdict(d), "sure": d.sure} for metric, d in found.items()}
                for name, found in apart[key].items()
            },
            "per_image": {
                name: {n: score.metrics for n, score in s.figures[key].per_image.items()}
                for name, s in zip(names, summaries, strict=True)
            },
        }
    return {**content, "run": dict(run)}
