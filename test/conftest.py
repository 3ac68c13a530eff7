"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from hma_depth_ros.data.kitti.drive import KittiDrive

REPOSITORY = Path(__file__).resolve().parent.parent

# Several processes share few cores here: PyTorch's own threads would wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Before any rclpy import: test traffic stays on this machine and away from other graphs.
os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
os.environ.setdefault("ROS_DOMAIN_ID", str(os.getpid() % 100 + 1))
if worker := os.environ.get("PYTEST_XDIST_WORKER"):  # gw0, gw1 ...: a domain for each
    domain = int(os.environ["ROS_DOMAIN_ID"]) + 25 * int(worker[2:])
    os.environ["ROS_DOMAIN_ID"] = str((domain - 1) % 100 + 1)


#: Packages that a machine with a GPU may lack; a file of tests that needs one is skipped there.
#: (`make test` installs all of them.)
OPTIONAL = (
    *("rclpy", "sensor_msgs", "rosbags", "openvino", "onnx", "onnxruntime", "pydantic"),
    "hypothesis",
)


def _has_ros() -> bool:
    try:
        return find_spec("rclpy.context") is not None
    except ModuleNotFoundError:  # or a folder of that name which is no package
        return False


#: Folders that are not even collected, and the package that is not there.
_LEFT_OUT = {
    **({} if _has_ros() else {"node": "rclpy", "faults": "rclpy"}),
    **({} if find_spec("hypothesis") else {"fuzz": "hypothesis"}),
}
collect_ignore = list(_LEFT_OUT)


def pytest_report_header() -> list[str]:
    """Say what is not even collected."""
    return [f"no {package}: test/{folder} is left out" for folder, package in _LEFT_OUT.items()]


class _Module(pytest.Module):
    """A file of tests, skipped where an optional package is missing."""

    def collect(self) -> Iterable[pytest.Item | pytest.Collector]:
        try:
            return list(super().collect())
        except self.CollectError as error:
            cause = error.__cause__
            missing = cause.name if isinstance(cause, ModuleNotFoundError) else None
            if missing is None or missing.partition(".")[0] not in OPTIONAL:
                raise
            pytest.skip(f"there is no package {missing}", allow_module_level=True)


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> pytest.Module:
    """Collect files of tests as `_Module`."""
    return _Module.from_parent(parent, path=module_path)


#: Files that take longest, which would keep one process at work when all others have ended.
_FIRST = (
    *("test_runs.py", "test_process_bag.py", "test_engines.py", "test_export.py"),
    *("test_camera_planes.py", "test_rig.py", "test_bag_to_dataset.py", "test_half_written.py"),
    *("test_demo.py", "test_examples.py", "test_evaluate_kitti.py", "test_replay_record.py"),
    *("test_benchmark_files.py", "test_input_faults.py", "test_synthetic_traffic.py"),
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the files, and skip what is marked `cuda` where there is no GPU."""
    import torch

    ranks = {name: rank for rank, name in enumerate(_FIRST)}
    items.sort(key=lambda item: ranks.get(item.path.name, len(ranks)))
    if torch.cuda.is_available():
        return
    for item in items:
        if item.get_closest_marker("cuda"):
            item.add_marker(pytest.mark.skip(reason="no CUDA device"))


@pytest.fixture(scope="session", autouse=True)
def conversion_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Converted models of the tests, and of the processes they start, stay out of the user's."""
    folder = tmp_path_factory.mktemp("cache")
    os.environ["HMA_DEPTH_CACHE"] = str(folder)
    return folder


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder with real KITTI frames; tests that want it are skipped where it is absent."""
    path = Path(os.environ.get("HMA_DEPTH_DATA", REPOSITORY.parent / "shared" / "data"))
    if not path.is_dir():
        pytest.skip(f"no real driving data at {path} (set HMA_DEPTH_DATA to a copy)")
    return path


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with random weights: depth and masks vary from pixel to pixel, and it is fast.

    Its input is far below the size of images, so that a forward pass takes 10 ms.
    """
    import torch

    from hma_depth_ros.network.checkpoint import CheckpointInfo, Preprocessing, save_checkpoint
    from hma_depth_ros.network.model import HmaDepth
    from hma_depth_ros.network.model_config import ModelConfig

    config = ModelConfig("mobilenetv3_small_050", (16, 16, 8, 8, 8), aspp_channels=8)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = HmaDepth(config)
    path = tmp_path_factory.mktemp("checkpoint") / "tiny.safetensors"
    preprocessing = Preprocessing(input_width=48, focal_length=40.0)
    save_checkpoint(path, model, CheckpointInfo(config, preprocessing))
    return path


@pytest.fixture(scope="session")
def uncertain_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As `tiny_checkpoint`, of a model that estimates its error too."""
    import torch

    from hma_depth_ros.network.checkpoint import CheckpointInfo, Preprocessing, save_checkpoint
    from hma_depth_ros.network.model import HmaDepth
    from hma_depth_ros.network.model_config import ModelConfig

    config = ModelConfig("test_efficientnet", (32, 24, 16, 8, 8), aspp_channels=8, uncertainty=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        model = HmaDepth(config)
    path = tmp_path_factory.mktemp("checkpoint") / "uncertain.safetensors"
    preprocessing = Preprocessing(input_width=150, focal_length=90.0)
    save_checkpoint(path, model, CheckpointInfo(config, preprocessing, uncertainty_scale=1.7))
    return path


@pytest.fixture(scope="session")
def drive(tmp_path_factory: pytest.TempPathFactory) -> KittiDrive:
    """A rendered street of eight frames, a tenth of KITTI's width."""
    from hma_depth_ros.synthetic.kitti_writer import write_kitti_drive
    from hma_depth_ros.synthetic.synthetic_drive import KITTI_CAMERA, SyntheticDrive

    camera = KITTI_CAMERA.resize(width=124, height=38)
    street = SyntheticDrive(seed=5, frames=8, camera=camera, sampling=1)
    return write_kitti_drive(street, tmp_path_factory.mktemp("street"))


@pytest.fixture(scope="session")
def bag(drive: KittiDrive, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`drive` as kitti2bag's bag."""
    from hma_depth_ros.bags.kitti.drive_bag import write_kitti_bag

    out = tmp_path_factory.mktemp("bag") / "drive"
    write_kitti_bag(drive, out)
    return out
