import re

import numpy as np
import pytest
import torch

from pdn_ros.config import build
from pdn_ros.errors import InputError
from pdn_ros.network import Frame, predict_set
from pdn_ros.perception import Pipeline, PipelineConfig
from pdn_ros.perception.backends import available, pick
from pdn_ros.perception.backends.accuracy import street_image
from pdn_ros.perception.config import RigConfig
from pdn_ros.perception.deadline import Deadline


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    """Smooth colours: an image with regions, edges and no pattern a network could miss."""
    y, x = np.mgrid[0:256, 0:384]
    waves = [np.sin(x / a + y / b) * 100 + 128 for a, b in ((30, 50), (70, 20), (15, 90))]
    return np.stack(waves, 2).astype(np.uint8)


@pytest.fixture(scope="module")
def torch_pipeline() -> Pipeline:
    return Pipeline(PipelineConfig(backend="torch", device="cpu"))


@pytest.mark.parametrize("mode", ["patch", "context", "dense"])
def test_pipeline_is_predict_to_the_bit(torch_pipeline, image, mode: str) -> None:
    from pdn_ros import PatchDriveNet

    torch_pipeline.reconfigure(torch_pipeline.config.model_copy(update={"mode": mode}))
    result = torch_pipeline.segment(image)
    expected = PatchDriveNet.load().predict(image, mode=mode)
    np.testing.assert_array_equal(result.mask, expected.mask)
    np.testing.assert_array_equal(result.confidence, expected.confidence)
    np.testing.assert_array_equal(result.selected, expected.selected)


@pytest.mark.skipif("openvino" not in available(), reason="OpenVINO is not installed")
def test_openvino_agrees_with_torch(torch_pipeline) -> None:
    image = street_image()  # in colors of no scene labels hang by a thread, and bfloat16 cuts it
    torch_pipeline.reconfigure(torch_pipeline.config.model_copy(update={"mode": "patch"}))
    expected = torch_pipeline.segment(image)
    result = Pipeline(PipelineConfig(backend="openvino", device="cpu")).segment(image)
    np.testing.assert_allclose(result.weights, expected.weights, atol=0.02)
    assert (result.mask == expected.mask).mean() > 0.99


@pytest.fixture(scope="module", params=available())
def any_pipeline(request) -> Pipeline:
    return Pipeline(PipelineConfig(backend=request.param, device="cpu"))


def test_a_result_outlives_the_next_frame(any_pipeline, image) -> None:
    result = any_pipeline.segment(image)
    arrays = result.mask, result.confidence, result.weights, result.scores, result.selected
    before = [array.copy() for array in arrays]
    any_pipeline.segment(255 - image[::-1])
    for array, kept in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(array, kept)


def test_a_set_with_equal_shares_is_its_images(any_pipeline, image) -> None:
    images = [image, 255 - image[::-1], np.ascontiguousarray(image[:, ::-1])]
    config = any_pipeline.config
    expected = []
    try:
        any_pipeline.reconfigure(config.model_copy(update={"budget": 2}))
        expected = [any_pipeline.segment(one) for one in images]
        equal = {"budget": 6, "rig": RigConfig(floor=1.0)}
        any_pipeline.reconfigure(config.model_copy(update=equal))
        found = any_pipeline.segment_set([Frame(one) for one in images])
    finally:
        any_pipeline.reconfigure(config)
    for one, alone in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one.selected, alone.selected)
        np.testing.assert_array_equal(one.mask, alone.mask)
        np.testing.assert_array_equal(one.confidence, alone.confidence)


