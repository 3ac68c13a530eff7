"""The page of several networks scored on the same frames."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hma_depth_ros.evaluation.metrics import HIGHER_IS_BETTER
from hma_depth_ros.evaluation.report.bootstrap import LEAST_SCENES, too_few, wider
from hma_depth_ros.evaluation.report.metric_table import metric_title, ordered_metrics
from hma_depth_ros.html_report.evaluation_figures import (
    ComparedFigures,
    DifferenceFigures,
    compared_figures,
)
from hma_depth_ros.html_report.page_parts import (
    BarRow,
    Bars,
    BarSegment,
    DataTable,
    Facts,
    Page,
    Part,
    Row,
    Section,
)
from hma_depth_ros.html_report.page_texts import counted, fixed, flattened, interval, signed, titled


def comparison_page(content: Mapping[str, Any], *, where: str) -> Page:
    """The page of what `evaluate_*` writes of several checkpoints.

    Raises:
        HmaDepthError: the content is something else; `where` says where it is from.

    """
    by_key = compared_figures(content, where)
    run = content.get("run", {})
    sections = [Section(key, _parts(figures)) for key, figures in by_key.items()]
    described = run.get("checkpoints", [])
    how: list[Part] = [
        Facts(list(flattened({name.replace("_", " "): value for name, value in network.items()})))
        for network in described
        if isinstance(network, Mapping)
    ]
    if how:
        sections.append(Section("How it was measured", how))
    names = list(next(iter(by_key.values())).mean)
    return Page(
        "Comparison of networks",
        " against ".join([", ".join(names[1:]), names[0]]),
        sections,
        [("Frames", str(run.get("split", "")))],
    )


def _parts(figures: ComparedFigures) -> list[Part]:
    first = next(iter(figures.mean))
    metrics = ordered_metrics(list(figures.mean[first]))
    frames = len(next(iter(figures.per_image.values())))
    rows = [
        Row([name, *(fixed(means[m]) for m in metrics)], "strong")
        for name, means in figures.mean.items()
    ]
    table = DataTable(
        f"Means over {counted(frames, 'frame')}", ["network", *map(titled, metrics)], rows
    )
    parts: list[Part] = [table]
    for name, apart in figures.minus_first.items():
        parts.append(_differences(f"{name} minus {first}", apart))
    return parts


def _differences(title: str, apart: Mapping[str, DifferenceFigures]) -> Bars:
    """Intervals of all metrics, each on a scale of its own around zero."""
    rows = []
    for metric in ordered_metrics(list(apart)):
        found = apart[metric]
        low, high = ends = wider(found.confidence_95, found.confidence_95_over_scenes)
        widest = max(abs(low), abs(high), abs(found.difference)) or 1.0

        def place(value: float, widest: float = widest) -> float:
            return 50 + 46 * value / widest

        better = (found.difference > 0) == (metric in HIGHER_IS_BETTER)
        color = "s0" if not found.sure else "s3" if better else "s2"
        text = f"{metric_title(metric)}: {signed(found.difference)}, 95 %: {interval(ends)}"
        unsure = "too few drives to say" if too_few(found.scenes) else "not sure"
        note = unsure if not found.sure else "better" if better else "worse"
        rows.append(
            BarRow(
                titled(metric),
                [
                    BarSegment(place(low), place(high) - place(low), color, text),
                    BarSegment(place(found.difference) - 0.4, 0.8, "mean", text),
                ],
                signed(found.difference),
                note,
            )
        )
    return Bars(
        title,
        rows,
        "95 % interval of the mean difference, the wider of those over frames and over drives; the "
        "line is zero, the mark the mean. Each row has a scale of its own. To be sure neither "
        f"interval may hold zero; of several drives it takes {LEAST_SCENES}.",
        legend=[("s3", "better"), ("s2", "worse"), ("s0", "not sure")],
        zero=50.0,
    )
