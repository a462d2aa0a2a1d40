"""Weights files: read them safely, fit them to a network by name and shape, and say what fitted."""

import logging
import pickle
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import safetensors.torch
import torch
from torch import Tensor, nn

from fidip.errors import FidipError, WeightsError
from fidip.packaged import find_weights, packaged_models
from fidip.skeleton import COCO17

logger = logging.getLogger("fidip")
T = TypeVar("T")

# keys under which training scripts keep the tensors, in the order of trust
_WRAPPERS = (
    "state_dict",
    "best_state_dict",
    "model",
    "model_state_dict",
    "net",
    "network",
    "params",
    "weights",
)
_SHELLS = (
    "module.",
    "_orig_mod.",
    "model.",
    "net.",
    "network.",
)  # put in front by data parallelism, compilers, loops
_PARTS = ("backbone.", "keypoint_head.", "head.")  # parts of a network in mmpose
_DEEPEST = 3  # levels of nested mappings that are searched
_PACKAGED = "packaged weights"
_SHOWN = 3  # names listed per kind in a message

# Checkpoints may keep a score as a numpy number, or tensors as arrays; these rebuild numbers and nothing else.
_NUMPY_NUMBERS: list[Any] = [
    np.dtype,
    np.ndarray,
    (np.zeros(1).__reduce__()[0], "numpy.core.multiarray._reconstruct"),
    (np.zeros(1).__reduce__()[0], "numpy._core.multiarray._reconstruct"),
    *(type(np.dtype(kind)) for kind in ("float16", "float32", "float64", "uint8", "int32", "int64", "bool")),
    *((np.float64(0).__reduce__()[0], f"numpy.{module}.multiarray.scalar") for module in ("core", "_core")),
]


@dataclass(frozen=True)
class LoadReport:
    """Tensor names after a load: filled from the file, left as they were, without a place, of another shape."""

    matched: list[str]
    missing: list[str]
    unexpected: list[str]
    mismatched: list[str]

    @property
    def complete(self) -> bool:
        """True when file and network have exactly the same tensors."""
        return not (self.missing or self.unexpected or self.mismatched)

    def summary(self) -> str:
        """One line: how many tensors of each kind, with the first few names."""
        total = len(self.matched) + len(self.missing) + len(self.mismatched)
        parts = [f"{len(self.matched)} of {total} tensors matched"]
        for kind, names in (
            ("missing in the file", self.missing),
            ("unexpected", self.unexpected),
            ("of another shape", self.mismatched),
        ):
            if names:
                more = ", ..." if len(names) > _SHOWN else ""
                parts.append(f"{len(names)} {kind} ({', '.join(names[:_SHOWN])}{more})")
        return ", ".join(parts)


def load_weights(
    model: nn.Module, path: str | Path, allow_partial: bool = False, joints: Sequence[str] = ()
) -> LoadReport:
    """Fill ``model`` from a .pth, .pt, .pth.tar or .safetensors file, or from packaged weights named by ``path``.

    The file may hold a bare state dict or one under a key such as ``state_dict``, its names with or without what data
    parallelism, torch.compile, Lightning or mmpose put in front; tensors are cast to the model's types. ``num_batches_tracked``, which very old files lack, is never missed. Raises
    WeightsError, leaving the model as it was, for a file that cannot be read safely and, unless
    ``allow_partial``, for one that does not match tensor for tensor. A file that fits nowhere always fails.
    joints: names of the network's joints; with them a file for another number of joints is taken where all else
    matches, with a warning: of the layer that makes the heatmaps only joints are filled that COCO-17 has too, if the
    file has 17.
    """
    file = find_weights(path)
    source = f"{_PACKAGED} {path}" if str(path) in packaged_models() else f"weights file {file}"
    return load_tensors(model, read_tensors(file), source, allow_partial, joints)


