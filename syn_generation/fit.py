"""Fit a body model to 2D keypoints: parameters, meshes, pictures and a CSV of errors.

Every key of the config can be given as an option, --key value or --key=value. The same command goes on after a stop.
"""

import argparse
from pathlib import Path

import torch

from fidip.cli import exit_on_error
from fidip.errors import ConfigError
from fidip.runtime import setup_logging
from infantsynth.fit.outcome import CSV_NAME
from infantsynth.fit.run import benchmark, run_fit
from infantsynth.fit.settings import KEYS, Settings, parse_options, read_settings

HERE = Path(__file__).parent
DEFAULT = HERE / "cfg_files" / "fit_infant.yaml"


def main(argv: list[str] | None = None) -> int:
    """Parse, fit, print the summary."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog=key_list(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "-c", "--config", type=Path, default=DEFAULT, help="YAML file (cfg_files/fit_infant.yaml)"
    )
    parser.add_argument(
        "--benchmark", type=int, metavar="N", help="time the first N persons alone and in batches, and stop"
    )
    args, rest = parser.parse_known_args(argv)
    config = (
        args.config if args.config.is_file() or not (HERE / args.config).is_file() else HERE / args.config
    )
    setup_logging()
    torch.set_flush_denormal(True)  # priors far from their mean produce them, and they are slow
    settings = read_settings(config, parse_options(rest))
    if args.benchmark is not None:
        show_benchmark(settings, args.benchmark)
        return 0
    summary = run_fit(settings)
    print(
        f"{summary['persons']} persons: {summary['ok']} ok, {summary['poor']} poor, {summary['failed']} failed; "
        f"{summary['fitted_now']} fitted now"
    )
    if summary["seconds_per_person"] is not None:
        print(
            f"{summary['seconds_per_person']:.3f} s per person ({summary['cpu_seconds_per_person']:.3f} CPU s)"
        )
    if summary["mean_percent"]["median"] is not None:
        shown = ", ".join(f"{name} {value:.3f}" for name, value in summary["mean_percent"].items())
        print(f"mean error of a person, per cent of the box's diagonal: {shown}")
    print(Path(settings["output_folder"]) / CSV_NAME)
    return 0


def show_benchmark(settings: Settings, count: int) -> None:
    """Print seconds per person for each batch size."""
    if count < 1:
        raise ConfigError(f"--benchmark wants a number of persons, not {count}")
    times = benchmark(settings, count)
    for each in times:
        median, worst = each.moved
        print(
            f"batch of {each.size}: {each.wall:.4f} s per person ({each.cpu:.4f} CPU s), "
            f"{times[0].cpu / each.cpu:.1f} times as fast as batch of {times[0].size}; "
            f"keypoints moved by {median:.2g} px (median), {worst:.2g} px (most)"
        )


def key_list() -> str:
    """The keys and what they do."""
    lines = [f"  --{name} {key.default!r}\n      {key.meaning}" for name, key in KEYS.items() if key.meaning]
    return "keys and their defaults:\n" + "\n".join(lines)


if __name__ == "__main__":
    exit_on_error(main)
