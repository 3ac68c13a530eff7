"""Which engine runs the network: the fastest that is there and says what the network says."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.inference.engines.engine import Engine, MissingPackageError, check_precision
from hma_depth_ros.inference.engines.engine_names import ENGINES
from hma_depth_ros.inference.engines.model_source import ModelSource
from hma_depth_ros.inference.engines.self_check import SelfCheck

REFERENCE = "is the reference"
UNCHECKED = "off"


@dataclass(frozen=True)
class EngineRequest:
    """What the user asks for."""

    engine: str = "auto"
    precision: str = "auto"
    device: str = "auto"
    threads: int = 0
    compiled: bool = False  #: PyTorch's network by torch.compile
    side_by_side: int = 1  #: calls at the same time, of an engine that can do that (OpenVINO)


@dataclass(frozen=True)
class StartedEngine:
    """What runs the network, and how it came to that."""

    engine: Engine
    self_check: str  #: how it ended
    fallback: str = ""  #: why it is not the engine that was wanted; empty if it is
    deviates: bool = False  #: it does not reproduce the network, and there was nothing better


def start_engine(
    source: ModelSource,
    request: EngineRequest,
    *,
    self_check: bool,
    warn: Callable[[str], object],
) -> StartedEngine:
    """Start the engine that the request means, and check it.

    `engine` `auto` tries those for the device, the fastest first, and does without one whose
    package is missing. An engine that deviates too far, or raises, gives way to fp32, at last to
    PyTorch's, with a warning; where none passes, that which deviates least stays, with a warning
    too.

    Raises:
        HmaDepthError: what was asked for cannot be had.

    """
    if request.engine not in ENGINES:
        raise HmaDepthError(f"no engine '{request.engine}'; use one of {', '.join(ENGINES)}")
    check_precision(request.precision)
    automatic = request.engine == "auto"
    names = source.engines(request.device) if automatic else [request.engine]
    errors: list[HmaDepthError] = []
    failed = ""  # how the first engine that deviates does so
    reasons: list[str] = []  # for another engine than the one that was wanted
    best: tuple[Engine, SelfCheck] | None = None  # of those that deviate
    said = ""  # of the last attempt
    attempts = deque((name, request.precision) for name in names)
    tried: set[tuple[str, str]] = set()
    while attempts:
        name, precision = attempts.popleft()
        tried.add((name, precision))
        try:
            engine = source.start(
                name,
                device=request.device,
                precision=precision,
                threads=request.threads,
                compiled=request.compiled,
                side_by_side=request.side_by_side,
                warn=warn,
            )
            tried.add((engine.name, engine.precision))
            reference = _is_reference(engine) and not request.compiled
            outcome = _checked(source, engine) if self_check and not reference else None
        except HmaDepthError as error:
            if isinstance(error, _BrokenEngineError):
                attempts.extend(_fallbacks(source, names, error.engine, {*attempts, *tried}))
            said = f"engine {name} is left out: {error}"
            if attempts and not isinstance(error, MissingPackageError):
                reasons.append(said)
                warn(said)
            errors.append(error)
            continue
        if not self_check:
            return StartedEngine(engine, UNCHECKED, "; ".join(reasons))
        if outcome is None or outcome.passed:
            verdict = REFERENCE if outcome is None else f"passed, {_figures(outcome)}"
            if failed:
                end = "took over" if outcome is None else verdict
                verdict = f"{failed}; fp32 {engine.name} {end}"
            return StartedEngine(engine, verdict, "; ".join(reasons))
        said = (
            f"{engine.name} in {engine.precision} on {engine.hardware} does not reproduce the "
            f"network ({_figures(outcome)})"
        )
        reasons.append(said)
        failed = failed or f"failed, {_figures(outcome)}"
        if best is None or _badness(outcome) < _badness(best[1]):
            best = engine, outcome
        attempts = deque(_fallbacks(source, names, engine, tried))
        if attempts:
            other = f"engine:={attempts[0][0]}" if engine.precision == "fp32" else "precision:=fp32"
            warn(f"{said}; falling back to {other}")
    if best is None:  # what happened to an engine that is there says more than one that is missing
        raise next((e for e in errors if not isinstance(e, MissingPackageError)), errors[0])
    engine, outcome = best
    warn(f"{said}; {engine.name} in {engine.precision} goes on, for there is nothing better")
    return StartedEngine(engine, f"failed, {_figures(outcome)}", "; ".join(reasons), deviates=True)


class _BrokenEngineError(HmaDepthError):
    """An engine has started, and does not run."""

    def __init__(self, engine: Engine, error: Exception) -> None:
        super().__init__(f"in {engine.precision} on {engine.hardware} it does not run ({error!r})")
        self.engine = engine


def _checked(source: ModelSource, engine: Engine) -> SelfCheck:
    try:
        return source.check(engine)
    except HmaDepthError:
        raise
    except Exception as error:  # engines fail in any way
        raise _BrokenEngineError(engine, error) from error


def _fallbacks(
    source: ModelSource, names: list[str], failing: Engine, known: set[tuple[str, str]]
) -> list[tuple[str, str]]:
    """What is tried after an engine that fails: fp32 in each runtime, PyTorch the last."""
    if failing.precision == "int8":  # of the file itself
        return []
    last = ["torch"] if source.plain_engine == "torch" else []
    fp32 = [(name, "fp32") for name in dict.fromkeys([*names, *last])]
    return [other for other in fp32 if other not in known]


def _is_reference(engine: Engine) -> bool:
    return (engine.name, engine.precision, engine.device.type) == ("torch", "fp32", "cpu")


def _badness(outcome: SelfCheck) -> float:
    return math.inf if math.isnan(outcome.deviation) else outcome.deviation


def _figures(outcome: SelfCheck) -> str:
    return f"median deviation {outcome.deviation:.2e} of {outcome.tolerance:.0e} allowed"
