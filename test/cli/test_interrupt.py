import signal
import weakref

import pytest

from pdn_ros.cli.common import held_back


class Thing:
    pass


def import_that_swallows() -> None:
    """What an import may run at the moment of a Ctrl-C: a callback whose exceptions are ignored."""
    thing = Thing()
    kept = weakref.ref(thing, lambda _: signal.raise_signal(signal.SIGINT))
    del thing
    assert kept() is None


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interruption_within_an_import_is_not_lost():
    import_that_swallows()  # as it is without help
    reached = False
    with pytest.raises(KeyboardInterrupt), held_back():
        import_that_swallows()
        reached = True
    assert reached
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_nothing_pressed_nothing_raised():
    with held_back():
        pass
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
