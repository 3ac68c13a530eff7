"""The page of an evaluation: how right depth is, where, and what it looks like."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from hma_depth_ros.data.frame_name import short_scene_names
from hma_depth_ros.data.splits.dataset_layout import KITTI, NYU
from hma_depth_ros.data.splits.entry_camera import source_line
from hma_depth_ros.evaluation.metrics import HIGHER_IS_BETTER
from hma_depth_ros.evaluation.report.bootstrap import wider
from hma_depth_ros.evaluation.report.metric_table import metric_title, ordered_metrics
from hma_depth_ros.evaluation.report.paper_table import TABLE_1, TABLE_1_METRICS, TABLE_1_PROTOCOL
from hma_depth_ros.html_report.comparison_page import comparison_page
from hma_depth_ros.html_report.evaluation_figures import (
    Calibration,
    ProtocolFigures,
    ReliabilityContent,
    SigmaBin,
    evaluation_figures,
    is_comparison,
)
from hma_depth_ros.html_report.page_parts import (
    Charts,
    DataTable,
    Facts,
    Folded,
    Frames,
    Note,
    Page,
    Part,
    Row,
    Section,
    Tile,
    Tiles,
    bars,
    worst_first,
)
from hma_depth_ros.html_report.page_texts import (
    counted,
    fixed,
    flattened,
    percent,
    signed,
    titled,
)
from hma_depth_ros.html_report.svg_chart import Chart, Series, bar_chart, line_chart
from hma_depth_ros.visualization.frame_layers import FrameLayers

#: Metrics that are shown large, those of them that a protocol has.
_TILES = ("abs_rel", "d1", "rmse", "silog", "abs_error_rel", "irmse")
_UNITS = {"rmse": "m", "abs_error_rel": "%", "irmse": "1/km", "sq_error_rel": "%"}
#: Drives and frames that are listed; the JSON has them all.
_DRIVES, _FRAMES_LISTED = 40, 40
#: Frames that are dots of a chart.
_DOTS = 1000
_ORDERS = {
    "uncertainty": ("by the stated uncertainty", "s2", False),
    "depth": ("by depth", "s1", False),
    "random": ("at random", "s0", True),
    "oracle": ("by the error itself", "s3", True),
}
#: What is known of a run, of its description, by the name under which it is shown.
_FACTS = {
    "split": "Frames",
    "checkpoint": "Network",
    "predictions": "Predictions",
    "bag": "Bag",
    "engine": "Engine",
    "precision": "Precision",
    "hardware": "Computed on",
}


def write_evaluation_page(
    path: Path, content: Mapping[str, Any], frames: Sequence[FrameLayers]
) -> None:
    """Write the page of an evaluation, or of a comparison of several networks.

    Args:
        path: of the HTML file.
        content: what `evaluate_*` writes as JSON.
        frames: worst and best ones; none of a comparison.

    Raises:
        HmaDepthError: the file cannot be written.

    """
    # Here, so that who asks for no page does not wait for what writes it.
    from hma_depth_ros.html_report.render_page import write_page

    write_page(path, evaluation_page(content, frames, where=str(path)))


def evaluation_page(
    content: Mapping[str, Any], frames: Sequence[FrameLayers], *, where: str
) -> Page:
    """The page of an evaluation; see `write_evaluation_page`.

    Raises:
        HmaDepthError: the content is not what `evaluate_*` writes; `where` says where it is from.

    """
    if is_comparison(content):
        return comparison_page(content, where=where)
    by_key = evaluation_figures(content, where)
    run = content.get("run", {})
    key, first = next(iter(by_key.items()))
    sections = [Section("Figures", _overview(key, by_key, run))]
    if first.by_depth:
        parts: list[Part] = [Charts(_by_distance(first)), _distance_table(first)]
        sections.append(Section("By distance", parts, _where_pixels_are(key, first)))
    word = _word(run)
    sections.append(Section(f"By {word} and frame", _by_drive(first, word)))
    if first.reliability is not None:
        sections.append(_reliability(first.reliability))
    if frames:
        sections.append(_pictures(frames))
    sections.append(Section("How it was measured", _how(run)))
    facts = [(title, _name(run[name])) for name, title in _FACTS.items() if run.get(name)]
    return Page("Evaluation of depth", _headline(first, run), sections, facts)


def _headline(figures: ProtocolFigures, run: Mapping[str, Any]) -> str:
    given = (run.get(name) for name in ("checkpoint", "predictions", "bag"))
    what = next((PurePath(_name(value)).stem for value in given if value), "Depth")
    return f"{what} on {counted(len(figures.per_image), 'frame')}"


def _word(run: Mapping[str, Any]) -> str:
    """What frames of one recording are called."""
    return "scene" if run.get("data_set") == NYU.name else "drive"


def _name(value: object) -> str:
    """Without the digest, which the page's end has in full."""
    return str(value).partition(" (SHA-256")[0]


