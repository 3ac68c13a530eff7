"""The workers: take frames, ask the predictor for what somebody hears, and have it published."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.inference.predictor import Prediction
from hma_depth_ros.inference.together import predict_together
from hma_depth_ros.messages.image import BadImageError
from hma_depth_ros.ros.depth_node.camera_stream import CameraStream, Job
from hma_depth_ros.ros.depth_node.frame_buffer import FrameBuffer
from hma_depth_ros.ros.depth_node.image_input import STOPPED, Frame

#: How long the end of the process waits for the frames under way.
LAST_FRAME_SECONDS = 0.5


class FrameLoop:
    """Threads for all cameras of a node, from `start` to `stop`: one, or a few on a CPU's cores."""

    def __init__(
        self,
        streams: Sequence[CameraStream],
        *,
        lockstep: bool,
        together: int,
        workers: int,
        ending: Callable[[], bool],
        logger: Any,
    ) -> None:
        """Have room for frames.

        Args:
            streams: the cameras, which are configured.
            lockstep: whether every frame is processed, instead of the latest one only.
            together: how many cameras' images may go through the network as one batch.
            workers: how many frames, of as many cameras, may be under way side by side.
            ending: whether the process is about to end.
            logger: of the node.

        """
        self._streams, self._together = streams, together
        self._ending, self._logger = ending, logger
        self._over = False
        self._buffer: FrameBuffer[CameraStream, Frame] = FrameBuffer(streams, keep_all=lockstep)
        self.workers = [
            threading.Thread(target=self._work, name="depth_worker", daemon=True)
            for _ in range(workers)
        ]

    def start(self) -> None:
        """Begin, once the cameras are subscribed to."""
        for worker in self.workers:
            worker.start()

    def put(self, stream: CameraStream, frame: Frame) -> bool:
        """Store a frame; False if one was lost for it."""
        return self._buffer.put(stream, frame)

    def prepare(self) -> None:
        """Build what is needed for cameras that are known by now, as soon as no frame waits."""
        self._buffer.interrupt()

    def stop(self) -> None:
        """End after the frames under way; those that wait are counted as dropped."""
        for stream, left in self._buffer.close().items():
            stream.statistics.count_dropped(STOPPED, left)
        deadline = time.monotonic() + LAST_FRAME_SECONDS if self._ending() else None
        for worker in self.workers:
            if worker.is_alive():
                worker.join(None if deadline is None else max(0.0, deadline - time.monotonic()))

    def _work(self) -> None:
        while not self._over:
            taken = self._buffer.take(most=self._together, kind=CameraStream.network_size)
            if taken is None:
                return
            if taken:
                self._process(taken)
                self._buffer.done(stream for stream, _ in taken)
                continue
            for stream in self._streams:
                stream.prepare(self._together)

    def _process(self, taken: Sequence[tuple[CameraStream, Frame]]) -> None:
        """From frames, one of each camera, to what is published of them."""
        jobs: list[tuple[CameraStream, Job]] = []
        for stream, frame in taken:
            with self._faults_of(stream):
                if (job := stream.begin(frame)) is not None:
                    jobs.append((stream, job))
        predictions: Sequence[Prediction | HmaDepthError] = ()
        with self._faults_of(*(stream for stream, _ in jobs)):
            predictions = _predictions([job for _, job in jobs], self._together)
        for (stream, job), prediction in zip(jobs, predictions, strict=False):
            with self._faults_of(stream):
                if isinstance(prediction, HmaDepthError):
                    raise prediction
                stream.finish(job, prediction, self._ending)

    @contextmanager
    def _faults_of(self, *streams: CameraStream) -> Iterator[None]:
        """Count what goes wrong with one frame of each of these cameras, and go on."""
        try:
            yield
        except HmaDepthError as error:
            bad = isinstance(error, BadImageError)
            for stream in streams:
                stream.statistics.count_failed("bad image" if bad else "bad request")
                stream.reporter.problem(stream.image_topic(), str(error))
        except Exception:  # a bug must not end the node, nor go unseen
            self._over = self._ending()  # the publishers have gone meanwhile
            for stream in streams:
                if self._over:
                    stream.statistics.count_dropped(STOPPED)
                else:
                    stream.statistics.count_failed("internal error")
            if not self._over:
                self._logger.error(traceback.format_exc(), throttle_duration_sec=5.0)


def _predictions(jobs: Sequence[Job], together: int) -> list[Prediction | HmaDepthError]:
    """Of each job; nothing is asked of the network for one that needs no output of it."""
    asked = [job for job in jobs if job.request.outputs]
    found = iter(predict_together([(job.predictor, job.request) for job in asked], most=together))
    return [next(found) if job.request.outputs else Prediction(camera=job.camera) for job in jobs]
