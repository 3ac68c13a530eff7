"""`benchmark loader`: that it measures the real thing, not how fast this machine is."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from hma_depth_ros.benchmarks import loader_speed
from hma_depth_ros.benchmarks.measured import consume
from hma_depth_ros.cli import benchmark, run_command
from hma_depth_ros.data.depth.ground_truth import read_ground_truth
from hma_depth_ros.data.image_file import image_size


def test_it_reports_items_times_and_stages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(loader_speed, "_RENDERED", 1)
    path = tmp_path / "report.json"
    arguments = ["loader", "--workers", "1", "--seconds", "0.3", "--json", str(path)]
    assert benchmark.main(arguments) == 0
    report = json.loads(path.read_text())
    assert set(report) == {"crops", "pairs", "stages_ms", "machine", "arguments"}
    assert report["crops"]["items"] % 16 == 0
    for name in ("crops", "pairs"):
        part = report[name]
        assert part["items"] > 0
        assert part["per_second"] == pytest.approx(part["items"] / part["seconds"])
        assert part["cpu_seconds"] > 0.1
    assert set(report["stages_ms"]) == {"decode image", "decode depth", "crop"}
    assert min(report["stages_ms"].values()) > 0.05
    out = capsys.readouterr().out
    assert "crops of 352x704 a second by 1 processes" in out
    assert "pairs scored a second by 1 threads" in out


def test_rendered_frames_are_of_kittis_size_and_sparseness(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(loader_speed, "_RENDERED", 1)
    (entry,) = loader_speed.render_frames(tmp_path)
    assert image_size(entry.image) == (1242, 375)
    assert entry.depth is not None
    assert 0.14 < (read_ground_truth(entry.depth) > 0).mean() < 0.18


def test_time_is_of_the_clock_and_cpu_time_is_not():
    def sleepy():
        while True:
            time.sleep(0.02)
            yield 2

    found = consume(sleepy(), seconds=0.2)
    assert 0.2 <= found.seconds < 1
    assert found.items % 2 == 0
    assert found.per_second == found.items / found.seconds
    assert found.cpu_seconds < 0.5 * found.seconds


def test_bad_arguments_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    split = tmp_path / "split.txt"
    split.write_text("a.png None 700\n")
    (tmp_path / "a.png").write_bytes(b"")
    assert run_command("benchmark", ["loader", "--split", str(split)]) == 2
    assert "no frame with ground truth" in capsys.readouterr().err
    assert run_command("benchmark", ["loader", "--seconds", "0"]) == 2
    assert "--seconds positive" in capsys.readouterr().err
