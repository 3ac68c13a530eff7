"""The worker: takes frames, asks the predictor for what somebody listens to, has it published."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Sequence
from typing import Any

from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.inference.predictor import Prediction
from hma_depth_ros.messages.image import BadImageError
from hma_depth_ros.ros.depth_node.camera_stream import CameraStream
from hma_depth_ros.ros.depth_node.frame_buffer import FrameBuffer
from hma_depth_ros.ros.depth_node.image_input import STOPPED, Frame

#: How long the end of the process waits for the frame under way.
LAST_FRAME_SECONDS = 0.5


class FrameLoop:
    """One thread for all cameras of a node, from `start` to `stop`."""

    def __init__(
        self,
        streams: Sequence[CameraStream],
        *,
        lockstep: bool,
        ending: Callable[[], bool],
        logger: Any,
    ) -> None:
        """Have room for frames.

        Args:
            streams: the cameras, which are configured.
            lockstep: whether every frame is processed, instead of the latest one only.
            ending: whether the process is about to end.
            logger: of the node.

        """
        self._streams, self._ending, self._logger = streams, ending, logger
        self._buffer: FrameBuffer[CameraStream, Frame] = FrameBuffer(streams, keep_all=lockstep)
        self.worker = threading.Thread(target=self._work, name="depth_worker", daemon=True)

    def start(self) -> None:
        """Begin, once the cameras are subscribed to."""
        self.worker.start()

    def put(self, stream: CameraStream, frame: Frame) -> bool:
        """Store a frame; False if one was lost for it."""
        return self._buffer.put(stream, frame)

    def stop(self) -> None:
        """End after the frame under way; those that wait are counted as dropped."""
        for stream, left in self._buffer.close().items():
            stream.statistics.count_dropped(STOPPED, left)
        if self.worker.is_alive():
            self.worker.join(LAST_FRAME_SECONDS if self._ending() else None)

    def _work(self) -> None:
        for stream in self._streams:
            stream.prepare(given_up=lambda: self._buffer.ready)
        while (taken := self._buffer.take()) is not None:
            stream, frame = taken
            try:
                self._process(stream, frame)
            except HmaDepthError as error:
                bad = isinstance(error, BadImageError)
                stream.statistics.count_failed("bad image" if bad else "bad request")
                stream.reporter.problem(stream.image_topic(), str(error))
            except Exception:  # a bug must not end the node, nor go unseen
                if self._ending():  # the publishers have gone meanwhile
                    stream.statistics.count_dropped(STOPPED)
                    return
                stream.statistics.count_failed("internal error")
                self._logger.error(traceback.format_exc(), throttle_duration_sec=5.0)

    def _process(self, stream: CameraStream, frame: Frame) -> None:
        job = stream.begin(frame)
        if job is None:
            return
        request = job.request
        prediction = Prediction(camera=job.camera)
        if request.outputs:
            prediction = job.predictor.predict(
                request.image,
                request.camera,
                pixel_format=request.pixel_format,
                outputs=request.outputs,
                out=request.out,
            )
        stream.finish(job, prediction, self._ending)
