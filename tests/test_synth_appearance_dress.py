"""Dressing bodies: always dressed, valid meshes, the same for the same seed."""

import numpy as np
import pytest
from synth_look import BODIES, SMALL, body_named, posed, surface_distance

from infantsynth.appearance.anatomy import PARTS
from infantsynth.appearance.dress import dress
from infantsynth.appearance.garment import required
from infantsynth.appearance.studio import prepare
from infantsynth.appearance.swatch import color_distance
from infantsynth.spec import vertex_normals

FAST = [("infant", range(10)), ("adult", range(10, 14)), ("smpl", range(20, 24))]
CASES = [(name, seed) for name, seeds in FAST for seed in seeds]


def dressed(name, seed, size=SMALL, posture=None):
    body = body_named(name)
    betas, pose, vertices = posed(body, seed, posture)
    return body, vertices, dress(body, betas, pose, vertices, np.random.default_rng(seed), size=size)


def check_dressed(body, result, size=SMALL):
    """Trunk, hips and thighs are cloth on the skin's own texture and in the flags, far from the skin's colour."""
    studio = prepare(body, size)
    must = required(studio.anatomy, studio.anatomy.at)
    assert result.cloth[must].min() == 1
    skin = np.array(result.info["skin"])
    texels = required(studio.anatomy, studio.texels)
    body_color = result.meshes[0].material.color[texels]
    cloths = [
        mesh.material.color[texels]
        for mesh in result.meshes
        if np.shape(mesh.material.color) == (size, size, 3)
    ]
    same = [(np.abs(body_color - cloth).max(axis=1) < 1e-6) for cloth in cloths[1:]]
    assert np.logical_or.reduce(same).all()  # what is bare of garments is painted with their cloth
    for garment in result.info["garments"]:
        assert color_distance(np.array(garment["color"]), skin) >= 32 - 0.2  # rounded for the record


def check_meshes(body, vertices, result):
    """Faces name vertices, numbers are numbers, sources are vertices of the body, kinds are worn ones."""
    length = float(np.ptp(body.template.numpy()[:, 2]))
    for mesh in result.meshes:
        assert mesh.kind in ("body", "garment", "hair")
        assert mesh.vertices.dtype == np.float32 and mesh.faces.dtype == np.int32
        assert np.isfinite(mesh.vertices).all() and len(mesh.faces)
        assert mesh.faces.min() >= 0 and mesh.faces.max() < len(mesh.vertices)
        assert mesh.source.shape == (len(mesh.vertices),) and mesh.source.min() >= 0
        assert mesh.source.max() < len(vertices)
        if mesh.uv is not None:
            assert mesh.uv.shape == (len(mesh.vertices), 2) and np.isfinite(mesh.uv).all()
        color = np.asarray(mesh.material.color)
        assert np.isfinite(color).all() and color.min() >= 0 and color.max() <= 1
        if color.ndim == 3:
            assert mesh.uv is not None
        reach = np.linalg.norm(mesh.vertices - vertices[mesh.source], axis=1).max()
        assert reach < 0.15 * length, mesh.kind


@pytest.mark.parametrize(("name", "seed"), CASES)
def test_every_body_is_dressed_in_every_posture(name, seed):
    body, vertices, result = dressed(name, seed)
    check_dressed(body, result)
    check_meshes(body, vertices, result)


@pytest.mark.slow
@pytest.mark.parametrize("name", BODIES)
def test_two_hundred_seeds_are_dressed(name):
    for seed in range(1000, 1200):
        body, vertices, result = dressed(name, seed)
        check_dressed(body, result)
        check_meshes(body, vertices, result)


@pytest.mark.parametrize("name", BODIES)
def test_what_must_be_cloth_is_trunk_hips_and_thighs(name):
    anatomy = prepare(body_named(name), SMALL).anatomy
    at, joints = anatomy.at, anatomy.joints
    must = required(anatomy, at)
    thigh = (at.leg > 0) & (at.leg < 0.29) & (at.part >= PARTS.index("left_leg"))
    assert must[thigh].all()
    between = (at.rest[:, 2] < joints["left_shoulder"][2] - 0.06 * anatomy.scale) & (at.part == 0)
    assert must[between].all() and between.sum() > 100
    assert not must[(at.head > 0.9) | (at.hand > 0.9) | (at.foot > 0.9) | (at.leg > 0.35)].any()


def test_a_garment_lies_over_every_place_that_must_be_cloth():
    for seed in range(6):
        body, vertices, result = dressed("infant", seed, posture="rest")
        must = required(prepare(body, SMALL).anatomy, prepare(body, SMALL).anatomy.at)
        worn = np.zeros(len(vertices), dtype=bool)
        for mesh in result.meshes:
            if mesh.kind == "garment":
                worn[mesh.source] = True
        assert worn[must].mean() > 0.995


def test_same_seed_same_bytes_other_seed_other_look():
    first, again, other = (dressed("infant", 3)[2], dressed("infant", 3)[2], None)
    body = body_named("infant")
    other = dress(body, *posed(body, 3), np.random.default_rng(4), size=SMALL)
    assert first.info == again.info and first.info != other.info
    assert len(first.meshes) == len(again.meshes)
    for a, b in zip(first.meshes, again.meshes, strict=True):
        assert a.vertices.tobytes() == b.vertices.tobytes()
        assert a.faces.tobytes() == b.faces.tobytes()
        assert np.asarray(a.material.color).tobytes() == np.asarray(b.material.color).tobytes()


def test_the_look_does_not_depend_on_where_the_body_is():
    body = body_named("infant")
    betas, pose, vertices = posed(body, 5)
    moved = vertices + np.float32([1.5, -2.0, 0.25])
    here, there = (
        dress(body, betas, pose, v, np.random.default_rng(5), size=SMALL) for v in (vertices, moved)
    )
    assert here.info == there.info
    for a, b in zip(here.meshes, there.meshes, strict=True):
        if a.kind != "hair":  # strands follow noise in space
            np.testing.assert_allclose(b.vertices, a.vertices + np.float32([1.5, -2.0, 0.25]), atol=3e-3)


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("posture", ["rest", "sitting", "prone"])
def test_cloth_lies_outside_the_skin_and_faces_outwards(name, posture):
    """Above the skin beneath it; only rims, which are turned in, touch it."""
    for seed in range(3):
        body, vertices, result = dressed(name, seed, posture=posture)
        normals = vertex_normals(vertices, body.faces)
        for mesh in result.meshes:
            if mesh.kind != "garment":
                continue
            height = np.einsum("ij,ij->i", mesh.vertices - vertices[mesh.source], normals[mesh.source])
            assert (height < -2e-4).mean() < 0.07
            assert (height < -2e-3).mean() < 0.02
            corner = mesh.vertices[mesh.faces]
            face = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
            outward = np.einsum("ij,ij->i", face, normals[mesh.source[mesh.faces[:, 0]]])
            area = np.linalg.norm(face, axis=1)
            assert area[outward > 0].sum() > 0.7 * area.sum()


def test_clothes_are_loose():
    """The median distance of cloth from skin is millimetres, not the thickness of paint."""
    medians = []
    for seed in range(6):
        body, vertices, result = dressed("infant", seed, posture="rest")
        normals = vertex_normals(vertices, body.faces)
        for mesh in result.meshes[3:4]:
            medians.append(np.median(surface_distance(mesh.vertices, vertices, normals)))
    assert 0.003 < np.mean(medians) < 0.02