def _where_pixels_are(key: str, figures: ProtocolFigures) -> str:
    first = figures.by_depth[0]
    share = first.pixels / sum(row.pixels for row in figures.by_depth)
    return (
        f"Over all pixels of all frames ({key}), by the distance of the ground truth; "
        f"{percent(share)} of the pixels are between {first.start:g} and {first.to:g} m."
    )


def _overview(
    key: str, by_key: Mapping[str, ProtocolFigures], run: Mapping[str, Any]
) -> list[Part]:
    first = by_key[key]
    tiles = []
    for metric in _TILES:
        if metric in first.mean:
            of_scenes = first.confidence_95_over_scenes
            ends = wider(first.confidence_95[metric], of_scenes[metric] if of_scenes else None)
            value, unit = _large(metric, first.mean[metric])
            low, high = (_large(metric, end)[0] for end in ends)
            note = f"95 %: {low} to {high}"
            tiles.append(Tile(titled(metric).replace(" m ", " "), value, unit, note))
    counts = run.get("frames", {})
    scored = counts.get("scored", len(first.per_image))
    tiles.append(Tile("Frames", f"{scored:,}", note=_of_expected(scored, counts)))
    parts: list[Part] = [Tiles(tiles)]
    parts += [Note(str(hint), warning=True) for hint in run.get("hints", [])]
    left_out = [*counts.get("missing", []), *counts.get("failed", [])]
    if left_out:
        named = "; ".join(str(problem) for problem in left_out[:3])
        more = f" and {len(left_out) - 3} more" if len(left_out) > 3 else ""
        parts.append(Note(f"Left out: {named}{more}", warning=True))
    with_paper = run.get("data_set") == KITTI.name and "bts_cap80" in by_key
    return [*parts, *_metric_tables(by_key, _word(run), with_paper=with_paper)]


def _of_expected(scored: int, counts: Mapping[str, Any]) -> str:
    expected = counts.get("expected", scored)
    return "all that were asked for" if expected == scored else f"of {expected:,} asked for"


def _large(metric: str, value: float) -> tuple[str, str]:
    """Value and unit of a tile; shares are easier to read in percent."""
    if metric in HIGHER_IS_BETTER:
        return f"{100 * value:.1f}", "%"
    return fixed(value, 2 if value >= 10 else 3), _UNITS.get(metric, "")


def _metric_tables(
    by_key: Mapping[str, ProtocolFigures], word: str, *, with_paper: bool
) -> list[Part]:
    parts: list[Part] = []
    groups: dict[tuple[str, ...], list[str]] = {}
    for key, figures in by_key.items():
        groups.setdefault(tuple(figures.mean), []).append(key)
    for names, keys in groups.items():
        metrics = ordered_metrics(names)
        rows = []
        for key in keys:
            figures = by_key[key]
            means = (fixed(figures.mean[name]) for name in metrics)
            rows.append(Row([key, f"{len(figures.per_image):,}", *means], "strong"))
            rows += _interval_rows(figures, metrics, word)
        caption = (
            "Means over frames. 95 % intervals by bootstrap: over frames, for other frames of "
            f"these {word}s; over {word}s, for other {word}s."
        )
        title = "Every figure with its protocol and cap"
        parts.append(DataTable(title, ["", "frames", *map(titled, metrics)], rows, caption))
    if with_paper:
        paper = [Row([name, *(fixed(v) for v in row)]) for name, row in TABLE_1.items()]
        ours = by_key["bts_cap80"].mean
        own = Row(["this evaluation", *(fixed(ours[name]) for name in TABLE_1_METRICS)], "strong")
        head = ["", *map(titled, TABLE_1_METRICS)]
        caption = f"Table I: {TABLE_1_PROTOCOL}. Comparable only on these frames."
        parts.append(
            Folded("Beside Table I of the paper", [DataTable("", head, [own, *paper], caption)])
        )
    return parts


def _interval_rows(figures: ProtocolFigures, metrics: Sequence[str], word: str) -> list[Row]:
    rows = []
    kinds = [("95 %", "", figures.confidence_95)]
    if figures.confidence_95_over_scenes is not None:
        drives = f"{len(figures.by_drive)} {word}s"
        kinds.append((f"95 % over {word}s", drives, figures.confidence_95_over_scenes))
    for name, of, ends in kinds:
        for side, end in enumerate(("from", "to")):
            cells = (fixed(ends[metric][side]) for metric in metrics)
            rows.append(Row([f"{name} {end}", of if side == 0 else "", *cells], "faint"))
    return rows


