"""What a page is made of: plain texts and numbers, which the template lays out and escapes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from hma_depth_ros.html_report.svg_chart import Chart
from hma_depth_ros.visualization.frame_layers import FrameLayers


@dataclass(frozen=True)
class Tile:
    """One figure, large."""

    name: str
    value: str
    unit: str = ""
    note: str = ""


@dataclass(frozen=True)
class Tiles:
    """The figures that matter most."""

    kind: ClassVar[str] = "tiles"
    tiles: Sequence[Tile]


@dataclass(frozen=True)
class Row:
    """Of a table."""

    cells: Sequence[str]
    style: Literal["", "strong", "faint"] = ""


@dataclass(frozen=True)
class DataTable:
    """Names in the first `text_columns`, numbers in the others."""

    kind: ClassVar[str] = "table"
    title: str
    head: Sequence[str]
    rows: Sequence[Row]
    caption: str = ""
    text_columns: int = 1


@dataclass(frozen=True)
class Charts:
    """Curves and bars side by side."""

    kind: ClassVar[str] = "charts"
    charts: Sequence[Chart]


@dataclass(frozen=True)
class BarSegment:
    """Of a bar, in percent of the longest."""

    start: float
    width: float
    color: str  #: class of the style sheet: s0 to s6, or m1 to m6 of the masks
    label: str  #: for who points at it


@dataclass(frozen=True)
class BarRow:
    """One bar between its name and its value."""

    name: str
    segments: Sequence[BarSegment]
    value: str
    note: str = ""


@dataclass(frozen=True)
class Bars:
    """Bars below each other, one for each name."""

    kind: ClassVar[str] = "bars"
    title: str
    rows: Sequence[BarRow]
    caption: str = ""
    legend: Sequence[tuple[str, str]] = ()  #: class and name
    zero: float | None = None  #: where a line marks zero, in percent


@dataclass(frozen=True)
class Frames:
    """Frames whose pictures are laid over each other."""

    kind: ClassVar[str] = "frames"
    frames: Sequence[FrameLayers]


@dataclass(frozen=True)
class Facts:
    """Names and values, for whoever wants to know exactly."""

    kind: ClassVar[str] = "facts"
    facts: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Note:
    """A sentence that a reader must not miss."""

    kind: ClassVar[str] = "note"
    text: str
    warning: bool = False


@dataclass(frozen=True)
class Folded:
    """Parts that are shown when asked for."""

    kind: ClassVar[str] = "folded"
    summary: str
    parts: Sequence[DataTable | Facts]


Part = Tiles | DataTable | Charts | Bars | Frames | Facts | Note | Folded


@dataclass(frozen=True)
class Section:
    """Parts under a heading."""

    title: str
    parts: Sequence[Part]
    intro: str = ""

    @property
    def anchor(self) -> str:
        """Name within the page."""
        return "-".join("".join(c if c.isalnum() else " " for c in self.title).lower().split())


@dataclass(frozen=True)
class Page:
    """Everything."""

    title: str
    subtitle: str
    sections: Sequence[Section]
    facts: Sequence[tuple[str, str]] = field(default_factory=tuple)  #: shown under the title


def bars(
    title: str,
    values: Sequence[tuple[str, float, str]],
    *,
    caption: str = "",
    notes: Sequence[str] = (),
) -> Bars:
    """Simple bars from zero of names, values (at least 0) and their texts."""
    longest = max((value for _, value, _ in values), default=0.0) or 1.0
    rows = [
        BarRow(name, [BarSegment(0, 100 * value / longest, "s1", text)], text, note)
        for (name, value, text), note in zip(values, notes or [""] * len(values), strict=True)
    ]
    return Bars(title, rows, caption)


def worst_first(frames: Sequence[FrameLayers]) -> list[FrameLayers]:
    """The worst frames before the best ones; of few frames, which are both, each once."""
    worst = [frame for frame in frames if frame.note.group == "worst"]
    named = {frame.note.name for frame in worst}
    others = [f for f in frames if f.note.group != "worst" and f.note.name not in named]
    return [*worst, *others]
