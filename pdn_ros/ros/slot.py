"""The latest frame, or the latest of each camera, and the thread that works on it.

On most machines a camera is faster than the network. A queue would grow or its frames would age;
here the newest frame replaces the waiting one, which is counted as dropped.
"""

import os
import threading
import time
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")

IDLE_S = 0.02
"""Seconds between a worker's calls of `idle` while no item comes."""

ALIVE_S = 1.0
"""A camera from which nothing has come for longer than this is not waited for."""

_BEHIND = 2
"""How much higher the worker's nice value is than that of the thread that takes messages."""


class LatestSlot(Generic[T]):
    """Holds at most one item: the newest. Thread-safe."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._item: T | None = None
        self._closed = False
        self._received = 0
        self._dropped = 0

    @property
    def closed(self) -> bool:
        """Whether nothing goes in or comes out any more."""
        return self._closed

    @property
    def received(self) -> int:
        """How many items were put in."""
        return self._received

    @property
    def dropped(self) -> int:
        """How many items were replaced or cleared before anybody took them."""
        return self._dropped

    def put(self, item: T) -> None:
        """Put an item in; one that waits there is dropped and counted."""
        with self._condition:
            if self._closed:
                return
            self._received += 1
            self._dropped += self._item is not None
            self._item = item
            self._condition.notify()

    def take(self, timeout: float | None = None) -> T | None:
        """Wait for an item and take it out; None when closed or after `timeout` seconds."""
        with self._condition:
            self._condition.wait_for(lambda: self._closed or self._item is not None, timeout)
            item, self._item = self._item, None
            return None if self._closed else item

    def clear(self) -> None:
        """Drop what waits."""
        with self._condition:
            self._dropped += self._item is not None
            self._item = None

    def close(self) -> None:
        """Wake every waiting thread; from now on nothing goes in or comes out."""
        with self._condition:
            self._closed = True
            self._item = None
            self._condition.notify_all()


class LatestSet(LatestSlot[dict[str, T]]):
    """Holds the newest item of each camera, until those of the others are there.

    Nobody waits longer than `patience_s` after the first item of a set, nor for a camera that is
    silent. What came while the worker was busy is taken at once if it is complete.

    Args:
        names: Of the cameras.
        patience_s: Returns for how long the first item waits.
    """

    def __init__(self, names: Sequence[str], patience_s: Callable[[], float]) -> None:
        super().__init__()
        self._names = names
        self._patience_s = patience_s
        self._heard: dict[str, float] = {}
        self._since = 0.0

    def put(self, item: dict[str, T]) -> None:
        """Put items in, by camera; one that waits there is dropped and counted."""
        with self._condition:
            if self._closed:
                return
            now = time.monotonic()
            if self._item is None:
                self._item, self._since = {}, now
            self._received += len(item)
            self._dropped += len(self._item.keys() & item.keys())
            self._item.update(item)
            self._heard.update(dict.fromkeys(item, now))
            self._condition.notify()

    def take(self, timeout: float | None = None) -> dict[str, T] | None:
        """Wait for a set and take it out; None when closed or after `timeout` seconds."""
        with self._condition:
            self._condition.wait_for(lambda: self._closed or self._item is not None, timeout)
            while self._item and (left_s := self._left_s(self._item)) > 0:
                self._condition.wait(left_s)
            item, self._item = self._item, None
            return item

    def clear(self) -> None:
        """Drop what waits."""
        with self._condition:
            self._dropped += len(self._item or ())
            self._item = None

    def _left_s(self, item: dict[str, T]) -> float:
        """Return for how many seconds more another camera is worth waiting for."""
        now = time.monotonic()
        awaited = any(
            name not in item and now - self._heard.get(name, -ALIVE_S) < ALIVE_S
            for name in self._names
        )
        return self._since + self._patience_s() - now if awaited else 0.0


class Worker(Generic[T]):
    """A thread that handles the items of its slot one after the other.

    Args:
        name: Of the thread.
        handle: Called with each item, never in two threads at once.
        failed: Called with an exception of `handle`; the next item is still handled.
        idle: Called every `IDLE_S` while no item comes and `waits` says so.
        waits: Returns whether `idle` has something to do.
        slot: Where its items come from; None: a new `LatestSlot`.
    """

    def __init__(
        self,
        name: str,
        handle: Callable[[T], None],
        failed: Callable[[Exception], None],
        *,
        idle: Callable[[], None] = lambda: None,
        waits: Callable[[], bool] = lambda: False,
        slot: LatestSlot[T] | None = None,
    ) -> None:
        self.slot: LatestSlot[T] = slot or LatestSlot()
        self._handle = handle
        self._failed = failed
        self._idle = idle
        self._waits = waits
        # A daemon: a native call that hangs must not keep the process alive after a signal.
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def stop(self, timeout: float | None = None) -> bool:
        """Stop after the current item; False if that took longer than `timeout` seconds."""
        self.slot.close()
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        # On Linux a thread has a priority of its own. Taking a message is short and must not wait.
        if hasattr(os, "setpriority"):
            thread = threading.get_native_id()
            nice = os.getpriority(os.PRIO_PROCESS, thread)
            os.setpriority(os.PRIO_PROCESS, thread, min(nice + _BEHIND, 19))
        while not self.slot.closed:
            item = self.slot.take(IDLE_S if self._waits() else None)
            try:
                if item is not None:
                    self._handle(item)
                elif not self.slot.closed:
                    self._idle()
            except Exception as error:  # noqa: BLE001 - the caller reports it and work goes on
                self._failed(error)
