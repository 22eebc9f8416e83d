"""pdn doctor."""

from pathlib import Path

import pytest

from pdn_ros.cli import doctor as module


def test_why_a_module_cannot_be_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "half_there.py").write_text("import not_there_at_all\n")
    (tmp_path / "crashing.py").write_text("raise OSError('libfoo.so.1:\\ncannot open')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert module._import_error("json") == ""
    assert module._import_error("not_there_at_all") == "absent"
    assert module._import_error("half_there") == "broken: lacks not_there_at_all"
    assert module._import_error("crashing") == "broken: libfoo.so.1: cannot open"


@pytest.mark.parametrize("content", [None, b"not safetensors"])
def test_without_weights_the_main_job_cannot_run(
    content: bytes | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    weights = tmp_path / "street.safetensors"
    if content is not None:
        weights.write_bytes(content)
    monkeypatch.setattr(module, "weights_path", lambda: weights)
    monkeypatch.setattr(module, "examine", lambda: iter([module._weights()]))
    assert module.doctor() == 1
    output = capsys.readouterr().out
    assert output.startswith("MISSING weights")
    assert "to mend it:" in output
    assert "cannot run without: weights" in output


def test_what_is_optional_does_not_fail(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    absent = module._module("x", "not_there_at_all", "own code", "pip install x")
    monkeypatch.setattr(module, "examine", lambda: iter([absent]))
    assert module.doctor() == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["-", "x", "absent:", "own", "code"]
    assert lines[1].strip() == "to mend it: pip install x"
    assert lines[-1] == "Ready."
