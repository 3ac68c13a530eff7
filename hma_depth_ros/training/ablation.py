"""The ablations that the paper calls for (section 4): one budget for all variants and seeds."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.evaluation.metrics import HIGHER_IS_BETTER
from hma_depth_ros.evaluation.quick_error import ALL
from hma_depth_ros.evaluation.report.paper_table import TABLE_1_METRICS
from hma_depth_ros.files import atomic_path
from hma_depth_ros.network.checkpoint import CheckpointInfo, read_info
from hma_depth_ros.training.ablation_variants import Variant
from hma_depth_ros.training.lists import Lists
from hma_depth_ros.training.processes import Processes
from hma_depth_ros.training.run_config import TrainConfig
from hma_depth_ros.training.run_folder import RunFolder
from hma_depth_ros.training.trainer import Trainer


@dataclass(frozen=True)
class AblationResult:
    """One variant's runs."""

    variant: Variant
    seeds: list[int]
    #: Of the last epoch, over all validation frames, by metric, one for each seed.
    metrics: dict[str, list[float]]

    def mean(self, metric: str) -> float:
        """Over the seeds."""
        return statistics.fmean(self.metrics[metric])

    def spread(self, metric: str) -> float:
        """Standard deviation over the seeds; NaN of a single one."""
        values = self.metrics[metric]
        return statistics.stdev(values) if len(values) > 1 else math.nan


def run_ablation(
    config: TrainConfig,
    lists: Lists,
    output: Path,
    processes: Processes,
    *,
    variants: Sequence[Variant],
    seeds: Sequence[int],
    say: Callable[[str], None],
) -> list[AblationResult]:
    """Train every variant with every seed, one run folder each, and write the table after each run.

    Seeds come first: an interrupted ablation has all variants with the first seeds. Finished runs
    are taken as they are and interrupted ones resumed, so the same command goes on.

    Raises:
        HmaDepthError: there is nothing to validate by, the folder holds runs of another
            configuration, or a run ends with an error.

    """
    if not lists.validation:
        raise HmaDepthError(
            "an ablation needs frames to compare by: name a list by --validation, or a drive by "
            "--hold-out"
        )
    for number, seed in enumerate(seeds):
        for variant in variants:
            wanted = variant.change(replace(config, run=replace(config.run, seed=seed)))
            folder = RunFolder(output / variant.key / f"seed_{seed}")
            if processes.is_first:
                say(f"== {variant.name}, seed {seed}")
            _finish(wanted, lists, folder, processes)
            processes.by_first(partial(_write_so_far, output, variants, seeds[: number + 1]))
    metrics = processes.by_first(lambda: [_metrics(output, v, seeds) for v in variants])
    return [AblationResult(v, list(seeds), m) for v, m in zip(variants, metrics, strict=True)]


def _write_so_far(output: Path, variants: Sequence[Variant], seeds: Sequence[int]) -> None:
    """The table of what is done, of `seeds` the last perhaps not by all variants."""
    done = [seeds if _done(output, v, seeds[-1]) else seeds[:-1] for v in variants]
    results = [
        AblationResult(v, list(s), _metrics(output, v, s))
        for v, s in zip(variants, done, strict=True)
        if s
    ]
    write_table(output, results)


def write_table(output: Path, results: Sequence[AblationResult]) -> None:
    """Write `ablation.md` and `ablation.json`.

    Raises:
        HmaDepthError: a file cannot be written.

    """
    with atomic_path(output / "ablation.md") as temporary:
        temporary.write_text(markdown(results), encoding="utf-8")
    content: dict[str, Any] = {
        result.variant.key: {
            "name": result.variant.name,
            "seeds": result.seeds,
            "metrics": result.metrics,
        }
        for result in results
    }
    with atomic_path(output / "ablation.json") as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def markdown(results: Sequence[AblationResult]) -> str:
    """Table of mean ± standard deviation over the seeds, in the columns of the paper's Table I."""
    arrows = ["↑" if metric in HIGHER_IS_BETTER else "↓" for metric in TABLE_1_METRICS]
    titles = [f"{metric} {arrow}" for metric, arrow in zip(TABLE_1_METRICS, arrows, strict=True)]
    lines = [
        "| variant | seeds | " + " | ".join(titles) + " |",
        "|---|---|" + "---|" * len(titles),
    ]
    for result in results:
        cells = [
            f"{result.mean(m):.4f} ± {result.spread(m):.4f}"
            if len(result.seeds) > 1
            else f"{result.mean(m):.4f}"
            for m in TABLE_1_METRICS
        ]
        lines.append(f"| {result.variant.name} | {len(result.seeds)} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


#: What there is to do for a run.
_State = Literal["finished", "resume", "begin"]


def _finish(wanted: TrainConfig, lists: Lists, folder: RunFolder, processes: Processes) -> None:
    """Bring a run to its end, from wherever it is."""
    # One decides: to another process the folder may look otherwise a moment later.
    state = processes.by_first(lambda: _found(wanted, folder))
    if state == "finished":
        return
    trainer = Trainer(wanted, lists, folder, processes, resume=state == "resume")
    if state == "begin":
        processes.by_first(lambda: folder.create(wanted, lists.description))
    trainer.run()


def _found(wanted: TrainConfig, folder: RunFolder) -> _State:
    """How far a run has come; what was interrupted before its first snapshot begins anew.

    Raises:
        HmaDepthError: the folder holds a run of another configuration.

    """
    if not folder.config.exists():
        return "begin"
    found = folder.read_config()
    # Where the files lie and who reads them may have changed, as for `train --resume`.
    data = replace(found.data, root=wanted.data.root, workers=wanted.data.workers)
    if replace(found, data=data) != wanted:
        raise HmaDepthError(
            f"{folder.path} holds a run of another configuration: name another --output"
        )
    if _is_finished(folder, wanted):
        return "finished"
    if folder.state.is_file():
        return "resume"
    folder.config.unlink()
    return "begin"


def _info(folder: RunFolder) -> CheckpointInfo | None:
    return read_info(folder.last) if folder.last.is_file() else None


def _is_finished(folder: RunFolder, config: TrainConfig) -> bool:
    info = _info(folder)
    return info is not None and info.training["epoch"] == config.optimiser.epochs


def _done(output: Path, variant: Variant, seed: int) -> bool:
    folder = RunFolder(output / variant.key / f"seed_{seed}")
    return folder.config.is_file() and _is_finished(folder, folder.read_config())


def _metrics(output: Path, variant: Variant, seeds: Sequence[int]) -> dict[str, list[float]]:
    """Of the last epoch, by metric, one for each seed."""
    metrics: dict[str, list[float]] = {metric: [] for metric in TABLE_1_METRICS}
    for seed in seeds:
        info = read_info(RunFolder(output / variant.key / f"seed_{seed}").last)
        (means,) = info.evaluation.values()
        for metric in TABLE_1_METRICS:
            metrics[metric].append(means[ALL][metric])
    return metrics
