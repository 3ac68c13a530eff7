"""Say which packages of the environment have known holes, where pip-audit reaches its database.

Never fails a build: a hole that became known today is no fault of the commit that is tested, and a
machine without a network is none of anybody. What could not be asked is said.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
#: Seconds after which the database counts as out of reach.
PATIENCE = 120


def main() -> None:
    """Print what pip-audit found, or why it found nothing out."""
    print("== pip-audit", flush=True)
    # Of the whole environment, what the requirements brought included.
    command = [sys.executable, "-m", "pip_audit", "--skip-editable", "--progress-spinner=off"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=PATIENCE, check=False, cwd=ROOT
        )
    except subprocess.TimeoutExpired:
        print(f"not asked: the database of known holes did not answer within {PATIENCE} s")
        return
    if done.stdout.strip():
        print(done.stdout.strip())
    lines = done.stderr.strip().splitlines()
    if done.returncode and not done.stdout.strip():
        print(f"not asked: {lines[-1] if lines else 'pip-audit says nothing'}")
    elif lines:
        print(lines[-1])


if __name__ == "__main__":
    main()
