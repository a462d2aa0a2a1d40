"""Fresh classifiers that try to tell the domains apart from the features, scored on sources they have not seen."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from fidip.domain_gap.features import DomainFeatures
from fidip.errors import DataError, require
from fidip.registry import Registry

Array = np.ndarray
RESAMPLES = 2000

PROBES = Registry(
    "probe"
)  # name -> function of (training pictures, seed) that makes a scikit-learn classifier


@dataclass(frozen=True)
class ProbeScore:
    """accuracy: mean of the two domains' shares of held-out pictures that are told right; 0.5 is chance.

    low, high: 95% bootstrap interval over sources, the probes kept as they are.
    """

    accuracy: float
    low: float
    high: float

    @property
    def a_distance(self) -> float:
        """See the function of this name."""
        return a_distance(self.accuracy)


def a_distance(accuracy: float) -> float:
    """Proxy A-distance 2 (1 - 2 error), error = 1 - accuracy (Ben-David et al. 2007): 0 alike, 2 apart.

    Accuracies below chance, which small samples have, count as chance.
    """
    return max(0.0, 2 * (2 * accuracy - 1))


@PROBES.register("linear")
def _linear(count: int, seed: int) -> Any:
    return require("sklearn.linear_model", "analysis").LogisticRegression(
        C=0.1, max_iter=2000, random_state=seed
    )


@PROBES.register("mlp")
def _mlp(count: int, seed: int) -> Any:
    """One hidden layer of 64; the penalty and the few epochs keep it from learning small sets by heart."""
    build: Callable[..., Any] = require("sklearn.neural_network", "analysis").MLPClassifier
    return build((64,), alpha=0.1, batch_size=min(32, count), max_iter=40, random_state=seed)


def probe_domains(
    first: DomainFeatures,
    second: DomainFeatures,
    kind: str = "linear",
    folds: int = 5,
    repeats: int = 3,
    seed: int = 0,
) -> ProbeScore:
    """Cross-validate a probe of ``PROBES``; no source is in training and held-out pictures at once.

    Features are standardised by the training part; the smaller domain is repeated there until both are equally
    frequent. The folds are drawn ``repeats`` times. Raises DataError for fewer than ``folds`` sources of a domain
    and ConfigError without scikit-learn.
    """
    vectors = np.vstack([first.vectors, second.vectors])
    domain = np.repeat([0, 1], [len(first.vectors), len(second.vectors)])
    names = np.array([*first.sources, *second.sources])
    for features in (first, second):
        if len(set(features.sources)) < folds:
            raise DataError(
                f"{len(set(features.sources))} sources in one domain, but {folds} folds; give more pictures"
            )
    right = np.zeros(len(vectors))
    for repeat in range(repeats):
        rng = np.random.default_rng([seed, repeat])
        split = require("sklearn.model_selection", "analysis").StratifiedGroupKFold(
            folds, shuffle=True, random_state=int(rng.integers(2**31))
        )
        for train, held in split.split(vectors, domain, names):
            chosen = _balanced(train, domain, rng)
            right[held] += _fit_predict(kind, vectors, domain, chosen, held, rng) == domain[held]
    low, high = _interval(right / repeats, domain, names, np.random.default_rng([seed, repeats]))
    accuracy = float(np.mean([right[domain == d].mean() for d in (0, 1)])) / repeats
    return ProbeScore(accuracy, low, high)


def _balanced(train: Array, domain: Array, rng: np.random.Generator) -> Array:
    """Indices of the training part, those of the smaller domain repeated."""
    parts = [train[domain[train] == d] for d in (0, 1)]
    if min(map(len, parts)) == 0:
        raise DataError(
            "a fold has one domain only: nearly all its pictures share a source; give more sources"
        )
    size = max(map(len, parts))
    return np.concatenate([np.resize(rng.permutation(part), size) for part in parts])


def _fit_predict(
    kind: str, vectors: Array, domain: Array, train: Array, held: Array, rng: np.random.Generator
) -> Array:
    scaler = require("sklearn.preprocessing", "analysis").StandardScaler().fit(vectors[train])
    probe = PROBES[kind](len(train), int(rng.integers(2**31)))
    with warnings.catch_warnings():
        # the epochs are few on purpose
        warnings.simplefilter("ignore", require("sklearn.exceptions", "analysis").ConvergenceWarning)
        probe.fit(scaler.transform(vectors[train]), domain[train])
    predicted: Array = probe.predict(scaler.transform(vectors[held]))
    return predicted


def _interval(right: Array, domain: Array, names: Array, rng: np.random.Generator) -> tuple[float, float]:
    """Percentile interval of the balanced accuracy when sources of each domain are drawn anew."""
    shares = []
    for d in (0, 1):
        own = np.unique(names[domain == d], return_inverse=True)[1]
        counts, sums = np.bincount(own), np.bincount(own, weights=right[domain == d])
        drawn = rng.multinomial(len(counts), np.full(len(counts), 1 / len(counts)), RESAMPLES)
        shares.append(drawn @ sums / (drawn @ counts))
    low, high = np.quantile((shares[0] + shares[1]) / 2, [0.025, 0.975])
    return float(low), float(high)
