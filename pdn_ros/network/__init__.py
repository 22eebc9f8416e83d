"""PatchDriveNet: the network, from an image to logits and a mask. Needs torch, knows no ROS."""

from pdn_ros.network.model import PatchDriveNet
from pdn_ros.network.network_config import NetworkConfig, PatchGrid, patch_grid
from pdn_ros.network.predict import Options, Parts, Prediction, Times, predict

__all__ = [
    "NetworkConfig",
    "Options",
    "Parts",
    "PatchDriveNet",
    "PatchGrid",
    "Prediction",
    "Times",
    "patch_grid",
    "predict",
]
