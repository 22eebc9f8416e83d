"""Scores of recorded scans."""

from pathlib import Path

import numpy as np
import wall

from pdn_ros.bags import layout
from pdn_ros.bags.reader import Bag
from pdn_ros.bags.writer import DriveWriter
from pdn_ros.classes import load_classes
from pdn_ros.messages.occupancy import Grid
from pdn_ros.replay.drive import Drive
from pdn_ros.replay.output import Output
from pdn_ros.replay.score import Scorer
from pdn_ros.replay.settings import ReplaySettings


def test_a_scan_counts_where_it_was_taken(tmp_path: Path) -> None:
    """The vehicle drives a meter between the scan of a wall and the image."""
    scan_ns, image_ns = wall.START_NS, wall.START_NS + 50_000_000
    rng = np.random.default_rng(1)
    scan = wall.scan(rng)
    with DriveWriter(tmp_path / "bag") as bag:
        bag.static_transforms(
            [
                (layout.BASE, layout.OPTICAL, wall.T_BASE_OPTICAL),
                (layout.BASE, layout.LIDAR, wall.T_BASE_LIDAR),
            ]
        )
        ahead = np.eye(4)
        bag.transform(scan_ns, layout.ODOM, layout.BASE, ahead)
        ahead[0, 3] = 1.0
        bag.transform(image_ns, layout.ODOM, layout.BASE, ahead)
        bag.points(scan_ns, scan)
        bag.camera_info(image_ns, wall.camera())
        bag.image(image_ns, np.zeros((wall.HEIGHT, wall.WIDTH, 3), dtype=np.uint8))
    cells = np.zeros((200, 200), dtype=np.int8)  # 0.2 m, from (0, -20) in odom
    cells[:, 58:63] = 100  # the wall, 12 m from where the scan was taken
    grid = Grid(cells, (0.0, -20.0), 0.2, layout.ODOM)
    settings = ReplaySettings(bag=tmp_path / "bag", out=tmp_path)
    with Bag(tmp_path / "bag") as recording:
        drive = Drive.open(recording, settings)
        scorer = Scorer(drive, load_classes("street"), live=False)
        for image in drive.images():
            scorer.add([(image, Output(grids={"fused": grid}))])
        # One return from the foot of the wall is taken for an obstacle before it.
        assert scorer.metrics(1.0).returns_in_free_share < 0.01
