"""Paint skin and face: tones, redness, relief, eyes, lids, brows, lips."""

from dataclasses import dataclass

import cv2
import numpy as np

from infantsynth.appearance.garment import Canvas
from infantsynth.appearance.studio import Studio
from infantsynth.appearance.swatch import noise_field, smooth_step, solid_noise, to_lab, to_rgb
from infantsynth.spec import Material, Mesh, vertex_normals

Array = np.ndarray

# Lab along the range of human skin, light to dark; between neighbours every tone is likely
_TONES = np.array(
    [
        [77.0, 11.5, 15.0],
        [72.0, 13.5, 18.0],
        [67.0, 14.5, 21.0],
        [60.0, 15.0, 22.0],
        [51.0, 15.5, 21.0],
        [42.0, 14.5, 18.0],
        [33.0, 12.0, 14.0],
        [27.0, 9.5, 10.5],
    ]
)
EYE_TEXTURE = 192  # px
# iris colours sRGB (3,), with how deep a skin they still occur on
_IRISES = (
    ((0.20, 0.12, 0.07), 1.0),
    ((0.30, 0.19, 0.10), 1.0),
    ((0.38, 0.30, 0.18), 0.55),
    ((0.36, 0.46, 0.56), 0.35),
    ((0.33, 0.38, 0.42), 0.4),
    ((0.36, 0.42, 0.32), 0.35),
)


@dataclass(frozen=True)
class SkinTone:
    """Colour of the skin: depth 0 light .. 1 dark, its mean sRGB (3,), and that of lips, sRGB (3,)."""

    depth: float
    color: Array
    lips: Array


def draw_tone(rng: np.random.Generator) -> SkinTone:
    """Draw a tone of skin, every depth about as likely as every other."""
    depth = float(rng.beta(0.9, 1.1))
    at = depth * (len(_TONES) - 1)
    base = np.array([np.interp(at, np.arange(len(_TONES)), channel) for channel in _TONES.T])
    lab = base + rng.normal(0, 1, 3) * (1.5, 1.2, 1.6)
    lips = lab * (0.86, 1.0, 0.8) + (0, 9.0 - 4.0 * depth, 1.0)
    return SkinTone(depth, to_rgb(lab).astype(np.float64), to_rgb(lips).astype(np.float64))


def spots(points: Array, centres: Array, radius: float) -> Array:
    """Return soft discs 0..1 round ``centres`` (K, 3) at points (N, 3): (N,) float32; all in m."""
    away = ((points[:, None] - np.atleast_2d(centres)) ** 2).sum(axis=-1).min(axis=1)
    return np.exp(-away / radius**2).astype(np.float32)


