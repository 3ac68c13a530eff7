"""A training run, from the first step or from where a snapshot left it."""

from __future__ import annotations

import copy
from collections import defaultdict
from dataclasses import asdict, dataclass, replace

import torch

from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.evaluation.quick_error import ALL
from hma_depth_ros.files import short_paths
from hma_depth_ros.network.checkpoint import CheckpointInfo, Preprocessing, save_checkpoint
from hma_depth_ros.network.model import HmaDepth
from hma_depth_ros.training.determinism import deterministic_algorithms
from hma_depth_ros.training.initial_weights import initial_model, weights_name
from hma_depth_ros.training.lists import Lists, camera_heights, draw_weights
from hma_depth_ros.training.optimiser import (
    freeze_all_but_uncertainty,
    freeze_stem,
    make_optimiser,
)
from hma_depth_ros.training.processes import Processes
from hma_depth_ros.training.progress_report import ProgressReport
from hma_depth_ros.training.run_config import TrainConfig
from hma_depth_ros.training.run_folder import RunFolder
from hma_depth_ros.training.samples.dataset import CropDataset
from hma_depth_ros.training.samples.loading import BatchLoader
from hma_depth_ros.training.samples.sampler import GlobalBatchSampler
from hma_depth_ros.training.schedule import learning_rate
from hma_depth_ros.training.snapshot import RunProgress, Trained, read_snapshot, write_snapshot
from hma_depth_ros.training.step import TrainingStep
from hma_depth_ros.training.validator import Validator, summary_line
from hma_depth_ros.training.weight_average import make_average
from hma_depth_ros.training.weight_blend import blended


@dataclass
class Outcome:
    """What a run came to."""

    steps: int
    best: float | None  #: of the validation metric
    best_share: float  #: of what training changed, in the best weights
    #: Mean metrics by drive of the last validation; empty without one.
    means: dict[str, dict[str, float]]


