import cv2
import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from pdn_ros.geometry.camera import Camera
from pdn_ros.messages.camera_info import CameraInfo

K = [[960.0, 0, 630.5], [0, 955.0, 190.25], [0, 0, 1]]
LENSES = {
    "plumb_bob": [-0.3691, 0.1969, 0.00135, 0.00057, -0.0677],
    "rational_polynomial": [0.47, -2.4, 0.0006, -0.0002, 1.36, 0.35, -2.24, 1.3],
    "equidistant": [-0.01, 0.02, -0.005, 0.001],
}


def camera(model="", d=(), **kw):
    return Camera.from_info(
        CameraInfo(**{"width": 1242, "height": 375, "k": K, "d": d, "distortion_model": model} | kw)
    )


def cloud(n=2000, seed=0):
    rng = np.random.default_rng(seed)
    return rng.uniform([-8, -3, 6], [8, 3, 40], (n, 3))


def reference(model, d, points):
    zero = np.zeros(3)
    k = np.array(K)
    if model == "equidistant":
        return cv2.fisheye.projectPoints(points[:, None], zero, zero, k, np.array(d))[0][:, 0]
    return cv2.projectPoints(points, zero, zero, k, np.array(d))[0][:, 0]


@pytest.mark.parametrize("model", LENSES)
def test_projection_equals_opencv(model):
    points = cloud()
    pixels, valid = camera(model, LENSES[model]).project(points)
    expected = reference(model, LENSES[model], points)
    inside = (
        (expected[:, 0] >= -0.5)
        & (expected[:, 0] < 1241.5)
        & (expected[:, 1] >= -0.5)
        & (expected[:, 1] < 374.5)
    )
    assert inside.sum() > 500
    assert np.array_equal(valid, inside)
    assert np.abs(pixels - expected)[inside].max() < 0.01


def test_thin_prism_coefficients_equal_opencv():
    d = [*LENSES["rational_polynomial"], 0.003, -0.002, 0.004, 0.001]
    points = cloud()
    pixels, valid = camera("rational_polynomial", d).project(points)
    assert np.abs(pixels - reference("", d, points))[valid].max() < 0.01


@pytest.mark.parametrize("model", ["", *LENSES])
def test_rays_project_back_onto_their_pixels(model):
    cam = camera(model, LENSES.get(model, ()))
    rays = cam.rays()
    assert rays.shape == (375, 1242, 3) and rays.dtype == np.float32
    seen = np.isfinite(rays[..., 0])
    assert seen.mean() > 0.99
    pixels, valid = cam.project(rays[seen] * np.float32(7))
    v, u = np.nonzero(seen)
    border = (u == 0) | (v == 0) | (u == 1241) | (v == 374)
    assert valid[~border].all()
    assert np.abs(pixels - np.stack((u, v), 1)).max() < 0.1
    assert cam.rays() is rays


def test_pinhole_by_hand():
    pixels, valid = camera().project(np.array([[1, -0.5, 10], [0, 0, -5], [0, 0, 0], [50, 0, 10]]))
    assert valid.tolist() == [True, False, False, False]
    assert pixels[0] == pytest.approx([630.5 + 96, 190.25 - 47.75])


def test_points_beyond_the_fold_are_invalid():
    # r (1 - 0.3 r^2) turns at r = 1 / sqrt(0.9): beyond, points would come back into the image.
    cam = camera("plumb_bob", [-0.3, 0, 0, 0])
    assert cam.fold == pytest.approx(1 / np.sqrt(0.9))
    x = np.array([0.5, 1.0, 1.1, 1.5, 1.75])
    pixels, valid = cam.project(np.stack((x, 0 * x, np.ones(5)), 1))
    assert pixels[4, 0] < 1241  # it folds
    assert valid.tolist() == [True, False, False, False, False]  # 1.0: outside the image


@pytest.mark.parametrize(
    ("d", "fold"), [([0, 0, 0, 0], np.inf), ([-0.3, 0, 0, 0], np.tan(1 / np.sqrt(0.9)))]
)
def test_fold_of_a_fisheye(d, fold):
    assert camera("equidistant", d).fold == pytest.approx(fold)


