"""The costmap outputs as nav2's semantic segmentation layer reads them, with our YAML.

Source: ros-navigation/semantic_segmentation_layer, `semantic_segmentation_layer.cpp`
(syncSegmConfPointcloudCb, updateBounds) and `segmentation_buffer.{hpp,cpp}` (bufferSegmentation,
TemporalObservationQueue): a small reading of its rules for single frames.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from pdn_ros.bags.storage import typestore
from pdn_ros.classes import VOID, Role, load_classes
from pdn_ros.geometry.camera import Camera
from pdn_ros.geometry.costmap import aligned_cloud
from pdn_ros.messages.camera_info import CameraInfo
from pdn_ros.messages.cdr import Header
from pdn_ros.messages.images import write_image
from pdn_ros.messages.points import write_organized_cloud

CONFIG = Path(__file__).resolve().parents[2] / "config" / "nav2_semantic_layer.yaml"
STREET = load_classes("street")
CAMERA = Camera.from_info(CameraInfo(width=40, height=30, k=[30, 0, 19.5, 0, 30, 14.5, 0, 0, 1]))
# The camera looks along x of the base frame from 1.5 m: optical z ahead, x right, y down.
MOUNT = np.array([[0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, 1.5], [0, 0, 0, 1.0]])
HEADER = Header(1_700_000_000_000_000_001, "camera_optical")
RESOLUTION = 0.1


def source():
    costmap = yaml.safe_load(CONFIG.read_text())["local_costmap"]["local_costmap"]
    return costmap["ros__parameters"]["semantic"]["camera"]


def class_costs():
    """Class id to the settings of its type, for LabelInfo's names; unnamed classes are left out."""
    types = [source()[kind] for kind in source()["class_types"]]
    named = {name: kind for kind in types for name in kind["classes"]}
    return {i: named[name] for i, name in enumerate(STREET.names) if name in named}


def taken(mask, confidence, cloud):
    """Whether the layer takes a set and reads no byte that isn't there."""
    pixels = mask.width * mask.height
    stamps = {(m.header.stamp.sec, m.header.stamp.nanosec) for m in (mask, confidence, cloud)}
    return (
        pixels == cloud.width * cloud.height  # else a warning and nothing
        and mask.step == mask.width  # the layer indexes v * width + u
        and len(mask.data) >= pixels
        and len(confidence.data) >= pixels  # it doesn't look
        and len(cloud.data) == pixels * cloud.point_step
        and len(stamps) == 1
        and {"x", "y", "z"} <= {f.name for f in cloud.fields}
    )


