"""What the demonstration measured, for people and for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.table import Table

from hma_depth_ros.bags.reader import BagReader
from hma_depth_ros.demo.recording import DEPTH_TOPIC
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.files import atomic_path

DIAGNOSTICS_TOPIC = "/diagnostics"
#: End of the name of the depth node's status.
STATUS_SUFFIX = ": depth"

#: What the node's stages are to a reader; `wait` costs no work and `forward` is the network's.
_STAGE_MEANINGS = {
    "wait": "for the frame before it",
    "convert": "message to array",
    "preprocess": "crop, resize, normalise",
    "forward": "the network",
    "postprocess": "back to image size, masks, cloud",
    "publish": "messages out",
}


#: Keys of the diagnostics that say what ran.
_SETUP = ("engine", "precision", "device", "checkpoint", "encoder", "self-check")

_LATENCY_MEANINGS = {
    "p50": "median",
    "p95": "95 of 100 frames are faster",
    "max": "the slowest frame",
}


@dataclass(frozen=True)
class DemoSummary:
    """Figures of one run; times in milliseconds."""

    replayed: int  #: images that the replayer published
    replay_rate: float  #: of them per second
    received: int  #: images that reached the node
    processed: int
    dropped: Mapping[str, int]  #: by cause
    skipped: Mapping[str, int]  #: likewise
    failed: Mapping[str, int]  #: likewise
    recorded: int  #: depth images in the output bag
    rate: float  #: of them per second
    #: `p50`, `p95`, `max`: from an image's arrival in the node to its last output's publication
    latency: Mapping[str, float]
    stages: Mapping[str, float]  #: means over the node's last frames
    setup: Mapping[str, str]  #: engine, device, checkpoint, ...
    warning: str  #: what the node was not happy with at its last image; empty if all was well

    @property
    def overhead(self) -> float:
        """Milliseconds of work a frame, all but the network's forward pass."""
        return sum(value for name, value in self.stages.items() if name not in {"wait", "forward"})


def read_summary(bag: Path, *, replayed: int, replay_rate: float) -> DemoSummary:
    """Figures of the node's last diagnostics in a bag, and of the depth images beside them.

    Raises:
        HmaDepthError: the bag cannot be read or has no diagnostics of a depth node.

    """
    with BagReader(bag) as reader:
        values, warning, received = dict[str, str](), "", "0"
        for message in reader.messages([DIAGNOSTICS_TOPIC]):
            for status in reader.decode(message).status:
                if status.name.endswith(STATUS_SUFFIX):
                    values = {pair.key: pair.value for pair in status.values}
                    # While no image comes, before and after the replay, a node complains of that.
                    if values["frames received"] != received:
                        received = values["frames received"]
                        warning = status.message if status.level > 0 else ""
        arrivals = [message.stamp for message in reader.messages([DEPTH_TOPIC])]
    if not values:
        raise HmaDepthError(f"{bag} has no diagnostics of a depth node on {DIAGNOSTICS_TOPIC}")
    seconds = (arrivals[-1] - arrivals[0]) / 1e9 if len(arrivals) > 1 else 0.0
    return DemoSummary(
        replayed=replayed,
        replay_rate=replay_rate,
        received=int(values["frames received"]),
        processed=int(values["frames processed"]),
        dropped=_counts(values, "dropped: "),
        skipped=_counts(values, "skipped: "),
        failed=_counts(values, "failed: "),
        recorded=len(arrivals),
        rate=(len(arrivals) - 1) / seconds if seconds > 0 else 0.0,
        latency=_milliseconds(values, "latency "),
        stages=_milliseconds(values, "stage "),
        setup={key: value for key, value in values.items() if key in _SETUP},
        warning=warning,
    )


def _between(values: Mapping[str, str], start: str, end: str) -> dict[str, str]:
    """Entries whose key has that start and end, under what is between."""
    return {
        key[len(start) : len(key) - len(end)]: value
        for key, value in values.items()
        if key.startswith(start) and key.endswith(end)
    }


def _counts(values: Mapping[str, str], start: str) -> dict[str, int]:
    return {cause: int(count) for cause, count in _between(values, start, "").items()}


def _milliseconds(values: Mapping[str, str], start: str) -> dict[str, float]:
    return {key: float(value) for key, value in _between(values, start, " [ms]").items()}


def write_summary(path: Path, summary: DemoSummary) -> None:
    """Write all figures as JSON.

    Raises:
        HmaDepthError: the file cannot be written.

    """
    content = {**asdict(summary), "overhead": summary.overhead}
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def summary_table(summary: DemoSummary) -> Table:
    """All figures for a reader who sees the project for the first time."""
    setup = summary.setup
    table = Table(
        title=f"{setup.get('encoder', '?')} in {setup.get('engine', '?')} "
        f"{setup.get('precision', '')} on {setup.get('device', '?')}",
        title_justify="left",
        show_header=False,
    )
    table.add_column()
    table.add_column(justify="right")
    table.add_column()
    table.add_row("images replayed", f"{summary.replayed}", f"{summary.replay_rate:.1f} a second")
    table.add_row("arrived in the node", f"{summary.received}")
    table.add_row("processed", f"{summary.processed}", f"{summary.rate:.1f} a second", style="bold")
    for fate in ("dropped", "skipped", "failed"):
        for cause, count in getattr(summary, fate).items():
            table.add_row(fate, f"{count}", cause)
    table.add_row("depth images recorded", f"{summary.recorded}", end_section=True)
    table.add_row("latency", "", "from an image's arrival to its last output")
    for key, meaning in _LATENCY_MEANINGS.items():
        if key in summary.latency:
            table.add_row(f"  {key}", f"{summary.latency[key]:.1f} ms", meaning)
    table.add_section()
    table.add_row("stages", "", "means")
    for name, value in summary.stages.items():
        table.add_row(f"  {name}", f"{value:.1f} ms", _STAGE_MEANINGS.get(name, ""))
    table.add_row("  all but forward", f"{summary.overhead:.1f} ms", "and without waiting")
    return table
