"""Foxglove's own reader finds in a processed bag what it holds; and the layout that is shipped."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import zlib
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import numpy as np
import pytest

from hma_depth_ros.bags.kitti.dialect import KITTI2BAG
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


def layout() -> dict[str, Any]:
    path = REPOSITORY / "config" / "depth.foxglove.json"
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def test_the_layout_shows_the_nodes_topics() -> None:
    content = layout()
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
    assert set(world["topics"]) == {
        f"/{POINTS}",
        f"/{INFO}",
        KITTI2BAG.lidar_topic,
    }
    assert pictures[0] == KITTI2BAG.image_topic(2)


def check_settings(settings: dict[str, Any], kind: Any, *own: str) -> None:
    """Each setting is one that a class of Foxglove's own SDK has, with a value that it takes.

    Args:
        settings: of a panel or a part of it.
        kind: the dataclass.
        own: names of settings that the SDK writes by itself.

    """
    hints = get_type_hints(kind)
    fields_by_key = {re.sub(r"_(.)", lambda m: m[1].upper(), f.name): f.name for f in fields(kind)}
    for key, value in settings.items():
        if key in own:
            continue
        assert key in fields_by_key, (kind, key)
        hint = hints[fields_by_key[key]]
        parts = get_args(hint) or (hint,)
        words = [word for part in parts if get_origin(part) is Literal for word in get_args(part)]
        assert not words or value in words, (kind, key, value)


def test_the_layout_is_made_of_settings_that_foxglove_has() -> None:
    """As foxglove-sdk has them, whose names are those of a layout's file."""
    sdk = pytest.importorskip("foxglove.layouts", reason="needs foxglove-sdk: make foxglove")
    titles = ("foxglovePanelTitle", "lichtblickPanelTitle")
    kinds = {
        "Image": sdk.ImageConfig,
        "3D": sdk.ThreeDeeConfig,
        "DiagnosticSummary": sdk.DiagnosticsSummaryConfig,
    }
    for name, panel in layout()["configById"].items():
        check_settings(panel, kinds[name.partition("!")[0]], *titles)
        assert panel[titles[0]] == panel[titles[1]]
        if "imageMode" in panel:
            check_settings(panel["imageMode"], sdk.ImageModeConfig)
        if "topics" in panel:
            check_settings(panel["cameraState"], sdk.ThreeDeeCameraState)
            check_settings(panel["scene"], sdk.BaseRendererSceneSettings)
            check_settings(panel["layers"]["grid"], sdk.BaseRendererGridLayerSettings, "layerId")
            topics = dict(panel["topics"])
            check_settings(topics.pop(f"/{INFO}"), sdk.BaseRendererCameraTopicSettings)
            for cloud in topics.values():
                check_settings(cloud, sdk.BaseRendererPointCloudTopicSettings)
