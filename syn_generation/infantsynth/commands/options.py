"""Define the options that the commands share, and turn them into looks, labels and orders."""

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fidip.errors import ConfigError
from infantsynth.image_set import MODES, ImageLook, Labels, Order
from infantsynth.poses.library import POSTURES
from infantsynth.scene.places import MODES as SCENE_MODES
from infantsynth.scene.places import ROTATIONS
from infantsynth.shards import BACKENDS, Crew

VARIANTS = ("auto", "cuda", "llvm", "scalar")


def adder(group: Any) -> Callable[..., None]:
    """Make a function that adds an option to a parser or a group of it, its default at the end of its help text."""

    def add(*flags: str, text: str, **settings: Any) -> None:
        told = "(default" in text or settings.get("default") in (None, "", ())
        group.add_argument(*flags, help=text if told else f"{text} (default: %(default)s)", **settings)

    return add


def add_look(parser: argparse.ArgumentParser, mode: str, size: tuple[int, int] = (640, 480)) -> None:
    """Add renderer, body and the user's own folders; ``mode`` and ``size`` (width, height) px are the defaults."""
    add = adder(parser.add_argument_group("images"))
    add("--mode", text="render by path tracing, or plain and fast", choices=MODES, default=mode)
    add(
        "--body",
        text="show an infant, an adult, or this SMIL or SMPL file",
        default="infant",
        metavar="NAME|FILE",
    )
    text = f"width and height of images, in px (default: {size[0]} {size[1]})"
    add("--size", text=text, type=int, nargs=2, default=size, metavar=("W", "H"))
    samples = "path: paths a pixel (default: 16); raster: subpixels each way (default: 2)"
    add("--samples", text=samples, type=int, default=0, metavar="N")
    add(
        "--variant",
        text="compute mode path so; auto takes the fastest that works",
        choices=VARIANTS,
        default="auto",
    )
    add("--no-denoise", text="leave the noise of path tracing in", action="store_true")
    add("--no-effects", text="leave out a camera's noise, blur and tone", action="store_true")
    textures = "use your own surfaces, in sub-folders named for what they show (default: procedural ones)"
    add("--textures", text=textures, default="", metavar="DIR")
    lights = "use your own environment images, .hdr or .exr (default: procedural ones)"
    add("--lights", text=lights, default="", metavar="DIR")
    backgrounds = "put bodies over your own photographs without persons (default: procedural ones)"
    add("--backgrounds", text=backgrounds, default="", metavar="DIR")


def add_scene(parser: argparse.ArgumentParser) -> None:
    """Add what is in the scenes."""
    add = adder(parser.add_argument_group("scenes"))
    place = "show a room, or bodies over a photograph (default: scene in mode path, photo in mode raster)"
    add("--place", text=place, choices=SCENE_MODES, default="")
    postures = f"draw only these postures of {', '.join(POSTURES)} (default: all)"
    add("--postures", text=postures, nargs="+", default=(), choices=POSTURES, metavar="NAME")
    months = "youngest and oldest age, in months (default: 0 12)"
    add("--months", text=months, type=float, nargs=2, default=(0.0, 12.0), metavar=("LOW", "HIGH"))
    add("--rotation", text="orient bodies over photographs so", choices=ROTATIONS, default="uniform")
    add("--blanket", text="share of images with a blanket, 0 to 1", type=float, default=0.25, metavar="SHARE")
    add("--toys", text="share of images with toys, 0 to 1", type=float, default=0.6, metavar="SHARE")
    fits = "take poses from this npz file or folder of `fidip fit` (default: authored poses)"
    add("--fits", text=fits, default="", metavar="PATH")
    share = "share of images with a pose from --fits, 0 to 1"
    add("--fit-share", text=share, type=float, default=0.5, metavar="SHARE")
    add("--fit-noise", text="noise added to joints of --fits, in rad", type=float, default=0.1, metavar="RAD")


def add_labels(parser: argparse.ArgumentParser, split: str) -> None:
    """Add where the set goes, its names and labels; ``split`` is the default name."""
    add = adder(parser.add_argument_group("files and labels"))
    out = "write annotations/ and images/ below this folder"
    add("--out", "--output", text=out, type=Path, required=True, metavar="DIR")
    add("--split", text="name of the set", default=split, metavar="NAME")
    add(
        "--seed", text="seed, 0 or more; another one gives other images", type=natural, default=0, metavar="N"
    )
    add("--first-id", text="id of the first image", type=int, default=10001, metavar="N")
    add("--prefix", text="beginning of file names", default="train", metavar="NAME")
    quality = "lowest and highest quality of the JPEGs, 1 to 100 (default: 70 96)"
    add("--quality", text=quality, type=int, nargs=2, default=(70, 96), metavar=("LOW", "HIGH"))
    add("--depth", text="write depth maps too (16 bit PNG, in mm)", action="store_true")
    add("--parts", text="write maps of body parts too (PNG)", action="store_true")
    space = "add keypoints and joints in m, and the camera, to the annotations"
    add("--space", text=space, action="store_true")
    add("--webdataset", text="write tar files for WebDataset too", action="store_true")


def cores() -> int:
    """Number of processor cores that this process may use."""
    allowed = getattr(os, "sched_getaffinity", None)
    return len(allowed(0)) if allowed else os.cpu_count() or 1


def add_work(parser: argparse.ArgumentParser) -> None:
    """Add who does the work."""
    add = adder(parser.add_argument_group("work"))
    workers = "number of processes (default: %(default)s, the cores of this machine)"
    add("--workers", text=workers, type=int, default=cores(), metavar="N")
    add("--backend", text="run on this machine, or on many by dask or ray", choices=BACKENDS, default="local")
    address = "address of the dask or ray scheduler (default: start a local one)"
    add("--address", text=address, default="", metavar="HOST:PORT")
    part = "make only the K-th of N parts, e.g. in an array of jobs (default: 1/1)"
    add("--part", text=part, type=_part, default=(1, 1), metavar="K/N")
    add("--shard-size", text="number of images kept or lost together", type=int, default=20, metavar="N")
    add("--retry-failed", text="make shards with failed images again", action="store_true")


def _part(text: str) -> tuple[int, int]:
    try:
        part, parts = (int(number) for number in text.split("/"))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not K/N, e.g. 2/8") from error
    if not 1 <= part <= parts:
        raise argparse.ArgumentTypeError(f"{text!r}: K goes from 1 to N")
    return part, parts


def natural(text: str) -> int:
    """Read a whole number of 0 or more."""
    number = int(text)
    if number < 0:
        raise ValueError(text)
    return number


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
    for name in ("textures", "lights", "backgrounds"):
        if Path(chosen[name]).is_file():
            raise ConfigError(f"--{name} {chosen[name]} is no folder; give the folder that holds the files")
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
