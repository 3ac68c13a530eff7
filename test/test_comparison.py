"""Networks side by side on the same frames, with paired intervals of their differences."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from hma_depth_ros.cli import run_command
from hma_depth_ros.data.depth.depth_png import write_depth_png
from hma_depth_ros.evaluation.report.comparison import (
    comparison_content,
    comparison_tables,
    differences,
)
from hma_depth_ros.evaluation.report.summary import EvaluationSummary, Figures
from hma_depth_ros.evaluation.score import Score
from hma_depth_ros.network.checkpoint import load_checkpoint, save_checkpoint


def figures(values: dict[str, float], scenes: dict[str, str]) -> Figures:
    scores = {name: Score({"abs_rel": value}, 1, 0, None) for name, value in values.items()}
    return Figures(scores, 80.0, scenes)


def test_a_small_gain_on_every_frame_is_sure_though_frames_differ_more():
    random = np.random.default_rng(0)
    hard = {f"{n}": float(value) for n, value in enumerate(random.uniform(0.1, 0.5, 40))}
    scenes = {name: f"street {int(name) % 8}" for name in hard}
    better = {name: value - 0.01 - 0.002 * random.random() for name, value in hard.items()}
    first, second = figures(hard, scenes), figures({**better, "another": 9.0}, scenes)
    found = differences(first, second)["abs_rel"]
    assert found.difference == pytest.approx(-0.011, abs=0.001)
    assert found.second == pytest.approx(np.mean(list(better.values())))
    low, high = found.confidence_95
    assert -0.0125 < low < found.difference < high < -0.0095
    assert found.confidence_95_over_scenes is not None
    assert found.sure and found.scenes == 8
    low, high = first.interval["abs_rel"]
    assert high - low > 0.05, "unpaired, the gain would drown"


def test_one_lucky_scene_is_not_sure():
    scenes = {f"{n}": "lucky" if n < 10 else f"street {n % 7}" for n in range(40)}
    first = figures(dict.fromkeys(scenes, 0.2), scenes)
    second = figures({n: 0.1 if s == "lucky" else 0.201 for n, s in scenes.items()}, scenes)
    found = differences(first, second)["abs_rel"]
    assert found.confidence_95[1] < 0
    assert not found.sure, "over scenes"


@pytest.mark.parametrize(("scenes", "sure"), [(1, True), (2, False), (5, False), (6, True)])
def test_few_scenes_say_nothing_of_others(scenes: int, sure: bool):
    """The second network is better in all of them, by both intervals."""
    of = {f"{n}": f"street {n % scenes}" for n in range(60)}
    first = figures(dict.fromkeys(of, 0.2), of)
    second = figures({name: 0.17 + 0.0001 * int(name) for name in of}, of)
    apart = {"full_cap80": {"new": differences(first, second)}}
    found = apart["full_cap80"]["new"]["abs_rel"]
    assert found.confidence_95[1] < 0
    assert (found.confidence_95_over_scenes or (-1, -1))[1] < 0
    assert found.sure is sure
    summaries = [EvaluationSummary({"full_cap80": 80.0}) for _ in range(2)]
    for summary, own in zip(summaries, (first, second), strict=True):
        summary.figures["full_cap80"] = own
    (table,) = comparison_tables(["old", "new"], summaries, apart)
    written = [cell for column in table.columns for cell in column.cells]
    assert ("-0.027*" in written) is sure
    assert ("too few drives to say" in str(table.caption)) is (not sure)
    content = comparison_content(["old", "new"], summaries, apart, {})
    told = content["full_cap80"]["minus_first"]["new"]["abs_rel"]
    assert (told["sure"], told["scenes"]) == (sure, scenes)


def test_frames_that_disagree_within_their_scenes_are_not_sure():
    """The interval over scenes is then the narrower one: all scenes have the same mean."""
    of = {f"{n}": f"street {n // 4}" for n in range(40)}
    first = figures(dict.fromkeys(of, 1.0), of)
    second = figures({n: 1.9 if int(n) % 4 == 0 else 0.6 for n in of}, of)
    found = differences(first, second)["abs_rel"]
    assert found.confidence_95_over_scenes == pytest.approx((-0.075, -0.075))
    assert found.confidence_95[0] < 0 < found.confidence_95[1]
    assert not found.sure


def test_two_checkpoints_on_a_folder_of_ones_own(
    tmp_path: Path,
    tiny_checkpoint: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
):
    lines = []
    row, column = np.mgrid[0:60, 0:100]
    for number in range(3):
        name = f"street/{number}.png"
        for kind in ("image", "depth"):
            (tmp_path / kind / "street").mkdir(parents=True, exist_ok=True)
        picture = np.stack([row * 3, column * 2, row + 20 * number], -1).astype(np.uint8)
        cv2.imwrite(str(tmp_path / "image" / name), picture)
        write_depth_png(tmp_path / "depth" / name, 10.0 + number + 0.1 * row)
        lines.append(f"image/{name} depth/{name} 80 80 50 30\n")
    (tmp_path / "test.txt").write_text("".join(lines))
    (tmp_path / "frames").mkdir()
    (tmp_path / "report.json").write_text("{}")
    model, info = load_checkpoint(tiny_checkpoint)
    for parameter in model.decoder.parameters():
        parameter.data.mul_(0.5)
    save_checkpoint(tmp_path / "other.safetensors", model, info)
    # The list is named as it is called in the folder.
    monkeypatch.chdir(tmp_path.parent)
    where = ["--data", str(tmp_path), "--split", "test.txt", "--workers", "1"]
    first, second = ["--checkpoint", str(tiny_checkpoint)], ["--checkpoint", "other.safetensors"]
    second[1] = str(tmp_path / second[1])
    report = tmp_path / "out.json"
    command = [*where, *first, *second, "--json", str(report)]
    assert run_command("evaluate_kitti", command) == 0
    said = capsys.readouterr().out
    assert "full_cap80, the same 3 frames" in said
    found = json.loads(report.read_text())
    figure = found["full_cap80"]
    assert list(figure["mean"]) == ["tiny.safetensors", "other.safetensors"]
    difference = figure["minus_first"]["other.safetensors"]["abs_rel"]
    per_image = figure["per_image"]
    apart = [
        per_image["other.safetensors"][name]["abs_rel"] - own["abs_rel"]
        for name, own in per_image["tiny.safetensors"].items()
    ]
    assert difference["difference"] == pytest.approx(np.mean(apart))
    assert abs(difference["difference"]) > 1e-3
    low, high = difference["confidence_95"]
    assert min(apart) <= low <= high <= max(apart)
    assert difference["confidence_95_over_scenes"] is None
    assert (difference["sure"], difference["scenes"]) == (low > 0 or high < 0, 1)
    assert len(found["run"]["checkpoints"]) == 2
    assert run_command("evaluate_kitti", [*where, *first, *first]) == 2
    assert "twice" in capsys.readouterr().err
    alone = tmp_path / "alone.json"
    assert run_command("evaluate_kitti", [*where, *second, "--json", str(alone)]) == 0
    mean = json.loads(alone.read_text())["full_cap80"]["mean"]["abs_rel"]
    assert mean == pytest.approx(figure["mean"]["other.safetensors"]["abs_rel"])
