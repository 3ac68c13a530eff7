"""One evaluation from a list of frames to all its reports."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TimeRemainingColumn,
)
from rich.text import Text

from hma_depth_ros import __version__
from hma_depth_ros.data.depth.lidar_depth import LidarScan
from hma_depth_ros.data.splits.entry_camera import source_line
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.evaluation.evaluated_frames import FrameList, shortened
from hma_depth_ros.evaluation.prediction_sources import PredictionSource
from hma_depth_ros.evaluation.report.error_panels import write_panels
from hma_depth_ros.evaluation.report.metric_table import tables, window_lines
from hma_depth_ros.evaluation.report.pictured_frames import PicturedFrame, pictured_frames
from hma_depth_ros.evaluation.report.reliability_page import (
    boundary_tables,
    reliability_tables,
    write_sparsification_plot,
)
from hma_depth_ros.evaluation.report.summary import EvaluationSummary
from hma_depth_ros.evaluation.report.written_files import report_content, write_csv, write_json
from hma_depth_ros.evaluation.score_frames import Settings, evaluate
from hma_depth_ros.evaluation.unit_hints import unit_hints
from hma_depth_ros.visualization.frame_layers import FrameLayers

#: Writes figures (as `report_content` gives them) and pictured frames as a web page. It stands
#: above this layer and is handed down.
PageWriter = Callable[[Path, Mapping[str, Any], Sequence[FrameLayers]], None]

#: Frames of a group on a web page, which holds their pictures.
_ON_PAGE = 6
#: Columns that the tables need; a narrower terminal breaks lines, rich would leave figures out.
_TABLE_WIDTH = 130


@dataclass(frozen=True)
class Reports:
    """Where to write to; None: not wanted."""

    json: Path | None = None
    csv: Path | None = None
    panels: Path | None = None
    panel_count: int = 3
    sparsification: Path | None = None  #: picture of the curves
    page: Path | None = None  #: all of it as a web page

    def check(self) -> None:
        """Try the folders, so that hours of work do not end at a wrong path.

        Raises:
            HmaDepthError: a report could not be written there.

        """
        panels = None if self.panels is None else self.panels / "panel"
        for path in (self.json, self.csv, panels, self.sparsification, self.page):
            if path is None:
                continue
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                with TemporaryFile(dir=path.parent):
                    pass
            except OSError as error:
                raise HmaDepthError(f"cannot write to {path.parent}: {error.strerror}") from error
            if path.is_dir():
                raise HmaDepthError(f"cannot write {path}: it is a folder")


@dataclass(frozen=True)
class Session:
    """What is to be evaluated, and how."""

    frames: FrameList
    source: PredictionSource
    settings: Settings
    #: For the reports: where predictions come from, options.
    description: dict[str, Any]
    reports: Reports = field(default_factory=Reports)
    workers: int = 2
    batch: int = 1  #: frames that the source is asked for at once
    allow_partial: bool = False
    #: Show the paper's Table I below the figures.
    published: bool = True
    write_page: PageWriter | None = None  #: None: `reports` asks for no page

    def run(self) -> EvaluationSummary:
        """Score all frames, print tables, write the reports.

        Raises:
            HmaDepthError: a frame cannot be scored (with `allow_partial`: none can) or a report
                cannot be written.

        """
        self.reports.check()
        console = wide_console()
        start = time.perf_counter()
        summary, failures = self._score()
        seconds = time.perf_counter() - start
        scored = sum(summary.sizes.values())
        counts = self._counts(scored, failures)

        for line in window_lines(summary, self.settings.protocols):
            console.print(line, markup=False)
        if summary.cameras:
            console.print(source_line(summary.cameras))
        console.print(f"{scored} frames in {seconds:.1f} s, {scored / seconds:.1f} frames/s")
        for problem in (*self.frames.missing, *failures):
            console.print(f"left out: {problem}", markup=False)  # paths may hold [brackets]
        for table in tables(summary, title=self._title(counts), published=self.published):
            console.print(table)
        self._print_reliability(summary, console)
        if self.settings.boundaries:
            self._print_boundaries(summary, console)
        hints = list(
            unit_hints(
                self.frames.frames, self.source, units_per_metre=self.settings.units_per_metre
            )
        )
        for hint in hints:
            console.print(f"hint: {hint}", markup=False)
        self._write(summary, counts, hints)
        return summary

    def _print_reliability(self, summary: EvaluationSummary, console: Console) -> None:
        for key, figures in summary.figures.items():
            if figures.reliability is not None:
                for table in reliability_tables(key, figures.reliability):
                    console.print(table)

    def _print_boundaries(self, summary: EvaluationSummary, console: Console) -> None:
        found = {
            key: figures.boundaries
            for key, figures in summary.figures.items()
            if figures.boundaries is not None
        }
        if not found:
            console.print(
                "no boundaries: no frame has dense ground truth under a protocol with a cap (a "
                "LiDAR scan shows no boundary to the pixel)"
            )
            return
        for table in boundary_tables(found):
            console.print(table)

    def _score(self) -> tuple[EvaluationSummary, list[str]]:
        """Figures of the frames that can be scored, and what is wrong with the others."""
        summary = EvaluationSummary(self.settings.caps_by_key())
        failures = []
        columns = (BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn())
        screen = Console(stderr=True)
        with Progress(
            *columns, console=screen, transient=True, disable=not screen.is_terminal
        ) as progress:
            results = evaluate(
                self.frames.frames,
                self.source,
                self.settings,
                workers=self.workers,
                batch=self.batch,
                allow_failures=self.allow_partial,
            )
            for result in progress.track(results, total=len(self.frames.frames)):
                if isinstance(result, HmaDepthError):
                    failures.append(str(result))
                else:
                    summary.add(result)
        if not summary.sizes:
            raise HmaDepthError(f"no frame could be scored: {shortened(failures)}")
        return summary, failures

    def _counts(self, scored: int, failures: list[str]) -> dict[str, Any]:
        return {
            "scored": scored,
            "expected": len(self.frames.frames) + len(self.frames.missing),
            "missing": self.frames.missing,
            "failed": failures,
        }

    def _title(self, counts: dict[str, Any]) -> str:
        by = "; ground truth from LiDAR scans" if self._by_lidar() else ""
        return f"{self.frames.title}{by}; {counts['scored']} of {counts['expected']} frames scored"

    def _by_lidar(self) -> bool:
        return any(isinstance(frame.ground_truth, LidarScan) for frame in self.frames.frames)

    def _write(self, summary: EvaluationSummary, counts: dict[str, Any], hints: list[str]) -> None:
        reports = self.reports
        content = report_content(summary, self._run_description(summary, counts, hints))
        if reports.json is not None:
            write_json(reports.json, content)
        if reports.csv is not None:
            write_csv(reports.csv, summary)
        if reports.sparsification is not None:
            self._write_sparsification(reports.sparsification, summary)
        if reports.panels is not None:
            write_panels(reports.panels, self._pictured(summary, reports.panel_count))
        if reports.page is not None:
            assert self.write_page is not None
            pictured = self._pictured(summary, min(reports.panel_count, _ON_PAGE))
            self.write_page(reports.page, content, [frame.layers() for frame in pictured])

    def _pictured(self, summary: EvaluationSummary, count: int) -> Iterator[PicturedFrame]:
        frames = self.frames.frames
        return pictured_frames(summary, frames, self.source, self.settings, count=count)

    def _run_description(
        self, summary: EvaluationSummary, counts: dict[str, Any], hints: list[str]
    ) -> dict[str, Any]:
        """What was scored and how."""
        windows = {
            protocol.name: {
                f"{height}x{width}": asdict(protocol.window(height, width))
                for height, width in sorted(summary.sizes)
            }
            for protocol in self.settings.protocols
        }
        return {
            **self.description,
            "split": self.frames.title,
            "frames": counts,
            "hints": hints,
            "windows": windows,
            "principal_points": dict(summary.cameras),
            "code_version": __version__,
        }

    def _write_sparsification(self, path: Path, summary: EvaluationSummary) -> None:
        """Of the first figure that has an uncertainty; there may be none."""
        for key, figures in summary.figures.items():
            if figures.reliability is not None:
                title = f"{key}: {self.frames.title}"
                write_sparsification_plot(path, figures.reliability, title=title)
                return


def wide_console() -> Console:
    """One that breaks lines of tables rather than leave figures out."""
    console = Console(highlight=False, soft_wrap=True)
    console.width = max(console.width, _TABLE_WIDTH)
    return console


class _Rate(ProgressColumn):
    """Frames a second."""

    def render(self, task: Task) -> Text:
        return Text("" if task.speed is None else f"{task.speed:.1f} frames/s")
