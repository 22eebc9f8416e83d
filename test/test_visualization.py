"""Pictures: values at known pixels."""

import numpy as np
import pytest
from PIL import Image

from pdn_ros.classes import load_classes
from pdn_ros.visualization import (
    FREE,
    OCCUPIED,
    OUTLINE,
    PRIOR,
    UNKNOWN,
    colorize,
    depth_overlay,
    grid_image,
    overlay,
    saliency,
    save_mask,
)

STREET = load_classes("street")
IMAGE = np.full((90, 130, 3), 100, dtype=np.uint8)


def test_colors_are_those_of_the_class_file_in_bgr():
    mask = np.array([[3, 255], [0, 11]], dtype=np.uint8)
    expected = [[[128, 64, 128], [0, 0, 0]], [[180, 130, 70], [255, 255, 255]]]
    assert colorize(mask, STREET).tolist() == expected


def test_overlay_blends_and_leaves_void_alone():
    mask = np.full((90, 130), 8, dtype=np.uint8)
    mask[:, 60:] = 255
    out = overlay(IMAGE, mask, STREET, alpha=0.25)
    assert out[0, 0].tolist() == [125, 90, 82]  # 0.75 * 100 + 0.25 * (200, 60, 30), half to even
    assert (out[:, 60:] == IMAGE[:, 60:]).all()
    assert (IMAGE == 100).all()


def test_saved_masks_hold_ids_and_show_colorize(tmp_path):
    mask = np.array([[0, 3, 11, 255]], dtype=np.uint8)
    save_mask(tmp_path / "a.mask.png", mask, STREET)
    with Image.open(tmp_path / "a.mask.png") as picture:
        assert picture.mode == "P"
        assert np.array(picture).tolist() == mask.tolist()
        assert np.array(picture.convert("RGB"))[0, 1].tolist() == [128, 64, 128]
    assert [p.name for p in tmp_path.iterdir()] == ["a.mask.png"]


def test_saliency_outlines_the_selected_patches_alone():
    # 32 px patches over 130x90: 3 x 5 of them, the last row and column reach over the border.
    weights = np.linspace(0, 1, 15, dtype=np.float32).reshape(3, 5)
    out = saliency(IMAGE, weights, np.array([6, 14], dtype=np.int32), 32)
    assert out.shape == IMAGE.shape
    outlined = (out == OUTLINE).all(axis=2)
    assert outlined[32 + 1, 32 + 10]
    assert outlined[64 + 10, 128 + 1]
    inside = np.zeros((90, 130), dtype=bool)
    inside[32:64, 32:64] = inside[64:, 128:] = True
    assert not outlined[~inside].any()
    # Heat grows with the weight outside the selection.
    assert out[16, 16].sum() < out[80, 100].sum()


@pytest.mark.parametrize("selected", [[], list(range(15))])
def test_saliency_of_none_and_all(selected):
    weights = np.zeros((3, 5), dtype=np.float32)
    out = saliency(IMAGE, weights, np.array(selected, dtype=np.int32), 32)
    assert bool((out == OUTLINE).all(axis=2).any()) == bool(selected)


def test_prior_bars_are_as_long_as_the_prior():
    weights = np.zeros((3, 5), dtype=np.float32)
    prior = np.zeros((3, 5), dtype=np.float32)
    prior[0, 0], prior[0, 2] = 1.0, 0.5
    out = saliency(IMAGE, weights, np.array([], dtype=np.int32), 32, prior)
    bar = (out == PRIOR).all(axis=2)
    widths = [bar[:32, c * 32 : c * 32 + 32].any(axis=0).sum() for c in range(4)]
    assert widths == [25, 0, 13, 0]
    assert not bar[32:].any()


def test_depth_is_red_near_and_blue_far():
    depth = np.zeros((90, 130), dtype=np.float32)
    depth[20, 20], depth[60, 100], depth[40, 60] = 3.0, 70.0, np.nan
    out = depth_overlay(IMAGE, depth)
    blue, _, red = out[20, 20].tolist()
    assert red > blue
    blue, _, red = out[60, 100].tolist()
    assert blue > red
    assert (out[40, 60] == 60).all()


def test_near_points_cover_far_ones():
    depth = np.zeros((90, 130), dtype=np.float32)
    depth[20, 20], depth[20, 21] = 3.0, 70.0
    out = depth_overlay(IMAGE, depth)
    assert (out[20, 21] == out[20, 20]).all()


def test_grid_has_x_up_and_y_left():
    data = np.full((4, 6), -1, dtype=np.int8)  # y, x
    data[0, 0] = 0  # least x, least y: behind, right
    data[3, 5] = 100  # largest x and y: ahead, left
    out = grid_image(data)
    assert out.shape == (6, 4, 3)
    assert tuple(out[5, 3]) == FREE
    assert tuple(out[0, 0]) == OCCUPIED
    assert tuple(out[2, 2]) == UNKNOWN
    assert grid_image(data, scale=3).shape == (18, 12, 3)
