"""The workers: take frames, ask the predictor for what somebody hears, and have it published."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.inference.engines.engine_memory import free_memory, is_out_of_memory
from hma_depth_ros.inference.prediction import Prediction
from hma_depth_ros.inference.together import predict_together
from hma_depth_ros.messages.image import BadImageError
from hma_depth_ros.ros.depth_node.camera_stream import CameraStream, Job
from hma_depth_ros.ros.depth_node.engine_recovery import EngineRecovery, described
from hma_depth_ros.ros.depth_node.frame_buffer import FrameBuffer
from hma_depth_ros.ros.depth_node.image_input import STALLED, STOPPED, Frame
from hma_depth_ros.ros.depth_node.stall_watch import LeftBehindError, Silence, StallWatch

#: Why frames fail that the engine raised at.
NETWORK_FAILED = "the network failed"
#: How long the end of the process waits for the frames under way.
LAST_FRAME_SECONDS = 0.5
#: How long a deactivation waits for the network, and the executor with it.
LEAVE_SECONDS = 5.0
_POLL = 0.1  # seconds


class FrameLoop:
    """Threads for all cameras of a node, from `start` to `stop`: one, or a few on a CPU's cores."""

    def __init__(
        self,
        streams: Sequence[CameraStream],
        *,
        lockstep: bool,
        together: int,
        workers: int,
        recovery: EngineRecovery,
        watch: StallWatch[CameraStream],
        ending: Callable[[], bool],
        logger: Any,
    ) -> None:
        """Have room for frames.

        Args:
            streams: the cameras, which are configured.
            lockstep: whether every frame is processed, instead of the latest one only.
            together: how many cameras' images may go through the network as one batch.
            workers: how many frames, of as many cameras, may be under way side by side.
            recovery: is told how the network does.
            watch: is told how long it takes.
            ending: whether the process is about to end.
            logger: of the node.

        """
        self._streams, self._together = streams, together
        self._recovery, self._watch = recovery, watch
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
        """Store a frame; False if one was lost for it.

        While the network is stalled none is stored: in lockstep they would fill the memory.
        """
        silence = self.silence(stream)
        if silence is not None and silence.stalled:
            stream.statistics.count_dropped(STALLED)
            return True
        return self._buffer.put(stream, frame)

    def silence(self, stream: CameraStream) -> Silence | None:
        """Of the network towards this camera, beyond the usual."""
        return self._watch.silence(stream, workers=len(self.workers))

    def prepare(self) -> None:
        """Build what is needed for cameras that are known by now, as soon as no frame waits."""
        self._buffer.interrupt()

    def stop(self) -> None:
        """End after the frames under way, if they come to an end; the rest counts as dropped."""
        for stream, left in self._buffer.close().items():
            stream.statistics.count_dropped(STOPPED, left)
        begun = time.monotonic()
        for worker in self.workers:
            while worker.is_alive():
                waited = time.monotonic() - begun
                if self._ending() and waited >= LAST_FRAME_SECONDS:
                    return
                if waited >= LEAVE_SECONDS and self._leaves(worker):
                    break
                worker.join(_POLL)

    def _leaves(self, worker: threading.Thread) -> bool:
        """Whether a worker is in the network, and is not waited for any longer."""
        streams = self._watch.leave(worker.ident)
        if streams is None:
            return False
        for stream in streams:
            stream.statistics.count_dropped(STOPPED)
        self._logger.warning(
            f"the network has not answered within {LEAVE_SECONDS:g} s: it is not waited for"
        )
        return True

    def _work(self) -> None:
        while not self._over:
            taken = self._buffer.take(most=self._together, kind=CameraStream.network_size)
            if taken is None:
                return
            try:
                if taken:
                    self._process(taken)
                    self._buffer.done(stream for stream, _ in taken)
                else:
                    self._prepare()
            except LeftBehindError:
                return

    def _prepare(self) -> None:
        for stream in self._streams:
            attempt = self._recovery.attempt
            try:
                with self._watch.passing(()):
                    stream.prepare(self._together)
            except LeftBehindError:
                raise
            except Exception as error:  # no image is concerned yet; the first one will be
                self._note_failure(error, attempt, ())

    def _process(self, taken: Sequence[tuple[CameraStream, Frame]]) -> None:
        """From frames, one of each camera, to what is published of them."""
        jobs: list[tuple[CameraStream, Job]] = []
        for stream, frame in taken:
            with self._faults_of(stream):
                if (job := stream.begin(frame)) is not None:
                    jobs.append((stream, job))
        predictions = self._predict(jobs)
        streams = [stream for stream, _ in jobs]
        for number, prediction in enumerate(predictions):
            stream, job = jobs[number]
            with self._faults_of(stream):
                if isinstance(prediction, HmaDepthError):
                    raise prediction
                kind = (self._recovery.attempt, "once more", *_sizes(jobs[number : number + 1]))
                again = partial(self._watch.passing, streams[number:], kind)
                stream.finish(job, prediction, self._ending, again)

    def _predict(
        self, jobs: Sequence[tuple[CameraStream, Job]]
    ) -> Sequence[Prediction | HmaDepthError]:
        """What the network gives; nothing, and counted, if it fails."""
        streams = [stream for stream, _ in jobs]
        if self._recovery.given_up:
            for stream in streams:
                stream.statistics.count_failed(NETWORK_FAILED)
            return ()
        attempt = self._recovery.attempt
        with self._faults_of(*streams):
            try:
                with self._watch.passing(streams, (attempt, *_sizes(jobs))):
                    found = self._with_what_memory_there_is([job for _, job in jobs])
                    if any(isinstance(one, Prediction) and one.seconds for one in found):
                        self._recovery.works()
            except (HmaDepthError, LeftBehindError):
                raise
            except Exception as error:  # engines fail in any way
                self._note_failure(error, attempt, streams)
                return ()
            return found
        return ()

    def _with_what_memory_there_is(
        self, jobs: Sequence[Job]
    ) -> Sequence[Prediction | HmaDepthError]:
        try:
            return _predictions(jobs, self._together)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            self._logger.warning(
                f"out of memory ({described(error)}); what was kept is given back, once more",
                throttle_duration_sec=5.0,
            )
        # Not in the handler, where the error still holds what the frame had.
        free_memory(jobs[0].predictor.engine)
        return _predictions(jobs, self._together)

    def _note_failure(
        self, error: Exception, attempt: int, streams: Sequence[CameraStream]
    ) -> None:
        """Count what the network has failed at, and have something done about it."""
        if self._ending():  # it is being taken away
            self._over = True
            for stream in streams:
                stream.statistics.count_dropped(STOPPED)
            return
        for stream in streams:
            stream.statistics.count_failed(NETWORK_FAILED)
            stream.reporter.problem(
                stream.image_topic(), f"the network has failed with {described(error)}"
            )
        self._logger.error("".join(traceback.format_exception(error)), throttle_duration_sec=5.0)
        with self._watch.passing(()):  # another engine may have to be compiled
            self._recovery.failed(error, attempt)

    @contextmanager
    def _faults_of(self, *streams: CameraStream) -> Iterator[None]:
        """Count what goes wrong with one frame of each of these cameras, and go on."""
        try:
            yield
        except LeftBehindError:  # which has been accounted for
            raise
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


def _sizes(jobs: Sequence[tuple[CameraStream, Job]]) -> list[tuple[int, int] | None]:
    """Of the network's input for each frame that goes there."""
    return [stream.network_size(job.frame) for stream, job in jobs if job.request.outputs]


def _predictions(jobs: Sequence[Job], together: int) -> list[Prediction | HmaDepthError]:
    """Of each job; nothing is asked of the network for one that needs no output of it."""
    asked = [job for job in jobs if job.request.outputs]
    found = iter(predict_together([(job.predictor, job.request) for job in asked], most=together))
    return [next(found) if job.request.outputs else Prediction(camera=job.camera) for job in jobs]
