"""Figures for people: tables on the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from hma_depth_ros.data.frame_name import short_scene_names
from hma_depth_ros.evaluation.metrics import BENCHMARK_METRICS, DEPTH_METRICS, HIGHER_IS_BETTER
from hma_depth_ros.evaluation.protocols import Protocol
from hma_depth_ros.evaluation.report.paper_table import TABLE_1, TABLE_1_METRICS, TABLE_1_PROTOCOL
from hma_depth_ros.evaluation.report.summary import EvaluationSummary, Figures

#: More would push the other figures off the screen; the JSON has them.
_SCENES_AT_MOST = 12
_TITLES = {
    "d1": "δ1",
    "d2": "δ2",
    "d3": "δ3",
    "abs_rel": "AbsRel",
    "sq_rel": "SqRel",
    "rmse": "RMSE m",
    "rmse_log": "RMSElog",
    "log10": "log10",
    "silog": "SILog",
    "sq_error_rel": "sqErrorRel %",
    "abs_error_rel": "absErrorRel %",
    "irmse": "iRMSE 1/km",
}


def ordered_metrics(names: Sequence[str]) -> list[str]:
    """As in the paper's Table I; the metrics that it leaves out come last."""
    ours = [name for name in TABLE_1_METRICS if name in names]
    return [*ours, *(name for name in names if name not in ours)]


def metric_title(metric: str) -> str:
    """A metric's name in tables."""
    return _TITLES[metric]


def tables(summary: EvaluationSummary, *, title: str, published: bool = True) -> list[Table]:
    """All tables of a run.

    Args:
        summary: of the frames.
        title: what was scored, over the first table.
        published: show the paper's Table I below the figures.

    """
    capped = {key: figures for key, figures in summary.figures.items() if figures.cap is not None}
    others = {key: figures for key, figures in summary.figures.items() if figures.cap is None}
    made = []
    if capped:
        columns = ordered_metrics(DEPTH_METRICS)
        table = _table(title, columns)
        _add_figures(table, capped, columns)
        if published:
            table.add_section()
            table.add_row("[bold]Table I of the paper[/]")
            table.caption = f"Table I: {TABLE_1_PROTOCOL}"
            table.caption_justify = "left"
            for method, row in TABLE_1.items():
                table.add_row(method, "", *(f"{value:.3f}" for value in row))
        made.append(table)
    if others:
        table = _table("KITTI depth prediction benchmark", BENCHMARK_METRICS)
        _add_figures(table, others, BENCHMARK_METRICS)
        made.append(table)
    if capped:
        key, figures = next(iter(capped.items()))
        made.append(_depth_table(key, figures))
        if 1 < len(figures.by_scene) <= _SCENES_AT_MOST:
            made.append(_scene_table(key, figures))
    return made


def _table(title: str, metrics: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("")
    table.add_column("frames", justify="right")
    for name in metrics:
        arrow = "↑" if name in HIGHER_IS_BETTER else "↓"
        table.add_column(f"{_TITLES[name]} {arrow}", justify="right", no_wrap=True)
    return table


def _add_figures(table: Table, by_key: dict[str, Figures], metrics: Sequence[str]) -> None:
    for key, figures in by_key.items():
        means = (f"[bold]{figures.mean[name]:.3f}[/]" for name in metrics)
        table.add_row(f"[bold]{key}[/]", str(len(figures.per_image)), *means)
        _add_interval(table, "95 %", "", [figures.interval[name] for name in metrics])
        if (of_scenes := figures.scene_interval) is not None:
            scenes = f"{len(figures.by_scene)} scenes"
            _add_interval(table, "95 % over scenes", scenes, [of_scenes[name] for name in metrics])


def _add_interval(table: Table, name: str, drawn: str, ends: Sequence[tuple[float, float]]) -> None:
    table.add_row(f"  {name} from", drawn, *(f"{low:.3f}" for low, _ in ends), style="dim")
    table.add_row(f"  {name} to", "", *(f"{high:.3f}" for _, high in ends), style="dim")


def _depth_table(key: str, figures: Figures) -> Table:
    table = Table(title=f"{key} by distance, over all pixels", title_justify="left")
    for name in ("ground truth", "pixels", "AbsRel ↓", "RMSE m ↓", "mean error m"):
        table.add_column(name, justify="right")
    for row in figures.by_depth:
        table.add_row(
            f"{row['from']:g} to {row['to']:g} m",
            f"{row['pixels']:,}",
            f"{row['abs_rel']:.3f}",
            f"{row['rmse']:.3f}",
            f"{row['bias']:+.3f}",
        )
    return table


def _scene_table(key: str, figures: Figures) -> Table:
    table = _table(f"{key} by drive or scene", TABLE_1_METRICS)
    short = short_scene_names(figures.by_scene)
    for scene, own in figures.by_scene.items():
        means = (f"{own.mean[name]:.3f}" for name in TABLE_1_METRICS)
        table.add_row(short[scene], str(len(own.per_image)), *means)
    return table


def window_lines(summary: EvaluationSummary, protocols: Sequence[Protocol]) -> list[str]:
    """Where each protocol scored, in pixels of the whole image by (H x W); what it made up."""
    lines = []
    for protocol in protocols:
        lines.append(f"{protocol.name}: {protocol.description}")
        lines += [
            f"  {height}x{width}, {count} of the frames: {protocol.window(height, width)}"
            for (height, width), count in sorted(summary.sizes.items())
        ]
    lines += [
        f"{key}: {figures.outside:,} of {figures.pixels:,} pixels lie outside of predictions of "
        "the crop and count as 1 mm"
        for key, figures in summary.figures.items()
        if figures.outside
    ]
    return lines
