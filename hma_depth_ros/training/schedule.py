"""The learning rate as a function of the step: nothing to store, nothing to restore."""

from __future__ import annotations

import math

from hma_depth_ros.training.run_config import OptimiserSection

#: one_cycle starts at this share of the peak (Smith and Topin, 2018).
_START = 1 / 25


def learning_rate(step: int, steps: int, settings: OptimiserSection) -> float:
    """Rate of step 0 ... steps - 1.

    `polynomial` falls from the learning rate to the final one, as BTS; `one_cycle` first rises to
    it during the warm-up, both on half a cosine.
    """
    peak, final = settings.learning_rate, settings.final_learning_rate
    if settings.schedule == "polynomial":
        return final + (peak - final) * (1 - step / steps) ** settings.power
    rising = round(settings.warm_up * steps)
    if step < rising:
        return _cosine(peak * _START, peak, step / rising)
    return _cosine(peak, final, (step - rising) / max(steps - rising, 1))


def _cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2
