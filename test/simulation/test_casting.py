"""Shapes and rays against closed forms."""

import numpy as np
import pytest

from pdn_ros.simulation.mesh import Paint, ball, box, footprint, pose, tube
from pdn_ros.simulation.rays import Caster
from pdn_ros.simulation.street import Path

PAINT = Paint(0, 0)


def test_ray_meets_the_nearer_of_what_stands_and_what_moves() -> None:
    caster = Caster(box((4, -1, -1), (5, 1, 1), PAINT))
    origins = np.zeros((3, 3), np.float32)
    rays = np.array([[1, 0, 0], [2, 0, 0], [0, 1, 0]], np.float32)
    assert caster.first(origins, rays).t[:2] == pytest.approx([4.0, 2.0])
    assert caster.first(origins, rays).triangle[2] == -1
    caster.move(box((2, -1, -1), (3, 1, 1), PAINT, bottom=True))
    hits = caster.first(origins, rays)
    assert hits.t[:2] == pytest.approx([2.0, 1.0])
    assert (hits.triangle[:2] >= 10).all()  # behind the ten static triangles
    blocked = caster.blocked(origins, rays, np.array([1.9, 1.1, 9.0], np.float32))
    assert blocked.tolist() == [False, True, False]


def test_normals_look_outward() -> None:
    for mesh in (box((-1, -1, -1), (1, 1, 1), PAINT, bottom=True), ball((0, 0, 0), 1.0, PAINT)):
        middles = mesh.corners.mean(axis=1)
        assert (np.einsum("ij,ij->i", mesh.normals.mean(axis=1), middles) > 0).all()


def test_footprint_is_cut_between_its_heights() -> None:
    cone = tube((0, 0, 0), (0, 0, 2), (2.0, 0.0), PAINT, 64)
    outline = footprint(cone, 1.0, 1.5)
    assert outline is not None
    assert np.hypot(*outline.T).max() == pytest.approx(1.0, abs=0.01)
    assert footprint(cone, 2.5, 3.0) is None


def test_pose_turns_left_for_positive_yaw_and_down_for_positive_pitch() -> None:
    forward = np.array([1.0, 0.0, 0.0, 1.0])
    assert pose(1, 2, 3, np.pi / 2) @ forward == pytest.approx([1, 3, 3, 1])
    assert (pose(0, 0, 0, 0, 0.1) @ forward)[2] == pytest.approx(-np.sin(0.1))


def test_path_starts_at_the_origin_along_x_and_keeps_lengths() -> None:
    path = Path.winding(np.random.default_rng(2), -40, 300, bend=0.3, slope=0.03)
    assert path.world(0.0, 0.0) == pytest.approx([0, 0, 0])
    assert path.angle(0.0) == pytest.approx(0.0)
    steps = np.diff(path.world(np.arange(-30, 290, 1.0), 0.0)[:, :2], axis=0)
    assert np.linalg.norm(steps, axis=1) == pytest.approx(np.ones(len(steps)), abs=2e-3)
    left = path.world(50.0, 3.0) - path.world(50.0, 0.0)
    heading = float(path.angle(50.0))
    assert left[:2] == pytest.approx([-3 * np.sin(heading), 3 * np.cos(heading)], abs=1e-6)
