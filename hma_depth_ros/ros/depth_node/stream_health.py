"""Whether one camera's depth is to be trusted: its degraded modes, judged, and said in the log."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import numpy.typing as npt

from hma_depth_ros.inference.engines.engine_choice import StartedEngine
from hma_depth_ros.inference.plausibility import depth_traits, upright_trait
from hma_depth_ros.inference.prediction import PredictionRequest
from hma_depth_ros.inference.predictor import DepthPredictor
from hma_depth_ros.inference.upright import turned_traits
from hma_depth_ros.ros.condition_log import ConditionLog
from hma_depth_ros.ros.depth_node.degraded_modes import (
    CameraFacts,
    Degradation,
    DegradedModes,
    Mode,
)
from hma_depth_ros.ros.depth_node.image_input import OVERRUN, REPLACED, UNPAIRED
from hma_depth_ros.ros.depth_node.parameters import DepthNodeParameters
from hma_depth_ros.ros.depth_node.plausibility_watch import PlausibilityWatch
from hma_depth_ros.ros.depth_node.statistics import Snapshot

#: Modes whose beginning is logged with them; of the others it is where their cause is found.
LOGGED_MODES = (Mode.STALE, Mode.OVERLOADED, Mode.IMPLAUSIBLE, Mode.ENGINE_STALLED)


class StreamHealth:
    """Begins anew with each activation; what has been logged is remembered beyond."""

    def __init__(self, logger: Any) -> None:
        """Make ready.

        Args:
            logger: the node's.

        """
        self._logger, self._log = logger, ConditionLog(logger.warning)
        self.begin()

    def begin(self) -> None:
        """Know of nothing: the camera is waited for from now on."""
        self._modes, self._plausibility = DegradedModes(), PlausibilityWatch()
        self._since = time.monotonic()

    def end(self) -> None:
        """Say nothing of modes that end because the node is deactivated."""
        self._log.clear()

    def judge_depth(
        self,
        sample: npt.NDArray[np.float32],
        asked: PredictionRequest,
        predictor: DepthPredictor,
        values: DepthNodeParameters,
        in_network: Callable[[], AbstractContextManager[None]],
    ) -> None:
        """See whether depth is like that of the training frames; in the worker's thread.

        Args:
            sample: of the depth of a frame, in metres.
            asked: what it was made of.
            predictor: that made it.
            values: parameters.
            in_network: watches over another pass through the network.

        """
        ranges = predictor.info.depth_ranges
        traits = depth_traits(sample)
        if values.implausible_frames and self._plausibility.turn_is_due(ranges, time.monotonic()):
            with in_network():
                turned = turned_traits(predictor, asked.image, asked.camera, asked.pixel_format)
            traits |= upright_trait(traits, turned)
        self._plausibility.take(
            traits, ranges, beyond=values.implausible_beyond, frames=values.implausible_frames
        )

    def modes(
        self,
        snapshot: Snapshot,
        started: StartedEngine,
        values: DepthNodeParameters,
        *,
        image_topic: str,
        lost: int | None,
        calibrated: bool | None,
        stalled: str,
    ) -> list[Degradation]:
        """Degraded modes that the camera is in, of which those that begin or end are logged.

        To be called now and then: what begins and ends between two calls is not seen.

        Args:
            snapshot: of its statistics, now.
            started: engine of the node.
            values: parameters.
            image_topic: full name.
            lost: images lost in transport; None if nobody counts them.
            calibrated: whether the latest image's calibration is usable; None before any.
            stalled: why the network is taken to answer no more; empty if it is not.

        """
        now = time.monotonic()
        waited = now - self._since
        facts = CameraFacts(
            arrived=snapshot.received + snapshot.waiting,
            through=snapshot.processed + sum(snapshot.skipped.values()),
            replaced=sum(snapshot.dropped.get(cause, 0) for cause in (REPLACED, OVERRUN)),
            unpaired=snapshot.dropped.get(UNPAIRED, 0),
            lost=lost,
            quiet=waited if snapshot.quiet is None else min(snapshot.quiet, waited),
            calibrated=calibrated,
            fallback=started.fallback,
            deviates=started.deviates,
            implausible=self._plausibility.reason,
            stalled=stalled,
        )
        found = self._modes.look(facts, values, now)
        self._log_changes(image_topic, {one.mode: one.reason for one in found})
        return found

    def _log_changes(self, image_topic: str, reasons: Mapping[Mode, str]) -> None:
        for mode in LOGGED_MODES:
            subject = f"{image_topic}: {mode.value}"
            if mode in reasons:
                self._log.problem(subject, reasons[mode])
            elif self._log.solved(subject):
                self._logger.info(f"{subject}: no longer")
