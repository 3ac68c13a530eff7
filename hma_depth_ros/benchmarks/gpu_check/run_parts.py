"""Runs the parts, each in a process with a time limit, and writes down what came of each."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from hma_depth_ros.benchmarks.gpu_check.parts import REPOSITORY, Part, json_of
from hma_depth_ros.files import atomic_path
from hma_depth_ros.structured_text import json_text

PASSED, FAILED, TIMED_OUT, LEFT_OUT = "passed", "failed", "timed out", "left out"
#: Below that a part is not begun: starting Python and PyTorch takes as long.
_LEAST_SECONDS = 15.0


@dataclass
class PartResult:
    """What came of a part."""

    status: str
    seconds: float = 0.0
    reason: str = ""  #: why it was left out, or the end of its log
    figures: dict[str, Any] = field(default_factory=dict)  #: also of a part that failed later on


def run_parts(
    parts: Sequence[Part],
    folder: Path,
    *,
    seconds: float,
    about: Mapping[str, Any],
    tell: Callable[[str], object],
) -> dict[str, PartResult]:
    """Run parts one after the other; a failing one does not stop the next.

    After each, `report.json` in `folder` holds all results so far.

    Args:
        parts: see `all_parts`.
        folder: for logs, figures and the report.
        seconds: for all parts together; what does not fit is left out.
        about: of the machine, for the report.
        tell: is given a line before and after each part.

    Raises:
        HmaDepthError: the folder cannot be written.

    """
    end = time.monotonic() + seconds
    results: dict[str, PartResult] = {}
    for part in parts:
        limit = min(part.seconds, end - time.monotonic())
        missing = [name for name in part.needs if find_spec(name) is None]
        if missing:
            result = PartResult(LEFT_OUT, reason=f"there is no package {', '.join(missing)}")
        elif limit < min(_LEAST_SECONDS, part.seconds):
            result = PartResult(LEFT_OUT, reason="the time was over (--minutes)")
        else:
            tell(f"{part.name}: {part.what} (at most {limit:.0f} s)")
            result = _run(part, folder, limit)
        results[part.name] = result
        write_report(folder, about, results)
        last = f": {result.reason.splitlines()[-1].strip()}" if result.reason else ""
        tell(f"{part.name}: {result.status} after {result.seconds:.0f} s{last}")
    return results


def _run(part: Part, folder: Path, limit: float) -> PartResult:
    log = folder / f"{part.name}.log"
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "NO_COLOR": "1"}
    # The package of this very checkout, and a baseline's module in the current folder.
    paths = [str(REPOSITORY), str(Path.cwd()), environment.get("PYTHONPATH", "")]
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    begin = time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen(
            part.command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
            cwd=folder,
        )
        try:
            status: int | None = process.wait(limit)
        except subprocess.TimeoutExpired:
            status = None
        finally:
            _end(process)
    result = PartResult(PASSED, time.monotonic() - begin, figures=_figures(part, folder))
    if status is None:
        result.status, result.reason = TIMED_OUT, _tail(log)
    elif status:
        result.status, result.reason = FAILED, _tail(log)
    return result


def _end(process: subprocess.Popen[bytes]) -> None:
    """Of the part and of all that it has started: loaders, a killed run's children."""
    with suppress(ProcessLookupError):  # all of them have ended
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _figures(part: Part, folder: Path) -> dict[str, Any]:
    path = json_of(folder, part.name)
    if path.is_file():
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return found
    xml = folder / f"{part.name}.xml"
    return _counts(xml) if xml.is_file() else {}


def _counts(xml: Path) -> dict[str, Any]:
    """Of pytest's report: numbers, and the names of what did not pass."""
    suite = ElementTree.parse(xml).getroot().find("testsuite")
    if suite is None:
        return {}
    counts = {name: int(suite.get(name, 0)) for name in ("tests", "failures", "errors", "skipped")}
    counts["passed"] = counts["tests"] - counts["failures"] - counts["errors"] - counts["skipped"]
    wrong = [
        f"{case.get('classname')}.{case.get('name')}"
        for case in suite.iter("testcase")
        if case.find("failure") is not None or case.find("error") is not None
    ]
    return {**counts, "wrong": wrong}


def _tail(log: Path, count: int = 12) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return "\n".join(lines[-count:])


def write_report(folder: Path, about: Mapping[str, Any], results: Mapping[str, PartResult]) -> None:
    """Write `report.json`.

    Raises:
        HmaDepthError: the folder cannot be written.

    """
    content = {**about, "parts": {name: asdict(result) for name, result in results.items()}}
    with atomic_path(folder / "report.json") as temporary:
        temporary.write_text(json_text(content, indent=2) + "\n", encoding="utf-8")
