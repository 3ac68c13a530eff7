"""Foxglove's own reader finds in a processed bag what it holds; and the layout that is shipped."""

from __future__ import annotations

import json
import shutil
import subprocess
import zlib
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hma_depth_ros.bags.reader import BagReader
from hma_depth_ros.cli import run_command
from hma_depth_ros.messages.depth_topics import (
    ATTENTION_COLOR,
    COMPRESSED_DEPTH,
    CONFIDENCE,
    DEPTH_COLOR,
    INFO,
    POINTS,
    attention_topic,
)

REPOSITORY = Path(__file__).resolve().parent.parent
READER = REPOSITORY / "test" / "foxglove"
LONG = 64  #: elements from which on read_bag.js tells the checksum only

node = shutil.which("node")
needs_reader = pytest.mark.skipif(
    node is None or not (READER / "node_modules").is_dir(),
    reason="needs node, and Foxglove's packages: make foxglove",
)


def shown(value: Any) -> Any:
    """A message of rosbags as read_bag.js shows it."""
    if is_dataclass(value):
        # Beside the fields there are constants, in capitals, and the type's name.
        names = [field.name for field in fields(value) if field.name[0].islower()]
        return {name: shown(getattr(value, name)) for name in names}
    if isinstance(value, np.ndarray) and value.size > LONG:
        data = value.tobytes()
        return {"bytes": len(data), "crc32": zlib.crc32(data)}
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, list):
        return [shown(one) for one in value]
    return value


@needs_reader
def test_foxglove_reads_what_we_do(bag: Path, tmp_path: Path, tiny_checkpoint: Path) -> None:
    arguments = [bag, tmp_path / "out", "--checkpoint", tiny_checkpoint]
    options = ["--outputs", "depth,camera_info,masks,cloud,color", "--compress-depth", "--compress"]
    assert run_command("process_bag", [*map(str, arguments), "--device", "cpu", *options]) == 0

    (file,) = (tmp_path / "out").glob("*.mcap")
    script = READER / "read_bag.js"
    done = subprocess.run([str(node), script, file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    with BagReader(tmp_path / "out") as out:
        assert {name: topic["count"] for name, topic in found.items()} == {
            name: topic.count for name, topic in out.topics.items() if topic.count
        }
        assert f"/{COMPRESSED_DEPTH}" in found
        for name, topic in found.items():
            assert (topic["type"], topic["encoding"]) == (out.topics[name].type, "ros2msg")
            assert topic["first"] == shown(out.first(name)), name


def panels(layout: dict[str, Any]) -> list[str]:
    """Panels of a tree of splits."""
    if isinstance(layout, str):
        return [layout]
    return [*panels(layout["first"]), *panels(layout["second"])]


def test_the_layout_shows_the_nodes_topics() -> None:
    path = REPOSITORY / "config" / "depth.foxglove.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    assert sorted(panels(content["layout"])) == sorted(content["configById"])
    pictures = [
        panel["imageMode"]["imageTopic"]
        for name, panel in content["configById"].items()
        if name.startswith("Image!")
    ]
    masks = [f"/{attention_topic(reduction)}" for reduction in (8, 4, 2, 1)]
    own = [f"/{name}" for name in (DEPTH_COLOR, ATTENTION_COLOR, CONFIDENCE)]
    assert sorted(pictures[1:]) == sorted([*own, *masks])  # beside the camera's own
    (world,) = [panel for name, panel in content["configById"].items() if name.startswith("3D!")]
    assert {f"/{POINTS}", f"/{INFO}"} <= set(world["topics"])