def load_tensors(
    model: nn.Module,
    tensors: Mapping[str, Tensor],
    source: str,
    allow_partial: bool = False,
    joints: Sequence[str] = (),
) -> LoadReport:
    """Fill ``model`` from named tensors, as load_weights does; ``source`` names them in messages."""
    own = model.state_dict()
    spare = tuple(getattr(model, "spare_tensors", ()))
    tensors = {name: tensor for name, tensor in tensors.items() if not (spare and name.startswith(spare))}
    tensors = _rename(model, own, tensors)
    report = _compare(own, tensors)
    counts = _joint_counts(model, own, tensors, report)
    known = _known_joints(joints, counts[0]) if counts and joints else {}
    if counts and joints:
        logger.warning(
            "%s is for %d joints, the network has %d: its last layer takes over %d of them by name, the others start anew",
            source, *counts, len(known),
        )  # fmt: skip
    elif not report.matched or not (report.complete or allow_partial):
        remedy = "check MODEL.NAME and MODEL.EXTRA, or name the file in MODEL.PRETRAINED_TRUNK if only its trunk is wanted"
        if not report.matched:
            remedy = "it seems to belong to another network: check MODEL.NAME and MODEL.EXTRA"
        if counts:
            remedy = f"it is for {counts[0]} joints, the network has {counts[1]}: check DATASET.SKELETON"
        raise WeightsError(f"{source} does not fit the network: {report.summary()}; {remedy}")
    broken = [name for name in report.matched if not tensors[name].isfinite().all()]
    if broken:
        raise WeightsError(
            f"{source} holds NaN or infinite values ({', '.join(broken[:_SHOWN])}); use another file"
        )
    with torch.no_grad():
        for name in report.matched:
            own[name].copy_(tensors[name])
        for name in report.mismatched if known else ():
            own[name][list(known)] = tensors[name][list(known.values())].to(own[name])
    # a packaged file always fits its network; whoever predicts need not read that
    logger.log(
        logging.DEBUG if source.startswith(_PACKAGED) else logging.INFO, "%s: %s", source, report.summary()
    )
    return report


def _joint_counts(
    model: nn.Module, own: Mapping[str, Tensor], tensors: Mapping[str, Tensor], report: LoadReport
) -> tuple[int, int] | None:
    """Joints of the file and of the network, if their number is all that keeps the two from matching."""
    layer = f"{getattr(model, 'joint_layer', '')}."
    if report.missing or report.unexpected or not report.mismatched:
        return None
    for name in report.mismatched:
        if not name.startswith(layer) or tensors[name].shape[1:] != own[name].shape[1:]:
            return None
    name = report.mismatched[0]
    return len(tensors[name]), len(own[name])


def _known_joints(joints: Sequence[str], count: int) -> dict[int, int]:
    """Index in the network -> index in a file of ``count`` joints, which is taken for COCO-17 if it has 17."""
    names = COCO17.names if count == COCO17.num_joints else ()
    return {index: names.index(name) for index, name in enumerate(joints) if name in names}


