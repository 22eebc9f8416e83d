"""Which of a graph's topics are shown."""

from types import SimpleNamespace

import pytest

pytest.importorskip("rerun", exc_type=ImportError)

from pdn_ros.errors import InputError
from pdn_ros.viewer.topics import (
    CAMERA_INFO,
    COMPRESSED_IMAGE,
    IMAGE,
    POINTS,
    Names,
    parse_remapping,
)

PERCEPTION = [
    ("/clock", ["rosgraph_msgs/msg/Clock"]),
    ("/cam/camera_info", [CAMERA_INFO]),
    ("/cam/image/compressed", [COMPRESSED_IMAGE]),
    ("/front/lidar_projection/depth", [IMAGE]),
]
LIDAR = [("/cam/camera_info", [CAMERA_INFO]), ("/velodyne", [POINTS])]
PROJECTED = [("/front/lidar_projection/depth", [IMAGE])]


class Graph:
    """What a participant tells of two nodes in the namespace /front."""

    node = SimpleNamespace(
        get_topic_names_and_types=lambda: [("/other", [IMAGE]), ("/velodyne", [POINTS])]
    )

    def topics_of(self, name: str, namespace: str):
        nodes = {"perception": (PERCEPTION, []), "lidar_projection": (LIDAR, PROJECTED)}
        return nodes[name] if namespace == "/front" else ((), ())


def test_inputs_are_told_by_what_the_nodes_subscribe_to() -> None:
    assert Names("front").inputs(Graph()) == {
        "camera_info": ("/cam/camera_info", CAMERA_INFO),
        "image": ("/cam/image/compressed", COMPRESSED_IMAGE),
        "points": ("/velodyne", POINTS),
    }
    assert Names().inputs(Graph()) == {}


def test_a_remapping_wins_once_the_topic_is_there() -> None:
    names = Names("/front/", remapped={"image": "/other", "points": "/later", "mask": "/m"})
    found = names.inputs(Graph())
    assert found["image"] == ("/other", IMAGE)
    assert found["points"] == ("/velodyne", POINTS)
    assert names.outputs()["mask"][0] == "/m"
    assert names.outputs()["patches"][0] == "/front/perception/patches"
    assert names.full_name == "front/perception"


def test_remappings_are_names_and_topics() -> None:
    assert parse_remapping("image:=/cam/image", "front") == ("image", "/cam/image")
    assert parse_remapping("mask:=seg/mask", "front") == ("mask", "/front/seg/mask")
    assert parse_remapping("mask:=seg", "") == ("mask", "/seg")
    for wrong in ("image", "image:=", "picture:=/x", ":=/x"):
        with pytest.raises(InputError, match="give NAME:=TOPIC, NAME one of image"):
            parse_remapping(wrong, "")
