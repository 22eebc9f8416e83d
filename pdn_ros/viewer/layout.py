"""The layout in which the viewer shows a scene."""

from typing import Final

import rerun.blueprint as rrb

from pdn_ros.viewer import scene

_PLOTS: Final = {"rate": "Masks a second", "age": "Age and latency, ms", "patches": "Patches (K)"}


def layout() -> rrb.Blueprint:
    """Return the layout: camera, world, saliency, and plots below."""
    pictures = rrb.Vertical(
        rrb.Spatial2DView(origin=scene.CAMERA, name="Camera, mask and patches"),
        rrb.Spatial2DView(origin=scene.SALIENCY, name="Saliency"),
    )
    world = rrb.Spatial3DView(
        origin=scene.ROBOT,  # so that the view goes along
        contents=[f"/{scene.WORLD}/**", f"- /{scene.MASK}", f"- /{scene.PATCHES}"],
        name="LiDAR, grid and boxes",
        eye_controls=rrb.EyeControls3D(position=(-12.0, 0.0, 9.0), look_target=(8.0, 0.0, 0.0)),
    )
    plots = [
        rrb.TimeSeriesView(origin=f"{scene.FIGURES}/{group}", name=name)
        for group, name in _PLOTS.items()
    ]
    messages = rrb.TextLogView(origin=scene.MESSAGES, name="Messages")
    return rrb.Blueprint(
        rrb.Vertical(
            rrb.Horizontal(pictures, world, column_shares=[2, 3]),
            rrb.Horizontal(*plots, messages),
            row_shares=[3, 1],
        ),
        rrb.BlueprintPanel(state="collapsed"),
        rrb.SelectionPanel(state="collapsed"),
        rrb.TimePanel(state="collapsed", timeline=scene.TIMELINE),
    )
