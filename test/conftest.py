"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent

# Several processes share few cores here: PyTorch's own threads would wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Before any rclpy import: test traffic stays on this machine and away from other graphs.
os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
os.environ.setdefault("ROS_DOMAIN_ID", str(os.getpid() % 100 + 1))


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
