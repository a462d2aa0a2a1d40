"""What can be said to the predict command."""

import argparse
from pathlib import Path

from fidip.errors import ConfigError
from fidip.media.backends import NAMES
from fidip.media.boxes import parse_box
from fidip.media.detector import DEFAULT
from fidip.media.export import EXPORTS
from fidip.media.movement_table import NOTICE
from fidip.media.select import RULES
from fidip.media.smoothing import METHODS
from fidip.media.tracks import MIN_SCORE

EPILOG = f"""examples:
  fidip predict baby.mp4
  fidip predict photos/ --out results --export csv,coco,overlay
  fidip predict "visits/*.mp4" --smooth savgol --movement --blur-faces
  fidip predict baby.jpg --box 120,40,380,300

{NOTICE} docs/predict.md explains every option and every file.
"""


def predict_parser() -> argparse.ArgumentParser:
    """The parser of tools/predict.py and ``fidip predict``."""
    parser = argparse.ArgumentParser(
        description="Estimate the 17 COCO keypoints of an infant in images and videos.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "source",
        nargs="+",
        metavar="SOURCE",
        help="images, a folder of images, a pattern, videos, a COCO JSON with boxes, or a camera's number",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("output/predictions"),
        help="folder of results (default: %(default)s)",
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="discard earlier results instead of resuming"
    )
    parser.add_argument(
        "--export",
        default="csv,overlay",
        metavar="A,B",
        help=f"what to write: {', '.join(sorted(EXPORTS))}, or none (default: %(default)s)",
    )
    parser.add_argument(
        "--smooth",
        choices=("none", *sorted(METHODS)),
        default="none",
        help="smooth videos (default: %(default)s)",
    )
    parser.add_argument("--movement", action="store_true", help="also summarise the movement in videos")
    parser.add_argument("--blur-faces", action="store_true", help="blur faces in overlays")
    parser.add_argument("--threshold", type=float, default=MIN_SCORE, metavar="SCORE",
                        help="keypoints scored below this count as not detected (default: %(default)s)")  # fmt: skip
    parser.add_argument("--rate", type=float, default=0.0, metavar="FPS",
                        help="frame rate of images that are the frames of one video, in frames/s")  # fmt: skip
    parser.add_argument("--skip-bad", action="store_true", help="leave unreadable images out with a warning")
    _add_model(parser)
    _add_boxes(parser)
    return parser


def _add_model(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("network")
    group.add_argument("--model", metavar="NAME|FILE",
                       help="packaged weights (see `fidip weights`), a bundle, or a checkpoint beside its config.yaml "
                       "(default: movenet_thunder)")  # fmt: skip
    group.add_argument(
        "--cfg", type=Path, metavar="FILE", help="a config under experiments/, together with --weights"
    )
    group.add_argument("--weights", type=Path, metavar="FILE",
                       help="checkpoint for --cfg (default: its TEST.MODEL_FILE, or what its training left)")  # fmt: skip
    group.add_argument("--set", nargs=2, action="append", default=[], metavar=("KEY", "VALUE"),
                       help="override a key of --cfg")  # fmt: skip
    group.add_argument("--bundle", type=Path, metavar="FILE",
                       help="the same as --model FILE")  # fmt: skip
    group.add_argument(
        "--backend",
        choices=("auto", *NAMES),
        default="auto",
        help="what runs the network (default: %(default)s, the fastest that is installed)",
    )
    group.add_argument(
        "--device", default="auto", help="auto, cpu, cuda, cuda:1 or mps (default: %(default)s)"
    )
    group.add_argument("--batch", type=int, default=16, help="batch size, in crops (default: %(default)s)")
    group.add_argument(
        "--flip",
        action=argparse.BooleanOptionalAction,
        help="average with the mirrored image: more accurate, half the speed (default: for images, not for videos)",
    )


def _add_boxes(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group(
        "person boxes (default: search the first frame, then follow the last pose)"
    )
    group.add_argument("--boxes", type=Path, metavar="JSON", help="COCO JSON or list of results with boxes")
    group.add_argument("--box", type=parse_box, action="append", default=[], metavar="X,Y,W,H",
                       help="box in px in the first frame, or in each picture; can be repeated")  # fmt: skip
    group.add_argument("--region", type=parse_box, metavar="X,Y,W,H",
                       help="look here in every frame; with --choose region, where the infant is")  # fmt: skip
    group.add_argument("--detector", nargs="?", const=DEFAULT, default="", metavar="NAME",
                       help=f"a person detector of torchvision ({DEFAULT})")  # fmt: skip
    group.add_argument(
        "--detector-weights", type=Path, metavar="FILE", help="instead of torchvision's download"
    )
    group.add_argument(
        "--detector-score", type=float, default=0.5, metavar="SCORE", help="least score (%(default)s)"
    )
    group.add_argument("--detect-every", type=int, default=25, metavar="N",
                       help="frames between detections; 0: only when somebody is lost (%(default)s)")  # fmt: skip
    group.add_argument("--choose", default="all", metavar="RULE", help=f"{', '.join(RULES)} (%(default)s)")


def exports_of(arguments: argparse.Namespace) -> list[str]:
    """The exports that were asked for. Raises ConfigError for an unknown one."""
    named = [name.strip() for name in arguments.export.split(",")]
    names = [name for name in named if name and name != "none"]
    for name in names:
        if name not in EXPORTS:
            raise ConfigError(f"unknown export {name!r}; choose from {', '.join(sorted(EXPORTS))} or none")
    return names


def check(arguments: argparse.Namespace) -> None:
    """Raise ConfigError for options that contradict each other or make no sense."""
    given = arguments
    problems = []
    if sum(one is not None for one in (given.cfg, given.bundle, given.model)) > 1:
        problems.append("--model, --bundle and --cfg exclude each other")
    if given.cfg is None and (given.weights is not None or given.set):
        problems.append("--weights and --set need --cfg")
    if given.detector_weights is not None and not given.detector:
        problems.append("--detector-weights needs --detector")
    if given.region is not None and given.box:
        problems.append("--box and --region exclude each other")
    if given.choose == "region" and given.region is None:
        problems.append("--choose region needs --region")
    exports = exports_of(given)
    if given.blur_faces and not {"overlay", "video", "pictures"} & set(exports):
        problems.append("--blur-faces needs --export overlay, video or pictures")
    for name, least in (("batch", 1), ("detect_every", 0), ("rate", 0), ("threshold", 0)):
        if not getattr(given, name) >= least:
            problems.append(f"--{name.replace('_', '-')} must be at least {least}")
    if problems:
        raise ConfigError("; ".join(problems))