def _by_distance(figures: ProtocolFigures) -> list[Chart]:
    names = [f"{row.start:g}\u2013{row.to:g}" for row in figures.by_depth]
    charts = []
    for title, label, values, told in (
        ("Relative error", "AbsRel", [row.abs_rel for row in figures.by_depth], "AbsRel {:.3f}"),
        ("Error in metres", "RMSE, m", [row.rmse for row in figures.by_depth], "RMSE {:.2f} m"),
        (
            "Too near or too far",
            "mean of predicted \N{MINUS SIGN} true, m",
            [row.bias for row in figures.by_depth],
            "{:+.2f} m",
        ),
    ):
        drawn = [(n, v, f"{n} m: {told.format(v)}") for n, v in zip(names, values, strict=True)]
        charts.append(bar_chart(title, drawn, x_label="true distance, m", y_label=label))
    return charts


def _distance_table(figures: ProtocolFigures) -> Folded:
    pixels = sum(row.pixels for row in figures.by_depth)
    rows = [
        Row(
            [
                f"{row.start:g} to {row.to:g} m",
                f"{row.pixels:,}",
                percent(row.pixels / pixels, 1),
                fixed(row.abs_rel),
                fixed(row.rmse, 2),
                signed(row.bias, 2),
            ]
        )
        for row in figures.by_depth
    ]
    head = ["true distance", "pixels", "share", "AbsRel ↓", "RMSE m ↓", "mean error m"]
    return Folded("The same as a table", [DataTable("", head, rows)])


def _by_drive(figures: ProtocolFigures, word: str) -> list[Part]:
    metric = "abs_rel" if "abs_rel" in figures.mean else "abs_error_rel"
    parts: list[Part] = []
    worst_first = sorted(figures.by_drive.items(), key=lambda item: -item[1].mean[metric])
    if len(worst_first) > 1:
        short = short_scene_names(figures.by_drive)
        values = [
            (short[name], own.mean[metric], fixed(own.mean[metric]))
            for name, own in worst_first[:_DRIVES]
        ]
        notes = [counted(own.images, "frame") for _, own in worst_first[:_DRIVES]]
        more = len(worst_first) - _DRIVES
        caption = f"{more} {word}s with smaller errors are left out." if more > 0 else ""
        title = f"{metric_title(metric)} by {word}, worst first"
        parts.append(bars(title, values, notes=notes, caption=caption))
    if len(figures.per_image) > 1:
        parts.append(Charts(_by_frame(figures, metric)))
    worst = sorted(figures.per_image.items(), key=lambda item: -item[1][metric])[:_FRAMES_LISTED]
    metrics = ordered_metrics(list(figures.mean))
    rows = [Row([name, *(fixed(own[m]) for m in metrics)]) for name, own in worst]
    listed = DataTable("", ["frame", *map(titled, metrics)], rows)
    count = "All frames" if len(rows) == len(figures.per_image) else f"The {len(rows)} worst frames"
    parts.append(Folded(f"{count} by {metric_title(metric)}", [listed]))
    return parts


def _by_frame(figures: ProtocolFigures, metric: str) -> list[Chart]:
    second = "rmse" if "rmse" in figures.mean else "irmse"
    values = np.array([own[metric] for own in figures.per_image.values()])
    shares = np.linspace(0, 1, min(len(values), 101))
    curve = list(zip(np.quantile(values, shares).tolist(), (100 * shares).tolist(), strict=True))
    mean, middle = float(values.mean()), float(np.median(values))
    return [
        *(_frame_dots(figures, shown) for shown in (metric, second) if shown in figures.mean),
        line_chart(
            "How many frames are better",
            [Series("frames", curve)],
            x_label=_labelled(metric),
            y_label="share of frames, %",
            note=f"Mean {mean:.3f}, median {middle:.3f}.",
        ),
    ]


