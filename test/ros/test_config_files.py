"""The files under config/ that other programs read."""

import json
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
import yaml

from pdn_ros.bags import layout
from pdn_ros.classes import Role, load_classes

CONFIG = Path(__file__).resolve().parents[2] / "config"
FAST = "{http://www.eprosima.com/XMLSchemas/fastRTPS_Profiles}"
# Properties of rviz_default_plugins of Jazzy, read in its sources; `Value` stores `Enabled`.
COMMON = {"Class", "Name", "Enabled", "Value"}
CLOUD_TOPIC = {"Topic", "Use Fixed Frame", "Position Transformer", "Color Transformer"}
DISPLAYS = {
    "Camera": {
        *{"Topic", "Image Rendering", "Overlay Alpha", "Zoom Factor"},
        *{"Far Plane Distance", "Visibility"},
    },
    "Image": {"Topic", "Normalize Range", "Min Value", "Max Value", "Median window"},
    "Map": {
        *{"Topic", "Update Topic", "Alpha", "Color Scheme", "Draw Behind", "Use Timestamp"},
        *{"Binary representation", "Binary threshold"},
    },
    "MarkerArray": {"Topic", "Namespaces"},
    "PointCloud2": {
        *CLOUD_TOPIC,
        *{"Selectable", "Style", "Size (m)", "Size (Pixels)", "Alpha", "Decay Time"},
        *{"Axis", "Autocompute Value Bounds", "Color", "Channel Name", "Use rainbow"},
        *{"Autocompute Intensity Bounds"},
    },
    "TF": {
        *{"Show Names", "Show Axes", "Show Arrows", "Marker Scale", "Update Interval"},
        *{"Frame Timeout", "Frames"},
    },
}
TOPIC = {"Value", "Depth", "History Policy", "Reliability Policy", "Durability Policy"}
CHOICES = {
    "Color Transformer": {"Intensity", "RGB8", "RGBF32", "AxisColor", "FlatColor"},
    "Position Transformer": {"XYZ"},
    "Style": {"Points", "Squares", "Flat Squares", "Spheres", "Boxes", "Tiles"},
    "Color Scheme": {"map", "costmap", "raw"},
    "Image Rendering": {"background", "overlay", "background and overlay"},
    "Reliability Policy": {"System Default", "Reliable", "Best Effort"},
    "Durability Policy": {"System Default", "Volatile", "Transient Local"},
    "History Policy": {"System Default", "Keep Last", "Keep All"},
}
SENSORS = {"/lidar/points", "/camera/image_raw"}
# The labels of Autoware's segmentation_pointcloud_fusion: the position is the id.
AUTOWARE = (
    *("UNKNOWN", "BUILDING", "WALL", "OBSTACLE", "TRAFFIC_LIGHT", "TRAFFIC_SIGN", "PERSON"),
    *("VEHICLE", "BIKE", "ROAD", "SIDEWALK", "ROAD_PAINT", "CURBSTONE", "CROSSWALK"),
    *("VEGETATION", "SKY"),
)


def read(name: str):
    return yaml.safe_load((CONFIG / name).read_text())


def outputs() -> set[str]:
    publishers = pytest.importorskip("pdn_ros.ros.publishers", exc_type=ImportError)
    return {f"/perception/{name}" for name in (*publishers.TOPICS, "label_info", "classes")}


LAYOUTS = ("perception.rviz", "rig.rviz")


def displays(layout: str = LAYOUTS[0]) -> dict[str, dict]:
    found = read(layout)["Visualization Manager"]["Displays"]
    return {display["Name"]: display for display in found}


def topics(display: dict) -> list[dict]:
    return [value for key, value in display.items() if key in ("Topic", "Update Topic")]


@pytest.mark.parametrize(
    ("layout", "name"), [(layout, name) for layout in LAYOUTS for name in displays(layout)]
)
def test_rviz_knows_every_class_and_property(layout, name):
    display = displays(layout)[name]
    package, kind = display["Class"].split("/")
    assert package == "rviz_default_plugins"
    assert set(display) <= COMMON | DISPLAYS[kind]
    for topic in topics(display):
        assert set(topic) == TOPIC
    for place in (display, *topics(display)):
        for key in CHOICES.keys() & place.keys():
            assert place[key] in CHOICES[key]
    assert set(display.get("Visibility", {})) <= {*displays(layout), "Value"}


def test_rviz_shows_the_grid_the_cloud_the_patches_and_the_camera():
    shown = {d["Class"].split("/")[1]: d for d in displays().values()}
    assert set(shown) == set(DISPLAYS)
    found = {topic["Value"] for d in displays().values() for topic in topics(d)}
    assert found - SENSORS <= outputs() | {"/perception/occupancy_updates"}
    assert shown["Map"]["Topic"]["Durability Policy"] == "Transient Local"
    cloud = displays()["Costmap points"]
    assert cloud["Enabled"] and cloud["Color Transformer"] == "RGB8"  # by class
    for name in ("Costmap points", "LiDAR", "Camera view"):  # sensor data: reliable wouldn't match
        assert displays()[name]["Topic"]["Reliability Policy"] == "Best Effort"


