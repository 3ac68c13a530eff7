"""Files that are not what their names say: what they are is named, with what to do about it."""

from __future__ import annotations

import gzip
import io
import pickle
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from hma_depth_ros.cli import run, run_command
from hma_depth_ros.data.depth.depth_png import read_depth_png
from hma_depth_ros.data.depth.stored_depth import read_stored_depth
from hma_depth_ros.data.image_file import read_rgb, write_png
from hma_depth_ros.data.kitti.calibration import KittiCalibration, read_cameras
from hma_depth_ros.data.kitti.drive import load_velodyne
from hma_depth_ros.data.kitti.frames import list_frames
from hma_depth_ros.data.nyu.labelled import open_labelled, read_official_split
from hma_depth_ros.data.semantic_labels import read_labels
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.file_kind import known_kind
from hma_depth_ros.inference.engines.model_file import read_model_info
from hma_depth_ros.network.checkpoint import CheckpointInfo, Preprocessing, save_checkpoint
from hma_depth_ros.network.model_config import ModelConfig
from hma_depth_ros.training.config_file import load_config
from hma_depth_ros.training.run_folder import RunFolder

LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 7600000\n"
PAGE = b"\n<!DOCTYPE html><html><head><title>Sign in</title></head></html>"


def written(save: Callable[..., object], *arguments: object, **options: object) -> bytes:
    file = io.BytesIO()
    save(*arguments, file, **options)
    return file.getvalue()


