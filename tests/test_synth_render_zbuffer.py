"""The z-buffer against rays by brute force, and what it says about who is seen."""

import numpy as np
import pytest
from synth_render import mannequin, matt, posed, square

from fidip.errors import DataError
from infantsynth.annotate import label_keypoints
from infantsynth.render.zbuffer import enlarged, rasterise, visible_shares
from infantsynth.spec import Mesh, look_at

LEFT_WRIST, RIGHT_WRIST = 9, 10


def random_mesh(rng, count, low, high):
    vertices = rng.uniform(low, high, (3 * count, 3)).astype(np.float32)
    return Mesh("toy", vertices, np.arange(3 * count, dtype=np.int32).reshape(-1, 3), matt([0.5] * 3))


def by_brute_force(camera, mesh):
    """Nearest depth and face for every pixel by Moeller and Trumbore's test of every ray with every face."""
    y, x = np.mgrid[: camera.height, : camera.width]
    flat = np.stack([x, y], axis=-1).reshape(-1, 2)
    focal = np.diag(camera.intrinsics)[:2]
    ray = np.column_stack([(flat - camera.intrinsics[:2, 2]) / focal, np.ones(len(flat))]) @ camera.rotation
    a, b, c = (mesh.vertices[mesh.faces[:, k]].astype(np.float64) for k in range(3))
    best, face = np.full(len(ray), np.inf), np.full(len(ray), -1)
    for index in range(len(a)):
        first, second, origin = b[index] - a[index], c[index] - a[index], camera.centre - a[index]
        p, q = np.cross(ray, second), np.cross(origin, first)
        scale = p @ first
        with np.errstate(divide="ignore", invalid="ignore"):
            u, v, t = p @ origin / scale, ray @ q / scale, q @ second / scale
        closer = (u >= 0) & (v >= 0) & (u + v <= 1) & (t > 0.01) & (t < best)
        best[closer], face[closer] = t[closer], index
    shape = camera.height, camera.width
    return best.reshape(shape), face.reshape(shape)


@pytest.mark.parametrize(("seed", "low", "high"), [(0, -1, 1), (1, -1, 1), (2, -3, 3)])
def test_random_triangles_are_where_rays_meet_them(seed, low, high):
    """The last case puts the camera among the triangles, so that many cross the near plane."""
    rng = np.random.default_rng(seed)
    mesh = random_mesh(rng, 60, low, high)
    camera = look_at(np.array([0.3, -2.5, 0.4]), np.zeros(3), 1.0, (48, 36), roll=0.7)
    depth, face = by_brute_force(camera, mesh)
    buffers = rasterise(camera, [mesh])
    same = buffers.face == face
    assert same.mean() > 0.998  # rays along an edge may go to either side
    hit = same & (face >= 0)
    assert hit.mean() > 0.3
    np.testing.assert_allclose(buffers.depth[hit], depth[hit], rtol=1e-5)
    places = np.einsum("pi,pij->pj", buffers.bary[hit], mesh.vertices[mesh.faces[face[hit]]])
    rows, columns = np.nonzero(hit)
    xy, _ = camera.project(places)
    np.testing.assert_allclose(xy, np.column_stack([columns, rows]), atol=2e-2)


def test_two_halves_of_a_square_leave_no_gap_and_the_first_of_equals_wins():
    camera = look_at(np.array([0.0, -2, 0]), np.zeros(3), 0.8, (101, 77), roll=0.3)
    plate, again = square(matt([1, 1, 1]), side=9.0), square(matt([0, 0, 0]), side=9.0)
    buffers = rasterise(camera, [plate, again])
    assert (buffers.mesh == 0).all() and set(np.unique(buffers.face)) == {0, 1}
    assert np.abs(buffers.depth - 2).max() < 1e-5


def test_enlarged_keeps_the_view():
    camera = look_at(np.array([0.0, -2, 0]), np.zeros(3), 0.8, (40, 30))
    point = np.array([0.3, 0.2, -0.1])
    small, large = camera.project(point)[0], enlarged(camera, 3).project(point)[0]
    np.testing.assert_allclose((large + 0.5) / 3, small + 0.5, atol=1e-9)


def test_broken_meshes_are_refused():
    camera = look_at(np.array([0.0, -2, 0]), np.zeros(3), 0.8, (40, 30))
    mesh = random_mesh(np.random.default_rng(0), 2, -1, 1)
    mesh.vertices[1, 1] = np.nan
    with pytest.raises(DataError, match=r"mesh 0 \(toy\).*no numbers"):
        rasterise(camera, [mesh])
    mesh.vertices[1, 1] = 0
    mesh.faces[0, 0] = 6
    with pytest.raises(DataError, match="name no vertex"):
        rasterise(camera, [mesh])


def test_nothing_in_view_gives_empty_buffers():
    camera = look_at(np.array([0.0, -2, 0]), np.array([0, -3.0, 0]), 0.8, (40, 30))
    buffers = rasterise(camera, [square(matt([1, 1, 1]))])
    assert (buffers.mesh == -1).all() and np.isinf(buffers.depth).all() and not buffers.bary.any()


@pytest.mark.parametrize("wrist", [LEFT_WRIST, RIGHT_WRIST])
def test_a_board_before_one_wrist_hides_it_alone(wrist):
    free = mannequin(size=(320, 240))
    _, here = posed()
    ahead = free.camera.centre - here.keypoints[wrist]
    board = square(matt([0.9, 0.9, 0.9]), side=0.09, kind="toy")
    board.vertices[:] += (here.keypoints[wrist] + 0.12 * ahead / np.linalg.norm(ahead)).astype(np.float32)
    hidden = mannequin(size=(320, 240), extra=(board,))
    before = label_keypoints(free, rasterise(free.camera, free.meshes))
    after = label_keypoints(hidden, rasterise(hidden.camera, hidden.meshes))
    assert before[wrist, 2] == 2 and after[wrist, 2] == 1
    others = np.arange(17) != wrist
    np.testing.assert_array_equal(before[others], after[others])
    np.testing.assert_array_equal(before[:, :2], after[:, :2])


def test_half_a_board_lets_half_of_the_points_through():
    camera = look_at(np.array([0.0, -2, 0]), np.zeros(3), 0.8, (200, 150))
    x = np.linspace(-0.3, 0.3, 60)
    points, normals = np.column_stack([x, 0 * x, 0 * x]), np.tile([0.0, -1, 0], (60, 1))
    board = square(matt([1, 1, 1]), side=1.0, depth=-0.5)
    board.vertices[:, 0] += 0.5  # covers x > 0
    buffers = rasterise(camera, [board])
    patches = [np.arange(len(points))]
    assert visible_shares(camera, buffers, points, normals, patches)[0] == pytest.approx(0.5, abs=0.02)
    assert visible_shares(camera, buffers, points, -normals, patches)[0] == 0.0
    assert visible_shares(camera, buffers, points + [5, 0, 0], normals, patches)[0] == 0.0
