import signal
import subprocess
import sys
import time

import pytest

from pdn_ros.cli.interrupt import held_back

SWALLOWED = """
import signal, weakref
from pdn_ros.cli.interrupt import held_back

class Thing:
    pass

def import_that_swallows():
    # What an import may run at the moment of a Ctrl-C: a callback whose exceptions are ignored.
    thing = Thing()
    kept = weakref.ref(thing, lambda _: signal.raise_signal(signal.SIGINT))
    del thing
    assert kept() is None

import_that_swallows()  # as it is without help
try:
    with held_back():
        import_that_swallows()
        print("reached")
except KeyboardInterrupt:
    print("interrupted", signal.getsignal(signal.SIGINT) is signal.default_int_handler)
"""


def test_an_interruption_within_an_import_is_not_lost():
    # In a process of its own: the one of the tests may have other plans for an interruption.
    done = subprocess.run([sys.executable, "-c", SWALLOWED], capture_output=True, text=True)
    assert done.stdout.split() == ["reached", "interrupted", "True"]


def test_nothing_pressed_nothing_raised():
    with held_back():
        pass
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("delay", [0.01, 0.03, 0.1, 0.3])
def test_an_interruption_at_the_start_is_one_line(delay, tmp_path):
    code = (
        "import sys; from pdn_ros.__main__ import main\n"
        "sys.stdout.write('begin'); sys.stdout.flush(); sys.exit(main())"
    )
    arguments = ["simulate", "--out", str(tmp_path / "bag"), "--seconds", "600"]
    with subprocess.Popen([sys.executable, "-c", code, *arguments], stdout=-1, stderr=-1) as pdn:
        assert pdn.stdout.read(5) == b"begin"
        time.sleep(delay)
        pdn.send_signal(signal.SIGINT)
        _, errors = pdn.communicate(timeout=120)
    lines = [line for line in errors.decode().splitlines() if not line.startswith("simulate: ")]
    assert (pdn.returncode, lines) == (130, ["pdn: error: interrupted"])
    assert not list(tmp_path.iterdir())
