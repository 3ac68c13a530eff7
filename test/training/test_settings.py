"""Every key of a run's configuration reaches its effect: changing it changes what it should change.

One tiny run is looked at from all sides (`Observed`); each key is changed alone, and the thing that
it is there for must come out differently. A key that nothing here changes fails the last test.
What the values must be is the business of the other files.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, fields, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any, get_type_hints

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from hma_depth_ros.cli import run_command
from hma_depth_ros.data.depth.depth_png import write_depth_png
from hma_depth_ros.data.image_file import read_rgb
from hma_depth_ros.data.splits.located_split import read_located_split
from hma_depth_ros.data.splits.split_file import write_split
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.network.checkpoint import load_checkpoint, read_info
from hma_depth_ros.training.config_file import load_config
from hma_depth_ros.training.lists import read_lists
from hma_depth_ros.training.processes import Processes
from hma_depth_ros.training.run_config import CameraSection, TrainConfig
from hma_depth_ros.training.run_folder import RunFolder
from hma_depth_ros.training.samples.loading import Batch
from hma_depth_ros.training.snapshot import read_snapshot
from hma_depth_ros.training.trainer import Trainer

from .runs import SIZE, steps, write_drives

ALONE = Processes(0, 1, torch.device("cpu"))
DRIVE = "2011_09_26_drive_9001_sync"

BASE = (
    "crop.height=32",
    "crop.width=64",
    "crop.input_width=96",
    "crop.focal_length=55.8",
    "augmentation.rotation=0",
    "augmentation.zoom=1",
    "augmentation.flip=0",
    "augmentation.colour=0",
    "optimiser.batch_size=2",
    "optimiser.epochs=1",
    "optimiser.average_decay=0",
    "data.workers=0",
    "run.tensorboard=false",
    "run.log_every=1",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two drives of two frames in train.txt and as many in val.txt, and the checkpoint of a run."""
    folder = tmp_path_factory.mktemp("settings")
    write_drives(folder, drives=2, frames=4)
    (folder / "first.txt").write_text(
        "".join(
            line
            for line in (folder / "train.txt").read_text().splitlines(keepends=True)
            if DRIVE in line
        )
    )
    entries = read_located_split(folder / "train.txt")
    write_split(folder / "absolute.txt", entries)
    seen_past = np.zeros((SIZE[1], SIZE[0]))  # a surface at 5 m, and what a scanner sees past it
    seen_past[::4, ::4], seen_past[1::4, ::4] = 5, 30
    write_depth_png(folder / "parallax.png", seen_past)
    parallax = [replace(entry, depth=folder / "parallax.png") for entry in entries]
    write_split(folder / "parallax.txt", parallax)
    for entry in entries:  # a second ground truth of the whole image
        height, width = read_rgb(entry.image).shape[:2]
        stereo = entry.image.parent.parent / "stereo" / f"{entry.image.stem}.png"
        write_depth_png(stereo, np.full((height, width), 20.0))
    _observed(folder).run.folder.last.rename(folder / "weights.safetensors")
    return folder


