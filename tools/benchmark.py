"""Time one adaptive training step beside a plain write-up of the published procedure; no data set is needed."""

from pathlib import Path

from fidip.cli import exit_on_error
from fidip.commands.benchmark import BenchmarkOptions, run_benchmark
from fidip.commands.config_scripts import config_from, config_parser
from fidip.runtime import setup_logging, write_json


def main(argv: list[str] | None = None) -> int:
    """Parse, time, print the table."""
    parser = config_parser(__doc__)
    parser.add_argument("--steps", type=int, default=10, help="timed steps of each side (10)")
    parser.add_argument("--warmup", type=int, default=2, help="untimed steps before them (2)")
    parser.add_argument("--batch", type=int, default=0, help="samples a step; 0: as in the config")
    parser.add_argument("--classifier-passes", type=int, choices=(2, 3), default=2,
                        help="of the published procedure: 2 as released, 3 with one more for the accuracy")  # fmt: skip
    parser.add_argument("--output", type=Path, help="write the times there as JSON")
    args = parser.parse_args(argv)
    setup_logging()
    options = BenchmarkOptions(args.steps, args.warmup, args.batch, args.classifier_passes)
    result = run_benchmark(config_from(args), args.cfg, options)
    print(result.table())
    if args.output is not None:
        write_json(args.output, result.as_json())
    return 0


if __name__ == "__main__":
    exit_on_error(main)
