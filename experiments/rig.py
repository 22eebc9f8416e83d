"""Is one budget for all cameras better than equal shares, and how good is the grid all around?

python experiments/rig.py [--seconds 4] [--only tables] [--keep DIR]

Simulated rigs on seeds that nothing was trained on; writes results/rig.json and the tables of
docs/rig.md.
"""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np
from evidence import DOCS, budget, read, replace_block, say, table, write
from numpy.typing import NDArray

from pdn_ros.bags.reader import Bag
from pdn_ros.config import build
from pdn_ros.metrics import GridScore
from pdn_ros.network import PatchDriveNet, patch_grid
from pdn_ros.perception.config import PerceptionConfig
from pdn_ros.replay.drive import Drive
from pdn_ros.replay.grids import HIDDEN, Sector
from pdn_ros.replay.offline import Replay
from pdn_ros.replay.output import Seen
from pdn_ros.replay.score import Scorer
from pdn_ros.replay.settings import ReplaySettings
from pdn_ros.simulation import SCENES, DriveConfig, simulate
from pdn_ros.simulation.rig import RIGS

NAME: Final = "rig"
FIRST_SEED: Final = 6000
WIDTH, HEIGHT, RATE = 1280, 720, 2.0
SHARES: Final = (0.10, 0.15, 0.25)
MAIN: Final = 0.15
EQUAL, SHARED = "equal shares", "shared"
POLICIES: Final = {
    EQUAL: {"rig.floor": 1.0, "rig.speed_weight": 0.0},
    SHARED: {},
    "shared, scores alone": {"rig.floor": 0.0, "rig.speed_weight": 0.0},
}
"""How the cameras share K; `shared` is the default."""
OCCUPIED: Final = 65


def quiet(*_: int) -> None:
    """Report no progress."""


@dataclass
class Places:
    """Grid cells by how many cameras look at them: one, or two and more, where their views meet."""

    one: GridScore = field(default_factory=GridScore)
    seams: GridScore = field(default_factory=GridScore)
    false: dict[str, list[int]] = field(default_factory=lambda: {"one": [0, 0], "seams": [0, 0]})

    def add(self, drive: Drive, seen: Seen) -> None:
        """Count a set's fused grid against the truth."""
        truth = next((image.grid for image, _ in seen if image.grid is not None), None)
        grid = next((o.grids["fused"] for _, o in seen if "fused" in o.grids), None)
        if truth is None or grid is None:
            return
        cells = truth.centers()
        looks = np.zeros(truth.data.shape, int)
        for image, _ in seen:
            camera = drive.camera_of(image)
            if camera is not None:
                header = image.header
                pose = drive.transforms.lookup(truth.frame, header.frame_id, header.stamp_ns)
                looks += Sector.of(camera, pose).contains(cells)
        counted = truth.data != HIDDEN
        said = grid.at(cells)  # both stand in odom
        for name, score, where in (("one", self.one, looks == 1), ("seams", self.seams, looks > 1)):
            score.update(grid, truth, where=counted & where)
            free = (truth.data == 0) & where & (said >= 0)
            self.false[name][0] += int((free & (said >= OCCUPIED)).sum())
            self.false[name][1] += int(free.sum())

    def figures(self) -> dict[str, dict[str, float]]:
        """Return the figures of both kinds of cells, in percent."""
        found = {}
        for name, score in (("one", self.one), ("seams", self.seams)):
            wrong, free = self.false[name]
            found[name] = {
                "free_iou": percent(score.free_iou),
                "false_free": percent(score.false_free),
                "false_obstacles": percent(wrong / max(1, free)),
            }
        return found


def percent(value: float) -> float:
    """Return a share in percent, rounded."""
    return round(100 * value, 3)


def config_of(rig: str, share: float, policy: str, patches: int) -> PerceptionConfig:
    """Return the configuration of a rig, K being a share of the patches of all its cameras."""
    names = [mount.name for mount in RIGS[rig]]
    k = budget(share, len(names) * patches)
    return build(PerceptionConfig, {"cameras": names, "budget": k, **POLICIES[policy]})


def evaluated(
    bag_path: Path, config: PerceptionConfig, scores: "Scores | None", places: Places | None
) -> dict[str, Any]:
    """Replay a bag; returns the grid's figures."""
    settings = ReplaySettings(
        bag=bag_path, out=bag_path.with_name("replay"), cameras=config.cameras
    )
    with Bag(bag_path) as bag:
        drive = Drive.open(bag, settings)
        replay = Replay(settings, drive, config)
        scorer = Scorer(drive, replay.classes, live=False)
        for seen in replay.outputs(quiet):
            scorer.add(seen)
            if places is not None:
                places.add(drive, seen)
        if scores is not None:
            scores.add(scorer)
        return {k: asdict(v) for k, v in scorer.metrics(replay.rate_hz).grid.items()}


