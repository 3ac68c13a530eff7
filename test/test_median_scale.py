"""The scale by height beside that of the ground truth, and the command that prints both."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from hma_depth_ros.cli import height_scale, run_command
from hma_depth_ros.data.depth.depth_png import write_depth_png
from hma_depth_ros.data.image_file import write_png
from hma_depth_ros.evaluation.median_scale import ScaledFrame, by_scene, median_scale
from hma_depth_ros.geometry.camera_planes import Mount
from hma_depth_ros.inference.road_scale import HeightScale

NAN = float("nan")


def test_the_median_scale_is_of_points_that_have_both():
    truth = np.array([[0, 2, 4, 6, 90, 10]], np.float32)
    depth = np.array([[7, 1, 2, 4, 50, np.nan]], np.float32)
    assert median_scale(depth, truth, 80) == 2
    assert median_scale(depth, truth, 5) == 2
    assert median_scale(depth, truth, 100) == pytest.approx(5 / 3)
    assert np.isnan(median_scale(depth, np.zeros_like(truth), 80))


def frame(scene: str, by_height: float | None, by_truth: float, depth: float) -> ScaledFrame:
    found = None if by_height is None else HeightScale(by_height, 0.6)
    values = np.array([depth, depth], np.float32), np.array([2, 4], np.float32)
    return ScaledFrame(scene, found, by_truth, by_truth / 2, *values)


def test_scenes_are_summed_up():
    frames = [
        frame("a", 1.2, 1.0, 2),
        frame("a", None, 1.2, 2),
        frame("a", 1.5, 1.5, 2),
        frame("b", None, 0.8, 4),
    ]
    scenes = by_scene(frames)
    assert list(scenes) == ["a", "b"]
    assert scenes["a"] == pytest.approx(
        {
            **{"frames": 3, "with_road": 2, "by_height": 1.35, "share": 0.6},
            **{"by_truth": 1.2, "near": 0.6, "error": 0.1, "near_error": 1.2},
            # |2 - 2| / 2 and |2 - 4| / 4; with 2.7 m 0.35 and 0.325
            **{"abs_rel": 0.25, "abs_rel_scaled": 0.3375},
        }
    )
    assert scenes["b"] == pytest.approx(
        {
            **{"frames": 1, "with_road": 0, "by_height": NAN, "share": 0},
            **{"by_truth": 0.8, "near": 0.4, "error": NAN, "near_error": NAN},
            **{"abs_rel": 0.5, "abs_rel_scaled": 0.5},
        },
        nan_ok=True,
    )


def test_the_command(
    tmp_path: Path,
    tiny_checkpoint: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    asked = []

    def by_height(_depth: object, _camera: object, mount: Mount, *, limit: float) -> HeightScale:
        asked.append((mount, limit))
        return HeightScale(1.25, 0.7)

    monkeypatch.setattr(height_scale, "scale_by_height", by_height)
    image = np.random.default_rng(0).integers(0, 256, (48, 96, 3), dtype=np.uint8)
    write_png(tmp_path / "image" / "a.png", image)
    write_depth_png(tmp_path / "depth" / "a.png", np.full((48, 96), 6, np.float32))
    split = tmp_path / "split.txt"
    split.write_text("image/a.png depth/a.png 80 80 48 24\nimage/a.png None 80 80 48 24\n")
    out = tmp_path / "out.json"
    options = ["--split", split, "--checkpoint", tiny_checkpoint, "--json", out]
    mount = ["--camera-height", 2.2, "--camera-pitch", 0.07, "--limit", 1.5]
    assert run_command("height_scale", list(map(str, [*options, *mount]))) == 0
    assert asked == [(Mount(2.2, 0.07), 1.5)]
    assert "1 of 1 │     1.250 │  0.70 │" in capsys.readouterr().out
    content = json.loads(out.read_text())
    assert content["mount"] == {"height": 2.2, "pitch": 0.07}
    (figures,) = content["scenes"].values()
    assert figures["error"] == pytest.approx(abs(1.25 / figures["by_truth"] - 1))

    monkeypatch.setattr(height_scale, "scale_by_height", lambda *_, **__: None)  # no road
    assert run_command("height_scale", list(map(str, options))) == 0
    content = json.loads(out.read_text(), parse_constant=pytest.fail)
    (figures,) = content["scenes"].values()
    assert (figures["by_height"], figures["error"], figures["with_road"]) == (None, None, 0)

    assert run_command("height_scale", [*map(str, options), "--camera-height", "0"]) == 2
    assert "--camera-height is in metres and positive" in capsys.readouterr().err
    split.write_text("image/a.png None 80 80 48 24\n")
    assert run_command("height_scale", list(map(str, options))) == 2
    assert "lists no frame with ground truth" in capsys.readouterr().err
