"""What the experiments share: data sets, model, scores, JSON, blocks in documents.

They run from the root of a checkout with ../shared beside it.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console

from pdn_ros.classes import ClassSet
from pdn_ros.datasets import Sample, open_dataset
from pdn_ros.files import atomic
from pdn_ros.metrics import BoundaryIoU, Confusion
from pdn_ros.metrics.confusion import at_size
from pdn_ros.network import Options, PatchDriveNet, Prediction, predict
from pdn_ros.perception.backends import load_parts
from pdn_ros.simulation import DriveConfig, simulate

ROOT: Final = Path(__file__).resolve().parents[1]
DOCS: Final = ROOT / "docs"
RESULTS: Final = ROOT / "results"
DRIVE: Final = ROOT / "runs" / "evidence" / "drive"
DRIVE_CONFIG: Final = DriveConfig(
    seconds=24, rate=1, width=1920, height=1080, seed=5000, scene="boulevard"
)
"""`pdn simulate --out runs/evidence/drive --size 1920x1080 --seed 5000 --seconds 24 --rate 1
--scene boulevard`: a seed that nothing was trained on."""

Figures = dict[str, float]
say: Final = Console(stderr=True).print


@dataclass(frozen=True, slots=True)
class DataSet:
    """A labeled set: what it is called, where it lies, and every how manyth image is taken."""

    title: str
    spec: str
    every: int = 1
    split: str = "val"


SETS: Final = {
    "camvid": DataSet("CamVid 960x720 val", "folder:../shared/data/camvid_960x720"),
    "kitti": DataSet("KITTI 1242x375 val", "folder:../shared/data/kitti_semantics"),
    "cityscapes": DataSet(
        "Cityscapes, 3 cities left out",
        "folder:../shared/data/cityscapes?only=cologne,darmstadt,hamburg",
        split="train",
    ),
    "drive": DataSet("simulated 1920x1080", f"drive:{DRIVE.relative_to(ROOT)}", every=2),
}


class Images:
    """The images of a set, or so many of them, evenly picked."""

    def __init__(self, name: str, classes: ClassSet, limit: int = 0) -> None:
        if name == "drive":
            ensure_drive()
        self.classes = classes
        self._data = open_dataset(SETS[name].spec, SETS[name].split, classes)
        every = np.arange(0, len(self._data), SETS[name].every)
        count = min(limit or len(every), len(every))
        places = np.linspace(0, len(every) - 1, count).round().astype(int)
        self._picked = every[places].tolist()
        ids = self._data.hidden.items()
        self.hidden = {classes.id_of(h): classes.id_of(g) for h, g in ids}

    def __len__(self) -> int:
        return len(self._picked)

    def __iter__(self) -> Iterator[Sample]:
        return (self._data.sample(index) for index in self._picked)

    def score(self) -> "Score":
        """Return an empty score."""
        return Score(self.classes, self.hidden)


def budget(share: float, count: int) -> int:
    """Return K for a share of N patches."""
    return max(1, round(share * count))


def ensure_drive() -> None:
    """Simulate the drive when it is not there."""
    if not DRIVE.exists():
        simulate(DRIVE_CONFIG, DRIVE, lambda done, total: say(f"drive: {done} of {total}"))


class Score:
    """IoU figures, accumulated over a set."""

    def __init__(self, classes: ClassSet, hidden: dict[int, int]) -> None:
        self._thin = classes.thin
        self._confusion = Confusion(len(classes.names), hidden)
        self._boundary = BoundaryIoU(len(classes.names), hidden)

    def update(self, mask: NDArray[np.uint8], label: NDArray[np.uint8]) -> None:
        """Add one image."""
        resized = at_size(mask, label.shape)
        self._confusion.update(resized, label)
        self._boundary.update(resized, label)

    def figures(self) -> Figures:
        """Return the figures, in percent."""
        found = {
            "miou": self._confusion.miou(),
            "thin_miou": self._confusion.miou(self._thin),
            "boundary_iou": self._boundary.mean(),
        }
        return {key: round(100 * value, 2) for key, value in found.items()}


class Model:
    """Weights on a backend, run by the path that the pipeline takes."""

    def __init__(self, net: PatchDriveNet, backend: str) -> None:
        self.config = net.config
        self.classes = ClassSet.model_validate_json(net.classes)
        self.parts = load_parts(backend, net, "cpu")
        self.backend = self.parts.backend

    @torch.inference_mode()
    def run(
        self, image: NDArray[np.uint8], prior: NDArray[np.float32] | None = None, **options: Any
    ) -> Prediction:
        """Segment an image; a prior takes the place of the driver's weights."""
        chosen = Options(confidence=False, lidar_weight=1.0, **options)
        return predict(self.parts, self.config, image, chosen, prior=prior)


def read(name: str) -> dict[str, Any]:
    """Read results/NAME.json; empty when it is not there."""
    path = RESULTS / f"{name}.json"
    found: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    return found


def write(name: str, record: dict[str, Any]) -> None:
    """Write results/NAME.json."""
    with atomic(RESULTS / f"{name}.json") as part:
        part.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def table(header: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def replace_block(path: Path, name: str, text: str) -> None:
    """Replace what stands between `<!-- NAME -->` and `<!-- end NAME -->` in a document.

    Raises:
        ValueError: The document has no such block.
    """
    document = path.read_text("utf-8")
    pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end {name} -->)", re.DOTALL)
    changed, count = pattern.subn(lambda m: f"{m[1]}{text}\n{m[2]}", document)
    if count != 1:
        raise ValueError(f"{path}: {count} blocks {name!r}, one is needed")
    with atomic(path) as part:
        part.write_text(changed, encoding="utf-8")
