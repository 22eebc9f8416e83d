"""What moves: the recording vehicle's course, traffic, cyclists and pedestrians."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pdn_ros.simulation.assets_people import PHASES, cyclist, pedestrian
from pdn_ros.simulation.assets_vehicles import vehicle
from pdn_ros.simulation.mesh import Mesh
from pdn_ros.simulation.street import CURB, Labels, Layout, Path, Plan
from pdn_ros.simulation.textures import AtlasBuilder


@dataclass(frozen=True, slots=True)
class Ego:
    """The recording vehicle's course along the path."""

    speed: float
    t: float
    phase: float

    @classmethod
    def draw(cls, rng: np.random.Generator, layout: Layout) -> "Ego":
        """Draw speed and phase."""
        speed = {1: 9.5, 2: 11.0}[layout.lanes] + rng.uniform(-1, 1)
        return cls(float(speed), layout.ego_t + 0.12, float(rng.uniform(0, 6)))

    def s(self, time: float) -> float:
        """Return the distance driven after `time` seconds."""
        return self.speed * time + 2.5 * float(np.sin(0.5 * time + self.phase) - np.sin(self.phase))

    def lateral(self, s: float) -> float:
        """Return the vehicle's lateral position at s, meters to the left of the center line."""
        return self.t + 0.16 * float(np.sin(s / 23.0 + self.phase))

    def pose(self, path: Path, time: float) -> NDArray[np.float64]:
        """Return T_odom_base, 4x4: base_link on the road below the vehicle's middle."""
        s = self.s(time)
        drift = float(np.arctan(self.lateral(s + 0.5) - self.lateral(s - 0.5)))
        at = path.place(s, self.lateral(s), 0.0, drift, level=False)
        # Springs: pitch and roll of some tenths of a degree.
        pitch = 0.003 * np.sin(5.1 * time + self.phase) + 0.002 * np.sin(8.7 * time)
        roll = 0.003 * np.sin(3.3 * time + 2 * self.phase)
        c, s_ = np.cos(pitch), np.sin(pitch)
        sway = np.eye(4)
        sway[:3, :3] = np.array([[c, 0, s_], [0, 1, 0], [-s_, 0, c]]) @ np.array(
            [[1, 0, 0], [0, np.cos(roll), -np.sin(roll)], [0, np.sin(roll), np.cos(roll)]]
        )
        return np.asarray(at @ sway)

    def reaches(self, s: float) -> float:
        """Return the time at which the vehicle reaches s."""
        times = np.arange(0, 600, 0.1)
        return float(np.interp(s, [self.s(float(t)) for t in times], times))


@dataclass(frozen=True, slots=True)
class Actor:
    """A thing that moves at a steady speed along or across the street.

    Attributes:
        poses: One mesh, or a cycle of `PHASES` meshes.
        label: Class id.
        instance: Object id.
        s: Place along the street at time 0.
        t: Place across it at time 0.
        speed: Meters per second in its own direction.
        yaw: Direction relative to the path's: 0, pi (oncoming) or +-pi/2 (crossing).
        cycle: Meters that one cycle of poses covers.
        z: Height of the ground below it.
        begins: Time until which it stands (s).
        level: Stands upright on a slope.
        follows: Keeps its distance to the recording vehicle, from which s then counts.
    """

    poses: list[Mesh]
    label: int
    instance: int
    s: float
    t: float
    speed: float
    yaw: float = 0.0
    cycle: float = 1.4
    z: float = 0.0
    begins: float = 0.0
    level: bool = True
    follows: Ego | None = None
    until: float = field(default=np.inf)

    def station(self, time: float) -> tuple[float, float, float]:
        """Return s, t and the distance covered at `time`."""
        gone = self.speed * float(np.clip(time - self.begins, 0.0, self.until))
        if self.follows is not None:
            s = self.follows.s(time + 0.4) + self.s + 2.0 * float(np.sin(0.35 * time + self.s))
            return s, self.t, s
        return (
            self.s + gone * float(np.cos(self.yaw)),
            self.t + gone * float(np.sin(self.yaw)),
            gone,
        )

    def place(self, path: Path, time: float) -> tuple[NDArray[np.float64], Mesh]:
        """Return its pose in the world at `time` and its mesh in its own frame."""
        s, t, gone = self.station(time)
        index = int(gone / self.cycle * PHASES) % len(self.poses)
        return path.place(s, t, self.z, self.yaw, level=self.level), self.poses[index]


