"""A population of pictures with one person each, of which any number can be drawn, and its true AP."""

import numpy as np

from fidip.statistics.average_precision import AveragePrecision, MatchTable

THRESHOLDS, RECALLS = np.linspace(0.5, 0.95, 10), np.linspace(0, 1, 101)
# mean and deviation of the logit of OKS, correlation of the score with it
GOOD, FAIR, POOR = (4.2, 1.6, 0.6), (2.4, 1.3, 0.6), (0.8, 1.2, 0.4)
COLUMNS = {"AP": 0, "AP50": 1, "AP75": 2, "AR": 5}


def draw(rng, count, kind, of_source=0.0, size=1, hardness=None):
    """OKS and score of ``count`` persons; ``size`` of a source share ``of_source`` of their variance."""
    mean, deviation, correlation = kind
    shared = np.repeat(rng.normal(size=-(-count // size)), size)[:count]
    ease = np.sqrt(of_source) * shared + np.sqrt(1 - of_source) * rng.normal(size=count)
    if hardness is not None:  # the same pictures for several systems
        ease = np.sqrt(0.7) * hardness + np.sqrt(0.3) * ease
    score = correlation * ease + np.sqrt(1 - correlation**2) * rng.normal(size=count)
    return 1 / (1 + np.exp(-mean - deviation * ease)), score


def table(oks, score):
    """Every detection is that of its picture's person: a hit where its OKS reaches the threshold."""
    order = np.argsort(-score, kind="stable")
    hit = np.zeros((3, len(THRESHOLDS), len(oks)), bool)
    hit[0] = oks[order] >= THRESHOLDS[:, None]
    miss = np.zeros_like(hit)
    miss[0] = ~hit[0]
    persons = np.zeros((3, len(oks)), np.int64)
    persons[0] = 1
    return MatchTable(order, score[order], hit, miss, persons, THRESHOLDS, RECALLS)


def numbers(oks, score):
    """AP, AP50, AP75, AR of all persons once."""
    return AveragePrecision(table(oks, score))(np.ones((1, len(oks)), np.int64))[0, [*COLUMNS.values()]]


def truth(kind, **options):
    """The numbers of the whole population, to about 0.0003."""
    rng = np.random.default_rng(99)
    return np.mean([numbers(*draw(rng, 100_000, kind, **options)) for _ in range(6)], axis=0)
