"""What `make audit` says of pip-audit's answer."""

import importlib
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
GOOD = {"name": "good", "version": "1.0", "vulns": []}
BAD = {"name": "bad", "version": "2.0", "vulns": [{"id": "CVE-1", "fix_versions": ["2.1"]}]}
SKIPPED = {"name": "own", "skip_reason": "Dependency not found on PyPI"}


@pytest.fixture
def audit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    """support/audit.py with a pip-audit that prints the file `answer`."""
    monkeypatch.syspath_prepend(str(ROOT / "support"))
    monkeypatch.delitem(sys.modules, "environment", raising=False)
    module = importlib.import_module("audit")
    monkeypatch.setattr(module, "TOOLS", tmp_path)
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "pip-audit"
    program.write_text(f"#!/bin/sh\ncat {tmp_path}/answer\n")
    program.chmod(0o755)
    return module


@pytest.mark.parametrize(
    ("found", "status", "says"),
    [
        ([GOOD], 0, "0 known vulnerabilities in 1 packages"),
        ([GOOD, BAD, SKIPPED], 1, "bad 2.0: CVE-1, mended by 2.1"),
        ([GOOD, SKIPPED], 0, "PyPI does not know them: own"),
        ([SKIPPED], 1, "answers for no package"),
        (None, 1, "audit: error: pip-audit"),
    ],
)
def test_the_status_follows_what_was_looked_up(
    audit: ModuleType, tmp_path: Path, capfd: pytest.CaptureFixture[str], found, status, says
) -> None:
    answer = "" if found is None else json.dumps({"dependencies": found, "fixes": []})
    (tmp_path / "answer").write_text(answer)
    assert audit.vulnerabilities(tmp_path) == status
    assert says in "".join(capfd.readouterr())