def test_confidence_is_left_out_when_nobody_wants_it(torch_pipeline, image) -> None:
    assert torch_pipeline.segment(image, confidence=False).confidence is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weights": "/nowhere.safetensors"}, "cannot be read"),
        ({"backend": "abacus"}, r"parameter backend = 'abacus'"),
        ({"classes": "moon"}, "no such class set"),
    ],
)
def test_what_cannot_be_had_is_said_in_one_line(change: dict, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        Pipeline(build(PipelineConfig, change))
    assert "\n" not in str(caught.value)


def test_weights_of_other_classes_are_refused(tmp_path) -> None:
    file = tmp_path / "two.yaml"
    file.write_text(
        "name: two\nclasses:\n"
        "  - {name: floor, color: [1, 2, 3], role: ground}\n"
        "  - {name: wall, color: [4, 5, 6], role: static}\n"
    )
    with pytest.raises(InputError, match="2 classes"):
        Pipeline(PipelineConfig(classes=str(file)))


def test_bad_frames_raise_and_the_next_one_works(torch_pipeline, image) -> None:
    with pytest.raises(InputError, match="at least 32x32"):
        torch_pipeline.segment(image[:20])
    with pytest.raises(InputError, match="prior of"):
        torch_pipeline.segment(image, prior=np.zeros((9, 9), np.float32))
    assert torch_pipeline.segment(image).mask.shape == image.shape[:2]


def test_backend_cannot_change_while_running(torch_pipeline) -> None:
    with pytest.raises(InputError, match="backend: cannot change"):
        torch_pipeline.reconfigure(PipelineConfig(backend="auto", device="cpu"))


def test_auto_picks_something_available() -> None:
    assert pick("cpu") in available()
    assert pick("cuda") == "torch"


@pytest.mark.skipif("openvino" not in available(), reason="OpenVINO is not installed")
@pytest.mark.parametrize(
    ("backend", "deadline_ms", "threads"),
    [("openvino", 10_000.0, 1), ("openvino", 0.0, 2), ("torch", 10_000.0, 2)],
)
def test_under_a_deadline_torch_keeps_out_of_the_way(
    image, monkeypatch, backend: str, deadline_ms: float, threads: int
) -> None:
    from pdn_ros.perception import pipeline as module

    seen = []

    def watched(*args, **kwargs):
        seen.append(torch.get_num_threads())
        return predict_set(*args, **kwargs)

    monkeypatch.setattr(module, "predict_set", watched)
    pipeline = Pipeline(PipelineConfig(backend=backend, device="cpu", deadline_ms=deadline_ms))
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        pipeline.segment(image)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert seen == [threads]


@pytest.mark.skipif("openvino" not in available(), reason="OpenVINO is not installed")
def test_what_builds_says_so_and_is_no_lesson_for_the_deadline(
    image, tmp_path, monkeypatch
) -> None:
    from pdn_ros.perception.backends.openvino import OpenVinoParts

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    said, observed = [], []
    build = OpenVinoParts._build

    def watched(*args):
        said.append(pipeline.building)
        return build(*args)

    monkeypatch.setattr(OpenVinoParts, "_build", watched)
    monkeypatch.setattr(Deadline, "observe", lambda *args: observed.append(args))
    pipeline = Pipeline(PipelineConfig(backend="openvino", device="cpu", deadline_ms=1e4))
    assert pipeline.building == ""
    pipeline.segment(image)
    assert [line.rpartition(" (")[0] for line in said] == 2 * [
        "building the models for 384x256 images"
    ]
    assert all(re.search(r" \(\d+ s so far\)$", line) for line in said)
    assert pipeline.building == "" and observed == []
    pipeline.segment(image)
    assert len(observed) == 1


@pytest.mark.parametrize("mode", ["patch", "context", "dense"])
def test_a_warm_pipeline_builds_nothing_more(image, tmp_path, monkeypatch, mode: str) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    # No patch of a black image would score as much.
    pipeline = Pipeline(PipelineConfig(device="cpu", mode=mode, threshold=1.0))
    pipeline.warm_up(384, 256)
    warm = pipeline._parts.models
    pipeline.reconfigure(pipeline.config.model_copy(update={"threshold": 0.0}))
    pipeline.segment(image)
    assert pipeline._parts.models == warm
    with pytest.raises(InputError):
        pipeline.warm_up(8, 8)
