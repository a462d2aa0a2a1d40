"""Furnish a room: bedding, blanket, rails, furniture, toys, a hand of a caregiver."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from infantsynth.appearance.dress import Dressed
from infantsynth.appearance.textures import TextureSource
from infantsynth.body import PART_NAMES, BodyModel
from infantsynth.scene.bedding import Bedding, Blanket, drape, over_body, top
from infantsynth.scene.places import Place, SceneOptions
from infantsynth.scene.room import caregiver_arm, crib_rails, handhold
from infantsynth.scene.settle import Settled
from infantsynth.scene.shapes import surface_material
from infantsynth.scene.toys import scatter
from infantsynth.spec import Camera, Mesh

Array = np.ndarray
Rngs = dict[str, np.random.Generator]

_ARM = 0.06  # share of images with a caregiver's hand
_COVERED = ("supine", "prone", "side", "sitting")  # postures that blankets are laid over
_LAYS = 10  # places that are tried for a blanket
_LOWER = 0.15  # of the trunk's length: how much lower a blanket lies where the one before hid too much
_CLEAR = 0.1  # m of a 0.7 m body: from a blanket's border to the head; its border waves
_BESIDE = 0.04  # m, likewise, to the upright trunk of who sits


@dataclass(frozen=True)
class Stage:
    """A dressed body at rest in its place, and the camera that looks at it.

    covered: whether a blanket is wanted. draws: views that were drawn before and hid too much: blankets lie lower then.
    """

    body: BodyModel
    settled: Settled
    place: Place
    bedding: Bedding
    dressed: Dressed
    camera: Camera
    covered: bool = False
    draws: int = 0

    @property
    def joints(self) -> dict[str, Array]:
        """Positions (3,) m of the joints by name."""
        return dict(zip(self.body.joint_names, self.settled.joints, strict=True))

    @property
    def front(self) -> Array:
        """Horizontal unit direction (2,) in which the body looks."""
        front = Rotation.from_rotvec(self.settled.pose[0]).apply([0.0, -1.0, 0.0])[:2]
        return front / max(float(np.linalg.norm(front)), 1e-9)


def holds_on(settled: Settled, place: Place) -> bool:
    """Check whether a standing infant holds on to something in front of it; in a crib that is the rail."""
    return settled.sample.source == "authored:holding" and place.name != "crib"


def furnish(
    stage: Stage, options: SceneOptions, rngs: Rngs, textures: TextureSource
) -> tuple[list[Mesh], dict[str, Any]]:
    """Build everything of the room but the room itself, and names for the record."""
    support = _support(stage, rngs["ground"], textures)
    furniture = _furniture(stage, rngs["toys"], textures)
    wanted = stage.covered and stage.settled.sample.posture in _COVERED
    blanket = _blanket(stage, rngs["blanket"], textures) if wanted else []
    toys, names = _toys(stage, [*furniture, *blanket], options, rngs["toys"], textures)
    arm = _hand(stage, rngs["toys"], textures)
    info = {"blanket": bool(blanket), "toys": names, "hand": bool(arm)}
    return [*support, *blanket, *toys, *furniture, *arm], info


def extent(meshes: Sequence[Mesh]) -> Array:
    """Return corners (4, 3) m of the ground that meshes take, at height 0."""
    low = np.min([mesh.vertices[:, :2].min(axis=0) for mesh in meshes], axis=0)
    high = np.max([mesh.vertices[:, :2].max(axis=0) for mesh in meshes], axis=0)
    return np.array([[x, y, 0.0] for x in (low[0], high[0]) for y in (low[1], high[1])])


def _support(stage: Stage, rng: np.random.Generator, textures: TextureSource) -> list[Mesh]:
    """Draw mattress, mat or quilt; nothing on the bare floor."""
    if stage.place.size is None:
        return []
    material, metres = surface_material(stage.place.kind.cloth, rng, textures)
    return [top(stage.place, stage.bedding, stage.settled.scale, rng).mesh("support", material, metres)]


def _furniture(stage: Stage, rng: np.random.Generator, textures: TextureSource) -> list[Mesh]:
    """Draw crib rails, or what a standing infant holds on to."""
    if stage.place.name == "crib":
        return crib_rails(stage.place, (stage.camera.centre - stage.settled.joints[0])[:2], rng)
    if holds_on(stage.settled, stage.place):
        hands = np.stack([stage.joints["left_wrist"], stage.joints["right_wrist"]])
        return handhold(hands, 0.0, stage.front, rng, textures)
    return []


def _blanket(stage: Stage, rng: np.random.Generator, textures: TextureSource) -> list[Mesh]:
    """Draw a blanket that leaves the head free; none where that cannot be."""
    settled, grid = stage.settled, stage.bedding.grid
    sitting = settled.sample.posture == "sitting"
    head = settled.vertices[stage.body.parts == PART_NAMES.index("head"), :2]
    kept = [(head, _CLEAR)]
    if sitting:  # a blanket is as high as the highest below it: the upright trunk has to stay beside it
        high = settled.vertices[:, 2] > settled.joints[0, 2] + 0.08 * settled.scale
        kept.append((settled.vertices[high, :2], _BESIDE))
    low, high_end = (-0.5, -0.1) if sitting else (-0.4, 0.5)
    lower = _LOWER * stage.draws
    lying = _lay(stage, (low - lower / 2, max(high_end - lower, low - lower / 2)), kept, rng)
    if lying is None:
        return []
    outline = np.maximum.reduce(
        [grid.envelope(mesh.vertices, mesh.faces)[1] for mesh in stage.dressed.meshes]
    )
    made = drape(lying, grid, stage.bedding.field, outline, settled.scale, rng)
    material, metres = surface_material("blanket", rng, textures)
    return [made.mesh("blanket", material, metres)]


def _lay(
    stage: Stage, covers: tuple[float, float], kept: list[tuple[Array, float]], rng: np.random.Generator
) -> Blanket | None:
    """Draw a blanket that keeps away from ground points (N, 2) m by some m of a 0.7 m body each."""
    for _ in range(_LAYS):
        lying = over_body(stage.joints, stage.settled.scale, rng, covers)
        if not any(lying.over(points, clear * stage.settled.scale).any() for points, clear in kept):
            return lying
    return None


def _toys(
    stage: Stage, others: list[Mesh], options: SceneOptions, rng: np.random.Generator, textures: TextureSource
) -> tuple[list[Mesh], list[str]]:
    if rng.random() >= options.toys:
        return [], []
    taken = np.concatenate(
        [stage.settled.vertices[::5], *(_spots(mesh) for mesh in (*stage.dressed.meshes, *others))]
    )
    count = int(rng.integers(1, 6))
    return scatter(rng, count, stage.bedding.height, taken, 0.62 * stage.settled.scale, textures)


def _spots(mesh: Mesh) -> Array:
    """Return points (N, 3) m of a mesh, dense enough that no toy fits between them: some vertices and middles of faces."""
    corners = mesh.vertices[mesh.faces]
    if len(mesh.vertices) > 2000:
        return corners.mean(axis=1)[::5]
    shares = np.random.default_rng(0).dirichlet(np.ones(3), 200 if len(mesh.faces) < 100 else 3)
    return np.einsum("sk,fkc->fsc", shares, corners).reshape(-1, 3)


def _hand(stage: Stage, rng: np.random.Generator, textures: TextureSource) -> list[Mesh]:
    """Draw, in some images, a caregiver's hand that touches an infant from the side away from the camera."""
    if stage.body.name == "adult" or rng.random() >= _ARM:
        return []
    scale = stage.settled.scale
    name = str(
        rng.choice(
            ["spine2", "left_hip", "right_hip", "left_knee", "right_knee", "left_shoulder", "right_shoulder"]
        )
    )
    joint = stage.joints[name]
    away = joint - stage.camera.centre
    azimuth = np.arctan2(away[1], away[0]) + rng.normal(0, 1.0)
    towards = np.array([np.cos(azimuth), np.sin(azimuth), rng.uniform(0.5, 1.2)])
    towards = towards / np.linalg.norm(towards)
    return caregiver_arm(joint + towards * 0.055 * scale, towards, scale, rng, textures)
