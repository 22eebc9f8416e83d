"""pdn doctor."""

import re
from pathlib import Path

import pytest

from pdn_ros.cli import doctor as module
from pdn_ros.errors import InputError


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


def test_each_backend_segments_and_auto_takes_the_first_that_works(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("pdn_ros.perception.backends.available", lambda: ("openvino", "torch"))
    monkeypatch.setattr("pdn_ros.perception.trial.available", lambda: ("openvino", "torch"))
    findings = {finding.name: finding for finding in module._backends()}
    assert list(findings) == [
        "processor", "onnxruntime", "torch float32", "openvino float32", "openvino bfloat16", "auto"
    ]  # fmt: skip
    assert findings["onnxruntime"].detail == "absent" and not findings["onnxruntime"].needed
    assert findings["torch float32"].detail.endswith("100.00% of torch's labels")
    bfloat16 = findings["openvino bfloat16"]
    assert (
        re.search(r"\d+ ms .* (9[7-9]|100)\.\d\d%", bfloat16.detail)
        if bfloat16.good
        else ("does not compute in bfloat16" in bfloat16.detail)
    )
    wanted = "bfloat16" if bfloat16.good else "float32"
    assert findings["auto"].detail.startswith(f"picks openvino in {wanted} on c")
    assert findings["auto"].needed and findings["auto"].good


def test_a_default_that_cannot_segment_fails(monkeypatch, capsys) -> None:
    def broken(*_: object) -> None:
        raise InputError("no way")

    monkeypatch.setattr("pdn_ros.perception.trial.trial", broken)
    monkeypatch.setattr(module, "examine", module._backends)
    assert module.doctor() == 1
    output = capsys.readouterr().out
    assert re.search(r"^MISSING auto +no way$", output, re.MULTILINE)
    assert output.endswith("cannot run without: auto\n")


def test_weights_that_torch_cannot_run_fail(monkeypatch) -> None:
    def broken() -> None:
        raise InputError("weights: absent")

    monkeypatch.setattr("pdn_ros.perception.trial.reference", broken)
    (finding,) = module._backends()
    assert finding.needed and not finding.good and finding.detail == "none: weights: absent"
