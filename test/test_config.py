"""The one configuration: its files, its page, its refusals. No ROS."""

import importlib.util
from pathlib import Path

import pytest
import yaml

from pdn_ros.config import build, flatten, from_ros_yaml
from pdn_ros.errors import InputError
from pdn_ros.perception.config import LidarProjectionConfig, PerceptionConfig

ROOT = Path(__file__).resolve().parents[1]
KINDS = {"perception": PerceptionConfig, "lidar_projection": LidarProjectionConfig}
CONTRACT = """
weights classes device backend precision mode budget threshold deadline_ms image_transport image_qos
lidar.weight lidar.max_age_ms grid.frame grid.size_m grid.resolution grid.max_range grid.decay_s
grid.free_threshold grid.occupied_threshold grid.rate costmap.width costmap.max_height mask_encoding
max_pixels warm_up transform_tolerance lazy autostart cameras sync_ms rig.floor rig.speed_weight"""


def generated() -> dict[Path, str]:
    spec = importlib.util.spec_from_file_location("parameters", ROOT / "support" / "parameters.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.files()


@pytest.mark.parametrize("path", generated(), ids=lambda path: path.name)
def test_the_shipped_files_are_made_from_the_definition(path):
    assert path.read_text() == generated()[path], "run: python support/parameters.py"


@pytest.mark.parametrize(("name", "kind"), KINDS.items())
def test_the_shipped_file_says_the_defaults(name, kind):
    document = yaml.safe_load((ROOT / "config" / f"{name}.yaml").read_text())
    assert from_ros_yaml(kind, document, name) == kind()


def test_every_parameter_of_the_contract_is_there():
    assert set(CONTRACT.split()) <= set(flatten(PerceptionConfig()))


@pytest.mark.parametrize("kind", KINDS.values())
def test_every_parameter_is_described_and_every_number_has_a_range(kind):
    for name, parameter in flatten(kind()).items():
        assert parameter.description.endswith("."), name
        if type(parameter.value) in (int, float):
            low, high = parameter.range
            assert low <= parameter.value <= high, name
            assert type(low) is type(high) is type(parameter.value), name


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("mode", "fast", "parameter mode = 'fast': .*'patch', 'context' or 'dense'"),
        ("lidar.weight", 1.5, "parameter lidar.weight = 1.5: .*less than or equal to 1"),
        ("grid.size_m", [10.0], "parameter grid.size_m.*"),
        ("grid.size_m", [-10.0, 5.0], "parameter grid.*must be positive"),
        ("grid.size_m", [4000.0, 4000.0], "parameter grid.*32767"),
        ("grid.frame", "", "parameter grid.frame = ''"),
        ("warm_up", ["large"], "parameter warm_up.*1280x720"),
        ("cameras", ["front", "front"], "parameter cameras.*name of its own"),
        ("cameras", ["front/left"], "parameter cameras.*'front/left' cannot be part of a topic"),
        ("cameras", ["front__left"], "cannot be part of a topic"),
        ("cameras", ["2nd"], "cannot be part of a topic"),
        ("cameras", ["_hidden"], "cannot be part of a topic"),
        ("nonsense", 1, "parameter nonsense"),
    ],
)
def test_a_bad_value_is_refused_with_a_reason(name, value, reason):
    with pytest.raises(InputError, match=reason) as caught:
        build(PerceptionConfig, {name: value})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("document", [None, [], {"a": 1}, {"a": {}, "b": {}}, {"/**": {"x": {}}}])
def test_what_is_no_parameter_file_is_refused(document):
    with pytest.raises(InputError, match=r"robot\.yaml: no ROS parameter file"):
        from_ros_yaml(PerceptionConfig, document, "robot.yaml")


def test_an_empty_list_survives_ros():
    assert flatten(PerceptionConfig())["warm_up"].plain == [""]
    assert build(PerceptionConfig, {"warm_up": [""]}) == PerceptionConfig()


@pytest.mark.parametrize("values", [{"a\nb": 1}, {"mode": "patch", "mode.b": 1}])
def test_names_that_no_parameter_has_are_one_line(values):
    with pytest.raises(InputError) as caught:
        build(PerceptionConfig, values)
    assert "\n" not in str(caught.value)


def test_names_of_cameras_and_an_empty_list():
    names = ["front", "Left_2", "c"]
    assert build(PerceptionConfig, {"cameras": names}).cameras == tuple(names)
    assert build(LidarProjectionConfig, {"cameras": [""]}).cameras == ()
