"""What of the topics is shown, fed by hand."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("rerun", exc_type=ImportError)
pytest.importorskip("rclpy", exc_type=ImportError)

from rrd import read

from pdn_ros.messages.camera_info import CameraInfo, write_camera_info
from pdn_ros.messages.cdr import Header
from pdn_ros.messages.images import write_image, write_mask
from pdn_ros.messages.transforms import Transform, write_transforms
from pdn_ros.viewer.live import LiveView
from pdn_ros.viewer.recording import recording
from pdn_ros.viewer.topics import CAMERA_INFO, IMAGE, Names

FRAME = "camera_optical"
WIDTH, HEIGHT = 32, 24
STAMP = 10**18
CAMERA_Z = np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 1.5], [0, 0, 0, 1]], np.float64)


class Topics:
    """A participant whose messages the test sends."""

    def __init__(self) -> None:
        self.put = {}
        self.node = SimpleNamespace(
            create_subscription=self.subscribe,
            create_timer=lambda *_: None,
            get_topic_names_and_types=lambda: [],
        )

    def subscribe(self, kind, topic, put, qos, *, raw):
        self.put[topic] = put

    def topics_of(self, name: str, namespace: str):
        heard = [("/camera_info", [CAMERA_INFO]), ("/image", [IMAGE])]
        return (heard, ()) if name == "perception" else ((), ())

    def image(self, stamp_ns: int) -> None:
        pixels = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
        self.put["/image"](write_image(Header(stamp_ns, FRAME), pixels, "bgr8"))

    def mask(self, stamp_ns: int, value: int) -> None:
        mask = np.full((HEIGHT, WIDTH), value, np.uint8)
        self.put["/perception/mask"](write_mask(Header(stamp_ns, FRAME), mask))

    def calibration(self, focal: float) -> None:
        k = (focal, 0.0, 16.0, 0.0, focal, 12.0, 0.0, 0.0, 1.0)
        info = CameraInfo(header=Header(STAMP, FRAME), width=WIDTH, height=HEIGHT, k=k)
        self.put["/camera_info"](write_camera_info(info))

    def camera_pose(self) -> None:
        static = write_transforms([Transform("base_link", FRAME, 0, CAMERA_Z)])
        self.put["/tf_static"](static)


def test_the_newest_mask_with_its_image_though_the_camera_is_uncalibrated(tmp_path: Path) -> None:
    path, topics, notes = tmp_path / "x.rrd", Topics(), []
    with recording("x", path) as scene:
        view = LiveView(
            topics, scene, Names(), base_frame="base_link", grid_frame="odom", note=notes.append
        )
        topics.calibration(0.0)
        topics.camera_pose()
        for i in range(3):
            topics.image(STAMP + i)
        topics.mask(STAMP, 1)
        topics.mask(STAMP + 1, 2)
        view.show(1.0)
        topics.calibration(100.0)
        topics.mask(STAMP + 2, 3)
        view.show(1.0)
        topics.put["/perception/mask"](b"damaged")
        view.show(1.0)
    logged = read(path)
    masks = logged["world/robot/camera/mask"]["SegmentationImage:buffer"]
    assert {stamp - STAMP: value[0][0] for stamp, value in masks.items()} == {1: 2, 2: 3}
    assert sorted(logged["world/robot/camera/image"]["EncodedImage:blob"]) == [STAMP + 1, STAMP + 2]
    # TF has no odom: the world is the robot's frame.
    assert logged["world/robot"]["Transform3D:translation"][STAMP + 1] == [[0, 0, 0]]
    assert list(logged["world/robot/camera"]["Pinhole:image_from_camera"]) == [STAMP + 2]
    assert logged["world/robot/camera"]["Transform3D:translation"] == {STAMP + 2: [[0, 0, 1.5]]}
    problems = [note for note in notes if ": /" not in note]
    assert [problem.split(":")[0] for problem in problems] == ["camera_info", "mask"]
    assert "uncalibrated" in problems[0]
