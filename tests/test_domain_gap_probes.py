"""Probes and the whole measurement on Gaussians that are alike, apart, or somewhere between."""

import json
import sys
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from fidip.domain_gap import (
    EMBEDDINGS,
    PROBES,
    DomainFeatures,
    GapOptions,
    a_distance,
    embed,
    gap_table,
    measure_gap,
    probe_domains,
)
from fidip.errors import ConfigError, DataError

pytest.importorskip("sklearn")


def domain(rng, count, size=4, shift=0.0, scale=1.0, label="a", per_source=1):
    """Gaussian features; ``per_source`` pictures of a source share an offset that is larger than their own noise."""
    vectors = scale * rng.normal(size=(count, size))
    vectors[:, 0] += shift
    offsets = rng.normal(size=(count, size)) * 3 * (per_source > 1)
    source = np.arange(count) // per_source
    return DomainFeatures(vectors + offsets[source], [f"{label}{number}" for number in source])


@pytest.mark.parametrize("kind", PROBES)
def test_domains_apart_are_told_apart(kind):
    rng = np.random.default_rng(0)
    score = probe_domains(domain(rng, 60), domain(rng, 90, shift=20, label="b"), kind, repeats=1)
    assert (score.accuracy, score.low, score.high, score.a_distance) == (1, 1, 1, 2)


@pytest.mark.parametrize("kind", PROBES)
def test_equal_domains_are_not(kind):
    rng = np.random.default_rng(1)
    score = probe_domains(domain(rng, 150), domain(rng, 250, label="b"), kind, repeats=2)
    assert abs(score.accuracy - 0.5) < 0.08
    assert score.low < 0.5 < score.high
    assert score.a_distance < 0.32


def test_linear_probe_reaches_the_best_there_is():
    """Two Gaussians two deviations apart: the best boundary, midway, is right with the probability of one."""
    rng = np.random.default_rng(2)
    score = probe_domains(domain(rng, 400, 2), domain(rng, 800, 2, shift=2, label="b"), repeats=1)
    best = stats.norm.cdf(1)
    assert score.low < best < score.high
    assert score.accuracy == pytest.approx(best, abs=0.03)
    assert score.high - score.low == pytest.approx(2 * 1.96 * np.sqrt(best * (1 - best) * (1 / 400 + 1 / 800) / 4), rel=0.15)  # fmt: skip


def test_only_the_mlp_sees_another_spread():
    rng = np.random.default_rng(3)
    first, second = domain(rng, 200, 2), domain(rng, 200, 2, scale=4, label="b")
    assert abs(probe_domains(first, second, "linear", repeats=1).accuracy - 0.5) < 0.1
    assert probe_domains(first, second, "mlp", repeats=1).accuracy > 0.75


def test_sources_that_are_learnt_by_heart_do_not_count():
    """Domains of few sources with features of their own look apart when a source is on both sides."""
    rng = np.random.default_rng(4)
    first, second = (domain(rng, 120, 8, label=label, per_source=12) for label in "ab")
    alone = [replace(part, sources=[f"{label}{i}" for i in range(120)]) for part, label in ((first, "a"), (second, "b"))]  # fmt: skip
    assert probe_domains(*alone, "mlp", repeats=1).accuracy > 0.9
    honest = probe_domains(first, second, "mlp", repeats=2)
    assert honest.accuracy < 0.75
    assert honest.high - honest.low > 0.15


def test_a_distance():
    assert [a_distance(value) for value in (1.0, 0.75, 0.5, 0.4)] == [2, 1, 0, 0]


def test_everything_is_determined_by_the_seed():
    rng = np.random.default_rng(5)
    parts = domain(rng, 40), domain(rng, 30, shift=0.5, label="b")
    options = GapOptions(permutations=99, repeats=1)
    gaps = [measure_gap(*parts, options) for _ in range(2)]
    assert gaps[0] == gaps[1]
    assert measure_gap(*parts, replace(options, seed=1)).probes != gaps[0].probes


