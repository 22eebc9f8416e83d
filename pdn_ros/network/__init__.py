"""PatchDriveNet: the network, from an image to logits and a mask. Needs torch, knows no ROS."""

from pdn_ros.network.model import PatchDriveNet
from pdn_ros.network.network_config import NetworkConfig, PatchGrid, patch_grid
from pdn_ros.network.predict import Frame, Options, Parts, Prediction, Times, predict, predict_set

__all__ = [
    "Frame",
    "NetworkConfig",
    "Options",
    "Parts",
    "PatchDriveNet",
    "PatchGrid",
    "Prediction",
    "Times",
    "patch_grid",
    "predict",
    "predict_set",
]
