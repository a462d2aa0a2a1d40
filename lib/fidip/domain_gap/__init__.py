"""How far apart the features of two domains are: probes, proxy A-distance, MMD, Frechet distance, pictures."""

from fidip.domain_gap.distances import MmdTest, frechet_distance, median_distance, mmd_test, squared_mmd
from fidip.domain_gap.embedding import EMBEDDINGS, embed
from fidip.domain_gap.features import POOLS, DomainFeatures, one_per_source, standardise, stream_features
from fidip.domain_gap.figure import Panel, write_embeddings
from fidip.domain_gap.measure import DomainGap, GapOptions, measure_gap
from fidip.domain_gap.probes import PROBES, ProbeScore, a_distance, probe_domains
from fidip.domain_gap.table import gap_table

__all__ = [
    "EMBEDDINGS",
    "POOLS",
    "PROBES",
    "DomainFeatures",
    "DomainGap",
    "GapOptions",
    "MmdTest",
    "Panel",
    "ProbeScore",
    "a_distance",
    "embed",
    "frechet_distance",
    "gap_table",
    "measure_gap",
    "median_distance",
    "mmd_test",
    "one_per_source",
    "probe_domains",
    "squared_mmd",
    "standardise",
    "stream_features",
    "write_embeddings",
]
