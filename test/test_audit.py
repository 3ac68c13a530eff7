"""What CI says of known holes in packages, and of those that could not be asked after."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

SCRIPT = Path(__file__).resolve().parent.parent / ".ci" / "audit.py"

GOOD = {"name": "good", "version": "1.0", "vulns": []}
BAD = {
    "name": "bad",
    "version": "2.0",
    "vulns": [
        {"id": "PYSEC-1", "fix_versions": ["2.1", "3.0"], "aliases": [], "description": "long"},
        {"id": "GHSA-2", "fix_versions": []},
    ],
}
UNKNOWN = {"name": "ours", "skip_reason": "Dependency not found on PyPI: ours (1.0)"}


@pytest.fixture
def audit() -> ModuleType:
    spec = util.spec_from_file_location("audit", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def said_by(
    audit: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    outcome: Any,
) -> list[str]:
    """Lines below the heading, for what the run of pip-audit comes to."""

    def run(command: list[str], **options: Any) -> Any:
        assert command[:3] == [sys.executable, "-m", "pip_audit"]
        assert options["timeout"] == audit.PATIENCE
        if isinstance(outcome, Exception):
            raise outcome
        status, output, errors = outcome
        return subprocess.CompletedProcess(command, status, output, errors)

    monkeypatch.setattr(audit.subprocess, "run", run)
    audit.main()
    heading, *lines = capsys.readouterr().out.splitlines()
    assert heading == "== pip-audit"
    return lines


def test_known_holes_are_named(
    audit: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    output = json.dumps({"dependencies": [GOOD, BAD, UNKNOWN], "fixes": []})
    assert said_by(audit, monkeypatch, capsys, (1, output, "Found 2 known")) == [
        "bad 2.0: PYSEC-1, mended in 2.1, 3.0",
        "bad 2.0: GHSA-2",
        "2 known holes in 2 packages",
        "not asked, for the database does not know them: ours",
    ]
    output = json.dumps({"dependencies": [GOOD]})
    assert said_by(audit, monkeypatch, capsys, (0, output, "")) == ["0 known holes in 1 packages"]


def test_a_mirror_without_the_database_is_no_clean_bill(
    audit: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """`No known vulnerabilities found` is what pip-audit says of it."""
    output = json.dumps({"dependencies": [UNKNOWN, {**UNKNOWN, "name": "other"}]})
    said = said_by(audit, monkeypatch, capsys, (0, output, "No known vulnerabilities found"))
    reason = UNKNOWN["skip_reason"]
    assert said == [f"not asked: the database knows none of 2 packages ({reason})"]


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        ((1, "", "Traceback\nConnectionError: no route"), "not asked: ConnectionError: no route"),
        ((1, "", ""), "not asked: pip-audit says nothing"),
        ((0, "[]", "of another version"), "not asked: of another version"),
        (
            subprocess.TimeoutExpired("pip_audit", 1),
            "not asked: the database of known holes did not answer within 120 s",
        ),
    ],
)
def test_what_could_not_be_asked_is_said(
    audit: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    outcome: Any,
    said: str,
):
    assert said_by(audit, monkeypatch, capsys, outcome) == [said]
