"""Simulated drives through procedurally generated streets, with exact labels."""

from pdn_ros.simulation.drive_rendering import DriveConfig, DriveFrame, render_drive
from pdn_ros.simulation.drive_writing import sample_drives, simulate, write_folder
from pdn_ros.simulation.street import LAYOUTS

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