class Observed:
    """One run, and what can be seen of it; each thing is computed when it is asked for."""

    def __init__(self, config: TrainConfig, folder: RunFolder) -> None:
        self._config, self.folder = config, folder
        self.lists = read_lists(config.data, labels_needed=config.loss.smoothness_weight > 0)
        self.trainer = Trainer(config, self.lists, folder, ALONE)

    # --- before the first step ---

    @cached_property
    def initial(self) -> dict[str, torch.Tensor]:
        """Weights; their names and shapes are the architecture."""
        return _copied(self.trainer.model)

    @property
    def heads(self) -> dict[str, torch.Tensor]:
        """Weights of the attention modules."""
        return {name: t for name, t in self.initial.items() if "attention_heads" in name}

    @property
    def architecture(self) -> Any:
        return self.trainer.model.config

    @property
    def layout(self) -> list[bool]:
        """Whether weights lie in memory channels first."""
        convolutions = [p for p in self.trainer.model.parameters() if p.dim() == 4]
        return [p.is_contiguous() for p in convolutions]

    @property
    def trained_on(self) -> list[Any]:
        return self.lists.training

    @property
    def validated_by(self) -> list[Any]:
        return self.trainer.validator.entries

    @property
    def measure(self) -> str:
        return str(self.trainer.validator.measure)

    @property
    def drawn(self) -> list[Any]:
        """Frames of an epoch in their order."""
        return list(self.trainer.sampler)

    @property
    def cached(self) -> bool:
        attempts: Any = self.trainer.loader._loader.dataset
        return attempts._dataset._frames is not None

    @property
    def workers(self) -> int:
        return self.trainer.loader._loader.num_workers

    @property
    def steps(self) -> int:
        return self.trainer.steps

    # --- a first step ---

    @cached_property
    def batch(self) -> Batch:
        return next(iter(self.trainer.loader))

    @cached_property
    def figures(self) -> dict[str, float] | None:
        """Parts of the loss, and the gradient's norm before it is cut."""
        assert self.initial
        return self.trainer.take_step(self.batch, step=0, learning_rate=1e-3)

    @property
    def loss(self) -> float:
        assert self.figures is not None
        return self.figures["loss"]

    @property
    def weights(self) -> dict[str, torch.Tensor]:
        assert self.figures
        return _copied(self.trainer.model)

    @property
    def counted(self) -> list[int]:
        """Forward passes, as the normalisations count them."""
        return [int(t) for name, t in self.weights.items() if name.endswith("num_batches_tracked")]

    @property
    def moment(self) -> list[torch.Tensor]:
        """The optimiser's mean gradient: what is left of the gradient after cutting it."""
        assert self.figures
        optimiser = self.trainer.trained.optimiser
        return [state["exp_avg"] for state in optimiser.state.values()]

    # --- a whole run ---

    @cached_property
    def run(self) -> Observed:
        self.folder.create(self._config, self.lists.description)
        self.trainer.run()
        return self

    @cached_property
    def bookkeeping(self) -> Observed:
        """A run whose steps change nothing, for what is not in the weights."""
        self.trainer.take_step = _NoStep(self.trainer.take_step)  # type: ignore[assignment]
        return self.run

    @property
    def last(self) -> dict[str, torch.Tensor]:
        return load_file(self.run.folder.last)

    @property
    def best(self) -> float | None:
        return self.bookkeeping.trainer.progress.best

    @property
    def _lines(self) -> list[dict[str, Any]]:
        return steps(self.bookkeeping.folder.path)

    @property
    def logged(self) -> list[int]:
        """Steps."""
        return [line["step"] for line in self._lines if "loss" in line]

    @property
    def rates(self) -> list[float]:
        return [line["learning_rate"] for line in self._lines if "loss" in line]

    @property
    def validations(self) -> list[int]:
        """Epochs."""
        return [line["epoch"] for line in self._lines if "validation" in line]

    @property
    def types(self) -> set[str]:
        with safe_open(self.bookkeeping.folder.last, framework="pt") as file:
            return {str(file.get_slice(name).get_dtype()) for name in file.keys()}  # noqa: SIM118

    @property
    def preprocessing(self) -> Any:
        """What the checkpoint says of it."""
        return read_info(self.bookkeeping.folder.last).preprocessing

    @property
    def description(self) -> str:
        return read_info(self.bookkeeping.folder.last).description


class _NoStep:
    """Stands in for a `TrainingStep`; at the steps named no gradient is finite."""

    def __init__(self, step: Any, broken: Container[int] = ()) -> None:
        self.scaler = step.scaler
        self._broken = broken

    def __call__(self, batch: Batch, *, step: int, **_: Any) -> dict[str, float] | None:
        return None if step in self._broken else {"loss": 1.0}

    def restored(self, scaler: dict[str, float]) -> None:
        """As of a `TrainingStep`."""