def zipped(name: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as content:
        content.writestr(name, "content")
    return file.getvalue()


def tarred(name: str) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as content:
        content.addfile(tarfile.TarInfo(name))
    return file.getvalue()


KINDS = {
    "lfs": (LFS, "Git LFS pointer and not the file itself; run `git lfs pull`"),
    "ROS 1": (b"#ROSBAG V2.0\n" + bytes(50), "a ROS 1 bag; convert it"),
    "film": (b"\0\0\0\x20ftypisom" + bytes(50), "a film; have ffmpeg write its pictures"),
    "photograph": (b"\0\0\0\x18ftypheic" + bytes(50), "a photograph in HEIF; save it as PNG"),
    "annex": (b"/annex/objects/SHA256E-s5--00.bin\n", "git-annex pointer"),
    "page": (PAGE, "a web page"),
    "page with mark": (b"\xef\xbb\xbf<HTML>", "a web page"),
    "error": (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "an XML text"),
    "torch.save": (written(torch.save, {"a": torch.zeros(2)}), "a pickle, as torch.save writes"),
    "old torch.save": (
        written(torch.save, {"a": torch.zeros(2)}, _use_new_zipfile_serialization=False),
        "a pickle, as torch.save writes",
    ),
    "pickle": (pickle.dumps({"a": 1}), "a pickle"),
    "zip": (zipped("a.safetensors"), "an archive; unpack it"),
    "tar": (tarred("a.safetensors"), "an archive; unpack it"),
    "gzip": (gzip.compress(b"content"), "an archive; unpack it"),
    "nothing": (b"", "empty"),
    "zeros": (bytes(3000), "nothing but zeros"),
    "mac": (b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X", "macOS"),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("suffix", [".safetensors", ".pth", ".onnx", ".xml"])
def test_a_file_named_as_checkpoint(
    tmp_path: Path, kind: str, suffix: str, capsys: pytest.CaptureFixture[str]
):
    content, what = KINDS[kind]
    path = tmp_path / f"model{suffix}"
    path.write_bytes(content)
    if suffix == ".xml":
        path.with_suffix(".bin").write_bytes(b"weights")
        what = what.replace("an XML text", "not a readable OpenVINO model")
    assert run(["describe", "--checkpoint", str(path)]) == 2
    error = capsys.readouterr().err
    assert (
        f"{path} is {what}" in error
        or f"{path} is a {what}" in error
        or (what == "macOS" and what in error)
    )
    assert error.splitlines()[-1].startswith("describe: ")
    assert len([line for line in error.splitlines() if line.startswith("describe")]) == 1


def test_weights_beside_an_exported_graph(tmp_path: Path):
    path = tmp_path / "model.xml"
    path.write_text('<?xml version="1.0"?><net name="model" version="11"></net>')
    path.with_suffix(".bin").write_bytes(LFS)
    with pytest.raises(HmaDepthError, match=r"model\.bin is a Git LFS pointer"):
        read_model_info(path)


def test_a_folder_as_checkpoint_names_what_is_in_it(tmp_path: Path, tiny_checkpoint: Path):
    (tmp_path / "best.safetensors").symlink_to(tiny_checkpoint)
    with pytest.raises(HmaDepthError, match=r"is a folder; name a file in it: best\.safetensors"):
        read_model_info(tmp_path)
    assert read_model_info(tmp_path / "best.safetensors").preprocessing.input_width == 48


READERS: dict[str, Callable[[Path], object]] = {
    "image": read_rgb,
    "depth": read_depth_png,
    "labels": read_labels,
    "npy": lambda path: read_stored_depth(path.rename(path.with_suffix(".npy"))),
    "scan": load_velodyne,
    "calibration": read_cameras,
    "mat": lambda path: open_labelled(path).__enter__(),
    "splits": read_official_split,
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("kind", ["lfs", "page", "annex"])
def test_data_that_was_not_fetched(tmp_path: Path, reader: str, kind: str):
    content, what = KINDS[kind]
    for padding in range(16):  # sixteen bytes are a LiDAR return
        path = tmp_path / "0000000000.png"
        path.write_bytes(content + b"\n" * padding)
        with pytest.raises(HmaDepthError, match=what.split(";")[0]):
            READERS[reader](path)


def test_a_scan_may_be_anything_but_empty(tmp_path: Path):
    path = tmp_path / "0.bin"
    scan = np.random.default_rng(0).normal(0, 30, (500, 4)).astype("<f4")
    scan[0, 0] = np.frombuffer(b"\x1f\x8b\x08\x41", "<f4")[0]  # begins like gzip
    path.write_bytes(scan.tobytes())
    np.testing.assert_array_equal(load_velodyne(path), scan)
    path.write_bytes(b"")
    with pytest.raises(HmaDepthError, match=r"0\.bin.* empty"):
        load_velodyne(path)
    path.write_bytes(bytes(16_000))
    with pytest.raises(HmaDepthError, match=r"0\.bin.* nothing but zeros"):
        load_velodyne(path)


def test_kinds_are_not_seen_where_they_are_not(tmp_path: Path, tiny_checkpoint: Path):
    assert known_kind(tiny_checkpoint) is None
    assert known_kind(tmp_path / "absent") is None
    (tmp_path / "text").write_text("calib_time: 09-Jan-2012 13:57:47\n")
    assert known_kind(tmp_path / "text") is None


def test_a_folder_that_may_not_be_entered_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "list.txt").write_text("a/b.png None 700\n")

    def denied(path: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "is_file", denied)
    options = ["--data", str(tmp_path), "--split", str(tmp_path / "list.txt")]
    assert run_command("check_dataset", options) == 2
    error = capsys.readouterr().err
    assert error == f"check_dataset: Permission denied: {tmp_path}/a/b.png\n"


@pytest.mark.parametrize(
    "folder", ["2011_09_26", "2011_09_26/2011_09_26_drive_0001_sync/image_02/data"]
)
def test_a_folder_that_may_not_be_listed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str
):
    """Or its frames would be missing without a word."""
    image = tmp_path / "2011_09_26/2011_09_26_drive_0001_sync/image_02/data/0000000000.png"
    write_png(image, np.zeros((4, 4, 3), np.uint8))
    KittiCalibration.standard().write(tmp_path / "2011_09_26")
    assert len(list_frames(tmp_path)) == 1
    listed = Path.iterdir

    def iterdir(path: Path) -> Iterator[Path]:
        if path == tmp_path / folder:
            raise PermissionError(13, "Permission denied", str(path))
        return listed(path)

    monkeypatch.setattr(Path, "iterdir", iterdir)
    with pytest.raises(HmaDepthError, match=f"cannot read the folder {tmp_path / folder}: Perm"):
        list_frames(tmp_path)


def test_names_that_are_not_utf8_are_one_line(
    tmp_path: Path, tiny_checkpoint: Path, capsys: pytest.CaptureFixture[str]
):
    strange = tmp_path / "stra\udcdfe.safetensors"
    strange.write_bytes(tiny_checkpoint.read_bytes())
    assert run(["describe", "--checkpoint", str(strange)]) == 2
    error = capsys.readouterr().err
    assert "e.safetensors: safetensors takes names in UTF-8 only; rename" in error
    assert error.count("\n") == 1


def test_a_checkpoint_cannot_hide_a_pickle(tmp_path: Path, tiny_checkpoint: Path):
    """What is named after torch.save's files and is safetensors is used all the same."""
    config = ModelConfig("mobilenetv3_small_050", (16, 16, 8, 8, 8), aspp_channels=8)
    from hma_depth_ros.network.model import HmaDepth

    save_checkpoint(tmp_path / "m.pth", HmaDepth(config), CheckpointInfo(config, Preprocessing()))
    assert read_model_info(tmp_path / "m.pth").model == config


def test_a_run_is_not_begun_where_its_checkpoints_could_not_be_read(tmp_path: Path):
    folder = tmp_path / "stra\udcdfe"
    with pytest.raises(HmaDepthError, match="names in UTF-8 only; name another folder"):
        RunFolder(folder).create(load_config(preset="tiny"), {})
    assert not folder.exists()