@dataclass
class Scores:
    """Masks of several drives together."""

    parts: list[Any] = field(default_factory=list)

    def add(self, scorer: Scorer) -> None:
        """Add a drive."""
        self.parts += scorer.cameras.values()

    def figures(self) -> dict[str, float]:
        """Return the figures over all cameras, in percent, and the images."""
        total = type(self.parts[0]).of(self.parts[0].classes, self.parts)
        masks = total.masks()
        return {
            "images": len(total.rows),
            "small_f1": percent(masks.small.f1),
            "small_recall": percent(masks.small.recall),
            "small_precision": percent(masks.small.precision),
            "miou": percent(masks.miou),
            "thin_miou": percent(masks.thin_miou),
        }


def bag_of(folder: Path, rig: str, scene: str, seconds: float) -> Path:
    """Return the bag of a simulated drive, made when it is not there."""
    path = folder / f"{rig}-{scene}"
    if not path.exists():
        say(f"{path.name}: simulating ...")
        config = DriveConfig(
            seconds=seconds,
            rate=RATE,
            width=WIDTH,
            height=HEIGHT,
            seed=FIRST_SEED + SCENES.index(scene),
            scene=scene,
            rig=rig,
        )
        simulate(config, path, quiet)
    return path


def measured(folder: Path, seconds: float) -> dict[str, Any]:
    """Run everything."""
    patches = patch_grid(HEIGHT, WIDTH, PatchDriveNet.load().config).count
    bags = [bag_of(folder, "three", scene, seconds) for scene in SCENES]
    masks: dict[str, Any] = {}
    places = {"three": Places(), "six": Places()}
    grids: dict[str, Any] = {"three": {}, "six": {}}
    for share in SHARES:
        for policy in POLICIES if share == MAIN else (EQUAL, SHARED):
            say(f"{policy}, K = {share:.0%} ...")
            scores, main = Scores(), (share, policy) == (MAIN, SHARED)
            config = config_of("three", share, policy, patches)
            for bag, scene in zip(bags, SCENES, strict=True):
                found = evaluated(bag, config, scores, places["three"] if main else None)
                if main:
                    grids["three"][scene] = found
            masks.setdefault(f"{share:.2f}", {})[policy] = scores.figures()
    bag = bag_of(folder, "six", SCENES[0], seconds)
    config = config_of("six", MAIN, SHARED, patches)
    grids["six"][SCENES[0]] = evaluated(bag, config, None, places["six"])
    return {
        "seconds": seconds,
        "rate": RATE,
        "size": [WIDTH, HEIGHT],
        "seed": FIRST_SEED,
        "masks": masks,
        "grid": grids,
        "places": {rig: one.figures() for rig, one in places.items()},
    }


def quality(found: dict[str, Any]) -> str:
    """A row for each K and way to share it."""
    keys = ("small_f1", "small_recall", "small_precision", "miou", "thin_miou")
    rows = [
        [f"{float(share):.0%}", policy, *(f"{figures[key]:.1f}" for key in keys)]
        for share, policies in found["masks"].items()
        for policy, figures in policies.items()
    ]
    header = ["K", "cameras", "small F1", "recall", "precision", "mIoU", "thin mIoU"]
    return table(header, rows)


def around(found: dict[str, Any]) -> str:
    """A row for each rig and kind of cells."""
    rows = []
    for rig, places in found["places"].items():
        fused = [one["fused"] for one in found["grid"][rig].values()]
        free, wrong = (np.array([one[key] for one in fused]) for key in ("free_iou", "false_free"))
        rows.append(
            [f"{rig}, all cells", spread(100 * free, 1), spread(100 * wrong, 2), ""],
        )
        for name, figures in places.items():
            what = "one camera sees" if name == "one" else "two cameras see"
            rows.append(
                [f"{rig}, cells that {what}", f"{figures['free_iou']:.1f}",
                 f"{figures['false_free']:.2f}", f"{figures['false_obstacles']:.2f}"]
            )  # fmt: skip
    header = ["rig", "free IoU, %", "false free, %", "free cells called occupied, %"]
    return table(header, rows)


def spread(values: NDArray[np.float64], digits: int) -> str:
    """Return the scenes' figures."""
    return " / ".join(f"{value:.{digits}f}" for value in values)


@contextmanager
def folder_of(keep: Path | None) -> Iterator[Path]:
    """Yield where the bags are: a folder that stays, or one that goes."""
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        yield keep
        return
    with TemporaryDirectory() as name:
        yield Path(name)


def main() -> None:
    """Measure what is asked for and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--only", choices=("tables",))
    parser.add_argument("--keep", type=Path)
    arguments = parser.parse_args()
    if arguments.only != "tables":
        with folder_of(arguments.keep) as folder:
            write(NAME, measured(folder, arguments.seconds))
    found = read(NAME)
    replace_block(DOCS / "rig.md", "quality", quality(found))
    replace_block(DOCS / "rig.md", "grid", around(found))


if __name__ == "__main__":
    main()
