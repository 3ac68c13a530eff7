"""Which samples make up which step of training, on one machine or shared by several."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
from torch.utils.data import Sampler

from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.training.samples.dataset import SampleKey


def scene_weights(scenes: Sequence[str], balance: float) -> npt.NDArray[np.float64]:
    """How often each frame is drawn in the mean epoch, by the scene that it is of.

    Frames of a scene of n count n^-balance each: 0 is all the same, 1 gives every scene the same.
    The sum is the number of frames.
    """
    counts = Counter(scenes)
    weights = np.array([counts[scene] ** -balance for scene in scenes])
    return np.asarray(weights * (len(scenes) / weights.sum()))


def shared_weights(
    weights: npt.NDArray[np.float64],
    lists: Sequence[int],
    shares: Sequence[float],
    draws: int | None,
) -> npt.NDArray[np.float64]:
    """The weights with a share for each list and a sum of `draws`.

    Args:
        weights: how often each frame is drawn in the mean epoch.
        lists: number of each frame's list, from 0.
        shares: of each list, in proportion; none: as its frames' weights have it.
        draws: frames of an epoch; None: as many as there are.

    """
    weights, numbers = weights.copy(), np.asarray(lists)
    for number, share in enumerate(shares):
        own = numbers == number
        weights[own] *= share / weights[own].sum()
    return np.asarray(weights * ((draws or len(weights)) / weights.sum()))


class GlobalBatchSampler(Sampler[list[SampleKey]]):
    """A rank's share of each batch, from any step of any epoch on.

    The order of an epoch depends on seed and epoch alone, and step k takes its frames
    [k B, (k + 1) B), so that training goes the same way on any number of processes and after any
    interruption. What is left at the end of an epoch is not used.
    """

    def __init__(
        self,
        length: int,
        *,
        batch_size: int,
        seed: int,
        rank: int = 0,
        world: int = 1,
        epoch: int = 0,
        first_step: int = 0,
        weights: npt.NDArray[np.float64] | None = None,
    ) -> None:
        """Begin at a step of an epoch.

        Args:
            length: frames there are.
            batch_size: of all ranks together.
            seed: not negative.
            rank: of this process, of `world`.
            world: number of processes.
            epoch: from 0.
            first_step: of the epoch, from 0.
            weights: how often each frame comes in the mean epoch (`scene_weights`,
                `shared_weights`), which has as many as their sum; None: once.

        Raises:
            HmaDepthError: there are too few frames for a batch, or it cannot be shared equally.

        """
        self.draws = length if weights is None else round(float(weights.sum()))
        if self.draws < batch_size:
            raise HmaDepthError(
                f"{self.draws} frames do not make a batch of {batch_size}; use a smaller batch size"
            )
        if batch_size < 1 or batch_size % world:
            raise HmaDepthError(
                f"a batch of {batch_size} cannot be shared equally by {world} processes; "
                f"use a multiple of {world}"
            )
        if not 0 <= rank < world:
            raise ValueError(f"rank {rank} of {world} processes")
        self.length, self.batch_size, self.seed = length, batch_size, seed
        self.rank, self.world = rank, world
        self.weights = weights
        self.set_position(epoch, first_step)

    @property
    def steps_per_epoch(self) -> int:
        """Steps of a whole epoch."""
        return self.draws // self.batch_size

    def set_position(self, epoch: int, first_step: int = 0) -> None:
        """Where the next iteration begins.

        Raises:
            ValueError: the epoch has no such step (its end is one).

        """
        if epoch < 0 or not 0 <= first_step <= self.steps_per_epoch:
            raise ValueError(f"epoch {epoch}, step {first_step} of {self.steps_per_epoch}")
        self.epoch, self.first_step = epoch, first_step

    def __len__(self) -> int:
        """Return the number of steps from the position to the end of the epoch."""
        return self.steps_per_epoch - self.first_step

    def __iter__(self) -> Iterator[list[SampleKey]]:
        """Keys of this rank's share, step by step, to the end of the epoch."""
        # Samples draw from [seed, epoch, index]; the spawn key keeps the order independent of them.
        source = np.random.SeedSequence([self.seed, self.epoch], spawn_key=(0,))
        random = np.random.default_rng(source)
        frames = np.arange(self.length) if self.weights is None else self._drawn(random)
        keys, turns = [], Counter[int]()
        for frame in map(int, random.permutation(frames)):
            keys.append(SampleKey(self.epoch, frame, turns[frame]))
            turns[frame] += 1
        share = self.batch_size // self.world
        for step in range(self.first_step, self.steps_per_epoch):
            start = step * self.batch_size + self.rank * share
            yield keys[start : start + share]

    def _drawn(self, random: np.random.Generator) -> npt.NDArray[np.intp]:
        """An epoch's frames, each as often as its weight, rounded up or down."""
        assert self.weights is not None
        # In random order, or a frame's neighbours would decide whether it is rounded up.
        order = random.permutation(self.length)
        ends = np.cumsum(self.weights[order])
        ends[-1] = self.draws  # which it misses by rounding alone
        whole = np.floor(random.random() + ends).astype(np.intp)
        return np.repeat(order, np.diff(whole, prepend=0))
