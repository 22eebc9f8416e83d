"""Start the perception nodes on a camera or a rig, with or without a LiDAR, live or from a bag.

ros2 launch pdn_ros perception.launch.py image:=/camera/image_raw
ros2 launch pdn_ros perception.launch.py cameras:=front,left,right image:=/{camera}/image_raw
"""

from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch.actions import DeclareLaunchArgument, ExecuteProcess, OpaqueFunction
from launch.conditions import IfCondition
from launch.launch_context import LaunchContext
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from launch import LaunchDescription, LaunchDescriptionEntity

CONFIG = Path(get_package_share_directory("pdn_ros")) / "config"

ARGUMENTS = {
    "image": (
        None,
        "Topic of the camera's images (sensor_msgs/Image); you must give it. "
        "Of a rig: with {camera} in the place of each camera's name.",
    ),
    "cameras": ("", "Names of a rig's cameras, with commas between them; empty: a single camera."),
    "camera_info": (
        "",
        "Topic of the camera's calibration; empty: camera_info beside the image topic.",
    ),
    "points": ("/lidar/points", "Topic of the LiDAR's clouds (sensor_msgs/PointCloud2)."),
    "image_transport": (
        "",
        "raw, or compressed: takes CompressedImage from the image topic + /compressed; "
        "empty: what the parameter files say.",
    ),
    "namespace": ("", "Namespace of the nodes; none gives /perception/mask and so on."),
    "params_file": (
        "",
        "YAML with parameters of either node, on top of config/perception.yaml and "
        "config/lidar_projection.yaml.",
    ),
    "weights": (
        "",
        "File of weights, as pdn train leaves it; empty: what the parameter files say.",
    ),
    "mode": ("", "patch, context or dense; empty: what the parameter files say."),
    "budget": (
        "",
        "Patches refined per image, or per set of a rig's images (K); empty: what the parameter "
        "files say.",
    ),
    "device": ("", "auto, cpu or cuda; empty: what the parameter files say."),
    "lidar": ("true", "Start the lidar_projection node, which steers the patches."),
    "rviz": ("false", "Start RViz with config/perception.rviz, of a rig with config/rig.rviz."),
    "bag": ("", "Path of a rosbag2 to play with --clock; sets use_sim_time."),
    "use_sim_time": (
        "",
        "Take the time from /clock; empty: what the parameter files say, with a bag true.",
    ),
    "autostart": (
        "",
        "Configure and activate the nodes at start; false for nav2's lifecycle_manager; "
        "empty: what the parameter files say.",
    ),
    "respawn": ("false", "Start a node again when its process ends."),
    "log_level": ("info", "debug, info, warn, error or fatal."),
}
# Stands for a camera's name in a topic.
PLACE = "{camera}"
# What an argument that was given changes in a node, and its type.
CHOICES = {"image_transport": str, "weights": str, "mode": str, "device": str, "budget": int}
CHOICES_OF_BOTH = {"autostart": bool, "use_sim_time": bool}
# The variable's names in Fast DDS 2 (Jazzy) and 3 (Kilted and later).
PROFILES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")
# The outputs that config/perception.rviz shows: of the camera, and the grid.
SHOWN = ("overlay", "saliency", "patch_markers", "costmap/points")
GRID = ("occupancy", "occupancy_updates")
# The cameras of config/rig.rviz, in whose places a rig's first three stand, and their outputs.
SHOWN_CAMERAS = ("front", "left", "right")
SHOWN_OF_EACH = ("overlay", "costmap/points")


def generate_launch_description() -> LaunchDescription:
    """Declare the arguments; what depends on their values comes when they are known."""
    return LaunchDescription(
        [
            *(
                DeclareLaunchArgument(name, default_value=default, description=description)
                for name, (default, description) in ARGUMENTS.items()
            ),
            OpaqueFunction(function=start),
        ]
    )


