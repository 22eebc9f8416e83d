"""A seeded street: what stands where, what moves, and in which light."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pdn_ros.errors import InputError
from pdn_ros.simulation.actors import Actor, Ego, draw_actors
from pdn_ros.simulation.assets_buildings import add_facades
from pdn_ros.simulation.assets_furniture import add_signs
from pdn_ros.simulation.light import Light
from pdn_ros.simulation.mesh import Mesh, join
from pdn_ros.simulation.placing import furnish
from pdn_ros.simulation.road_surface import ground_mesh, median_mesh, paint_ground
from pdn_ros.simulation.street import LAYOUTS, Labels, Layout, Path, Plan
from pdn_ros.simulation.textures import Atlas, AtlasBuilder, add_surfaces

BEHIND, AHEAD = 40.0, 170.0
"""How far the street reaches beyond the driven part, in meters."""


@dataclass(frozen=True, slots=True)
class SceneObject:
    """Something that stands still and that a box is drawn around.

    Attributes:
        instance: Object id.
        label: Class id.
        pose: T_world_object, 4x4.
        low: (3,) smallest corner in the object's frame.
        high: (3,) largest corner in the object's frame.
    """

    instance: int
    label: int
    pose: NDArray[np.float64]
    low: NDArray[np.float32]
    high: NDArray[np.float32]


class SceneBuilder:
    """Collects meshes, objects with boxes, and obstacles' footprints."""

    def __init__(self) -> None:
        self.meshes: list[Mesh] = []
        self.objects: list[SceneObject] = []
        self.obstacles: list[tuple[Mesh, float]] = []

    def put(self, mesh: Mesh, at: NDArray[np.float64], *, boxed: bool = False) -> None:
        """Add a mesh at a pose; `boxed` makes it an object of its own."""
        if boxed:
            number = len(self.objects) + 1
            low, high = mesh.bounds()
            self.objects.append(SceneObject(number, int(mesh.label[0]), at, low, high))
            mesh = mesh.of(number)
        placed = mesh.moved(at)
        self.meshes.append(placed)
        self.obstacles.append((placed, float(at[2, 3])))


@dataclass(frozen=True, slots=True)
class StreetScene:
    """The whole world of a drive; its frame is `odom`.

    Attributes:
        name: Kind of street.
        path: Center line.
        layout: Cross-section.
        labels: Class ids.
        atlas: Textures.
        static: What stands still.
        ground: Material of the painted strip, whose texels carry class ids.
        objects: Still objects with boxes.
        obstacles: Placed meshes of things on the ground, with the ground's height.
        actors: What moves.
        ego: The recording vehicle's course.
        plan: Where the crossings are.
        light: Weather and time of day.
    """

    name: str
    path: Path
    layout: Layout
    labels: Labels
    atlas: Atlas
    static: Mesh
    ground: int
    objects: tuple[SceneObject, ...]
    obstacles: tuple[tuple[Mesh, float], ...]
    actors: tuple[Actor, ...]
    ego: Ego
    plan: Plan
    light: Light


def _streams(name: str, seed: int) -> list[np.random.Generator]:
    """Return one generator per part: a change in one part leaves the others as they are.

    Raises:
        InputError: No scene has this name.
    """
    if name not in LAYOUTS:
        raise InputError(f"scene {name!r}: unknown; use one of {', '.join(LAYOUTS)}")
    return np.random.default_rng([seed, sorted(LAYOUTS).index(name)]).spawn(7)


def _course(
    rng: np.random.Generator, layout: Layout, seconds: float
) -> tuple[Plan, Ego, Path, float]:
    """Return the plan, the vehicle's course, the street's center line and the driven length."""
    plan, ego = Plan.draw(rng), Ego.draw(rng, layout)
    driven = ego.s(seconds)
    path = Path.winding(rng, -BEHIND, driven + AHEAD, bend=layout.bend, slope=layout.slope)
    return plan, ego, path, driven


def draw_course(name: str, seed: int, seconds: float) -> tuple[Ego, Path]:
    """Return only the vehicle's course and the center line of the scene; see `build_scene`."""
    _, ego, path, _ = _course(_streams(name, seed)[0], LAYOUTS[name], seconds)
    return ego, path


def build_scene(name: str, seed: int, seconds: float) -> StreetScene:
    """Return the street of this name and seed, long enough for a drive of `seconds`.

    Raises:
        InputError: No scene has this name.
    """
    course, colors, paving, place, people, weather, facades = _streams(name, seed)
    layout, labels = LAYOUTS[name], Labels.street()
    plan, ego, path, driven = _course(course, layout, seconds)
    atlas = AtlasBuilder()
    add_surfaces(atlas, colors)
    add_signs(atlas)
    add_facades(atlas, facades, 7)
    ground = paint_ground(atlas, layout, plan, labels, paving)
    stage = SceneBuilder()
    furnish(stage, place, atlas, layout, plan, labels, path)
    first = len(stage.objects) + 1
    actors = draw_actors(people, atlas, layout, plan, labels, ego, driven, first)
    land = ground_mesh(path, layout, plan, labels, atlas, ground)
    islands = median_mesh(path, layout, plan, labels, atlas) if layout.median else []
    return StreetScene(
        name=name,
        path=path,
        layout=layout,
        labels=labels,
        atlas=atlas.build(),
        static=join([land, *islands, *stage.meshes]),
        ground=ground,
        objects=tuple(stage.objects),
        obstacles=tuple(stage.obstacles),
        actors=tuple(actors),
        ego=ego,
        plan=plan,
        light=Light.draw(weather),
    )
