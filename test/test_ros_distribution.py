"""Executables on a Python without ROS 2, with another Python's, and with one older than Jazzy."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from hma_depth_ros.cli import command_names

#: Commands that need ROS, with arguments that are right.
COMMANDS = {
    "depth_node": [],
    "rig_node": [],
    "accuracy_monitor": [],
    "record_bag": ["/image", "--output", "out"],
    "replay_bag": ["bag"],
    "demo": [],
    "transport_profile": [],
}
CODE = """
from hma_depth_ros.cli import run
for name, arguments in {}.items():
    assert run([name, *arguments]) == 2, name
"""
COMMON = ["transport_profile", "record_bag"]  #: that start fast
BROKEN = 'raise ImportError("No module named rclpy._rclpy_pybind11\\nThe C extension is not there")'


def line(rclpy: str, folder: Path, version: str = "", commands: Sequence[str] = COMMON) -> str:
    """The line that each command says on stderr where `import rclpy` runs this code."""
    (folder / "rclpy").mkdir()
    (folder / "rclpy" / "__init__.py").write_text(rclpy)
    if version:
        metadata = folder / f"rclpy-{version}.dist-info" / "METADATA"
        metadata.parent.mkdir()
        metadata.write_text(f"Metadata-Version: 2.1\nName: rclpy\nVersion: {version}\n")
    done = subprocess.run(
        [sys.executable, "-c", CODE.format({name: COMMANDS[name] for name in commands})],
        env={**os.environ, "PYTHONPATH": f"{folder}:{os.environ.get('PYTHONPATH', '')}"},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    said = dict(line.split(": ", 1) for line in done.stderr.splitlines())
    assert list(said) == list(commands)
    (text,) = set(said.values())
    return text


@pytest.mark.parametrize(
    ("version", "name", "commands"),
    [("3.3.15", "Humble", list(COMMANDS)), ("4.1.7", "Iron", COMMON)],
)
def test_a_ros_older_than_jazzy_is_said_to_be(
    tmp_path: Path, version: str, name: str, commands: list[str]
):
    said = line("", tmp_path, version, commands)
    assert said.startswith(f"ROS 2 is too old: rclpy {version} ({name}) is installed, and Jazzy")


@pytest.mark.parametrize(
    ("rclpy", "reason"),
    [
        ("raise ModuleNotFoundError(\"No module named 'rclpy'\")", "No module named 'rclpy'."),
        (BROKEN, "No module named rclpy._rclpy_pybind11."),
    ],
)
def test_a_python_without_ros_is_named(tmp_path: Path, rclpy: str, reason: str):
    said = line(rclpy, tmp_path)
    assert said.startswith(f"{sys.executable} (Python 3.")
    assert f"has no ROS 2: {reason} Source /opt/ros/DISTRO/setup.bash" in said


def test_everything_else_works_without_ros():
    names = [name for name in command_names() if name not in COMMANDS]
    code = "import importlib, sys; sys.modules['rclpy'] = None\n"
    code += f"for name in {names}: importlib.import_module('hma_depth_ros.cli.' + name)\n"
    code += "assert 'hma_depth_ros.ros' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