def test_measurement_sees_a_gap_and_its_absence():
    rng = np.random.default_rng(6)
    options = GapOptions(permutations=199, repeats=1)
    alike = measure_gap(domain(rng, 80), domain(rng, 80, label="b"), options)
    assert alike.mmd.p_value > 0.01
    assert alike.frechet == pytest.approx(alike.frechet_chance, rel=0.5)
    apart = measure_gap(domain(rng, 80), domain(rng, 80, shift=3, label="b"), options)
    assert apart.mmd.p_value == 1 / 200
    assert apart.frechet > 4 * apart.frechet_chance
    assert apart.probes["linear"].accuracy > 0.9 > 0.6 > alike.probes["linear"].accuracy
    json.dumps(apart.as_dict(), allow_nan=False)
    table = gap_table({"before": apart, "after": alike})
    assert table.splitlines()[0] == "| | before | after |"
    assert f"| p of no difference | 0.005 | {alike.mmd.p_value:.3g} |" in table
    assert len({line.count("|") for line in table.splitlines()}) == 1


def test_counts_are_told_and_scale_does_not_matter():
    rng = np.random.default_rng(7)
    first, second = domain(rng, 60, per_source=3), domain(rng, 24, label="b", per_source=2)
    options = GapOptions(permutations=99, repeats=1)
    gap = measure_gap(first, second, options)
    assert (gap.pictures, gap.sources, gap.channels) == ((60, 24), (20, 12), 4)
    scaled = [replace(part, vectors=part.vectors * [1e-3, 1, 10, 1e3] + 5) for part in (first, second)]
    again = measure_gap(*scaled, options)
    assert again.frechet == pytest.approx(gap.frechet, rel=1e-6)
    assert again.mmd.p_value == gap.mmd.p_value
    assert again.probes["linear"].accuracy == pytest.approx(gap.probes["linear"].accuracy, abs=1e-6)


def test_clusters_stay_clusters_in_the_embedding():
    rng = np.random.default_rng(8)
    vectors = np.vstack([domain(rng, 40, 60).vectors, domain(rng, 40, 60).vectors + 3])
    points = embed(vectors, seed=1)
    assert points.shape == (80, 2)
    np.testing.assert_array_equal(points, embed(vectors, seed=1))
    distance = np.linalg.norm(points[:, None] - points, axis=2)
    np.fill_diagonal(distance, np.inf)
    assert ((distance.argmin(axis=1) < 40) == (np.arange(80) < 40)).all()
    assert embed(vectors[:4]).shape == (4, 2)


def test_umap_is_asked_for_by_name(monkeypatch):
    class Reducer:
        def __init__(self, **options):
            self.options = options

        def fit_transform(self, vectors):
            assert self.options == {"n_neighbors": 9, "random_state": 3, "n_jobs": 1}
            return vectors[:, :2]

    monkeypatch.setitem(sys.modules, "umap", type(sys)("umap"))
    sys.modules["umap"].UMAP = Reducer
    assert embed(np.random.default_rng(0).normal(size=(10, 5)), "umap", 3).shape == (10, 2)
    assert set(EMBEDDINGS) == {"tsne", "umap"}


def test_missing_packages_are_named(monkeypatch):
    vectors = np.random.default_rng(0).normal(size=(10, 5))
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(ConfigError, match="pip install umap-learn"):
        embed(vectors, "umap")
    for name in [name for name in sys.modules if name.partition(".")[0] == "sklearn"]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ConfigError, match=r"needs sklearn.*fidip\[analysis\]"):
        embed(vectors)


def test_too_few_sources_are_refused():
    rng = np.random.default_rng(9)
    with pytest.raises(DataError, match="3 sources in one domain, but 5 folds"):
        probe_domains(domain(rng, 30), domain(rng, 30, label="b", per_source=10))
    with pytest.raises(DataError, match="at least 4"):
        embed(np.ones((3, 2)))
    with pytest.raises(ConfigError, match="1 folds"):
        GapOptions(folds=1)
    with pytest.raises(ConfigError, match="unknown probe"):
        probe_domains(domain(rng, 30), domain(rng, 30, label="b"), "forest")
