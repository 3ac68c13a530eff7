"""Batches of training samples, read ahead by worker processes."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import TypeAlias

import cv2
from torch.utils.data import DataLoader, Dataset, default_collate

from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.training.samples.dataset import Sample, SampleKey
from hma_depth_ros.training.samples.sampler import GlobalBatchSampler

#: Samples stacked: (B, ...) for each of their names.
Batch: TypeAlias = Sample


#: What is to be done where workers cannot work, or have been killed.
_SHORT = (
    "Memory or /dev/shm may be short: set data.workers to fewer processes, or to 0, which needs no "
    "shared memory; in Docker --shm-size=8g or --ipc=host gives more of it"
)
#: In PyTorch's messages on workers that have died, and on too few open files; not in those on an
#: exception in a worker, which is a bug.
_SIGNS = ("DataLoader worker (pid", "Communication with the workers")


class BatchLoader:
    """Iterates over the batches of a sampler; each iteration starts at the sampler's position."""

    def __init__(
        self,
        dataset: Dataset[Sample],
        sampler: GlobalBatchSampler,
        *,
        workers: int = 2,
        pin_memory: bool = False,
    ) -> None:
        """With `workers` processes, which live on between epochs; 0 reads in this one."""
        self.sampler = sampler
        self._loader: DataLoader[Batch | HmaDepthError] = DataLoader(
            _Attempts(dataset),  # type: ignore[arg-type]  # an error is handed over as a value
            batch_sampler=sampler,
            num_workers=workers,
            collate_fn=_collate,
            pin_memory=pin_memory,
            worker_init_fn=_one_thread,
            # Also where Python's own choice is another, as from 3.14 on: the workers have the list
            # of frames at once, and scripts need no `if __name__ == "__main__"`.
            multiprocessing_context="fork" if workers and sys.platform == "linux" else None,
            persistent_workers=workers > 0,
        )

    def __len__(self) -> int:
        """Return the number of batches of the next iteration."""
        return len(self.sampler)

    def __iter__(self) -> Iterator[Batch]:
        """Batches to the end of the epoch.

        Raises:
            HmaDepthError: as the dataset raised it, also in a worker process; or there is not
                enough memory for the workers.

        """
        try:
            batches = iter(self._loader)
        except OSError as error:  # its queues have their locks there
            raise HmaDepthError(
                f"the loader's worker processes do not start: {error.strerror}. {_SHORT}"
            ) from error
        while (batch := _next(batches)) is not None:
            if isinstance(batch, HmaDepthError):
                raise batch
            yield batch


class _Attempts(Dataset[Sample]):
    """A dataset whose errors come as values.

    PyTorch sends an exception of a worker process as the text of its traceback, in which the one
    line that the user should read is the last of thirty.
    """

    def __init__(self, dataset: Dataset[Sample]) -> None:
        self._dataset = dataset

    def __getitems__(self, keys: Sequence[SampleKey]) -> list[Sample] | HmaDepthError:
        try:
            return [self._dataset[key] for key in keys]
        except HmaDepthError as error:
            return error


def _next(batches: Iterator[Batch | HmaDepthError]) -> Batch | HmaDepthError | None:
    """Return the next batch, or None at the end.

    Raises:
        HmaDepthError: a worker process has been killed, or cannot hand over its batches.

    """
    try:
        return next(batches, None)
    except RuntimeError as error:
        # PyTorch has no type for it.
        if not any(sign in str(error) for sign in _SIGNS):
            raise
        reason = str(error).partition("\n")[0].rstrip(". ")
        raise HmaDepthError(f"{reason}. {_SHORT}") from error


def _collate(samples: list[Sample] | HmaDepthError) -> Batch | HmaDepthError:
    if isinstance(samples, HmaDepthError):
        return samples
    try:
        return default_collate(samples)
    except RuntimeError as error:
        if "shared memory" not in str(error):
            raise
        return HmaDepthError(
            f"/dev/shm is full, through which the workers hand over their batches. {_SHORT}"
        )


def _one_thread(_worker: int) -> None:
    cv2.setNumThreads(0)  # the workers share the cores; and OpenCV's threads do not survive a fork
