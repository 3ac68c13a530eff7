"""The page of a benchmark: candidates side by side, and where their time goes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hma_depth_ros.html_report.benchmark_figures import (
    BenchmarkFigures,
    LoaderFigures,
    ModelFigures,
    NodeFigures,
    PredictorFigures,
    TimingFigures,
    benchmark_figures,
)
from hma_depth_ros.html_report.page_parts import (
    BarRow,
    Bars,
    BarSegment,
    DataTable,
    Facts,
    Note,
    Page,
    Part,
    Row,
    Section,
    Tile,
    Tiles,
    bars,
)
from hma_depth_ros.html_report.page_texts import counted, fixed, flattened, percent

_MEBIBYTE = 2**20
#: Classes of colours, as often as there are stages.
_COLORS = ("s1", "s2", "s3", "s4", "s5", "s6")
_TITLES = {
    ModelFigures: "Benchmark of the network",
    PredictorFigures: "Benchmark of the predictor",
    NodeFigures: "Benchmark of the node",
    LoaderFigures: "Benchmark of training samples and scoring",
}


def write_benchmark_page(path: Path, content: Mapping[str, Any]) -> None:
    """Write the page of what `benchmark` writes as JSON.

    Raises:
        HmaDepthError: the file cannot be written.

    """
    from hma_depth_ros.html_report.render_page import write_page

    write_page(path, benchmark_page(content, where=str(path)))


def benchmark_page(content: Mapping[str, Any], *, where: str) -> Page:
    """The page; see `write_benchmark_page`.

    Raises:
        HmaDepthError: the content is something else; `where` says where it is from.

    """
    found = benchmark_figures(content, where)
    sections = list(_sections(found))
    left_out = getattr(found, "left_out", {})
    if left_out:
        notes = [Note(f"{name}: {reason}") for name, reason in left_out.items()]
        sections.append(Section("Left out", notes))
    how = [*flattened(content.get("machine", {})), *flattened(content["arguments"])]
    sections.append(Section("How it was measured", [Facts(how)]))
    machine = content.get("machine", {})
    facts = [
        ("Machine", str(machine.get("cpu", ""))),
        ("Cores", str(machine.get("cores", ""))),
        ("GPUs", ", ".join(machine.get("gpus", [])) or "none"),
        ("Network", Path(str(content["arguments"].get("checkpoint") or "the bundled one")).name),
    ]
    return Page(_TITLES[type(found)], _headline(found), sections, facts)


def _headline(found: BenchmarkFigures) -> str:
    if isinstance(found, LoaderFigures):
        return (
            f"{found.crops.per_second:.1f} training samples and {found.pairs.per_second:.1f} "
            "scored pairs a second"
        )
    if isinstance(found, NodeFigures):
        medians = {name: one.end_to_end.median for name, one in found.candidates.items()}
        what = "from an image to the last output"
    elif isinstance(found, PredictorFigures):
        medians = {name: one.median for name, one in found.candidates.items()}
        outputs = [name for name in ("depth", "attention", "points") if name in found.outputs]
        what = f"from an image of {_size(found.image_size)} to {', '.join(outputs)}"
    else:
        medians = {name: one.median for name, one in found.candidates.items()}
        what = f"for one image of {_size(found.size)}"
    fastest = min(medians, key=medians.__getitem__)
    return f"{_ms(medians[fastest])} ms {what}, by {fastest}"


def _sections(found: BenchmarkFigures) -> Sequence[Section]:
    if isinstance(found, LoaderFigures):
        return [Section("Figures", _loader(found))]
    if isinstance(found, NodeFigures):
        return [Section("Figures", _node(found), _IN_TURN)]
    if isinstance(found, PredictorFigures):
        return [Section("Figures", _predictor(found), _IN_TURN)]
    return [Section("Figures", _model(found), _IN_TURN)]


_IN_TURN = (
    "Candidates took turns in one run: compare these rows with each other. Where quartiles lie far "
    "apart, the machine did other work, and ratios are rough."
)


def _model(found: ModelFigures) -> list[Part]:
    timings: dict[str, tuple[TimingFigures, Mapping[str, TimingFigures]]] = {
        name: (one, {}) for name, one in found.candidates.items()
    }
    first = next(iter(found.candidates.values())).median
    rows = [
        Row(
            [
                name,
                _ms(one.median),
                _quartiles(one),
                fixed(first / one.median, 2),
                fixed(one.images_per_second, 1),
                _ms(one.cpu_median),
                f"{one.memory_bytes / _MEBIBYTE:.0f}",
                one.hardware,
            ]
        )
        for name, one in found.candidates.items()
    ]
    head = ["", "median ms", "quartiles ms", "ratio", "images/s", "CPU ms", "MiB", "hardware"]
    title = f"One image of {_size(found.size)}, {found.gflop:.1f} GFLOP"
    parts: list[Part] = [
        _time_bars("Median of one image, ms", timings),
        DataTable(title, head, rows),
    ]
    for precision, stages in found.stages.items():
        product = found.matrix_product_gflops[precision]
        values = [
            (name, 1e3 * timing.median, f"{1e3 * timing.median:.2f} ms")
            for name, timing in stages.items()
        ]
        notes = []
        for name, timing in stages.items():
            rate = found.stage_gflop[name] / timing.median
            notes.append(f"{rate:.0f} GFLOP/s, {percent(rate / product)} of a matrix product")
        title = f"Parts of the network in PyTorch, {precision}"
        caption = f"A plain matrix product in {precision}: {product:.0f} GFLOP/s."
        parts.append(bars(title, values, notes=notes, caption=caption))
    return parts


def _predictor(found: PredictorFigures) -> list[Part]:
    timings: dict[str, tuple[TimingFigures, Mapping[str, TimingFigures]]] = {
        name: (one, one.stages) for name, one in found.candidates.items()
    }
    stages = list(next(iter(found.candidates.values())).stages)
    rows = [
        Row(
            [
                name,
                _ms(one.median),
                _quartiles(one),
                *(_ms(one.stages[stage].median) for stage in stages),
                fixed(1 / one.median, 1),
                _ms(one.cpu_median),
                f"{one.memory_bytes / _MEBIBYTE:.0f}",
            ]
        )
        for name, one in found.candidates.items()
    ]
    head = [
        "",
        "median ms",
        "quartiles ms",
        *(f"{s} ms" for s in stages),
        "frames/s",
        "CPU ms",
        "MiB",
    ]
    title = f"Image of {_size(found.image_size)}, network at {_size(found.network_size)}"
    parts: list[Part] = [
        _time_bars("Median of one frame by stage, ms", timings),
        DataTable(title, head, rows),
    ]
    counts = list(next(iter(found.candidates.values())).batched)
    if counts:
        cameras = [
            Row(
                [
                    name,
                    *(
                        f"{_ms(one.batched[n].median)} / {_ms(one.one_by_one[n].median)}"
                        for n in counts
                    ),
                ]
            )
            for name, one in found.candidates.items()
        ]
        columns = [counted(int(count), "camera") for count in counts]
        title = "Several cameras: ms of a frame, as one batch / one after the other"
        parts.append(DataTable(title, ["", *columns], cameras))
    return parts


def _node(found: NodeFigures) -> list[Part]:
    timings = {name: (one.end_to_end, one.stages) for name, one in found.candidates.items()}
    rows = [
        Row(
            [
                name,
                f"{one.cameras}",
                f"{one.nodes}",
                f"{one.frames:,}",
                _ms(one.end_to_end.median),
                _quartiles(one.end_to_end),
                _ms(one.forward_alone.median),
                _ms(one.period.cpu_median),
                f"{one.peak_bytes / _MEBIBYTE:.0f}",
            ]
        )
        for name, one in found.candidates.items()
    ]
    head = ["", "cameras", "nodes", "frames", "image to last output ms", "quartiles ms"]
    head += ["network alone ms", "CPU of a frame ms", "peak MiB"]
    topics = list(next(iter(found.candidates.values())).rates)
    rates = [
        Row([topic, *(fixed(one.rates.get(topic), 1) for one in found.candidates.values())])
        for topic in topics
    ]
    return [
        _time_bars("Median from an image to its last output, by stage, ms", timings),
        DataTable("The node, seen from outside", head, rows),
        DataTable("Messages a second, of all cameras", ["topic", *found.candidates], rates),
    ]


def _loader(found: LoaderFigures) -> list[Part]:
    tiles = [
        Tile("Training samples", fixed(found.crops.per_second, 1), "a second", "crops of 352x704"),
        Tile(
            "Scored pairs", fixed(found.pairs.per_second, 1), "a second", "protocol bts, two caps"
        ),
    ]
    values = [(name, value, f"{value:.1f} ms") for name, value in found.stages_ms.items()]
    rows = [
        Row(
            [
                name,
                f"{one.items:,}",
                fixed(one.seconds, 1),
                fixed(one.per_second, 1),
                fixed(1e3 * one.cpu_seconds / one.items, 1),
            ]
        )
        for name, one in (("training samples", found.crops), ("scored pairs", found.pairs))
    ]
    head = ["", "items", "seconds", "a second", "CPU ms each"]
    return [
        Tiles(tiles),
        bars("One training sample in one process", values),
        DataTable("", head, rows),
    ]


def _time_bars(
    title: str, timings: Mapping[str, tuple[TimingFigures, Mapping[str, TimingFigures]]]
) -> Bars:
    """A bar for each candidate as long as its median, divided into its stages' medians."""
    longest = max(total.median for total, _ in timings.values())
    names = list(next(iter(timings.values()))[1])
    rows = []
    for name, (total, stages) in timings.items():
        start, segments = 0.0, []
        parts = [(stage, timing.median) for stage, timing in stages.items()]
        known = sum(seconds for _, seconds in parts)
        # Medians of stages do not add up to that of the whole; they fill it by their shares.
        fit = min(1.0, total.median / known) if known > 0 else 1.0
        parts = [(stage, seconds * fit) for stage, seconds in parts] or [("", total.median)]
        for number, (stage, seconds) in enumerate(parts):
            width = 100 * seconds / longest
            label = f"{name}, {stage or 'all'}: {_ms(seconds / fit)} ms"
            segments.append(BarSegment(start, width, _COLORS[number % len(_COLORS)], label))
            start += width
        note = f"quartiles {_quartiles(total)} ms"
        rows.append(BarRow(name, segments, f"{_ms(total.median)} ms", note))
    legend = [(_COLORS[n % len(_COLORS)], stage) for n, stage in enumerate(names)]
    return Bars(title, rows, legend=legend)


def _size(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"


def _ms(seconds: float | None) -> str:
    return "" if seconds is None else f"{1e3 * seconds:.1f}"


def _quartiles(timing: TimingFigures) -> str:
    return " to ".join(_ms(seconds) for seconds in timing.quartiles)
