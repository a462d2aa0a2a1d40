"""Train a pose net, with or without domain adaptation, and test what came out."""

import contextlib
import errno
import itertools
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list, gather_object
from torch import nn

from fidip.build import build_estimator, load_start
from fidip.config import Config, Settings, check_for_training, dump, read_settings, run_name
from fidip.data.records import Record, shared_sources
from fidip.engine import Monitor, Trainer
from fidip.environment import provenance, seed_everything, setup_logging
from fidip.errors import FidipError
from fidip.files import atomic_path, read_json, write_json, write_text
from fidip.inference import score_predictions
from fidip.loading import Validation, build_training_records, build_validation, independent_sets
from fidip.models import export_weights
from fidip.models.sync_batchnorm import join_batchnorm
from fidip.runs import BEST_MODEL, LAST_MODEL, train_folder
from fidip.stages import (
    build_accelerator,
    build_companion,
    build_grid,
    build_stages,
    trainer_options,
    training_key,
)
from fidip.testing import TestOutcome, run_test

logger = logging.getLogger("fidip")


@dataclass(frozen=True)
class TrainOutcome:
    """What a training left behind. seconds: of training and validation, over all starts. tests: outcomes of the best and the last model, where there is a test set."""

    folder: Path
    best_epoch: int
    best_ap: float
    seconds: float
    tests: dict[str, TestOutcome] = field(default_factory=dict)


def run_training(config: Config, config_file: Path) -> TrainOutcome:
    """Train as the config says, in its run folder, going on from a checkpoint there; then test.

    Raises FidipError before anything slow when something is at fault, Interrupted after SIGTERM or SIGINT.
    """
    settings = read_settings(config)
    accelerator = build_accelerator(settings)
    folder = train_folder(settings, config_file)
    main = accelerator.is_main_process
    setup_logging(folder / "train.log" if main else None, logging.INFO if main else logging.ERROR)
    check_for_training(settings)
    records, before = build_training_records(settings)
    validation = build_validation(settings, accelerator)
    _warn_of_shared_sources(independent_sets(settings, records, validation))
    seed_everything(settings.SEED)
    trainer = _trainer(settings, config_file, accelerator, folder, records, before, validation)
    if not main:  # the nets are equal everywhere, what training draws (dropout) is not
        seed_everything(settings.SEED + accelerator.process_index)
    if main:
        write_text(folder / "config.yaml", dump(settings))
        _record_start(folder / "provenance.json")
    with _full_disk_in_words(folder):
        position = trainer.fit(resume=settings.AUTO_RESUME)
        trainer.monitor.close()
        logger.info("trained; everything is in %s", folder)
        tests = _test(settings, config_file, folder, validation is not None) if main else {}
    return TrainOutcome(folder, position.best_epoch, position.best, position.seconds, tests)


def _trainer(
    settings: Settings,
    config_file: Path,
    accelerator: Accelerator,
    folder: Path,
    records: Sequence[Record],
    before: Sequence[Record],
    validation: Validation | None,
) -> Trainer:
    model = load_start(settings)
    companion = build_companion(settings, model)
    if accelerator.num_processes > 1:
        for net in (model, companion):
            if net is not None:
                join_batchnorm(net, accelerator.device)
    return Trainer(
        build_stages(settings, model, companion, records, before, accelerator),
        model,
        companion,
        accelerator,
        folder,
        key=training_key(settings, records, before, accelerator.num_processes),
        monitor=Monitor(
            Path(settings.LOG_DIR) / run_name(config_file, settings),
            settings.PRINT_FREQ,
            accelerator.is_main_process,
        ),
        keep=lambda net, name: _keep(folder, net, name),
        validate=None
        if validation is None
        else lambda net: _validate(settings, net, validation, accelerator),
        draw=build_grid(settings, folder / "pictures") if accelerator.is_main_process else None,
        options=trainer_options(settings),
    )


def _record_start(path: Path) -> None:
    """Note command, versions and git state of this start; those of earlier starts of the run are kept below."""
    earlier = []
    if path.exists():
        last = read_json(path, "provenance file")
        earlier = [*last.pop("earlier", []), last]
    write_json(path, {**provenance(), "earlier": earlier})


@contextlib.contextmanager
def _full_disk_in_words(folder: Path) -> Iterator[None]:
    """Turn what the system says about a full disk into a FidipError; other errors pass."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        raise FidipError(
            f"a file of the run {folder} cannot be written ({error.strerror}); its checkpoints are intact: free "
            "space and go on with the same command"
        ) from error


def _keep(folder: Path, model: nn.Module, name: str) -> None:
    """Write a pose net with published key names, as model_<name>.pth.

    Raises FidipError when it cannot be written, e.g. on a full disk; an older file of that name then stays.
    """
    path = folder / f"model_{name}.pth"
    try:
        with atomic_path(path) as temporary:
            torch.save(export_weights(model), temporary)
    except (OSError, RuntimeError) as error:  # torch reports a full disk as RuntimeError
        raise FidipError(
            f"model file {path} cannot be saved ({error}); the last checkpoint is intact: free space and go on"
        ) from error


def _validate(
    settings: Settings, model: nn.Module, validation: Validation, accelerator: Accelerator
) -> dict[str, Any]:
    """Score a model on the validation set; each process predicts its own part, none twice."""
    estimator = build_estimator(settings, model, accelerator.device)
    mine = [replace(one, features=one.features[:0]) for one in estimator.run(validation.loader)]
    predictions = gather_object(mine)
    metrics: list[Any] = [None]
    if accelerator.is_main_process:
        validation.evaluator.reset()
        score_predictions(predictions, validation.records, validation.areas, validation.evaluator)
        metrics = [validation.evaluator.summarize()]
    return broadcast_object_list(metrics)[0] if accelerator.num_processes > 1 else metrics[0]


def _warn_of_shared_sources(sets: dict[str, Sequence[Record]]) -> None:
    """Say in words when a set that should be independent of another has the same images, or images of its videos."""
    for first, second in itertools.combinations(sets, 2):
        known = {record.image.resolve() for record in sets[first]}
        same = sum(record.image.resolve() in known for record in sets[second])
        if same:
            text = "%d of %d persons of %s are in images that %s has too: its scores say nothing"
            logger.warning(text, same, len(sets[second]), second, first)
        shared = shared_sources(sets[first], sets[second])
        if shared:
            count = sum(record.source in shared for record in sets[second])
            text = "%d of %d pictures of %s come from %d sources that %s has too: its scores flatter"
            logger.warning(text, count, len(sets[second]), second, len(shared), first)


def _test(settings: Settings, config_file: Path, folder: Path, selected: bool) -> dict[str, TestOutcome]:
    """Test the last model, and the best one where there was a validation to choose it."""
    if not settings.DATASET.TEST_SET:
        logger.warning("DATASET.TEST_SET is empty: nothing is tested")
        return {}
    tests = {}
    if selected:
        tests["best"] = run_test(settings, config_file, folder / BEST_MODEL, folder)
    tests["last"] = run_test(settings, config_file, folder / LAST_MODEL, folder / "last")
    return tests