def start(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """Make the nodes and processes for the arguments' values."""
    given = {name: LaunchConfiguration(name).perform(context) for name in ARGUMENTS}
    if given["bag"] and not given["use_sim_time"]:
        context.launch_configurations["use_sim_time"] = given["use_sim_time"] = "true"
    if given["budget"] and not given["budget"].isdecimal():
        raise ValueError(f"budget:={given['budget']}: give a whole number of patches")
    image, points = given["image"].rstrip("/"), given["points"]
    camera, slash, _ = image.rpartition("/")
    camera_info = given["camera_info"] or f"{camera}{slash}camera_info"
    more = [given["params_file"]] if given["params_file"] else []
    cameras = [name.strip() for name in given["cameras"].split(",") if name.strip()]
    for name, topic in (("image", image), ("camera_info", camera_info)):
        if cameras and PLACE not in topic:
            raise ValueError(f"{name}:={topic}: put {PLACE} where each camera's name stands")
        if PLACE in topic and not cameras:
            raise ValueError(f"{name}:={topic}: name the cameras, cameras:=front,left")

    def of(camera: str, name: str) -> str:
        return f"{camera}/{name}" if camera else name

    def inputs(camera: str) -> list[tuple[str, str]]:
        return [
            (of(camera, "image"), image.replace(PLACE, camera)),
            (of(camera, "camera_info"), camera_info.replace(PLACE, camera)),
        ]

    def chosen(kinds: dict[str, type]) -> dict[str, ParameterValue]:
        return {
            name: ParameterValue(LaunchConfiguration(name), value_type=kind)
            for name, kind in kinds.items()
            if given[name]
        }

    # Images need a shared-memory segment that holds them, unless the user has a file of his own.
    own = any(name in context.environment for name in PROFILES)
    shared_memory = {} if own else dict.fromkeys(PROFILES, str(CONFIG / "fastdds.xml"))
    rig = [{"cameras": cameras}] if cameras else []
    names = cameras or [""]
    node = {
        "package": "pdn_ros",
        "namespace": given["namespace"],
        "ros_arguments": ["--log-level", given["log_level"]],
        "additional_env": shared_memory,
        "respawn": LaunchConfiguration("respawn"),
        "respawn_delay": 2.0,
        "output": "screen",
    }
    actions = [
        Node(
            executable="perception_node",
            name="perception",
            parameters=[
                str(CONFIG / "perception.yaml"),
                *more,
                chosen(CHOICES | CHOICES_OF_BOTH),
                *rig,
            ],
            remappings=[
                remapping
                for name in names
                for remapping in (
                    *inputs(name),
                    (of(name, "image/compressed"), f"{image.replace(PLACE, name)}/compressed"),
                    (of(name, "lidar_prior"), f"lidar_projection/{of(name, 'prior')}"),
                    (of(name, "lidar_depth"), f"lidar_projection/{of(name, 'depth')}"),
                )
            ],
            **node,
        ),
        Node(
            executable="lidar_projection_node",
            name="lidar_projection",
            parameters=[
                str(CONFIG / "lidar_projection.yaml"),
                *more,
                chosen(CHOICES_OF_BOTH),
                *rig,
            ],
            remappings=[("points", points), *(one for name in names for one in inputs(name))],
            condition=IfCondition(given["lidar"]),
            **node,
        ),
        Node(
            package="rviz2",
            executable="rviz2",
            name="rviz",
            namespace=given["namespace"],
            arguments=["-d", str(CONFIG / ("rig.rviz" if cameras else "perception.rviz"))],
            parameters=[chosen({"use_sim_time": bool})],
            remappings=[
                ("/camera/image_raw", image.replace(PLACE, names[0])),
                ("/camera/camera_info", camera_info.replace(PLACE, names[0])),
                ("/lidar/points", points),
                *((f"/perception/{name}", f"perception/{name}") for name in (*GRID, *SHOWN)),
                *(
                    (f"/perception/{shown}/{name}", f"perception/{camera}/{name}")
                    for shown, camera in zip(SHOWN_CAMERAS, cameras, strict=False)
                    for name in SHOWN_OF_EACH
                ),
            ],
            condition=IfCondition(given["rviz"]),
        ),
    ]
    if given["bag"]:
        play = ["ros2", "bag", "play", given["bag"], "--clock"]
        actions.append(ExecuteProcess(cmd=play, additional_env=shared_memory, output="screen"))
    return actions
