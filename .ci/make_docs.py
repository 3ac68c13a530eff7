"""Build the documentation's site into `site/`, with an environment of its own, `.venv-docs`.

Run by the Makefile; standard library only. What is wrong with a page (a link or an anchor that
leads nowhere, a page that the navigation lacks) ends it with status 1.
"""

from __future__ import annotations

import os
import sys
from hashlib import sha256

from make_venv import ROOT, answers, python, run, run_script, say

DOCS = ROOT / ".venv-docs"
STAMP = DOCS / "hma_depth_ros.stamp"
REQUIREMENTS = ROOT / "requirements-docs.txt"


def fingerprint() -> str:
    """Hash of what decides what the environment holds."""
    parts = (f"{sys.version_info[:2]}", str(ROOT), REQUIREMENTS.read_text(encoding="utf-8"))
    return sha256("\0".join(parts).encode()).hexdigest()


def is_up_to_date() -> bool:
    """Whether the stamp fits and the environment's Python still runs."""
    if not STAMP.is_file() or STAMP.read_text(encoding="utf-8") != fingerprint():
        return False
    return answers("-c", "pass", venv=DOCS)


def main() -> None:
    """Bring `.venv-docs` up to date and build."""
    if not is_up_to_date():
        say(f"creating {DOCS}: 28 MB to download")
        run(sys.executable, "-m", "venv", "--clear", str(DOCS))
        pip = ("-m", "pip", "--disable-pip-version-check", "install", "--quiet")
        run(python(DOCS), *pip, f"--requirement={REQUIREMENTS}")
        STAMP.write_text(fingerprint(), encoding="utf-8")
    os.environ["NO_MKDOCS_2_WARNING"] = "1"  # an advertisement
    run(python(DOCS), "-m", "mkdocs", "build", "--strict", "--quiet", "--clean")
    say(f"{ROOT / 'site' / 'index.html'}")


if __name__ == "__main__":
    run_script(main)
