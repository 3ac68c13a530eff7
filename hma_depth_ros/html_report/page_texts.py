"""Numbers and settings as texts for pages."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hma_depth_ros.evaluation.metrics import HIGHER_IS_BETTER
from hma_depth_ros.evaluation.report.metric_table import metric_title
from hma_depth_ros.files import shown

_NONE = "\N{EN DASH}"
_MINUS = "\N{MINUS SIGN}"
#: Characters of a value, longer ones are cut.
_LONGEST = 300


def titled(metric: str) -> str:
    """A metric's name, and whether more or less of it is better."""
    return f"{metric_title(metric)} {'↑' if metric in HIGHER_IS_BETTER else '↓'}"


def fixed(value: float | None, places: int = 3) -> str:
    """A number with that many decimals; a dash for none."""
    if value is None or not math.isfinite(value):
        return _NONE
    return f"{value:.{places}f}".replace("-", _MINUS)


def signed(value: float, places: int = 3) -> str:
    """Likewise, with its sign."""
    return f"{value:+.{places}f}".replace("-", _MINUS)


def percent(share: float | None, places: int = 0) -> str:
    """A share of one in percent; a dash for none."""
    if share is None or not math.isfinite(share):
        return _NONE
    return f"{100 * share:.{places}f} %"


def counted(count: int, one: str, more: str | None = None) -> str:
    """A number of things: `1 frame`, `652 frames`."""
    return f"{count:,} {one if count == 1 else more or one + 's'}"


def interval(ends: tuple[float, float] | None, places: int = 3) -> str:
    """From low to high; empty for none."""
    return "" if ends is None else f"{fixed(ends[0], places)} to {fixed(ends[1], places)}"


def flattened(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Names and values of nested settings, as `section.key`; what is empty is left out."""
    for key, value in settings.items():
        if isinstance(value, Mapping):
            yield from flattened(value, f"{prefix}{key}.")
        elif value not in (None, "", [], ()):
            yield f"{prefix}{key}", _text(value)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        value = ", ".join(_text(item) for item in value)
    text = shown(str(value))
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
