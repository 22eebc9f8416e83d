"""The set-up's own logic and what pip installs."""

import importlib.util
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def setup(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    """support/setup.py, working on a checkout under `tmp_path`."""
    monkeypatch.syspath_prepend(str(ROOT / "support"))
    monkeypatch.delitem(sys.modules, "environment", raising=False)
    specification = importlib.util.spec_from_file_location("set_up", ROOT / "support" / "setup.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    venv = tmp_path / ".venv"
    places = {"ROOT": tmp_path, "VENV": venv, "STAMPS": venv / "setup", "SOURCED": "", "WANTED": ""}
    places |= {"PYTHON": venv / "bin" / "python", "BUSY": venv / "setup" / "installing"}
    places |= {"LOG": venv / "setup" / "setup.log", "INSTALL": tmp_path / "install"}
    for name, value in places.items():
        monkeypatch.setattr(module, name, value)
    return module


def test_include_folders_of_the_wheels_are_mended_once(
    setup: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    numpy = setup.VENV / "lib/python3.11/site-packages/numpy/_core/include"
    numpy.mkdir(parents=True)
    headers = setup.ROOT / "headers"
    headers.mkdir()
    (headers / "Python.h").touch()
    monkeypatch.setattr(setup, "ask", lambda python, code: str(headers))
    export = setup.VENV / "share/std_msgs/cmake/export_std_msgs__rosidl_generator_pyExport.cmake"
    export.parent.mkdir(parents=True)
    builder = "/opt/python/cp311-cp311"
    export.write_text(
        f'INTERFACE_INCLUDE_DIRECTORIES "{builder}/include/python3.11;'
        f'{builder}/lib/python3.11/site-packages/numpy/_core/include"\n'
    )
    setup.mend_cmake()
    assert export.read_text() == f'INTERFACE_INCLUDE_DIRECTORIES "{headers};{numpy}"\n'
    os.utime(export, (1, 1))
    setup.mend_cmake()
    assert export.stat().st_mtime == 1

    (headers / "Python.h").unlink()
    with pytest.raises(setup.SetupError, match="python3-dev"):
        setup.mend_cmake()


@pytest.mark.parametrize(
    "damage",
    ["python is gone", "interrupted", "moved", "system packages", "another is named", None],
)
def test_a_venv_is_made_again_only_when_it_cannot_be_used(
    setup: ModuleType, monkeypatch: pytest.MonkeyPatch, damage: str | None, tmp_path: Path
) -> None:
    setup.STAMPS.mkdir(parents=True)
    setup.PYTHON.parent.mkdir()
    setup.PYTHON.symlink_to(sys.executable)
    shared = "true" if damage == "system packages" else "false"
    (setup.VENV / "pyvenv.cfg").write_text(f"include-system-site-packages = {shared}\n")
    (setup.STAMPS / "home").write_text("/elsewhere" if damage == "moved" else str(setup.VENV))
    if damage == "python is gone":
        setup.PYTHON.unlink()
    if damage == "another is named":
        other = tmp_path / "python"
        other.write_text("#!/bin/sh\necho 3.13\n")
        other.chmod(0o755)
        monkeypatch.setattr(setup, "WANTED", str(other))
    if damage == "interrupted":
        setup.BUSY.touch()
    (setup.VENV / "kept").touch()
    (setup.INSTALL / "lib").mkdir(parents=True)
    made = []
    monkeypatch.setattr(setup, "run", lambda *command: made.append(command))
    setup.make_venv()
    assert (setup.VENV / "kept").exists() == (damage is None)
    assert setup.INSTALL.exists() == (damage is None), "what was built belongs to one Python"
    assert bool(made) == (damage is not None)
    assert setup.BUSY.exists() == (damage is not None), "until pip has finished"


def test_the_python_that_the_user_names_is_taken_or_refused(
    setup: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(setup, "WANTED", sys.executable)
    assert setup.find_python() == sys.executable
    monkeypatch.setattr(setup, "WANTED", "/nowhere/python")
    with pytest.raises(setup.SetupError, match=r"PYTHON=/nowhere/python is none; Python 3\.10 to"):
        setup.find_python()
    monkeypatch.setattr(setup, "WANTED", "")
    monkeypatch.setattr(setup, "version", lambda python: "3.9")
    with pytest.raises(setup.SetupError, match=r"needs Python 3\.10 to 3\.1[34]: install one"):
        setup.find_python()


def test_a_stamp_holds_as_long_as_its_inputs_are_the_same(setup: ModuleType) -> None:
    source = setup.ROOT / "msg" / "Patch.msg"
    source.parent.mkdir()
    source.write_text("uint32 index\n")
    setup.STAMPS.mkdir(parents=True)
    key = setup.digest(["a", *setup.files("msg", "absent")])
    assert not setup.done("workspace", key)
    (setup.STAMPS / "workspace").write_text(key)
    assert setup.done("workspace", setup.digest(["a", *setup.files("msg", "absent")]))
    source.write_text("uint16 index\n")
    assert not setup.done("workspace", setup.digest(["a", *setup.files("msg", "absent")]))


def test_a_failing_command_shows_its_end_and_names_the_log(
    setup: ModuleType, capfd: pytest.CaptureFixture[str]
) -> None:
    setup.STAMPS.mkdir(parents=True)
    with pytest.raises(setup.SetupError, match=r"setup\.log"):
        setup.run(sys.executable, "-S", "-c", "print('what went wrong'); raise SystemExit(3)")
    assert "what went wrong" in capfd.readouterr().err
    with pytest.raises(setup.KilledError, match="signal 9"):
        setup.run(sys.executable, "-S", "-c", "import os; os.kill(os.getpid(), 9)")


def test_the_wheel_works_without_the_checkout(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for name in ("pdn_ros", "config", "msg", "support"):
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, source / name, ignore=ignore)
    for name in ("setup.py", "pyproject.toml", "LICENSE"):
        shutil.copy(ROOT / name, source)
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation"]
    command += ["--disable-pip-version-check", "-w", str(tmp_path), str(source)]
    built = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert built.returncode == 0, built.stdout + built.stderr
    (wheel,) = tmp_path.glob("*.whl")
    installed = tmp_path / "installed"
    zipfile.ZipFile(wheel).extractall(installed)
    for path in (source / "config").rglob("*.*"):
        assert (installed / "pdn_ros/config" / path.relative_to(source / "config")).is_file()
    for path in (source / "pdn_ros").rglob("*.*"):
        assert (installed / "pdn_ros" / path.relative_to(source / "pdn_ros")).exists(), path
    shutil.rmtree(source)
    code = (
        "import sys; from pdn_ros.resources import config_path, message_folders;"
        "print(config_path('classes/street.yaml')); print(*sorted(message_folders()));"
        "assert not {'torch', 'rclpy', 'cv2'} & set(sys.modules)"
    )
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    ran = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd="/", capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines() == [
        str(installed / "pdn_ros/config/classes/street.yaml"),
        "pdn_ros vision_msgs",
    ]