@dataclass(frozen=True)
class Effect:
    """What a key is changed to, what changes by it, and what it needs beside it."""

    value: str
    what: str  #: property of `Observed`
    beside: tuple[str, ...] = ()


FREE_WIDTHS = ("model.decoder_channels=null", "model.aspp_channels=null")
CHECKPOINT = "model.weights={folder}/weights.safetensors"
COLOURS = "augmentation.colour=1"
LOGARITHMIC = ("model.depth_mapping=logarithmic",)
PARALLAX = ("data.train=['{folder}/parallax.txt']", "data.root=null", "data.validation=null")
UNEVEN = ("data.train=['{folder}/train.txt', '{folder}/first.txt']",)
ANY_DATASET = (
    "data.train=['{folder}/absolute.txt']",
    "data.validation=null",
    "validation.protocol=null",
)
UNCERTAIN = ("model.uncertainty=true", "loss.uncertainty_weight=0.5")
ONE_CYCLE = ("optimiser.schedule=one_cycle", "optimiser.epochs=4", "data.validation=null")

EFFECTS = {
    "model.preset": Effect("densenet121", "architecture", FREE_WIDTHS),
    "model.scales": Effect("5", "architecture"),
    "model.attention": Effect("false", "initial"),
    "model.max_depth": Effect("40", "loss"),
    "model.min_depth": Effect("3", "loss", LOGARITHMIC),
    "model.depth_mapping": Effect("logarithmic", "loss"),
    "model.geometry": Effect("ground", "initial"),
    "model.encoder": Effect("mobilenetv3_small_075", "initial"),
    "model.decoder_channels": Effect("[16, 16, 8, 8, 16]", "initial"),
    "model.aspp_channels": Effect("16", "initial"),
    "model.weights": Effect("'{folder}/weights.safetensors'", "initial"),
    "model.fresh_attention": Effect("true", "heads", (CHECKPOINT,)),
    "data.dataset": Effect("nyu", "batch", ANY_DATASET),
    "data.root": Effect("'{folder}/../{folder.name}'", "trained_on"),
    "data.train": Effect("['{folder}/first.txt']", "trained_on"),
    "data.validation": Effect("null", "validated_by"),
    "data.hold_out": Effect(f"[{DRIVE}]", "trained_on"),
    "data.ground_truth_source": Effect("lidar", "batch"),
    "data.second_truth": Effect("[stereo]", "batch"),
    "data.second_weight": Effect("0.5", "batch", ("data.second_truth=[stereo]",)),
    "data.occlusion_filter": Effect("true", "batch", PARALLAX),
    "data.balance": Effect("1", "drawn", UNEVEN),
    "data.list_shares": Effect("[1, 3]", "drawn", UNEVEN),
    "data.camera_heights": Effect("[2, 1.65]", "batch", (*UNEVEN, "model.geometry=ground")),
    "data.epoch_frames": Effect("6", "drawn"),
    "data.cache": Effect("true", "cached"),
    "data.minimum_depth": Effect("15", "loss"),
    "data.workers": Effect("1", "workers"),
    "crop.height": Effect("48", "batch"),
    "crop.width": Effect("96", "batch"),
    "crop.input_width": Effect("120", "preprocessing"),
    "crop.focal_length": Effect("100", "preprocessing"),
    "crop.sky": Effect("80", "batch"),
    "crop.camera_height": Effect("2", "batch", ("model.geometry=ground",)),
    "augmentation.pitch": Effect("5", "batch"),
    "augmentation.height": Effect("1", "batch", ("model.geometry=ground",)),
    "augmentation.height_factor": Effect(
        "[2, 2]", "batch", ("model.geometry=ground", "augmentation.height=1")
    ),
    "augmentation.rotation": Effect("10", "batch"),
    "augmentation.zoom": Effect("2", "batch"),
    "augmentation.flip": Effect("1", "batch"),
    "augmentation.colour": Effect("1", "batch"),
    "augmentation.gamma": Effect("[2, 2]", "batch", (COLOURS,)),
    "augmentation.brightness": Effect("[2, 2]", "batch", (COLOURS,)),
    "augmentation.gain": Effect("[2, 2]", "batch", (COLOURS,)),
    "augmentation.blur": Effect("1", "batch"),
    "augmentation.sigma": Effect("[3, 3]", "batch", ("augmentation.blur=1",)),
    "augmentation.boxes": Effect("1", "batch"),
    "augmentation.splice": Effect("1", "batch"),
    "loss.form": Effect("eq6", "loss"),
    "loss.lam": Effect("0.5", "loss"),
    "loss.scale_weight": Effect("1", "loss"),
    "loss.scale_resolution": Effect("own", "loss", ("loss.scale_weight=1",)),
    "loss.uncertainty_weight": Effect("1", "loss", UNCERTAIN),
    "loss.gradient_weight": Effect("1", "loss"),
    "loss.frame_balance": Effect("1", "loss"),
    "loss.distance_power": Effect("1", "loss"),
    "loss.smoothness_weight": Effect("1", "loss"),
    "optimiser.epochs": Effect("2", "steps"),
    "optimiser.batch_size": Effect("4", "batch"),
    "optimiser.accumulation": Effect("2", "counted"),
    "optimiser.learning_rate": Effect("1e-2", "rates"),
    "optimiser.final_learning_rate": Effect("1e-3", "rates"),
    "optimiser.encoder_share": Effect("0.5", "weights"),
    "optimiser.schedule": Effect("one_cycle", "rates"),
    "optimiser.power": Effect("2", "rates"),
    "optimiser.warm_up": Effect("0.8", "rates", ONE_CYCLE),
    "optimiser.weight_decay": Effect("1", "weights"),
    "optimiser.adam_epsilon": Effect("1", "weights"),
    "optimiser.gradient_norm": Effect("0.01", "moment"),
    "optimiser.frozen_stem": Effect("true", "weights"),
    "optimiser.average_decay": Effect("0.5", "last"),
    "compute.precision": Effect("bf16", "loss"),
    "compute.channels_last": Effect("false", "layout"),
    "validation.protocol": Effect("bts", "measure"),
    "validation.metric": Effect("rmse", "best"),
    "validation.frames": Effect("2", "validated_by"),
    "validation.every": Effect("2", "validations", ("optimiser.epochs=3",)),
    "run.seed": Effect("1", "initial"),
    "run.log_every": Effect("2", "logged"),
    "run.half_checkpoints": Effect("true", "types"),
    "run.description": Effect("mine", "description"),
}

