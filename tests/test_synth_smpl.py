"""SMPL and SMIL files: read without chumpy, posed by the published formula, and unable to run anything."""

import contextlib
import os
import pickle
import sys
import types

import numpy as np
import pytest
import scipy.sparse
import torch
from synth_body import smil_arrays

from fidip.errors import DataError
from infantsynth.body import load_body
from infantsynth.body.smpl import JOINT_NAMES, UPRIGHT, load_pickle, numbers


class FakeChumpy:
    """Classes that pickle like chumpy's, there only while a file is written."""

    def __enter__(self):
        self.modules = {name: types.ModuleType(name) for name in ("chumpy", "chumpy.ch", "chumpy.reordering")}
        for name, module in (("Ch", "chumpy.ch"), ("Select", "chumpy.reordering")):
            kind = type(name, (), {"__module__": module})
            setattr(self.modules[module], name, kind)
            setattr(self, name, kind)
        sys.modules.update(self.modules)
        return self

    def __exit__(self, *_):
        for name in self.modules:
            del sys.modules[name]

    def make(self, kind, **state):
        made = kind()
        made.__dict__.update(state)
        return made


def write_smil(path, arrays, protocol):
    with FakeChumpy() as fake:
        whole = fake.make(fake.Ch, x=np.arange(12.0))
        content = {
            **arrays,
            "shapedirs": fake.make(fake.Ch, x=arrays["shapedirs"], _dirty_vars={"x"}),
            "J_regressor": scipy.sparse.csc_matrix(arrays["J_regressor"]),
            "bs_style": "lbs",
            "unused": fake.make(fake.Select, a=whole, idxs=np.array([3, 1]), preferred_shape=(2, 1)),
        }
        path.write_bytes(pickle.dumps(content, protocol=protocol))
    return path


@pytest.fixture(scope="module")
def arrays():
    return smil_arrays()


def direct(arrays, betas, pose, transl):
    """Loper et al. 2015, equations 2 to 11, joint by joint in the file's axes; numpy only."""
    shaped = arrays["v_template"] + arrays["shapedirs"] @ betas
    joints = arrays["J_regressor"] @ shaped
    turns = np.stack([matrix(vector) for vector in pose])
    rest = shaped + arrays["posedirs"] @ (turns[1:] - np.eye(3)).ravel()
    world, parents = [], arrays["kintree_table"][0].astype(np.int64)
    for joint in range(24):
        parent = -1 if joint == 0 else int(parents[joint])
        local = np.eye(4)
        local[:3, :3] = turns[joint]
        local[:3, 3] = transl if parent < 0 else joints[joint] - joints[parent]
        world.append(local if parent < 0 else world[parent] @ local)
    maps = np.stack([m @ shift(-joint) for m, joint in zip(world, joints, strict=True)])
    blended = np.einsum("vj,jab->vab", arrays["weights"], maps)
    return np.einsum("vab,vb->va", blended, np.c_[rest, np.ones(len(rest))])[:, :3]


def matrix(vector):
    angle = np.linalg.norm(vector)
    if angle == 0:
        return np.eye(3)
    x, y, z = vector / angle
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def shift(by):
    moved = np.eye(4)
    moved[:3, 3] = by
    return moved


@pytest.mark.parametrize("protocol", [0, 1, 2, 4])
def test_smil_file_poses_like_the_published_formula(tmp_path, arrays, protocol):
    body = load_body(write_smil(tmp_path / "smil_web.pkl", arrays, protocol))
    assert (body.num_betas, body.joint_names, body.name) == (20, JOINT_NAMES, "smil_web")
    assert "chumpy" not in sys.modules
    rng = np.random.default_rng(4)
    betas, pose, transl = rng.standard_normal(20), 0.5 * rng.standard_normal((24, 3)), rng.standard_normal(3)
    expected = direct(arrays, betas, pose, transl) @ UPRIGHT.T
    inputs = [
        torch.tensor(x[None], dtype=torch.float32) for x in (betas, pose @ UPRIGHT.T, transl @ UPRIGHT.T)
    ]
    out = body(*inputs)
    np.testing.assert_allclose(out.vertices[0], expected, atol=2e-5)
    ours = out.keypoints[0].numpy()
    for row, vertex in enumerate([332, 2800, 6260, 583, 4071]):
        np.testing.assert_allclose(ours[row], expected[vertex], atol=2e-5)
    for row, joint in zip(range(5, 17), [16, 17, 18, 19, 20, 21, 1, 2, 4, 5, 7, 8], strict=True):
        np.testing.assert_allclose(ours[row], arrays["J_regressor"][joint] @ expected, atol=2e-5)
    assert (body.keypoints(*inputs) - out.keypoints).abs().max() < 1e-5


def test_npz_of_smpl_is_the_same_body(tmp_path, arrays):
    np.savez(tmp_path / "SMPL_NEUTRAL.npz", **arrays, other=np.zeros(3))
    from_npz = load_body(tmp_path / "SMPL_NEUTRAL.npz")
    from_pickle = load_body(write_smil(tmp_path / "smil.pkl", arrays, 2))
    for name, values in from_pickle.state_dict().items():
        torch.testing.assert_close(values, from_npz.state_dict()[name])


