"""The launch file, run as it is; in place of the nodes stand-ins say what they were given."""

import ast
import json
import os
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "launch" / "perception.launch.py"
ARGUMENTS = [
    "image",
    "cameras",
    "camera_info",
    "points",
    "image_transport",
    "namespace",
    "params_file",
    "weights",
    "mode",
    "budget",
    "device",
    "lidar",
    "rviz",
    "bag",
    "use_sim_time",
    "autostart",
    "respawn",
    "log_level",
]
STAND_IN = f"""#!{sys.executable}
import json, os, sys
from pathlib import Path
import rclpy

rclpy.init(args=sys.argv)
node = rclpy.create_node("x", automatically_declare_parameters_from_overrides=True)
names = ["image", "image/compressed", "camera_info", "points", "lidar_prior", "lidar_depth"]
names += ["front/image", "front/camera_info", "front/lidar_prior", "left/image/compressed"]
names += ["/camera/image_raw", "/camera/camera_info", "/lidar/points", "/perception/overlay"]
names += ["/perception/front/overlay", "/perception/left/overlay"]
Path(os.environ["SAID"], Path(sys.argv[0]).name).write_text(json.dumps({{
    "name": node.get_fully_qualified_name(),
    "parameters": {{k: p.value for k, p in node.get_parameters_by_prefix("").items()}},
    "topics": {{name: node.resolve_topic_name(name) for name in names}},
    "environment": dict(os.environ),
    "arguments": sys.argv,
}}))
"""
PLAYER = """#!/bin/sh
echo "$*" > "$SAID/bag"
echo "$FASTRTPS_DEFAULT_PROFILES_FILE" >> "$SAID/bag"
"""


def table(name: str):
    (value,) = [
        node.value
        for node in ast.parse(FILE.read_text()).body
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == name
    ]
    return ast.literal_eval(value)


def test_every_argument_of_the_contract_is_described():
    arguments = table("ARGUMENTS")
    assert list(arguments) == ARGUMENTS
    assert all(description.endswith(".") for _, description in arguments.values())
    assert [name for name, (default, _) in arguments.items() if default is None] == ["image"]


def shown_in(layout: str) -> set[str]:
    displays = yaml.safe_load((ROOT / "config" / layout).read_text())
    return {
        display[key]["Value"]
        for display in displays["Visualization Manager"]["Displays"]
        for key in ("Topic", "Update Topic")
        if key in display
    }


def test_rviz_shows_what_the_launch_file_remaps():
    grid = {f"/perception/{name}" for name in table("GRID")}
    own = {f"/perception/{name}" for name in table("SHOWN")}
    assert shown_in("perception.rviz") == own | grid | {"/camera/image_raw", "/lidar/points"}
    cameras, outputs = table("SHOWN_CAMERAS"), table("SHOWN_OF_EACH")
    own = {f"/perception/{camera}/{name}" for camera in cameras for name in outputs}
    assert shown_in("rig.rviz") == own | grid | {"/lidar/points"}


class Said(dict):
    """What each stand-in was given, by the name of its executable."""

    def __init__(self, folder: Path) -> None:
        for path in folder.iterdir():
            text = path.read_text()
            self[path.name] = text.splitlines() if path.name == "bag" else json.loads(text)

    def parameter(self, name: str, node: str = "perception_node"):
        return self[node]["parameters"].get(name)

    def topic(self, name: str, node: str = "perception_node"):
        return self[node]["topics"][name]


