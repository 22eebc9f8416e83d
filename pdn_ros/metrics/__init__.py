"""Each figure that is reported, computed in one place."""

from pdn_ros.metrics.bootstrap import Interval, difference
from pdn_ros.metrics.boundary import BoundaryIoU
from pdn_ros.metrics.confusion import Confusion
from pdn_ros.metrics.grids import GridScore, boxes_occupied, free_share
from pdn_ros.metrics.selection import MendableErrors, Seams, Waste
from pdn_ros.metrics.small import DetectionScores, SmallObjects

__all__ = [
    "BoundaryIoU",
    "Confusion",
    "DetectionScores",
    "GridScore",
    "Interval",
    "MendableErrors",
    "Seams",
    "SmallObjects",
    "Waste",
    "boxes_occupied",
    "difference",
    "free_share",
]
