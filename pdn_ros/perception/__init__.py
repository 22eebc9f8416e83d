"""An image's and a scan's whole path, on any installed backend. Independent of ROS."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pdn_ros.perception.config import PipelineConfig
    from pdn_ros.perception.pipeline import Pipeline

__all__ = ["Pipeline", "PipelineConfig"]


def __getattr__(name: str) -> Any:
    """Import torch only for segmentation: the LiDAR's path does not need it."""
    if name == "Pipeline":
        from pdn_ros.perception.pipeline import Pipeline

        return Pipeline
    if name == "PipelineConfig":
        from pdn_ros.perception.config import PipelineConfig

        return PipelineConfig
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
