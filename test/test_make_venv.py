"""The environment's bootstrap, without building one: that takes gigabytes and minutes."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
SCRIPT = REPOSITORY / ".ci" / "make_venv.py"


@pytest.fixture
def make_venv(tmp_path: Path) -> ModuleType:
    """The script, loaded from a copy so that its repository is a scratch folder."""
    for part in (".ci", "hma_depth_ros/cli"):
        shutil.copytree(REPOSITORY / part, tmp_path / part)
    for file in (*REPOSITORY.glob("requirements*.txt"), REPOSITORY / "setup.py"):
        shutil.copy(file, tmp_path)
    return load(tmp_path / ".ci" / SCRIPT.name)


def load(script: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(script.stem, script)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def make_jazzy_venv(make_venv: ModuleType, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script of the second environment, beside the first one's."""
    monkeypatch.setitem(sys.modules, "make_venv", make_venv)
    return load(make_venv.ROOT / ".ci" / "make_jazzy_venv.py")


def build_by_hand(make_venv: ModuleType) -> None:
    """A bare environment with this Python, stamped as complete."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", make_venv.VENV], check=True)
    make_venv.STAMP.write_text(make_venv.fingerprint())


def test_this_python_will_do(make_venv: ModuleType):
    assert make_venv.why_not_this_python() is None


@pytest.mark.parametrize("version", [(3, 9, 18), (3, 14, 0)])
def test_other_pythons_are_refused(
    make_venv: ModuleType, monkeypatch: pytest.MonkeyPatch, version: tuple[int, int, int]
):
    monkeypatch.setattr(sys, "version_info", version)
    monkeypatch.setattr(shutil, "which", lambda name: name if name == "python3.12" else None)
    assert "3.10 to 3.13: run make again with PYTHON=python3.12" in make_venv.why_not_this_python()
    monkeypatch.setattr(shutil, "which", lambda _: None)
    assert "install one of python3.13, " in make_venv.why_not_this_python()


def test_missing_venv_module_names_the_package(
    make_venv: ModuleType, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(sys.modules, "ensurepip", None)  # Debian without python3-venv
    assert make_venv.why_not_this_python().endswith("apt install python3-venv")


def test_other_machines_are_sent_to_apt(make_venv: ModuleType, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    assert "not Linux on aarch64" in make_venv.why_not_this_python()


def test_up_to_date_environment_is_reused_silently(
    make_venv: ModuleType, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
):
    assert not make_venv.is_up_to_date()
    build_by_hand(make_venv)
    monkeypatch.setattr(make_venv, "run", lambda *command: pytest.fail(f"ran {command}"))
    make_venv.main()
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "change",
    [
        lambda root: (root / "requirements.txt").write_text("numpy==2.2.6\n"),
        lambda root: (root / "requirements-dev.txt").write_text("pytest==9.2.0\n"),
        lambda root: (root / "hma_depth_ros" / "cli" / "new_command.py").touch(),
        lambda root: (root / ".venv" / "bin" / "python").unlink(),  # its base was uninstalled
    ],
)
def test_what_changes_the_environment_makes_it_stale(make_venv: ModuleType, change):
    build_by_hand(make_venv)
    assert make_venv.is_up_to_date()
    change(make_venv.ROOT)
    assert not make_venv.is_up_to_date()


def test_interrupted_installation_goes_on_and_is_never_taken_for_complete(
    make_venv: ModuleType, monkeypatch: pytest.MonkeyPatch
):
    build_by_hand(make_venv)
    (make_venv.ROOT / "requirements.txt").write_text("numpy==2.2.6\n")
    commands: list[tuple[str, ...]] = []

    def run(*command: str) -> None:
        commands.append(command)
        if f"--requirement={make_venv.ROOT / 'requirements.txt'}" in command:
            raise KeyboardInterrupt

    monkeypatch.setattr(make_venv, "run", run)
    monkeypatch.setattr(make_venv, "pip_install", run)
    monkeypatch.setattr(make_venv, "answers", lambda *_: True)  # as if pip were inside
    with pytest.raises(KeyboardInterrupt):
        make_venv.main()
    assert not any("venv" in command for command in commands), "threw the environment away"
    assert not make_venv.STAMP.exists()
    monkeypatch.setattr(make_venv, "run", lambda *command: commands.append(command))
    monkeypatch.setattr(make_venv, "pip_install", lambda *_, venv=None: None)
    make_venv.main()
    assert commands[-1][1:] == ("-c", make_venv.SMOKE_TEST)
    assert make_venv.is_up_to_date()


def test_the_demo_s_environment_grows_into_that_of_the_tests(
    make_venv: ModuleType, monkeypatch: pytest.MonkeyPatch
):
    build_by_hand(make_venv)
    make_venv.STAMP.unlink()
    make_venv.RUNTIME_STAMP.write_text(make_venv.fingerprint(runtime=True))
    installed: list[str] = []
    monkeypatch.setattr(make_venv, "run", lambda *_: None)
    monkeypatch.setattr(make_venv, "pip_install", lambda *a, venv=None: installed.extend(a))
    monkeypatch.setattr(make_venv, "answers", lambda *_: True)  # as if pip were inside
    make_venv.main(["--runtime"])
    assert installed == []
    make_venv.main()
    run, tests = (make_venv.ROOT / f"requirements{end}.txt" for end in ("", "-dev"))
    assert installed[:2] == [f"--requirement={run}", f"--requirement={tests}"]
    assert make_venv.is_up_to_date()

    # What the tests need is nothing to the demo; what the demo needs is to the tests, too.
    tests.write_text("pytest==9.2.0\n")
    assert make_venv.is_up_to_date(runtime=True)
    assert not make_venv.is_up_to_date()
    run.write_text("numpy==2.2.6\n")
    installed.clear()
    make_venv.main(["--runtime"])
    assert [name for name in installed if name.startswith("--req")] == [f"--requirement={run}"]
    assert not make_venv.is_up_to_date()


def test_sizes_are_told_alike(make_venv: ModuleType):
    download, disk = make_venv.DOWNLOAD_GB, make_venv.DISK_GB
    told = f"{download[True]} GB to download and {disk[True]} GB on disk"
    more = float(download[False]) - float(download[True]), float(disk[False]) - float(disk[True])
    for page in (REPOSITORY / "README.md", REPOSITORY / "docs" / "start.md"):
        text = " ".join(page.read_text(encoding="utf-8").split())
        assert told in text, page
        assert f"{more[0]:.1f} and {more[1]:.1f} GB more" in text, page


# What pip says, in the order of an installation from an index with a mirror.
TALK = """\
WARNING: Location 'file:///mirror/torch/' is ignored: it is neither a file nor a directory.
Collecting torch==2.14.1 (from -r requirements.txt (line 5))
  Downloading torch-2.14.1-cp311-cp311-manylinux_2_28_x86_64.whl (900 MB)
