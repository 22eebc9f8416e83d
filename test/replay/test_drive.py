from pathlib import Path

import numpy as np
import pytest
from wall import FRAMES, HEIGHT, PERIOD_NS, START_NS, WIDTH

from pdn_ros.bags.reader import Bag, Message
from pdn_ros.errors import InputError
from pdn_ros.replay.drive import Drive, in_order
from pdn_ros.replay.settings import ReplaySettings


def settings(bag: Path, **values: object) -> ReplaySettings:
    return ReplaySettings(bag=bag, out=bag.parent / "out", **values)


def test_every_image_comes_with_its_scan_and_truth(drive: Path) -> None:
    with Bag(drive) as bag:
        found = Drive.open(bag, settings(drive))
        images = list(found.images())
    assert [m.header.stamp_ns for m in images] == [START_NS + i * PERIOD_NS for i in range(FRAMES)]
    for image in images:
        assert image.image is not None
        assert image.image.shape == (HEIGHT, WIDTH, 3)
        assert image.scan is not None
        assert image.scan.header.stamp_ns == image.header.stamp_ns
        assert image.mask is not None
        assert set(np.unique(image.mask)) == {1, 3}
        assert image.grid is not None
        assert image.grid.at(np.array([12.05, 0.0])) == 100
        assert image.boxes is not None
        assert [box.id for box in image.boxes] == [7]
    assert found.notes == []


def test_limit_and_no_lidar(drive: Path) -> None:
    with Bag(drive) as bag:
        found = Drive.open(bag, settings(drive, lidar=False))
        images = list(found.images(2))
    assert found.offered(2) == 2
    assert found.offered(99) == FRAMES
    assert [m.index for m in images] == [0, 1]
    assert all(m.scan is None and m.mask is not None for m in images)


def test_a_topic_that_is_not_there_is_refused(drive: Path) -> None:
    with Bag(drive) as bag, pytest.raises(InputError, match="/no/such"):
        Drive.open(bag, settings(drive, image="/no/such"))


def test_an_image_comes_after_the_scan_of_the_same_time() -> None:
    def message(topic: str, stamp: int) -> Message:
        return Message(topic, stamp, b"", "")

    source = [message("i", 1), message("p", 1), message("p", 2), message("i", 2), message("i", 3)]
    order = [(m.topic, m.stamp_ns) for m in in_order(iter(source), {"i"})]
    assert order == [("p", 1), ("i", 1), ("p", 2), ("i", 2), ("i", 3)]
