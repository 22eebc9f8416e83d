"""Simulated drives through procedurally made streets, with exact labels."""

from pdn_ros.simulation.drive import DriveConfig, DriveFrame, render_drive
from pdn_ros.simulation.folder import sample_drives, write_folder
from pdn_ros.simulation.layout import LAYOUTS
from pdn_ros.simulation.record import simulate

SCENES = tuple(LAYOUTS)
"""Names of the scenes."""

__all__ = [
    "SCENES",
    "DriveConfig",
    "DriveFrame",
    "render_drive",
    "sample_drives",
    "simulate",
    "write_folder",
]