class Trainer:
    """All that a run consists of, in one process of it; the first process writes.

    Results do not depend on when a run was interrupted and resumed, nor, up to rounding, on how
    many processes share its batches.
    """

    def __init__(
        self,
        config: TrainConfig,
        lists: Lists,
        folder: RunFolder,
        processes: Processes,
        *,
        resume: bool = False,
    ) -> None:
        """Build everything, or take it over from the folder's snapshot.

        Raises:
            HmaDepthError: initial weights, snapshot or settings cannot be used, or a list has
                changed since the snapshot.

        """
        _check_uncertainty(config)
        self.config, self.lists, self.folder, self.processes = config, lists, folder, processes
        settings = config.optimiser
        share = settings.batch_size // processes.world
        if share % settings.accumulation:
            raise HmaDepthError(
                f"optimiser.accumulation={settings.accumulation} does not divide the {share} "
                "images that a process has of each batch: its parts would weigh unequally"
            )
        self.validator = Validator.of(lists, config.validation, processes, config.crop.mount)
        dataset = CropDataset(
            lists.training,
            config.crop,
            config.augmentation,
            seed=config.run.seed,
            labels=config.loss.smoothness_weight > 0,
            units_per_metre=lists.benchmark.layout.units_per_metre,
            second=config.data.second_truth,
            second_weight=config.data.second_weight,
            occlusion_filter=config.data.occlusion_filter,
            geometry=config.model.geometry,
            camera_heights=camera_heights(lists, config.data),
            max_depth=config.model.max_depth,
            cache=config.data.cache,
        )
        self.sampler = GlobalBatchSampler(
            len(dataset),
            batch_size=settings.batch_size,
            seed=config.run.seed,
            rank=processes.rank,
            world=processes.world,
            weights=draw_weights(lists, dataset.entries, config.data),
        )
        self.loader = BatchLoader(
            dataset,
            self.sampler,
            workers=config.data.workers,
            pin_memory=processes.device.type == "cuda",
        )
        self.epoch_steps = self.sampler.steps_per_epoch
        self.steps = self.epoch_steps * settings.epochs
        # A run of fewer steps would end well without having learned anything.
        self._patience = min(config.run.patience, self.steps)

        torch.manual_seed(config.run.seed)
        # A snapshot replaces them; a download or an older checkpoint is not needed again.
        section = replace(config.model, weights="random") if resume else config.model
        self.model = initial_model(section)
        self._blends = config.validation.blends if self.validator.entries else ()
        #: What the weights start from, where it is compared with what they come to.
        self.start = self._first_weights(resumed=resume) if self._blends else None
        if settings.frozen_stem:
            freeze_stem(self.model)
        if settings.only_uncertainty:
            freeze_all_but_uncertainty(self.model)
        if config.compute.channels_last:
            self.model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.model.to(processes.device)
        if self.start is not None:
            self.start.to(processes.device)
        self.average = (
            make_average(self.model, settings.average_decay) if settings.average_decay else None
        )
        optimiser = make_optimiser(self.model, settings)
        # Without folders and the like, which tell of a machine and not of the model.
        kept = ("crop", "augmentation", "loss", "optimiser")
        drawn = (
            *("balance", "list_shares", "epoch_frames", "minimum_depth"),
            *("second_truth", "second_weight", "occlusion_filter"),
        )
        names = short_paths([*lists.description])
        self._recipe = {
            "lists": {names[path]: found for path, found in lists.description.items()},
            "data": {name: getattr(config.data, name) for name in drawn},
            "held_out": lists.held_out,
            "seed": config.run.seed,
            "initial_weights": weights_name(config.model),
            **{name: asdict(getattr(config, name)) for name in kept},
        }
        if config.camera.fx is not None:
            self._recipe["camera"] = asdict(config.camera)
        self.info = CheckpointInfo(
            self.model.config,
            Preprocessing(
                input_width=config.crop.input_width, focal_length=config.crop.focal_length
            ),
            description=config.run.description,
        )
        self.take_step = TrainingStep(
            self.model,
            optimiser,
            self.average,
            config,
            self.info.preprocessing,
            processes=processes,
        )
        self.trained = Trained(self.model, optimiser, self.average)
        self.progress = RunProgress()
        if resume:
            folder.check_lists(lists.description)
            self.progress = read_snapshot(folder.state, self.trained)
            self.take_step.restored(self.progress.scaler)
        self.outcome = Outcome(self.progress.step, None, 1.0, {})

    def run(self) -> Outcome:
        """Take all steps that are left, leaving checkpoints, snapshots and metrics in the folder.

        Raises:
            HmaDepthError: a sample cannot be used, the disk is full, or the gradient stays without
                finite values.

        """
        with deterministic_algorithms(self.config.compute.deterministic):
            return self._run()

    def _run(self) -> Outcome:
        if not self.processes.is_first:
            self._epochs(None)
            return self.outcome
        self.folder.forget_after(self.progress.step)
        with ProgressReport(
            self.folder,
            steps=self.steps,
            first_step=self.progress.step,
            batch_size=self.config.optimiser.batch_size,
            tensorboard=self.config.run.tensorboard,
        ) as reporter:
            device = f"{self.processes.world} x {self.processes.device.type}"
            held_out = sum(self.lists.held_out.values())
            beside = f" ({held_out} held out)" if held_out else ""
            reporter.say(
                f"{len(self.lists.training)} frames{beside}, {self.epoch_steps} steps an epoch, "
                f"steps {self.progress.step} to {self.steps} on {device}"
            )
            self._epochs(reporter)
        return self.outcome

    def _epochs(self, reporter: ProgressReport | None) -> None:
        if self.start is not None and not self.progress.step and 0.0 in self._blends:
            self._validate(self.start, -1, "before training", reporter, share=0.0)
        while self.progress.step < self.steps:
            epoch, begun = divmod(self.progress.step, self.epoch_steps)
            self.sampler.set_position(epoch, begun)
            loss = self._epoch(epoch, reporter)
            self._end_epoch(epoch, loss, reporter)
            self.processes.barrier()
        self.outcome.steps, self.outcome.best = self.progress.step, self.progress.best
        self.outcome.best_share = self.progress.best_share

    def _epoch(self, epoch: int, reporter: ProgressReport | None) -> float:
        """The steps that are left of an epoch; returns their mean loss."""
        recent, whole = _Means(), _Means()
        run = self.config.run
        for batch in self.loader:
            rate = learning_rate(self.progress.step, self.steps, self.config.optimiser)
            figures = self.take_step(batch, step=self.progress.step, learning_rate=rate)
            self.progress.step += 1
            if figures is None:
                self.progress.skipped += 1
                self.progress.failures += 1
                if self.progress.failures >= self._patience:
                    raise HmaDepthError(self._broken_down())
            else:
                self.progress.failures = 0
                recent.add(figures)
                whole.add({"loss": figures["loss"]})
            if reporter is None:
                continue
            reporter.advance(self.progress.step)
            if self.progress.step % run.log_every == 0 and recent.count:
                line = {**recent.take(), "learning_rate": rate, "skipped": self.progress.skipped}
                reporter.figures(epoch, line)
            # The end of an epoch writes its own snapshot, after the validation.
            if (
                run.snapshot_every
                and self.progress.step % run.snapshot_every == 0
                and self.progress.step % self.epoch_steps
            ):
                self._write_snapshot()
        return whole.take()["loss"] if whole.count else float("nan")

    def _end_epoch(self, epoch: int, loss: float, reporter: ProgressReport | None) -> None:
        """Validate, keep the checkpoint, and the best one; then the state, by which it is done."""
        kept = self.model if self.average is None else self.average.module
        assert isinstance(kept, HmaDepth)
        last_epoch = self.progress.step == self.steps
        if self.validator.entries and (
            (epoch + 1) % self.config.validation.every == 0 or last_epoch
        ):
            what = f"epoch {epoch + 1}: loss {loss:.3f}"
            info, means = self._validate(kept, epoch, what, reporter)
            self.outcome.means = means
            if self.start is not None and last_epoch:
                for share in filter(None, self._blends):
                    model = blended(self.start, kept, share)
                    what = f"{share:g} of what training changed"
                    self._validate(model, epoch, what, reporter, share=share)
        else:
            info = self._info_after(epoch)
            if reporter is not None:
                reporter.say(f"epoch {epoch + 1}: loss {loss:.3f}")
        if reporter is not None:
            half = self.config.run.half_checkpoints
            save_checkpoint(self.folder.last, kept, info, half=half)
            self._write_snapshot()

    def _first_weights(self, *, resumed: bool) -> HmaDepth:
        if not resumed:
            return copy.deepcopy(self.model)
        torch.manual_seed(self.config.run.seed)  # so that what is random starts the same
        return initial_model(self.config.model)

    def _info_after(self, epoch: int) -> CheckpointInfo:
        return replace(self.info, training={**self._recipe, "epoch": epoch + 1})

    def _validate(
        self,
        model: HmaDepth,
        epoch: int,
        what: str,
        reporter: ProgressReport | None,
        *,
        share: float = 1.0,
    ) -> tuple[CheckpointInfo, dict[str, dict[str, float]]]:
        """Score weights, log it, and keep them if they are the best so far.

        Args:
            model: the weights.
            epoch: after which they are; -1 before the first one.
            what: they are, for people.
            reporter: of the first process.
            share: of what training changed.

        Returns:
            What their checkpoint says, and the mean metrics by drive.

        """
        section = self.config.validation
        info = self._info_after(epoch)
        if self.start is not None:
            info = replace(info, training={**info.training, "trained_share": share})
        sums = self.validator.score(model, info)
        means = sums.means()
        value = means[ALL][section.metric]
        info = replace(
            info,
            evaluation={str(self.validator.measure): means},
            uncertainty_scale=sums.uncertainty_scale() or info.uncertainty_scale,
        )
        if reporter is not None:
            text = summary_line(what, sums, self.validator.measure, section.metric)
            shares = sums.mean_shares()
            reporter.validation(epoch, means, shares, text, trained_share=share)
            if self.config.run.tensorboard and share == 1:
                reporter.pictures(self.validator.pictures(model, info, section.panels))
        if self.validator.is_better(value, self.progress.best):
            self.progress.best, self.progress.best_epoch = value, epoch
            self.progress.best_share = share
            if reporter is not None:
                save_checkpoint(
                    self.folder.best, model, info, half=self.config.run.half_checkpoints
                )
        return info, means

    def _write_snapshot(self) -> None:
        self.progress.scaler = self.take_step.scaler.state_dict()
        write_snapshot(self.folder.state, self.trained, self.progress)

    def _broken_down(self) -> str:
        text = (
            f"no finite gradient in {self.progress.failures} steps up to step "
            f"{self.progress.step}: lower optimiser.learning_rate or take compute.precision=fp32"
        )
        if not self.folder.state.is_file():
            return text
        return f"{text}; {self.folder.path} can be resumed from its latest snapshot"


