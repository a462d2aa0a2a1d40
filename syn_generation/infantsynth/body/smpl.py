"""Read SMPL and SMIL bodies from their own files, without chumpy and without running code."""

import pickle
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from fidip.errors import DataError
from fidip.files import read_arrays
from fidip.skeleton import COCO17
from infantsynth.body.model import BodyData, BodyModel

Array = np.ndarray

_SPARSE = ("csc_matrix", "csr_matrix", "coo_matrix")
_PRIOR = "Mahalanobis"  # the class of SMIL's pose prior, wherever its authors kept it
JOINT_NAMES = (
    "pelvis",
    "left_hip",
    "right_hip",
    "spine1",
    "left_knee",
    "right_knee",
    "spine2",
    "left_ankle",
    "right_ankle",
    "spine3",
    "left_foot",
    "right_foot",
    "neck",
    "left_collar",
    "right_collar",
    "head",
    "left_shoulder",
    "right_shoulder",
    "left_elbow",
    "right_elbow",
    "left_wrist",
    "right_wrist",
    "left_hand",
    "right_hand",
)
VERTICES = 6890
MOST_BETAS = 20  # SMIL's; some SMPL files have hundreds, whose last ones nobody can fit
# the vertices of the face that are keypoints
_FACE = {"nose": 332, "left_eye": 2800, "right_eye": 6260, "left_ear": 583, "right_ear": 4071}
# those bodies stand along y and face z; here bodies stand along z and face -y
UPRIGHT = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
_PARTS = ("v_template", "shapedirs", "posedirs", "J_regressor", "weights", "kintree_table", "f")
_WHERE = (
    "SMIL is given out by Fraunhofer IOSB and SMPL by the Max Planck Institute for Intelligent Systems, each after "
    "you accept a licence for non-commercial research; neither may be passed on. The body 'infant' comes with this "
    "package"
)


class Inert:
    """What stands for an object of a foreign class: keeps the state that the file holds and does nothing."""

    kind = ""

    def __init__(self, *args: Any) -> None:
        self.state: dict[str, Any] = {}

    def __setstate__(self, state: Any) -> None:
        kept = state[0] if isinstance(state, tuple) else state
        self.__dict__["state"] = kept if isinstance(kept, dict) else {}

    def __getattr__(self, name: str) -> Any:
        state = self.__dict__.get("state", {})
        if name.startswith("__") or name not in state:
            raise AttributeError(name)
        return state[name]


def load_pickle(path: Path) -> Any:
    """Return what a pickle of protocol 0 and later holds: plain values, arrays, and ``Inert`` for chumpy and sparse matrices.

    Raises DataError for a file that is missing or damaged, and for one that names anything else: nothing is executed.
    """
    try:
        with path.open("rb") as file:
            return _Restricted(file, path).load()
    except DataError:
        raise
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}; check the path") from error
    except Exception as error:  # damaged pickles raise nearly anything
        raise DataError(
            f"{path} cannot be read ({type(error).__name__}: {error}); it is cut short or no pickle: fetch it again"
        ) from error


def numbers(value: Any) -> Array:
    """Return the array that a value of such a file stands for: of chumpy, of a sparse matrix, or plain.

    Raises TypeError for what holds no numbers.
    """
    if isinstance(value, Inert):
        value = _unwrap(value)
    array = np.asarray(value)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"no numbers but {array.dtype}")
    return array


def _unwrap(value: Inert) -> Array:
    state = value.__dict__.get("state", {})
    name = value.kind.rpartition(".")[2]
    if name == "coo_matrix":
        return _dense_of_triples(state)
    if name in _SPARSE:
        return _dense(state, by_column=name == "csc_matrix")
    if "x" in state:
        return numbers(state["x"])
    if "a" in state and "idxs" in state:  # chumpy's choice among the entries of another array
        chosen = numbers(state["a"]).ravel()[numbers(state["idxs"]).ravel()]
        shape = state.get("preferred_shape")
        return chosen if shape is None else chosen.reshape([int(side) for side in shape])
    raise TypeError(f"{value.kind} with {sorted(state)} holds no array that is known here")


