"""What a check came to, as tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.table import Table

from hma_depth_ros.assets import default_checkpoint
from hma_depth_ros.benchmarks.gpu_check.floor import Floor, floors
from hma_depth_ros.benchmarks.gpu_check.run_parts import PartResult
from hma_depth_ros.network.checkpoint import read_info
from hma_depth_ros.network.model_config import preset

_MEBIBYTE = 2**20
_NETWORKS_ALONE = {"model", "compiled", "onnx"}


#: By part: the least time of its network by precision.
Floors = dict[str, dict[str, Floor]]


def network_floors(results: Mapping[str, PartResult]) -> Floors:
    """Of all networks that were measured, if the card was measured too."""
    found: Floors = {}
    if "card" not in results or not results["card"].figures:
        return found
    for part, result in results.items():
        name = _network_of(part, result)
        if name is None:
            continue
        config = read_info(default_checkpoint()).model if name == "bundled" else preset(name)
        height, width = result.figures["size"]
        found[part] = floors(config, (height, width), results["card"].figures)
    return found


def _network_of(part: str, result: PartResult) -> str | None:
    """Name of the network that was measured alone."""
    kind, _, name = part.partition("_")
    return name if kind in _NETWORKS_ALONE and "candidates" in result.figures else None


def tables(results: Mapping[str, PartResult], least: Floors) -> list[Table]:
    """All tables that there are figures for; the parts' own one is the last."""
    found = [_networks(results, least), _predictors(results), _training(results)]
    return [*(table for table in found if table.row_count), _parts(results)]


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title)
    for index, name in enumerate(columns):
        table.add_column(name, justify="right" if index > 1 else "left")
    return table


def _parts(results: Mapping[str, PartResult]) -> Table:
    table = _table("parts", "part", "outcome", "seconds", "")
    for name, result in results.items():
        table.add_row(name, result.status, f"{result.seconds:.0f}", _summary(name, result))
    return table


def _summary(name: str, result: PartResult) -> str:
    figures = result.figures
    if name == "card" and figures:
        rates = {k: f"{v / 1e12:.1f}" for k, v in figures["matrix_flops"].items()}
        products = ", ".join(f"{kind} {rate}" for kind, rate in rates.items())
        copy = figures["copy_bytes_per_second"] / 1e9
        return f"{figures['device']}: copy {copy:.0f} GB/s; TFLOP/s: {products}"
    if name == "tests" and figures:
        return ", ".join(f"{figures[k]} {k}" for k in ("passed", "failures", "errors", "skipped"))
    if name == "resume" and figures:
        equal = "equal to the bit" if figures["equal_to_the_bit"] else "NOT equal"
        return f"killed after step {figures['killed_after']} of {figures['steps']}: state {equal}"
    if result.status in ("passed", "timed out") or not result.reason:
        return ""
    return result.reason.splitlines()[-1].strip()[:100]


def _networks(results: Mapping[str, PartResult], least: Floors) -> Table:
    columns = ("network", "what", "median ms", "quartiles", "first s", "least ms", "of it", "MiB")
    table = _table("networks: one image", *columns)
    for part, result in results.items():
        name = _network_of(part, result)
        if name is None:
            continue
        height, width = result.figures["size"]
        for candidate, found in result.figures["candidates"].items():
            # Of a baseline neither operations nor bytes are known.
            precision = "" if candidate.startswith("baseline") else candidate.split()[1].strip(",")
            floor = least.get(part, {}).get(precision)
            table.add_row(
                f"{name} {height}x{width}",
                candidate,
                f"{1e3 * found['median']:.2f}",
                " to ".join(f"{1e3 * value:.2f}" for value in found["quartiles"]),
                f"{found['first_seconds']:.1f}",
                f"{1e3 * floor.by_layer:.2f}" if floor else "",
                f"{floor.by_layer / found['median']:.0%}" if floor else "",
                f"{found['memory_bytes'] / _MEBIBYTE:.0f}",
            )
    return table


def _predictors(results: Mapping[str, PartResult]) -> Table:
    stages = ("preprocess", "forward", "postprocess")
    table = _table("host image to host arrays; ms", "network", "engine", "median", *stages)
    for part, result in results.items():
        kind, _, name = part.partition("_")
        if kind != "predictor" or not result.figures:
            continue
        height, width = result.figures["image_size"]
        for engine, found in result.figures["candidates"].items():
            times = (found["stages"][stage]["median"] for stage in stages)
            table.add_row(
                f"{name} {height}x{width}",
                engine,
                f"{1e3 * found['median']:.2f}",
                *(f"{1e3 * seconds:.2f}" for seconds in times),
            )
    return table


def _training(results: Mapping[str, PartResult]) -> Table:
    table = _table("training", "run", "", "images/s", "peak MiB", "last loss", "seconds")
    figures: dict[str, Any] = results["training"].figures if "training" in results else {}
    for name, found in figures.items():
        if "steps" in found:
            peak = f"{found['peak_bytes'] / _MEBIBYTE:.0f}" if "peak_bytes" in found else ""
            table.add_row(
                name,
                f"{found['steps']} steps",
                _rate(found),
                peak,
                f"{found['losses'][-1]:.3f}" if found["losses"] else "",
                f"{found['seconds']:.0f}",
            )
        else:
            equal = "equal to the bit" if found["equal_to_the_bit"] else "differ"
            apart = f"weights {found['largest_in_weights']:.1e}, losses {max(found['losses']):.1e}"
            table.add_row(name, f"{equal}; {apart}", _rate(found), "", "", "")
    return table


def _rate(figures: Mapping[str, Any]) -> str:
    """None of a run that ended before its speed could be taken."""
    rate = figures["images_per_second"]
    return "" if rate is None else f"{rate:.1f}"
