"""Whatever a file holds: what reads it gives a sound value or one line that names the file."""

import json
import struct

import torch
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pdn_ros.classes import ClassSet, load_classes
from pdn_ros.config import from_ros_yaml
from pdn_ros.errors import InputError
from pdn_ros.network.checkpoint import SHIPPED, Checkpoint, read_checkpoint, write_checkpoint
from pdn_ros.network.network_config import NetworkConfig
from pdn_ros.perception.config import PerceptionConfig
from pdn_ros.resources import config_path

QUICK = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
CLASSES = '{"classes": [{"name": "road"}, {"name": "sky"}]}'
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=6,
)


def changed(tree, draw):
    """A tree of lists and mappings with one of its values replaced."""
    if isinstance(tree, dict) and tree and draw(st.booleans()):
        name = draw(st.sampled_from(sorted(tree)))
        return {**tree, name: changed(tree[name], draw)}
    if isinstance(tree, list) and tree and draw(st.booleans()):
        i = draw(st.integers(0, len(tree) - 1))
        return [*tree[:i], changed(tree[i], draw), *tree[i + 1 :]]
    return draw(VALUES)


def one_line(error, path):
    assert "\n" not in str(error)
    assert path.name in str(error)


@QUICK
@given(data=st.data())
def test_class_files(tmp_path, data):
    path = tmp_path / "classes.yaml"
    tree = yaml.safe_load(config_path("classes/street.yaml").read_text())
    noise = st.binary(max_size=200)
    text = data.draw(noise | st.builds(lambda: yaml.safe_dump(changed(tree, data.draw)).encode()))
    path.write_bytes(text)
    try:
        assert isinstance(load_classes(path), ClassSet)
    except InputError as error:
        one_line(error, path)


@QUICK
@given(data=st.data())
def test_parameter_files(data):
    tree = yaml.safe_load(config_path("perception.yaml").read_text())
    try:
        found = from_ros_yaml(PerceptionConfig, changed(tree, data.draw), "params.yaml")
        assert isinstance(found, PerceptionConfig)
    except InputError as error:
        assert "\n" not in str(error)


@QUICK
@given(data=st.data())
def test_weights(tmp_path, data):
    """Noise in the header, the description or the numbers, or a file that was cut."""
    path = tmp_path / "net.safetensors"
    state = {"weight": torch.ones(2, 3)}
    write_checkpoint(path, Checkpoint(NetworkConfig(num_classes=2), CLASSES, state))
    whole = path.read_bytes()
    (size,) = struct.unpack_from("<Q", whole)
    header = json.loads(whole[8 : 8 + size])
    kind = data.draw(st.sampled_from(["metadata", "network", "bytes", "cut"]))
    if kind in ("metadata", "network"):
        about = header["__metadata__"]
        if kind == "metadata":
            name = data.draw(st.sampled_from(sorted(about)))
            about[name] = data.draw(st.text(max_size=20))
        else:
            about["network"] = json.dumps(changed(json.loads(about["network"]), data.draw))
        text = json.dumps(header).encode()
        bad = struct.pack("<Q", len(text)) + text + whole[8 + size :]
    elif kind == "bytes":
        at = data.draw(st.integers(0, 8 + size))
        noise = data.draw(st.binary(min_size=1, max_size=8))
        bad = whole[:at] + noise + whole[at + len(noise) :]
    else:
        bad = whole[: data.draw(st.integers(0, len(whole) - 1))]
    path.write_bytes(bad)
    try:
        assert isinstance(read_checkpoint(path), Checkpoint)
    except ValueError as error:
        one_line(error, path)


def test_undamaged_they_are_read():
    assert read_checkpoint(SHIPPED).config.num_classes == len(load_classes("street").names)
    tree = yaml.safe_load(config_path("perception.yaml").read_text())
    assert from_ros_yaml(PerceptionConfig, tree, "perception.yaml") == PerceptionConfig()
