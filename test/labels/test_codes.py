"""Run-length codes and polygons against written-out masks and other libraries' codes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.path import Path as Outline

from pdn_ros.errors import InputError
from pdn_ros.labels import rle
from pdn_ros.labels.polygons import fill, regions

MASK = np.array([[0, 1, 1, 0, 0], [1, 1, 0, 0, 1], [0, 0, 0, 1, 1]], dtype=bool)
MASKS = st.builds(
    lambda seed, h, w: np.random.default_rng(seed).random((h, w)) < 0.5,
    st.integers(0, 999),
    st.integers(1, 9),
    st.integers(1, 9),
)


def test_coco_codes_are_those_of_pycocotools():
    # mask.encode(np.asfortranarray(MASK))
    np.testing.assert_array_equal(rle.read_coco("11110O30M1", 3, 5), MASK)
    assert rle.write_coco(MASK) == [1, 1, 1, 2, 1, 1, 4, 1, 1, 2]
    np.testing.assert_array_equal(rle.read_coco(rle.write_coco(MASK), 3, 5), MASK)


def test_label_studio_brushes_are_those_of_its_converter():
    # label_studio_sdk.converter.brush.mask2rle(255 * MASK)
    code = [0, 0, 0, 60, 57, 27, 252, 96, 19, 255, 206, 1, 63, 252, 224, 17, 255, 219, 0, 159, 252]
    np.testing.assert_array_equal(rle.read_label_studio(code, 3, 5), MASK)


@given(MASKS)
def test_codes_give_the_mask_again(mask):
    height, width = mask.shape
    flat = rle.from_runs(rle.runs(mask.ravel()), mask.size)
    np.testing.assert_array_equal(flat.reshape(mask.shape), mask)
    for read, write in (
        (rle.read_coco, rle.write_coco),
        (rle.read_label_studio, rle.write_label_studio),
    ):
        np.testing.assert_array_equal(read(write(mask), height, width), mask)


def test_long_runs_give_the_mask_again():
    mask = np.zeros((400, 300), dtype=bool)
    mask[50:350, 20:290] = True
    code = rle.write_label_studio(mask)
    np.testing.assert_array_equal(rle.read_label_studio(code, 400, 300), mask)


@pytest.mark.parametrize("counts", ["1111", "1!", "1p", [1, 2], [-1, 16], [16]])
def test_damaged_codes_are_refused(counts):
    with pytest.raises(InputError):
        rle.read_coco(counts, 3, 5)


@given(st.lists(st.integers(0, 255), max_size=30))
def test_whatever_bytes_a_brush_has_it_is_a_mask_or_refused(data):
    try:
        assert rle.read_label_studio([0, 0, 0, 60, 57, *data], 3, 5).shape == (3, 5)
    except InputError as error:
        assert "brush" in str(error)


def test_a_pixel_is_in_a_polygon_if_its_center_is():
    canvas = np.zeros((4, 5), dtype=np.uint8)
    fill(canvas, 7, [(1, 0), (4, 0), (4, 2), (1, 2)])
    expected = np.zeros((4, 5), dtype=np.uint8)
    expected[0:2, 1:4] = 7
    np.testing.assert_array_equal(canvas, expected)
    fill(canvas, 9, [(-5, 2.6), (99, 2.6), (99, 99), (-5, 99)])  # beyond the image
    expected[3] = 9
    np.testing.assert_array_equal(canvas, expected)
    fill(canvas, 1, [(0, 0), (3, 3)])  # no area
    np.testing.assert_array_equal(canvas, expected)


@settings(max_examples=60)
@given(st.lists(st.tuples(st.floats(-4, 24), st.floats(-4, 18)), min_size=3, max_size=3))
def test_triangles_agree_with_matplotlib(corners):
    canvas = np.zeros((13, 19), dtype=np.uint8)
    fill(canvas, 1, corners)
    y, x = np.mgrid[0.5:13, 0.5:19]
    points = np.stack([x.ravel(), y.ravel()], axis=1)
    path = Outline(corners)
    differ = canvas.ravel().astype(bool) != path.contains_points(points)
    # On the outline itself either answer is right.
    a, b = np.array(corners), np.roll(corners, -1, axis=0)
    for center in points[differ]:
        along = np.clip(
            ((center - a) * (b - a)).sum(1) / np.maximum(((b - a) ** 2).sum(1), 1e-12), 0, 1
        )
        assert np.hypot(*(center - a - along[:, None] * (b - a)).T).min() < 1e-6


@given(st.integers(0, 999), st.integers(1, 12), st.integers(1, 12), st.sampled_from([2, 3, 5]))
def test_regions_drawn_in_their_order_give_the_label_again(seed, height, width, count):
    rng = np.random.default_rng(seed)
    label = rng.integers(0, count, (height, width)).astype(np.uint8)
    label[label == 1] = 255
    again = np.full_like(label, 77)
    for value, corners in regions(label):
        fill(again, value, corners)
    np.testing.assert_array_equal(again, label)


def test_a_region_has_as_few_corners_as_it_needs():
    label = np.zeros((20, 30), dtype=np.uint8)
    label[5:15, 10:20] = 1
    found = list(regions(label))
    assert [value for value, _ in found] == [0, 1]
    assert sorted(map(tuple, found[1][1].tolist())) == [(10, 5), (10, 15), (20, 5), (20, 15)]
    assert len(found[0][1]) == 4
    y, x = np.mgrid[:200, :200]
    disc = (np.hypot(x - 100, y - 100) < 80).astype(np.uint8)
    exact, simple = (list(regions(disc, t))[1][1] for t in (0, 1))
    assert len(simple) < 40 < 200 < len(exact)
    drawn = np.zeros_like(disc)
    fill(drawn, 1, simple)
    assert (drawn & disc).sum() / (drawn | disc).sum() > 0.98
