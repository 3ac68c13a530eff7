"""The benchmarks of docs/performance.md, every option of them, in small."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest

from hma_depth_ros.cli import run

from .documented import blocks_run_by, commands

#: In place of what the page says: less time, fewer nodes, a smaller network and image.
LESS = {
    "--rounds": "1",
    "--seconds": "1",
    "--size": "64x96",
    "--model": "mobile",
}
FEWER = {"1,2,4": "1", "1,4": "1,2", "2,4": "2", "0,1": "1"}


def in_small(words: list[str], checkpoint: Path) -> list[str]:
    """Words of a command with other values."""
    small = [words[0], words[1]]
    for before, word in pairwise(words[1:]):
        small.append(LESS.get(before, FEWER.get(word, word)))
    if "--model" not in small:
        small += ["--checkpoint", str(checkpoint)]
    if small[1] == "node":
        small += ["--image-size", "48x96", *(() if "--seconds" in small else ("--seconds", "1"))]
    return small


@pytest.mark.long
def test_every_benchmark_runs(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    tiny_checkpoint: Path,
    capsys: pytest.CaptureFixture[str],
):
    pytest.importorskip("rclpy")
    pytest.importorskip("openvino")
    monkeypatch.chdir(tmp_path)
    # What the page measures beside our networks is not part of this package.
    baseline = (
        "def bts_resnet50():\n    import torch\n    return torch.nn.Conv2d(3, 1, 7, padding=3)\n"
    )
    (tmp_path / "my_module.py").write_text(baseline)
    found = [w for block in blocks_run_by(__file__, "performance.md") for w in commands(block.text)]
    assert {words[1] for words in found} == {"model", "node"}
    for number, words in enumerate(found):
        argv = [*in_small(words, tiny_checkpoint), "--json", f"{number}.json"]
        assert run(argv) == 0, (argv, capsys.readouterr().err)
        candidates = json.loads((tmp_path / f"{number}.json").read_text())["candidates"]
        assert candidates, argv
        if "--baseline" in words:
            assert "baseline my_module:bts_resnet50" in candidates
