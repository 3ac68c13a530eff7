"""The figures as tables for people and as JSON for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.table import Table

from hma_depth_ros.benchmarks.model_speed import ModelReport
from hma_depth_ros.benchmarks.predictor_speed import PredictorReport
from hma_depth_ros.benchmarks.timing import Timing

if TYPE_CHECKING:  # without ROS the other parts work
    from hma_depth_ros.benchmarks.node_speed import NodeReport

_MEBIBYTE = 2**20


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title)
    for name in ("", *columns):
        table.add_column(name, justify="right" if name else "left")
    return table


def _ms(seconds: float) -> str:
    return f"{1e3 * seconds:.1f}"


def _quartiles(timing: Timing) -> str:
    return " to ".join(_ms(seconds) for seconds in timing.quartiles)


def model_table(report: ModelReport) -> Table:
    """One row for each candidate; the first one is the measure of all ratios."""
    height, width = report.size
    table = _table(
        f"one image of {height}x{width}, {report.gflop:.1f} GFLOP",
        "median ms",
        "quartiles",
        "ratio",
        "images/s",
        "CPU ms",
        "GFLOP/s",
        "MiB",
    )
    first = next(iter(report.timings.values())).median
    for name, timing in report.timings.items():
        # A baseline's operations are not known.
        rate = "" if name.startswith("baseline") else f"{report.gflop / timing.median:.0f}"
        table.add_row(
            name,
            _ms(timing.median),
            _quartiles(timing),
            f"{first / timing.median:.2f}",
            f"{1 / timing.median:.1f}",
            _ms(timing.cpu_median),
            rate,
            f"{report.memory[name] / _MEBIBYTE:.0f}",
        )
    return table


def stage_table(report: ModelReport) -> Table:
    """Roofline: GFLOP/s of each part, and their share of a plain matrix product's."""
    columns = (f"{p} {what}" for p in report.stages for what in ("ms", "GFLOP/s", "of product"))
    table = _table("parts of the network in PyTorch, medians", "GFLOP", *columns)
    for name, gflop in report.stage_gflop.items():
        cells = []
        for precision, stages in report.stages.items():
            seconds = stages[name].median
            share = gflop / seconds / report.products[precision]
            cells += [f"{1e3 * seconds:.2f}", f"{gflop / seconds:.0f}", f"{share:.0%}"]
        table.add_row(name, f"{gflop:.2f}", *cells)
    return table


def model_figures(report: ModelReport) -> dict[str, Any]:
    """For JSON; times in seconds."""
    return {
        "size": report.size,
        "gflop": report.gflop,
        "matrix_product_gflops": report.products,
        "left_out": report.left_out,
        "stage_gflop": report.stage_gflop,
        "stages": {
            precision: {name: timing.figures() for name, timing in stages.items()}
            for precision, stages in report.stages.items()
        },
        "candidates": {
            name: {
                **timing.figures(),
                "images_per_second": 1 / timing.median,
                "memory_bytes": report.memory[name],
                "first_seconds": report.first[name],
                "hardware": report.hardware[name],
            }
            for name, timing in report.timings.items()
        },
    }


def predictor_tables(report: PredictorReport) -> list[Table]:
    """Stages of a frame; then, of several cameras, milliseconds of a frame."""
    size, inner = (f"{h}x{w}" for h, w in (report.image_size, report.network_size))
    stages = list(next(iter(report.candidates.values())).stages)
    table = _table(
        f"{', '.join(report.outputs) or 'nothing'} of an image of {size}, network at {inner}; ms",
        "median",
        "quartiles",
        *stages,
        "frames/s",
        "CPU",
        "MiB",
    )
    for name, found in report.candidates.items():
        table.add_row(
            name,
            _ms(found.total.median),
            _quartiles(found.total),
            *(_ms(found.stages[stage].median) for stage in stages),
            f"{1 / found.total.median:.1f}",
            _ms(found.total.cpu_median),
            f"{found.memory / _MEBIBYTE:.0f}",
        )
    counts = list(next(iter(report.candidates.values())).batched)
    if not counts:
        return [table]
    cameras = _table(
        "several cameras: ms of a frame, as one batch / one after the other",
        *(f"{count} camera{'s' if count > 1 else ''}" for count in counts),
    )
    for name, found in report.candidates.items():
        cells = (
            f"{_ms(found.batched[count].median)} / {_ms(found.one_by_one[count].median)}"
            for count in counts
        )
        cameras.add_row(name, *cells)
    return [table, cameras]


