"""Create `.venv-jazzy`, or reuse it if up to date: `.venv` with ROS 2 Jazzy in Kilted's place.

Run by the Makefile with `.venv`'s Python, once that environment is complete. Everything but ROS is
linked into place from there (hard links: seconds, and no disk), and pip then sees to it that all
that is pinned is there and adds the wheels of Jazzy. So neither gigabytes are downloaded twice nor
do the two ROS ever meet in one environment, as they would if one had the other on its path.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from hashlib import sha256
from importlib.metadata import Distribution, distributions
from pathlib import Path

import make_venv
from make_venv import ROOT, fail, install_package, pip_install, python, say

JAZZY = ROOT / ".venv-jazzy"
STAMP = JAZZY / "hma_depth_ros.stamp"
REQUIREMENTS = (ROOT / "requirements-jazzy.txt", ROOT / "requirements-dev.txt")


def fingerprint() -> str:
    """Hash of everything that decides what the environment holds: of `.venv`, and of Jazzy."""
    parts = [make_venv.fingerprint(), REQUIREMENTS[0].read_text(encoding="utf-8")]
    return sha256("\0".join(parts).encode()).hexdigest()


def is_up_to_date() -> bool:
    """Whether the stamp fits and the environment's Python still runs."""
    if not STAMP.is_file() or STAMP.read_text(encoding="utf-8") != fingerprint():
        return False
    return make_venv.answers("-c", "pass", venv=JAZZY)


def other_requirements() -> str:
    """requirements.txt without ROS."""
    lines = make_venv.REQUIREMENTS[0].read_text(encoding="utf-8").splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith("ros-"))


def link_packages(source: Path, target: Path) -> int:
    """Link all installed packages but ROS and this one from one site-packages into another.

    Returns:
        Number of files.

    """
    count = 0
    for distribution in distributions(path=[str(source)]):
        if not is_shared(distribution):
            continue
        for file in distribution.files or ():
            original, link = source / file, target / file
            # Executables begin with the path of their own Python, and are not needed.
            if file.parts[0] == ".." or not original.is_file() or link.exists():
                continue
            link.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(original, link)
            except OSError:  # another disk, or one without hard links
                shutil.copy2(original, link)
            count += 1
    return count


def is_shared(distribution: Distribution) -> bool:
    """Whether both environments have it."""
    name = distribution.metadata["Name"].lower().replace("_", "-")
    return not name.startswith("ros-") and name != "hma-depth-ros"


def main() -> None:
    """Bring `.venv-jazzy` up to date; silent if it is."""
    if Path(sys.prefix).resolve() != make_venv.VENV.resolve():
        fail(f"run {Path(__file__).name} with {python()}: it is completed by `make venv`")
    if is_up_to_date():
        return
    say(f"creating {JAZZY} from {make_venv.VENV}")
    command = [sys.executable, "-m", "venv", "--clear", "--without-pip", str(JAZZY)]
    subprocess.run(command, env=make_venv.environment(), check=True)
    packages = Path(sysconfig.get_path("purelib"))
    count = link_packages(packages, JAZZY / packages.relative_to(sys.prefix))
    say(f"linked {count} files; installing ROS 2 Jazzy")
    others = JAZZY / "requirements.txt"
    others.write_text(other_requirements(), encoding="utf-8")
    pip_install(*(f"--requirement={path}" for path in (others, *REQUIREMENTS)), venv=JAZZY)
    install_package(JAZZY)
    STAMP.write_text(fingerprint(), encoding="utf-8")
    say("ready")


if __name__ == "__main__":
    make_venv.run_script(main)
