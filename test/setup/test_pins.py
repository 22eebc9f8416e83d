"""The pinned versions: each with the hashes of its files, and those that are installed here."""

import re
import sys
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[2]
FILES = [ROOT / "constraints.txt", *sorted((ROOT / "support" / "pins").glob("*.txt"))]


def pins(file: Path) -> list[tuple[Requirement, list[str]]]:
    lines = file.read_text().replace("\\\n", " ").splitlines()
    split = (line.split("--hash=") for line in lines if not line.startswith("#"))
    return [(Requirement(first), [h.strip() for h in rest]) for first, *rest in split]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_every_version_is_exact_and_has_hashes(file: Path) -> None:
    found = pins(file)
    assert found
    for requirement, hashes in found:
        assert re.fullmatch(r"==[^*,]+", str(requirement.specifier)), requirement
        assert hashes, requirement
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", h) for h in hashes), requirement


def test_each_python_gets_one_version() -> None:
    environment = {"platform_machine": "x86_64", "sys_platform": "linux"}
    for minor in range(10, 15):
        python = {"python_version": f"3.{minor}", "python_full_version": f"3.{minor}.1"}
        names = [
            requirement.name
            for file in FILES
            for requirement, _ in pins(file)
            # in the place of another; apart; apart
            if file.name not in ("torch_cpu.txt", "audit.txt", "site.txt")
            if not requirement.marker or requirement.marker.evaluate(environment | python)
        ]
        assert len(names) == len(set(names)) > 100


def test_what_is_installed_is_what_is_pinned() -> None:
    if Path(sys.prefix) != ROOT / ".venv":
        pytest.skip("not the environment of `make setup`")
    for requirement, _ in pins(ROOT / "constraints.txt"):
        if not requirement.marker or requirement.marker.evaluate():
            installed = Version(metadata.version(requirement.name))
            assert requirement.specifier.contains(installed, prereleases=True), requirement