#: Keys that need something else than one small run, and the test that changes them.
ELSEWHERE = {
    "model.uncertainty": "test_settings.py::test_the_error_is_estimated_where_that_is_trained",
    **dict.fromkeys(
        (f"camera.{field.name}" for field in fields(CameraSection)),
        "test_fine_tuning.py::test_a_checkpoint_learns_the_new_camera_and_keeps_its_statistics",
    ),
    "optimiser.only_uncertainty": (
        "test_fine_tuning.py::test_the_estimate_of_the_error_is_trained_alone"
    ),
    "optimiser.frozen_statistics": (
        "test_fine_tuning.py::test_a_checkpoint_learns_the_new_camera_and_keeps_its_statistics"
    ),
    "data.allow_test_scenes": "../test_datasets.py::test_test_scenes_are_not_trained_on",
    "crop.region": "test_samples.py::test_the_crop_of_kitti_is_cut_before_anything_else",
    "compute.device": "test_settings.py::test_the_device_is_the_one_asked_for",
    "compute.compile": "test_step.py::test_a_compiled_step_is_the_same_step",
    "compute.cudnn_benchmark": "test_step.py::test_cudnn_is_tuned_where_it_is_wanted_and_may_be",
    "compute.deterministic": "test_determinism.py::test_a_run_takes_it_from_its_configuration",
    "compute.synchronised_batch_norm": (
        "test_runs.py::test_each_processes_own_statistics_follow_another_curve"
    ),
    "validation.blends": "test_fine_tuning.py::test_no_more_is_kept_than_the_validation_bears",
    "validation.panels": "test_runs.py::test_it_learns_the_synthetic_street",
    "run.tensorboard": "test_runs.py::test_a_run_folder_says_what_the_run_was",
    "run.snapshot_every": "test_settings.py::test_snapshots_are_written_every_so_many_steps",
    "run.patience": "test_settings.py::test_a_run_ends_after_so_many_broken_steps",
}


