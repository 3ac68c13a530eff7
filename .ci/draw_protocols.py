"""Draw docs/images/protocols.jpg: where each protocol of the evaluation scores depth.

Run in .venv: `.venv/bin/python .ci/draw_protocols.py`. The rectangles are those of the code
(evaluation/protocols.py), on a rendered frame of KITTI's size.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from hma_depth_ros.evaluation.protocols import PROTOCOLS, Protocol
from hma_depth_ros.geometry.window import Window, kitti_crop
from hma_depth_ros.synthetic.synthetic_drive import SyntheticDrive
from hma_depth_ros.visualization.palette import LIGHT
from hma_depth_ros.visualization.sheet import Sheet, SheetBox, resample

PICTURE = Path(__file__).resolve().parent.parent / "docs" / "images" / "protocols.jpg"
#: Which street is rendered.
SEED = 7

WIDTH, GAP, HEADER = 616, 24, 34  #: pixels
_COUNTS, _CROP = "#e69f00", "#ffffff"


def main() -> None:
    """Draw it."""
    frame = next(iter(SyntheticDrive(seed=SEED, frames=1))).image
    Image.fromarray(drawn(frame)).save(PICTURE, quality=85)


def drawn(frame: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """The picture, of an image (H, W, 3) of KITTI's size."""
    height = round(WIDTH * frame.shape[0] / frame.shape[1])
    rows = (len(PROTOCOLS) + 2) // 2
    sheet = Sheet(2 * WIDTH + 3 * GAP, rows * (height + HEADER) + GAP)
    places = [
        SheetBox(GAP + column * (WIDTH + GAP), HEADER + row * (height + HEADER), WIDTH, height)
        for row in range(rows)
        for column in range(2)
    ]
    for place, protocol in zip(places, PROTOCOLS.values(), strict=False):
        _draw(sheet, place, protocol, frame)
    _draw_key(sheet, places[len(PROTOCOLS)])
    return sheet.render()


def _draw(sheet: Sheet, place: SheetBox, protocol: Protocol, frame: npt.NDArray[np.uint8]) -> None:
    """One protocol: bright is what counts, framed white what the network sees."""
    rows, columns = frame.shape[:2]
    counts = protocol.window(rows, columns)
    shown = (frame * 0.35).astype(np.uint8)
    counts.of(shown)[:] = counts.of(frame)
    sheet.text(place.left, place.top - 13, protocol.name, size=16, bold=True, color=LIGHT.ink)
    sheet.text(
        place.right, place.top - 13, str(counts), size=13, color=LIGHT.faint_ink, align="right"
    )
    sheet.paste(resample(shown, width=place.width, height=place.height), place)
    scale = place.width / columns
    if protocol.view == "crop":
        _frame(sheet, _on_sheet(kitti_crop(rows, columns), place, scale), _CROP)
    _frame(sheet, _on_sheet(counts, place, scale), _COUNTS)


def _draw_key(sheet: Sheet, place: SheetBox) -> None:
    lines = (
        (_COUNTS, "what counts; of these the pixels with ground truth"),
        (LIGHT.faint_ink, "the 352x1216 that the network sees (white in the pictures)"),
    )
    for number, (color, text) in enumerate(lines):
        top = place.top + 8 + 26 * number
        _frame(sheet, SheetBox(place.left, top, 26, 14), color)
        sheet.text(place.left + 38, top + 7, text, size=14, color=LIGHT.ink)
    sheet.text(
        place.left, place.top + 76, "An image of 375 rows and 1242 columns, rendered.", size=14
    )


def _frame(sheet: Sheet, box: SheetBox, color: str) -> None:
    """Two pixels within the box."""
    for inset in (1, 2):
        sheet.outline(
            SheetBox(
                box.left + inset, box.top + inset, box.width - 2 * inset, box.height - 2 * inset
            ),
            color,
        )


def _on_sheet(window: Window, place: SheetBox, scale: float) -> SheetBox:
    rows, columns = window.shape
    return SheetBox(
        place.left + round(window.left * scale),
        place.top + round(window.top * scale),
        round(columns * scale),
        round(rows * scale),
    )


if __name__ == "__main__":
    main()
