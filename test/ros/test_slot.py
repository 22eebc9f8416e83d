import os
import sys
import threading
import time

import pytest

from pdn_ros.ros.slot import LatestSet, LatestSlot, Worker


def test_newest_wins_and_drops_are_counted():
    slot: LatestSlot[int] = LatestSlot()
    for item in (1, 2, 3):
        slot.put(item)
    assert slot.take(0) == 3
    assert slot.take(0) is None
    assert (slot.received, slot.dropped) == (3, 2)


def test_clear_counts_as_dropped():
    slot: LatestSlot[int] = LatestSlot()
    slot.put(1)
    slot.clear()
    assert slot.take(0) is None
    assert (slot.received, slot.dropped) == (1, 1)


def test_close_wakes_a_waiting_thread():
    slot: LatestSlot[int] = LatestSlot()
    taken: list[int | None] = []
    thread = threading.Thread(target=lambda: taken.append(slot.take()))
    thread.start()
    slot.close()
    thread.join(5)
    assert taken == [None]
    slot.put(1)
    assert slot.take(0) is None


def test_worker_skips_what_came_while_it_worked():
    started, go, done = threading.Event(), threading.Event(), threading.Event()
    handled: list[int] = []

    def handle(item: int) -> None:
        handled.append(item)
        started.set()
        go.wait(5)
        if item == 9:
            done.set()

    worker: Worker[int] = Worker("test", handle, failed=lambda error: pytest.fail(str(error)))
    worker.slot.put(0)
    assert started.wait(5)
    for item in range(1, 10):
        worker.slot.put(item)
    go.set()
    assert done.wait(5)
    assert worker.stop(5)
    assert handled == [0, 9]
    assert worker.slot.dropped == 8


def test_worker_goes_on_after_an_error():
    errors: list[Exception] = []
    handled = threading.Event()

    def handle(item: int) -> None:
        if item == 0:
            raise ValueError("bad frame")
        handled.set()

    worker: Worker[int] = Worker("test", handle, errors.append)
    worker.slot.put(0)
    end = time.monotonic() + 5
    while not errors and time.monotonic() < end:
        time.sleep(0.005)
    worker.slot.put(1)
    assert handled.wait(5)
    assert worker.stop(5)
    assert [str(error) for error in errors] == ["bad frame"]


def test_stop_says_when_the_work_does_not_end():
    go = threading.Event()
    started = threading.Event()

    def handle(_: int) -> None:
        started.set()
        go.wait(5)

    worker: Worker[int] = Worker("test", handle, lambda error: None)
    worker.slot.put(1)
    assert started.wait(5)
    assert not worker.stop(0.05)
    go.set()
    assert worker.stop(5)


@pytest.mark.skipif(sys.platform != "linux", reason="threads have no priority of their own")
def test_the_worker_steps_behind_the_thread_that_takes_messages():
    found: list[int] = []
    done = threading.Event()

    def handle(_: int) -> None:
        found.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
        done.set()

    worker: Worker[int] = Worker("test", handle, lambda error: None)
    worker.slot.put(1)
    assert done.wait(5)
    assert worker.stop(5)
    ours = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    assert found == [min(ours + 2, 19)]


def test_a_set_waits_for_the_cameras_that_are_alive():
    slot: LatestSet[int] = LatestSet(("front", "left"), lambda: 10.0)
    slot.put({"left": 0})
    assert slot.take(0) == {"left": 0}  # nothing has come from the front: it is not waited for
    slot.put({"front": 1})
    threading.Timer(0.05, slot.put, [{"left": 2}]).start()
    assert slot.take(0) == {"front": 1, "left": 2}


def test_a_set_goes_after_its_patience_and_without_the_silent(monkeypatch):
    slot: LatestSet[int] = LatestSet(("front", "left"), lambda: 0.05)
    for item in (0, 1):
        slot.put({"front": item})
    slot.put({"left": 0})
    assert slot.take(0) == {"front": 1, "left": 0}
    slot.put({"front": 2})
    start = time.monotonic()
    assert slot.take(0) == {"front": 2}
    assert time.monotonic() - start >= 0.05
    assert (slot.received, slot.dropped) == (4, 1)
    impatient: LatestSet[int] = LatestSet(("front", "left"), lambda: 10.0)
    impatient.put({"left": 0})
    impatient.take(0)
    monkeypatch.setattr("pdn_ros.ros.slot.ALIVE_S", 0.0)
    impatient.put({"front": 1})
    assert impatient.take(0) == {"front": 1}


def test_closing_ends_the_wait_for_a_set_and_clearing_drops_it():
    slot: LatestSet[int] = LatestSet(("front", "left"), lambda: 10.0)
    slot.put({"front": 1, "left": 1})
    slot.clear()
    assert (slot.take(0), slot.dropped) == (None, 2)
    slot.put({"front": 2})
    threading.Timer(0.05, slot.close).start()
    assert slot.take(0) is None
