"""Training of PatchDriveNet: data mixture, losses, staged schedule, loop."""

from pdn_ros.training.loop import run

__all__ = ["run"]
