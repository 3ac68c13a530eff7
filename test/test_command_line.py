"""Arguments as shells leave them, and output that nobody takes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import IO

import pytest

from hma_depth_ros.cli import command_names, run_command
from hma_depth_ros.command_line import usable_arguments
from hma_depth_ros.errors import HmaDepthError, environment_error


def test_the_users_folder_is_found_where_the_shell_does_not_look(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    given = ["~/a", "--data=~/a", "data.root=~/a", "~", "x~/a", "data.root=~", "a/~/b", "-p", "--"]
    expected = ["/home/me/a", "--data=/home/me/a", "data.root=/home/me/a", "/home/me", *given[4:]]
    assert usable_arguments(given) == expected
    # What follows is for ROS, which has its own rules.
    ros = ["--ros-args", "-p", "checkpoint:=~/a", ""]
    assert usable_arguments(["~/a", *ros]) == ["/home/me/a", *ros]


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("", "an argument is empty; is it a variable of the shell"),
        ("--output=", "--output is empty; is it a variable of the shell"),
        ("https://a.b/c.safetensors", "https://a.b/c.safetensors is an address; .* download it"),
        ("--checkpoint=s3://b/c", "s3://b/c is an address"),
    ],
)
def test_what_names_no_file_is_refused(
    argument: str,
    said: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An empty --output would be the folder that one is in."""
    with pytest.raises(HmaDepthError, match=said):
        usable_arguments(["--x", argument])
    monkeypatch.chdir(tmp_path)
    assert run_command("predict", ["a.png", "--output", "out", argument]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "given", [["--json", "a"], ["--json=a"], ["--x", "b", "--csv", "./a"], ["--list", "a"]]
)
def test_what_is_read_is_not_replaced(
    given: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert usable_arguments(["--split", "a", *given]) == ["--split", "a", *given]  # not there yet
    for name in ("a", "b"):
        Path(name).touch()
    for read in (["--split", "a"], ["--split=a"], ["a"], [str(tmp_path / "a")]):
        with pytest.raises(
            HmaDepthError, match=r"--(json|csv|list) would replace a, which is to be"
        ):
            usable_arguments([*read, *given])
        assert usable_arguments([*read, *given], in_place=True) == [*read, *given]
    assert usable_arguments(["b", *given]) == ["b", *given]  # an old result may be replaced


def test_predict_replaces_nothing_beside_the_images(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Such as the true depth of a data set."""
    image, truth = tmp_path / "1.png", tmp_path / "1_depth.png"
    for path in (image, truth):
        path.write_bytes(b"mine")
    for images, output in (
        ([image], tmp_path),
        ([image], tmp_path / "."),
        ([truth, image], tmp_path),
    ):
        assert run_command("predict", [*map(str, images), "--output", str(output)]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert "1_depth.png is there already, beside the images" in line
    assert truth.read_bytes() == b"mine"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("judge_depth --split a --every 0", "--every: 0 is not 1 or more"),
        ("judge_depth --split a --every -1", "--every: -1 is not 1 or more"),
        ("judge_depth --split a --beyond nan", "--beyond: nan is not 0 or a positive number"),
        ("pseudo_labels --split a --checkpoint b --tolerance 0", "0 is not a positive number"),
        ("pseudo_labels --split a --checkpoint b --tolerance nan", "nan is not a positive number"),
        ("pseudo_labels --split a --checkpoint b --widths 64 -1", "--widths: -1 is not 0 or more"),
        ("bag_to_dataset a --output b --time-offset nan", "nan is not a number to count with"),
        ("bag_to_dataset a --output b --overlays -1", "--overlays: -1 is not 0 or more"),
        ("ablate --split a --output b --mix c", "unrecognized arguments: --mix"),
    ],
)
def test_numbers_out_of_range_are_refused_first(
    line: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    name, *arguments = line.split()
    with pytest.raises(SystemExit) as end:
        run_command(name, arguments)
    assert end.value.code == 2
    assert said in capsys.readouterr().err


KITTI = "evaluate_kitti --data . --split a"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (f"{KITTI} --predictions-format png", "--predictions-format goes with --predictions-dir"),
        (f"{KITTI} --panel-count 2", "--panel-count goes with --panels or --report"),
        (
            "evaluate_kitti --predictions . --ground-truth . --device cpu",
            "--device is for a checkpoint, not with --predictions",
        ),
        ("evaluate_bag a --camera 3", "--camera goes with --calibration"),
        ("evaluate_bag a --image-topic b", "--image-topic goes with --panels or --report"),
        ("evaluate_bag a --panel-count 2", "--panel-count goes with --panels or --report"),
        ("predict a.png --output b --camera 0", "--camera goes with --calibration"),
        ("bag_to_dataset a --output b --camera 0", "--camera goes with --calibration"),
        ("check_dataset --data . --allow-test-scenes", "--allow-test-scenes goes with --training"),
        ("export bundled --format onnx --output a.onnx --data .", "--data goes with --calibration"),
        ("benchmark loader --data .", "--data goes with --split"),
        ("kitti_to_bag a --output b --jpeg-quality 90", "--jpeg-quality goes with --images jpeg"),
        ("demo --frames 9 --bag a", "--frames is of the rendered street"),
        ("make_split --dataset nyu --data . --output a --cameras 2", "--cameras is for KITTI"),
        (
            "make_split --dataset nyu --data . --output a --without-test-scenes",
            "--without-test-scenes is for KITTI",
        ),
    ],
)
def test_what_would_do_nothing_is_refused(
    line: str,
    said: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    name, *arguments = line.split()
    assert run_command(name, arguments) == 2
    (error,) = capsys.readouterr().err.splitlines()
    assert said in error
    assert not list(tmp_path.iterdir())


def printing_to(output: int | IO[str], arguments: list[str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "hma_depth_ros", *arguments]
    return subprocess.run(command, stdout=output, stderr=subprocess.PIPE, text=True, check=False)


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["replay_bag", "--help"], ["nonsense"], ["describe", "--model", "mobile"]],
)
def test_a_reader_that_has_seen_enough_is_no_error(arguments: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = printing_to(writer, arguments)
    os.close(writer)
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr
    assert done.returncode == (2 if arguments == ["nonsense"] else 0)


@pytest.mark.parametrize("arguments", [["--help"], ["transport_profile"]])
def test_output_that_cannot_be_written_is_one_line(arguments: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        done = printing_to(full, arguments)
    (line,) = done.stderr.splitlines()
    assert line.endswith("No space left on device: the disk, or what output goes to, is full")
    assert done.returncode == 2


#: Of each a second or several to import, or of a GPU or a window system.
HEAVY = ("torch", "torchvision", "timm", "cv2", "openvino", "onnxruntime", "scipy", "matplotlib")

# Says of each command what it has imported that none before it had.
ASKED = """
import contextlib, io, sys
from hma_depth_ros.cli import command_names, run_command
for name in command_names():
    for arguments, expected in (["--help"], 0), (["--no-such-option"], 2):
        said = io.StringIO()
        try:
            with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
                status = run_command(name, arguments)
        except SystemExit as end:
            status = end.code
        assert (name, status) == (name, expected), said.getvalue()
        assert said.getvalue().startswith("usage: "), said.getvalue()
        assert ("error: " in said.getvalue()) == bool(expected), said.getvalue()
    print(name, *({heavy} & set(sys.modules)))
"""


def test_help_and_wrong_options_of_every_command_wait_for_no_library() -> None:
    """They are what is asked most often, of some of them by people without a GPU."""
    code = ASKED.replace("{heavy}", str(set(HEAVY)))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line for line in lines if " " in line] == []
    assert lines == command_names()


def test_closed_output_is_no_error() -> None:
    code = f"{sys.executable} -m hma_depth_ros transport_profile >&- 2>&-"
    assert subprocess.run(["sh", "-c", code], check=False).returncode == 0


def test_errors_of_the_machine_are_one_line() -> None:
    for number, cure in ((24, "ulimit -n"), (28, "is full"), (27, "ulimit -f")):
        assert cure in (environment_error(OSError(number, os.strerror(number))) or "")
    assert environment_error(OSError(22, "Invalid argument")) is None
    lack = RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried 5 GB")
    for error in (lack, MemoryError(), RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")):
        assert "not enough memory" in (environment_error(error) or "")
    assert environment_error(RuntimeError("a bug")) is None
