"""A soak for people: its verdicts and its stretches as Markdown, and its course as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from hma_depth_ros.benchmarks.soak.soak_report import LATENCY_FACTOR, by_minute, verdicts
from hma_depth_ros.files import atomic_path
from hma_depth_ros.visualization.palette import LIGHT
from hma_depth_ros.visualization.plot_style import PLOT_STYLE

_WORDS = {True: "yes", False: "**no**", None: "cannot be told"}
#: Rows that a table may have; with more minutes several share one.
_ROWS = 12
_MIB = 2**20
#: Above a picture: what it is of.
_NOTE = {"fontsize": 10, "color": LIGHT.faint_ink, "x": 0.01, "horizontalalignment": "left"}


def soak_page(content: dict[str, Any]) -> str:
    """What was run, the verdicts and a table of its course, in Markdown."""
    arguments, machine, setup = content["arguments"], content["machine"], content["setup"]
    minutes = content["minutes"]
    length = f"{len(minutes)} minute{'' if len(minutes) == 1 else 's'}"
    run = (
        f"{length} from {content['began']}, {arguments['rate']:g} images of "
        f"{arguments['image_size']} a second, {len(content['topics'])} topics heard, "
        f"{' '.join(arguments['parameters']) or 'default parameters'}. "
        f"{machine['cpu']}, {machine['cores']} cores; engine {setup.get('engine', '?')}, "
        f"precision {setup.get('precision', '?')}."
    )
    rows = [
        "| promise | kept | found |",
        "|---|---|---|",
        *(f"| {v.promise} | {_WORDS[v.kept]} | {v.found} |" for v in verdicts(content)),
    ]
    return "\n".join([run, "", *rows, "", *_course(content), ""])


def _course(content: dict[str, Any]) -> list[str]:
    minutes, samples = content["minutes"], content["samples"]
    rows = [
        "| minute | sent | came out | p50 ms | p99 ms | resident MiB | threads | descriptors "
        "| cores of others |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    figures = {
        name: by_minute(samples, name)
        for name in ("resident", "threads", "descriptors", "cores_of_others")
    }
    each = max(1, -(-len(minutes) // _ROWS))
    for first in range(0, len(minutes), each):
        part = minutes[first : first + each]
        numbers = range(first, first + len(part))
        of = {
            name: [value for number in numbers for value in values.get(number, [])]
            for name, values in figures.items()
        }
        title = f"{first + 1}" if each == 1 else f"{first + 1} to {first + len(part)}"
        p50 = [minute["p50"] for minute in part if minute["p50"] is not None]
        p99 = [minute["p99"] for minute in part if minute["p99"] is not None]
        cells = [
            title,
            str(sum(minute["sent"] for minute in part)),
            str(sum(minute["whole"] for minute in part)),
            f"{1e3 * median(p50):.0f}" if p50 else "",
            _span([f"{1e3 * value:.0f}" for value in (min(p99), max(p99))]) if p99 else "",
            f"{median(of['resident']) / _MIB:.1f}" if of["resident"] else "",
            _span([str(v) for v in (min(of["threads"]), max(of["threads"]))])
            if of["threads"]
            else "",
            _span([str(v) for v in (min(of["descriptors"]), max(of["descriptors"]))])
            if of["descriptors"]
            else "",
            f"{sum(of['cores_of_others']) / len(of['cores_of_others']):.2f}"
            if of["cores_of_others"]
            else "",
        ]
        rows.append(f"| {' | '.join(cells)} |")
    return rows


def _span(ends: Sequence[str]) -> str:
    return ends[0] if ends[0] == ends[-1] else f"{ends[0]} to {ends[-1]}"


def write_soak_plot(path: Path, content: dict[str, Any]) -> None:
    """Latency, fates, memory, and threads with descriptors over time, as a PNG.

    Raises:
        HmaDepthError: the file cannot be written.

    """
    with rc_context(PLOT_STYLE):
        figure = Figure(figsize=(10, 10), dpi=110)
        figure.set_layout_engine("constrained", w_pad=0.1, h_pad=0.06)
        canvas = FigureCanvasAgg(figure)
        arguments = content["arguments"]
        figure.suptitle(
            f"The depth node for {len(content['minutes'])} minutes: {arguments['rate']:g} images "
            f"of {arguments['image_size']} a second, {len(content['topics'])} topics heard",
            **_NOTE,
        )
        rows = figure.subplots(5, 1, sharex=True, height_ratios=(1.5, 1, 1, 1, 1))
        latency, fates, others, memory, handles = rows
        _latency(latency, content["minutes"])
        _fates(fates, content["minutes"])
        _others(others, content["samples"])
        _memory(memory, content["samples"])
        _handles(handles, content["samples"])
        handles.set_xlabel("minutes since the warm-up")
        figure.align_ylabels(rows)
        for axes in rows:
            axes.grid()
            if len(axes.get_legend_handles_labels()[1]) > 1:
                axes.legend(loc="lower right", bbox_to_anchor=(1, 0.98), ncols=3, borderpad=0)
        canvas.draw()
    with atomic_path(path) as temporary:
        canvas.print_png(str(temporary))


def _latency(axes: Axes, minutes: Sequence[dict[str, Any]]) -> None:
    known = [minute for minute in minutes if minute["p99"] is not None]
    middle = [minute["begin"] / 60 + 0.5 for minute in known]
    axes.set_title("From an image to its last output, by minute")
    for number, name in enumerate(("p50", "p99")):
        times = [1e3 * minute[name] for minute in known]
        axes.plot(middle, times, "o-", ms=3, color=LIGHT.series[number], label=name)
    if known:
        bound = 1e3 * LATENCY_FACTOR * known[0]["p99"]
        label = f"{LATENCY_FACTOR:g} times the first p99"
        axes.axhline(bound, color=LIGHT.faint_ink, ls="--", lw=1, label=label)
    axes.set_ylabel("latency, ms")
    axes.set_ylim(0)


def _fates(axes: Axes, minutes: Sequence[dict[str, Any]]) -> None:
    middle = [minute["begin"] / 60 + 0.5 for minute in minutes]
    left = [minute["sent"] - minute["whole"] for minute in minutes]
    axes.set_title("Images whose outputs did not all arrive")
    axes.bar(middle, left, width=0.8, color=LIGHT.series[1])
    axes.set_ylabel("images a minute")
    axes.set_ylim(0, max(1, 1.1 * max(left, default=1)))
    axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))


def _others(axes: Axes, samples: Sequence[dict[str, Any]]) -> None:
    others = by_minute(samples, "cores_of_others")
    axes.set_title("What other programs did on the machine")
    means = [sum(values) / len(values) for values in others.values()]
    axes.plot([number + 0.5 for number in others], means, color=LIGHT.faint_ink, lw=1.5)
    axes.set_ylabel("cores")
    axes.set_ylim(bottom=0)


def _memory(axes: Axes, samples: Sequence[dict[str, Any]]) -> None:
    axes.set_title("Memory of the node's process")
    lines = (("resident", "resident"), ("anonymous", "its own"), ("shared", "shared (DDS)"))
    _over_time(axes, samples, lines, unit=_MIB)
    axes.set_ylabel("MiB")


def _handles(axes: Axes, samples: Sequence[dict[str, Any]]) -> None:
    axes.set_title("Threads and file descriptors of the node's process")
    _over_time(axes, samples, (("threads", "threads"), ("descriptors", "file descriptors")), unit=1)
    axes.set_ylabel("number")


def _over_time(
    axes: Axes, samples: Sequence[dict[str, Any]], lines: Sequence[tuple[str, str]], *, unit: int
) -> None:
    """Lines from 0 on, each with its name in the samples and for people."""
    when = [sample["second"] / 60 for sample in samples]
    for number, (name, label) in enumerate(lines):
        values = [sample[name] / unit for sample in samples]
        axes.plot(when, values, color=LIGHT.series[number], lw=1.5, label=label)
    most = max((sample[name] / unit for sample in samples for name, _ in lines), default=1)
    axes.set_ylim(0, 1.15 * most)