def _check_uncertainty(config: TrainConfig) -> None:
    """See that the estimate of the error is trained if there is one, and only then.

    Weights without gradients would have no state in the optimiser, and no snapshot to resume from.
    """
    estimates, weight = config.model.uncertainty, config.loss.uncertainty_weight
    if estimates and not weight:
        raise HmaDepthError(
            "model.uncertainty=true estimates the error, and loss.uncertainty_weight, which trains "
            "that, is 0; set it (the bundled model has 0.1), or model.uncertainty=false"
        )
    if weight and not estimates:
        raise HmaDepthError(
            f"loss.uncertainty_weight={weight:g} trains an estimate of the error, and the model "
            "has none; set model.uncertainty=true, or the weight to 0"
        )
    if config.optimiser.only_uncertainty and not config.optimiser.frozen_statistics:
        raise HmaDepthError(
            "optimiser.only_uncertainty leaves depth as it is, but batch normalisation would "
            "change it; set optimiser.frozen_statistics=true"
        )


class _Means:
    """Mean figures of some steps."""

    def __init__(self) -> None:
        self._sums: dict[str, float] = defaultdict(float)
        self.count = 0

    def add(self, figures: dict[str, float]) -> None:
        for name, value in figures.items():
            self._sums[name] += value
        self.count += 1

    def take(self) -> dict[str, float]:
        """Means since the last call."""
        means = {name: value / self.count for name, value in self._sums.items()}
        self._sums.clear()
        self.count = 0
        return means
