"""Which engine runs the network: the fastest that is there and says what the network says."""

from __future__ import annotations

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
    PyTorch's, with a warning; where there is none, one that deviates stays, with a warning too.

    Raises:
        HmaDepthError: what was asked for cannot be had.

    """
    if request.engine not in ENGINES:
        raise HmaDepthError(f"no engine '{request.engine}'; use one of {', '.join(ENGINES)}")
    check_precision(request.precision)
    automatic = request.engine == "auto"
    names = source.engines(request.device) if automatic else [request.engine]
    first_error: HmaDepthError | None = None
    failed = ""
    reasons: list[str] = []  # for another engine than the one that was wanted
    deviating: Engine | None = None  # the one that failed
    attempts = deque((name, request.precision) for name in names)
    while attempts:
        name, precision = attempts.popleft()
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
            reference = _is_reference(engine) and not request.compiled
            outcome = _checked(source, engine) if self_check and not reference else None
        except HmaDepthError as error:
            if isinstance(error, _BrokenEngineError) and first_error is None:
                others = _fallbacks(source, names, error.engine)
                attempts.extend(other for other in others if other not in attempts)
            if attempts and not isinstance(error, MissingPackageError):
                reasons.append(f"engine {name} is left out: {error}")
                warn(reasons[-1])
            first_error = first_error or error
            continue
        if not self_check:
            return StartedEngine(engine, UNCHECKED, "; ".join(reasons))
        if outcome is None:
            verdict = f"{failed}; fp32 torch took over" if failed else REFERENCE
            return StartedEngine(engine, verdict, "; ".join(reasons))
        if outcome.passed:
            passed = f"passed, {_figures(outcome)}"
            verdict = f"{failed}; fp32 {engine.name} {passed}" if failed else passed
            return StartedEngine(engine, verdict, "; ".join(reasons))
        reasons.append(
            f"{engine.name} in {engine.precision} on {engine.hardware} does not reproduce the "
            f"network ({_figures(outcome)})"
        )
        if deviating is None:
            deviating = engine
            failed = f"failed, {_figures(outcome)}"
            attempts = deque(_fallbacks(source, names, engine))
        if not attempts:
            warn(f"{reasons[-1]}; nothing better")
            return StartedEngine(engine, failed, "; ".join(reasons), deviates=True)
        warn(f"{reasons[-1]}; falling back to precision:=fp32")
    assert first_error is not None
    if deviating is not None:  # such as an ONNX file in fp16, which has no fp32
        warn(f"there is no fp32 to fall back to ({first_error}); {deviating.name} goes on")
        return StartedEngine(deviating, failed, "; ".join(reasons), deviates=True)
    raise first_error


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


def _fallbacks(source: ModelSource, names: list[str], deviating: Engine) -> list[tuple[str, str]]:
    """What is tried after an engine that deviates: fp32 in each runtime, PyTorch the last."""
    if deviating.precision == "int8":  # of the file itself
        return []
    last = ["torch"] if source.plain_engine == "torch" else []
    order = dict.fromkeys([*names, *last])
    return [
        (name, "fp32") for name in order if (name, "fp32") != (deviating.name, deviating.precision)
    ]


def _is_reference(engine: Engine) -> bool:
    return (engine.name, engine.precision, engine.device.type) == ("torch", "fp32", "cpu")


def _figures(outcome: SelfCheck) -> str:
    return f"median deviation {outcome.deviation:.2e} of {outcome.tolerance:.0e} allowed"
