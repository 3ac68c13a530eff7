"""What `gpu_check` consists of: commands, how long each may take, and what it needs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hma_depth_ros.network.cpu import has_bf16

#: The repository, if this is a checkout: tests are not installed.
REPOSITORY = Path(__file__).resolve().parents[3]

_ENGINES = (
    *("torch-eager:fp32", "torch-eager:fp16", "torch-untuned:fp32", "torch-untuned:fp16"),
    *("torch:fp32", "torch:fp16", "torch:bf16"),
)
# Without instructions for it bf16 takes minutes on a CPU.
_CPU_ENGINES = ("torch-eager:fp32", "torch:bf16" if has_bf16() else "torch:fp32")


@dataclass(frozen=True)
class Part:
    """One process, whose figures go to a JSON file of its own."""

    name: str
    what: str  #: for people
    seconds: float  #: that it may take
    command: tuple[str, ...]
    needs: tuple[str, ...] = ()  #: packages without which it is left out


@dataclass(frozen=True)
class Scale:
    """How large the parts are."""

    size: str  #: HxW of the networks' input
    rounds: int
    preset: str  #: of training
    steps: int
    batch: int
    crop: tuple[int, int]  #: height and width
    compared: int  #: steps of the runs that are compared with each other
    compared_batch: int  #: of those that are to be equal to the bit, which costs time and memory
    workers: int
    patience: float  #: factor of all time limits


def scale_for(device: str) -> Scale:
    """The paper's sizes on a GPU; what takes seconds on a CPU."""
    if device == "cpu":
        return Scale("64x96", 2, "tiny", 4, 2, (32, 96), 4, 2, 1, 10.0)
    workers = min(14, max(2, len(os.sched_getaffinity(0)) - 2))
    return Scale("352x1216", 50, "resnet50", 60, 16, (352, 704), 8, 4, workers, 1.0)


def json_of(folder: Path, name: str) -> Path:
    """Where a part leaves its figures."""
    return folder / f"{name}.json"


def all_parts(device: str, folder: Path, *, baseline: str | None) -> list[Part]:
    """All parts, the most important ones first.

    Args:
        device: `cuda`, `cuda:N`, or `cpu` for small sizes.
        folder: for JSON files and runs.
        baseline: `module:callable` of another network.

    """
    scale = scale_for(device)
    on_cpu = device == "cpu"
    engines = _CPU_ENGINES if on_cpu else _ENGINES
    other = ("--baseline", baseline) if baseline else ()

    def model(name: str, seconds: float, chosen: Sequence[str], what: str = "model") -> Part:
        network = () if name == "bundled" else ("--model", name)
        size = () if name == "bundled" and not on_cpu else ("--size", scale.size)
        command = _benchmark(
            *("model", *network, *size, "--engines", ",".join(chosen)),
            *("--rounds", str(scale.rounds), "--device", device),
            # The bundled model's size is not what any other network takes.
            *(other if what == "model" and size else ()),
            *("--json", str(json_of(folder, f"{what}_{name}"))),
        )
        label = {"model": "", "compiled": ", compiled", "onnx": " in ONNX Runtime"}[what]
        needs = ("onnx", "onnxruntime", "onnxscript") if what == "onnx" else ()
        return Part(f"{what}_{name}", f"forward pass of {name}{label}", seconds, command, needs)

    def predictor(name: str, seconds: float) -> Part:
        network = () if name == "bundled" else ("--model", name)
        size = ("--image-size", scale.size) if on_cpu else ()
        command = _benchmark(
            *("predictor", *network, *size, "--rounds", str(scale.rounds), "--device", device),
            *("--engines", "torch:fp32" if on_cpu else "torch:fp32,torch:fp16,torch:bf16"),
            *("--cameras", "1,2" if on_cpu else "1,4"),
            *("--json", str(json_of(folder, f"predictor_{name}"))),
        )
        return Part(f"predictor_{name}", f"host image to host arrays, {name}", seconds, command)

    def own(name: str, module: str, what: str, seconds: float, *needs: str) -> Part:
        command = (
            *(sys.executable, "-m", f"hma_depth_ros.benchmarks.gpu_check.{module}"),
            *("--device", device, "--json", str(json_of(folder, name))),
        )
        return Part(name, what, seconds, command, needs)

    without_node = "" if _has_ros() else ", without the node's: there is no rclpy"
    pytest = (
        *(sys.executable, "-m", "pytest", "-m", "cuda", "-ra", "-p", "no:cacheprovider"),
        *(f"--junitxml={folder / 'tests.xml'}", *map(str, _files_with_cuda_tests())),
    )
    half = ["torch-compiled:fp16"] if not on_cpu else []
    parts = [
        own("card", "card", "bandwidth and matrix products", 60),
        model("resnet50", 100, engines),
        model("bundled", 60, engines),
        own("training", "training_speed", "steps of training", 120, "pydantic"),
        Part("tests", f"tests marked cuda{without_node}", 150, pytest, ("pytest",)),
        own("resume", "resume", "resume after kill -9", 120, "pydantic"),
        predictor("bundled", 60),
        predictor("resnet50", 60),
        model("densenet161", 90, engines),
        model("mobile", 60, engines),
    ]
    if half:  # compilers take their time, so they come last
        parts += [
            model("bundled", 120, half, "compiled"),
            model("resnet50", 150, half, "compiled"),
        ]
    onnx = ["onnxruntime:fp32"] if on_cpu else ["onnxruntime:fp32", "onnxruntime:fp16"]
    parts += [model(name, 150, onnx, "onnx") for name in ("bundled", "resnet50")]
    return [replace(part, seconds=part.seconds * scale.patience) for part in parts]


def _benchmark(*arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "hma_depth_ros", "benchmark", *arguments)


def _has_ros() -> bool:
    """Whether rclpy can be imported: wheels put it elsewhere, and leave an empty folder."""
    found = subprocess.run(
        [sys.executable, "-c", "import rclpy.context, sensor_msgs.msg"],
        capture_output=True,
        check=False,
    )
    return found.returncode == 0


def _files_with_cuda_tests() -> list[Path]:
    """Only these are collected: importing all of them takes longer than running the few."""
    files = sorted((REPOSITORY / "test").rglob("test_*.py"))
    if not _has_ros():  # pytest stops at its test/conftest.py, where it is named
        files = [path for path in files if path.parent.name != "node"]
    return [path for path in files if "mark.cuda" in path.read_text(encoding="utf-8")]
