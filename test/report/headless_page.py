"""A page in headless Chromium, driven over the DevTools protocol by a pair of pipes."""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

#: Names of the program, as distributions have them.
PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
#: A browser that asks nobody for anything, and needs neither a screen nor a user of its own.
_FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--disable-dev-shm-usage", "--hide-scrollbars", "--remote-debugging-pipe"),
)
_PATIENCE = 60.0  #: seconds


def chromium() -> str | None:
    """Path of the browser; None: there is none."""
    found = (shutil.which(name) for name in PROGRAMS)
    return next((path for path in found if path is not None), None)


class HeadlessPage:
    """One tab. What it asks for, complains of and logs is kept."""

    def __init__(self, commands: int, answers: int) -> None:
        self._commands, self._answers = commands, answers
        self._buffer = b""
        self._number = 0
        self._session: str | None = None
        self.requests: list[str] = []  #: URLs
        self.complaints: list[str] = []  #: errors and warnings, of the console and of the browser
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        attached = self.send("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")

    def open(self, page: Path) -> None:
        """Load a file, and wait until its script has run."""
        self.send("Page.navigate", url=page.as_uri())
        end = time.monotonic() + _PATIENCE
        while self.evaluate("document.readyState") != "complete":
            assert time.monotonic() < end, f"{page} does not load"

    def evaluate(self, expression: str) -> Any:
        """Value of JavaScript."""
        answer = self.send("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def look(self, *, width: int, height: int, dark: bool = False) -> None:
        """Show the page on a screen of that size."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 700}
        self.send("Emulation.setDeviceMetricsOverride", **size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.send("Emulation.setEmulatedMedia", features=[scheme])

    def press(self, key: str, *, times: int = 1) -> None:
        """Press a key, such as ArrowRight."""
        code = {"ArrowLeft": 37, "ArrowRight": 39}[key]
        for _ in range(times):
            for kind in ("rawKeyDown", "keyUp"):
                self.send(
                    "Input.dispatchKeyEvent",
                    type=kind,
                    key=key,
                    code=key,
                    windowsVirtualKeyCode=code,
                )

    def touch(self, x: float, y: float, to_x: float) -> None:
        """Put a finger on a place of the screen, and move it sideways."""
        self.send("Emulation.setTouchEmulationEnabled", enabled=True)
        self.send("Input.dispatchTouchEvent", type="touchStart", touchPoints=[{"x": x, "y": y}])
        for step in range(1, 6):
            place = {"x": x + (to_x - x) * step / 5, "y": y}
            self.send("Input.dispatchTouchEvent", type="touchMove", touchPoints=[place])
        self.send("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])

    def picture(self) -> bytes:
        """PNG of all of the page."""
        answer = self.send("Page.captureScreenshot", captureBeyondViewport=True)
        return base64.b64decode(answer["data"])

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method, and hear what comes meanwhile."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                result: dict[str, Any] = answer["result"]
                return result
            self._hear(answer)

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            assert select.select([self._answers], [], [], _PATIENCE)[0], "Chromium is silent"
            read = os.read(self._answers, 1 << 20)
            assert read, "Chromium has gone"
            self._buffer += read
        message, _, self._buffer = self._buffer.partition(b"\0")
        found: dict[str, Any] = json.loads(message)
        return found

    def _hear(self, event: dict[str, Any]) -> None:
        method, found = event.get("method"), event.get("params", {})
        if method == "Network.requestWillBeSent":
            self.requests.append(found["request"]["url"])
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(str(found["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled" and found["type"] in {"error", "warning"}:
            self.complaints.append(str(found["args"]))
        elif method == "Log.entryAdded" and found["entry"]["level"] in {"error", "warning"}:
            self.complaints.append(str(found["entry"]))


@contextmanager
def headless_page(program: str) -> Iterator[HeadlessPage]:
    """A tab of a browser of its own, which ends with the block."""
    commands_in, commands_out = os.pipe()
    answers_in, answers_out = os.pipe()
    with tempfile.TemporaryDirectory(
        prefix="headless_page_", ignore_cleanup_errors=True
    ) as profile:
        # The browser reads from 3 and writes to 4.
        redirected = f'exec "$0" "$@" 3<&{commands_in} 4>&{answers_out}'
        process = subprocess.Popen(
            ["bash", "-c", redirected, program, *_FLAGS, f"--user-data-dir={profile}"],
            pass_fds=(commands_in, answers_out),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(commands_in)
        os.close(answers_out)
        try:
            page = HeadlessPage(commands_out, answers_in)
            yield page
        finally:
            process.terminate()
            process.wait(_PATIENCE)
            os.close(commands_out)
            os.close(answers_in)
