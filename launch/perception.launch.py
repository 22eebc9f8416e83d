"""Start the perception nodes on a camera, with or without a LiDAR, live or from a bag.

ros2 launch pdn_ros perception.launch.py image:=/camera/image_raw
"""

from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch.actions import (
    DeclareLaunchArgument,
    ExecuteProcess,
    OpaqueFunction,
    SetEnvironmentVariable,
)
from launch.conditions import IfCondition
from launch.launch_context import LaunchContext
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from launch import LaunchDescription, LaunchDescriptionEntity

CONFIG = Path(get_package_share_directory("pdn_ros")) / "config"

ARGUMENTS = {
    "image": (
        None,
        "Topic of the camera's images (sensor_msgs/Image); you must give it.",
    ),
    "camera_info": (
        "",
        "Topic of the camera's calibration; empty: camera_info beside the image topic.",
    ),
    "points": ("/lidar/points", "Topic of the LiDAR's clouds (sensor_msgs/PointCloud2)."),
    "image_transport": (
        "raw",
        "raw, or compressed: takes CompressedImage from the image topic + /compressed.",
    ),
    "namespace": ("", "Namespace of both nodes; none gives /perception/mask and so on."),
    "params_file": (
        "",
        "YAML with parameters of either node, on top of config/perception.yaml and "
        "config/lidar_projection.yaml.",
    ),
    "mode": ("", "patch, context or dense; empty: what the parameter files say."),
    "budget": ("", "Patches refined per image (K); empty: what the parameter files say."),
    "device": ("", "auto, cpu or cuda; empty: what the parameter files say."),
    "lidar": ("true", "Start the lidar_projection node, which steers the patches."),
    "rviz": ("false", "Start RViz with config/perception.rviz."),
    "bag": ("", "Path of a rosbag2 to play with --clock; sets use_sim_time."),
    "use_sim_time": ("false", "Take the time from /clock."),
    "log_level": ("info", "debug, info, warn, error or fatal."),
}


def generate_launch_description() -> LaunchDescription:
    """Declare the arguments; what depends on their values comes when they are known."""
    return LaunchDescription(
        [
            *(
                DeclareLaunchArgument(name, default_value=default, description=description)
                for name, (default, description) in ARGUMENTS.items()
            ),
            # Images need a shared-memory segment that holds them; the file says more.
            SetEnvironmentVariable("FASTRTPS_DEFAULT_PROFILES_FILE", str(CONFIG / "fastdds.xml")),
            OpaqueFunction(function=start),
        ]
    )


def start(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """Make the nodes and processes for the arguments' values."""
    given = {name: LaunchConfiguration(name).perform(context) for name in ARGUMENTS}
    image = given["image"].rstrip("/")
    camera_info = given["camera_info"] or f"{image.rpartition('/')[0]}/camera_info"
    sim_time = bool(given["bag"]) or given["use_sim_time"].lower() in ("true", "1")
    log = ["--log-level", given["log_level"]]
    more = [given["params_file"]] if given["params_file"] else []

    chosen: dict[str, str | int] = {"image_transport": given["image_transport"]}
    chosen |= {name: given[name] for name in ("mode", "device") if given[name]}
    if given["budget"]:
        chosen["budget"] = int(given["budget"])

    perception = Node(
        package="pdn_ros",
        executable="perception_node",
        name="perception",
        namespace=given["namespace"],
        parameters=[
            str(CONFIG / "perception.yaml"),
            *more,
            chosen,
            {"use_sim_time": sim_time},
        ],
        remappings=[
            ("image", image),
            ("image/compressed", f"{image}/compressed"),
            ("camera_info", camera_info),
            ("lidar_prior", "lidar_projection/prior"),
            ("lidar_depth", "lidar_projection/depth"),
        ],
        ros_arguments=log,
        output="screen",
    )
    projection = Node(
        package="pdn_ros",
        executable="lidar_projection_node",
        name="lidar_projection",
        namespace=given["namespace"],
        parameters=[
            str(CONFIG / "lidar_projection.yaml"),
            *more,
            {"use_sim_time": sim_time},
        ],
        remappings=[
            ("image", image),
            ("camera_info", camera_info),
            ("points", given["points"]),
        ],
        ros_arguments=log,
        output="screen",
        condition=IfCondition(given["lidar"]),
    )
    rviz = Node(
        package="rviz2",
        executable="rviz2",
        name="rviz",
        arguments=["-d", str(CONFIG / "perception.rviz")],
        parameters=[{"use_sim_time": sim_time}],
        condition=IfCondition(given["rviz"]),
    )
    actions = [perception, projection, rviz]
    if given["bag"]:
        play = ["ros2", "bag", "play", given["bag"], "--clock"]
        actions.append(ExecuteProcess(cmd=play, output="screen"))
    return actions
