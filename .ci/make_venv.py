"""Create `.venv` with all pinned requirements and the package itself, or reuse it if up to date.

Run by the Makefile with the Python that the environment shall have; standard library only. An
environment is up to date when the stamp inside it equals the hash of all that shaped it. With
`--runtime` it gets what the package runs on and no tools of its tests, which may join it later.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
STAMP = VENV / "hma_depth_ros.stamp"
RUNTIME_STAMP = VENV / "hma_depth_ros_runtime.stamp"
#: What the package runs on, and what its tests need.
REQUIREMENTS = (ROOT / "requirements.txt", ROOT / "requirements-dev.txt")
# Older releases start a broken download of a large wheel from its first byte.
PIP = "pip==26.3"

OLDEST, NEWEST = (3, 10), (3, 13)
#: As measured with Python 3.11, of the runtime (True) and of all; the documents say the same.
DOWNLOAD_GB, DISK_GB = {True: "3.3", False: "3.7"}, {True: "6.8", False: "7.9"}
SMOKE_TEST = "import torch, torchvision, timm, cv2, rosbags, rclpy, sensor_msgs.msg, hma_depth_ros"
#: Megabytes from one line of progress to the next.
STRIDE_MB = 500
# What pip says on the way, of each package; all else explains a failure.
ROUTINE = re.compile(
    r"\s*(Requirement already satisfied|Collecting|Downloading|Using cached|Installing collected|"
    r"Successfully|Attempting uninstall|Found existing|Uninstalling|Obtaining|Preparing|Building|"
    r"Getting requirements|Checking if|Created wheel|Stored in)"
)
UNPACKING = re.compile(r"Installing collected packages: (.*,.*)")
# Of `--progress-bar=raw`: bytes of one file.
PROGRESS = re.compile(r"Progress (\d+) of (\d+)")


def why_not_this_python() -> str | None:
    """Say why the running Python cannot carry the environment, and what to do; None if it can."""
    if not OLDEST <= sys.version_info[:2] <= NEWEST:
        names = [f"python3.{minor}" for minor in range(NEWEST[1], OLDEST[1] - 1, -1)]
        found = next(filter(shutil.which, names), None)
        remedy = (
            f"run make again with PYTHON={found}"
            if found
            else f"install one of {', '.join(names)} and run make again with PYTHON=<its name>"
        )
        return (
            f"{sys.executable} is Python {platform.python_version()}, but the ROS 2 wheels need "
            f"3.10 to 3.13: {remedy}"
        )
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        return (
            f"ROS 2 wheels exist for Linux on x86_64 only, not {platform.system()} on "
            f"{platform.machine()}: use a ROS distribution's packages and colcon, see docs/start.md"
        )
    try:
        import ensurepip  # noqa: F401  # Debian and Ubuntu split it off, and venv fails without
        import venv  # noqa: F401
    except ImportError:
        return f"{sys.executable} has no venv module: apt install python3-venv"
    return None


def requirements(*, runtime: bool) -> Sequence[Path]:
    """Files of what is installed."""
    return REQUIREMENTS[:1] if runtime else REQUIREMENTS


def fingerprint(*, runtime: bool = False) -> str:
    """Hash of everything that decides what the environment holds."""
    parts = [f"{sys.version_info[:2]}", str(ROOT), PIP]
    files = (*requirements(runtime=runtime), ROOT / "setup.py")
    parts += [path.read_text(encoding="utf-8") for path in files]
    # Each command is an executable of the environment.
    parts += sorted(path.name for path in (ROOT / "hma_depth_ros" / "cli").glob("*.py"))
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def is_up_to_date(*, runtime: bool = False) -> bool:
    """Whether the stamp fits and the environment's Python still runs."""
    stamp = RUNTIME_STAMP if runtime else STAMP
    if not stamp.is_file() or stamp.read_text(encoding="utf-8") != fingerprint(runtime=runtime):
        return False
    return answers("-c", "pass")


def answers(*arguments: str, venv: Path = VENV) -> bool:
    """Whether the environment's Python runs these arguments without error."""
    try:
        done = subprocess.run(
            [python(venv), *arguments], capture_output=True, env=environment(), check=False
        )
    except OSError:
        return False
    return done.returncode == 0


def python(venv: Path = VENV) -> str:
    """The environment's interpreter."""
    return str(venv / "bin" / "python")


