"""List the models that come with the package.

AP is on 400 real infants (SyRIP), boxes given, without any training on infants, with its 95 % interval. Use a name as
--model NAME or as MODEL.PRETRAINED NAME.

Examples:
  fidip weights
"""

import argparse
import sys

from fidip.packaged import DEFAULT, packaged_models


def register(parser: argparse.ArgumentParser) -> None:
    """Add no options: there is nothing to choose."""


def run(args: argparse.Namespace) -> int:
    """Print a table of the packaged models."""
    rows = [("name", "parameters", "size", "licence", "AP on infants", "model card")]
    for model in packaged_models().values():
        name = f"{model.name} (default)" if model.name == DEFAULT else model.name
        low, high = model.interval
        rows.append(
            (
                name,
                f"{model.parameters / 1e6:.1f} M",
                f"{model.path.stat().st_size / 1e6:.1f} MB",
                f"{model.licence}, {model.holder}",
                f"{model.ap:.1f} [{low:.1f}, {high:.1f}]",
                str(model.card),
            )
        )
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        line = "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True))
        sys.stdout.write(line.rstrip() + "\n")
    return 0
