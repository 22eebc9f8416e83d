import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pdn_ros.harness.processes import running

SLEEPER = """
import signal, sys, time
def main():
    if "deaf" in sys.argv:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    print("ready", flush=True)
    time.sleep(60)
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder from which node processes import."""
    (tmp_path / "sleeper.py").write_text(SLEEPER)
    (tmp_path / "broken.py").write_text("def main():\n    raise RuntimeError('no weights')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    return tmp_path


def wait_until(condition, seconds: float = 20.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return False


def gone(pid: int) -> bool:
    """Whether a process has ended; a zombie that nobody waits for has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


@pytest.mark.parametrize("arguments", [[], ["deaf"]], ids=["polite", "deaf to SIGINT"])
def test_nodes_end_with_the_block(arguments: list[str]) -> None:
    with (
        pytest.raises(KeyboardInterrupt),
        running({"sleeper": arguments}, {"sleeper": "sleeper"}) as (node,),
    ):
        assert wait_until(lambda: node.last_line() == "ready")
        raise KeyboardInterrupt
    assert node.process.returncode is not None


def test_the_last_line_of_a_ros_log_is_its_text(folder: Path) -> None:
    log = folder / "speaker.py"
    line = "[ERROR] [1700000000.123] [perception]: weights x.safetensors: no [such] file: y"
    log.write_text(f"def main():\n    print({line!r})\n")
    with running({"speaker": []}, {"speaker": "speaker"}) as (node,):
        node.process.wait(20)
        assert node.last_line() == "weights x.safetensors: no [such] file: y"


def test_a_node_that_died_says_why_in_one_line() -> None:
    with running({"broken": []}, {"broken": "broken"}) as (node,):
        node.process.wait(20)
        with pytest.raises(ChildProcessError, match=r"broken ended .*RuntimeError: no weights"):
            node.check()


ENTER = """
import sys
from pdn_ros.harness import processes
processes._DOMAINS = 3
try:
    print(processes.enter_own_domain(), processes.enter_own_domain(), flush=True)
except processes.InputError as error:
    sys.exit(str(error))
sys.stdin.readline()
"""


def test_no_two_processes_share_a_domain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))

    def enter() -> subprocess.Popen:
        return subprocess.Popen([sys.executable, "-c", ENTER], stdin=-1, stdout=-1, stderr=-1)

    three = [enter() for _ in range(3)]
    domains = [tuple(map(int, process.stdout.readline().split())) for process in three]
    assert sorted(domains) == [(1, 1), (2, 2), (3, 3)]
    _, error = enter().communicate()
    assert error.decode().startswith("ROS domains 1 to 3 are all in use")
    three[1].kill()
    three[1].wait()
    fourth = enter()
    assert tuple(map(int, fourth.stdout.readline().split())) == domains[1]
    for process in (three[0], three[2], fourth):
        process.communicate(b"\n")


@pytest.mark.skipif(sys.platform != "linux", reason="prctl(2) is Linux's")
def test_nodes_end_even_when_we_are_killed() -> None:
    code = (
        "import time\n"
        "from pdn_ros.harness.processes import running\n"
        "with running({'s': []}, {'s': 'sleeper'}) as (node,):\n"
        "    while node.last_line() != 'ready': time.sleep(0.05)\n"
        "    print(node.process.pid, flush=True)\n"
        "    time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    assert not gone(pid)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    assert wait_until(lambda: gone(pid))
