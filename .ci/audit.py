"""Say which packages of the environment have known holes, where pip-audit reaches its database.

Never fails a build: a hole that became known today is no fault of the commit that is tested, and a
machine without a network is none of anybody. What could not be asked is said.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

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
            [*command, "--format=json"],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
            cwd=ROOT,
        )
    except subprocess.TimeoutExpired:
        print(f"not asked: the database of known holes did not answer within {PATIENCE} s")
        return
    try:
        found = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError, TypeError):
        lines = done.stderr.strip().splitlines()
        print(f"not asked: {lines[-1] if lines else 'pip-audit says nothing'}")
        return
    print("\n".join(summary(found)))


def summary(packages: list[dict[str, Any]]) -> list[str]:
    """Lines on what pip-audit says of each package.

    A mirror may have all packages and no database: pip-audit skips each of them then, and calls
    the rest, which is nothing, free of known holes.
    """
    asked = [package for package in packages if "skip_reason" not in package]
    lines = [
        f"{package['name']} {package['version']}: {hole['id']}"
        + (f", mended in {', '.join(hole['fix_versions'])}" if hole.get("fix_versions") else "")
        for package in asked
        for hole in package["vulns"]
    ]
    skipped = [package for package in packages if "skip_reason" in package]
    if not asked:
        reason = skipped[0]["skip_reason"] if skipped else "there are none"
        return [f"not asked: the database knows none of {len(packages)} packages ({reason})"]
    lines.append(f"{len(lines)} known holes in {len(asked)} packages")
    if skipped:
        names = ", ".join(package["name"] for package in skipped)
        lines.append(f"not asked, for the database does not know them: {names}")
    return lines


if __name__ == "__main__":
    main()