def _observed(folder: Path, *overrides: str, name: str = "base") -> Observed:
    lists = (f"data.train=['{folder}/train.txt']", f"data.validation='{folder}/val.txt'")
    texts = [text.format(folder=folder) for text in (*BASE, *lists, *overrides)]
    config = load_config(preset="tiny", overrides=texts)
    return Observed(config, RunFolder(folder / "runs" / name))


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor):
        return one.shape == other.shape and torch.equal(one, other)
    if isinstance(one, Mapping):
        return one.keys() == other.keys() and all(_same(one[k], other[k]) for k in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other)


def _copied(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: t.clone() for name, t in module.state_dict().items()}


@pytest.fixture(scope="module")
def unchanged(folder: Path) -> Callable[[Effect], Any]:
    """What there is to see before a key is changed; several keys share it."""

    @cache
    def see(what: str, beside: tuple[str, ...]) -> Any:
        return getattr(_observed(folder, *beside, name=f"{what} {len(beside)}"), what)

    return lambda effect: see(effect.what, effect.beside)


@pytest.mark.parametrize("key", EFFECTS)
def test_a_key_changes_what_it_is_for(key: str, folder: Path, unchanged: Callable[[Effect], Any]):
    effect = EFFECTS[key]
    run = _observed(folder, *effect.beside, f"{key}={effect.value}", name=key)
    assert not _same(unchanged(effect), getattr(run, effect.what))


@pytest.mark.parametrize("what", ["batch", "weights", "last"])
def test_nothing_changes_by_itself(what: str, folder: Path, unchanged: Callable[[Effect], Any]):
    """Or the test above would say nothing."""
    again = getattr(_observed(folder, name=f"{what} again"), what)
    assert _same(unchanged(Effect("", what)), again)


def _keys(cls: Any = TrainConfig, prefix: str = "") -> list[str]:
    keys: list[str] = []
    for name, kind in get_type_hints(cls).items():
        section = dataclasses.is_dataclass(kind)
        keys += _keys(kind, f"{prefix}{name}.") if section else [f"{prefix}{name}"]
    return keys


def test_no_key_is_without_a_test():
    assert sorted(_keys()) == sorted([*EFFECTS, *ELSEWHERE])
    for place in ELSEWHERE.values():
        file, _, name = place.partition("::")
        assert f"def {name}(" in (Path(__file__).parent / file).read_text(), place


def test_the_device_is_the_one_asked_for(folder: Path, capsys: pytest.CaptureFixture[str]):
    argv = ["--preset", "tiny", "--split", str(folder / "train.txt")]
    argv += ["--output", str(folder / "device"), "compute.device=cuda:99"]
    assert run_command("train", argv) == 2
    assert "no device 'cuda:99'" in capsys.readouterr().err