def draw_actors(
    rng: np.random.Generator,
    atlas: AtlasBuilder,
    layout: Layout,
    plan: Plan,
    labels: Labels,
    ego: Ego,
    end: float,
    first_id: int,
) -> list[Actor]:
    """Draw all that moves on a street of which the vehicle drives the first `end` meters."""
    actors: list[Actor] = []
    edge = layout.road_half - layout.parking

    def add(
        poses: list[Mesh], label: int, s: float, t: float, speed: float, **more: object
    ) -> None:
        actors.append(Actor(poses, label, first_id + len(actors), s, t, speed, **more))  # type: ignore[arg-type]

    def car() -> list[Mesh]:
        kind = rng.choice(
            ["sedan", "hatchback", "suv", "van", "truck", "bus"],
            p=[0.3, 0.28, 0.2, 0.1, 0.07, 0.05],
        )
        return [vehicle(rng, atlas, labels, str(kind))]

    for lane in range(layout.lanes):
        t = layout.median / 2 + (lane + 0.5) * layout.lane_width
        speed = float(rng.uniform(8, 12))
        gap = 100.0 / layout.traffic * layout.lanes
        s = float(rng.uniform(25, 60))
        while s < end * 2.2 + 60:
            add(car(), labels.vehicle, s, t, speed, yaw=np.pi, level=False)
            s += max(14.0, float(rng.uniform(0.5, 1.5)) * gap)
        if lane > 0:
            s = float(rng.uniform(-30, 30))
            while s < end:
                add(car(), labels.vehicle, s, -t, ego.speed * 0.85, level=False)
                s += max(16.0, float(rng.uniform(0.6, 1.6)) * gap)
    if rng.random() < 0.7:
        lead = float(rng.uniform(17, 34))
        add(car(), labels.vehicle, lead, layout.ego_t, 0.0, follows=ego, level=False)
    for side in (-1.0, 1.0):
        s = float(rng.uniform(14, 40))
        while s < end + 60:
            t = side * (edge - 0.42)
            yaw = 0.0 if side < 0 else np.pi
            add(cyclist(rng, atlas, labels), labels.cyclist, s, t, float(rng.uniform(3.2, 5.5)),
                yaw=yaw, cycle=5.0, level=False)  # fmt: skip
            s += float(rng.uniform(25, 70))
        s = -10.0
        while s < end + 90:
            t = side * (layout.road_half + float(rng.uniform(0.75, layout.sidewalk - 0.35)))
            yaw = 0.0 if rng.random() < 0.5 else np.pi
            if plan.to_crossroads(s) > plan.side_half + 2:
                walks = rng.random() < 0.85
                speed = float(rng.uniform(0.9, 1.7)) if walks else 0.0
                turn = yaw if walks else float(rng.uniform(0, 6))
                person = labels.pedestrian
                figure = pedestrian(rng, atlas, labels, walking=bool(walks))
                add(figure, person, s, t, speed, yaw=turn, z=CURB)
                if rng.random() < 0.3:
                    beside = t + (0.65 if abs(t + 0.65) > layout.road_half + 0.5 else -0.65)
                    figure = pedestrian(rng, atlas, labels, walking=bool(walks))
                    add(figure, person, s + 0.3, beside, speed, yaw=turn, z=CURB)
            s += float(rng.exponential(100.0 / layout.pedestrians)) + 0.8
    for at in plan.repeats(plan.zebra, 10, end + 60) + plan.repeats(
        plan.crossroads - plan.side_half - 6.7, 10, end + 60
    ):
        for _ in range(int(rng.integers(1, 4))):
            side = float(rng.choice([-1.0, 1.0]))
            speed = float(rng.uniform(1.2, 1.7))
            width = 2 * layout.road_half + 1.2
            leaves = max(0.0, ego.reaches(at - 14) - width / speed - float(rng.uniform(0, 4)))
            add(pedestrian(rng, atlas, labels, walking=True), labels.pedestrian,
                at + float(rng.uniform(-1.4, 1.4)), side * width / 2, speed, yaw=-side * np.pi / 2,
                begins=leaves, until=width / speed)  # fmt: skip
    return actors
