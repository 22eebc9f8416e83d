"""Tools that have a virtual environment of their own, beside .venv's packages."""

import subprocess
import sys
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))

from environment import ROOT, VENV  # noqa: E402


def install(name: str) -> Path:
    """Install what `support/pins/NAME.txt` pins; return the folder of its programs.

    Raises:
        subprocess.CalledProcessError: It cannot be installed.
    """
    folder = VENV / name
    pip = [folder / "bin" / "python", "-m", "pip", "install", "--quiet"]
    pip += ["--disable-pip-version-check", "--no-deps", "--require-hashes"]
    subprocess.run([VENV / "bin" / "python", "-m", "venv", folder], check=True)
    subprocess.run([*pip, "-r", ROOT / "support" / "pins" / f"{name}.txt"], check=True)
    return folder / "bin"
