"""Is one budget for all cameras better than equal shares, and how good is the grid all around?

python experiments/rig.py [--seconds 3] [--only tables] [--keep DIR]

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

from pdn_ros.bags.layout import optical_frame
from pdn_ros.bags.reader import Bag
from pdn_ros.classes import ClassSet
from pdn_ros.config import build
from pdn_ros.metrics import GridScore, SmallObjects
from pdn_ros.metrics.bootstrap import difference
from pdn_ros.metrics.small import f1
from pdn_ros.network import PatchDriveNet, patch_grid
from pdn_ros.perception.config import PerceptionConfig
from pdn_ros.replay.camera_score import CameraScore
from pdn_ros.replay.drive import Drive
from pdn_ros.replay.grids import HIDDEN, Sector
from pdn_ros.replay.offline import Replay
from pdn_ros.replay.output import Seen
from pdn_ros.replay.score import Scorer
from pdn_ros.replay.settings import ReplaySettings
from pdn_ros.simulation import SCENES, DriveConfig, simulate
from pdn_ros.simulation.rig import RIGS, Rig

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
KINDS: Final = {"one": "one camera looks at", "seams": "two look at"}


def quiet(*_: int) -> None:
    """Report no progress."""


@dataclass
class Places:
    """Grid cells by how many of a rig's cameras look at them: one, or more where views meet."""

    rig: Rig
    scores: dict[str, GridScore] = field(default_factory=lambda: {k: GridScore() for k in KINDS})
    false: dict[str, list[int]] = field(default_factory=lambda: {k: [0, 0] for k in KINDS})

    def add(self, drive: Drive, seen: Seen) -> None:
        """Count a set's fused grid against the truth."""
        truth = next((image.grid for image, _ in seen if image.grid is not None), None)
        grid = next((o.grids["fused"] for _, o in seen if "fused" in o.grids), None)
        if truth is None or grid is None:
            return
        cells, stamp_ns = truth.centers(), seen[0][0].header.stamp_ns
        looks = np.zeros(truth.data.shape, int)
        for mounted in self.rig.cameras:
            frame = optical_frame(mounted.name)
            pose = drive.transforms.lookup(truth.frame, frame, stamp_ns)
            looks += Sector.of(mounted.camera, pose).contains(cells)
        said = grid.at(cells)  # both stand in odom
        for name, where in (("one", looks == 1), ("seams", looks > 1)):
            self.scores[name].update(grid, truth, where=where & (truth.data != HIDDEN))
            free = (truth.data == 0) & where & (said >= 0)
            self.false[name][0] += int((free & (said >= OCCUPIED)).sum())
            self.false[name][1] += int(free.sum())

    def figures(self) -> dict[str, dict[str, float]]:
        """Return the figures of both kinds of cells, in percent."""
        return {
            name: {
                "free_iou": percent(score.free_iou),
                "false_free": percent(score.false_free),
                "false_obstacles": percent(self.false[name][0] / max(1, self.false[name][1])),
            }
            for name, score in self.scores.items()
        }


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
                scores.add(seen, replay.classes)
        return {k: asdict(v) for k, v in scorer.metrics(replay.rate_hz).grid.items()}


@dataclass
class Scores:
    """Masks of several drives together; small components set by set."""

    masks: CameraScore | None = None
    small: list[NDArray[np.int64]] = field(default_factory=list)
    images: int = 0

    def add(self, seen: Seen, classes: ClassSet) -> None:
        """Add a set."""
        self.masks = self.masks or CameraScore(classes)
        own = SmallObjects(classes.thin)
        for image, output in seen:
            self.masks.add(image, output)
            if output.mask is not None and image.mask is not None:
                own.update(output.mask, image.mask)
                self.images += 1
        self.small.append(own.counts.sum(axis=1))

    def figures(self) -> dict[str, float]:
        """Return the figures over all cameras, in percent, and the number of images."""
        if self.masks is None:
            return {}
        masks = self.masks.masks()
        return {
            "images": self.images,
            "small_f1": percent(masks.small.f1),
            "small_recall": percent(masks.small.recall),
            "small_precision": percent(masks.small.precision),
            "miou": percent(masks.miou),
            "thin_miou": percent(masks.thin_miou),
        }

    def over(self, other: "Scores") -> list[float]:
        """Return how much larger the small F1 is, and the bounds of the difference, percent."""
        found = difference(f1, [np.array(self.small)], [np.array(other.small)])
        return [percent(value) for value in (found.value, found.low, found.high)]


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
            workers=1,
        )
        simulate(config, path, quiet)
    return path


