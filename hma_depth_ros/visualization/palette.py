"""Colours and fonts of all that is drawn: pictures, curves, and web pages in light and dark."""

from __future__ import annotations

from dataclasses import dataclass

#: Of pictures: it comes with Matplotlib, so that they look alike on every machine.
FONT = "DejaVu Sans"
#: Of web pages, which take what the reader's system has.
WEB_FONTS = 'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif'


@dataclass(frozen=True)
class Theme:
    """Colours on one background; text has a contrast of 4.5 and more, curves of 3 (WCAG 2.2)."""

    paper: str
    raised: str  #: background of what stands out of the page: a card, a row of a table
    ink: str
    faint_ink: str
    rule: str  #: lines between things
    accent: str  #: what can be used: links, handles
    #: Of curves and bars, one after the other: hues of Okabe and Ito's palette (2008), which people
    #: with the common colour blindnesses can tell apart.
    series: tuple[str, str, str, str, str, str]


LIGHT = Theme(
    paper="#ffffff",
    raised="#f5f7fa",
    ink="#1b1f24",
    faint_ink="#59636f",
    rule="#d8dde4",
    accent="#0067a5",
    series=("#0072b2", "#d55e00", "#008f6b", "#b0528c", "#a97400", "#3b8dc1"),
)
DARK = Theme(
    paper="#0f1317",
    raised="#181d23",
    ink="#e8ebef",
    faint_ink="#9ea8b4",
    rule="#2e363f",
    accent="#6cb8ee",
    series=("#56aee8", "#f0843c", "#2fc497", "#df8fbf", "#e0aa3e", "#9fc9ea"),
)

#: Background of a bird's-eye view, and what is drawn on it.
NIGHT = "#14171c"
NIGHT_GRID = "#8b95a5"
NIGHT_INK = "#c3cad5"
EGO = "#ff5c39"  #: the camera's place
MEASURED = "#ffd60a"  #: points of ground truth among predicted ones


def rgb(color: str) -> tuple[int, int, int]:
    """Red, green and blue, 0 to 255, of `#rrggbb`."""
    red, green, blue = bytes.fromhex(color.removeprefix("#"))
    return red, green, blue