def program(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


@pytest.fixture
def start(tmp_path, monkeypatch, caplog):
    """Run the launch file with arguments, to its end; with `within`, included by another one."""
    pytest.importorskip("launch_ros", reason="the wheels have no launch")
    prefix, said = tmp_path / "prefix", tmp_path / "said"
    for package, programs in {
        "pdn_ros": ["perception_node", "lidar_projection_node"],
        "rviz2": ["rviz2"],
    }.items():
        marker = prefix / "share/ament_index/resource_index/packages" / package
        marker.parent.mkdir(parents=True, exist_ok=True)
        marker.touch()
        (prefix / "share" / package).mkdir()
        for name in programs:
            program(prefix / "lib" / package / name, STAND_IN)
    (prefix / "share/pdn_ros/config").symlink_to(ROOT / "config")
    program(tmp_path / "bin/ros2", PLAYER)
    said.mkdir()
    monkeypatch.setenv("SAID", str(said))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)
    monkeypatch.setenv("AMENT_PREFIX_PATH", str(prefix), prepend=os.pathsep)
    monkeypatch.setenv("ROS_LOG_DIR", str(tmp_path / "log"))
    monkeypatch.delenv("FASTRTPS_DEFAULT_PROFILES_FILE")
    monkeypatch.delenv("FASTDDS_DEFAULT_PROFILES_FILE", raising=False)

    def run(within=None, **arguments) -> Said:
        from launch.actions import IncludeLaunchDescription
        from launch.launch_description_sources import PythonLaunchDescriptionSource

        from launch import LaunchDescription, LaunchService

        for old in said.iterdir():
            old.unlink()
        include = IncludeLaunchDescription(
            PythonLaunchDescriptionSource(str(FILE)), launch_arguments=arguments.items()
        )
        service = LaunchService(noninteractive=True)
        service.include_launch_description(LaunchDescription([include, *(within or [])]))
        if service.run(shutdown_when_idle=True):
            raise RuntimeError(caplog.text.splitlines()[-1])
        return Said(said)

    return run


def params_file(tmp_path: Path, node: str = "/**", **parameters) -> str:
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump({node: {"ros__parameters": parameters}}))
    return str(path)


def test_only_the_image_must_be_given(start):
    said = start(image="/camera/image_raw")
    assert set(said) == {"perception_node", "lidar_projection_node"}
    assert said["perception_node"]["name"] == "/perception"
    assert said.topic("image") == "/camera/image_raw"
    assert said.topic("image/compressed") == "/camera/image_raw/compressed"
    assert said.topic("camera_info") == "/camera/camera_info"
    assert said.topic("lidar_prior") == "/lidar_projection/prior"
    assert said.topic("points", "lidar_projection_node") == "/lidar/points"
    assert said.topic("camera_info", "lidar_projection_node") == "/camera/camera_info"
    assert said.parameter("mode") == "patch"  # config/perception.yaml
    assert not said.parameter("use_sim_time")


def test_without_the_image_it_says_so(start):
    with pytest.raises(RuntimeError, match="missing required argument 'image'"):
        start()


@pytest.mark.parametrize("node", ["/**", "perception", "/perception"])
def test_the_parameter_file_stands_where_no_argument_was_given(start, tmp_path, node):
    file = params_file(tmp_path, node, image_transport="compressed", use_sim_time=True, budget=7)
    said = start(image="/cam/image", params_file=file, mode="context")
    assert said.parameter("image_transport") == "compressed"
    assert said.parameter("use_sim_time") is True
    assert said.parameter("budget") == 7
    assert said.parameter("mode") == "context"


def test_an_argument_overrides_the_parameter_file(start, tmp_path):
    file = params_file(
        tmp_path, image_transport="compressed", use_sim_time=True, autostart=True, budget=7
    )
    said = start(
        image="/cam/image",
        params_file=file,
        image_transport="raw",
        use_sim_time="false",
        autostart="false",
        budget="3",
        device="cpu",
    )
    assert said.parameter("image_transport") == "raw"
    assert said.parameter("budget") == 3
    assert said.parameter("device") == "cpu"
    for node in ("perception_node", "lidar_projection_node"):
        assert said.parameter("use_sim_time", node) is False
        assert said.parameter("autostart", node) is False


def test_names_in_a_namespace(start):
    said = start(image="camera/image", namespace="robot", points="lidar/points", rviz="true")
    assert said["perception_node"]["name"] == "/robot/perception"
    for node in ("perception_node", "lidar_projection_node"):
        assert said.topic("image", node) == "/robot/camera/image"
        assert said.topic("camera_info", node) == "/robot/camera/camera_info"
    assert said.topic("lidar_prior") == "/robot/lidar_projection/prior"
    assert said.topic("points", "lidar_projection_node") == "/robot/lidar/points"
    assert said.topic("/camera/image_raw", "rviz2") == "/robot/camera/image"
    assert said.topic("/camera/camera_info", "rviz2") == "/robot/camera/camera_info"
    assert said.topic("/lidar/points", "rviz2") == "/robot/lidar/points"
    assert said.topic("/perception/overlay", "rviz2") == "/robot/perception/overlay"


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("image", "/robot/camera_info"),
        ("/image", "/camera_info"),
        ("/a/b/image/", "/a/b/camera_info"),
    ],
)
def test_camera_info_lies_beside_the_image(start, image, expected):
    said = start(image=image, namespace="robot", lidar="false")
    assert said.topic("camera_info") == expected


