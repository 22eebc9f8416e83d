import ast
from pathlib import Path

import pytest

FILE = Path(__file__).resolve().parents[2] / "launch" / "perception.launch.py"
ARGUMENTS = [
    "image",
    "camera_info",
    "points",
    "image_transport",
    "namespace",
    "params_file",
    "mode",
    "budget",
    "device",
    "lidar",
    "rviz",
    "bag",
    "use_sim_time",
    "log_level",
]


def test_every_argument_of_the_contract_is_described():
    tree = ast.parse(FILE.read_text())
    (table,) = [
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "ARGUMENTS"
    ]
    arguments = ast.literal_eval(table)
    assert list(arguments) == ARGUMENTS
    assert all(description.endswith(".") for _, description in arguments.values())
    assert [name for name, (default, _) in arguments.items() if default is None] == ["image"]


@pytest.fixture
def source():
    pytest.importorskip(
        "launch_ros", reason="launch_ros comes with a full ROS, not with the wheels"
    )
    from launch.launch_description_sources import PythonLaunchDescriptionSource

    return PythonLaunchDescriptionSource(str(FILE))


def visited(source, **arguments):
    """Start-up actions for these arguments, conditions applied, nothing started."""
    from launch import LaunchContext

    context = LaunchContext()
    description = source.get_launch_description(context)
    names = {a.name: a.default_value for a in description.get_launch_arguments()}
    for name, default in names.items():
        value = arguments.get(name, default[0].text if default else None)
        context.launch_configurations[name] = value
    start = description.entities[-1]
    actions = start.execute(context)
    return [a for a in actions if a.condition is None or a.condition.evaluate(context)]


def test_only_the_image_must_be_given(source):
    actions = visited(source, image="/camera/image_raw")
    assert [a.node_executable for a in actions] == ["perception_node", "lidar_projection_node"]


def test_lidar_rviz_and_bag(source):
    actions = visited(source, image="/cam", lidar="false", rviz="true", bag="/tmp/drive")
    assert [getattr(a, "node_executable", "process") for a in actions] == [
        "perception_node",
        "rviz2",
        "process",
    ]
    command = [part[0].text for part in actions[-1].cmd]
    assert command == ["ros2", "bag", "play", "/tmp/drive", "--clock"]
