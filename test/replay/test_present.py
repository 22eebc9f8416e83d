from pathlib import Path

import numpy as np

from pdn_ros.bags.reader import Bag
from pdn_ros.classes import load_classes
from pdn_ros.replay.drive import Drive
from pdn_ros.replay.output import Output
from pdn_ros.replay.present import Presenter
from pdn_ros.replay.results import FrameRow
from pdn_ros.replay.settings import ReplaySettings


def test_key_frames_are_those_with_a_mask(drive: Path) -> None:
    """Of five images the second and third were dropped: the fourth stands for them."""
    with Bag(drive) as bag:
        found = Drive.open(bag, ReplaySettings(bag=drive, out=drive.parent / "out"))
        presenter = Presenter(found, load_classes("street"), 5)
        for recorded in found.images():
            assert recorded.image is not None
            mask = np.zeros(recorded.image.shape[:2], dtype=np.uint8)
            output = Output(mask=None if recorded.index in (1, 2) else mask)
            presenter.add([(recorded, output)], [FrameRow(recorded.index, 0)])
    assert [frame.index for frame in presenter.frames] == [0, 3, 4]
    assert [round(frame.seconds, 3) for frame in presenter.frames] == [0.0, 0.3, 0.4]
    assert all(set(frame.views) == {"camera", "mask"} for frame in presenter.frames)