def test_camera_info_as_given(start):
    said = start(image="/cam/image", camera_info="/elsewhere/info", lidar="false")
    assert said.topic("camera_info") == "/elsewhere/info"


def test_rviz_and_no_lidar(start):
    said = start(image="/front/image", lidar="false", rviz="true")
    assert set(said) == {"perception_node", "rviz2"}
    assert said.topic("/camera/image_raw", "rviz2") == "/front/image"
    assert said.topic("/perception/overlay", "rviz2") == "/perception/overlay"


def test_a_bag_brings_its_time(start, tmp_path):
    file = params_file(tmp_path, use_sim_time=False)
    said = start(image="/cam/image", bag="/tmp/drive", rviz="true", params_file=file)
    for node in ("perception_node", "lidar_projection_node", "rviz2"):
        assert said.parameter("use_sim_time", node) is True
    command, profiles = said["bag"]
    assert command == "bag play /tmp/drive --clock"
    assert Path(profiles).name == "fastdds.xml"
    assert (
        start(image="/cam/image", bag="/tmp/drive", use_sim_time="false").parameter("use_sim_time")
        is False
    )


def test_the_user_keeps_profiles_of_his_own(start, monkeypatch):
    said = start(image="/cam/image", bag="/tmp/drive")
    for node in ("perception_node", "lidar_projection_node"):
        profiles = said[node]["environment"]["FASTRTPS_DEFAULT_PROFILES_FILE"]
        assert Path(profiles).samefile(ROOT / "config/fastdds.xml")
    for name in ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE"):
        with monkeypatch.context() as patch:
            patch.setenv(name, str(ROOT / "config/fastdds.xml"))
            environment = start(image="/cam/image")["perception_node"]["environment"]
            found = [k for k in environment if k.endswith("DEFAULT_PROFILES_FILE")]
            assert found == [name]


def test_nothing_leaks_into_a_launch_file_that_includes_it(start):
    from launch_ros.actions import Node

    said = start([Node(package="rviz2", executable="rviz2")], image="/cam/image")
    names = said["rviz2"]["environment"]
    assert not [name for name in names if name.endswith("DEFAULT_PROFILES_FILE")]
    assert "FASTRTPS_DEFAULT_PROFILES_FILE" not in os.environ


def test_a_rig_s_topics_are_joined_camera_by_camera(start):
    said = start(cameras="front, left", image="/{camera}/image_raw", rviz="true")
    for node in ("perception_node", "lidar_projection_node"):
        assert said.parameter("cameras", node) == ["front", "left"]
        assert said.topic("front/image", node) == "/front/image_raw"
        assert said.topic("front/camera_info", node) == "/front/camera_info"
    assert said.topic("left/image/compressed") == "/left/image_raw/compressed"
    assert said.topic("front/lidar_prior") == "/lidar_projection/front/prior"
    assert any(one.endswith("config/rig.rviz") for one in said["rviz2"]["arguments"])


def test_a_rig_of_other_names_takes_the_places_of_rviz_s_three(start):
    said = start(cameras="cam_1,cam_2", image="/{camera}/image", namespace="robot", rviz="true")
    shown = {"front": "cam_1", "left": "cam_2"}
    for place, camera in shown.items():
        expected = f"/robot/perception/{camera}/overlay"
        assert said.topic(f"/perception/{place}/overlay", "rviz2") == expected


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"cameras": "front,left", "image": "/cam/image"}, "put {camera} where"),
        ({"image": "/{camera}/image"}, "name the cameras"),
    ],
)
def test_a_rig_without_a_pattern_or_without_names_is_refused(start, arguments, line):
    with pytest.raises(RuntimeError, match=line):
        start(**arguments)


def test_a_budget_that_is_no_number_is_refused(start):
    with pytest.raises(RuntimeError, match="budget:=many: give a whole number"):
        start(image="/cam/image", budget="many")
