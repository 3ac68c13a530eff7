"""A soak for people: its verdicts and its stretches as Markdown, and its course as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from hma_depth_ros.benchmarks.soak.soak_report import LATENCY_FACTOR, by_minute, verdicts
from hma_depth_ros.files import atomic_path

_WORDS = {True: "yes", False: "**no**", None: "cannot be told"}
#: Rows that a table may have; with more minutes several share one.
_ROWS = 12
_MIB = 2**20


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
    figure = Figure(figsize=(11, 9), dpi=110, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    arguments = content["arguments"]
    figure.suptitle(
        f"The depth node for {len(content['minutes'])} minutes: {arguments['rate']:g} images of "
        f"{arguments['image_size']} a second, all {len(content['topics'])} topics heard",
        fontsize=11,
    )
    latency, fates, memory, handles = figure.subplots(4, 1, sharex=True)
    _latency(latency, content["minutes"])
    _fates(fates, content)
    _memory(memory, content["samples"])
    _handles(handles, content["samples"])
    handles.set_xlabel("minutes since the warm-up")
    for axes in (latency, fates, memory, handles):
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.08, 0.5))
    with atomic_path(path) as temporary:
        canvas.print_png(str(temporary))


def _latency(axes: Axes, minutes: Sequence[dict[str, Any]]) -> None:
    known = [minute for minute in minutes if minute["p99"] is not None]
    middle = [minute["begin"] / 60 + 0.5 for minute in known]
    axes.set_title("from the image's sending to its last output's arrival, by minute", fontsize=9)
    axes.plot(middle, [1e3 * m["p99"] for m in known], "o-", ms=3, color="#c2410c", label="p99")
    axes.plot(middle, [1e3 * m["p50"] for m in known], "o-", ms=3, color="#2563eb", label="p50")
    if known:
        bound = 1e3 * LATENCY_FACTOR * known[0]["p99"]
        label = f"{LATENCY_FACTOR:g} x the first p99"
        axes.axhline(bound, color="#6b7280", ls="--", lw=1, label=label)
    axes.set_ylabel("latency, ms")
    axes.set_ylim(0)


def _fates(axes: Axes, content: dict[str, Any]) -> None:
    minutes, samples = content["minutes"], content["samples"]
    middle = [minute["begin"] / 60 + 0.5 for minute in minutes]
    left = [minute["sent"] - minute["whole"] for minute in minutes]
    axes.set_title("images that gave way to newer ones, and what else the machine did", fontsize=9)
    axes.bar(middle, left, width=0.8, color="#f59e0b", label="not computed")
    axes.set_ylabel("images a minute")
    right = axes.twinx()
    others = by_minute(samples, "cores_of_others")
    right.plot(
        [number + 0.5 for number in others],
        [sum(values) / len(values) for values in others.values()],
        color="#6b7280",
        lw=1,
    )
    right.set_ylabel("cores used by others")
    right.set_ylim(bottom=0)
    axes.plot([], [], color="#6b7280", lw=1, label="cores of others")


def _memory(axes: Axes, samples: Sequence[dict[str, Any]]) -> None:
    when = [sample["second"] / 60 for sample in samples]
    axes.set_title("memory of the node's process", fontsize=9)
    for name, label, color in (
        ("resident", "resident", "#15803d"),
        ("anonymous", "of it its own", "#2563eb"),
        ("shared", "of it shared (DDS)", "#c2410c"),
    ):
        axes.plot(when, [s[name] / _MIB for s in samples], color=color, lw=1, label=label)
    axes.set_ylabel("MiB")
    axes.set_ylim(0, 1.1 * max((s["resident"] / _MIB for s in samples), default=1))


def _handles(axes: Axes, samples: Sequence[dict[str, Any]]) -> None:
    when = [sample["second"] / 60 for sample in samples]
    axes.set_title("threads and file descriptors of the node's process", fontsize=9)
    for name, label, color in (
        ("threads", "threads", "#2563eb"),
        ("descriptors", "file descriptors", "#c2410c"),
    ):
        axes.plot(when, [sample[name] for sample in samples], color=color, lw=1, label=label)
    axes.set_ylabel("number")
    axes.set_ylim(0, 1.2 * max((max(s["threads"], s["descriptors"]) for s in samples), default=1))
