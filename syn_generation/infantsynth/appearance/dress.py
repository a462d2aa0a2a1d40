"""Dress a posed body: skin, face, hair and clothes as meshes ready to be rendered."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from infantsynth.appearance.accessories import add_extras
from infantsynth.appearance.garment import Canvas, Garment, covered, paint_garment
from infantsynth.appearance.hair import Hair, draw_hair, hair_meshes, paint_scalp
from infantsynth.appearance.outfit import Chest, Outfit, draw_outfit
from infantsynth.appearance.skin import SkinTone, draw_iris, draw_tone, eye_meshes, paint_face, paint_skin
from infantsynth.appearance.studio import TEXTURE_SIZE, Studio, prepare
from infantsynth.appearance.swatch import mean_color, smooth_step
from infantsynth.appearance.tailor import make_shell, measure_wearer, over, sew
from infantsynth.appearance.textures import TextureSource
from infantsynth.spec import Material, Mesh, vertex_normals

Array = np.ndarray

INSET = 0.0012  # m; how far skin well inside a garment is drawn in, so that it never shows through


@dataclass(frozen=True)
class Dressed:
    """A dressed body.

    meshes: the skin with the cloth painted on it and the eyes ("body"), clothes ("garment"), hair ("hair"); cloth
    (V,) float32: 1 where the body's vertex is cloth, 0 where it is bare; info: what was chosen, ready for JSON.
    """

    meshes: list[Mesh]
    cloth: Array
    info: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Look:
    """What is drawn before anything is built."""

    tone: SkinTone
    iris: Array
    hair: Hair
    asleep: bool
    outfit: Outfit


def dress(
    body: Any,
    betas: Array,
    pose: Array,
    vertices: Array,
    rng: np.random.Generator,
    textures: TextureSource | None = None,
    size: int = TEXTURE_SIZE,
) -> Dressed:
    """Draw skin, hair and clothes for a posed body of any BodyModel; trunk, hips and thighs are always cloth.

    betas (K,), pose (J, 3) rad: the parameters that gave ``vertices`` (V, 3) m, which may since have been moved as
    a whole. textures: where cloth comes from, procedural where None. size: side of the textures, px.
    """
    studio = prepare(body, size)
    vertices = np.asarray(vertices, dtype=np.float32)
    look, chest = _draw_look(studio, rng, textures or TextureSource())
    wearer = measure_wearer(studio.fabric, _rest_shape(body, betas), vertices, studio.faces)
    canvas = paint_skin(studio, look.tone, rng)
    paint_scalp(studio, canvas, look.hair, rng)
    paint_face(studio, canvas, look.tone, look.hair.color, look.asleep, rng)
    garments = look.outfit.garments
    painted = [paint_garment(studio, garment, look.tone.color, rng) for garment in garments]
    worn: list[Mesh] = []
    for index, (garment, cloth) in enumerate(zip(garments, painted, strict=True)):
        shell = make_shell(studio.anatomy, studio.fabric, wearer, garment, rng)
        above = garments[index + 1 :]
        material = Material(cloth.color, garment.cloth.roughness, 0.2, garment.cloth.sheen, cloth.relief)
        worn.append(sew(studio.anatomy, studio.fabric, shell, garment, material, above))
        wearer = over(studio.fabric, wearer, shell, garment.inside(studio.anatomy, studio.fabric.at))
    worn += add_extras(studio, vertices, look.outfit, chest)
    _underlay(studio, canvas, garments, painted)
    skin = Material(canvas.color, float(rng.uniform(0.42, 0.6)), 0.4, 0.0, canvas.relief)
    meshes = [
        _skin_mesh(studio, vertices, garments, skin),
        *eye_meshes(studio, vertices, look.tone, look.iris, look.asleep, rng),
        *worn,
        *hair_meshes(studio, vertices, look.hair, "hat" in look.outfit.extras, rng),
    ]
    cloth_share = covered(studio.anatomy, studio.anatomy.at, garments).astype(np.float32)
    return Dressed(meshes, cloth_share, _describe(studio, look, painted))


def _draw_look(studio: Studio, rng: np.random.Generator, textures: TextureSource) -> tuple[Look, Chest]:
    tone = draw_tone(rng)
    hair = draw_hair(studio.anatomy, tone, rng)
    tile = 2 ** int(np.clip(np.round(np.log2(0.2 * studio.anatomy.cloth_scale / studio.texel)), 6, 9))
    chest = Chest(rng, tone.color, textures, tile)
    asleep = bool(rng.random() < (0.02 if studio.anatomy.adult else 0.15))
    return Look(tone, draw_iris(rng, tone), hair, asleep, draw_outfit(studio.anatomy, chest)), chest


def _rest_shape(body: Any, betas: Array) -> Array:
    """Return vertices (V, 3) of the body's shape at rest, m."""
    with torch.no_grad():
        shape = torch.as_tensor(np.asarray(betas), dtype=torch.float32)[None]
        still = torch.zeros(1, len(body.joint_names), 3)
        return np.asarray(body(shape, still, torch.zeros(1, 3)).vertices[0].numpy())


def _underlay(studio: Studio, canvas: Canvas, garments: tuple[Garment, ...], painted: list[Canvas]) -> None:
    """Paint the clothes on the skin too, and cloth wherever there must be some."""
    for index, (garment, cloth) in enumerate(zip(garments, painted, strict=True)):
        inside = garment.inside(studio.anatomy, studio.texels) > 0
        if index == 0:
            inside |= covered(studio.anatomy, studio.texels, garments)
        canvas.color[inside] = cloth.color[inside]
        canvas.relief[inside] = cloth.relief[inside]
    np.clip(canvas.color, 0, 1, out=canvas.color)


def _skin_mesh(studio: Studio, vertices: Array, garments: tuple[Garment, ...], material: Material) -> Mesh:
    """Return the body without its eyeballs, drawn in a little where cloth lies over it."""
    atlas, anatomy = studio.atlas, studio.anatomy
    deep = np.maximum.reduce([garment.inside(anatomy, anatomy.at) for garment in garments])
    inset = INSET * anatomy.cloth_scale * smooth_step(0.004 * anatomy.scale, 0.015 * anatomy.scale, deep)
    drawn = vertices - inset[:, None].astype(np.float32) * vertex_normals(vertices, studio.faces)
    faces = atlas.faces
    if anatomy.eyes is not None:
        ball = np.zeros(len(vertices), dtype=bool)
        ball[np.concatenate(anatomy.eyes)] = True
        faces = faces[~ball[atlas.vertex[faces]].all(axis=1)]
    return Mesh(
        "body",
        drawn[atlas.vertex].astype(np.float32),
        faces.astype(np.int32),
        material,
        atlas.coords.astype(np.float32),
        atlas.vertex.astype(np.int32),
    )


def _describe(studio: Studio, look: Look, painted: list[Canvas]) -> dict[str, Any]:
    def color(rgb: Array) -> list[float]:
        return [round(float(channel), 3) for channel in rgb]

    anatomy = studio.anatomy
    return {
        "skin": color(look.tone.color),
        "hair": {"style": look.hair.style, "color": color(look.hair.color)},
        "eyes": "closed" if look.asleep else color(look.iris),
        "outfit": look.outfit.name,
        "garments": [
            {
                "name": garment.name,
                "color": color(mean_color(cloth.color[garment.inside(anatomy, studio.texels) > 0])),
            }
            for garment, cloth in zip(look.outfit.garments, painted, strict=True)
        ],
        "extras": list(look.outfit.extras),
    }
