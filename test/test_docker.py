"""The container's files: nothing is built here, but what they name is there, and agrees."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from packaging.requirements import Requirement

REPOSITORY = Path(__file__).resolve().parent.parent
DOCKERFILE = REPOSITORY / "docker" / "Dockerfile"
DEVCONTAINER = REPOSITORY / ".devcontainer" / "devcontainer.json"

#: What pip installs in place of a key of package.xml; timm brings safetensors, rosbags lz4.
BY_PIP = {
    "python3-pytorch-pip": {"torch", "torchvision"},
    "python3-timm-pip": {"timm", "safetensors"},
    "python3-rosbags-pip": {"rosbags", "lz4"},
    "python3-pydantic": {"pydantic"},
    "python3-tensorboard-pip": {"tensorboard"},
}


def instructions() -> list[tuple[str, str]]:
    """Each instruction of the Dockerfile with its arguments, on one line."""
    text = DOCKERFILE.read_text(encoding="utf-8")
    text = re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ")
    return [(line.split()[0], line.partition(" ")[2].strip()) for line in text.splitlines() if line]


def arguments_of(instruction: str) -> list[str]:
    return [given for name, given in instructions() if name == instruction]


def test_the_dockerfile_is_one():
    known = {"ARG", "FROM", "SHELL", "ENV", "WORKDIR", "COPY", "RUN", "USER", "ENTRYPOINT", "CMD"}
    assert {name for name, _ in instructions()} == known
    assert arguments_of("FROM") == [
        "ros:${ROS_DISTRO}-ros-base AS dependencies",
        "dependencies AS runtime",
    ]
    for words in arguments_of("COPY"):
        *sources, _ = words.split()
        assert [source for source in sources if not (REPOSITORY / source).exists()] == []
    for form in (*arguments_of("ENTRYPOINT"), *arguments_of("CMD")):
        assert all(isinstance(word, str) for word in json.loads(form))
    assert (REPOSITORY / "docker" / "entrypoint.sh").stat().st_mode & 0o111


def test_pip_installs_what_rosdep_leaves_to_it():
    (apt,) = (text for text in arguments_of("RUN") if "rosdep install" in text)
    (pip,) = (text for text in arguments_of("RUN") if "pip install" in text)
    skipped = " ".join(re.findall(r'--skip-keys\s+"([^"]+)"', apt)).split()
    keys = {tag.text for tag in ET.parse(REPOSITORY / "package.xml").iter("exec_depend")}
    assert set(skipped) == {"rviz2", *BY_PIP}
    assert set(skipped) <= keys

    taken = re.search(r"grep -E '\^\(([^)]+)\)=='", pip)
    assert taken is not None
    assert {name.replace("\\", "") for name in taken[1].split("|")} == set.union(*BY_PIP.values())
    lines = (REPOSITORY / "requirements.txt").read_text(encoding="utf-8").splitlines()
    pinned = [line for line in lines if re.match(rf"({taken[1]}|openvino)==", line)]
    assert len(pinned) == len(taken[1].split("|")) + 1, "each once"


def test_without_a_container_the_same_is_left_to_pip():
    page = (REPOSITORY / "docs" / "start.md").read_text(encoding="utf-8")
    skipped = " ".join(re.findall(r'--skip-keys "([^"\n]+)"', page))  # rosdep splits at spaces
    assert set(skipped.split()) == {*BY_PIP, "python3-ruff-pip"}
    installed = re.search(r"^pip install (.*?) +#", page, re.MULTILINE)
    assert installed is not None
    names = {Requirement(word.strip('"')).name for word in installed[1].split()}
    # Of the others one brings each: timm safetensors, rosbags lz4.
    assert names == set.union({"numpy"}, *BY_PIP.values()) - {"safetensors", "lz4"}


def test_the_gpu_variant_has_the_extra_s_packages_in_their_versions():
    (pip,) = (text for text in arguments_of("RUN") if "pip install" in text)
    variant = re.search(r"cuda\) printf '%s\\n' (.*?) >>", pip)
    assert variant is not None
    asked = {
        r.name: r for r in map(Requirement, ast.literal_eval(f"[{variant[1].replace(' ', ',')}]"))
    }
    (extras,) = (
        ast.literal_eval(keyword.value)
        for node in ast.walk(ast.parse((REPOSITORY / "setup.py").read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        for keyword in node.keywords
        if keyword.arg == "extras_require"
    )
    for requirement in map(Requirement, extras["onnx"]):
        if requirement.name != "onnxruntime":
            assert asked[requirement.name].specifier == requirement.specifier
    # As docs/engines.md has it for the CUDA of the pinned PyTorch.
    engines = (REPOSITORY / "docs" / "engines.md").read_text(encoding="utf-8")
    assert "`onnxruntime-gpu` from 1.27 on" in engines
    assert str(asked["onnxruntime-gpu"].specifier) == ">=1.27"


def test_the_devcontainer_stops_at_a_stage_of_the_dockerfile():
    build = json.loads(DEVCONTAINER.read_text(encoding="utf-8"))["build"]
    assert (DEVCONTAINER.parent / build["dockerfile"]).resolve() == DOCKERFILE
    assert (DEVCONTAINER.parent / build["context"]).resolve() == REPOSITORY
    assert f"AS {build['target']}" in " ".join(arguments_of("FROM"))
    declared = {argument.partition("=")[0] for argument in arguments_of("ARG")}
    assert set(build["args"]) <= declared
    page = (REPOSITORY / "docs" / "docker.md").read_text(encoding="utf-8")
    assert declared == set(re.findall(r"^\| `([A-Z_]+)` \|", page, re.MULTILINE))


def test_no_registry_is_named():
    for path in (DOCKERFILE, DEVCONTAINER):
        text = path.read_text(encoding="utf-8")
        assert re.findall(r"https?://\S+|\b[\w-]+\.(?:io|org|com|net)\b", text) == []


def test_hadolint_finds_nothing():
    beside = Path(sys.executable).with_name("hadolint")
    program = str(beside) if beside.exists() else shutil.which("hadolint")
    if program is None:
        pytest.skip("hadolint is not installed")
    done = subprocess.run([program, DOCKERFILE], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
