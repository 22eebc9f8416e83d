"""From a frame to a result, on whatever backend is there. Needs torch, knows no ROS."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pdn_ros.perception.frame import Frame, Result
    from pdn_ros.perception.pipeline import Pipeline, PipelineConfig

__all__ = ["Frame", "Pipeline", "PipelineConfig", "Result"]


def __getattr__(name: str) -> Any:
    """Import torch only for those who segment: `images` does without."""
    if name in ("Frame", "Result"):
        from pdn_ros.perception import frame

        return getattr(frame, name)
    if name in ("Pipeline", "PipelineConfig"):
        from pdn_ros.perception import pipeline

        return getattr(pipeline, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