def environment() -> dict[str, str]:
    """Variables for children: without those by which another environment could leak in.

    ROS 2 wheels put LD_LIBRARY_PATH and a marker into every process that runs in their environment;
    inherited by a second environment they make its Python load the first one's libraries.
    """
    foreign = {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__"}
    if "_ROS_WHEELS_BOOTSTRAP_COMPLETE" in os.environ:
        foreign |= {"_ROS_WHEELS_BOOTSTRAP_COMPLETE", "LD_LIBRARY_PATH"}
    return {name: value for name, value in os.environ.items() if name not in foreign}


def create(*, runtime: bool) -> None:
    """Make the bare environment anew unless a usable one of the same Python is there."""
    same_python = f"import sys; sys.exit(sys.version_info[:2] != {sys.version_info[:2]})"
    if answers("-c", same_python) and answers("-m", "pip", "--version"):
        say(f"going on with {VENV}")
        return
    free_gb = shutil.disk_usage(ROOT).free / 1e9
    if free_gb < float(DISK_GB[runtime]):
        fail(f"{ROOT} has {free_gb:.1f} GB of free disk, and .venv needs {DISK_GB[runtime]} GB")
    say(f"creating {VENV} with Python {platform.python_version()}")
    run(sys.executable, "-m", "venv", "--clear", str(VENV))


def install(*, runtime: bool) -> None:
    """Install pip, the pinned requirements and, editable, the package itself."""
    say(
        f"installing pinned requirements: up to {DOWNLOAD_GB[runtime]} GB to download (most of it "
        "is PyTorch with its CUDA libraries), 2 minutes on a fast line and 15 at 30 Mbit/s"
    )
    # Not yet the pip that reports its progress.
    run(python(), "-m", "pip", "--disable-pip-version-check", "install", "--quiet", PIP)
    pip_install(*(f"--requirement={path}" for path in requirements(runtime=runtime)))
    install_package()


def install_package(venv: Path = VENV) -> None:
    """Install the package itself, editable, and see that all can be imported."""
    say("installing hma_depth_ros itself, editable")
    pip_install("--no-deps", "--no-build-isolation", "--editable", str(ROOT), venv=venv)
    say("checking that everything can be imported")
    run(python(venv), "-c", SMOKE_TEST)


def pip_install(*arguments: str, venv: Path = VENV) -> None:
    """Run `pip install` with a line of progress now and then; show what it says if it fails."""
    options = ("--disable-pip-version-check", "install", "--progress-bar=raw")
    command = (python(venv), "-m", "pip", *options, *arguments)
    said: list[str] = []
    files = current = reported = 0  # bytes of complete files, of the one on its way, last told
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment(),
        cwd=ROOT,
        text=True,
        errors="replace",
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if progress := PROGRESS.match(line):
                current = int(progress[1])
                if files + current >= reported + STRIDE_MB * 1e6:
                    reported = files + current
                    say(f"{reported / 1e9:.1f} GB downloaded")
                if progress[1] == progress[2]:
                    files, current = files + current, 0
            elif packages := UNPACKING.match(line):
                say(f"unpacking {packages[1].count(',') + 1} packages")
            elif not ROUTINE.match(line):
                said.append(line)
    if process.returncode:
        print("".join(said), end="", flush=True)
        fail_command(command)


def run(*command: str) -> None:
    """Run to the end, showing the command's own output; a failure ends this script."""
    if subprocess.run(command, env=environment(), cwd=ROOT, check=False).returncode:
        fail_command(command)


def fail_command(command: Sequence[str]) -> NoReturn:
    """End, naming a command that has failed and has said why."""
    fail(
        f"failed: {' '.join(command)}\n"
        "The messages above say why. Run make again to go on (complete downloads are kept); "
        "if that does not help, run `make distclean` first."
    )


def say(message: str) -> None:
    """Print at once, before the output of the command that follows."""
    print(f"[venv] {message}", flush=True)


def fail(message: str) -> NoReturn:
    """End with the message and status 1."""
    sys.exit(f"[venv] {message}")


def main(arguments: Sequence[str] = ()) -> None:
    """Bring `.venv` up to date; silent if it is."""
    runtime = "--runtime" in arguments
    if problem := why_not_this_python():
        fail(problem)
    if is_up_to_date(runtime=runtime):
        return
    create(runtime=runtime)
    for stamp in (STAMP, RUNTIME_STAMP):  # an interrupted run must not look complete
        stamp.unlink(missing_ok=True)
    install(runtime=runtime)
    RUNTIME_STAMP.write_text(fingerprint(runtime=True), encoding="utf-8")
    if not runtime:
        STAMP.write_text(fingerprint(), encoding="utf-8")
    say("ready")


def run_script(bring_up_to_date: Callable[[], None]) -> None:
    """Run what brings an environment up to date; Ctrl-C ends it with one line and status 1."""
    try:
        bring_up_to_date()
    except KeyboardInterrupt:
        fail("interrupted; run make again to go on")


if __name__ == "__main__":
    run_script(lambda: main(sys.argv[1:]))