def export_weights(model: nn.Module) -> dict[str, Tensor]:
    """Copy all tensors to the CPU under the published names, in the published order.

    The networks here carry the published names themselves, so files written from this load anywhere.
    """
    return {
        name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, tensor in model.state_dict().items()
    }


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read the named tensors of a weights file without running any code in it; see load_weights for its forms.

    Raises WeightsError for a file that is missing, unreadable, cut short, or holds anything but plain data.
    """
    if not path.is_file():
        kind = "is a directory" if path.is_dir() else "does not exist"
        raise WeightsError(f"weights file {path} {kind}; check the path")
    if path.stat().st_size == 0:
        raise WeightsError(f"weights file {path} is empty; fetch or write it again")
    content = safetensors.torch.load_file if path.suffix == ".safetensors" else _load_pickle
    try:
        tensors = _unwrap(content(path), path)
    except FidipError:
        raise
    except Exception as error:  # parsers of damaged files raise nearly anything
        raise WeightsError(
            f"weights file {path} cannot be read ({type(error).__name__}: {first_sentence(error)}); "
            "it is cut short or not a PyTorch or safetensors file: fetch or write it again"
        ) from error
    if not tensors:
        raise WeightsError(
            f"weights file {path} holds no named tensors, bare or under a name such as {', '.join(_WRAPPERS)}"
        )
    return tensors


def _load_pickle(path: Path) -> Any:
    try:
        with torch.serialization.safe_globals(_NUMPY_NUMBERS):
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        found = re.search(r"GLOBAL ([\w.]+)", str(error))
        if found is None and not _starts_as_pickle(path):
            raise
        what = f"({found[1]}), which could run code" if found else "or is damaged"
        raise WeightsError(
            f"weights file {path} not loaded: holds objects other than tensors {what}; "
            "use a file with a state dict alone"
        ) from error


def _starts_as_pickle(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(1) == pickle.PROTO


def _unwrap(content: Any, path: Path) -> dict[str, Tensor]:
    """Find the named tensors in what a file held; empty if there are none.

    Of several groups of tensors the first that ``_WRAPPERS`` names is taken, else the largest; which is said.
    """
    groups = dict(_groups(content, ""))
    if not groups:
        return {}
    named = [name for wrapper in ("", *_WRAPPERS) for name in groups if name.rpartition(".")[2] == wrapper]
    chosen = named[0] if named else max(groups, key=lambda name: len(groups[name]))
    others = [name for name in groups if name != chosen and len(groups[name]) >= len(groups[chosen]) // 2]
    if others:
        logger.warning(
            "weights file %s holds several sets of weights; %r is taken, not %s",
            path,
            chosen,
            ", ".join(map(repr, others)),
        )
    return groups[chosen]


def _groups(content: Any, name: str) -> Iterator[tuple[str, dict[str, Tensor]]]:
    """Every mapping from names to tensors inside ``content``, by its path of keys."""
    if not isinstance(content, Mapping):
        return
    tensors = {
        key: torch.from_numpy(np.array(value)) if isinstance(value, np.ndarray) else value
        for key, value in content.items()
        if isinstance(key, str) and (isinstance(value, Tensor) or _is_numeric(value))
    }
    if any(tensor.dim() > 1 for tensor in tensors.values()):
        yield name, tensors
    for key, value in content.items():
        if isinstance(value, Mapping) and isinstance(key, str) and name.count(".") < _DEEPEST:
            yield from _groups(value, f"{name}.{key}" if name else key)


def _is_numeric(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind in "biuf"


def _rename(
    model: nn.Module, own: Mapping[str, Tensor], tensors: Mapping[str, Tensor]
) -> Mapping[str, Tensor]:
    """Translate the file's names into the network's: of all namings that are known, the one that fits most."""
    namings: list[Mapping[str, str]] = [{}, *getattr(model, "other_names", ())]
    candidates = [
        {naming.get(name, name): tensor for name, tensor in stripped.items()}
        for stripped in _strippings(tensors)
        for naming in namings
    ]
    return max(candidates, key=lambda candidate: sum(_fits(own, candidate, name) for name in own))


def _strippings(tensors: Mapping[str, Tensor]) -> list[Mapping[str, Tensor]]:
    """The tensors under their names, and under the names without what other programs put in front of them."""
    results = [tensors]
    for prefixes in (_SHELLS, _SHELLS + _PARTS):
        shorter = {_strip(name, prefixes): tensor for name, tensor in tensors.items()}
        if len(shorter) == len(tensors):  # no two of them became one
            results.append(shorter)
    return results


def _strip(name: str, prefixes: Sequence[str]) -> str:
    while any(name.startswith(prefix) for prefix in prefixes):
        name = next(name.removeprefix(prefix) for prefix in prefixes if name.startswith(prefix))
    return name


def _fits(own: Mapping[str, Tensor], tensors: Mapping[str, Tensor], name: str) -> bool:
    """Same shape and both numbers of one kind: an int8 weight without its scale is no weight."""
    if name not in tensors:
        return False
    ours, theirs = own[name], tensors[name]
    return ours.shape == theirs.shape and (
        ours.is_floating_point() == theirs.is_floating_point() or name.endswith("num_batches_tracked")
    )


def _compare(own: Mapping[str, Tensor], tensors: Mapping[str, Tensor]) -> LoadReport:
    matched = [name for name in own if _fits(own, tensors, name)]
    absent = [name for name in own if name not in tensors]
    return LoadReport(
        matched=matched,
        missing=[name for name in absent if not name.endswith("num_batches_tracked")],
        unexpected=[name for name in tensors if name not in own],
        mismatched=[name for name in own if name in tensors and name not in set(matched)],
    )


def fetch_pretrained(name: str, fetch: Callable[[], T]) -> T:
    """Run ``fetch``, which downloads ImageNet weights; raises WeightsError with the remedy when that fails."""
    try:
        return fetch()
    except FidipError:
        raise
    except Exception as error:  # each library and each version of it has its own network errors
        raise WeightsError(
            f"the ImageNet weights of {name} could not be fetched ({type(error).__name__}: {first_sentence(error)}); "
            "put the file into models/ by hand and give its path in MODEL.PRETRAINED_TRUNK, "
            "or leave that empty to start from random weights"
        ) from error


def first_sentence(error: Exception) -> str:
    """First sentence of an exception's message, or its type, so that a message stays one readable line."""
    return re.split(r"\. |\n", str(error))[0] or type(error).__name__
