"""Move an infant who lies on its back, and make a video of it with the labels of every frame.

Predicting, tracking and measuring movement in videos can be held against it: a scene of ``sample_scene`` in which the
joints swing smoothly about where they came to rest.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from fidip.errors import ConfigError
from fidip.files import atomic_path, read_json
from fidip.pixels import read_rgb
from infantsynth.body import PART_NAMES, BodyModel, load_body
from infantsynth.dataset import Merged, image_folder
from infantsynth.image_set import (
    ImageLook,
    Labels,
    Order,
    SetRecipe,
    generate,
    image_seed,
    label,
    recipe_options,
)
from infantsynth.poses.authored import DEEPEST
from infantsynth.priors import JointLimits, self_penetration
from infantsynth.priors.limits import family
from infantsynth.scene.sample import (
    clothe,
    in_scene,
    part_streams,
    sample_scene,
    texture_side,
    texture_source,
)
from infantsynth.scene.settle import pose_body
from infantsynth.shards import Make, Product
from infantsynth.spec import WORN, SceneSpec

Array = np.ndarray

POSTURE = "supine"  # limbs that carry no weight are free to move
BEGIN = 0.4  # s until the movement has come to its full size
# largest swing to either side, rad, about flexion, twist and side (infantsynth.priors.limits)
SWING = {
    "shoulder": (0.8, 0.4, 0.6),
    "elbow": (1.0, 0.4, 0.0),
    "wrist": (0.4, 0.0, 0.3),
    "hip": (0.8, 0.3, 0.4),
    "knee": (1.0, 0.0, 0.0),
    "ankle": (0.4, 0.0, 0.15),
    "neck": (0.08, 0.3, 0.08),
    "head": (0.08, 0.25, 0.08),
}
WAVES, SLOWEST, FASTEST = 3, 0.15, 1.1  # sines of each angle, Hz
LIMBS = {  # the joint that lifts it, and its parts
    f"{side}_{joint}": tuple(PART_NAMES.index(f"{side}_{part}") for part in parts)
    for side in ("left", "right")
    for joint, parts in (("shoulder", ("upper_arm", "forearm", "hand")), ("hip", ("thigh", "shank", "foot")))
}
SINK = 0.005  # m that a moving limb may be below the ground, or below where it lay
LIFTS = 8  # steps in which a limb is lifted out of the ground
TURN = 0.05  # rad, of a joint, to see which way it lifts its limb
PRESSED = 0.01  # m that limbs may come deeper into each other than where they lay
_HALVINGS = 4
_LOOKS = 12  # moments at which a movement is looked at
CLOCK = 90_000  # ticks/s of time stamps: whole for 24, 25, 30, 50, 60 and 30000/1001 frames/s
QUALITY = {"crf": "20", "preset": "veryfast"}  # of libx264: hardly visible loss
_MOVES = 0xF11A  # tells the stream of the movement from all others of a seed


@dataclass(frozen=True)
class Swinging:
    """Joint angles over time. limits: of the body; start (J, 3), middle (J, 3), swing (J, 3): rad along their axes.

    hertz, phase (J, 3, WAVES): of the sines, each of weight 1 / WAVES.
    """

    limits: JointLimits
    start: Array
    middle: Array
    swing: Array
    hertz: Array
    phase: Array

    @classmethod
    def draw(cls, body: BodyModel, pose: Array, vigour: float, rng: np.random.Generator) -> "Swinging":
        """Draw a movement from ``pose`` (J, 3) rad, ``vigour`` times as large as usual, inside the limits of all joints."""
        limits = JointLimits.for_body(body)
        start = limits.angles(pose)
        swing = vigour * np.array([SWING.get(family(name), (0.0,) * 3) for name in body.joint_names])
        swing = np.minimum(swing, np.maximum(limits.hi - limits.lo, 0) / 2)
        moved = swing > 0
        middle = np.where(moved, np.clip(start, limits.lo + swing, limits.hi - swing, where=moved), start)
        shape = (*swing.shape, WAVES)
        hertz = np.geomspace(SLOWEST, FASTEST, WAVES) * rng.uniform(0.75, 1.25, shape)
        return cls(limits, start, middle, swing, hertz, rng.uniform(0, 2 * np.pi, shape))

    def at(self, time: float) -> Array:
        """Return the pose (J, 3) rad at ``time`` s; at 0 that of the beginning."""
        share = min(time / BEGIN, 1.0)
        share = share * share * (3 - 2 * share)  # begins and ends without a jerk in speed
        wave = np.sin(2 * np.pi * self.hertz * time + self.phase).mean(axis=-1)
        angles = self.start + share * (self.middle - self.start + self.swing * wave)
        return np.einsum("jac,ja->jc", self.limits.axes, angles)

    def smaller(self) -> "Swinging":
        """Return the same with half the swing, and half the way to its middle."""
        return replace(self, swing=self.swing / 2, middle=(self.start + self.middle) / 2)


@dataclass(frozen=True)
class MovingScene:
    """A scene, its body, and how it moves. up (limbs, 3): turn of each limb's joint that lifts the limb, of length 1."""

    body: BodyModel
    spec: SceneSpec
    movement: Swinging
    up: Array
    seed: int

    def pose(self, time: float) -> Array:
        """Return the pose (J, 3) rad at ``time`` s, with limbs lifted that would enter the ground."""
        lying, limits = self.spec.body, self.movement.limits
        angles = limits.angles(self.movement.at(time))
        for _ in range(LIFTS):
            pose = np.einsum("jac,ja->jc", limits.axes, angles)
            vertices = pose_body(self.body, lying.betas, pose, lying.transl).vertices
            raised = False
            for (joint, parts), up in zip(LIMBS.items(), self.up, strict=True):
                skin, row = np.isin(lying.parts, parts), self.body.joint(joint)
                below = min(lying.vertices[skin, 2].min(), 0.0) - SINK - vertices[skin, 2].min()
                if below <= 0:
                    continue
                reach = np.linalg.norm(np.ptp(vertices[skin], axis=0))
                turned = angles[row] + 2 * below / reach * up
                angles[row] = np.clip(turned, limits.lo[row], limits.hi[row])
                raised = True
            if not raised:
                break
        return pose

    def frame(self, index: int, time: float, look: ImageLook) -> SceneSpec:
        """Return the scene at ``time`` s: camera, room and clothes stay, body and folds move."""
        lying, pose = self.spec.body, self.pose(time)
        posed = pose_body(self.body, lying.betas, pose, lying.transl)
        clothes = part_streams(self.seed)["clothes"]  # from its beginning: the same garments in every frame
        options = look.scene_options()
        dressed = clothe(
            self.body,
            lying.betas,
            pose,
            posed.vertices,
            clothes,
            texture_source(options.textures),
            texture_side(options.size),
        )
        others = [mesh for mesh in self.spec.meshes if mesh.kind not in WORN]
        seen = in_scene(self.body, posed, lying.betas, pose, lying.transl)
        info = {**self.spec.info, "frame": index, "time_s": round(time, 6)}
        return replace(self.spec, meshes=(*dressed.meshes, *others), body=seen, info=info)


