"""What can be believed of a result: intervals over pictures and sources, tests of differences, seeds."""

from fidip.statistics.confidence import add_intervals, confidence
from fidip.statistics.intervals import SeedSummary, holm, over_seeds, seeds_differ
from fidip.statistics.paired import Comparison, compare, measure

__all__ = [
    "Comparison",
    "SeedSummary",
    "add_intervals",
    "compare",
    "confidence",
    "holm",
    "measure",
    "over_seeds",
    "seeds_differ",
]
