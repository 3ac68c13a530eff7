"""What a run keeps of its epochs, what its checkpoint says, and when each rate and frame counts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from hma_depth_ros.data.depth.depth_png import write_depth_png
from hma_depth_ros.data.splits.split_file import SplitEntry
from hma_depth_ros.evaluation.dataset_rules import KITTI
from hma_depth_ros.evaluation.quick_error import ALL, ValidationSums
from hma_depth_ros.geometry.camera_planes import USUAL_MOUNT
from hma_depth_ros.network.checkpoint import Preprocessing, load_checkpoint, read_info
from hma_depth_ros.training import validator as validator_module
from hma_depth_ros.training.config_file import load_config
from hma_depth_ros.training.lists import Lists
from hma_depth_ros.training.processes import Processes
from hma_depth_ros.training.run_config import TrainConfig
from hma_depth_ros.training.run_folder import RunFolder
from hma_depth_ros.training.schedule import learning_rate
from hma_depth_ros.training.trainer import Trainer
from hma_depth_ros.training.validator import Validator

from .runs import steps

Case = tuple[str, list[float], int]  # metric, its value of each epoch, the best epoch

ALONE = Processes(0, 1, torch.device("cpu"))


@pytest.fixture(scope="module")
def lists(tmp_path_factory: pytest.TempPathFactory) -> Lists:
    """Six small frames of noise to train on, and two of them to validate by."""
    folder = tmp_path_factory.mktemp("noise")
    random = np.random.default_rng(0)
    entries = []
    for number in range(6):
        image, depth = folder / f"{number}.png", folder / f"{number}_depth.png"
        cv2.imwrite(str(image), random.integers(0, 256, (48, 96, 3), dtype=np.uint8))
        write_depth_png(depth, random.uniform(2, 60, (48, 96)).astype(np.float32))
        entries.append(SplitEntry(image, depth, 60.0))
    return Lists(entries, entries[:2], KITTI, {})


def _config(*overrides: str) -> TrainConfig:
    short = [
        "crop.height=32",
        "crop.width=64",
        "crop.input_width=96",
        "crop.focal_length=50",
        "optimiser.batch_size=2",
        "optimiser.epochs=3",
        "data.workers=0",
        "run.tensorboard=false",
        "run.log_every=1",
    ]
    return load_config(preset="tiny", overrides=[*short, *overrides])


def _trainer(lists: Lists, folder: Path, *overrides: str) -> Trainer:
    folder.mkdir(exist_ok=True)
    return Trainer(_config(*overrides), lists, RunFolder(folder), ALONE)


# --- the best epoch -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "case",
    [
        ("abs_rel", [0.5, 0.3, 0.4], 2),
        ("abs_rel", [0.3, 0.4, 0.5], 1),
        ("d1", [0.5, 0.3, 0.4], 1),
        ("d1", [0.3, 0.5, 0.4], 2),
        ("abs_rel", [float("nan"), 0.4, float("nan")], 2),
    ],
)
def test_the_best_epoch_is_the_one_that_is_kept(
    lists: Lists,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    case: tuple[str, list[float], int],
):
    metric, values, best = case
    left = iter(values)

    def score(self: Validator, *_: Any) -> ValidationSums:
        metrics = {"abs_rel": 1.0, "d1": 0.0, "rmse": 1.0, metric: next(left)}
        return ValidationSums({ALL: [metrics]})

    monkeypatch.setattr(Validator, "score", score)
    trainer = _trainer(lists, tmp_path, f"validation.metric={metric}")
    outcome = trainer.run()
    assert read_info(tmp_path / "last.safetensors").training["epoch"] == 3
    info = read_info(tmp_path / "best.safetensors")
    assert info.training["epoch"] == best
    assert info.evaluation["whole, cap 80 m"]["all"][metric] == values[best - 1] == outcome.best


# --- the checkpoint -----------------------------------------------------------------------------


@pytest.mark.parametrize("decay", ["0.5", "0"])
def test_the_averaged_weights_are_what_is_kept(lists: Lists, tmp_path: Path, decay: str):
    """Where there is an average; its running statistics, too."""
    trainer = _trainer(lists, tmp_path, f"optimiser.average_decay={decay}", "optimiser.epochs=1")
    trainer.run()
    state = load_file(tmp_path / "state.safetensors")
    trained = {name[6:]: t for name, t in state.items() if name.startswith("model/")}
    averaged = {name[15:]: t for name, t in state.items() if name.startswith("average/module.")}
    kept = load_file(tmp_path / "last.safetensors")
    expected = averaged if decay == "0.5" else trained
    assert kept.keys() == expected.keys()
    assert all(torch.equal(kept[name], expected[name]) for name in kept)
    moved = [n for n in averaged if not torch.equal(averaged[n], trained[n])]
    assert bool(moved) == (decay == "0.5")
    if moved:
        assert any(name.endswith("running_mean") for name in moved)


@pytest.mark.parametrize("width", ["96", "null"])
def test_a_checkpoint_says_what_size_and_focal_length_it_was_trained_at(
    lists: Lists, tmp_path: Path, width: str
):
    """From it, inference finds the same scale: predictions are of that width."""
    _trainer(lists, tmp_path, f"crop.input_width={width}", "optimiser.epochs=1").run()
    model, info = load_checkpoint(tmp_path / "last.safetensors")
    expected = None if width == "null" else int(width)
    assert info.preprocessing == Preprocessing(input_width=expected, focal_length=50.0)
    assert model.config.encoder == "mobilenetv3_small_050"


# --- learning rates -----------------------------------------------------------------------------


def test_each_step_takes_its_own_learning_rate(lists: Lists, tmp_path: Path):
    """Adam's first steps are of the size of the rate, whatever the gradient: so it shows."""
    trainer = _trainer(
        lists,
        tmp_path,
        "optimiser.schedule=one_cycle",
        "optimiser.warm_up=0.5",
        "optimiser.learning_rate=1e-3",
        "optimiser.average_decay=0",
        "data.validation=null",
    )
    settings = trainer.config.optimiser
    expected = [learning_rate(step, 9, settings) for step in range(9)]
    found = []
    weights = list(trainer.model.decoder.parameters())
    take_step = trainer.take_step

    class Watched:
        scaler = take_step.scaler

        def __call__(self, *arguments: Any, **named: Any) -> Any:
            before = [p.detach().clone() for p in weights]
            figures = take_step(*arguments, **named)
            moved = max(
                float((p - b).detach().abs().max()) for p, b in zip(weights, before, strict=True)
            )
            found.append(moved)
            return figures

    trainer.take_step = Watched()  # type: ignore[assignment]
    trainer.run()
    assert found[0] == pytest.approx(expected[0], rel=0.01)
    assert expected[0] == pytest.approx(1e-3 / 25)
    # Later ones are at most a little larger than the rate; a step late they would be 4 times so.
    assert found[1] < 2 * expected[1]
    assert expected[1] > 4 * expected[0]
    logged = [line["learning_rate"] for line in steps(tmp_path) if "loss" in line]
    assert logged == pytest.approx(expected)


