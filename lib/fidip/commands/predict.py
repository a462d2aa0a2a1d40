"""Estimate the 17 COCO keypoints of an infant in images and videos.

Writes one file of poses for each source, and what --export names: by default a table and an overlay. Without a box the
first frame is searched for the infant, who is then followed. Run the same command again to resume.

Research use, not diagnostic. docs/predict.md explains every option and every file.

Examples:
  fidip predict baby.mp4
  fidip predict photos/ --out results --export csv,coco,overlay
  fidip predict "visits/*.mp4" --smooth savgol --movement --blur-faces
  fidip predict baby.jpg --box 120,40,380,300
  fidip predict baby.mp4 --cfg RUN/config.yaml --weights RUN/model_best.pth TEST.FLIP_TEST False
"""

import argparse
from pathlib import Path

from fidip.commands.options import add_number, free_overrides
from fidip.errors import ConfigError
from fidip.geometry import parse_box

EXPORTS = ("coco", "csv", "dlc", "overlay", "parquet", "pictures", "sleap", "video")
SMOOTHING = ("none", "one-euro", "savgol")
BACKENDS = ("auto", "torch", "onnxruntime", "openvino")
RULES = ("all", "largest", "smallest", "region", "track:ID")
DETECTOR = "fasterrcnn_mobilenet_v3_large_320_fpn"  # of torchvision


