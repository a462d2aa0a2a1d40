"""Define the options that the commands for labelled sets share, and what they become."""

import argparse
from pathlib import Path
from typing import Any

import joblib

from fidip.errors import ConfigError
from infantsynth.image_set import MODES, ImageLook, Labels, Order
from infantsynth.poses.library import POSTURES
from infantsynth.scene.places import MODES as SCENE_MODES
from infantsynth.scene.places import ROTATIONS
from infantsynth.shards import BACKENDS, Crew

VARIANTS = ("auto", "cuda", "llvm", "scalar")


def add_look(parser: argparse.ArgumentParser, mode: str) -> None:
    """Add renderer, body and the user's own folders; ``mode`` is the default one."""
    add = parser.add_argument_group("images").add_argument
    add(
        "--mode",
        choices=MODES,
        default=mode,
        help="render by path tracing, or plain and fast (default: %(default)s)",
    )
    add(
        "--body",
        default="infant",
        metavar="NAME|FILE",
        help="show this body: infant, adult, or a SMIL or SMPL file (default: %(default)s)",
    )
    add(
        "--size",
        type=int,
        nargs=2,
        default=(640, 480),
        metavar=("W", "H"),
        help="width and height of images, in px (default: 640 480)",
    )
    add(
        "--samples",
        type=int,
        default=0,
        metavar="N",
        help="path: paths a pixel (default: 16); raster: subpixels each way (default: 2)",
    )
    add(
        "--variant",
        choices=VARIANTS,
        default="auto",
        help="compute mode path this way; auto takes the fastest that works (default: %(default)s)",
    )
    add("--no-denoise", action="store_true", help="leave the noise of path tracing in")
    add("--no-effects", action="store_true", help="leave out a camera's noise, blur and tone")
    add(
        "--textures",
        default="",
        metavar="DIR",
        help="use your own surfaces, in sub-folders named for what they show (default: procedural ones)",
    )
    add(
        "--lights",
        default="",
        metavar="DIR",
        help="use your own environment images, .hdr or .exr (default: procedural ones)",
    )
    add(
        "--backgrounds",
        default="",
        metavar="DIR",
        help="put bodies over your own photographs without persons (default: procedural ones)",
    )


def add_scene(parser: argparse.ArgumentParser) -> None:
    """Add what is in the scenes."""
    add = parser.add_argument_group("scenes").add_argument
    add(
        "--place",
        choices=SCENE_MODES,
        default="",
        help="show a room, or bodies over a photograph (default: scene in mode path, photo in mode raster)",
    )
    add(
        "--postures",
        nargs="+",
        default=(),
        choices=POSTURES,
        metavar="NAME",
        help=f"draw only these postures of {', '.join(POSTURES)} (default: all)",
    )
    add(
        "--months",
        type=float,
        nargs=2,
        default=(0.0, 12.0),
        metavar=("LOW", "HIGH"),
        help="youngest and oldest age, in months (default: 0 12)",
    )
    add(
        "--rotation",
        choices=ROTATIONS,
        default="uniform",
        help="orient bodies over photographs this way (default: %(default)s)",
    )
    add(
        "--blanket",
        type=float,
        default=0.25,
        metavar="SHARE",
        help="share of images with a blanket, 0 to 1 (default: %(default)s)",
    )
    add(
        "--toys",
        type=float,
        default=0.6,
        metavar="SHARE",
        help="share of images with toys, 0 to 1 (default: %(default)s)",
    )
    add(
        "--fits",
        default="",
        metavar="PATH",
        help="take poses from this npz file or folder of `fidip fit` (default: authored poses)",
    )
    add(
        "--fit-share",
        type=float,
        default=0.5,
        metavar="SHARE",
        help="share of images with a pose from --fits, 0 to 1 (default: %(default)s)",
    )
    add(
        "--fit-noise",
        type=float,
        default=0.1,
        metavar="RAD",
        help="noise added to the joints of --fits, in rad (default: %(default)s)",
    )