# --- validation of several processes ------------------------------------------------------------


class _OneOf(Processes):
    """One of several processes, as if the others had found nothing."""

    def gathered(self, value: Any) -> list[Any]:
        return [value]


@pytest.mark.parametrize("world", [1, 2, 4])
def test_each_frame_is_validated_by_one_process_alone(
    lists: Lists, world: int, monkeypatch: pytest.MonkeyPatch
):
    seen: list[str] = []

    def validate(_: Any, entries: Sequence[SplitEntry], __: Any) -> ValidationSums:
        seen.extend(entry.image.name for entry in entries)
        return ValidationSums({ALL: [{"abs_rel": 0.0} for _ in entries]})

    monkeypatch.setattr(validator_module, "validate", validate)
    monkeypatch.setattr(Validator, "_predictor", lambda *_: None)
    six = Lists([], lists.training, KITTI, {})
    counts = []
    for rank in range(world):
        processes = _OneOf(rank, world, torch.device("cpu"))
        validator = Validator.of(six, _config().validation, processes, USUAL_MOUNT)
        counts.append(len(validator.score(None, None).metrics.get(ALL, [])))  # type: ignore[arg-type]
    assert sorted(seen) == sorted(entry.image.name for entry in lists.training)
    assert max(counts) - min(counts) <= 1
