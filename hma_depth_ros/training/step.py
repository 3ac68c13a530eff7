"""One step of training: forward, loss, backward, and what to do when the numbers break down."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import AveragedModel

from hma_depth_ros.network.affine_planes import affine_planes
from hma_depth_ros.network.checkpoint import Preprocessing
from hma_depth_ros.network.compiled_kernels import keep_kernels_private
from hma_depth_ros.network.cpu import has_bf16
from hma_depth_ros.network.float32 import float32_means_float32
from hma_depth_ros.network.model import HmaDepth
from hma_depth_ros.training.accumulation import AllReduce, WholeSums
from hma_depth_ros.training.batch_norm import synchronise_batch_norm
from hma_depth_ros.training.depthwise import float32_depthwise
from hma_depth_ros.training.losses.objective import objective
from hma_depth_ros.training.optimiser import freeze_statistics, set_learning_rate
from hma_depth_ros.training.processes import Processes
from hma_depth_ros.training.run_config import TrainConfig

_AUTOCAST = {"bf16": torch.bfloat16, "fp16": torch.float16}


def precision_on(device: torch.device, wanted: str) -> str:
    """Of `auto`, what the device makes of it; of another precision, itself."""
    if wanted != "auto":
        return wanted
    if device.type == "cuda":
        return "bf16" if torch.cuda.get_device_capability(device) >= (8, 0) else "fp32"
    return "bf16" if has_bf16() else "fp32"


class TrainingStep:
    """Changes a model, its optimiser's state and its average, batch by batch."""

    def __init__(
        self,
        model: HmaDepth,
        optimiser: torch.optim.Optimizer,
        average: AveragedModel | None,
        config: TrainConfig,
        preprocessing: Preprocessing,
        *,
        processes: Processes,
    ) -> None:
        self._optimiser, self._average = optimiser, average
        self._config, self._processes = config, processes
        # Here and not in each step: they would be sent to the GPU each time.
        self._mean, self._std = preprocessing.mean_and_std(processes.device)
        compute = config.compute
        self._precision = precision_on(processes.device, compute.precision)
        self.scaler = torch.amp.GradScaler(processes.device.type, enabled=self._precision == "fp16")
        if processes.device.type == "cpu" and self._precision == "bf16":
            float32_depthwise(model)
        synchronised = compute.synchronised_batch_norm
        if synchronised:
            # Converted in place; SyncBatchNorm takes the place of layers, not of the model.
            synchronise_batch_norm(model, processes)
        self._model = model
        self._fused = bool(optimiser.defaults["fused"])
        self._trainable = [p for p in model.parameters() if p.requires_grad]
        forward: nn.Module = model
        if processes.world > 1:
            on_gpu = processes.device.type == "cuda"
            forward = DistributedDataParallel(
                model,
                device_ids=[processes.device] if on_gpu else None,
                broadcast_buffers=not synchronised,
                gradient_as_bucket_view=True,
            )
        self._distributed = forward
        if compute.compile:
            keep_kernels_private()
        self._forward: Callable[..., Any] = torch.compile(forward) if compute.compile else forward
        self._statistics = [b for b in model.buffers() if b.is_floating_point()]
        self._good_statistics = [b.clone() for b in self._statistics]

    def __call__(
        self, batch: Mapping[str, Tensor], *, step: int, learning_rate: float
    ) -> dict[str, float] | None:
        """Parts of the loss and the gradient's norm; None if the step was left out.

        That is when loss or gradient is not finite: then nothing is changed, the running statistics
        of the forward pass included.

        Args:
            batch: this process' share: a batch of `Sample`s.
            step: of the run; dropout and the like follow from it and the seed alone.
            learning_rate: of this step.

        """
        if self._processes.device.type == "cuda":
            # What was tuned may differ from run to run.
            compute = self._config.compute
            tuned = compute.cudnn_benchmark and not compute.deterministic
            with float32_means_float32(tuned=tuned):
                return self._step(batch, step, learning_rate)
        return self._step(batch, step, learning_rate)

    def _step(
        self, batch: Mapping[str, Tensor], step: int, learning_rate: float
    ) -> dict[str, float] | None:
        processes, settings = self._processes, self._config.optimiser
        seed = self._config.run.seed * 1_000_003 + step * processes.world + processes.rank
        set_learning_rate(self._optimiser, learning_rate, settings)
        self._model.train()
        if settings.frozen_statistics:
            freeze_statistics(self._model)
        self._optimiser.zero_grad(set_to_none=True)
        shares = _split(batch, settings.accumulation)
        whole = self._whole_sums(shares, seed) if len(shares) > 1 else None
        for index, share in enumerate(shares):
            _seed_part(seed, index)
            # Gradients of all processes are averaged with the last share only.
            with self._no_sync() if index + 1 < len(shares) else nullcontext():
                if whole is None:
                    parts = self._loss(share, processes.all_reduce)
                else:
                    whole.begin_part()
                    parts = self._loss(share, whole.of_whole(processes.world))
                self.scaler.scale(parts["loss"]).backward()
        self.scaler.unscale_(self._optimiser)
        most = math.inf if settings.gradient_norm is None else settings.gradient_norm
        norm = nn.utils.clip_grad_norm_(self._trainable, most)
        found = [part.detach() for part in parts.values()]
        values = torch.stack([*(v.double() for v in found), norm.double()])
        # A fused step can be told on the GPU to do nothing, so it need not wait for the answer.
        queued = self._fused and not self.scaler.is_enabled()
        if queued:
            unusable = ~(parts["loss"].isfinite() & norm.isfinite())
            self._optimiser.found_inf = unusable.float()  # type: ignore[attr-defined]
            self._optimiser.step()
        figures = dict(zip([*parts, "gradient_norm"], values.tolist(), strict=True))
        finite = math.isfinite(figures["loss"]) and math.isfinite(figures["gradient_norm"])
        if finite:
            if not queued:
                self.scaler.step(self._optimiser)
            torch._foreach_copy_(self._good_statistics, self._statistics)
            if self._average is not None:
                self._average.update_parameters(self._model)
        else:
            torch._foreach_copy_(self._statistics, self._good_statistics)
            self._optimiser.zero_grad(set_to_none=True)
        self.scaler.update()
        return figures if finite else None

    def restored(self, scaler: dict[str, float]) -> None:
        """Go on with a model that was loaded from a snapshot, and its state of the loss scaling."""
        torch._foreach_copy_(self._good_statistics, self._statistics)
        self.scaler.load_state_dict(scaler)

    @torch.no_grad()
    def _whole_sums(self, shares: Sequence[Mapping[str, Tensor]], seed: int) -> WholeSums:
        """Go through all shares for the sums of the whole batch, leaving no other trace."""
        whole = WholeSums()
        buffers = list(self._model.buffers())
        kept = [buffer.clone() for buffer in buffers]
        for index, share in enumerate(shares):
            _seed_part(seed, index)
            whole.begin_part()
            self._loss(share, whole.add)
        for buffer, before in zip(buffers, kept, strict=True):
            buffer.copy_(before)
        whole.close(self._processes.all_reduce)
        return whole

    def _loss(self, batch: Mapping[str, Tensor], all_reduce: AllReduce) -> dict[str, Tensor]:
        config, device = self._config, self._processes.device
        on_device = {name: t.to(device, non_blocking=True) for name, t in batch.items()}
        image = (on_device["image"].float() - self._mean) / self._std
        if config.compute.channels_last:
            image = image.contiguous(memory_format=torch.channels_last)
        planes = None
        if "planes" in on_device:
            planes = affine_planes(on_device["planes"], (image.shape[-2], image.shape[-1]))
        autocast: AbstractContextManager[Any] = nullcontext()
        if self._precision != "fp32":
            autocast = torch.autocast(device.type, dtype=_AUTOCAST[self._precision])
        with autocast:
            maps = self._forward(image, planes)
        return objective(
            maps,
            on_device,
            config.loss,
            minimum_depth=config.data.minimum_depth,
            all_reduce=all_reduce,
        )

    def _no_sync(self) -> AbstractContextManager[Any]:
        if isinstance(self._distributed, DistributedDataParallel):
            return self._distributed.no_sync()
        return nullcontext()


def _seed_part(seed: int, index: int) -> None:
    """Dropout and the like of a share: the same in both passages."""
    # Far from the seeds of other steps in the lower 32 bits, which are all that CPUs use.
    torch.manual_seed((seed + index * 2_654_435_761) % 2**63)


def _split(batch: Mapping[str, Tensor], parts: int) -> list[dict[str, Tensor]]:
    if parts == 1:
        return [dict(batch)]
    chunks = {name: t.chunk(parts) for name, t in batch.items()}
    return [{name: t[i] for name, t in chunks.items()} for i in range(len(chunks["image"]))]
