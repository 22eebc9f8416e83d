"""Which images of a rig belong together."""

import numpy as np

from pdn_ros.messages.cdr import Header
from pdn_ros.replay.drive import Event, RecordedImage, Scan
from pdn_ros.replay.sets import in_sets

MS = 1_000_000


def image(camera: str, ms: int) -> RecordedImage:
    return RecordedImage(0, ms * MS, Header(ms * MS, camera), camera=camera)


def scan(ms: int) -> Scan:
    return Scan(Header(ms * MS, "lidar"), np.zeros((0, 3), np.float32), ms * MS)


def told(events: list[Event], cameras: int = 2) -> list[str]:
    """Sets as the cameras' names and times, scans as `*`."""
    found = []
    for event in in_sets(events, cameras, 50 * MS):
        if isinstance(event, list):
            found.append(" ".join(f"{one.camera}{one.log_ns // MS}" for one in event))
        else:
            found.append("*")
    return found


def test_a_set_is_one_image_of_each_camera() -> None:
    events: list[Event] = [image("a", 0), image("b", 30), image("b", 100), image("a", 140)]
    assert told(events) == ["a0 b30", "b100 a140"]


def test_single_images_wait_for_nothing() -> None:
    assert told([image("", 0), scan(10), image("", 20)], cameras=1) == ["0", "*", "20"]


def test_a_set_ends_when_its_time_is_over() -> None:
    assert told([image("a", 0), image("b", 51), image("a", 60)]) == ["a0", "b51 a60"]


def test_a_second_image_of_a_camera_begins_a_new_set() -> None:
    assert told([image("a", 0), image("a", 20), image("b", 30)]) == ["a0", "a20 b30"]


def test_a_scan_after_its_time_does_not_come_before_the_set() -> None:
    """The set with a silent camera is taken with what was there in its time."""
    events: list[Event] = [image("a", 0), scan(40), scan(100), image("a", 100)]
    assert told(events) == ["*", "a0", "*", "a100"]
