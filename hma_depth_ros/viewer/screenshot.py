"""A picture of Rerun's window, with or without a screen."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.files import atomic_path

#: Seconds that the viewer may take; software renders a window in a few.
_PATIENCE = 300.0
#: Nobody else is to see the viewer's server, nor to have its port.
_PRIVATE = ("--bind", "127.0.0.1", "--port", "auto")
_PROGRAM = (sys.executable, "-m", "rerun_cli")
_SCREEN = ("xvfb-run", "--auto-servernum", "--server-args=-screen 0 {width}x{height}x24")
#: The end of every PNG file.
_PNG_END = b"IEND\xaeB`\x82"
#: The mouse stands in the middle of the screen, and is not to point at anything in the window.
_ROOM = 3


def write_screenshot(recording: Path, picture: Path, *, width: int, height: int) -> None:
    """Open a recording in the viewer, write its window as PNG, and close it.

    Without a screen (DISPLAY or WAYLAND_DISPLAY) Xvfb takes its place; a GPU is not needed where
    Vulkan has a renderer in software.

    Args:
        recording: .rrd file.
        picture: .png file.
        width: of the window, in pixels.
        height: likewise.

    Raises:
        HmaDepthError: no viewer can run here, saying what it misses.

    """
    command = [*_PROGRAM, str(recording), "--window-size", f"{width}x{height}"]
    if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        if shutil.which(_SCREEN[0]) is None:
            raise HmaDepthError(
                "no viewer can run here: there is no screen, and no Xvfb in its place; install "
                "xvfb, and without a GPU mesa-vulkan-drivers (Debian's names)"
            )
        room = {"width": _ROOM * width, "height": _ROOM * height}
        command = [*(word.format(**room) for word in _SCREEN), *command]
    with atomic_path(picture) as temporary:
        try:
            done = subprocess.run(
                [*command, *_PRIVATE, "--screenshot-to", str(temporary)],
                capture_output=True,
                text=True,
                timeout=_PATIENCE,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise HmaDepthError(
                f"Rerun's viewer has drawn nothing within {_PATIENCE:.0f} s"
            ) from None
        if not temporary.read_bytes().endswith(_PNG_END):  # none, or one cut short by a full disk
            said = " ".join(done.stderr.split()[-30:]) or "nothing"
            raise HmaDepthError(
                f"Rerun's viewer ended with status {done.returncode} and drew no whole picture; "
                f"without a GPU it needs mesa-vulkan-drivers (Debian's name). It said: {said}"
            )
