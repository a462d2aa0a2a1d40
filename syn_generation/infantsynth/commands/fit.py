"""Fit a body model to 2D keypoints: parameters, meshes, overlays and a CSV of errors.

Every key of the config is an option too: --key value or --key=value. Run the same command again to resume.

Example:
  fidip fit --data_folder data --keyp_folder labels.json --out output
"""

import argparse
import sys
from pathlib import Path

from infantsynth.fit.settings import KEYS, Settings, read_settings

SHIPPED = Path(__file__).parents[2]  # of a checkout: where cfg_files/ is
ALIASES = {"output_folder": ("--out", "--output")}


def register(parser: argparse.ArgumentParser) -> None:
    """Add an option for each key of the config; keys without effect stay out of the help."""
    parser.add_argument(
        "-c", "--config", type=Path, metavar="FILE", help="read settings from this YAML file (default: none)"
    )
    parser.add_argument(
        "--benchmark", type=int, metavar="N", help="time the first N persons alone and in batches, and stop"
    )
    group = parser.add_argument_group("settings")
    for name, key in KEYS.items():
        several = isinstance(key.default, list)
        shown = " ".join(map(str, key.default)) if several else key.default
        group.add_argument(
            f"--{name}",
            *ALIASES.get(name, ()),
            dest=name,
            default=argparse.SUPPRESS,
            nargs="+" if several else None,
            metavar="X",
            help=f"{key.meaning} (default: {shown})" if key.meaning else argparse.SUPPRESS,
        )


def run(args: argparse.Namespace) -> int:
    """Fit all persons and print a summary."""
    import torch

    from fidip.environment import setup_logging
    from infantsynth.fit.outcome import CSV_NAME
    from infantsynth.fit.run import run_fit

    config = args.config
    if config is not None and not config.is_file() and (SHIPPED / config).is_file():
        config = SHIPPED / config
    setup_logging()
    torch.set_flush_denormal(True)  # priors far from their mean produce them, and they are slow
    settings = read_settings(config, {name: value for name, value in vars(args).items() if name in KEYS})
    if args.benchmark is not None:
        _show_benchmark(settings, args.benchmark)
        return 0
    summary = run_fit(settings)
    lines = [
        f"{summary['persons']} persons: {summary['ok']} ok, {summary['poor']} poor, {summary['failed']} failed; "
        f"{summary['fitted_now']} fitted now"
    ]
    if summary["seconds_per_person"] is not None:
        cpu = summary["cpu_seconds_per_person"]
        lines.append(f"{summary['seconds_per_person']:.3f} s per person ({cpu:.3f} CPU s)")
    if summary["mean_percent"]["median"] is not None:
        shown = ", ".join(f"{name} {value:.3f}" for name, value in summary["mean_percent"].items())
        lines.append(f"mean error of a person, per cent of the box's diagonal: {shown}")
    sys.stdout.write("\n".join([*lines, str(Path(settings["output_folder"]) / CSV_NAME)]) + "\n")
    return 0


def _show_benchmark(settings: Settings, count: int) -> None:
    from fidip.errors import ConfigError
    from infantsynth.fit.run import benchmark

    if count < 1:
        raise ConfigError(f"--benchmark wants a number of persons, not {count}")
    times = benchmark(settings, count)
    for each in times:
        median, worst = each.moved
        sys.stdout.write(
            f"batch of {each.size}: {each.wall:.4f} s per person ({each.cpu:.4f} CPU s), "
            f"{times[0].cpu / each.cpu:.1f} times as fast as batch of {times[0].size}; "
            f"keypoints moved by {median:.2g} px (median), {worst:.2g} px (most)\n"
        )
