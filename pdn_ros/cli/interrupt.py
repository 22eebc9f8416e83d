"""Ctrl-C while libraries load."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def held_back() -> Iterator[None]:
    """Hold Ctrl-C back until the block ends.

    Python raises KeyboardInterrupt between any two bytecodes. During an import that may be inside a
    library that swallows every exception, or in a weak reference's callback of the import system,
    whose exceptions Python ignores: the command would go on as if nothing had been pressed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    pressed = threading.Event()

    def note(_number: int, _frame: FrameType | None) -> None:
        pressed.set()

    before = signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if pressed.is_set():
            signal.raise_signal(signal.SIGINT)
