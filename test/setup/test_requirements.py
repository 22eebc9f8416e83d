"""What the nodes say when a Python package is missing or too old."""

import subprocess
import sys
from pathlib import Path

import pytest

from pdn_ros import start

ROOT = Path(__file__).resolve().parents[2]


def test_missing_and_too_old(monkeypatch):
    monkeypatch.setattr(start.metadata, "version", lambda name: "1.10.14")
    assert start.missing(["json", "yaml>=1.9", "yaml>=1.10.14"]) == []
    assert start.missing(["no_such_module", "yaml>=2.5"]) == [
        "no_such_module",
        "yaml 1.10.14 (needs yaml>=2.5)",
    ]


def test_the_remedy_names_a_command_that_works_here(monkeypatch):
    assert start.remedy(["numpy", "cv2"]).startswith("rosdep install")
    monkeypatch.setattr(sys, "base_prefix", "/usr")
    pip = start.remedy(["numpy", "torch"])
    assert pip == f"{sys.executable} -m pip install -r {ROOT / 'requirements.txt'}"
    monkeypatch.setattr(sys, "base_prefix", sys.prefix)  # no virtual environment
    venv = start.remedy(["pydantic 1.10.14 (needs pydantic>=2.5)"])
    assert venv.startswith("python3 -m venv --system-site-packages venv && . venv/bin/activate")
    assert f"pip install -r {ROOT / 'requirements.txt'}" in venv


def test_what_rosdep_does_not_have_stands_in_requirements_txt():
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    listed = {line.split()[0] for line in lines if not line.startswith("#")}
    needed = {name for names in start.NEEDED.values() for name in names}
    assert {name for name in listed if "openvino" not in name} == needed - start._FROM_ROSDEP


@pytest.mark.parametrize("node", ["perception_node", "lidar_projection_node"])
def test_a_node_that_lacks_a_package_says_so_in_one_line(node, tmp_path):
    """Run the program in a Python that has nothing but the standard library."""
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
        f"from pdn_ros.start import {node}; sys.exit({node}())"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith(f"{node}: lacks cv2, numpy, PIL, pydantic, yaml")
    assert "to mend it: " in done.stderr


def test_what_cannot_be_imported_is_one_line_too(monkeypatch, capsys):
    def fail(module):
        raise ImportError("cannot import name 'Time'\nfrom 'rclpy'")

    monkeypatch.setattr(start, "import_module", fail)
    monkeypatch.setattr(start, "missing", lambda requirements: [])
    assert start.lidar_projection_node() == 1
    assert capsys.readouterr().err == (
        "lidar_projection_node: cannot import name 'Time' from 'rclpy'; "
        "is ROS sourced, with this workspace?\n"
    )
