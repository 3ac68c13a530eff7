"""`train --preset finetune` on the folder that bag_to_dataset makes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from safetensors.torch import load_file

from hma_depth_ros.cli import run_command
from hma_depth_ros.data.depth.depth_png import write_depth_png
from hma_depth_ros.evaluation.quick_error import ValidationSums
from hma_depth_ros.html_report.training_page import write_training_page
from hma_depth_ros.network.checkpoint import CheckpointInfo, read_info, save_checkpoint
from hma_depth_ros.network.model import HmaDepth
from hma_depth_ros.training.config_file import load_config
from hma_depth_ros.training.validator import Validator

#: Another camera: 200x120 pixels, 2.2 m above the road.
SIZE, FOCAL, HEIGHT = (200, 120), 150.0, 2.2


def write_set(folder: Path, frames: int = 6, *, height: float = HEIGHT, dark: bool = False) -> Path:
    """Frames of a flat road under a textured sky, with lists and report."""
    row, column = np.mgrid[0 : SIZE[1], 0 : SIZE[0]]
    depth = np.where(row > 65, height * FOCAL / np.maximum(row - 55.0, 1), 0)
    names = []
    for number in range(frames):
        image = np.stack([(row * 2 + 9 * number) % 256, column % 256, (row + column) % 256], -1)
        if dark:
            image = image // 4
        name = f"bag_{number}_000000000.png"
        (folder / "images").mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / "images" / name), image.astype(np.uint8))
        write_depth_png(folder / "depth" / name, np.where(column % 3 == 0, depth, 0))
        names.append(f"images/{name} depth/{name} {FOCAL} {FOCAL} 99.5 55\n")
    (folder / "train.txt").write_text("".join(names[2:]))
    (folder / "validation.txt").write_text("".join(names[:2]))
    (folder / "frames").mkdir()
    mount = {"height": height, "pitch": 0.05}
    report = {"mount": mount, "camera": {"fx": FOCAL}}
    (folder / "report.json").write_text(json.dumps(report))
    return folder


QUICK = (
    *("optimiser.epochs=2", "optimiser.batch_size=2", "data.epoch_frames=4", "data.workers=0"),
    *("run.tensorboard=false", "run.half_checkpoints=false"),
)


def train(*arguments: object) -> int:
    return run_command("train", ["--preset", "finetune", *map(str, arguments)])


def test_a_checkpoint_learns_the_new_camera_and_keeps_its_statistics(
    tmp_path: Path, tiny_checkpoint: Path
):
    data, output = write_set(tmp_path / "set"), tmp_path / "run"
    weights = f"model.weights={tiny_checkpoint}"
    assert train("--data", data, "--output", output, weights, *QUICK) == 0
    before, after = read_info(tiny_checkpoint), read_info(output / "best.safetensors")
    # The network answers for the same focal length, and sees images at the same width.
    assert after.model == before.model
    assert after.preprocessing == before.preprocessing
    camera = after.training["camera"]
    assert (camera["fx"], camera["width"], camera["height"]) == (FOCAL, *SIZE)
    assert (camera["fy"], camera["cx"], camera["cy"]) == (FOCAL, 99.5, 55.0)
    assert (camera["mount_height"], camera["mount_pitch"]) == (HEIGHT, 0.05)
    assert after.training["initial_weights"] == tiny_checkpoint.name
    assert list(after.evaluation) == ["full, cap 80 m"]
    crop = after.training["crop"]
    assert (crop["input_width"], crop["focal_length"]) == (48, 40.0)
    assert (crop["height"], crop["width"]) == (29 // 32 * 32 or 32, 32)
    old, new = load_file(tiny_checkpoint), load_file(output / "last.safetensors")
    same = {name for name in old if np.array_equal(old[name].numpy(), new[name].numpy())}
    statistics = {name for name in old if "running_" in name}
    assert statistics and statistics <= same
    assert any(name.startswith("decoder") for name in set(old) - same)


def test_it_goes_on_from_the_bundled_model_by_default(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    data = write_set(tmp_path / "set")
    other = write_set(tmp_path / "other", frames=3)
    arguments = ("--data", data, "--mix", other / "train.txt", "--print-config")
    assert train(*arguments, "optimiser.learning_rate=1e-5") == 0
    (tmp_path / "config.yaml").write_text(capsys.readouterr().out)
    config = load_config(file=tmp_path / "config.yaml")
    assert config.model.weights == "bundled"
    assert config.model.encoder == "efficientnet_lite2"
    assert config.crop.input_width == 512
    assert config.data.train == (str(data / "train.txt"), str(other / "train.txt"))
    assert config.data.validation == str(data / "validation.txt")
    assert config.data.root is None
    assert config.data.list_shares == (0.75, 0.25)
    # 600 steps of 4 of however many frames there are.
    assert (config.optimiser.epochs, config.data.epoch_frames) == (10, 240)
    assert config.optimiser.batch_size == 4
    assert (config.validation.every, config.validation.frames) == (1, 60)
    assert config.compute.precision == "auto"
    # As high as the frame (307 rows of 512), and as wide as 80,000 pixels allow.
    assert (config.crop.height, config.crop.width) == (288, 256)
    assert config.optimiser.learning_rate == 1e-5
    assert config.optimiser.frozen_statistics


def test_no_list_has_frames_lower_than_the_crop(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """They would be enlarged, and the network would never see that camera as it is used."""
    data, other = write_set(tmp_path / "set"), write_set(tmp_path / "other")
    for path in (*other.glob("images/*.png"), *other.glob("depth/*.png")):
        image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        assert image is not None
        cv2.imwrite(str(path), image[20:60])
    mixed = other / "train.txt"
    assert train("--data", data, "--mix", mixed, "--mix", mixed, "--print-config") == 0
    (tmp_path / "config.yaml").write_text(capsys.readouterr().out)
    config = load_config(file=tmp_path / "config.yaml")
    assert (config.crop.height, config.crop.width) == (96, 384), "40 rows of 200 columns, at 512"
    assert config.data.list_shares == (0.75, 0.125, 0.125)


def errors(folder: Path, *checkpoints: Path) -> list[float]:
    """AbsRel of each of several checkpoints on a set's validation frames."""
    given = [word for path in checkpoints for word in ("--checkpoint", str(path))]
    result = folder / "result.json"
    arguments = ("--data", str(folder), "--split", "validation.txt", "--json", str(result))
    assert run_command("evaluate_kitti", [*arguments, *given]) == 0
    compared = json.loads(result.read_text())["full_cap80"]["minus_first"].values()
    gains = [gain["abs_rel"] for gain in compared]
    return [gains[0]["first"], *(gain["second"] for gain in gains)]