def marked(mask, confidence, cloud):
    """Costs of the cells that one set marks: {(column, row): cost}, in the base frame."""
    floats = np.asarray(cloud.data).view(np.float32).reshape(-1, cloud.point_step // 4)
    settings, known = source(), class_costs()
    best = {}
    for pixel, optical in enumerate(floats[:, :3].astype(np.float64)):
        if not np.isfinite(optical[2]):
            continue
        distance = np.linalg.norm(optical)
        if not settings["min_obstacle_distance"] < distance < settings["max_obstacle_distance"]:
            continue
        x, y, _, _ = MOUNT @ [*optical, 1]
        tile = (int(np.floor(x / RESOLUTION)), int(np.floor(y / RESOLUTION)))
        cost = known.get(mask.data[pixel], {}).get("max_cost", 0)
        if tile not in best or cost > best[tile][0]:
            best[tile] = (cost, pixel)
    found = {}
    for tile, (_, pixel) in best.items():
        kind = known.get(mask.data[pixel])
        if kind is not None:
            enough = kind["samples_to_max_cost"] <= 1
            sure = confidence.data[pixel] > kind["mark_confidence"]
            found[tile] = kind["max_cost"] if enough and sure else kind["base_cost"]
    return found


def scene():
    """A road with a pole 8 m ahead, unlabelled on the right, and a canopy over the road."""
    ids = np.full((30, 40), STREET.id_of("sky"), dtype=np.uint8)
    ids[15:] = STREET.id_of("road")
    ids[2:6, 10:30] = STREET.id_of("vegetation")
    ids[8:20, 20] = STREET.id_of("pole")
    ids[15:, 35:] = VOID
    depth = np.zeros((30, 40), dtype=np.float32)
    depth[3, 12:28] = 10.0  # 3.9 m above the camera
    depth[12, 20] = 8.0
    return ids, depth


def messages(header=HEADER):
    ids, depth = scene()
    cloud = aligned_cloud(STREET.role_table()[ids], CAMERA, MOUNT, depth)
    written = (
        ("sensor_msgs/msg/Image", write_image(header, ids, "mono8")),
        ("sensor_msgs/msg/Image", write_image(header, np.full_like(ids, 40), "mono8")),
        (
            "sensor_msgs/msg/PointCloud2",
            write_organized_cloud(header, cloud, ids.astype(np.uint32)),
        ),
    )
    return [typestore().deserialize_cdr(data, kind) for kind, data in written]


def test_the_layer_takes_the_set():
    mask, confidence, cloud = messages()
    assert taken(mask, confidence, cloud)
    assert (mask.encoding, confidence.encoding) == ("mono8", "mono8")
    assert mask.header == confidence.header == cloud.header


@pytest.mark.parametrize("wrong", ["cloud size", "row step", "confidence size", "stamp"])
def test_the_oracle_refuses(wrong):
    mask, confidence, cloud = messages()
    if wrong == "cloud size":
        cloud.width -= 1
    elif wrong == "row step":
        mask.step += 4
    elif wrong == "confidence size":
        confidence.data = confidence.data[:-1]
    else:
        mask = messages(replace(HEADER, stamp_ns=HEADER.stamp_ns + 1))[0]
    assert not taken(mask, confidence, cloud)


def test_what_one_frame_marks():
    found = marked(*messages())
    # The pole: column 20 is 0.5 px right of the centre, 8 m ahead, so y = -0.13.
    assert {tile for tile, cost in found.items() if cost == 254} == {(80, -2), (79, -2)} & set(
        found
    )
    assert found.get((80, -2), found.get((79, -2))) == 254
    # Row 20 is 5.5 px under the horizon: 30 * 1.5 / 5.5 = 8.18 m; row 25: 30 * 1.5 / 10.5 = 4.29.
    assert found[(42, int(np.floor((19.5 - 10) / 30 * 4.286 / RESOLUTION)))] == 0
    # Nothing under the canopy at 10 m, nothing where there is no label, nothing from the sky.
    assert 254 not in {cost for (x, _), cost in found.items() if x > 81}
    void = [(x, y) for x, y in found if y * RESOLUTION < -(35 - 19.5) / 30 * x * RESOLUTION]
    assert not void
    assert max(x for x, _ in found) < 200  # max_obstacle_distance


def test_every_class_has_one_type_that_fits_its_role():
    types = {kind: source()[kind] for kind in source()["class_types"]}
    named = [name for kind in types.values() for name in kind["classes"]]
    assert len(named) == len(set(named))
    assert set(named) == set(STREET.names)
    for kind in types.values():
        assert set(kind) == {
            "classes",
            "base_cost",
            "max_cost",
            "mark_confidence",
            "samples_to_max_cost",
            "dominant_priority",
        }
        (role,) = {c.role for c in STREET.classes if c.name in kind["classes"]}
        if role in (Role.STATIC, Role.DYNAMIC):
            assert kind["base_cost"] == kind["max_cost"] == 254 and kind["dominant_priority"]
        else:
            assert kind["max_cost"] < 253 and not kind["dominant_priority"]


def test_the_unlabelled_id_is_no_class():
    assert VOID == 255
    assert VOID not in class_costs()