def predictor_figures(report: PredictorReport) -> dict[str, Any]:
    """For JSON; times in seconds, those of several cameras of a frame."""
    return {
        "image_size": report.image_size,
        "network_size": report.network_size,
        "outputs": report.outputs,
        "left_out": report.left_out,
        "candidates": {
            name: {
                **found.total.figures(),
                "stages": {stage: timing.figures() for stage, timing in found.stages.items()},
                "batched": {n: timing.figures() for n, timing in found.batched.items()},
                "one_by_one": {n: timing.figures() for n, timing in found.one_by_one.items()},
                "memory_bytes": found.memory,
            }
            for name, found in report.candidates.items()
        },
    }


def node_tables(report: NodeReport) -> list[Table]:
    """What a listener gets, and what the nodes do for it."""
    settings = {(found.cameras, found.threads) for found in report.candidates.values()}
    rigs = len(settings) > 1 or max(settings)[0] > 1
    shared = any(found.nodes < found.cameras for found in report.candidates.values())
    rig_columns = ("cameras", *(("nodes",) if shared else ()), "threads") if rigs else ()
    outside = _table(
        "nodes of several cameras, seen from outside; ms"
        if rigs
        else "the node, seen from outside; ms",
        *rig_columns,
        *(("images/s in", "frames/s each", "in all") if rigs else ("frames/s",)),
        "image to last output",
        "quartiles",
        "CPU of a frame",
        "peak MiB in all" if rigs else "peak MiB",
    )
    stages = list(next(iter(report.candidates.values())).stages)
    inside = _table(
        "in the node: medians by stage; ms",
        *rig_columns,
        *stages,
        "hand-over",
        "forward alone",
        "beyond forward",
        "MB published",
        "one copy of it",
    )
    for name, found in report.candidates.items():
        if rigs:
            start = [
                f"{found.setup['engine']} {found.setup['precision']}",
                str(found.cameras),
                *([str(found.nodes)] if shared else []),
                str(found.threads or "engine's"),
            ]
            slowest, fastest = min(found.frame_rates), max(found.frame_rates)
            each = f"{slowest:.1f}" + (f" to {fastest:.1f}" if found.cameras > 1 else "")
            rates = [f"{sum(found.sent):.1f}", each, f"{sum(found.frame_rates):.1f}"]
        else:
            start, rates = [name], [f"{found.frame_rates[0]:.1f}"]
        outside.add_row(
            *start,
            *rates,
            _ms(found.end_to_end.median),
            _quartiles(found.end_to_end),
            _ms(found.period.cpu_median),
            f"{found.peak_bytes / _MEBIBYTE:.0f}",
        )
        inside.add_row(
            *start,
            *(f"{1e3 * found.stages[stage].median:.2f}" for stage in stages),
            f"{1e3 * found.hand_over.median:.2f}" if found.hand_over.wall else "",
            _ms(found.forward_alone.median),
            f"{found.overhead:.0%}",
            f"{found.frame_bytes / 1e6:.1f}",
            _ms(found.copy.median),
        )
    return [outside, inside]


def node_figures(report: NodeReport) -> dict[str, Any]:
    """For JSON; times in seconds, those of several cameras together unless by camera."""
    return {
        "left_out": report.left_out,
        "candidates": {
            name: {
                "setup": found.setup,
                "cameras": found.cameras,
                "nodes": found.nodes,
                "threads": found.threads,
                "frames": found.frames,
                "period": found.period.figures(),
                "rates": {
                    topic: sum(rates[topic] for rates in found.rates) for topic in found.rates[0]
                },
                "by_camera": [
                    {"images_per_second": sent, "frames_per_second": frames, "rates": rates}
                    for sent, frames, rates in zip(
                        found.sent, found.frame_rates, found.rates, strict=True
                    )
                ],
                "end_to_end": found.end_to_end.figures(),
                "stages": {stage: timing.figures() for stage, timing in found.stages.items()},
                "hand_over": found.hand_over.figures() if found.hand_over.wall else None,
                "forward_alone": found.forward_alone.figures(),
                "overhead": found.overhead,
                "frame_bytes": found.frame_bytes,
                "copy": found.copy.figures(),
                "peak_bytes": found.peak_bytes,
                "dropped": found.dropped,
            }
            for name, found in report.candidates.items()
        },
    }