def register(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add = parser.add_argument
    add(
        "source",
        nargs="+",
        metavar="SOURCE",
        help="images, a folder of images, a pattern, videos, a COCO JSON with boxes, or a camera's number; after them "
        "KEY VALUE overrides keys of --cfg",
    )
    add(
        "--out",
        type=Path,
        default=Path("output/predictions"),
        metavar="DIR",
        help="write results to this folder (default: %(default)s)",
    )
    add("--overwrite", action="store_true", help="discard earlier results instead of resuming")
    add(
        "--export",
        default="csv,overlay",
        metavar="A,B",
        help=f"write these formats: {', '.join(EXPORTS)}, or none (default: %(default)s)",
    )
    add(
        "--smooth",
        choices=SMOOTHING,
        default="none",
        help="smooth videos by this method (default: %(default)s)",
    )
    add("--movement", action="store_true", help="also summarise the movement in videos")
    add("--blur-faces", action="store_true", help="blur faces in overlays")
    add_number(
        parser, "--threshold", 0.2, "keypoints scored below this count as not detected", metavar="SCORE"
    )
    add(
        "--rate",
        type=float,
        default=0.0,
        metavar="FPS",
        help="frame rate of images that are the frames of one video, in frames/s (default: images are unrelated)",
    )
    add("--skip-bad", action="store_true", help="leave unreadable images out with a warning")
    group = parser.add_argument_group("network")
    add_network(group, weights="TEST.MODEL_FILE, or what the config's training left")
    group.add_argument(
        "--set",
        nargs=2,
        action="append",
        default=[],
        metavar=("KEY", "VALUE"),
        help="override a key of --cfg, the same as KEY VALUE (default: none)",
    )
    add_number(group, "--batch", 16, "batch size, in crops")
    group.add_argument(
        "--flip",
        action=argparse.BooleanOptionalAction,
        help="average with the mirrored image: more accurate, half the speed (default: for images, not for videos)",
    )
    _add_boxes(parser)


def add_network(group: "argparse._ArgumentGroup", weights: str) -> None:
    """Add the options that choose a network and what runs it.

    Args:
        group: group of the options.
        weights: what --cfg takes without --weights, in words.
    """
    add = group.add_argument
    add(
        "--model",
        metavar="NAME|FILE",
        help="use packaged weights (see `fidip weights`), a bundle, or a checkpoint beside its config.yaml "
        "(default: movenet_thunder)",
    )
    add("--bundle", type=Path, metavar="FILE", help="use a bundle, the same as --model FILE (default: none)")
    add(
        "--cfg",
        type=Path,
        metavar="FILE",
        help="read the config of --weights from this YAML file; a name below experiments/ is enough (default: none)",
    )
    add("--weights", type=Path, metavar="FILE", help=f"use this checkpoint with --cfg (default: {weights})")
    add(
        "--backend",
        choices=BACKENDS,
        default="auto",
        help="run the network with this backend (default: %(default)s, the fastest that is installed)",
    )
    add(
        "--device",
        default="auto",
        metavar="NAME",
        help="use this device: auto, cpu, cuda, cuda:1 or mps (default: %(default)s)",
    )


def _add_boxes(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group(
        "person boxes (default: search the first frame, then follow the last pose)"
    )
    add = group.add_argument
    add(
        "--boxes",
        type=Path,
        metavar="JSON",
        help="use the boxes of this COCO JSON or list of results (default: none)",
    )
    add(
        "--box",
        type=parse_box,
        action="append",
        default=[],
        metavar="X,Y,W,H",
        help="start from this box, in px of the first frame or of each image; can be repeated (default: none)",
    )
    add(
        "--region",
        type=parse_box,
        metavar="X,Y,W,H",
        help="search this box, in px, in every frame; with --choose region, where the infant is (default: none)",
    )
    add(
        "--detector",
        nargs="?",
        const=DETECTOR,
        default="",
        metavar="NAME",
        help=f"find persons with a detector of torchvision, {DETECTOR} unless named (default: none)",
    )
    add(
        "--detector-weights",
        type=Path,
        metavar="FILE",
        help="read the weights of the detector from this file (default: torchvision's download)",
    )
    add_number(group, "--detector-score", 0.5, "minimum detection score", metavar="SCORE")
    add_number(
        group,
        "--detect-every",
        25,
        "maximum time between detections, in frames; 0: detect again when a person is lost",
    )
    add(
        "--choose",
        default="all",
        metavar="RULE",
        help=f"keep these persons: {', '.join(RULES)} (default: %(default)s)",
    )


def run(args: argparse.Namespace) -> int:
    """Check all that can be checked, predict, export."""
    free_overrides(args, "source")
    args.opts = [*(text for pair in args.set for text in pair), *args.opts]
    args.exports = exports_of(args)
    check(args)
    from fidip.commands.predict_run import predict

    return predict(args)


def exports_of(args: argparse.Namespace) -> list[str]:
    """Return the exports that were asked for. Raises ConfigError for an unknown one."""
    named = [name.strip() for name in args.export.split(",")]
    names = [name for name in named if name and name != "none"]
    for name in names:
        if name not in EXPORTS:
            raise ConfigError(f"unknown export {name!r}; choose from {', '.join(EXPORTS)} or none")
    return names


def check(args: argparse.Namespace) -> None:
    """Raise ConfigError for options that contradict each other or make no sense."""
    problems = []
    if not args.source:
        problems.append("name what to predict in before KEY VALUE")
    if sum(one is not None for one in (args.cfg, args.bundle, args.model)) > 1:
        problems.append("--model, --bundle and --cfg exclude each other")
    if args.cfg is None and (args.weights is not None or args.opts):
        problems.append("--weights and KEY VALUE need --cfg")
    if args.detector_weights is not None and not args.detector:
        problems.append("--detector-weights needs --detector")
    if args.region is not None and args.box:
        problems.append("--box and --region exclude each other")
    if args.choose == "region" and args.region is None:
        problems.append("--choose region needs --region")
    if args.blur_faces and not {"overlay", "video", "pictures"} & set(args.exports):
        problems.append("--blur-faces needs --export overlay, video or pictures")
    for name, least in (("batch", 1), ("detect_every", 0), ("rate", 0), ("threshold", 0)):
        if not getattr(args, name) >= least:
            problems.append(f"--{name.replace('_', '-')} must be at least {least}")
    if problems:
        raise ConfigError("; ".join(problems))
