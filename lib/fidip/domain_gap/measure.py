"""All numbers of the gap between two domains."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from fidip.domain_gap.distances import MmdTest, frechet_distance, mmd_test
from fidip.domain_gap.features import DomainFeatures, one_per_source, standardise
from fidip.domain_gap.probes import PROBES, ProbeScore, probe_domains
from fidip.errors import ConfigError

Array = np.ndarray


@dataclass(frozen=True)
class GapOptions:
    """seed: of everything random. folds, repeats: of the probes. permutations: of the test.

    relabellings: random divisions of the sources from which the Frechet distance by chance is averaged.
    """

    seed: int = 0
    folds: int = 5
    repeats: int = 3
    permutations: int = 1000
    relabellings: int = 20

    def __post_init__(self) -> None:
        """Refuse numbers that measure nothing. Raises ConfigError."""
        if self.folds < 2 or min(self.repeats, self.permutations, self.relabellings) < 1:
            raise ConfigError(
                f"{self.folds} folds, {self.repeats} repeats, {self.permutations} permutations: 2, 1 and 1 are the least"
            )


@dataclass(frozen=True)
class DomainGap:
    """pictures, sources: of the first and the second domain. probes: by name of ``PROBES``.

    frechet: squared Frechet distance of the standardised features. frechet_chance: what it is when whole sources
    are given to two sets of the same sizes at random.
    """

    pictures: tuple[int, int]
    sources: tuple[int, int]
    channels: int
    probes: dict[str, ProbeScore]
    mmd: MmdTest
    frechet: float
    frechet_chance: float

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        probes = {name: {**asdict(p), "a_distance": p.a_distance} for name, p in self.probes.items()}
        return {**asdict(self), "probes": probes}


def measure_gap(
    first: DomainFeatures, second: DomainFeatures, options: GapOptions | None = None
) -> DomainGap:
    """Measure how far two domains' features (N, D) and (M, D) are apart, each channel standardised.

    Probes and Frechet distance use all pictures, the MMD test one of each source, as it asks for independent
    ones. Raises DataError for features that cannot be compared, ConfigError without scikit-learn.
    """
    options = options or GapOptions()
    vectors = standardise(first.vectors, second.vectors)
    parts = [DomainFeatures(v, f.sources) for v, f in zip(vectors, (first, second), strict=True)]
    probes = {
        name: probe_domains(parts[0], parts[1], name, options.folds, options.repeats, options.seed)
        for name in PROBES
    }
    rng = np.random.default_rng([options.seed, 1])
    independent = [one_per_source(part, rng) for part in parts]
    return DomainGap(
        pictures=(len(vectors[0]), len(vectors[1])),
        sources=(len(independent[0]), len(independent[1])),
        channels=vectors[0].shape[1],
        probes=probes,
        mmd=mmd_test(independent[0], independent[1], rng, options.permutations),
        frechet=frechet_distance(*vectors),
        frechet_chance=_frechet_by_chance(parts, options, np.random.default_rng([options.seed, 2])),
    )


def _frechet_by_chance(parts: list[DomainFeatures], options: GapOptions, rng: np.random.Generator) -> float:
    """Mean distance between two sets of about the parts' sizes, made of whole sources of both domains."""
    vectors = np.vstack([part.vectors for part in parts])
    # a name in both domains is one source
    source = np.unique([*parts[0].sources, *parts[1].sources], return_inverse=True)[1]
    distances = []
    for _ in range(options.relabellings):
        rank = rng.permutation(source.max() + 1)[source]
        before = np.cumsum(np.bincount(rank))  # pictures of the sources up to each rank
        off = np.abs(before - len(parts[0].vectors)).astype(float)
        off[(before < 2) | (before > len(vectors) - 2)] = np.inf
        first = rank <= off.argmin()
        distances.append(frechet_distance(vectors[first], vectors[~first]))
    return float(np.mean(distances))
