"""`pdn evaluate --rerun`: the file holds what was recorded and what came of it."""

import sys
from pathlib import Path

import numpy as np
import pytest
import wall

from pdn_ros.bags.reader import Bag
from pdn_ros.cli.app import main
from pdn_ros.messages.images import read_mask


@pytest.mark.parametrize("command", ["evaluate", "view"])
def test_without_rerun_one_line_says_how_to_install_it(
    command: str,
    drive: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, "rerun", None)
    for name in [name for name in sys.modules if name.startswith("pdn_ros.viewer")]:
        monkeypatch.delitem(sys.modules, name)
    rrd, out = str(tmp_path / "drive.rrd"), str(tmp_path / "out")
    arguments = {
        "evaluate": [str(drive), "--out", out, "--rerun", rrd],
        "view": ["--no-browser", "--save", rrd],
    }
    assert main([command, *arguments[command]]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "pip install 'rerun-sdk>=0.39'" in line
    assert not Path(rrd).exists()


def test_the_drive_in_a_file(drive: Path, tmp_path: Path) -> None:
    pytest.importorskip("rerun", exc_type=ImportError)
    from rrd import read

    rrd, out = tmp_path / "drive.rrd", tmp_path / "out"
    arguments = ["evaluate", str(drive), "--out", str(out), "--rerun", str(rrd)]
    assert main([*arguments, "--backend", "torch", "--limit", "2"]) == 0
    logged = read(rrd)
    stamps = [wall.START_NS, wall.START_NS + wall.PERIOD_NS]
    for entity, component in {
        "world/robot/camera/image": "EncodedImage:blob",
        "world/robot/camera/mask": "SegmentationImage:buffer",
        "world/robot/camera/patches": "Boxes2D:centers",
        "world/robot/camera": "Pinhole:image_from_camera",
        "world/robot/points": "Points3D:positions",
        "world/robot/boxes": "Boxes3D:centers",
        "world/grid": "GridMap:data",
        "saliency": "EncodedImage:blob",
        "figures/age/latency": "Scalars:scalars",
    }.items():
        assert sorted(logged[entity][component]) == stamps, entity
    with Bag(out / "outputs") as bag:
        for message in bag.messages(["/perception/mask"]):
            header, mask = read_mask(message.data)
            shown = logged["world/robot/camera/mask"]["SegmentationImage:buffer"][header.stamp_ns]
            assert np.array_equal(shown[0], mask.reshape(-1))
    points = np.array(logged["world/robot/points"]["Points3D:positions"][stamps[0]])
    assert len(points) == 4500
    wall_x = points[points[:, 2] > 0.5, 0]  # the frame is the base's, 1.8 m below the LiDAR's
    assert np.allclose(wall_x, 12, atol=1e-3)
    assert logged["world/robot/boxes"]["Boxes3D:centers"][stamps[0]] == [[12.0, 0.0, 1.0]]
