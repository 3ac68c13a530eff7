"""Sparsification, calibration and boundaries for people: tables, and the curves as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from rich.table import Table

from hma_depth_ros.evaluation.boundaries import BESIDE, TOLERANCES
from hma_depth_ros.evaluation.reliability import ReliabilityFigures
from hma_depth_ros.evaluation.sparsification import METRICS, ORDERS, Order, shares_removed
from hma_depth_ros.files import atomic_path
from hma_depth_ros.visualization.palette import LIGHT
from hma_depth_ros.visualization.plot_style import PLOT_STYLE

_TITLES = {"abs_rel": "AbsRel", "rmse": "RMSE m"}
_AXES = {"abs_rel": "AbsRel", "rmse": "RMSE, m"}
_ORDERS: dict[Order, tuple[str, str]] = {
    "uncertainty": ("by the stated uncertainty", LIGHT.series[1]),
    "depth": ("by depth", LIGHT.series[0]),
    "random": ("random", LIGHT.faint_ink),
    "oracle": ("oracle", LIGHT.series[2]),
}


def reliability_tables(key: str, figures: ReliabilityFigures) -> list[Table]:
    """AUSE by order, and calibration by distance."""
    areas = Table(
        title=f"{key}: area between sparsification and oracle (AUSE), {len(figures.images)} images",
        title_justify="left",
    )
    areas.add_column("pixels removed")
    for metric in METRICS:
        areas.add_column(f"{_TITLES[metric]} ↓", justify="right")
        areas.add_column("of by depth", justify="right")
    for order in ORDERS:
        cells = []
        for metric in METRICS:
            value, of_depth = figures.ause[metric][order], figures.ause[metric]["depth"]
            cells += [f"{value:.4f}", f"{value / of_depth:.2f}" if of_depth > 0 else ""]
        areas.add_row(_ORDERS[order][0], *cells)

    within = Table(
        title=f"{key}: errors of ln(depth) within what is stated (68 % and 95 % if Gaussian)",
        title_justify="left",
    )
    for name in ("distance", "pixels", "1 sigma", "2 sigma", "mean sigma", "mean error"):
        within.add_column(name, justify="left" if name == "distance" else "right")
    parts = (("true", figures.by_depth), ("predicted", figures.by_predicted_depth))
    within.add_row("all", *_calibration_cells(figures.overall))
    for kind, rows in parts:
        within.add_section()
        for row in rows:
            name = f"{kind} {row['from']:g} to {row['to']:g} m"
            within.add_row(name, *_calibration_cells(row))
    return [areas, within]


def _calibration_cells(row: dict[str, float]) -> list[str]:
    return [
        f"{row['pixels']:,}",
        f"{row['within_1_sigma']:.1%}",
        f"{row['within_2_sigma']:.1%}",
        f"{row['mean_sigma']:.3f}",
        f"{row['mean_log_error']:.3f}",
    ]


def write_sparsification_plot(path: Path, figures: ReliabilityFigures, *, title: str) -> None:
    """Curves of the error that remains, as a PNG.

    Raises:
        HmaDepthError: the file cannot be written.

    """
    with rc_context(PLOT_STYLE):
        figure = Figure(figsize=(10, 4.8), dpi=110)
        figure.set_layout_engine("constrained", w_pad=0.1, h_pad=0.08)
        canvas = FigureCanvasAgg(figure)
        figure.suptitle(
            title, fontsize=10, color=LIGHT.faint_ink, x=0.01, horizontalalignment="left"
        )
        for axes, metric, of_orders in zip(
            figure.subplots(1, len(METRICS)), METRICS, figures.curves, strict=True
        ):
            for order, curve in zip(ORDERS, of_orders, strict=True):
                name, color = _ORDERS[order]
                label = f"{name}, AUSE {figures.ause[metric][order]:.4f}"
                dashes = "--" if order in ("random", "oracle") else "-"
                axes.plot(100 * shares_removed(), curve, dashes, color=color, lw=2, label=label)
            axes.set_title(f"{_TITLES[metric].split()[0]} of the pixels that remain")
            axes.set_xlabel("pixels removed, %")
            axes.set_ylabel(_AXES[metric])
            axes.set_xlim(0, 100)
            axes.set_ylim(bottom=0)
            axes.grid()
            axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2)
        canvas.draw()
    with atomic_path(path) as temporary:
        canvas.print_png(str(temporary))


def boundary_tables(by_key: dict[str, dict[str, Any]]) -> list[Table]:
    """Figures of `boundary_figures` by `Protocol.key`, with their number of `images`."""
    places = Table(title="boundaries of things, over all pixels", title_justify="left")
    errors = Table(title="error beside true boundaries and elsewhere", title_justify="left")
    names = [f"{what} {near} px" for near in TOLERANCES for what in ("precision", "recall", "F ↑")]
    beside = (f"within {BESIDE} px", f"beyond {BESIDE} px")
    for table, columns in (
        (places, ("images", "pixels", *names)),
        (errors, [f"{metric} {where}" for where in beside for metric in ("AbsRel ↓", "RMSE m ↓")]),
    ):
        table.add_column("")
        for name in columns:
            table.add_column(name, justify="right")
    for key, figures in by_key.items():
        cells = []
        for near in TOLERANCES:
            of = figures[f"{near}_px"]
            cells += [_cell(of[name]) for name in ("precision", "recall", "f_score")]
        places.add_row(key, str(figures["images"]), f"{figures['true_pixels']:,}", *cells)
        values = (
            figures[part][name] for part in ("beside", "away") for name in ("abs_rel", "rmse")
        )
        errors.add_row(key, *(_cell(value) for value in values))
    return [places, errors]


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
