"""env.sh in the shells that people use."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SHELLS = [
    pytest.param(
        shell, marks=pytest.mark.skipif(not shutil.which(shell), reason=f"{shell} is not installed")
    )
    for shell in ("bash", "zsh")
]
pytestmark = pytest.mark.skipif(not (ROOT / ".venv").is_dir(), reason="no .venv: make setup")

BARE = {"HOME": "/nonexistent", "PATH": "/usr/local/bin:/usr/bin:/bin"}


def run(shell: str, script: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    options = ["-f"] if shell == "zsh" else ["--norc"]
    command = [shell, *options, "-c", script]
    return subprocess.run(command, cwd=cwd, env=BARE, capture_output=True, text=True, timeout=60)


@pytest.fixture
def spaced(tmp_path: Path) -> Path:
    """A set-up checkout under a path with spaces and a quote."""
    root = tmp_path / "it's a path" / "pdn_ros"
    (root / "support").mkdir(parents=True)
    shutil.copy(ROOT / "env.sh", root)
    shutil.copy(ROOT / "support" / "environment.py", root / "support")
    (root / ".venv").symlink_to(ROOT / ".venv")
    (root / "install").symlink_to(ROOT / "install")
    (root / "pdn_ros").symlink_to(ROOT / "pdn_ros")
    return root


@pytest.mark.parametrize("shell", SHELLS)
def test_a_strict_shell_stays_strict_and_each_entry_stands_once(shell: str, tmp_path: Path) -> None:
    script = f"set -eu; . '{ROOT}/env.sh'; . '{ROOT}/env.sh'; echo $-; command -v python; printenv"
    result = run(shell, script, tmp_path)
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    options, python, *lines = result.stdout.splitlines()
    assert {"e", "u"} <= set(options)
    assert python == str(ROOT / ".venv/bin/python")
    variables = dict(line.split("=", 1) for line in lines if "=" in line)
    assert variables["PATH"].endswith(BARE["PATH"])
    for name in ("PATH", "PYTHONPATH", "AMENT_PREFIX_PATH", "CMAKE_PREFIX_PATH", "LD_LIBRARY_PATH"):
        entries = variables[name].split(os.pathsep)
        assert "" not in entries
        assert len(entries) == len(set(entries)), name
    assert variables["PYTHONPATH"].split(os.pathsep)[0] == str(ROOT)
    assert not any(name.startswith("_pdn") for name in variables)


@pytest.mark.parametrize("shell", SHELLS)
def test_a_path_with_spaces(shell: str, spaced: Path) -> None:
    script = "cd ..; . pdn_ros/env.sh; python -c 'import pdn_ros; print(pdn_ros.__file__)'"
    result = run(shell, script, spaced)
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == str(spaced / "pdn_ros" / "__init__.py")


@pytest.mark.parametrize("shell", SHELLS)
def test_before_the_set_up_it_names_the_command(shell: str, spaced: Path) -> None:
    (spaced / ".venv").unlink()
    result = run(shell, ". ./env.sh || echo status $?", spaced)
    assert "make setup" in result.stderr
    assert result.stdout.strip() == "status 1"


@pytest.mark.ros
@pytest.mark.parametrize("shell", SHELLS)
def test_ros_and_our_messages_import(shell: str, spaced: Path) -> None:
    script = (
        ". ./env.sh; cd /; python -c 'import rclpy; from pdn_ros.msg import PatchArray; "
        "import pdn_ros.errors; print(PatchArray(budget=7).budget)'"
    )
    result = run(shell, script, spaced)
    assert result.stdout.strip() == "7", result.stderr
