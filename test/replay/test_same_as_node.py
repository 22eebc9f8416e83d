"""Replay runs what the nodes run: the same recording gives the same bytes both ways."""

from pathlib import Path

import pytest

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
from pdn_ros.replay.output import CONFIDENCE, MASK, OCCUPANCY, PATCHES  # noqa: E402
from pdn_ros.replay.settings import Rate, ReplaySettings  # noqa: E402

CHANGED = {"backend": "torch", "device": "cpu", "grid.size_m": [30.0, 20.0], "lidar.weight": 0.7}


def recorded(out: Path) -> dict[str, dict[int, bytes]]:
    """The last message of each topic by its stamp."""
    with Bag(out / "outputs") as bag:
        topics = (MASK, CONFIDENCE, PATCHES, OCCUPANCY)
        found: dict[str, dict[int, bytes]] = {topic: {} for topic in topics}
        for message in bag.messages(topics):
            found[message.topic][read_header(message.data).stamp_ns] = bytes(message.data)
    return found


def test_the_nodes_and_replay_give_the_same_masks_patches_and_grids(
    drive: Path, tmp_path: Path
) -> None:
    ways = {}
    for way, kind in (("node", Live), ("replay", Replay)):
        # Over DDS a scan comes while its image is taken; in a recording it is there before.
        wait_ms = 1000.0 if kind is Live else 0.0
        config = build(PerceptionConfig, {**CHANGED, "lidar.wait_ms": wait_ms})
        # Two images a second: nothing is dropped.
        settings = ReplaySettings(bag=drive, out=tmp_path / way, live=True, rate=Rate(2.0, True))
        with Bag(drive) as bag:
            source = kind(settings, Drive.open(bag, settings), config)
            outputs = [pair for seen in source.outputs(lambda *_: None) for pair in seen]
        assert [output.error for _, output in outputs] == [""] * 5
        ways[way] = recorded(settings.out)
    stamps = sorted(ways["replay"][MASK])
    assert len(stamps) == 5
    for stamp in stamps:
        assert read_patches(ways["node"][PATCHES][stamp]).prior is not None
        for topic in (MASK, CONFIDENCE, PATCHES, OCCUPANCY):
            sent, written = ways["node"][topic][stamp], ways["replay"][topic][stamp]
            # DDS pads what it sends to whole words.
            assert sent == written + bytes(-len(written) % 4), (topic, stamp)
