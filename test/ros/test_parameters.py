from pathlib import Path

import pytest
import yaml

from pdn_ros.errors import InputError

pytest.importorskip("rclpy", exc_type=ImportError)
pytestmark = pytest.mark.ros

from pdn_ros.ros.parameters import (  # noqa: E402
    LidarProjectionConfig,
    PerceptionConfig,
    build,
    descriptor,
    flatten,
    is_live,
)

CONFIG = Path(__file__).resolve().parents[2] / "config"

CONTRACT = """
weights classes device backend mode budget threshold deadline_ms image_transport image_qos
lidar.weight lidar.max_age_ms grid.frame grid.size_m grid.resolution grid.max_range grid.decay_s
grid.free_threshold grid.occupied_threshold grid.rate costmap.width mask_encoding lazy autostart"""


def dotted(tree: dict, prefix: str = "") -> dict:
    flat = {}
    for name, value in tree.items():
        if isinstance(value, dict):
            flat |= dotted(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = value
    return flat


@pytest.mark.parametrize(
    ("file", "kind"),
    [("perception.yaml", PerceptionConfig), ("lidar_projection.yaml", LidarProjectionConfig)],
)
def test_the_shipped_file_says_the_defaults(file, kind):
    written = dotted(yaml.safe_load((CONFIG / file).read_text())["/**"]["ros__parameters"])
    coded = {name: value for name, (_, value) in flatten(kind()).items()}
    assert {k: tuple(v) if isinstance(v, list) else v for k, v in written.items()} == coded
    assert {k: type(v) for k, v in written.items() if k != "grid.size_m"} == {
        k: type(v) for k, v in coded.items() if k != "grid.size_m"
    }
    assert build(kind, written) == kind()


def test_every_parameter_of_the_contract_is_there():
    assert set(CONTRACT.split()) <= set(flatten(PerceptionConfig()))


@pytest.mark.parametrize("kind", [PerceptionConfig, LidarProjectionConfig])
def test_every_parameter_is_described(kind):
    for name, (field, value) in flatten(kind()).items():
        described = descriptor(field)
        assert described.description, name
        if isinstance(value, float):
            assert described.floating_point_range, name
        if type(value) is int:
            assert described.integer_range, name
        assert is_live(field) != ("unconfigured" in described.description), name


def test_ranges_and_choices():
    fields = flatten(PerceptionConfig())
    weight = descriptor(fields["lidar.weight"][0]).floating_point_range[0]
    assert (weight.from_value, weight.to_value) == (0.0, 1.0)
    assert descriptor(fields["mode"][0]).additional_constraints == "one of: patch, context, dense"


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("mode", "fast", "parameter mode = 'fast': .*'patch', 'context' or 'dense'"),
        ("lidar.weight", 1.5, "parameter lidar.weight = 1.5: .*less than or equal to 1"),
        ("grid.size_m", [10.0], "parameter grid.size_m.*"),
        ("grid.size_m", [-10.0, 5.0], "parameter grid.*must be positive"),
        ("grid.size_m", [4000.0, 4000.0], "parameter grid.*32767"),
        ("grid.frame", "", "parameter grid.frame = ''"),
        ("nonsense", 1, "parameter nonsense"),
    ],
)
def test_a_bad_value_is_refused_with_a_reason(name, value, reason):
    with pytest.raises(InputError, match=reason) as caught:
        build(PerceptionConfig, {name: value})
    assert "\n" not in str(caught.value)