def kept_of_a_run(
    folder: Path, weights: Path, validation: Path, capsys: pytest.CaptureFixture[str], *more: object
) -> tuple[str, dict[str, float]]:
    """What the run says at its end, and AbsRel by the share of what training changed."""
    data = folder / "set"
    steps = ("data.epoch_frames=20", "optimiser.batch_size=2", "optimiser.epochs=3")
    quick = ("optimiser.average_decay=0", "data.workers=0", "run.tensorboard=false")
    given = ("--data", data, "--validation", validation, f"model.weights={weights}", *steps, *quick)
    assert train(*given, "--output", folder / "run", *more) == 0
    lines = map(json.loads, (folder / "run" / "metrics.jsonl").read_text().splitlines())
    found = {}
    for line in lines:
        if "validation" in line:
            found[f"{line.get('trained_share', 1)}"] = line["validation"]["all"]["abs_rel"]
    return capsys.readouterr().out, found


def test_no_more_is_kept_than_the_validation_bears(
    tmp_path: Path, tiny_checkpoint: Path, capsys: pytest.CaptureFixture[str]
):
    """Chosen by frames of a car 0.9 m above the road, one of 2.2 m is not to be learned at all."""
    write_set(tmp_path / "set")
    other = write_set(tmp_path / "other", height=0.9, dark=True)
    rate = "optimiser.learning_rate=3e-3"
    # A network that knows the other car.
    before = tmp_path / "before" / "last.safetensors"
    learned = ("--data", other, "--output", before.parent, f"model.weights={tiny_checkpoint}", rate)
    assert train(*learned, *QUICK, "optimiser.epochs=2", "data.epoch_frames=80") == 0
    capsys.readouterr()
    alone = (rate, "validation.blends=[0.0]")  # what lies between is better by chance
    list_of_other = other / "validation.txt"
    said, errors_by_share = kept_of_a_run(tmp_path, before, list_of_other, capsys, *alone)
    assert errors_by_share["1"] > errors_by_share["0.0"] == min(errors_by_share.values())
    assert "by the weights it started from, which no others beat" in said
    old, best = load_file(before), load_file(tmp_path / "run" / "best.safetensors")
    changed = load_file(tmp_path / "run" / "last.safetensors")
    assert all(np.allclose(old[name], best[name], rtol=1e-3, atol=1e-5) for name in old)
    assert any(not np.allclose(old[name], changed[name], rtol=1e-2, atol=1e-3) for name in old)
    assert "hint: all recordings of the validation list" not in said
    assert read_info(tmp_path / "run" / "best.safetensors").training["trained_share"] == 0


