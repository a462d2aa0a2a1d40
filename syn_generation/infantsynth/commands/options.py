"""Command-line options that the generator and the renderer of fits share, and what they become."""

import argparse
from pathlib import Path

import joblib

from fidip.errors import ConfigError
from infantsynth.image_set import MODES, Labels, Order, PictureLook
from infantsynth.poses import POSTURES
from infantsynth.scene.places import MODES as PLACES
from infantsynth.shards import BACKENDS, Crew

VARIANTS = ("auto", "cuda", "llvm", "scalar")


def add_look(parser: argparse.ArgumentParser, mode: str) -> None:
    """Renderer, body, and the user's own folders; ``mode`` is the default one."""
    group = parser.add_argument_group("pictures")
    group.add_argument(
        "--mode", choices=MODES, default=mode, help="path tracing, or plain and fast (%(default)s)"
    )
    group.add_argument(
        "--body",
        default="infant",
        metavar="NAME|FILE",
        help="infant, adult, or a SMIL or SMPL file (%(default)s)",
    )
    group.add_argument(
        "--size", type=int, nargs=2, default=(640, 480), metavar=("W", "H"), help="px (640 480)"
    )
    group.add_argument(
        "--samples",
        type=int,
        default=0,
        metavar="N",
        help="path: paths a pixel (16); raster: subpixels each way (2)",
    )
    group.add_argument(
        "--variant",
        choices=VARIANTS,
        default="auto",
        help="how mode path computes; auto takes the fastest there is",
    )
    group.add_argument("--no-denoise", action="store_true", help="leave the noise of path tracing in")
    group.add_argument("--no-effects", action="store_true", help="leave out a camera's noise, blur and tone")
    group.add_argument(
        "--textures", default="", metavar="DIR", help="own surfaces, in sub-folders named for what they show"
    )
    group.add_argument("--lights", default="", metavar="DIR", help="own environment pictures, .hdr or .exr")
    group.add_argument(
        "--backgrounds", default="", metavar="DIR", help="own photographs without persons, to put bodies over"
    )


def add_scene(parser: argparse.ArgumentParser) -> None:
    """What is in the scenes."""
    group = parser.add_argument_group("scenes")
    group.add_argument(
        "--place",
        choices=PLACES,
        default="",
        help="a room, or over a photograph (path: scene, raster: photo)",
    )
    group.add_argument(
        "--postures",
        nargs="+",
        default=(),
        choices=POSTURES,
        metavar="NAME",
        help=f"of {', '.join(POSTURES)} (all)",
    )
    group.add_argument(
        "--months", type=float, nargs=2, default=(0.0, 12.0), metavar=("LOW", "HIGH"), help="ages (0 12)"
    )
    group.add_argument(
        "--rotation",
        choices=("uniform", "legacy", "posture"),
        default="uniform",
        help="of bodies over photographs (%(default)s)",
    )
    group.add_argument(
        "--blanket", type=float, default=0.25, metavar="SHARE", help="how often there is one (%(default)s)"
    )
    group.add_argument(
        "--toys", type=float, default=0.6, metavar="SHARE", help="how often there are some (%(default)s)"
    )
    group.add_argument(
        "--fits",
        default="",
        metavar="PATH",
        help="npz file or folder of syn_generation/fit.py to take poses from",
    )
    group.add_argument(
        "--fit-share",
        type=float,
        default=0.5,
        metavar="SHARE",
        help="pictures with a pose from there (%(default)s)",
    )
    group.add_argument(
        "--fit-noise", type=float, default=0.1, metavar="RAD", help="added to their joints (%(default)s)"
    )


def add_labels(parser: argparse.ArgumentParser, split: str) -> None:
    """Where the set goes, its names and labels; ``split`` is the default name."""
    group = parser.add_argument_group("files and labels")
    group.add_argument("--out", type=Path, required=True, metavar="DIR", help="gets annotations/ and images/")
    group.add_argument("--split", default=split, metavar="NAME", help="name of the set (%(default)s)")
    group.add_argument("--seed", type=int, default=0, help="another one gives other pictures (%(default)s)")
    group.add_argument(
        "--first-id", type=int, default=10001, metavar="N", help="id of the first picture (%(default)s)"
    )
    group.add_argument(
        "--prefix", default="train", metavar="NAME", help="beginning of file names (%(default)s)"
    )
    group.add_argument(
        "--quality", type=int, nargs=2, default=(70, 96), metavar=("LOW", "HIGH"), help="of the JPEGs (70 96)"
    )
    group.add_argument("--depth", action="store_true", help="write depth maps (16 bit PNG, mm)")
    group.add_argument("--parts", action="store_true", help="write maps of body parts (PNG)")
    group.add_argument(
        "--space", action="store_true", help="add keypoints and joints in m, and the camera, to the labels"
    )
    group.add_argument("--webdataset", action="store_true", help="write tar files for WebDataset too")


def add_work(parser: argparse.ArgumentParser) -> None:
    """Who does the work."""
    group = parser.add_argument_group("work")
    group.add_argument(
        "--workers", type=int, default=joblib.cpu_count(), metavar="N", help="processes (%(default)s)"
    )
    group.add_argument(
        "--backend",
        choices=BACKENDS,
        default="local",
        help="this machine, or an engine for many (%(default)s)",
    )
    group.add_argument(
        "--address",
        default="",
        metavar="HOST:PORT",
        help="of the dask or ray scheduler; a local one otherwise",
    )
    group.add_argument(
        "--part",
        type=_part,
        default=(1, 1),
        metavar="K/N",
        help="make the K-th of N parts only, e.g. in an array of jobs",
    )
    group.add_argument(
        "--shard-size",
        type=int,
        default=20,
        metavar="N",
        help="pictures that are kept or lost together (%(default)s)",
    )
    group.add_argument("--retry-failed", action="store_true", help="make shards with failed pictures again")


def _part(text: str) -> tuple[int, int]:
    try:
        part, parts = (int(number) for number in text.split("/"))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not K/N, e.g. 2/8") from error
    if not 1 <= part <= parts:
        raise argparse.ArgumentTypeError(f"{text!r}: K goes from 1 to N")
    return part, parts


def look_of(args: argparse.Namespace) -> PictureLook:
    """The look that the options ask for; raises ConfigError for contradictions."""
    scene = {}
    if "months" in args:
        names = ("place", "rotation", "blanket", "toys", "fit_share", "fit_noise")
        scene = {name: getattr(args, name) for name in names}
        scene |= {"months": tuple(args.months), "postures": tuple(args.postures)}
    if args.backgrounds and not scene.get("place"):
        scene["place"] = "photo"
    look = PictureLook(
        mode=args.mode, body=args.body, size=tuple(args.size), samples=args.samples, denoise=not args.no_denoise,
        variant=args.variant, effects=not args.no_effects, textures=args.textures, lights=args.lights,
        backgrounds=args.backgrounds, fits=args.fits, **scene,
    )  # fmt: skip
    look.scene_options()
    return look


def labels_of(args: argparse.Namespace) -> Labels:
    """Names and labels."""
    return Labels(args.first_id, args.prefix, tuple(args.quality), args.depth, args.parts, args.space)


def order_of(args: argparse.Namespace, count: int) -> Order:
    """The order of ``count`` pictures. Raises ConfigError for an impossible one."""
    if count < 1 or args.shard_size < 1 or args.workers < 1:
        raise ConfigError("numbers of pictures, of workers and the shard size must be 1 or more")
    crew = Crew(args.workers, args.backend, args.address)
    return Order(
        args.out, args.split, count, args.shard_size, args.part, args.retry_failed, args.webdataset, crew
    )