def measured(folder: Path, seconds: float) -> dict[str, Any]:
    """Run everything."""
    patches = patch_grid(HEIGHT, WIDTH, PatchDriveNet.load().config).count
    three, six = (Rig.named(name, WIDTH, HEIGHT, FIRST_SEED) for name in ("three", "six"))
    places = {"three": Places(three), "three, `front` alone": Places(three), "six": Places(six)}
    bags = [bag_of(folder, "three", scene, seconds) for scene in SCENES]
    scores: dict[str, dict[str, Scores]] = {}
    grids: dict[str, Any] = {"three": {}, "six": {}}
    for share in SHARES:
        own = scores.setdefault(f"{share:.2f}", {})
        for policy in POLICIES if share == MAIN else (EQUAL, SHARED):
            say(f"{policy}, K = {share:.0%} ...")
            own[policy], main = Scores(), (share, policy) == (MAIN, SHARED)
            config = config_of("three", share, policy, patches)
            for bag, scene in zip(bags, SCENES, strict=True):
                found = evaluated(bag, config, own[policy], places["three"] if main else None)
                if main:
                    grids["three"][scene] = found
    say("one camera and six ...")
    alone = build(PerceptionConfig, {"cameras": ["front"], "budget": budget(MAIN, patches)})
    for bag in bags:
        evaluated(bag, alone, None, places["three, `front` alone"])
    bag = bag_of(folder, "six", SCENES[0], seconds)
    config = config_of("six", MAIN, SHARED, patches)
    grids["six"][SCENES[0]] = evaluated(bag, config, None, places["six"])
    return {
        "seconds": seconds,
        "rate": RATE,
        "size": [WIDTH, HEIGHT],
        "seed": FIRST_SEED,
        "masks": {k: {name: s.figures() for name, s in own.items()} for k, own in scores.items()},
        "differences": {
            k: {name: s.over(own[EQUAL]) for name, s in own.items() if name != EQUAL}
            for k, own in scores.items()
        },
        "grid": grids,
        "places": {rig: one.figures() for rig, one in places.items()},
    }


def quality(found: dict[str, Any]) -> str:
    """A row for each K and way to share it."""
    keys = ("small_f1", "small_recall", "small_precision", "miou", "thin_miou")
    rows = []
    for share, policies in found["masks"].items():
        for policy, figures in policies.items():
            gain = found["differences"][share].get(policy)
            more = "{:+.1f} ({:+.1f} to {:+.1f})".format(*gain) if gain else ""
            cells = [f"{figures[key]:.1f}" for key in keys]
            rows.append([f"{float(share):.0%}", policy, cells[0], more, *cells[1:]])
    header = ["K", "cameras", "small F1", "over equal shares", "recall", "precision", "mIoU"]
    return table([*header, "thin mIoU"], rows)


def around(found: dict[str, Any]) -> str:
    """A row for each rig and kind of cells."""
    rows = []
    for rig, places in found["places"].items():
        if rig in found["grid"]:
            fused = [one["fused"] for one in found["grid"][rig].values()]
            free, wrong = (
                " / ".join(f"{100 * one[key]:.{digits}f}" for one in fused)
                for key, digits in (("free_iou", 1), ("false_free", 2))
            )
            rows.append([f"{rig}, all cells", free, wrong, ""])
        for name, what in KINDS.items():
            figures = places[name]
            if rig in found["grid"] or name == "seams":
                rows.append(
                    [f"{rig}, cells that {what}", f"{figures['free_iou']:.1f}",
                     f"{figures['false_free']:.2f}", f"{figures['false_obstacles']:.2f}"]
                )  # fmt: skip
    header = ["rig", "free IoU, %", "false free, %", "free cells called occupied, %"]
    return table(header, rows)


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
    parser.add_argument("--seconds", type=float, default=3.0)
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
