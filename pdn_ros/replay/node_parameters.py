"""The nodes' parameters that an offline evaluation needs too."""

from dataclasses import dataclass
from typing import Any

import yaml

from pdn_ros.geometry.grid import GridConfig
from pdn_ros.resources import config_path


@dataclass(frozen=True, slots=True)
class NodeParameters:
    """Values of `config/perception.yaml`."""

    lidar_weight: float
    lidar_max_age_ms: float
    grid_frame: str
    grid: GridConfig

    @classmethod
    def shipped(cls) -> "NodeParameters":
        """Read the file that ships with the package."""
        text = config_path("perception.yaml").read_text(encoding="utf-8")
        values = _parameters(yaml.safe_load(text))
        lidar, grid = values["lidar"], values["grid"]
        return cls(
            lidar_weight=float(lidar["weight"]),
            lidar_max_age_ms=float(lidar["max_age_ms"]),
            grid_frame=str(grid["frame"]),
            grid=GridConfig(
                size_m=(float(grid["size_m"][0]), float(grid["size_m"][1])),
                resolution=float(grid["resolution"]),
                max_range=float(grid["max_range"]),
                decay_s=float(grid["decay_s"]),
                free_threshold=int(grid["free_threshold"]),
                occupied_threshold=int(grid["occupied_threshold"]),
            ),
        )


def _parameters(document: dict[str, Any]) -> dict[str, Any]:
    """The parameters of the one node in a ROS parameter file."""
    (node,) = document.values()
    parameters: dict[str, Any] = node["ros__parameters"]
    return parameters