def make_moving_scene(body: BodyModel, look: ImageLook, vigour: float, seed: int) -> MovingScene:
    """Draw a scene and a movement whose limbs stay out of the ground and of each other."""
    spec = sample_scene(body, seed, look.scene_options())
    movement = Swinging.draw(body, spec.body.pose, vigour, np.random.default_rng([seed, _MOVES]))
    moving = MovingScene(body, spec, movement, _ways_up(body, spec, movement.limits), seed)
    for _ in range(_HALVINGS):
        deeper, sunk = faults(moving)
        if deeper <= PRESSED and sunk <= 2 * SINK:
            break
        moving = replace(moving, movement=moving.movement.smaller())
    return moving


def _ways_up(body: BodyModel, spec: SceneSpec, limits: JointLimits) -> Array:
    """Find for each limb the turn (3,) of its joint, along its axes, that raises its skin the most where it lies."""
    lying, ways = spec.body, []
    for joint, parts in LIMBS.items():
        skin, row = np.isin(lying.parts, parts), body.joint(joint)
        rise = []
        for axis in limits.axes[row]:
            pose = lying.pose.copy()
            pose[row] = pose[row] + TURN * axis
            moved = pose_body(body, lying.betas, pose, lying.transl).vertices
            rise.append((moved[skin, 2] - lying.vertices[skin, 2]).mean())
        ways.append(np.array(rise) / np.linalg.norm(rise))
    return np.stack(ways)


