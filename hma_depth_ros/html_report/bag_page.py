"""The page of a bag with depth: its frames, and figures over time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hma_depth_ros.bags.depth_frames import (
    FrameFigures,
    RecordedDepth,
    depth_stamps,
    figures_over_time,
    frame_arrays,
    recorded_depths,
)
from hma_depth_ros.bags.reader import BagReader
from hma_depth_ros.html_report.page_parts import (
    Charts,
    DataTable,
    Frames,
    Note,
    Page,
    Part,
    Row,
    Section,
    Tile,
    Tiles,
)
from hma_depth_ros.html_report.page_texts import counted, fixed
from hma_depth_ros.html_report.svg_chart import Band, Chart, Series, line_chart
from hma_depth_ros.visualization.contact_sheet import spread
from hma_depth_ros.visualization.frame_layers import draw_layers

#: Frames that are drawn, and those that figures are taken of, of each camera.
_DRAWN, _MEASURED = 6, 200
#: Metres at the far end of the colours.
_FAR = 80.0


def write_bag_page(path: Path, bag: Path, *, far: float = _FAR) -> None:
    """Write the page of a bag that holds depth, as the node or `process_bag` publishes it.

    Args:
        path: of the HTML file.
        bag: any storage.
        far: metres at the far end of depth's colours.

    Raises:
        HmaDepthError: the bag cannot be read or has no depth, or the file cannot be written.

    """
    from hma_depth_ros.html_report.render_page import write_page

    write_page(path, bag_page(bag, far=far))


def bag_page(path: Path, *, far: float = _FAR) -> Page:
    """The page; see `write_bag_page`."""
    with BagReader(path) as bag:
        cameras = recorded_depths(bag)
        sections = [Section("Figures", _overview(bag, cameras))]
        for topics in cameras:
            several = len(cameras) > 1
            sections += _camera(bag, topics, far, prefix=f"{topics.depth}: " if several else "")
        sections.append(Section("Topics", [_topics(bag)]))
        seconds = (bag.end - bag.start) / 1e9
    facts = [("Bag", str(path)), ("Length", f"{seconds:.1f} s")]
    facts += [("Camera", topics.image or topics.depth) for topics in cameras]
    return Page("Depth of a bag", path.absolute().name, sections, facts)


def _overview(bag: BagReader, cameras: Sequence[RecordedDepth]) -> list[Part]:
    total = sum(bag.topics[topics.depth].count for topics in cameras)
    seconds = (bag.end - bag.start) / 1e9
    messages = sum(topic.count for topic in bag.topics.values())
    intervals = total - len(cameras)  # ten images at 10 Hz are 0.9 s from the first to the last
    tiles = [
        Tile("Depth images", f"{total:,}"),
        Tile("Length", fixed(seconds, 1), "s"),
        Tile("Rate", fixed(intervals / seconds if seconds else None, 1), "a second"),
        Tile("Messages", f"{messages:,}", note=counted(len(bag.topics), "topic")),
    ]
    return [Tiles(tiles), *(Note(remark, warning=True) for remark in bag.remarks)]


def _topics(bag: BagReader) -> DataTable:
    rows = [
        Row([topic.name, topic.type.replace("/msg/", "/"), f"{topic.count:,}"])
        for topic in bag.topics.values()
    ]
    return DataTable("", ["topic", "type", "messages"], rows, text_columns=2)


def _camera(bag: BagReader, topics: RecordedDepth, far: float, *, prefix: str) -> list[Section]:
    stamps = depth_stamps(bag, topics)
    measured = [stamps[index] for index in spread(len(stamps), _MEASURED)]
    figures = figures_over_time(bag, topics, measured, first=stamps[0])
    one_in = (
        f" One frame in {len(stamps) / len(figures):.0f}." if len(figures) < len(stamps) else ""
    )
    intro = f"Figures of {counted(len(figures), 'depth image')} of {topics.depth}.{one_in}"
    over_time = Section(f"{prefix}Over time", [Charts(_charts(figures, topics))], intro)
    chosen = [stamps[index] for index in spread(len(stamps), _DRAWN)]
    arrays = frame_arrays(bag, topics, chosen)
    frames = [
        draw_layers(found, name=f"{(stamp - stamps[0]) / 1e9:.2f} s", far=far)
        for stamp, found in arrays.items()
    ]
    intro = (
        "Drag over a picture, or use the arrow keys: what is left of the line is the left picture."
    )
    return [Section(f"{prefix}Frames", [Frames(frames)], intro), over_time]


def _charts(figures: Sequence[FrameFigures], topics: RecordedDepth) -> list[Chart]:
    times = [found.seconds for found in figures]
    percentiles = np.array([found.percentiles for found in figures]).T.tolist()
    charts = [
        line_chart(
            "Depth",
            [Series("median", list(zip(times, percentiles[1], strict=True)))],
            bands=[
                Band("5 to 95 % of the pixels", list(zip(times, *percentiles[::2], strict=True)))
            ],
            x_label="time, s",
            y_label="depth, m",
        ),
        line_chart(
            "Pixels with depth",
            [Series("pixels", [(found.seconds, 100 * found.valid) for found in figures])],
            x_label="time, s",
            y_label="share of pixels, %",
        ),
    ]
    confident = [(f.seconds, f.confidence) for f in figures if f.confidence is not None]
    if confident:
        charts.append(
            line_chart(
                "Confidence",
                [Series("mean", confident)],
                x_label="time, s",
                y_label="mean probability",
            )
        )
    if topics.masks:
        series = [
            Series(
                _scale(topic),
                [(f.seconds, 100 * f.masks.get(topic, float("nan"))) for f in figures],
                color=f"m{number}",
            )
            for number, topic in enumerate(topics.masks, 1)
        ]
        charts.append(
            line_chart(
                "Which scale decides",
                series,
                x_label="time, s",
                y_label="mean weight of each mask, %",
            )
        )
    return charts


def _scale(topic: str) -> str:
    reduction = topic.rpartition("_")[2]
    return "H" if reduction == "1" else f"H/{reduction}"
