"""Each figure that is reported, computed in one place."""

from pdn_ros.metrics.boundary import BoundaryIoU
from pdn_ros.metrics.confusion import Confusion
from pdn_ros.metrics.grids import GridScore, boxes_occupied, free_share
from pdn_ros.metrics.selection import MendableErrors, Seams, Waste

__all__ = [
    "BoundaryIoU",
    "Confusion",
    "GridScore",
    "MendableErrors",
    "Seams",
    "Waste",
    "boxes_occupied",
    "free_share",
]
