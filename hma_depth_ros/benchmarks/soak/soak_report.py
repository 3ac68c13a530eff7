"""What a soak is judged by, from the figures that it has written down."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from hma_depth_ros.errors import HmaDepthError

#: p99 of the latency in any minute, in terms of the first minute's.
LATENCY_FACTOR = 2.0
#: Growth of the resident memory from the first minute to the last.
MEMORY_GROWTH = 0.01
_LEAST = 10  # images of a minute that has a p99


@dataclass(frozen=True)
class Verdict:
    """One of the soak's promises; `kept` is None where there is too little to tell."""

    promise: str
    kept: bool | None
    found: str


def read_soak(path: Path) -> dict[str, Any]:
    """Read what `soak` wrote, be it complete or not.

    Raises:
        HmaDepthError: it cannot be read, or is something else.

    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise HmaDepthError(f"{path}: cannot be read: {error}") from error
    if not isinstance(content, dict) or not {"minutes", "samples", "account"} <= content.keys():
        raise HmaDepthError(f"{path} is not the soak.json that `soak` writes")
    return content


def verdicts(content: dict[str, Any]) -> list[Verdict]:
    """Judge."""
    return [*_losses(content), _latency(content["minutes"]), *_resources(content["samples"])]


def by_minute(samples: Sequence[dict[str, Any]], name: str) -> dict[int, list[Any]]:
    """A figure's samples, those before the first minute left out, by minute from 0."""
    minutes: dict[int, list[Any]] = {}
    for sample in samples:
        if sample["second"] >= 0:
            minutes.setdefault(int(sample["second"] // 60), []).append(sample[name])
    return minutes


def _losses(content: dict[str, Any]) -> list[Verdict]:
    account, end = content["account"], content.get("end")
    faults = account["faults"]
    promises = [
        Verdict(
            "received = processed + dropped + skipped + failed, by cause too, in every message",
            not faults and account["messages"] > 0,
            f"{account['messages']} messages, {len(faults)} that do not add up"
            + (f": {faults[0]}" if faults else ""),
        )
    ]
    if end is None:
        return [*promises, Verdict("nothing lost that is not counted", None, "it was interrupted")]
    return [
        *promises,
        Verdict(
            "images sent = received + lost in transport",
            end["missing"] == 0,
            f"{end['sent']} sent, {end['received']} received, {end['lost']} lost and counted, "
            f"{end['missing']} missing",
        ),
        Verdict(
            "every processed image's outputs arrived, all of them, or are counted as lost",
            end["processed"] == end["whole"]
            or end["outputs_lost"] >= end["processed"] - end["whole"],
            f"{end['processed']} processed, {end['whole']} arrived whole, "
            f"{end['outputs_lost']} messages lost and counted by the listener",
        ),
    ]


def _latency(minutes: Sequence[dict[str, Any]]) -> Verdict:
    promise = f"p99 of every minute within {LATENCY_FACTOR:g} times the first one's"
    known = [minute for minute in minutes if minute["whole"] >= _LEAST]
    if len(known) < 2:
        return Verdict(promise, None, "there are no two minutes")
    first, worst = known[0]["p99"], max(known[1:], key=lambda minute: minute["p99"])
    factor = worst["p99"] / first
    over = sum(minute["p99"] > LATENCY_FACTOR * first for minute in known[1:])
    return Verdict(
        promise,
        factor <= LATENCY_FACTOR,
        f"first {1e3 * first:.0f} ms, worst {1e3 * worst['p99']:.0f} ms in minute "
        f"{worst['begin'] / 60 + 1:.0f}: {factor:.2f} times; {over} of {len(known) - 1} beyond",
    )


def _resources(samples: Sequence[dict[str, Any]]) -> list[Verdict]:
    promise = f"resident memory grows by less than {MEMORY_GROWTH:.0%}"
    memory = by_minute(samples, "resident")
    if len(memory) < 2:
        judged = [Verdict(promise, None, "there are no two minutes")]
    else:
        first, last = median(memory[min(memory)]), median(memory[max(memory)])
        growth = last / first - 1
        judged = [
            Verdict(
                promise,
                growth < MEMORY_GROWTH,
                f"{first / 2**20:.1f} MiB in the first minute, {last / 2**20:.1f} in the last: "
                f"{growth:+.2%} (medians)",
            )
        ]
    for name, words in (("threads", "threads"), ("descriptors", "file descriptors")):
        values = [value for minute in by_minute(samples, name).values() for value in minute]
        seen = sorted(set(values))
        judged.append(
            Verdict(
                f"the number of {words} is constant",
                len(seen) == 1 if values else None,
                " to ".join(str(value) for value in dict.fromkeys((*seen[:1], *seen[-1:]))),
            )
        )
    return judged