Progress 0 of 900000000
Progress 400000000 of 900000000
Progress 600000000 of 900000000
Progress 900000000 of 900000000
Requirement already satisfied: pip in ./lib/python3.11/site-packages (26.3)
Progress 0 of 400000000
Progress 400000000 of 400000000
"""
END = "Installing collected packages: torch, numpy, rich\nSuccessfully installed torch-2.14.1\n"
FAILURE = """\
  error: subprocess-exited-with-error

  x Building wheel for thing did not run successfully.
    gcc: fatal error: no input files
ERROR: No matching distribution found for thing==1
"""


def pretend_pip(make_venv: ModuleType, says: str, status: int) -> None:
    """Put a Python into the environment that says this, whatever it is to run."""
    python = Path(make_venv.python())
    python.parent.mkdir(parents=True)
    python.write_text(f"#!/bin/sh\ncat <<'END'\n{says}END\nexit {status}\n")
    python.chmod(0o755)


def test_pip_s_progress_is_a_few_lines(make_venv: ModuleType, capfd: pytest.CaptureFixture[str]):
    pretend_pip(make_venv, TALK + END, 0)
    make_venv.pip_install("torch")
    assert capfd.readouterr().out.splitlines() == [
        "[venv] 0.6 GB downloaded",
        "[venv] 1.3 GB downloaded",
        "[venv] unpacking 3 packages",
    ]


def test_pip_s_errors_are_shown_whole(make_venv: ModuleType, capfd: pytest.CaptureFixture[str]):
    pretend_pip(make_venv, TALK + FAILURE, 1)
    with pytest.raises(SystemExit, match=r"failed: .*/python -m pip .* thing"):
        make_venv.pip_install("thing")
    warning = TALK.splitlines(keepends=True)[0]
    assert capfd.readouterr().out.partition("downloaded\n")[2].endswith(warning + FAILURE)


def write_distribution(packages: Path, name: str, *files: str) -> None:
    """An installed package of these files."""
    for file in files:
        path = packages / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(file)
    information = packages / f"{name.replace('-', '_')}-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    listed = [*files, f"{information.name}/METADATA", f"{information.name}/RECORD", "gone.py"]
    # Some wheels list a file twice.
    (information / "RECORD").write_text("".join(f"{file},,\n" for file in [*listed, *files]))


def test_the_environment_of_jazzy_shares_all_but_ros(make_jazzy_venv: ModuleType, tmp_path: Path):
    source, target = tmp_path / "a" / "lib" / "packages", tmp_path / "b" / "lib" / "packages"
    write_distribution(source, "torch", "torch/__init__.py", "../../bin/torchrun")
    write_distribution(source, "ros-rclpy", "rclpy/__init__.py", "../librcl.so")
    write_distribution(source, "hma_depth_ros", "__editable__.pth")
    assert make_jazzy_venv.link_packages(source, target) == 3
    shared = "torch/__init__.py"
    assert (target / shared).samefile(source / shared)  # no second copy on the disk
    assert (target / "torch-1.0.dist-info" / "METADATA").is_file()
    found = {str(file.relative_to(tmp_path / "b")) for file in target.rglob("*") if file.is_file()}
    assert {name for name in found if "ros" in name or "editable" in name} == set()
    assert not (tmp_path / "b" / "bin").exists()


def test_jazzy_is_asked_for_what_kilted_is(make_jazzy_venv: ModuleType):
    def names(text: str) -> set[str]:
        return {line.partition("==")[0] for line in text.splitlines() if "==" in line}

    all_of_them = names((REPOSITORY / "requirements.txt").read_text())
    others = names(make_jazzy_venv.other_requirements())
    assert {"torch", "cv-bridge"} <= others
    assert {name.removeprefix("ros-kilted-") for name in all_of_them - others} == {
        name.removeprefix("ros-jazzy-")
        for name in names(make_jazzy_venv.REQUIREMENTS[0].read_text())
    }


def test_a_new_environment_makes_jazzy_s_stale(make_jazzy_venv: ModuleType, tmp_path: Path):
    subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", make_jazzy_venv.JAZZY], check=True
    )
    make_jazzy_venv.STAMP.write_text(make_jazzy_venv.fingerprint())
    assert make_jazzy_venv.is_up_to_date()
    with (tmp_path / "requirements.txt").open("a") as file:
        file.write("another==1\n")
    assert not make_jazzy_venv.is_up_to_date()


def test_full_disk_is_told_before_anything_is_written(
    make_venv: ModuleType, monkeypatch: pytest.MonkeyPatch
):
    usage = shutil.disk_usage(make_venv.ROOT)._replace(free=2 * 10**9)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    needed = make_venv.DISK_GB[False]
    with pytest.raises(SystemExit, match=rf"2\.0 GB of free disk, and \.venv needs {needed} GB"):
        make_venv.main()
    assert not make_venv.VENV.exists()


def test_children_see_no_other_environment(make_venv: ModuleType, monkeypatch: pytest.MonkeyPatch):
    for name in ("PYTHONPATH", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "_ROS_WHEELS_BOOTSTRAP_COMPLETE"):
        monkeypatch.setenv(name, "/other")
    assert not {"PYTHONPATH", "VIRTUAL_ENV", "LD_LIBRARY_PATH"} & make_venv.environment().keys()
    monkeypatch.delenv("_ROS_WHEELS_BOOTSTRAP_COMPLETE")
    assert make_venv.environment()["LD_LIBRARY_PATH"] == "/other"  # the user's own


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_make_passes_its_variables_on():
    def dry_run(*arguments: str) -> str:
        return subprocess.run(
            ["make", "-n", "--no-print-directory", *arguments],
            cwd=REPOSITORY,
            env={**os.environ, "MAKEFLAGS": ""},
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    plain = " ".join(dry_run("demo").replace("\\\n", " ").split())
    assert plain.endswith(".venv/bin/python -m hma_depth_ros demo")
    full = dry_run("demo", "BAG=/a b/bag", "OUTPUT=out").replace("\\\n", " ")
    assert " ".join(full.split()).endswith('demo --bag "/a b/bag" --output "out"')
    assert '--drive "/kitti/2011"' in dry_run("demo", "DRIVE=/kitti/2011")
    stages = ["ruff check .", "ruff format --check .", "-m mypy", "-m pytest"]
    positions = [dry_run("test").index(stage) for stage in stages]
    assert positions == sorted(positions)
    jazzy = dry_run("test-jazzy", "ARGS=-k lockstep").replace("\\\n", " ")
    assert jazzy.index("make_jazzy_venv.py") < jazzy.index(".venv-jazzy/bin/python -m pytest")
    assert {"test/node", "test/test_demo.py", "test/test_replay_record.py"} <= set(jazzy.split())
    assert dry_run("venv", "PYTHON=python3.12").startswith("python3.12 .ci/make_venv.py")
    assert ".ci/make_venv.py --runtime\n" in dry_run("demo")
    assert ".ci/make_venv.py\n" in dry_run("test")


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_make_sets_a_sourced_ros_aside():
    def seen(**variables: str) -> set[str]:
        done = subprocess.run(
            ["make", "--no-print-directory", "--eval", "show: ; @env", "show"],
            cwd=REPOSITORY,
            env={"PATH": os.environ["PATH"], **variables},
            capture_output=True,
            text=True,
            check=True,
        )
        return {line.partition("=")[0] for line in done.stdout.splitlines()} & variables.keys()

    own = {"FASTDDS_BUILTIN_TRANSPORTS": "UDPv4", "LD_LIBRARY_PATH": "/my/lib"}
    assert seen(**own, RMW_IMPLEMENTATION="rmw_cyclonedds_cpp") == set(own)
    sourced = dict.fromkeys(("AMENT_PREFIX_PATH", "ROS_DISTRO", "PYTHONPATH"), "/opt/ros/jazzy")
    assert seen(**own, **sourced) == {"FASTDDS_BUILTIN_TRANSPORTS"}