def add_labels(parser: argparse.ArgumentParser, split: str) -> None:
    """Add where the set goes, its names and labels; ``split`` is the default name."""
    add = parser.add_argument_group("files and labels").add_argument
    add(
        "--out",
        "--output",
        type=Path,
        required=True,
        metavar="DIR",
        help="write annotations/ and images/ below this folder",
    )
    add("--split", default=split, metavar="NAME", help="name of the set (default: %(default)s)")
    add("--seed", type=int, default=0, help="seed; another one gives other images (default: %(default)s)")
    add(
        "--first-id",
        type=int,
        default=10001,
        metavar="N",
        help="id of the first image (default: %(default)s)",
    )
    add("--prefix", default="train", metavar="NAME", help="beginning of file names (default: %(default)s)")
    add(
        "--quality",
        type=int,
        nargs=2,
        default=(70, 96),
        metavar=("LOW", "HIGH"),
        help="lowest and highest quality of the JPEGs, 1 to 100 (default: 70 96)",
    )
    add("--depth", action="store_true", help="write depth maps too (16 bit PNG, in mm)")
    add("--parts", action="store_true", help="write maps of body parts too (PNG)")
    add(
        "--space",
        action="store_true",
        help="add keypoints and joints in m, and the camera, to the annotations",
    )
    add("--webdataset", action="store_true", help="write tar files for WebDataset too")


def add_work(parser: argparse.ArgumentParser) -> None:
    """Add who does the work."""
    add = parser.add_argument_group("work").add_argument
    add(
        "--workers",
        type=int,
        default=joblib.cpu_count(),
        metavar="N",
        help="number of processes (default: %(default)s, the cores of this machine)",
    )
    add(
        "--backend",
        choices=BACKENDS,
        default="local",
        help="run on this machine, or on many by dask or ray (default: %(default)s)",
    )
    add(
        "--address",
        default="",
        metavar="HOST:PORT",
        help="address of the dask or ray scheduler (default: start a local one)",
    )
    add(
        "--part",
        type=_part,
        default=(1, 1),
        metavar="K/N",
        help="make only the K-th of N parts, e.g. in an array of jobs (default: 1/1)",
    )
    add(
        "--shard-size",
        type=int,
        default=20,
        metavar="N",
        help="number of images that are kept or lost together (default: %(default)s)",
    )
    add("--retry-failed", action="store_true", help="make shards with failed images again")


def _part(text: str) -> tuple[int, int]:
    try:
        part, parts = (int(number) for number in text.split("/"))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not K/N, e.g. 2/8") from error
    if not 1 <= part <= parts:
        raise argparse.ArgumentTypeError(f"{text!r}: K goes from 1 to N")
    return part, parts


def look_of(args: argparse.Namespace) -> ImageLook:
    """Build the look that the options ask for. Raises ConfigError for contradictions."""
    names = ["mode", "body", "samples", "variant", "textures", "lights", "backgrounds", "fits"]
    chosen: dict[str, Any] = {
        "size": tuple(args.size),
        "denoise": not args.no_denoise,
        "effects": not args.no_effects,
    }
    if "months" in args:  # the options of add_scene
        names += ["place", "rotation", "blanket", "toys", "fit_share", "fit_noise"]
        chosen |= {"months": tuple(args.months), "postures": tuple(args.postures)}
    chosen |= {name: getattr(args, name) for name in names}
    if args.backgrounds and not chosen.get("place"):
        chosen["place"] = "photo"
    look = ImageLook(**chosen)
    look.scene_options()
    return look


def labels_of(args: argparse.Namespace) -> Labels:
    """Build names and labels from the options."""
    return Labels(args.first_id, args.prefix, tuple(args.quality), args.depth, args.parts, args.space)


def order_of(args: argparse.Namespace, count: int) -> Order:
    """Build the order of ``count`` images. Raises ConfigError for an impossible one."""
    if count < 1 or args.shard_size < 1 or args.workers < 1:
        raise ConfigError("numbers of images, of workers and the shard size must be 1 or more")
    crew = Crew(args.workers, args.backend, args.address)
    return Order(
        args.out, args.split, count, args.shard_size, args.part, args.retry_failed, args.webdataset, crew
    )