def test_fisheye_without_coefficients_is_no_pinhole():
    pixels, _ = camera("equidistant", [0, 0, 0, 0]).project(np.array([[1.0, 0, 2]]))
    assert pixels[0, 0] == pytest.approx(630.5 + 960 * np.arctan(0.5), abs=1e-3)


def test_region_and_binning():
    """A pixel of the binned region sees what the middle of its full pixels saw."""
    full = camera("plumb_bob", LENSES["plumb_bob"])
    part = camera(
        "plumb_bob", LENSES["plumb_bob"], roi=(200, 100, 400, 200), binning_x=2, binning_y=4
    )
    assert (part.width, part.height) == (200, 50)
    points = cloud()
    u, v = full.project(points)[0].T
    pixels, valid = part.project(points)
    expected = np.stack(((u - 200 + 0.5) / 2 - 0.5, (v - 100 + 0.5) / 4 - 0.5), 1)
    assert valid.sum() > 50
    assert np.abs(pixels - expected)[valid].max() < 1e-2
    within = (u >= 199.5) & (u < 599.5) & (v >= 99.5) & (v < 299.5)
    assert np.array_equal(valid, within)


def test_resized_keeps_directions():
    cam = camera("plumb_bob", LENSES["plumb_bob"])
    half = cam.resized(621, 188)
    points = cloud(50)
    a, valid = cam.project(points)
    b, _ = half.project(points)
    scale = np.array([621 / 1242, 188 / 375])
    assert np.abs((a + 0.5) * scale - 0.5 - b)[valid].max() < 1e-2
    assert cam.resized(1242, 375) is cam


@pytest.mark.parametrize("model", LENSES)
def test_undistorted_codes_are_those_of_the_straight_camera(model):
    """A chequered board in the world looks the same straight as through the lens."""
    cam = camera(model, LENSES[model]).resized(310, 94)

    def board(c):
        x, y = np.nan_to_num(c.rays()[..., 0]), np.nan_to_num(c.rays()[..., 1])
        return ((np.floor(x * 4) + np.floor(y * 4)) % 2).astype(np.uint8)

    assert cam.straight.pinhole
    straight = cam.undistort(board(cam))
    seen = straight != 255
    assert seen.mean() > 0.5
    assert (straight == board(cam.straight))[seen].mean() > 0.97


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"k": np.zeros(9)}, "uncalibrated"),
        ({"k": [np.nan] * 9}, "finite"),
        ({"k": [1, 2, 3]}, "nine"),
        ({"distortion_model": "brown", "d": [0.0] * 5}, "brown"),
        ({"distortion_model": "plumb_bob", "d": [0.0] * 3}, "3 coefficients"),
        ({"distortion_model": "plumb_bob", "d": [np.nan] * 5}, "finite"),
        ({"distortion_model": "", "d": [0.1] * 5}, "5 coefficients"),
        ({"roi": (1000, 0, 400, 100)}, "outside"),
        ({"width": 0}, "outside"),
    ],
)
def test_what_is_no_camera_is_refused_in_one_line(change, words):
    with pytest.raises(ValueError, match=words) as caught:
        camera(**change)
    assert "\n" not in str(caught.value)


number = st.floats(width=32)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(number, number, number), max_size=20),
    st.sampled_from(["", *LENSES]),
    st.lists(st.floats(-2, 2), min_size=4, max_size=4),
)
def test_any_points_and_lens_give_pixels_inside(points, model, d):
    cam = Camera.from_info(CameraInfo(
        width=64, height=48, k=[50, 0, 32, 0, 50, 24, 0, 0, 1], d=d if model else (),
        distortion_model=model,
    ))  # fmt: skip
    pixels, valid = cam.project(np.array(points, dtype=np.float32).reshape(-1, 3))
    inside = pixels[valid]
    assert np.isfinite(inside).all()
    u, v = np.rint(inside).T
    assert ((u >= 0) & (u < 64) & (v >= 0) & (v < 48)).all()
    rays = cam.rays()
    seen = np.isfinite(rays[..., 0])
    assert (np.isnan(rays).any(axis=2) == ~seen).all()
    assert (np.hypot(rays[seen][:, 0], rays[seen][:, 1]) <= cam.fold * 1.001).all()
