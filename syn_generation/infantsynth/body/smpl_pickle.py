"""Read the pickles of SMPL, SMIL and their priors without chumpy and without letting them run anything."""

import pickle
from collections import OrderedDict
from pathlib import Path
from typing import IO, Any

import numpy as np

from fidip.errors import DataError

Array = np.ndarray

_SPARSE = ("csc_matrix", "csr_matrix")
_PRIOR = "Mahalanobis"  # the class of SMIL's pose prior, wherever its authors kept it


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
    """What a pickle of protocol 0 and later holds: plain values, arrays, and ``Inert`` for chumpy and sparse matrices.

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
    """The array that a value of such a file stands for: of chumpy, of a sparse matrix, or plain.

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
    if name in _SPARSE:
        return _dense(state, by_column=name == "csc_matrix")
    if "x" in state:
        return numbers(state["x"])
    if "a" in state and "idxs" in state:  # chumpy's choice among the entries of another array
        chosen = numbers(state["a"]).ravel()[numbers(state["idxs"]).ravel()]
        shape = state.get("preferred_shape")
        return chosen if shape is None else chosen.reshape([int(side) for side in shape])
    raise TypeError(f"{value.kind} with {sorted(state)} holds no array that is known here")


def _dense(state: dict[str, Any], by_column: bool) -> Array:
    """A compressed sparse matrix written out; entries named twice are added up."""
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


def _reconstruct(kind: type, base: type, state: Any) -> Any:
    if not (isinstance(kind, type) and issubclass(kind, Inert) and base is object):
        raise pickle.UnpicklingError("an object of a class that is not known here")
    return kind.__new__(kind)
