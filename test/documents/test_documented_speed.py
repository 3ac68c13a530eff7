"""The benchmarks of the network alone of docs/performance.md, every option of them, in small.

Those of the node start up to seven processes a line: test_benchmark_speed.py has them.
"""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest

from hma_depth_ros.cli import run

from .documented import blocks_run_by, commands

#: In place of what follows these options on the page.
LESS = {"--rounds": "1", "--size": "64x96", "--model": "mobile"}


@pytest.mark.long
def test_every_benchmark_of_the_network_runs(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    tiny_checkpoint: Path,
    capsys: pytest.CaptureFixture[str],
):
    pytest.importorskip("openvino")
    monkeypatch.chdir(tmp_path)
    # What the page measures beside our networks is not part of this package.
    baseline = "import torch\ndef bts_resnet50():\n    return torch.nn.Conv2d(3, 1, 7, padding=3)\n"
    (tmp_path / "my_module.py").write_text(baseline)
    found = [w for block in blocks_run_by(__file__, "performance.md") for w in commands(block.text)]
    assert [words[:2] for words in found] == [["benchmark", "model"]] * 2
    for number, (first, *words) in enumerate(found):
        argv = [first, words[0], *(LESS.get(a, b) for a, b in pairwise(words))]
        own = [] if "--model" in argv else ["--checkpoint", str(tiny_checkpoint)]
        assert run([*argv, *own, "--json", f"{number}.json"]) == 0, capsys.readouterr().err
        content = json.loads((tmp_path / f"{number}.json").read_text())
        assert "torch fp32, as trained" in content["candidates"]
        assert ("baseline my_module:bts_resnet50" in content["candidates"]) == ("--model" in argv)
        assert bool(content["stages"]) == ("--by-stage" in argv)
