"""The files under config/ that other programs read."""

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
import yaml

from pdn_ros.classes import load_classes

CONFIG = Path(__file__).resolve().parents[2] / "config"
FAST = "{http://www.eprosima.com/XMLSchemas/fastRTPS_Profiles}"
# rviz_default_plugins of Jazzy.
DISPLAYS = {"Image", "Map", "MarkerArray", "PointCloud2", "TF"}


def read(name: str):
    return yaml.safe_load((CONFIG / name).read_text())


def outputs() -> set[str]:
    publishers = pytest.importorskip("pdn_ros.ros.publishers", exc_type=ImportError)
    return {f"/perception/{name}" for name in (*publishers.TOPICS, "label_info", "classes")}


def test_rviz_uses_default_plugins_and_topics_that_exist():
    displays = read("perception.rviz")["Visualization Manager"]["Displays"]
    assert {d["Class"] for d in displays} == {f"rviz_default_plugins/{name}" for name in DISPLAYS}
    topics = {d["Topic"]["Value"] for d in displays if "Topic" in d}
    assert topics - {"/lidar/points"} <= outputs()
    grid = next(d for d in displays if d["Class"].endswith("/Map"))
    assert grid["Topic"]["Durability Policy"] == "Transient Local"


def test_static_layer_reads_a_grid_of_probabilities():
    costmap = read("nav2_costmap.yaml")["local_costmap"]["local_costmap"]["ros__parameters"]
    assert costmap["trinary_costmap"] is False
    assert costmap["track_unknown_space"] is True
    assert costmap["rolling_window"] is True
    layer = costmap["occupancy"]
    assert layer["map_topic"] in outputs()
    assert layer["map_subscribe_transient_local"] is True


def test_semantic_layer_names_every_class_once():
    costmap = read("nav2_semantic_layer.yaml")["local_costmap"]["local_costmap"]["ros__parameters"]
    source = costmap["semantic"]["camera"]
    named = [name for kind in source["class_types"] for name in source[kind]["classes"]]
    assert sorted(named) == sorted(load_classes("street").names)
    topics = {v for k, v in source.items() if k.endswith("_topic")}
    assert len(topics) == 4
    assert topics <= outputs()


def test_shared_memory_holds_an_image_of_4k():
    root = ElementTree.parse(CONFIG / "fastdds.xml").getroot()
    size = int(root.find(f".//{FAST}segment_size").text)
    assert size > 2 * 3840 * 2160 * 3
    used = [e.text for e in root.iter(f"{FAST}transport_id")]
    assert set(used) == {"shared_memory", "udp"}
