"""Run a local web app that estimates keypoints.

Drop an image or a short video, see the keypoints, and download them. The app listens on this machine only, unless --host says otherwise. Research use, not diagnostic.

Examples:
  fidip serve
  fidip serve --model infant.safetensors --port 8080
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from fidip.commands.options import add_number
from fidip.commands.predict import DETECTOR, add_network
from fidip.errors import ConfigError

if TYPE_CHECKING:
    from fidip.predict.predictor import Predictor


def register(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    network = parser.add_argument_group("network")
    add_network(network, weights="none, --cfg needs it")
    network.add_argument(
        "--flip", action="store_true", help="average with the mirrored image (more accurate, half the speed)"
    )
    network.add_argument(
        "--detector-weights",
        type=Path,
        metavar="FILE",
        help="offer a person detector of torchvision with these weights (default: none)",
    )
    network.add_argument(
        "--detector", default=DETECTOR, metavar="NAME", help="name of the detector (default: %(default)s)"
    )
    page = parser.add_argument_group("page")
    page.add_argument(
        "--host",
        default="127.0.0.1",
        metavar="ADDRESS",
        help="listen on this address (default: %(default)s, this machine only)",
    )
    add_number(page, "--port", 7860, "listen on this port")
    add_number(page, "--minutes", 10.0, "minutes before unused uploads are deleted", metavar="MIN")
    add_number(page, "--max-mb", 50.0, "maximum size of an upload, in MB", metavar="MB")
    add_number(page, "--max-megapixels", 25.0, "maximum size of an image, in megapixels", metavar="MP")
    add_number(page, "--max-seconds", 60.0, "maximum length of a video, in s", metavar="S")
    add_number(page, "--max-frames", 3600, "maximum length of a video, in frames")
    parser.add_argument(
        "opts", nargs="*", metavar="KEY VALUE", help="override keys of --cfg, e.g. TEST.FLIP_TEST False"
    )


def run(args: argparse.Namespace) -> int:
    """Load the network, serve until stopped."""
    from fidip.environment import choose_device, setup_logging
    from fidip.page.analysis import Limits
    from fidip.page.launch import serve
    from fidip.predict.finder import Detector

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


def _predictor(args: argparse.Namespace) -> "Predictor":
    from fidip.config import load_config
    from fidip.predict.predictor import Predictor, load_named, run_by

    named = [one for one in (args.model, args.bundle, args.cfg) if one is not None]
    if len(named) > 1 or (args.cfg is None) != (args.weights is None):
        raise ConfigError("give --model, or --bundle, or --cfg together with --weights, or none of them")
    if args.cfg is None and args.opts:
        raise ConfigError(f"{' '.join(args.opts)}: overrides need --cfg")
    if args.cfg is None:
        return load_named(args.model, args.bundle, args.device, args.flip, backend=args.backend)
    predictor = Predictor.from_checkpoint(
        load_config(args.cfg, args.opts), args.weights, args.device, args.flip
    )
    return run_by(predictor, args.backend)
