"""What a run tells while it goes on: progress bar or lines, metrics file, TensorBoard."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.evaluation.quick_error import ALL
from hma_depth_ros.training.run_folder import RunFolder

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

_LINE_SECONDS = 30.0  #: between lines where there is no terminal for a bar


class ProgressReport:
    """Of the first process; the others have none."""

    def __init__(
        self, folder: RunFolder, *, steps: int, first_step: int, batch_size: int, tensorboard: bool
    ) -> None:
        """Begin at `first_step` of `steps`.

        Raises:
            HmaDepthError: TensorBoard is wanted and not installed.

        """
        self._folder = folder
        self._steps, self._step, self._batch_size = steps, first_step, batch_size
        self._writer = _writer(folder, first_step) if tensorboard else None
        self._console = Console(soft_wrap=True, highlight=False)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._task = self._bar.add_task("", total=steps, completed=first_step, rate="")
        self._since = self._last_line = time.monotonic()
        self._since_step = first_step
        self._stack = ExitStack()

    def __enter__(self) -> ProgressReport:
        self._stack.enter_context(self._bar)
        if self._writer is not None:
            self._stack.enter_context(_threads_without_disk_errors())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._stack:
            if self._writer is None:
                return
            try:
                with self._disk_errors():
                    self._writer.close()
            except HmaDepthError:
                if error is None:  # else it is not the first
                    raise

    def say(self, text: str) -> None:
        """Print a line, above the bar where there is one."""
        self._console.print(text, markup=False)

    def advance(self, step: int) -> None:
        """`step` steps are done."""
        self._step = step
        self._bar.update(self._task, completed=step)

    def figures(self, epoch: int, figures: Mapping[str, float]) -> None:
        """Log the figures of the latest steps."""
        now = time.monotonic()
        rate = (self._step - self._since_step) * self._batch_size / max(now - self._since, 1e-9)
        self._since, self._since_step = now, self._step
        self._bar.update(
            self._task,
            description=f"epoch {epoch + 1}, loss {figures['loss']:.3f}",
            rate=f"{rate:.1f} images/s",
        )
        if self._bar.disable and now - self._last_line > _LINE_SECONDS:
            self._last_line = now
            left = (self._steps - self._step) * self._batch_size / max(rate, 1e-9)
            self.say(
                f"step {self._step} of {self._steps}, epoch {epoch + 1}: loss "
                f"{figures['loss']:.3f}, {rate:.1f} images/s, {_duration(left)} left"
            )
        line = {"step": self._step, "epoch": epoch, **figures, "images_per_second": round(rate, 2)}
        self._folder.log(line)
        scalars = {name: value for name, value in line.items() if name not in {"step", "epoch"}}
        self._add_scalars({f"training/{name}": value for name, value in scalars.items()})

    def validation(
        self,
        epoch: int,
        means: Mapping[str, Mapping[str, float]],
        shares: list[float],
        text: str,
        *,
        trained_share: float = 1.0,
    ) -> None:
        """Log a validation: mean metrics by drive, and each scale's share of the masks.

        Curves are of whole changes alone (`trained_share`, see `validation.blends`).
        """
        self.say(text)
        line = {"step": self._step, "epoch": epoch, "validation": means, "mask_shares": shares}
        if trained_share != 1:
            self._folder.log({**line, "trained_share": trained_share})
            return
        self._folder.log(line)
        drives = {name: metrics for name, metrics in means.items() if name != ALL}
        self._add_scalars({f"validation/{name}": value for name, value in means[ALL].items()})
        self._add_scalars({f"drives/{name}": found["abs_rel"] for name, found in drives.items()})
        self._add_scalars({f"mask_share/{index}": share for index, share in enumerate(shares)})

    def pictures(self, pictures: Mapping[str, npt.NDArray[np.uint8]]) -> None:
        """Add pictures (H, W, 3), RGB, to TensorBoard."""
        if self._writer is not None:
            with self._disk_errors():
                for name, picture in pictures.items():
                    self._writer.add_image(name, picture, self._step, dataformats="HWC")

    def _add_scalars(self, scalars: Mapping[str, float]) -> None:
        if self._writer is not None:
            with self._disk_errors():
                for name, value in scalars.items():
                    self._writer.add_scalar(name, value, self._step)

    @contextmanager
    def _disk_errors(self) -> Iterator[None]:
        """TensorBoard writes in a thread of its own, whose errors come with a later call."""
        try:
            yield
        except OSError as error:
            raise HmaDepthError(
                f"cannot write {self._folder.tensorboard}: {error.strerror}; make room and go on "
                "with --resume"
            ) from error


def _writer(folder: RunFolder, first_step: int) -> SummaryWriter:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise HmaDepthError(
            "TensorBoard is not installed: pip install tensorboard, or run.tensorboard=false"
        ) from error
    # What a killed run logged beyond its snapshot is not shown.
    options: dict[str, Any] = {"purge_step": first_step} if first_step else {}
    return SummaryWriter(str(folder.tensorboard), **options)


@contextmanager
def _threads_without_disk_errors() -> Iterator[None]:
    """Keep threads' `OSError` off the screen: TensorBoard's raises it, and hands it on too."""
    usual = threading.excepthook

    def hook(failure: threading.ExceptHookArgs) -> None:
        if not issubclass(failure.exc_type, OSError):
            usual(failure)

    threading.excepthook = hook
    try:
        yield
    finally:
        threading.excepthook = usual


def _duration(seconds: float) -> str:
    hours, rest = divmod(round(seconds), 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}"
