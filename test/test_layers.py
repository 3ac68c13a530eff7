"""Imports point downwards only, as docs/architecture.md's table has it."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent

PACKAGE = REPOSITORY / "hma_depth_ros"

#: What each folder may import of the package, beside itself, `COMMON`.
ALLOWED = {
    "geometry": set(),
    "network": set(),
    "data": {"geometry"},
    "inference": {"geometry", "network"},
    "visualization": {"geometry", "data"},
    "synthetic": {"geometry", "data"},
    "messages": {"geometry", "data", "inference"},
    "evaluation": {"geometry", "data", "inference", "network", "visualization"},
    "training": {"geometry", "data", "inference", "network", "evaluation", "visualization"},
    "benchmarks": {
        "geometry",
        "data",
        "inference",
        "network",
        "evaluation",
        "training",
        "messages",
        "bags",
        "ros",
        "demo",
        "synthetic",
        "visualization",
    },
    "viewer": {
        "geometry",
        "data",
        "inference",
        "messages",
        "bags",
        "ros",
        "evaluation",
        "visualization",
    },
    "bags": {"geometry", "data", "network", "inference", "messages", "evaluation", "visualization"},
    "html_report": {"data", "evaluation", "training", "bags", "visualization"},
    "ros": {
        *{"geometry", "network", "inference", "visualization", "messages", "bags", "data"},
        "evaluation",
    },
}
COMMON = {
    *("argument_checks", "assets", "errors", "file_kind", "files", "private_cache", "signals"),
    "structured_text",
}
ROS_PACKAGES = {"rclpy", "sensor_msgs", "std_msgs", "diagnostic_msgs", "cv_bridge"}


def imports(folder: str) -> set[tuple[str, str]]:
    found = set()
    for path in (PACKAGE / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{path}: relative import"
                names = [node.module or ""]
                if node.module == "hma_depth_ros":
                    names = [f"hma_depth_ros.{alias.name}" for alias in node.names]
            elif isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            else:
                continue
            found |= {(str(path.relative_to(PACKAGE)), name) for name in names}
    return found


@pytest.mark.parametrize("folder", ALLOWED)
def test_a_layer_imports_only_what_lies_below(folder: str):
    own = [(path, name) for path, name in imports(folder) if name.startswith("hma_depth_ros.")]
    assert folder == "geometry" or own
    wrong = [
        f"{path} imports {name}"
        for path, name in own
        if name.split(".")[1] not in {folder, *ALLOWED[folder], *COMMON}
        and name != "hma_depth_ros.__version__"
    ]
    assert wrong == []


def test_the_table_of_the_documentation_is_this_one():
    """Its rows say what is allowed here, and name only what stands below them."""
    page = (REPOSITORY / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| [^|]+ \| `(\w+)/` \| [^|]+ \| ([^|]+) \|$", page, re.MULTILINE)
    order = [folder for folder, _ in rows]
    named = {folder: set(re.findall(r"`(\w+)`", imported)) for folder, imported in rows}
    found = {name.split(".")[1] for _, name in imports("demo") if name.startswith("hma_depth_ros.")}
    assert named.pop("cli") == set() and named.pop("demo") == found - COMMON - {"demo"}
    assert named == ALLOWED
    assert rows[-1] == ("geometry", "nothing")
    for place, folder in enumerate(order[1:], 1):
        assert named.get(folder, found) - COMMON <= set(order[place:]), folder


@pytest.mark.parametrize("folder", sorted(set(ALLOWED) - {"ros", "benchmarks", "viewer"}))
def test_only_the_ros_layer_and_what_stands_on_it_know_ros(folder: str):
    wrong = [f"{p} imports {n}" for p, n in imports(folder) if n.split(".")[0] in ROS_PACKAGES]
    assert wrong == []


def test_messages_know_neither_rclpy_nor_rosbags():
    wrong = [f"{p} imports {n}" for p, n in imports("messages") if n.startswith("rosbags")]
    assert wrong == []


def test_training_takes_of_inference_what_predicts_and_no_more():
    """Its device, for one, is of a lower layer."""
    own = {path for path, name in imports("training") if name.startswith("hma_depth_ros.inference")}
    assert own == {"training/validator.py", "training/pseudo_labels.py"}


#: Modules of one name: the same role in parallel folders.
PARALLEL_MODULES = {
    "frames": {"data/kitti", "data/nyu"},
    "layout": {"data/kitti", "data/nyu"},
    "node": {"ros/accuracy", "ros/depth_node"},
}


def test_a_name_is_of_one_module():
    """But for executables, which are named as what they run."""
    found: dict[str, set[str]] = {}
    for path in PACKAGE.rglob("*.py"):
        folder = path.parent.relative_to(PACKAGE).as_posix()
        if path.stem not in {"__init__", "__main__"} and folder != "cli":
            found.setdefault(path.stem, set()).add(folder)
    assert {name: at for name, at in found.items() if len(at) > 1} == PARALLEL_MODULES
    folders = {path.name for path in PACKAGE.rglob("*") if path.is_dir()}
    assert folders & set(found) == set(), "a folder and a module of one name"


def test_a_name_is_of_one_public_class():
    found: dict[str, list[str]] = {}
    for path in PACKAGE.rglob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found.setdefault(node.name, []).append(str(path.relative_to(PACKAGE)))
    assert {name: at for name, at in found.items() if len(at) > 1} == {}


def test_players_and_recorders_start_without_pytorch_and_scipy():
    """Their imports take seconds, and a good part of one."""
    modules = ("bag_tools.replayer", "bag_tools.recorder", "ros_session")
    names = ", ".join(f"hma_depth_ros.ros.{module}" for module in modules)
    code = f"import sys, {names}; assert not {{'torch', 'scipy'}} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_of_the_viewer_the_live_topics_alone_know_ros():
    """So bags, drives and images are viewed without."""
    known = {p for p, n in imports("viewer") if n.split(".")[0] in ROS_PACKAGES}
    known |= {p for p, n in imports("viewer") if n.startswith("hma_depth_ros.ros")}
    assert known == {"viewer/live_moments.py"}
    rerun = {
        p for p in PACKAGE.rglob("*.py") if re.search(r"^\s*import rerun", p.read_text(), re.M)
    }
    assert rerun == {PACKAGE / "viewer" / "rerun_package.py"}


def test_of_geometry_rotations_alone_know_scipy():
    known = {path for path, name in imports("geometry") if name.split(".")[0] == "scipy"}
    assert known == {"geometry/rotation.py"}


def test_every_folder_has_its_place():
    folders = {p.parent.name for p in PACKAGE.glob("*/__init__.py")} - {"assets", "cli", "demo"}
    assert folders == set(ALLOWED)