def test_the_error_is_estimated_where_that_is_trained(
    folder: Path, capsys: pytest.CaptureFixture[str]
):
    """The one without the other would train nothing, or could not be resumed."""
    names = [
        {name for name in _observed(folder, *changes, name="uncertain").initial if "uncert" in name}
        for changes in ((), UNCERTAIN)
    ]
    assert not names[0] and names[1]
    output = folder / "runs" / "half uncertain"
    argv = ["--preset", "tiny", "--split", str(folder / "train.txt"), "--output", str(output)]
    for change, says in (
        ("model.uncertainty=true", "loss.uncertainty_weight, which trains that, is 0"),
        ("loss.uncertainty_weight=0.1", "and the model has none; set model.uncertainty=true"),
    ):
        assert run_command("train", [*argv, *BASE, change]) == 2
        found = capsys.readouterr().err
        assert says in found and found.count("\n") == 1
        assert not output.exists()


@pytest.mark.parametrize(("every", "at"), [(0, [4]), (1, [1, 2, 3, 4]), (3, [3, 4])])
def test_snapshots_are_written_every_so_many_steps(
    folder: Path, every: int, at: list[int], monkeypatch: pytest.MonkeyPatch
):
    short = ("optimiser.batch_size=1", f"run.snapshot_every={every}")
    run = _observed(folder, *short, "data.validation=null", name=f"snapshots {every}")
    trainer, written = run.trainer, []
    monkeypatch.setattr(trainer, "_write_snapshot", lambda: written.append(trainer.progress.step))
    assert run.bookkeeping
    assert written == at


@pytest.mark.parametrize(
    ("patience", "broken", "ends_at"),
    [
        (3, range(8), 3),  # in the second epoch: there are two steps in each
        (3, (0, 1, 3, 4, 6), None),
        (3, (0, 1, 3, 4, 5), 6),
        (20, range(8), 8),  # nothing was learned, though there were not as many steps
        (20, range(7), None),
    ],
)
def test_a_run_ends_after_so_many_broken_steps(
    folder: Path, patience: int, broken: Container[int], ends_at: int | None
):
    short = ("optimiser.epochs=4", f"run.patience={patience}", "data.validation=null")
    name = f"patience {patience} {broken}"
    run = _observed(folder, *short, name=name)
    run.trainer.take_step = _NoStep(run.trainer.take_step, broken)  # type: ignore[assignment]
    if ends_at is None:
        assert run.run.trainer.progress.step == 8
        return
    counted = min(patience, 8)
    said = f"no finite gradient in {counted} steps up to step {ends_at}"
    with pytest.raises(HmaDepthError, match=said):
        assert run.run
    # Resumed from the end of the epoch before, it counts on.
    again = Trainer(run._config, run.lists, run.folder, ALONE, resume=True)
    again.take_step = _NoStep(again.take_step, broken)  # type: ignore[assignment]
    assert again.progress.step == ends_at - (2 if ends_at % 2 == 0 else 1)
    with pytest.raises(HmaDepthError, match=said):
        again.run()


class _Diverging(_NoStep):
    """Whose weights are not finite after so many steps."""

    def __init__(self, step: Any, model: torch.nn.Module, steps: int) -> None:
        super().__init__(step)
        self._model, self._left = model, steps

    def __call__(self, batch: Batch, *, step: int, **_: Any) -> dict[str, float] | None:
        self._left -= 1
        if not self._left:
            next(self._model.parameters()).data.fill_(torch.inf)
        return super().__call__(batch, step=step)


def test_a_run_whose_weights_diverge_keeps_its_last_checkpoint(folder: Path):
    of_two = ("optimiser.epochs=2", "data.validation=null")
    run = _observed(folder, *of_two, name="diverging")
    trainer = run.trainer
    trainer.take_step = _Diverging(  # type: ignore[assignment]
        trainer.take_step, trainer.model, trainer.epoch_steps + 1
    )
    with pytest.raises(HmaDepthError, match=r"last.safetensors is not written: weights are not"):
        _ = run.run
    _, info = load_checkpoint(run.folder.last)
    assert info.training["epoch"] == 1
    assert read_snapshot(run.folder.state, trainer.trained).step == trainer.epoch_steps
    assert all(p.isfinite().all() for p in trainer.model.parameters())