def contract() -> dict[str, str]:
    """Type of each topic of the nodes and of the bags that the package writes."""
    publishers = pytest.importorskip("pdn_ros.ros.publishers", exc_type=ImportError)
    from pdn_ros.ros import lidar_projection_node

    nodes = {"perception": publishers.TOPICS, "lidar_projection": lidar_projection_node.TOPICS}
    types = {
        f"/{node}/{name}": f"{kind.__module__.split('.')[0]}/msg/{kind.__name__}"
        for node, topics in nodes.items()
        for name, (kind, _) in topics.items()
    }
    return {
        **types,
        "/diagnostics": "diagnostic_msgs/msg/DiagnosticArray",
        layout.IMAGE_TOPIC: "sensor_msgs/msg/Image",
        layout.CAMERA_INFO_TOPIC: "sensor_msgs/msg/CameraInfo",
        layout.POINTS_TOPIC: "sensor_msgs/msg/PointCloud2",
        layout.BOXES_TOPIC: "visualization_msgs/msg/MarkerArray",
        layout.OCCUPANCY_TOPIC: "nav_msgs/msg/OccupancyGrid",
    }


def foxglove() -> dict[str, dict]:
    return json.loads((CONFIG / "foxglove.json").read_text())


def panels(place: object) -> list[str]:
    """Names of the panels of a layout, from left to right."""
    if isinstance(place, str):
        return [place]
    return [*panels(place["first"]), *panels(place["second"])] if place else []


def test_foxglove_places_every_panel_once():
    configured = foxglove()["configById"]
    placed = panels(foxglove()["layout"])
    for name, panel in configured.items():
        for tab in panel.get("tabs", ()) if name in placed else ():
            placed += panels(tab["layout"])
    assert sorted(placed) == sorted(configured)


def test_foxglove_shows_topics_of_the_contract_as_what_they_are():
    known, seen = contract(), set()
    for name, panel in foxglove()["configById"].items():
        kind = name.split("!")[0]
        seen |= set(panel.get("topics", ())) | {panel.get("topicToRender", "/diagnostics")}
        if kind == "Image":
            assert known[panel["imageMode"]["imageTopic"]] == "sensor_msgs/msg/Image"
            calibration = panel["imageMode"].get("calibrationTopic", layout.CAMERA_INFO_TOPIC)
            assert known[calibration] == "sensor_msgs/msg/CameraInfo"
    assert seen <= set(known)
    drawn = {known[topic].split("/")[-1] for topic in seen}
    assert {"OccupancyGrid", "MarkerArray", "PointCloud2", "DiagnosticArray"} <= drawn


def test_foxglove_plots_fields_that_messages_have():
    storage = pytest.importorskip("pdn_ros.bags.storage")
    fields, known = storage.typestore().fielddefs, contract()
    plots = [p for name, p in foxglove()["configById"].items() if name.startswith("Plot!")]
    for path in [path["value"] for plot in plots for path in plot["paths"]]:
        topic, *names = re.sub(r"\[:\]|\{[^}]*\}", "", path).split(".")
        kind = known[topic]
        for name in names:
            kind = dict(fields[kind][1])[name][1]
            while not isinstance(kind, str):  # (type, size), of a sequence ((node, type), size)
                kind = kind[0] if isinstance(kind[0], str | tuple) else kind[1]
        assert kind in ("float32", "uint32", "string"), path


def test_rviz_shows_a_rig_s_cameras_and_one_grid():
    kinds = [d["Class"].split("/")[1] for d in displays("rig.rviz").values()]
    assert [kinds.count(kind) for kind in ("Image", "Map", "PointCloud2")] == [3, 1, 4]
    for name, display in displays("rig.rviz").items():
        if "points" in name or name == "LiDAR":
            assert display["Topic"]["Reliability Policy"] == "Best Effort"


def test_static_layer_reads_a_grid_of_probabilities():
    costmap = read("nav2_costmap.yaml")["local_costmap"]["local_costmap"]["ros__parameters"]
    assert costmap["trinary_costmap"] is False
    assert costmap["track_unknown_space"] is True
    assert costmap["rolling_window"] is True
    assert costmap["plugins"][0] == "occupancy"  # it overwrites what came before
    assert costmap["lethal_cost_threshold"] == 100
    layer = costmap["occupancy"]
    assert layer["map_topic"] in outputs()
    assert layer["map_subscribe_transient_local"] is True


def test_semantic_layer_names_every_class_once():
    costmap = read("nav2_semantic_layer.yaml")["local_costmap"]["local_costmap"]["ros__parameters"]
    source = costmap["semantic"]["camera"]
    named = [name for kind in source["class_types"] for name in source[kind]["classes"]]
    assert sorted(named) == sorted(load_classes("street").names)
    read_topics = {v for k, v in source.items() if k.endswith("_topic")}
    assert len(read_topics) == 4
    assert read_topics <= outputs()


def test_the_lifecycle_manager_manages_both_nodes():
    manager = read("nav2_lifecycle_manager.yaml")["lifecycle_manager_perception"]
    assert manager["ros__parameters"]["node_names"] == ["perception", "lidar_projection"]


def test_autoware_removes_the_ground_by_position():
    flags = read("autoware_fusion.yaml")["/**"]["ros__parameters"]["filter_semantic_label_target"]
    assert tuple(flags) == AUTOWARE
    removed = [i for i, label in enumerate(AUTOWARE) if flags[label]]
    assert tuple(removed) == load_classes("street").with_role(Role.GROUND, Role.SKY)


def test_shared_memory_holds_an_image_of_4k():
    root = ElementTree.parse(CONFIG / "fastdds.xml").getroot()
    size = int(root.find(f".//{FAST}segment_size").text)
    assert size > 2 * 3840 * 2160 * 3
    used = [e.text for e in root.iter(f"{FAST}transport_id")]
    assert set(used) == {"shared_memory", "udp"}
