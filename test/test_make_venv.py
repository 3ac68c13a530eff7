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
    for file in ("requirements.txt", "requirements-dev.txt", "setup.py"):
        shutil.copy(REPOSITORY / file, tmp_path)
    spec = importlib.util.spec_from_file_location("make_venv", tmp_path / ".ci" / SCRIPT.name)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


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
    monkeypatch.setattr(make_venv, "answers", lambda *_: True)  # as if pip were inside
    with pytest.raises(KeyboardInterrupt):
        make_venv.main()
    assert not any("venv" in command for command in commands), "threw the environment away"
    assert not make_venv.STAMP.exists()
    monkeypatch.setattr(make_venv, "run", lambda *command: commands.append(command))
    make_venv.main()
    assert commands[-1][1:] == ("-c", make_venv.SMOKE_TEST)
    assert make_venv.is_up_to_date()


def test_full_disk_is_told_before_anything_is_written(
    make_venv: ModuleType, monkeypatch: pytest.MonkeyPatch
):
    usage = shutil.disk_usage(make_venv.ROOT)._replace(free=2 * 10**9)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(SystemExit, match=r"2\.0 GB of free disk, and \.venv needs 6\.5 GB"):
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
    assert dry_run("venv", "PYTHON=python3.12").startswith("python3.12 .ci/make_venv.py")


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
