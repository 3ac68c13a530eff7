"""The page of a training run: its curves, and what the weights see that it left."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hma_depth_ros.data.frame_name import short_scene_names
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.evaluation.metrics import HIGHER_IS_BETTER
from hma_depth_ros.evaluation.quick_error import ALL
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
from hma_depth_ros.html_report.page_texts import counted, fixed, flattened, titled
from hma_depth_ros.html_report.svg_chart import Chart, Series, line_chart, thinned
from hma_depth_ros.html_report.training_log import LoggedValidation, TrainingLog, read_training_log
from hma_depth_ros.structured_text import parse_json
from hma_depth_ros.training.run_config import TrainConfig
from hma_depth_ros.training.run_folder import RunFolder
from hma_depth_ros.visualization.attention_color import scale_names
from hma_depth_ros.visualization.frame_layers import FrameLayers

#: Curves over steps: name in the log, title, axis, whether it is logarithmic.
_CURVES = (
    ("loss", "Loss", "loss", False),
    ("learning_rate", "Learning rate", "learning rate", True),
    ("images_per_second", "Speed", "images a second", False),
)
#: Metrics of validations, as charts and as columns.
_CHARTED = ("abs_rel", "d1", "rmse")
_LISTED = ("d1", "abs_rel", "rmse", "rmse_log", "silog")
#: Drives that have a curve of their own.
_DRIVES = 6


def write_training_page(path: Path, run: Path) -> None:
    """Write the page of a training run, finished or not.

    Args:
        path: of the HTML file.
        run: its folder.

    Raises:
        HmaDepthError: there is no run, its log cannot be read, or the file cannot be written.

    """
    from hma_depth_ros.html_report.render_page import write_page

    write_page(path, training_page(RunFolder(run)))


def training_page(folder: RunFolder) -> Page:
    """The page; see `write_training_page`."""
    from hma_depth_ros.html_report.validated_frames import validated_frames

    config = folder.read_config()
    log = read_training_log(folder.metrics)
    sections = [Section("Figures", _overview(config, log))]
    if log.validations:
        sections.append(Section("Validation", _validation(log), _measure(config)))
    sections.append(Section("Training", [Charts(_curves(log))], _thinned_note(log)))
    frames: Sequence[FrameLayers] = []
    remark: list[Part] = []
    try:
        frames = validated_frames(folder)
    except HmaDepthError as error:  # the run's files may lie elsewhere by now; its log is here
        remark = [Note(f"No frames are shown: {error}")]
    if frames or remark:
        intro = "By the best weights. Drag over a picture, or use the arrow keys."
        parts: list[Part] = [Frames(worst_first(frames))] if frames else remark
        sections.append(Section("Validation frames", parts, intro if frames else ""))
    settings = Folded("The whole configuration", [Facts(list(flattened(asdict(config))))])
    environment = Facts(list(flattened(_environment(folder))))
    sections.append(Section("How it was made", [environment, settings]))
    facts = [("Run", str(folder.path)), ("Network", _network(config))]
    facts += [("Description", config.run.description)] if config.run.description else []
    return Page("Training run", _headline(folder, log, config), sections, facts)


def _network(config: TrainConfig) -> str:
    model = config.model
    return model.preset if model.encoder is None else f"{model.preset}, {model.encoder}"


def _headline(folder: RunFolder, log: TrainingLog, config: TrainConfig) -> str:
    metric = config.validation.metric
    best = _best(log, metric)
    name = folder.path.absolute().name
    if best is None:
        return f"{name}, {log.last_step:,} steps"
    return f"{name}: {titled(metric)[:-2]} {best[0]:.4f} {_whose(best[1])}"


def _whose(found: LoggedValidation) -> str:
    """Which weights those of a validation are."""
    if found.trained_share == 1:
        return f"after epoch {found.epoch + 1}"
    if found.trained_share == 0:
        return "before training"
    return f"with {found.trained_share:g} of what training changed"


def _best(log: TrainingLog, metric: str) -> tuple[float, LoggedValidation] | None:
    """Best value of a metric, and its validation."""
    values = [
        (found.validation[ALL][metric], found)
        for found in (*log.validations, *log.blends)
        if metric in found.validation.get(ALL, {})
    ]
    if not values:
        return None
    sign = -1 if metric in HIGHER_IS_BETTER else 1
    return min(values, key=lambda pair: sign * pair[0])


def _overview(config: TrainConfig, log: TrainingLog) -> list[Part]:
    tiles = []
    metric = config.validation.metric
    if (best := _best(log, metric)) is not None:
        whole = best[1].trained_share == 1
        note = f"epoch {best[1].epoch + 1} of {config.optimiser.epochs}"
        note = note if whole else _whose(best[1])
        tiles.append(Tile(f"Best {titled(metric)}", f"{best[0]:.4f}", note=note))
    if log.validations:
        last = log.validations[-1].validation[ALL]
        if "d1" in last:
            tiles.append(Tile("δ1 at the end", f"{100 * last['d1']:.1f}", "%"))
        if "rmse" in last:
            tiles.append(Tile("RMSE at the end", fixed(last["rmse"], 2), "m"))
    if losses := log.steps.get("loss"):
        tiles.append(Tile("Loss", fixed(losses[-1][1]), note=f"first {losses[0][1]:.3f}"))
    if rates := log.steps.get("images_per_second"):
        middle = sorted(value for _, value in rates)[len(rates) // 2]
        tiles.append(Tile("Speed", fixed(middle, 1), "images/s", "median"))
    skipped = log.steps.get("skipped", [(0.0, 0.0)])[-1][1]
    note = counted(int(skipped), "step") + " skipped" if skipped else "none skipped"
    tiles.append(Tile("Steps", f"{log.last_step:,}", note=note))
    return [Tiles(tiles)]


def _measure(config: TrainConfig) -> str:
    section = config.validation
    protocol = section.protocol
    by = "the data set's default protocol" if protocol is None else f"the protocol {protocol}"
    when = "After each epoch" if section.every == 1 else f"Every {section.every} epochs"
    return f"{when}, by {by}."


def _validation(log: TrainingLog) -> list[Part]:
    validations = log.validations
    charts = []
    for metric in _CHARTED:
        points = [
            (float(found.epoch + 1), found.validation[ALL][metric])
            for found in validations
            if metric in found.validation.get(ALL, {})
        ]
        name = titled(metric)[:-2]
        series = Series(
            name, points, dots=True, labels=[f"epoch {x:g}: {y:.4f}" for x, y in points]
        )
        label = name.replace(" m", ", m")
        charts.append(
            line_chart(name.split()[0], [series], x_label="epoch", y_label=label, zero=False)
        )
    drives = [name for name in validations[-1].validation if name != ALL]
    if 1 < len(drives) <= _DRIVES:
        charts.append(_by_drive(log, drives))
    scales = len(validations[-1].mask_shares)
    if scales:
        charts.append(_masks(log, scales))
    parts: list[Part] = [Charts(charts)]
    if len(drives) > 1:
        last = validations[-1].validation
        worst_first = sorted(drives, key=lambda drive: -last[drive]["abs_rel"])
        short = short_scene_names(drives)
        values = [(short[d], last[d]["abs_rel"], fixed(last[d]["abs_rel"])) for d in worst_first]
        parts.append(bars("AbsRel by drive at the end, worst first", values))
    rows = [
        Row(
            [
                f"{found.epoch + 1}" if found.trained_share == 1 else _whose(found),
                f"{found.step:,}",
                *(fixed(found.validation[ALL].get(metric), 4) for metric in _LISTED),
            ]
        )
        for found in (*validations, *log.blends)
    ]
    table = DataTable("", ["epoch", "steps", *map(titled, _LISTED)], rows)
    return [*parts, Folded("All validations", [table])]


def _by_drive(log: TrainingLog, drives: Sequence[str]) -> Chart:
    short = short_scene_names(drives)
    series = [
        Series(
            short[drive],
            [
                (found.epoch + 1.0, found.validation[drive]["abs_rel"])
                for found in log.validations
                if drive in found.validation
            ],
            color=f"s{number}",
            dots=True,
        )
        for number, drive in enumerate(drives, 1)
    ]
    return line_chart("AbsRel by drive", series, x_label="epoch", y_label="AbsRel", zero=False)


def _masks(log: TrainingLog, scales: int) -> Chart:
    series = [
        Series(
            name,
            [
                (found.epoch + 1.0, 100 * found.mask_shares[index])
                for found in log.validations
                if len(found.mask_shares) == scales
            ],
            color=f"m{index + 1}",
            dots=True,
        )
        for index, name in enumerate(scale_names(scales))
    ]
    return line_chart(
        "Which scale decides", series, x_label="epoch", y_label="mean weight of each mask, %"
    )


def _curves(log: TrainingLog) -> list[Chart]:
    return [
        line_chart(
            title,
            [Series(title, thinned(log.steps[name]))],
            x_label="step",
            y_label=label,
            log=logarithmic,
        )
        for name, title, label, logarithmic in _CURVES
        if name in log.steps
    ]


def _thinned_note(log: TrainingLog) -> str:
    points = max((len(values) for values in log.steps.values()), default=0)
    drawn = max((len(thinned(values)) for values in log.steps.values()), default=0)
    if drawn == points:
        return "Each point is the mean of the steps since the one before it."
    return f"Each point is the mean of {-(-points // drawn)} logged ones."


def _environment(folder: RunFolder) -> Mapping[str, Any]:
    try:
        found = parse_json(folder.environment.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise HmaDepthError(f"cannot read {folder.environment}: {error}") from error
    if not isinstance(found, Mapping):
        raise HmaDepthError(f"{folder.environment} is not what train writes")
    command = found.get("command")
    return {**found, "command": shlex.join(map(str, command))} if command else found
