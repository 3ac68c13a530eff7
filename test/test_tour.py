"""The tours of docs/architecture.md: a frame, a training step and a bag go the way it tells."""

from __future__ import annotations

import ast
import importlib
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest

from hma_depth_ros.bags.new_messages import image_message
from hma_depth_ros.bags.writer import BagWriter
from hma_depth_ros.cli import run_command
from hma_depth_ros.data.depth.depth_png import write_depth_png
from hma_depth_ros.data.image_file import write_png
from hma_depth_ros.data.splits.split_file import SplitEntry, write_split
from hma_depth_ros.messages.types import IMAGE

REPOSITORY = Path(__file__).resolve().parent.parent
PAGE = (REPOSITORY / "docs" / "architecture.md").read_text(encoding="utf-8")
TOURS = {
    "One frame in ten files": 10,
    "One training step in six files": 6,
    "One bag in five files": 5,
}


@dataclass(frozen=True)
class Stop:
    """A row of a tour's table."""

    file: str  #: in the package
    link: str  #: from the page
    function: str  #: its name, after that of its class

    @property
    def line(self) -> int:
        """At which its code begins, decorators included.

        Raises:
            LookupError: the file has no such function.

        """
        body: list[ast.stmt] = ast.parse(self.path.read_text(encoding="utf-8")).body
        found: ast.stmt | None = None
        for name in self.function.split("."):
            found = next((node for node in body if getattr(node, "name", None) == name), None)
            if not isinstance(found, ast.ClassDef | ast.FunctionDef):
                raise LookupError(f"{self.file} has no {self.function}")
            body = found.body
        assert isinstance(found, ast.FunctionDef), f"{self.function} is no function"
        return min([found.lineno, *(decorator.lineno for decorator in found.decorator_list)])

    @property
    def path(self) -> Path:
        return REPOSITORY / "hma_depth_ros" / self.file


def tour(title: str) -> list[Stop]:
    """The stops under a heading, in order."""
    _, heading, rest = PAGE.partition(f"\n## {title}\n")
    assert heading, f"docs/architecture.md has no section '{title}'"
    section = rest.partition("\n## ")[0]
    rows = re.findall(r"^\| (\d+) \| \[(\S+)\]\((\S+)\) \| `([\w.]+)` \| ", section, re.MULTILINE)
    assert [int(number) for number, *_ in rows] == list(range(1, len(rows) + 1))
    return [Stop(*row) for _, *row in rows]


@pytest.mark.parametrize(("title", "files"), TOURS.items())
def test_the_named_files_and_functions_exist(title: str, files: int):
    stops = tour(title)
    assert len({stop.file for stop in stops}) == len(stops) == files
    for stop in stops:
        assert (REPOSITORY / "docs" / stop.link).resolve() == stop.path
        assert stop.line > 0


@contextmanager
def calls_of(stops: list[Stop]) -> Iterator[list[int]]:
    """Numbers of the stops, in the order in which they are called in any thread that begins now."""
    places = {(str(stop.path), stop.line): number for number, stop in enumerate(stops, 1)}
    called: list[int] = []

    def note(frame: FrameType, event: str, _argument: Any) -> None:
        if event == "call":
            code = frame.f_code
            number = places.get((code.co_filename, code.co_firstlineno))
            if number is not None:
                called.append(number)

    threading.setprofile(note)
    sys.setprofile(note)
    try:
        yield called
    finally:
        sys.setprofile(None)
        threading.setprofile(None)  # type: ignore[arg-type]


def check_order(called: list[int], stops: list[Stop]) -> None:
    """Each stop is reached, and after the one before it."""
    place = -1
    for number, stop in enumerate(stops, 1):
        assert number in called, f"{stop.function} was not called"
        assert number in called[place + 1 :], f"{stop.function} comes earlier: {called}"
        place = called.index(number, place + 1)


def test_one_frame(tiny_checkpoint: Path):
    rclpy = pytest.importorskip("rclpy")
    graph: Any = importlib.import_module("node.graph")
    context = rclpy.context.Context()
    rclpy.init(context=context)
    stops = tour("One frame in ten files")
    parameters = {
        "checkpoint": str(tiny_checkpoint),
        "device": "cpu",
        "engine": "torch",
        "precision": "fp32",
        "self_check": False,  # which runs the network, too
    }
    with calls_of(stops) as called:
        bench = graph.Bench(context, parameters)
        try:
            bench.listen("depth/image", "attention/scale_8", "points")
            called.clear()
            outputs = bench.infer(graph.rgb_message(1), graph.info_message())
        finally:
            bench.close()
            rclpy.shutdown(context=context)
    assert set(outputs) == {"depth/image", "attention/scale_8", "points"}
    check_order(called, stops)


def test_one_training_step(tmp_path: Path):
    rng = np.random.default_rng(0)
    write_png(tmp_path / "a.png", rng.integers(0, 256, (64, 96, 3), dtype=np.uint8))
    write_depth_png(tmp_path / "b.png", rng.uniform(2, 60, (64, 96)))
    write_split(tmp_path / "list.txt", [SplitEntry(Path("a.png"), Path("b.png"), 70.0)])
    stops = tour("One training step in six files")
    settings = ["optimiser.epochs=1", "optimiser.batch_size=1", "data.workers=0"]
    settings += [
        "crop.height=32",
        "crop.width=64",
        "crop.input_width=null",
        "run.tensorboard=false",
    ]
    options = ["--preset", "tiny", "--split", str(tmp_path / "list.txt")]
    with calls_of(stops) as called:
        assert run_command("train", [*options, "--output", str(tmp_path / "run"), *settings]) == 0
    check_order(called, stops)
    assert called.count(4) == 1  # of one step


def test_one_bag(tmp_path: Path, tiny_checkpoint: Path):
    with BagWriter(tmp_path / "in") as bag:
        bag.add_topic("/eye/image_raw", IMAGE)
        pixels = np.random.default_rng(0).integers(0, 256, (37, 61, 3), dtype=np.uint8)
        image = image_message(pixels, "rgb8", stamp=10**9, frame="eye")
        bag.write("/eye/image_raw", 10**9, image)
    stops = tour("One bag in five files")
    bags = [str(tmp_path / "in"), str(tmp_path / "out")]
    options = ["--checkpoint", str(tiny_checkpoint), "--uncalibrated", "--device", "cpu"]
    with calls_of(stops) as called:
        assert run_command("process_bag", [*bags, *options]) == 0
    assert (tmp_path / "out").is_dir()
    check_order(called, stops)