def test_at_most_twenty_betas(tmp_path):
    np.savez(tmp_path / "many.npz", **smil_arrays(betas=25))
    assert load_body(tmp_path / "many.npz").num_betas == 20


def test_chumpy_and_sparse_values_are_read(tmp_path, arrays):
    content = load_pickle(write_smil(tmp_path / "smil.pkl", arrays, 2))
    np.testing.assert_array_equal(numbers(content["unused"]), [[3.0], [1.0]])
    np.testing.assert_array_equal(numbers(content["J_regressor"]), arrays["J_regressor"])
    assert content["bs_style"] == "lbs"
    by_row = tmp_path / "rows.pkl"
    by_row.write_bytes(pickle.dumps(scipy.sparse.csr_matrix(np.eye(3)[[1, 0, 0]]), protocol=2))
    np.testing.assert_array_equal(numbers(load_pickle(by_row)), np.eye(3)[[1, 0, 0]])
    with pytest.raises(TypeError):
        numbers({"a": 1})


class Calls:
    """Pickles as a call of a function that must not happen."""

    def __init__(self, function, *arguments):
        self.parts = function, arguments

    def __reduce__(self):
        return self.parts


@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize("call", ["system", "eval", "open"])
def test_pickles_that_call_functions_are_refused(tmp_path, protocol, call):
    mark = tmp_path / "mark"
    bad = {
        "system": Calls(os.system, f"touch {mark}"),
        "eval": Calls(eval, f"open({str(mark)!r}, 'w')"),
        "open": Calls(open, str(mark), "w"),
    }[call]
    path = tmp_path / "smil.pkl"
    path.write_bytes(pickle.dumps({"v_template": bad}, protocol=protocol))
    with pytest.raises(DataError, match="could run code"):
        load_body(path)
    assert not mark.exists()


@pytest.mark.parametrize(
    "name",
    ["numpy.f2py\ncompile", "numpy\nload", "numpy.testing._private.utils\nrunstring", "builtins\ngetattr",
     "chumpyx\nCh", "scipy.io\nloadmat", "collections\nnamedtuple", "numpy\nndarray.tofile"],
)  # fmt: skip
def test_other_names_are_refused_even_of_known_packages(tmp_path, name):
    path = tmp_path / "smil.pkl"
    path.write_bytes(f"c{name}\n(S'x'\ntR.".encode())
    with pytest.raises(DataError, match="not loaded"):
        load_pickle(path)


@pytest.mark.parametrize(
    "text", ["c_codecs\nencode\n(S'x'\nS'zip'\ntR.", "cchumpy.os\nsystem\n(S'touch mark'\ntR.", "ccopy_reg\n_reconstructor\n(cnumpy\nndarray\nc__builtin__\nobject\nNtR."]
)  # fmt: skip
def test_stand_ins_do_nothing(tmp_path, text, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "odd.pkl").write_bytes(text.encode())
    with contextlib.suppress(DataError):
        load_pickle(tmp_path / "odd.pkl")
    assert [file.name for file in tmp_path.iterdir()] == ["odd.pkl"]


def test_missing_file_says_where_to_get_it(tmp_path):
    with pytest.raises(DataError, match=r"smil_web\.pkl does not exist.*Fraunhofer.*non-commercial"):
        load_body(tmp_path / "smil_web.pkl")


def damage(arrays, name, values):
    return {**arrays, name: values}


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("posedirs", lambda x: x[..., :100], "'posedirs' is"),
        ("v_template", lambda x: x[:100], "'v_template' is"),
        ("weights", lambda x: np.where(x > 0.9, np.nan, x * np.nan), "no numbers"),
        ("f", lambda x: x + 6890, "vertex that is not there"),
        ("kintree_table", lambda x: x[:, ::-1].copy(), "before its parent"),
        ("shapedirs", lambda x: np.array(["a"]), "cannot be read"),
    ],
)
def test_bodies_of_another_structure_are_refused(tmp_path, arrays, name, change, message):
    path = tmp_path / "odd.npz"
    np.savez(path, **damage(arrays, name, change(arrays[name])))
    with pytest.raises(DataError, match=message):
        load_body(path)


def test_damaged_files_are_refused(tmp_path, arrays):
    whole = write_smil(tmp_path / "whole.pkl", arrays, 2).read_bytes()
    for name, content in (
        ("cut.pkl", whole[: len(whole) // 2]),
        ("empty.pkl", b""),
        ("text.npz", b"no archive"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match="cannot be read"):
            load_body(tmp_path / name)
    (tmp_path / "list.pkl").write_bytes(pickle.dumps([1, 2]))
    with pytest.raises(DataError, match="holds a list"):
        load_body(tmp_path / "list.pkl")
    (tmp_path / "part.pkl").write_bytes(pickle.dumps({"v_template": np.zeros((6890, 3))}))
    with pytest.raises(DataError, match="has no 'shapedirs'"):
        load_body(tmp_path / "part.pkl")
