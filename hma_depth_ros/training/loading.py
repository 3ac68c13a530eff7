"""Batches of training samples, read ahead by worker processes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeAlias

import cv2
from torch.utils.data import DataLoader, Dataset, default_collate

from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.training.dataset import Sample, SampleKey
from hma_depth_ros.training.sampler import GlobalBatchSampler

#: Samples stacked: (B, ...) for each of their names.
Batch: TypeAlias = Sample


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
            persistent_workers=workers > 0,
        )

    def __len__(self) -> int:
        """Return the number of batches of the next iteration."""
        return len(self.sampler)

    def __iter__(self) -> Iterator[Batch]:
        """Batches to the end of the epoch.

        Raises:
            HmaDepthError: as the dataset raised it, also in a worker process.

        """
        for batch in self._loader:
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


def _collate(samples: list[Sample] | HmaDepthError) -> Batch | HmaDepthError:
    return samples if isinstance(samples, HmaDepthError) else default_collate(samples)


def _one_thread(_worker: int) -> None:
    cv2.setNumThreads(0)  # the workers share the cores; and OpenCV's threads do not survive a fork
