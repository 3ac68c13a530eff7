"""`soak`: its figures add up, its verdicts see what they are for, and it runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hma_depth_ros.benchmarks.camera_feed import Turn
from hma_depth_ros.benchmarks.soak.frame_account import FrameAccount, audit
from hma_depth_ros.benchmarks.soak.frame_fates import PATIENCE, FrameFates
from hma_depth_ros.benchmarks.soak.process_figures import read_process
from hma_depth_ros.benchmarks.soak.soak_page import soak_page
from hma_depth_ros.benchmarks.soak.soak_report import verdicts
from hma_depth_ros.cli import run_command, soak
from hma_depth_ros.errors import HmaDepthError


def status(**changes: Any) -> SimpleNamespace:
    """Diagnostics of a camera of which 10 images came."""
    figures = {
        "frames received": 10,
        "frames processed": 5,
        "frames dropped": 3,
        "dropped: late": 2,
        "dropped: early": 1,
        "frames skipped": 0,
        "frames failed": 2,
        "failed: bad image": 2,
        "frames waiting": 1,
        "images lost in transport": 4,
        "rate [Hz]": "1.00",
    }
    figures |= {key.replace("_", " "): value for key, value in changes.items()}
    pairs = [SimpleNamespace(key=key, value=str(value)) for key, value in figures.items()]
    return SimpleNamespace(values=pairs)


def test_an_account_that_adds_up():
    account = FrameAccount.of(status())
    assert account.faults() == []
    assert account.missing(15) == 0
    assert account.missing(17) == 2
    assert audit([status(), status()]).faults == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"frames_received": 11}, "11 received, but 10 accounted for"),
        ({"dropped:_late": 1}, "3 dropped, but 2 by their causes"),
        ({"failed:_bad_image": 3}, "2 failed, but 3 by their causes"),
        ({"frames_waiting": -1}, "-1 are waiting"),
    ],
)
def test_an_account_that_does_not(changes: dict[str, int], words: str):
    found = audit([status(), status(**changes)])
    assert found.faults == [f"message 2: {words}"]


def test_more_than_was_received_is_as_wrong():
    account = FrameAccount.of(status(frames_received=9))
    assert account.faults() == ["9 received, but 10 accounted for"]


def test_images_are_not_taken_back():
    fewer = status(frames_received=9, frames_processed=4)
    assert audit([status(), fewer]).faults == [
        "message 2: received fell from 10 to 9",
        "message 2: processed fell from 5 to 4",
    ]
    more = status(frames_received=11, frames_processed=6)
    assert len(audit([status(), more, status()]).faults) == 2, "each is compared with the last"


def test_what_came_since():
    now = status(frames_received=12, frames_processed=7, images_lost_in_transport=5)
    account = FrameAccount.of(now).since(FrameAccount.of(status(frames_waiting=0)))
    assert (account.received, account.processed, account.dropped, account.lost) == (2, 2, 0, 1)
    assert account.missing(3) == -1
    assert FrameAccount.of(status()).since(FrameAccount.of(status())).causes["dropped: late"] == 0


def test_fates_of_images_by_minute():
    turn = Turn(100.0, 300.0)
    fates = FrameFates(turn, topics=2)
    turn.sent = {1: 99.0, 2: 101.0, 3: 102.0, 4: 161.0}
    turn.arrived = [("a", 1, 99.1), ("b", 1, 99.2), ("a", 2, 101.1), ("b", 2, 101.5)]
    turn.arrived += [("a", 4, 161.25), ("b", 4, 161.75), ("a", 3, 102.1)]
    fates.look(103.0)
    assert (fates.sent, fates.whole, fates.torn) == (3, 3, 0)
    assert turn.sent == {3: 102.0}
    fates.look(102.0 + PATIENCE + 0.1)  # the other half of the third has not come
    assert (fates.sent, fates.whole, fates.torn) == (4, 3, 1)
    turn.arrived = [("b", 3, 109.0)]
    fates.finish()
    assert fates.sent == 4, "a straggler is no second image"
    first, second = (fates.minutes[number].figures() for number in (0, 1))
    assert (first["sent"], first["whole"], first["torn"]) == (2, 1, 1), "the warm-up is left out"
    assert first["max"] == pytest.approx(0.5)
    assert (second["begin"], second["p50"]) == (60.0, pytest.approx(0.75))


def content(**changes: Any) -> dict[str, Any]:
    """A soak of three minutes that kept all promises."""
    samples = [
        {
            "second": float(second),
            "resident": 1000 * 2**20,
            "anonymous": 500 * 2**20,
            "shared": 60 * 2**20,
            "threads": 20,
            "descriptors": 30,
            "cores_of_others": 0.5,
        }
        for second in range(-10, 180, 10)
    ]
    samples[0]["threads"] = 1  # while it starts
    minutes = [
        {"begin": 60.0 * n, "sent": 600, "whole": 599, "torn": 0, "p50": 0.04, "p99": p99}
        for n, p99 in enumerate((0.05, 0.06, 0.099))
    ]
    end = {"sent": 1800, "received": 1799, "processed": 1797, "whole": 1797, "torn": 0}
    end |= {"lost": 1, "missing": 0, "outputs_lost": 0}
    return {
        "arguments": {"rate": 10.0, "image_size": "10x20", "parameters": []},
        "machine": {"cpu": "a CPU", "cores": 2},
        "began": "today",
        "setup": {"engine": "torch", "precision": "fp32"},
        "topics": ["a", "b"],
        "minutes": minutes,
        "samples": samples,
        "account": {"messages": 180, "faults": []},
        "end": end,
    } | changes


def kept(found: dict[str, Any]) -> list[bool | None]:
    return [verdict.kept for verdict in verdicts(found)]


def test_all_promises_kept():
    assert kept(content()) == [True] * 7
    page = soak_page(content())
    assert "**no**" not in page
    assert "| 2 | 600 | 599 | 40 | 60 | 1000.0 | 20 | 30 | 0.50 |" in page


@pytest.mark.parametrize(
    ("index", "change"),
    [
        (0, lambda c: c["account"]["faults"].append("message 7: one is missing")),
        (1, lambda c: c["end"].update(missing=1)),
        (2, lambda c: c["end"].update(whole=1796)),
        (3, lambda c: c["minutes"][2].update(p99=0.101)),
        (4, lambda c: [s.update(resident=1011 * 2**20) for s in c["samples"] if s["second"] > 120]),
        (5, lambda c: c["samples"][-1].update(threads=21)),
        (6, lambda c: c["samples"][-1].update(descriptors=29)),
    ],
)
def test_each_promise_can_be_broken(index: int, change: Any):
    broken = content()
    change(broken)
    assert kept(broken) == [number != index for number in range(7)]
    assert "**no**" in soak_page(broken)


def test_what_was_interrupted_is_judged_as_far_as_it_goes(tmp_path: Path):
    record = tmp_path / "soak.json"
    short = content(end=None)
    short["minutes"] = short["minutes"][:1]
    short["samples"] = [s for s in short["samples"] if s["second"] < 60]
    record.write_text(json.dumps(short))
    assert soak.main(["--output", str(tmp_path), "--report-only"]) == 0
    page = (tmp_path / "soak.md").read_text()
    assert page.count("cannot be told") == 3
    assert (tmp_path / "soak.png").stat().st_size > 10000


def test_another_file_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "soak.json").write_text("{}")
    assert run_command("soak", ["--output", str(tmp_path), "--report-only"]) == 2
    assert "is not the soak.json that `soak` writes" in capsys.readouterr().err


def test_figures_of_a_process():
    code = "import threading, time; [threading.Thread(target=time.sleep, args=(9,), daemon=True)"
    code += ".start() for _ in range(3)]; x = b'x' * (50 << 20); f = open('/dev/null'); print(1)"
    code += "; import sys; sys.stdout.flush(); time.sleep(9)"
    process = subprocess.Popen([sys.executable, "-S", "-c", code], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        process.stdout.readline()
        figures = read_process(process.pid)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()  # type: ignore[union-attr]
    assert figures.threads == 4
    assert figures.descriptors == 4  # standard ones and the file
    assert 50 << 20 < figures.resident < 200 << 20
    assert figures.anonymous <= figures.resident
    with pytest.raises(HmaDepthError, match=f"process {process.pid}"):
        read_process(process.pid)


@pytest.mark.long
def test_a_few_seconds_of_it(tmp_path: Path, tiny_checkpoint: Path):
    """The real node, the real camera, all topics."""
    words = ["--minutes", "0.03", "--warm-up", "0.5", "--rate", "20", "--image-size", "38x124"]
    words += ["--checkpoint", str(tiny_checkpoint), "--parameter", "engine:=torch"]
    # In a process of its own: ROS stays in one's environment.
    done = subprocess.run(
        [sys.executable, "-m", "hma_depth_ros", "soak", "--output", str(tmp_path), *words],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert (tmp_path / "soak.json").exists(), done.stderr[-4000:]
    found = json.loads((tmp_path / "soak.json").read_text())
    end = found["end"]
    assert end["sent"] >= 3
    assert end["missing"] == 0
    assert end["processed"] == end["whole"] > 0
    assert end["outputs_lost"] == end["torn"] == 0
    assert found["account"]["faults"] == []
    assert found["setup"]["engine"] == "torch"
    assert {"depth/image", "points", "attention/scale_1", "attention/color"} <= set(found["topics"])
    assert found["samples"][-1]["threads"] > 5
    assert kept(found)[:3] == [True, True, True]
    assert "| promise | kept | found |" in done.stdout