def faults(moving: MovingScene) -> tuple[float, float]:
    """Measure how much deeper than at rest, or than ``DEEPEST``, limbs come into each other, and into the ground, m."""
    body, lying = moving.body, moving.spec.body
    moments = np.linspace(0, WAVES / SLOWEST, _LOOKS + 1)[1:]
    moved = [pose_body(body, lying.betas, moving.pose(t), lying.transl).vertices for t in moments]
    vertices = np.stack([lying.vertices, *moved]).astype(np.float32)
    first, *later = self_penetration(body, vertices)
    skins = [np.isin(lying.parts, parts) for parts in LIMBS.values()]
    sunk = [min(lying.vertices[skin, 2].min(), 0.0) - vertices[:, skin, 2].min() for skin in skins]
    return float(max(later) - max(first, DEEPEST)), float(max(sunk))


@dataclass(frozen=True)
class VideoRecipe:
    """How a video is made: image i is the frame at i / rate s; travels to the workers.

    vigour: how far limbs swing, 1 as usual. Raises ConfigError for what cannot be.
    """

    look: ImageLook
    seed: int
    split: str
    labels: Labels
    rate: float = 15.0
    vigour: float = 1.0

    def __post_init__(self) -> None:
        if not self.rate > 0 or not self.vigour >= 0:
            raise ConfigError("a video's rate must be above 0 frames/s, its vigour 0 or more")
        if self.look.postures != (POSTURE,) or self.look.blanket:
            raise ConfigError(f"who moves in a video lies uncovered: posture {POSTURE}, blanket 0")
        if self.look.fits:
            raise ConfigError("a video's pose is an authored one: leave the fits out")

    def maker(self) -> Make:
        """Build the function that makes one frame with its labels."""
        draw, name = self.look.renderer()
        moving = _moving_scene(self.look, self.vigour, image_seed(self.seed, 0, 0))

        def make(index: int, _: int) -> Product:
            spec = moving.frame(index, index / self.rate, self.look)
            spec = replace(spec, info={**spec.info, "renderer": name})
            # the camera's faults are those of one camera; only the paths of light are drawn anew
            image = self.look.develop(draw(spec, image_seed(self.seed, index, 0)), moving.seed)
            return label(spec, image, self.labels, self.split, index, moving.seed)

        return make

    def options(self) -> dict[str, Any]:
        """Collect everything that decides on the bytes, JSON-like."""
        return recipe_options(self.look, self.labels, seed=self.seed, rate=self.rate, vigour=self.vigour)


@lru_cache(maxsize=2)
def _moving_scene(look: ImageLook, vigour: float, seed: int) -> MovingScene:
    return make_moving_scene(load_body(look.body), look, vigour, seed)


def video_path(root: Path, split: str) -> Path:
    """Name the video of a split."""
    return root / f"{split}.mp4"


def write_video(recipe: SetRecipe, order: Order, rate: float) -> Merged | None:
    """Make what is missing of the frames and, when all are there, the video. rate: frames/s.

    Returns None while other parts are missing; no video appears where frames failed.
    """
    merged = generate(recipe, order)
    if merged is not None and not merged.failed:
        folder = image_folder(order.root, order.split)
        records = read_json(merged.annotation_file, "annotation file")["images"]
        frames = (read_rgb(folder / record["file_name"]) for record in records)
        encode_video(video_path(order.root, order.split), frames, rate)
    return merged


def encode_video(path: Path, frames: Iterator[Array], rate: float) -> None:
    """Write frames RGB uint8 (H, W, 3), at least one, as H.264 in an MP4, whole or not at all. rate: frames/s."""
    with (
        atomic_path(path) as temporary,
        av.open(str(temporary), "w", format="mp4", options={"movflags": "+faststart"}) as container,
    ):
        stream = container.add_stream("libx264", rate=Fraction(rate).limit_denominator(1001))
        first = next(frames)
        height, width = (side + side % 2 for side in first.shape[:2])  # 4:2:0 images have even sides
        stream.height, stream.width, stream.pix_fmt, stream.options = height, width, "yuv420p", QUALITY
        context = stream.codec_context
        stream.time_base = context.time_base = Fraction(1, CLOCK)
        # said aloud, as players guess it by the size: BT.709, 16..235
        context.colorspace = context.color_primaries = context.color_trc = context.color_range = 1
        for index, image in enumerate(chain([first], frames)):
            down, right = height - image.shape[0], width - image.shape[1]
            even = cv2.copyMakeBorder(image, 0, down, 0, right, cv2.BORDER_REPLICATE)
            frame = av.VideoFrame.from_ndarray(even, format="rgb24")
            frame = frame.reformat(format="yuv420p", dst_colorspace="ITU709")
            frame.pts, frame.time_base = round(index / rate * CLOCK), Fraction(1, CLOCK)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
