"""Measure how far apart two domains are in the features of one or several checkpoints."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from fidip.build import build_estimator, build_model
from fidip.config import Config, Settings, read_settings
from fidip.data.records import Record
from fidip.domain_gap import (
    DomainFeatures,
    DomainGap,
    GapOptions,
    Panel,
    embed,
    gap_table,
    measure_gap,
    stream_features,
    write_embeddings,
)
from fidip.environment import choose_device, provenance, seed_everything, setup_logging
from fidip.errors import ConfigError, DataError
from fidip.files import write_json, write_text
from fidip.loading import build_records, build_training_records, plain_loader
from fidip.models import load_weights
from fidip.progress import progress
from fidip.runs import plan_test

logger = logging.getLogger("fidip")
Groups = Mapping[str, Sequence[Record]]
ADULTS = "adult"  # name of the third group


@dataclass(frozen=True)
class GapRequest:
    """What is measured.

    weights: name -> checkpoint, in the order of the table; empty: the checkpoint that a test would take. splits:
    of both domains, empty: the training set. adults: splits of the third group, coloured in the picture and
    measured against the first domain. names: of the two domains. limit: most pictures of a group, 0: all.
    """

    folder: Path
    weights: Mapping[str, Path] = field(default_factory=dict)
    splits: Sequence[str] = ()
    adults: Sequence[str] = ()
    names: tuple[str, str] = ("real", "synthetic")
    pool: str = "mean"
    method: str = "tsne"
    limit: int = 1000
    options: GapOptions = field(default_factory=GapOptions)


@dataclass(frozen=True)
class GapOutcome:
    """gaps: pair of groups -> name of the weights -> numbers. tables: text for the terminal."""

    gaps: dict[str, dict[str, DomainGap]]
    tables: str
    folder: Path


def run_domain_gap(config: Config, config_file: Path, request: GapRequest) -> GapOutcome:
    """Measure, and write gap.json, gap.md and embedding.png into the request's folder.

    Raises FidipError before anything slow when config, checkpoints, annotations or pictures are at fault.
    """
    setup_logging()
    settings = read_settings(config)
    weights = dict(request.weights)
    if not weights:
        tested = plan_test(settings, config_file).weights
        weights[tested.stem] = tested
    seed_everything(request.options.seed)
    groups = _limited(gather(settings, request), request)
    features = {name: _features(settings, path, groups, request.pool) for name, path in weights.items()}
    first, *others = groups
    gaps = {
        f"{first} - {other}": {
            name: measure_gap(parts[first], parts[other], request.options) for name, parts in features.items()
        }
        for other in others
    }
    tables = "\n\n".join(f"{pair}\n\n{gap_table(by_weights)}" for pair, by_weights in gaps.items())
    panels = [_panel(name, parts, gaps, request) for name, parts in features.items()]
    write_embeddings(request.folder / "embedding.png", panels)
    write_text(request.folder / "gap.md", tables + "\n")
    write_json(request.folder / "gap.json", _report(config_file, request, weights, groups, gaps))
    return GapOutcome(gaps, tables, request.folder)


@dataclass(frozen=True)
class TestedGap:
    """Gap between a test set and another split, in one network. numbers: for metrics.json. table: for the terminal."""

    __test__ = False

    numbers: dict[str, Any]
    table: str
    panel: Panel


def measure_tested(
    settings: Settings,
    model: nn.Module,
    tested: Sequence[Record],
    others: Sequence[Record],
    request: GapRequest,
) -> TestedGap:
    """Measure the gap between the persons of a test and others, named by ``request.names``; nothing is written.

    Raises DataError for a domain of too few sources.
    """
    first, second = request.names
    groups = _limited({first: list(tested), second: list(others)}, request)
    parts = _of_model(settings, model, groups, request.pool, "features for the domain gap")
    gap = measure_gap(parts[first], parts[second], request.options)
    pair = " - ".join(request.names)
    about = {"splits": list(request.names), "pool": request.pool, "options": asdict(request.options)}
    return TestedGap(
        {**about, **gap.as_dict()}, gap_table({pair: gap}), _panel(pair, parts, {pair: {pair: gap}}, request)
    )


def gather(settings: Settings, request: GapRequest) -> dict[str, list[Record]]:
    """Persons of each group by its name. Raises DataError when a domain has none."""
    if request.splits:
        records = build_records(settings, request.splits, need_joints=False)
    else:
        records = build_training_records(settings)[0]
    domains = [[r for r in records if r.synthetic == second] for second in (False, True)]
    groups = dict(zip(request.names, domains, strict=True))
    if len({*groups, ADULTS}) < 3:
        raise ConfigError(f"groups {', '.join(request.names)} and {ADULTS} need three different names")
    for name, part in groups.items():
        if not part:
            raise DataError(
                f"no {name} persons in {', '.join(request.splits) or 'DATASET.TRAIN_SET'}: a gap needs two domains; "
                "add a split of the other one (is_synthetic or DATASET.SECOND_DOMAIN tells which)"
            )
    if request.adults:
        groups[ADULTS] = build_records(settings, request.adults, need_joints=False)
    return groups


def _limited(groups: Mapping[str, list[Record]], request: GapRequest) -> dict[str, list[Record]]:
    """At most ``limit`` persons of each group, drawn at random."""
    kept = {}
    for number, (name, records) in enumerate(groups.items()):
        rng = np.random.default_rng([request.options.seed, 3, number])
        chosen = sorted(rng.permutation(len(records))[: request.limit or None].tolist())
        kept[name] = [records[index] for index in chosen]
        logger.info("%s: %d of %d persons", name, len(chosen), len(records))
    return kept


def _features(settings: Settings, weights: Path, groups: Groups, pool: str) -> dict[str, DomainFeatures]:
    """Features of every group from one checkpoint."""
    model = build_model(settings)
    load_weights(model, weights)
    return _of_model(settings, model, groups, pool, f"features of {weights.name}")


def _of_model(
    settings: Settings, model: nn.Module, groups: Groups, pool: str, what: str
) -> dict[str, DomainFeatures]:
    estimator = build_estimator(settings, model, choose_device(settings.DEVICE))
    estimator.flip = False  # the features are those of the crop that is not mirrored
    records = [record for part in groups.values() for record in part]
    loader = plain_loader(settings, records)
    batches = progress(loader, len(loader), what)
    vectors = stream_features(estimator, batches, len(records), pool)
    ends = np.cumsum([len(part) for part in groups.values()])
    return {
        name: DomainFeatures(rows, [_source(record) for record in part])
        for (name, part), rows in zip(groups.items(), np.split(vectors, ends[:-1]), strict=True)
    }


def _source(record: Record) -> str:
    """Persons of one video, or of one picture, are not independent."""
    return record.source or str(record.image)


def _panel(
    name: str,
    parts: Mapping[str, DomainFeatures],
    gaps: Mapping[str, Mapping[str, DomainGap]],
    request: GapRequest,
) -> Panel:
    points = embed(np.vstack([part.vectors for part in parts.values()]), request.method, request.options.seed)
    ends = np.cumsum([len(part.vectors) for part in parts.values()])
    notes = [
        f"{pair}: linear probe {100 * by[name].probes['linear'].accuracy:.1f} %" for pair, by in gaps.items()
    ]
    return Panel(name, dict(zip(parts, np.split(points, ends[:-1]), strict=True)), "\n".join(notes))


def _report(
    config_file: Path,
    request: GapRequest,
    weights: Mapping[str, Path],
    groups: Groups,
    gaps: Mapping[str, Mapping[str, DomainGap]],
) -> dict[str, Any]:
    return {
        "config": str(config_file),
        "weights": {name: str(path) for name, path in weights.items()},
        "splits": list(request.splits) or "DATASET.TRAIN_SET",
        "adults": list(request.adults),
        "persons": {name: len(part) for name, part in groups.items()},
        "pool": request.pool,
        "options": asdict(request.options),
        "gaps": {pair: {name: gap.as_dict() for name, gap in by.items()} for pair, by in gaps.items()},
        "provenance": provenance(),
    }