def _frame_dots(figures: ProtocolFigures, metric: str) -> Chart:
    title = metric_title(metric)
    values = [own[metric] for own in figures.per_image.values()]
    step = -(-len(values) // _DOTS)
    numbered = list(enumerate(figures.per_image, 1))[::step]
    dots = Series(
        title,
        [(number, values[number - 1]) for number, _ in numbered],
        dots=True,
        line=False,
        labels=[f"{name}: {title} {values[number - 1]:.3f}" for number, name in numbered],
    )
    return line_chart(
        f"{title.split()[0]} frame by frame",
        [dots],
        x_label="frame of the list",
        y_label=_labelled(metric),
        note=f"One frame in {step}." if step > 1 else "",
    )


def _labelled(metric: str) -> str:
    """Name with its unit behind a comma, as axes have it."""
    name, _, unit = metric_title(metric).partition(" ")
    return f"{name}, {unit}" if unit else name


def _reliability(found: ReliabilityContent) -> Section:
    charts = []
    for metric, by_order in found.remaining.items():
        series = [
            Series(
                f"{_ORDERS[order][0]}, AUSE {found.ause[metric][order]:.4f}",
                [(100 * s, v) for s, v in zip(found.share_removed, values, strict=True)],
                color=_ORDERS[order][1],
                dashed=_ORDERS[order][2],
            )
            for order, values in by_order.items()
            if order in _ORDERS
        ]
        name = metric_title(metric).split()[0]
        charts.append(
            line_chart(
                f"{name} without the most uncertain pixels",
                series,
                x_label="pixels removed, %",
                y_label=_labelled(metric),
            )
        )
    charts.append(_within(found.calibration.by_predicted_depth))
    overall = found.calibration.overall
    tiles = Tiles(
        [
            Tile("Within 1 sigma", percent(overall.within_1_sigma, 1), note="68 % if Gaussian"),
            Tile("Within 2 sigma", percent(overall.within_2_sigma, 1), note="95 % if Gaussian"),
            Tile("Mean sigma", fixed(overall.mean_sigma), note="of ln(depth)"),
            Tile("Mean error", fixed(overall.mean_log_error), note="of ln(depth)"),
        ]
    )
    intro = (
        "Whether the network knows where it errs. The lower a curve, the better its order finds "
        "the errors; AUSE is the area above the order by the error itself."
    )
    parts: list[Part] = [tiles, Charts(charts), _sigma_table(found.calibration)]
    return Section("What the network says of its errors", parts, intro)


def _within(rows: Sequence[SigmaBin]) -> Chart:
    middles = [(row.start + row.to) / 2 for row in rows]
    lines = (
        ("within 1 sigma (Gaussian: 68 %)", "within_1_sigma", "s1"),
        ("within 2 sigma (Gaussian: 95 %)", "within_2_sigma", "s3"),
    )
    series = [
        Series(
            text,
            [(m, 100 * getattr(row, key)) for m, row in zip(middles, rows, strict=True)],
            color,
            dots=True,
            labels=[
                f"{row.start:g} to {row.to:g} m: {percent(getattr(row, key), 1)} {text}"
                for row in rows
            ],
        )
        for text, key, color in lines
    ]
    return line_chart(
        "Errors within what is stated",
        series,
        x_label="predicted distance, m",
        y_label="share of pixels, %",
    )


def _sigma_table(found: Calibration) -> Folded:
    rows = []
    for kind, of_kind in (("true", found.by_depth), ("predicted", found.by_predicted_depth)):
        for row in of_kind:
            cells = [percent(row.within_1_sigma, 1), percent(row.within_2_sigma, 1)]
            cells += [fixed(row.mean_sigma), fixed(row.mean_log_error)]
            name = f"{kind} {row.start:g} to {row.to:g} m"
            rows.append(Row([name, f"{row.pixels:,}", *cells]))
    head = ["distance", "pixels", "1 sigma", "2 sigma", "mean sigma", "mean error"]
    caption = "Sigma and error are of ln(depth)."
    return Folded("By true and by predicted distance", [DataTable("", head, rows, caption)])


def _pictures(frames: Sequence[FrameLayers]) -> Section:
    groups = {frame.note.group for frame in frames}
    title = "Worst and best frames" if len(groups) > 1 else "Frames"
    intro = (
        "Drag over a picture, or use the arrow keys: what is left of the line is the left picture. "
        "Grey is where there is no ground truth or no depth."
    )
    return Section(title, [Frames(worst_first(frames))], intro)


def _how(run: Mapping[str, Any]) -> list[Part]:
    apart = {"hints", "frames", "windows", "principal_points"}
    plain = {name.replace("_", " "): run[name] for name in run if name not in apart}
    facts = list(flattened(plain))
    for protocol, windows in run.get("windows", {}).items():
        facts += [
            (
                f"window of {protocol}, {size}",
                "rows {top}:{bottom}, columns {left}:{right}".format(**w),
            )
            for size, w in windows.items()
        ]
    if points := run.get("principal_points"):
        facts.append(("principal points", source_line(points).partition(": ")[2]))
    return [Facts(facts)] if facts else [Note("The file does not say.")]