def _dense_of_triples(state: dict[str, Any]) -> Array:
    """Return a matrix of values with their rows and columns written out; entries named twice are added up."""
    rows, columns = state["coords"] if "coords" in state else (state["row"], state["col"])
    dense = np.zeros([int(side) for side in state.get("_shape", state.get("shape", ()))])
    np.add.at(dense, (numbers(rows).astype(int), numbers(columns).astype(int)), numbers(state["data"]))
    return dense


def _dense(state: dict[str, Any], by_column: bool) -> Array:
    """Return a compressed sparse matrix written out; entries named twice are added up."""
    rows, columns = (int(side) for side in state.get("_shape", state.get("shape", ())))
    values, minor, starts = (numbers(state[part]) for part in ("data", "indices", "indptr"))
    major = np.repeat(np.arange(columns if by_column else rows), np.diff(starts))
    dense = np.zeros((rows, columns))
    np.add.at(dense, (minor, major) if by_column else (major, minor), values)
    return dense


class _Restricted(pickle.Unpickler):
    """An unpickler that finds only what arrays are made of; all else is inert or refused."""

    def __init__(self, file: IO[bytes], path: Path) -> None:
        super().__init__(file, encoding="latin1")
        self._path = path
        # numpy moved these between versions, so they are taken from where numpy says they are
        array, scalar = np.empty(0).__reduce__()[0], np.float64(0).__reduce__()[0]
        self._known: dict[tuple[str, str], Any] = {
            ("numpy", "ndarray"): np.ndarray,
            ("numpy", "dtype"): np.dtype,
            ("collections", "OrderedDict"): OrderedDict,
            ("_codecs", "encode"): lambda text, _: text.encode("latin1"),
        }
        for module in ("numpy.core.multiarray", "numpy._core.multiarray"):
            self._known |= {(module, "_reconstruct"): array, (module, "scalar"): scalar}
            self._known[module.replace("multiarray", "numeric"), "_frombuffer"] = (
                _from_buffer  # of protocol 5
            )
        for module in ("copy_reg", "copyreg"):
            self._known[module, "_reconstructor"] = _reconstruct
        for module in ("__builtin__", "builtins"):
            self._known |= {(module, "object"): object, (module, "set"): set}

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in self._known:
            return self._known[module, name]
        family = module.split(".")[0]
        sparse = family == "scipy" and name in _SPARSE
        if family == "chumpy" or sparse or name == _PRIOR:
            return type("Inert", (Inert,), {"kind": f"{module}.{name}"})
        raise DataError(
            f"{self._path} not loaded: it names {module}.{name}, which a body or prior has no use for and which "
            "could run code; fetch the file again from its authors"
        )


def _from_buffer(buffer: bytes, dtype: np.dtype, shape: Any, order: Any) -> Array:
    return np.frombuffer(buffer, dtype=dtype).reshape(shape, order=order)


def _reconstruct(kind: type, base: type, state: Any) -> Any:
    if not (isinstance(kind, type) and issubclass(kind, Inert) and base is object):
        raise pickle.UnpicklingError("an object of a class that is not known here")
    return kind.__new__(kind)


def load_smpl(path: Path) -> BodyModel:
    """Return the body of an SMPL or SMIL file, .pkl or .npz, with its pose blend shapes and COCO-17 keypoints.

    Keypoints of limbs are the file's joint regressor on the posed skin, those of the face single vertices. Up to 20
    betas. Raises DataError for a file that is missing, damaged, refused, or of another structure.
    """
    if not path.is_file():
        raise DataError(f"body {path} does not exist. {_WHERE}")
    content = _npz(path) if path.suffix == ".npz" else load_pickle(path)
    parts = _parts(content, path)
    _check(parts, path)
    return BodyModel(_data(parts, path.stem))