def texture_noise(rng: np.random.Generator, size: int, wavelength: float, slope: float = 1.2) -> Array:
    """Draw noise (size, size) over a texture; it repeats and breaks at seams, so it is for fine, faint detail."""
    tile = noise_field(rng, 256, wavelength, slope)
    repeats = -(-size // 256)
    return np.tile(tile, (repeats, repeats))[:size, :size]


def paint_skin(studio: Studio, tone: SkinTone, rng: np.random.Generator) -> Canvas:
    """Draw the whole body's skin."""
    size, scale, rest = studio.atlas.size, studio.anatomy.scale, studio.anatomy.at.rest
    slow = solid_noise(rng, rest, 0.07 * scale)
    patchy = rng.uniform(0.3, 1.0) * (1 - 0.6 * tone.depth)
    redness = studio.atlas.image(0.5 * patchy * slow + _warm_places(studio, rng))
    grain = texture_noise(rng, size, 16.0)
    redness += np.float32(0.30 * patchy) * grain
    np.clip(redness, -1, 2.2, out=redness)
    light = 1 - 0.012 * grain
    color = np.empty((size, size, 3), dtype=np.float32)
    for channel, share in enumerate((0.008, 0.062, 0.058)):
        color[..., channel] = tone.color[channel] * light * (1 - np.float32(share) * redness)
    relief = (4e-5 * grain + 1.6e-5 * texture_noise(rng, size, 4.0, 1.0)) * np.float32(np.sqrt(scale))
    canvas = Canvas(color, relief)
    _palms_and_soles(studio, canvas, tone)
    _nails(studio, canvas, tone)
    if studio.anatomy.adult or rng.random() < 0.15:
        _moles(studio, canvas, rng)
    return canvas


def _warm_places(studio: Studio, rng: np.random.Generator) -> Array:
    """Find where blood shows: cheeks, nose, ears, hands, feet, knees, elbows; (V,) about 0..2."""
    face, at = studio.anatomy.face, studio.anatomy.at
    unit = float(np.linalg.norm(face[1] - face[2]))
    nose = face[0]
    cheek = np.array([nose + unit * np.array([sign * 0.72, 0.42, -0.22]) for sign in (-1, 1)])
    warm = rng.uniform(0.5, 2.0) * spots(at.rest, cheek, 0.42 * unit)
    warm += rng.uniform(0.2, 1.0) * spots(at.rest, nose, 0.22 * unit)
    warm += rng.uniform(0.5, 1.4) * spots(at.rest, face[3:5], 0.4 * unit)
    warm += 0.7 * np.clip(at.hand + at.foot, 0, 1)
    joints = [studio.anatomy.joints[f"{s}_{j}"] for s in ("left", "right") for j in ("knee", "elbow")]
    return warm + 0.5 * spots(at.rest, np.array(joints), 0.045 * studio.anatomy.scale)


def _palms_and_soles(studio: Studio, canvas: Canvas, tone: SkinTone) -> None:
    """Paint palms and soles paler than the rest, the more so the darker the skin."""
    at = studio.anatomy.at
    normal = vertex_normals(at.rest, studio.faces)
    sole = at.foot * smooth_step(0.2, 0.6, -normal[:, 2])
    pale = sole
    for side in ("left", "right"):
        wrist, elbow = studio.anatomy.joints[f"{side}_wrist"], studio.anatomy.joints[f"{side}_elbow"]
        along = (wrist - elbow) / np.linalg.norm(wrist - elbow)
        inner = np.cross(np.array([0.0, -1.0, 0.0]), along) * (1 if side == "left" else -1)
        mine = at.hand * (np.sign(at.rest[:, 0]) == np.sign(wrist[0]))
        pale = np.maximum(pale, mine * smooth_step(0.2, 0.6, normal @ inner.astype(np.float32)))
    light = to_rgb(to_lab(tone.color) + np.array([4 + 22 * tone.depth, 3.0, -2.0], dtype=np.float32))
    canvas.lay(light, 0.75 * studio.atlas.image(pale.astype(np.float32)))


def _nails(studio: Studio, canvas: Canvas, tone: SkinTone) -> None:
    if "nails" in studio.regions:
        pink = to_rgb(to_lab(tone.color) * (1, 1, 0.6) + (5 + 8 * tone.depth, 5.0, 0))
        canvas.lay(pink, 0.8 * studio.atlas.image(studio.regions["nails"]), 1.5e-4)


def _moles(studio: Studio, canvas: Canvas, rng: np.random.Generator) -> None:
    size = studio.atlas.size
    marks = np.zeros((size, size), dtype=np.uint8)
    for _ in range(int(rng.integers(1, 12))):
        cv2.circle(
            marks,
            tuple(int(i) for i in rng.integers(0, size, 2)),
            int(rng.integers(1, 3)),
            255,
            -1,
            cv2.LINE_AA,
        )
    canvas.shade(marks.astype(np.float32) / 255 * 0.6, 0.5)


def eye_distance(studio: Studio) -> float:
    """Return the distance between the eyes, m: the measure of the face."""
    face = studio.anatomy.face
    return float(np.linalg.norm(face[1] - face[2]))


def draw_iris(rng: np.random.Generator, tone: SkinTone) -> Array:
    """Draw a colour of eyes that goes with the skin, sRGB (3,)."""
    fitting = [color for color, deepest in _IRISES if tone.depth <= deepest]
    return np.clip(np.array(fitting[rng.integers(len(fitting))]) * rng.uniform(0.8, 1.2), 0, 1)


@dataclass(frozen=True)
class Front:
    """The texels (K,) of the face, flat index into the texture, and their rest positions (K, 3) m."""

    index: Array
    rest: Array

    def lay(self, canvas: Canvas, color: Array, share: Array) -> None:
        """Put a colour (3,) over these texels by ``share`` (K,) 0..1."""
        flat = canvas.color.reshape(-1, 3)
        below = flat[self.index]
        flat[self.index] = below + (np.asarray(color, np.float32) - below) * share[:, None].astype(np.float32)


def _front(studio: Studio) -> Front:
    at, face, size = studio.texels, studio.anatomy.face, eye_distance(studio)
    ahead = (at.head > 0.5) & (at.rest[..., 1] < face[3:5, 1].mean() - 0.25 * size)
    near = np.abs(at.rest[..., 2] - face[0, 2]) < 1.3 * size
    index = np.nonzero((ahead & near).ravel())[0]
    return Front(index, at.rest.reshape(-1, 3)[index])


def paint_face(
    studio: Studio, canvas: Canvas, tone: SkinTone, hair: Array, closed: bool, rng: np.random.Generator
) -> None:
    """Paint lips, brows, lids and the shade round the eyes, in place. hair: sRGB (3,); closed: the eyes are shut."""
    front = _front(studio)
    front.lay(canvas, tone.lips, rng.uniform(0.55, 0.85) * _lips(studio, front))
    _brows(studio, canvas, front, hair, rng)
    _lids(studio, canvas, front, tone, closed)


def _lips(studio: Studio, front: Front) -> Array:
    if "lips" in studio.regions:
        return studio.atlas.image(studio.regions["lips"]).ravel()[front.index]
    size, nose = eye_distance(studio), studio.anatomy.face[0]
    x = front.rest[:, 0] / (0.34 * size)
    z = (front.rest[:, 2] - (nose[2] - 0.58 * size)) / (0.13 * size)
    return np.exp(-((x * x + z * z) ** 2))


def _brows(studio: Studio, canvas: Canvas, front: Front, hair: Array, rng: np.random.Generator) -> None:
    size = eye_distance(studio)
    strength = rng.uniform(0.6, 0.9) if studio.anatomy.adult else rng.uniform(0.15, 0.6)
    height = rng.uniform(0.33, 0.40)
    hairs = 0.75 + 0.25 * texture_noise(rng, studio.atlas.size, 4.0, 1.0).ravel()[front.index]
    for eye in studio.anatomy.face[1:3]:
        x = (front.rest[:, 0] - eye[0]) * np.sign(eye[0]) / size  # 0 above the pupil, positive to the temple
        arc = height + 0.05 - 0.55 * (x - 0.06) ** 2
        z = (front.rest[:, 2] - eye[2]) / size - arc
        thick = 0.055 * (1 - 0.5 * np.clip(x + 0.1, 0, 0.4) / 0.4)
        share = np.exp(-((z / thick) ** 2)) * smooth_step(-0.34, -0.2, x) * smooth_step(0.42, 0.26, x)
        front.lay(canvas, hair, strength * share * hairs)


def _lids(studio: Studio, canvas: Canvas, front: Front, tone: SkinTone, closed: bool) -> None:
    """Paint shade in the sockets and lash lines at the rim of the eyeballs; whole eyes where there are no balls."""
    size, eyes = eye_distance(studio), studio.anatomy.eyes
    for index, eye in enumerate(studio.anatomy.face[1:3]):
        offset = (front.rest - eye) / size
        socket = np.exp(-((offset[:, 0] / 0.3) ** 2 + (offset[:, 2] / 0.17) ** 2))
        front.lay(canvas, tone.color * (0.72, 0.62, 0.60), 0.22 * socket)
        if eyes is None:
            _painted_eye(canvas, front, offset)
            continue
        centre, radius = _ball(studio, eyes[index])
        height = np.linalg.norm(front.rest - centre, axis=1) / radius
        rim = np.clip((1.09 - height) / 0.05, 0, 1)
        upper = smooth_step(-0.1, 0.25, (front.rest[:, 2] - centre[2]) / radius)
        dark = 0.08 + 0.3 * (1 - upper) if closed else 0.18 + 0.6 * upper
        front.lay(canvas, np.array([0.10, 0.06, 0.05]), rim * dark)


def _painted_eye(canvas: Canvas, front: Front, offset: Array) -> None:
    """Paint an eye on the skin: white, iris, lash line. offset (K, 3): from the eye, in distances of the eyes."""
    x, z = offset[:, 0], offset[:, 2]
    away = np.hypot(x / 0.19, z / 0.085)
    front.lay(canvas, np.array([0.84, 0.83, 0.82]), np.clip((1 - away) * 6, 0, 1))
    front.lay(canvas, np.array([0.14, 0.09, 0.07]), np.clip((0.085 - np.hypot(x, z)) * 60, 0, 1) * (away < 1))
    lash = np.exp(-(((away - 1) / 0.18) ** 2)) * smooth_step(-0.02, 0.03, z)
    front.lay(canvas, np.array([0.10, 0.06, 0.05]), 0.8 * lash)


def _ball(studio: Studio, members: Array) -> tuple[Array, float]:
    points = studio.anatomy.at.rest[members]
    low, high = points.min(axis=0), points.max(axis=0)
    return (low + high) / 2, float((high - low).max() / 2)


def eye_meshes(
    studio: Studio, vertices: Array, tone: SkinTone, iris: Array, closed: bool, rng: np.random.Generator
) -> list[Mesh]:
    """Draw the eyeballs of the posed body (V, 3) with a texture of their own; none where the body has no eyeballs."""
    eyes = studio.anatomy.eyes
    if eyes is None:
        return []
    gaze = rng.normal(0, 0.1, 2)
    image = _shut_eye(tone) if closed else _open_eye(studio, iris, rng)
    material = Material(image, 0.5 if closed else 0.08, 0.3 if closed else 0.5)
    meshes = []
    for index, members in enumerate(eyes):
        inside = np.zeros(len(vertices), dtype=bool)
        inside[members] = True
        faces = studio.faces[inside[studio.faces].all(axis=1)]
        number = np.zeros(len(vertices), dtype=np.int32)
        number[members] = np.arange(len(members))
        centre, radius = _ball(studio, members)
        flat = (studio.anatomy.at.rest[members] - centre)[:, [0, 2]] / (2.2 * radius) + 0.5
        if not closed:
            # the lids open a little to the side of the ball's middle, where the eye's keypoint is; it looks about
            aside = studio.anatomy.face[1 + index][0] - centre[0]
            flat = flat - np.array([aside / (2.2 * radius), 0.01]) - 0.12 * gaze
        meshes.append(
            Mesh(
                "body",
                vertices[members].astype(np.float32),
                number[faces],
                material,
                flat.astype(np.float32),
                members.astype(np.int32),
            )
        )
    return meshes


def _grid() -> tuple[Array, Array]:
    """Return position on the ball's front, -1.1 .. 1.1 of its radius, x to the body's left and z up."""
    at = (np.arange(EYE_TEXTURE) + 0.5) / EYE_TEXTURE * 2.2 - 1.1
    return np.meshgrid(at, -at)


def _open_eye(studio: Studio, iris: Array, rng: np.random.Generator) -> Array:
    assert studio.anatomy.eyes is not None  # noqa: S101  # only called where there are eyeballs
    _, radius = _ball(studio, studio.anatomy.eyes[0])
    wide = (0.098 if studio.anatomy.adult else 0.122) * eye_distance(studio) / radius
    x, z = _grid()
    away = np.hypot(x, z)
    image = np.empty((EYE_TEXTURE, EYE_TEXTURE, 3), dtype=np.float32)
    image[:] = np.array([0.80, 0.77, 0.75]) if studio.anatomy.adult else np.array([0.80, 0.81, 0.83])
    image *= (1 - 0.25 * np.clip(away - 0.4, 0, 1))[..., None]  # redder and shaded towards the corners
    soft = 0.04
    rays = noise_field(rng, (64, 256), 5.0, 1.2, (1.0, 6.0))
    turn = ((np.arctan2(z, x) / (2 * np.pi) + 0.5) * 255).astype(int)
    ring = np.clip(away / wide * 63, 0, 63).astype(int)
    tint = iris * (0.9 + 0.12 * rays[ring, turn])[..., None]
    tint = tint * (1 - 0.65 * smooth_step(0.72, 1.0, away / wide))[..., None]
    share = smooth_step(wide + soft, wide - soft, away)[..., None]
    image = image * (1 - share) + tint * share
    pupil = rng.uniform(0.32, 0.52) * wide
    image *= 1 - 0.96 * smooth_step(pupil + soft, pupil - soft, away)[..., None]
    return np.clip(image * (1 - 0.35 * smooth_step(0.05, 0.35, z))[..., None], 0, 1).astype(np.float32)


def _shut_eye(tone: SkinTone) -> Array:
    """Return the ball painted as a lid; the lashes lie at the lower edge of the opening."""
    _, z = _grid()
    lid = to_rgb(to_lab(tone.color) + np.array([-3.0, 2.0, 0.0], dtype=np.float32))
    image = np.empty((EYE_TEXTURE, EYE_TEXTURE, 3), dtype=np.float32)
    image[:] = lid
    lashes = np.exp(-(((z + 0.2) / 0.07) ** 2))[..., None]
    return (image * (1 - 0.75 * lashes)).astype(np.float32)
