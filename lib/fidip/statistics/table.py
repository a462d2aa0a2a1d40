"""Terminal tables of a comparison."""

from collections.abc import Sequence

from fidip.annotations import Record
from fidip.evaluation.table import NOTHING, percent, percent_of, terminal_table

SHOWN = ("AP", "AP50", "AP75", "AR", "PCK@0.1")


def comparison_text(comparison: Record, shown: Sequence[str] = SHOWN) -> str:
    """Tables of ``comparison.compare_methods``: numbers, seeds where there are several, differences; in percent."""
    what = f"{comparison['units']} {comparison['unit']}s"
    head = f"{comparison['n_images']} pictures, 95 % intervals from {comparison['resamples']} resamples of {what}"
    parts = [head, _number_table(comparison["methods"], shown)]
    several = [method for method in comparison["methods"] if len(method["results"]) > 1]
    if several:
        parts.append(
            f"Over seeds: mean +- deviation [95 % interval of the mean]\n{_seed_table(several, shown)}"
        )
    parts += [_difference_text(pair, shown) for pair in comparison["comparisons"]]
    return "\n\n".join(parts)


def _number_table(methods: Sequence[Record], shown: Sequence[str]) -> str:
    rows = []
    for method in methods:
        values = {name: entry["value"] for name, entry in method["numbers"].items()}
        limits = {name: entry["ci95"] for name, entry in method["numbers"].items()}
        rows.append([method["name"], *(percent_of({**values, "ci95": limits}, name) for name in shown)])
    return terminal_table(["method", *shown], rows)


def _seed_table(methods: Sequence[Record], shown: Sequence[str]) -> str:
    rows = [
        [m["name"], str(len(m["results"])), *(_seed_cell(m["numbers"][name]) for name in shown)]
        for m in methods
    ]
    return terminal_table(["method", "n", *shown], rows)


def _seed_cell(entry: Record) -> str:
    if "seeds" not in entry:
        return NOTHING
    low, high = entry["seeds"]["ci95"]
    spread = f"{percent(entry['value'])} +- {percent(entry['seeds']['deviation'])}"
    return f"{spread} [{percent(low)}, {percent(high)}]"


def _difference_text(pair: Record, shown: Sequence[str]) -> str:
    """One row a number: difference, interval, p of each test, and corrected for the number of methods."""
    tests = ["p_bootstrap", "p_permutation", "p_seeds"]
    tests = [test for test in tests if any(pair["numbers"][name][test] is not None for name in shown)]
    columns = [column for test in tests for column in (test, f"{test}_holm")]
    rows = [
        [name, _signed(entry), *(probability(entry.get(column)) for column in columns)]
        for name in shown
        for entry in [pair["numbers"][name]]
    ]
    header = [
        "",
        "difference",
        *(column.replace("_holm", ", Holm").replace("p_", "p ") for column in columns),
    ]
    return f"{pair['first']} minus {pair['second']}\n{terminal_table(header, rows)}"


def _signed(entry: Record) -> str:
    if entry["difference"] is None:
        return NOTHING
    limits = "" if entry["ci95"] is None else " [{:+.1f}, {:+.1f}]".format(*(100 * x for x in entry["ci95"]))
    return f"{100 * entry['difference']:+.1f}{limits}"


def probability(value: float | None) -> str:
    """A p value with three digits; "<0.001" below: resampling does not tell smaller ones apart."""
    if value is None:
        return NOTHING
    return "<0.001" if value < 0.001 else f"{value:.3f}"