def _npz(path: Path) -> dict[str, Array]:
    return {name: array for name, array in read_arrays(path, "body").items() if name in _PARTS}


def _parts(content: Any, path: Path) -> dict[str, Array]:
    if not isinstance(content, Mapping):
        raise DataError(f"body {path} holds a {type(content).__name__}, not a named set of arrays")
    parts = {}
    for name in _PARTS:
        if name not in content:
            raise DataError(f"body {path} has no {name!r}; it is no SMPL or SMIL body")
        try:
            parts[name] = numbers(content[name])
        except (TypeError, ValueError, KeyError, IndexError, MemoryError) as error:
            raise DataError(
                f"body {path}: {name!r} cannot be read ({error}); fetch the file again"
            ) from error
    return parts


def _check(parts: Mapping[str, Array], path: Path) -> None:
    joints = len(JOINT_NAMES)
    wanted = {
        "v_template": (VERTICES, 3),
        "shapedirs": (VERTICES, 3, None),
        "posedirs": (VERTICES, 3, 9 * (joints - 1)),
        "J_regressor": (joints, VERTICES),
        "weights": (VERTICES, joints),
        "kintree_table": (2, joints),
        "f": (None, 3),
    }
    for name, shape in wanted.items():
        found = parts[name].shape
        if len(found) != len(shape) or any(
            side not in (None, real) for side, real in zip(shape, found, strict=True)
        ):
            text = " x ".join("any" if side is None else str(side) for side in shape)
            raise DataError(f"body {path}: {name!r} is {found}, not {text}: not an SMPL or SMIL body")
        if not np.isfinite(parts[name]).all():
            raise DataError(f"body {path}: {name!r} has values that are no numbers; fetch the file again")
    if not 0 <= parts["f"].min() <= parts["f"].max() < VERTICES:
        raise DataError(f"body {path}: a face names a vertex that is not there; fetch the file again")
    parents = _parents(parts["kintree_table"])
    if any(not -1 < parent < joint for joint, parent in enumerate(parents) if joint):
        raise DataError(f"body {path}: a joint comes before its parent; fetch the file again")


def _parents(table: Array) -> tuple[int, ...]:
    return (-1, *(int(parent) for parent in table[0, 1:]))


def _data(parts: Mapping[str, Array], name: str) -> BodyData:
    template = parts["v_template"] @ UPRIGHT.T
    shapes = np.einsum("ac,vck->vak", UPRIGHT, parts["shapedirs"][..., :MOST_BETAS])
    regressor = parts["J_regressor"].astype(np.float64)
    return BodyData(
        name=name,
        joint_names=JOINT_NAMES,
        parents=_parents(parts["kintree_table"]),
        template=template,
        shapes=shapes,
        joints=regressor @ template,
        joint_shapes=np.einsum("jv,vck->jck", regressor, shapes),
        weights=parts["weights"] / parts["weights"].sum(axis=1, keepdims=True),
        faces=parts["f"].astype(np.int32),
        regressor=_keypoints(regressor),
        pose_shapes=_turned(parts["posedirs"]),
    )


def _keypoints(joint_regressor: Array) -> Array:
    rows = np.zeros((len(COCO17.names), VERTICES))
    for row, name in enumerate(COCO17.names):
        if name in _FACE:
            rows[row, _FACE[name]] = 1.0
        else:
            rows[row] = joint_regressor[JOINT_NAMES.index(name)]
    return rows / rows.sum(axis=1, keepdims=True)


def _turned(directions: Array) -> Array:
    """Pose blend shapes (V, 3, 9 J') for offsets and rotations in this project's axes."""
    by_entry = directions.reshape(len(directions), 3, -1, 3, 3)
    turned = np.einsum("ac,vcjpq,bp,dq->vajbd", UPRIGHT, by_entry, UPRIGHT, UPRIGHT, optimize=True)
    return turned.reshape(directions.shape)
