"""Replay runs what the nodes run: the same recording gives the same bytes both ways."""

from pathlib import Path

import pytest
import wall

pytest.importorskip("rclpy", exc_type=ImportError)
pytest.importorskip("torch")
pytestmark = pytest.mark.ros

from pdn_ros.bags.reader import Bag  # noqa: E402
from pdn_ros.config import build  # noqa: E402
from pdn_ros.messages.cdr import read_header  # noqa: E402
from pdn_ros.messages.patches import read_patches  # noqa: E402
from pdn_ros.perception.config import PerceptionConfig  # noqa: E402
from pdn_ros.replay.drive import Drive  # noqa: E402
from pdn_ros.replay.live import Live  # noqa: E402
from pdn_ros.replay.offline import Replay  # noqa: E402
from pdn_ros.replay.output import (  # noqa: E402
    CONFIDENCE,
    MASK,
    OCCUPANCY,
    PATCHES,
    topic_of,
)
from pdn_ros.replay.settings import Rate, ReplaySettings  # noqa: E402

CHANGED = {"backend": "torch", "device": "cpu", "grid.size_m": [30.0, 20.0], "lidar.weight": 0.7}

IMAGES = (MASK, CONFIDENCE, PATCHES)
Recorded = dict[str, dict[int, bytes]]
"""Messages by topic and stamp."""


def recorded(out: Path) -> Recorded:
    """The last message of each topic by its stamp."""
    with Bag(out / "outputs") as bag:
        topics = [name for name in bag.topics if name.startswith("/perception/")]
        found: Recorded = {topic: {} for topic in topics}
        for message in bag.messages([t for t in topics if "debug" not in t]):
            found[message.topic][read_header(message.data).stamp_ns] = bytes(message.data)
    return found


def both_ways(
    bag_path: Path, out: Path, *, lidar: bool = True, **values: object
) -> dict[str, Recorded]:
    """What the node publishes and what replay records."""
    ways = {}
    for way, kind in (("node", Live), ("replay", Replay)):
        # Over DDS a scan comes while its image is taken; in a recording it is there before.
        wait_ms = 1000.0 if kind is Live else 0.0
        config = build(PerceptionConfig, {**CHANGED, "lidar.wait_ms": wait_ms, **values})
        # Two images a second: nothing is dropped.
        settings = ReplaySettings(
            bag=bag_path,
            out=out / way,
            live=True,
            rate=Rate(2.0, True),
            cameras=config.cameras,
            lidar=lidar,
        )
        with Bag(bag_path) as bag:
            source = kind(settings, Drive.open(bag, settings), config)
            seen = [pair for pairs in source.outputs(lambda *_: None) for pair in pairs]
        assert not any(output.error for _, output in seen)
        ways[way] = recorded(settings.out)
    return ways


def assert_same(ways: dict[str, Recorded], topic: str, stamp: int) -> None:
    sent, written = ways["node"][topic][stamp], ways["replay"][topic][stamp]
    # DDS pads what it sends to whole words.
    assert sent == written + bytes(-len(written) % 4), (topic, stamp)


def test_the_nodes_and_replay_give_the_same_masks_patches_and_grids(
    drive: Path, tmp_path: Path
) -> None:
    ways = both_ways(drive, tmp_path)
    stamps = sorted(ways["replay"][MASK])
    assert len(stamps) == 5
    for stamp in stamps:
        assert read_patches(ways["node"][PATCHES][stamp]).prior is not None
        for topic in (*IMAGES, OCCUPANCY):
            assert_same(ways, topic, stamp)


def test_so_they_do_for_a_rig(rig: Path, tmp_path: Path) -> None:
    ways = both_ways(rig, tmp_path, lidar=False, cameras=list(wall.NAMES), sync_ms=400.0)
    assert len(ways["replay"][OCCUPANCY]) == wall.SETS
    assert ways["node"][OCCUPANCY]
    for name in wall.NAMES:
        topics = [topic_of(topic, name) for topic in IMAGES]
        stamps = sorted(ways["replay"][topics[0]])
        assert len(stamps) == wall.SETS
        # The node does not wait for a camera that has been silent: the first set is one of one.
        for stamp in stamps[1:]:
            for topic in topics:
                assert_same(ways, topic, stamp)
