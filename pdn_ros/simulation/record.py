"""Writes a simulated drive as a rosbag2 recording with its truth."""

from collections.abc import Callable
from pathlib import Path

from pdn_ros.bags import layout
from pdn_ros.bags.writer import DriveWriter
from pdn_ros.simulation.drive import EPOCH_NS, DriveConfig, render_drive
from pdn_ros.simulation.rig import CAMERA_OPTICAL
from pdn_ros.simulation.scene import draw_course

ODOMETRY_HZ = 50.0


def simulate(
    config: DriveConfig, out: Path, progress: Callable[[int, int], None] | None = None
) -> None:
    """Write the drive to a bag; images and scans have the same stamps.

    Odometry stands in `/tf` at every frame's stamp and at 50 Hz, from before the first frame to
    after the last.

    Args:
        config: The drive.
        out: The bag's folder.
        progress: Called with the frames done and their number.

    Raises:
        InputError: Unknown scene, or the bag cannot be written.
    """
    ego, street = draw_course(config.scene, config.seed, config.seconds)
    rig = config.rig
    with DriveWriter(out) as bag:
        bag.static_transforms(
            [
                (layout.BASE, layout.LIDAR, rig.base_lidar),
                (layout.BASE, layout.CAMERA, rig.base_camera),
                (layout.CAMERA, layout.OPTICAL, CAMERA_OPTICAL),
            ]
        )
        for stamp, time in _odometry_times(config):
            bag.transform(stamp, layout.ODOM, layout.BASE, ego.pose(street, time))
        for done, frame in enumerate(render_drive(config), 1):
            stamp = frame.stamp_ns
            bag.image(stamp, frame.image)
            bag.camera_info(stamp, rig.camera)
            bag.mask(stamp, frame.mask)
            bag.depth(stamp, frame.depth)
            bag.boxes(stamp, list(frame.boxes))
            if frame.scan is not None:
                bag.points(stamp, frame.scan)
            if frame.occupancy is not None:
                bag.occupancy(stamp, frame.occupancy)
            if progress is not None:
                progress(done, config.frames)


def _odometry_times(config: DriveConfig) -> list[tuple[int, float]]:
    """Return stamps and times: the frames' and a steady rate around them."""
    margin = 3
    steps = range(-margin, round((config.frames / config.rate) * ODOMETRY_HZ) + margin)
    times = [k / ODOMETRY_HZ for k in steps] + [k / config.rate for k in range(config.frames)]
    return sorted({EPOCH_NS + round(t * 1e9): t for t in times}.items())
