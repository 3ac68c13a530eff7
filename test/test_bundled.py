"""The checkpoint that comes with the package is whole, small, and what is used by default."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from hma_depth_ros import assets, cli
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.geometry.camera_planes import Mount
from hma_depth_ros.inference.network_arguments import mount_of, mounts_of
from hma_depth_ros.network.checkpoint import read_info
from hma_depth_ros.ros.depth_node.load_predictor import LoadedModel
from hma_depth_ros.ros.depth_node.parameters import DepthNodeParameters

NAME = assets.CHECKPOINT


@pytest.fixture(autouse=True)
def unchecked() -> Iterator[None]:
    assets.default_checkpoint.cache_clear()
    yield
    assets.default_checkpoint.cache_clear()


def test_it_is_whole_and_at_most_20_mb():
    path = assets.default_checkpoint()
    assert path.name == NAME
    assert path.stat().st_size <= 20e6
    info = read_info(path)
    assert (info.model.encoder, info.model.scales, info.model.attention) == (
        "efficientnet_lite2",
        4,
        True,
    )
    assert info.evaluation, "its figures are inside"


#: The least that each command is to be told, beside its checkpoint.
NEEDED = {
    "benchmark": ["node"],
    "demo": [],
    "describe": [],
    "export": ["--format", "onnx", "--output", "out.onnx"],
    "height_scale": ["--split", "frames.txt"],
    "judge_depth": ["--split", "frames.txt"],
    "mask_shares": ["--split", "frames.txt"],
    "predict": ["--output", "out", "frame.png"],
    "process_bag": ["bag", "out"],
    "pseudo_labels": ["--split", "frames.txt"],
    "record_depth_ranges": ["--split", "frames.txt", "--output", "out.safetensors"],
    "soak": ["--output", "out"],
    "view": ["frame.png"],
}


def test_the_commands_that_take_a_checkpoint_are_known_here():
    folder = Path(cli.__file__).parent
    taking = {
        path.stem
        for path in folder.glob("*.py")
        if re.search(
            r'add_argument\(\s*"(--)?checkpoint"|add_checkpoint_argument\(',
            path.read_text(encoding="utf-8"),
        )
    }
    assert taking == NEEDED.keys()


#: Of which a mount makes no difference: speed, files, and what the node is told by parameters.
WITHOUT_MOUNT = {"benchmark", "demo", "describe", "export", "soak"}


@pytest.mark.parametrize("name", sorted(NEEDED.keys() - WITHOUT_MOUNT))
def test_commands_that_run_a_network_are_told_the_mount(name: str):
    """What they do with it: test/training/test_told_mounts.py."""
    command = import_module(f"hma_depth_ros.cli.{name}")
    flag = ["--checkpoint", assets.BUNDLED]
    told = ["--camera-height", "1.2", "--camera-pitch", "0.1"]
    arguments = command._parser().parse_args([*NEEDED[name], *flag, *told])
    several = name == "record_depth_ranges"  # takes one for each list
    found = mounts_of(arguments, 1)[0] if several else mount_of(arguments)
    assert found == Mount(1.2, 0.1)


@pytest.mark.parametrize("name", NEEDED)
def test_it_has_a_name_wherever_a_checkpoint_is_named(name: str):
    command = import_module(f"hma_depth_ros.cli.{name}")
    flag = [] if name == "export" else ["--checkpoint"]
    arguments = command._parser().parse_args([*NEEDED[name], *flag, assets.BUNDLED])
    found = arguments.checkpoint
    assert (found[0] if isinstance(found, list) else found) == assets.asset(NAME)


def test_a_node_knows_it_by_that_name():
    parameters = DepthNodeParameters(checkpoint=assets.BUNDLED, device="cpu", self_check=False)
    assert LoadedModel(parameters, warn=pytest.fail).checkpoint == assets.asset(NAME)


def test_a_damaged_one_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    whole = assets.asset(NAME).read_bytes()
    (tmp_path / NAME).write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    checksum = f"{NAME}.sha256"
    (tmp_path / checksum).write_bytes(assets.asset(checksum).read_bytes())
    monkeypatch.setattr(assets, "files", lambda _package: tmp_path)
    with pytest.raises(HmaDepthError, match=r"is damaged .* install the package again"):
        assets.default_checkpoint()
    (tmp_path / checksum).unlink()
    with pytest.raises(HmaDepthError, match="lacks"):
        assets.default_checkpoint()
