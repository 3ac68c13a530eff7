"""Writes a page as one HTML file that asks for nothing else."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import astuple
from functools import cache
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from hma_depth_ros import __version__
from hma_depth_ros.files import atomic_path
from hma_depth_ros.html_report.frame_viewer import KEY_LEFT, KEY_RIGHT, Viewer, viewers
from hma_depth_ros.html_report.page_parts import Frames, Page
from hma_depth_ros.html_report.svg_chart import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH
from hma_depth_ros.visualization.attention_color import scale_colors
from hma_depth_ros.visualization.palette import DARK, EGO, LIGHT, MEASURED, NIGHT, WEB_FONTS, Theme

#: Characters of all pictures of a page together, which keeps it below 10 MB.
PICTURES = 8_500_000
#: Names of a theme's colours in the style sheet.
_COLORS = ("paper", "raised", "ink", "faint", "rule", "accent")


@cache
def _environment() -> Environment:
    loader = PackageLoader("hma_depth_ros.html_report", "templates")
    return Environment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def rendered(page: Page) -> str:
    """The page's HTML.

    Texts are escaped. A content security policy allows the page's own style sheet and script, by
    their digests, and pictures within it; nothing is loaded, and nothing can be.
    """
    style, script = _style(), _text("page.js")
    policy = (
        f"default-src 'none'; img-src data:; style-src {_digest(style)}; "
        f"script-src {_digest(script)}; base-uri 'none'; form-action 'none'"
    )
    return (
        _environment()
        .get_template("page.html")
        .render(
            page=page,
            policy=policy,
            style=style,
            script=script,
            viewers_of=_pictured(page),
            version=__version__,
            box={"width": WIDTH, "height": HEIGHT, "left": LEFT, "right": RIGHT}
            | {"top": TOP, "bottom": BOTTOM, "key_left": KEY_LEFT, "key_right": KEY_RIGHT},
        )
    )


def write_page(path: Path, page: Page) -> None:
    """Write the page.

    Raises:
        HmaDepthError: the file cannot be written.

    """
    text = rendered(page)
    with atomic_path(path) as temporary:
        # Names of files need not be UTF-8.
        temporary.write_bytes(text.encode("utf-8", errors="replace"))


def _pictured(page: Page) -> Callable[[Frames], list[Viewer]]:
    """Gives the viewers of each part that is frames, which share the room for pictures."""
    parts = [
        part for section in page.sections for part in section.parts if isinstance(part, Frames)
    ]
    every = viewers([frame for part in parts for frame in part.frames], budget=PICTURES)
    found, start = {}, 0
    for part in parts:
        found[id(part)] = every[start : start + len(part.frames)]
        start += len(part.frames)
    return lambda part: found[id(part)]


def _text(name: str) -> str:
    environment = _environment()
    assert environment.loader is not None
    return environment.loader.get_source(environment, name)[0]


@cache
def _style() -> str:
    masks = "".join(
        f"--m{n}:#{r:02x}{g:02x}{b:02x};" for n, (r, g, b) in enumerate(scale_colors(6), 1)
    )
    fixed = f"--night:{NIGHT};--ego:{EGO};--measured:{MEASURED};--fonts:{WEB_FONTS};"
    return (
        f":root{{{_variables(LIGHT)}{masks}{fixed}}}\n"
        f"@media (prefers-color-scheme:dark){{:root{{{_variables(DARK)}}}}}\n{_text('page.css')}"
    )


def _variables(theme: Theme) -> str:
    plain: Sequence[str] = astuple(theme)[: len(_COLORS)]
    named = dict(zip(_COLORS, plain, strict=True))
    named |= {f"s{number}": color for number, color in enumerate(theme.series, 1)}
    return "".join(f"--{name}:{color};" for name, color in named.items())


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
