"""Pictures of what the network and the grid say: numpy and OpenCV, fast enough for a node."""

from pdn_ros.visualization.colours import colours, save_mask
from pdn_ros.visualization.grid import grid_image
from pdn_ros.visualization.overlays import depth_overlay, overlay, saliency

__all__ = ["colours", "depth_overlay", "grid_image", "overlay", "saliency", "save_mask"]