def test_weights_on_the_way_are_kept_where_they_are_best(
    tmp_path: Path,
    tiny_checkpoint: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
):
    """With half of a change that goes twice as far as it should."""
    data = write_set(tmp_path / "set")
    whole = Validator.score

    def score(self: Validator, model: HmaDepth, info: CheckpointInfo) -> ValidationSums:
        sums = whole(self, model, info)
        share = info.training["trained_share"]
        for frames in sums.metrics.values():
            for metrics in frames:
                metrics["abs_rel"] = abs(share - 0.5) + 0.1
        return sums

    monkeypatch.setattr(Validator, "score", score)
    listed = data / "validation.txt"
    said, _ = kept_of_a_run(tmp_path, tiny_checkpoint, listed, capsys)
    assert "best abs_rel 0.1000 with 0.5 of what training changed" in said
    assert "hint: all recordings of the validation list" in said
    run = tmp_path / "run"
    start, end = load_file(tiny_checkpoint), load_file(run / "last.safetensors")
    best = load_file(run / "best.safetensors")
    for name, value in best.items():
        middle = (start[name].float() + end[name].float()) / 2
        assert np.allclose(value.float(), middle, rtol=2e-3, atol=1e-4), name
    write_training_page(run / "page.html", run)
    assert "0.1000 with 0.5 of what training changed" in (run / "page.html").read_text()
    # A finished run that is resumed chooses the same.
    assert run_command("train", ["--resume", str(run)]) == 0
    assert "best abs_rel 0.1000 with 0.5 of what" in capsys.readouterr().out


def test_what_is_mixed_in_is_not_forgotten(tmp_path: Path, tiny_checkpoint: Path):
    """Another car, 0.9 m above a dark road, was learned before."""
    old = write_set(tmp_path / "old", height=0.9, dark=True)
    own = write_set(tmp_path / "own")
    steps = (
        *("data.epoch_frames=80", "optimiser.batch_size=2", "optimiser.epochs=2"),
        *("optimiser.learning_rate=3e-3", "optimiser.average_decay=0", "validation.every=2"),
        *("data.workers=0", "run.tensorboard=false"),
    )

    def run(name: str, weights: Path, *arguments: object) -> tuple[Path, float]:
        output = tmp_path / name
        assert train(*arguments, "--output", output, f"model.weights={weights}", *steps) == 0
        checkpoint = output / "last.safetensors"
        (measured,) = read_info(checkpoint).evaluation.values()
        return checkpoint, measured["all"]["abs_rel"]

    before, on_old = run("before", tiny_checkpoint, "--data", old)
    alone, on_own = run("alone", before, "--data", own)
    mixed, on_own_mixed = run("mixed", before, "--data", own, "--mix", old / "train.txt")
    first, forgotten, kept = errors(old, before, alone, mixed)
    assert first == pytest.approx(on_old, abs=0.01)
    assert forgotten > 3 * first
    assert kept < forgotten / 3
    assert on_own_mixed < 1.3 * on_own


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--data", "DIR"), "has no train.txt: make it with bag_to_dataset"),
        (("--data", "SET", "model.weights=none.safetensors"), "there is no such file"),
        (("--split", "SET/train.txt", "--mix", "SET/train.txt"), "--mix goes with --data DIR"),
    ],
)
def test_what_cannot_be_is_one_line(
    tmp_path: Path,
    arguments: tuple[str, ...],
    says: str,
    capsys: pytest.CaptureFixture[str],
):
    write_set(tmp_path / "set")
    (tmp_path / "dir").mkdir()
    places = {"DIR": str(tmp_path / "dir"), "SET": str(tmp_path / "set")}
    given = [a.replace("DIR", places["DIR"]).replace("SET", places["SET"]) for a in arguments]
    assert train(*given, "--output", tmp_path / "run") == 2
    message = capsys.readouterr().err
    assert says in message and message.count("\n") == 1


def test_the_estimate_of_the_error_is_trained_alone(
    tmp_path: Path, tiny_checkpoint: Path, capsys: pytest.CaptureFixture[str]
):
    data, weights = write_set(tmp_path / "set"), tmp_path / "uncertain.safetensors"
    alone = ("optimiser.only_uncertainty=true", *QUICK)
    arguments = ("--data", data, "--output", tmp_path / "run", *alone)
    assert train(*arguments, f"model.weights={tiny_checkpoint}") == 2
    assert "set model.uncertainty=true" in capsys.readouterr().err
    info = read_info(tiny_checkpoint)
    info = replace(info, model=replace(info.model, uncertainty=True))
    save_checkpoint(weights, HmaDepth(info.model), info)
    wrong = "optimiser.frozen_statistics=false"
    assert train(*arguments, f"model.weights={weights}", wrong) == 2
    assert "optimiser.only_uncertainty" in capsys.readouterr().err
    assert train(*arguments, f"model.weights={weights}") == 0
    old, new = load_file(weights), load_file(tmp_path / "run" / "last.safetensors")
    changed = {name for name in old if not np.array_equal(old[name].numpy(), new[name].numpy())}
    assert changed
    assert all(name.startswith("decoder.uncertainty_head.") for name in changed)
    assert not any("running_" in name for name in changed)
