"""Run a local web app: drop an image or a short video, see the keypoints, download them."""

import argparse
from pathlib import Path

from fidip.config import load_config
from fidip.errors import ConfigError
from fidip.media.backends import NAMES
from fidip.media.detector import DEFAULT, Detector
from fidip.media.predictor import Predictor, load_named, run_by
from fidip.media.serve.analysis import Limits
from fidip.media.serve.launch import serve
from fidip.runtime import choose_device, setup_logging


def main(argv: list[str] | None = None) -> int:
    """Entry of tools/serve.py: parse, load the network, serve until stopped."""
    args = _parser().parse_args(argv)
    setup_logging()
    limits = Limits(args.max_mb, args.max_megapixels, args.max_seconds, args.max_frames)
    if min(vars(limits).values()) <= 0:
        raise ConfigError("limits must be positive")
    predictor = _predictor(args)
    if args.backend == "auto":
        predictor.accelerate_if_possible()
    detect = None
    if args.detector_weights is not None:
        detect = Detector(args.detector, args.detector_weights, choose_device(args.device))
    serve(predictor, limits, args.host, args.port, args.minutes, detect)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    network = parser.add_argument_group("network")
    network.add_argument("--model", metavar="NAME|FILE",
                         help="packaged weights (see `fidip weights`), a bundle, or a checkpoint beside its config.yaml "
                         "(default: movenet_thunder)")  # fmt: skip
    network.add_argument("--bundle", type=Path, metavar="FILE", help="the same as --model FILE")
    network.add_argument("--backend", choices=("auto", *NAMES), default="auto",
                         help="what runs the network (auto: the fastest that is installed)")  # fmt: skip
    network.add_argument("--cfg", type=Path, metavar="FILE", help="a YAML file under experiments/")
    network.add_argument("--weights", type=Path, metavar="FILE", help="checkpoint")
    network.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 or mps (auto)")
    network.add_argument("--flip", action="store_true",
                         help="average with the mirrored image (more accurate, half the speed)")  # fmt: skip
    network.add_argument(
        "--detector-weights", type=Path, metavar="FILE", help="offers a person detector of torchvision"
    )
    network.add_argument("--detector", default=DEFAULT, help="its name (%(default)s)")
    page = parser.add_argument_group("page")
    page.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (127.0.0.1: this machine only)"
    )
    page.add_argument("--port", type=int, default=7860, help="(7860)")
    page.add_argument(
        "--minutes", type=float, default=10, help="files are deleted so long after their last use (10)"
    )
    page.add_argument("--max-mb", type=float, default=Limits.megabytes, help="of an upload (%(default)g)")
    page.add_argument(
        "--max-megapixels", type=float, default=Limits.megapixels, help="of a picture (%(default)g)"
    )
    page.add_argument("--max-seconds", type=float, default=Limits.seconds, help="of a video (%(default)g)")
    page.add_argument("--max-frames", type=int, default=Limits.frames, help="of a video (%(default)d)")
    return parser


def _predictor(args: argparse.Namespace) -> Predictor:
    named = [one for one in (args.model, args.bundle, args.cfg) if one is not None]
    if len(named) > 1 or (args.cfg is None) != (args.weights is None):
        raise ConfigError("give --model, or --bundle, or --cfg together with --weights, or none of them")
    if args.cfg is None:
        return load_named(args.model, args.bundle, args.device, args.flip, backend=args.backend)
    return run_by(
        Predictor.from_checkpoint(load_config(args.cfg), args.weights, args.device, args.flip), args.backend
    )
