"""Curves and bars as geometry in a box of fixed size, which the template writes as inline SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from matplotlib.ticker import LogLocator, MaxNLocator

WIDTH, HEIGHT = 420, 270
#: The part of the box that curves are drawn in.
LEFT, RIGHT, TOP, BOTTOM = 50, 408, 26, 226

Point = tuple[float, float]


@dataclass(frozen=True)
class Tick:
    """Of an axis."""

    position: float
    label: str


@dataclass(frozen=True)
class Series:
    """What is to be drawn; points that are not finite interrupt the line."""

    name: str
    points: Sequence[Point]
    color: str = "s1"  #: class of the style sheet
    dashed: bool = False
    dots: bool = False  #: mark each point, and name it; one without neighbours is marked anyhow
    line: bool = True
    labels: Sequence[str] = ()  #: of the dots, for who points at them


@dataclass(frozen=True)
class Band:
    """What lies between two values."""

    name: str
    points: Sequence[tuple[float, float, float]]  #: x, low, high
    color: str = "s1"


@dataclass(frozen=True)
class DrawnDot:
    """In the box."""

    x: str
    y: str
    label: str


@dataclass(frozen=True)
class DrawnSeries:
    """In the box."""

    color: str
    dashed: bool
    paths: list[str]  #: `points` of polylines
    dots: list[DrawnDot]


@dataclass(frozen=True)
class DrawnBar:
    """In the box."""

    x: str
    y: str
    width: str
    height: str
    color: str
    label: str


@dataclass(frozen=True)
class Chart:
    """One chart, ready to be written."""

    title: str
    x_label: str
    y_label: str
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    series: list[DrawnSeries] = field(default_factory=list)
    bars: list[DrawnBar] = field(default_factory=list)
    areas: list[tuple[str, str]] = field(default_factory=list)  #: class, and `points` of a polygon
    legend: list[tuple[str, str]] = field(default_factory=list)  #: class and name
    note: str = ""
    zero: float | None = None  #: height of a line at zero, where values have both signs


class Axis:
    """From values to places in the box."""

    def __init__(
        self, values: Sequence[float], ends: tuple[float, float], *, zero: bool, log: bool = False
    ) -> None:
        """Choose the range.

        Args:
            values: that must be inside; those that are not finite do not count, nor with `log`
                those that are not positive.
            ends: places of the smallest and the largest.
            zero: begin at zero.
            log: logarithmic.

        """
        self._ends = ends
        finite = [value for value in values if math.isfinite(value) and (value > 0 or not log)]
        low, high = (min(finite), max(finite)) if finite else (0.0, 1.0)
        self._log = log and bool(finite)
        if self._log:
            if low == high:
                low, high = low / 2, high * 2
            steps = LogLocator(subs=(1, 2, 5)).tick_values(low, high)
            inside = [step for step in steps if low * 0.999 <= step <= high * 1.001]
            self.ticks = inside if len(inside) > 1 else [low, high]
            self._low, self._high = min(low, self.ticks[0]), max(high, self.ticks[-1])
            while len(self.ticks) > 7:
                self.ticks = self.ticks[::2]
        else:
            low = min(low, 0.0) if zero else low
            high = max(high, 0.0) if zero else high
            if low == high:
                low, high = low - 0.1 * abs(low), high + (0.1 * abs(high) or 1.0)
            locator = MaxNLocator(nbins=5, steps=[1, 2, 2.5, 5, 10])
            self.ticks = [float(tick) for tick in locator.tick_values(low, high)]
            self._low, self._high = self.ticks[0], self.ticks[-1]
        if self._low == self._high:
            self._high = self._low * 1.1 or 1.0

    def place(self, value: float) -> float:
        """Place of a value."""
        low, high = self._low, self._high
        if self._log:
            value, low, high = math.log(value), math.log(low), math.log(high)
        start, end = self._ends
        return start + (value - low) / (high - low) * (end - start)

    def drawn_ticks(self) -> list[Tick]:
        """Ticks with their numbers."""
        if self._log:
            labels = _powers(self.ticks)
        else:
            pairs = zip(self.ticks, self.ticks[1:], strict=False)
            step = min((b - a for a, b in pairs), default=1.0)
            labels = [_number(tick, step) for tick in self.ticks]
        places = [round(self.place(tick), 1) for tick in self.ticks]
        return [Tick(place, label) for place, label in zip(places, labels, strict=True)]


class _TightAxis(Axis):
    """One that ends where the values do, for the horizontal; of whole numbers with whole ticks."""

    def __init__(self, values: Sequence[float], ends: tuple[float, float]) -> None:
        super().__init__(values, ends, zero=False)
        finite = [value for value in values if math.isfinite(value)]
        if not finite:
            return
        low, high = min(finite), max(finite)
        if low == high:
            self._low, self._high, self.ticks = low - 0.5, high + 0.5, [low]
            return
        if all(float(value).is_integer() for value in finite):
            locator = MaxNLocator(nbins=6, steps=[1, 2, 5, 10], integer=True)
            self.ticks = [float(tick) for tick in locator.tick_values(low, high)]
        self._low, self._high = low, high
        slack = 1e-9 * (high - low)
        self.ticks = [tick for tick in self.ticks if low - slack <= tick <= high + slack]


def _powers(values: Sequence[float]) -> list[str]:
    """Numbers of a logarithmic axis, with as many digits as tell them apart."""
    for digits in range(6):
        labels = [
            f"{v:.{digits}e}".replace("e-0", "e-") if v < 0.01 else f"{float(f'{v:.{digits}e}'):g}"
            for v in values
        ]
        if len(set(labels)) == len(values):
            break
    return labels


def _number(value: float, step: float) -> str:
    if abs(value) >= 10_000:
        return f"{value / 1000:g}k"
    # As many decimals as the step has, so that all numbers of an axis have the same.
    places = next((n for n in range(7) if math.isclose(round(step, n), step, rel_tol=1e-6)), 7)
    return f"{value:.{places}f}".replace("-", "\N{MINUS SIGN}")


def line_chart(
    title: str,
    series: Sequence[Series],
    *,
    x_label: str,
    y_label: str,
    bands: Sequence[Band] = (),
    zero: bool = True,
    log: bool = False,
    note: str = "",
) -> Chart:
    """Chart of curves.

    Args:
        title: of the chart.
        series: curves; those without a finite point are left out, also of the legend.
        x_label: with its unit.
        y_label: likewise.
        bands: drawn behind them.
        zero: the vertical axis begins at zero.
        log: it is logarithmic.
        note: a sentence under it.

    """
    xs = [x for one in series for x, _ in one.points] + [p[0] for b in bands for p in b.points]
    ys = [y for one in series for _, y in one.points] + [
        v for b in bands for p in b.points for v in p[1:]
    ]
    x_axis = _TightAxis(xs, (LEFT, RIGHT))
    y_axis = Axis(ys, (BOTTOM, TOP), zero=zero and not log, log=log)
    drawn, legend = [], []
    for one in series:
        parts = _unbroken(one.points, log=log)
        if not parts:
            continue
        legend.append((one.color, one.name))
        placed = [[(x_axis.place(x), y_axis.place(y)) for x, y in part] for part in parts]
        labels = one.labels or [f"{one.name}: {y:.4g} at {x:g}" for x, y in one.points]
        alone = {part[0] for part in parts if len(part) == 1}
        dots = [
            DrawnDot(f"{x_axis.place(x):.1f}", f"{y_axis.place(y):.1f}", label)
            for (x, y), label in zip(one.points, labels, strict=True)
            if (one.dots and math.isfinite(y) and (y > 0 or not log)) or (x, y) in alone
        ]
        paths = [_path(part) for part in placed if len(part) > 1] if one.line else []
        drawn.append(DrawnSeries(one.color, one.dashed, paths, dots))
    areas = []
    for band in bands:
        for part in _unbroken_bands(band.points):
            low = [(x_axis.place(x), y_axis.place(y)) for x, y, _ in part]
            high = [(x_axis.place(x), y_axis.place(y)) for x, _, y in part]
            areas.append((band.color, _path([*low, *reversed(high)])))
        legend.append((f"{band.color} area", band.name))
    y_ticks = y_axis.drawn_ticks()
    below = not log and min((y for y in ys if math.isfinite(y)), default=0.0) < 0
    return Chart(
        title,
        x_label,
        y_label,
        x_axis.drawn_ticks(),
        y_ticks,
        series=drawn,
        areas=areas,
        legend=legend if len(legend) > 1 else [],
        note=note,
        zero=round(y_axis.place(0.0), 1) if below else None,
    )


def bar_chart(
    title: str,
    values: Sequence[tuple[str, float, str]],
    *,
    x_label: str,
    y_label: str,
    note: str = "",
    color: str = "s1",
) -> Chart:
    """Chart of upright bars from zero.

    Args:
        title: of the chart.
        values: name, value, and what is told of it to who points at it.
        x_label: of the names, with their unit.
        y_label: of the values, likewise.
        note: a sentence under it.
        color: class of the style sheet.

    """
    y_axis = Axis([value for _, value, _ in values], (BOTTOM, TOP), zero=True)
    step = (RIGHT - LEFT) / max(len(values), 1)
    ground, drawn, ticks = y_axis.place(0.0), [], []
    for index, (name, value, label) in enumerate(values):
        left, width = LEFT + (index + 0.14) * step, 0.72 * step
        top = y_axis.place(value)
        drawn.append(
            DrawnBar(
                f"{left:.1f}",
                f"{min(top, ground):.1f}",
                f"{width:.1f}",
                f"{max(abs(ground - top), 0.5):.1f}",
                color,
                label,
            )
        )
        ticks.append(Tick(round(LEFT + (index + 0.5) * step, 1), name))
    below = any(value < 0 for _, value, _ in values)
    return Chart(
        title,
        x_label,
        y_label,
        ticks,
        y_axis.drawn_ticks(),
        bars=drawn,
        note=note,
        zero=round(ground, 1) if below else None,
    )


def thinned(points: Sequence[Point], most: int = 300) -> list[Point]:
    """At most so many points, each the mean of as many neighbours; as they are if there are few."""
    size = math.ceil(len(points) / most)
    if size <= 1:
        return list(points)
    parts = [points[start : start + size] for start in range(0, len(points), size)]
    return [
        (sum(x for x, _ in part) / len(part), sum(y for _, y in part) / len(part)) for part in parts
    ]


def _path(points: Sequence[Point]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def _unbroken(points: Sequence[Point], *, log: bool) -> list[list[Point]]:
    parts: list[list[Point]] = [[]]
    for x, y in points:
        if math.isfinite(y) and (y > 0 or not log):
            parts[-1].append((x, y))
        elif parts[-1]:
            parts.append([])
    return [part for part in parts if part]


def _unbroken_bands(
    points: Sequence[tuple[float, float, float]],
) -> list[list[tuple[float, float, float]]]:
    parts: list[list[tuple[float, float, float]]] = [[]]
    for point in points:
        if all(math.isfinite(value) for value in point):
            parts[-1].append(point)
        elif parts[-1]:
            parts.append([])
    return [part for part in parts if len(part) > 1]
