"""Place the camera as people take images of infants, and measure what it sees."""

from dataclasses import dataclass

import numpy as np

from infantsynth.annotate import label_keypoints, person_mask, whole_mask
from infantsynth.render.zbuffer import rasterise
from infantsynth.spec import Camera, SceneSpec, look_at

Array = np.ndarray

_LYING = ("supine", "prone", "side")
_TRIES = 60
TRUNCATED = 0.07  # share of images that may cut the body
_LEAST = 8  # keypoints that must be inside, always
_HAIR = 1.25  # size of a head with hair or hat, of the bare one
_BORDER = 0.012  # of the image's height: what must be inside keeps this far from the border
LEAST_JOINTS = 8  # of 17 that are to be seen
LEAST_AREA = 0.03  # share of the image that the person is to cover
LEAST_OPEN = 0.4  # share of the person's outline that nothing may hide
_SIDE = 240  # px, longer side of the small image that is looked at


@dataclass(frozen=True)
class Frame:
    """What must be in the image. vertices (V, 3), keypoints (17, 3) m; head: (H, 3) points of it; front: (3,)
    where the body faces; scale: length in units of 0.7 m; posture."""

    vertices: Array
    keypoints: Array
    head: Array
    front: Array
    scale: float
    posture: str


@dataclass(frozen=True)
class Lens:
    """aperture: radius of the lens, m; focus: distance that is sharp, m."""

    aperture: float
    focus: float


def sample_camera(frame: Frame, size: tuple[int, int], rng: np.random.Generator) -> tuple[Camera, Lens]:
    """Draw a camera of ``size`` (width, height) px that shows the body well.

    The whole body is inside, but for TRUNCATED of the images, where limbs may be cut; at least eight keypoints
    and the head with its hair always are. The camera stays above the ground (z = 0) and outside the body.
    """
    truncated = rng.random() < TRUNCATED
    best: tuple[int, Camera] | None = None
    for attempt in range(_TRIES):
        cut = truncated and attempt < _TRIES // 2
        camera = _draw(frame, size, rng, cut, 1 + 0.02 * attempt)
        if camera.centre[2] < 0.12 * frame.scale:
            continue
        count, whole, head = _seen(frame, camera)
        missing = (17 - count) + 20 * (not head) + (not (whole or cut))
        if best is None or missing < best[0]:
            best = (missing, camera)
        if head and (whole or (cut and count >= _LEAST)):
            break
    chosen = _draw(frame, size, rng, False, 2.2) if best is None else best[1]
    return chosen, _lens(chosen, frame, rng)


def beside(front: Array, rng: np.random.Generator) -> Array:
    """Draw a direction (3,) turned from ``front`` to the left or right by 1 to 2.2 rad about the vertical."""
    turn = float(rng.choice([-1, 1]) * rng.uniform(1.0, 2.2))
    cos, sin = np.cos(turn), np.sin(turn)
    return np.array([cos * front[0] - sin * front[1], sin * front[0] + cos * front[1], front[2]])


def _seen(frame: Frame, camera: Camera) -> tuple[int, bool, bool]:
    """Count how many keypoints are inside, whether the whole body is, and whether the head is."""
    border = _BORDER * camera.height
    edge = np.array([camera.width, camera.height]) - 0.5 - border

    def within(points: Array) -> Array:
        xy, _ = camera.project(points)
        return np.all((xy >= border - 0.5) & (xy < edge), axis=-1)

    middle = frame.head.mean(axis=0)
    hair = middle + _HAIR * (frame.head - middle)
    return (
        int(within(frame.keypoints).sum()),
        bool(within(frame.vertices[::5]).all()),
        bool(within(hair).all()),
    )


def _draw(frame: Frame, size: tuple[int, int], rng: np.random.Generator, cut: bool, back: float) -> Camera:
    """Draw one camera. back: factor on its distance."""
    lying = frame.posture in _LYING
    elevation = np.radians(_elevation(lying, rng))
    azimuth = rng.uniform(-np.pi, np.pi)
    if not lying and rng.random() < 0.7:  # people walk round to the face
        azimuth = np.arctan2(frame.front[1], frame.front[0]) + rng.normal(0, 0.75)
    direction = np.array(
        [np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)]
    )
    fov = np.radians(np.clip(rng.normal(56, 12), 28, 82))
    low, high = frame.vertices.min(axis=0), frame.vertices.max(axis=0)
    middle = (low + high) / 2
    up = None
    if elevation > np.radians(65):  # seen from above: "up" is anywhere
        angle = rng.uniform(-np.pi, np.pi)
        up, roll = np.array([np.cos(angle), np.sin(angle), 0.0]), 0.0
    else:
        roll = (
            float(np.radians(rng.normal(0, 7)))
            if rng.random() < 0.9
            else float(rng.choice([-1, 1]) * np.pi / 2)
        )
    probe = look_at(middle + direction * 10 * frame.scale, middle, fov, size, roll, up)
    seen = probe.to_camera(frame.vertices[::9]) - probe.to_camera(middle)
    half = np.array([size[0], size[1]]) / 2 / probe.intrinsics[0, 0]
    # at which the body just fills the image
    needed = float((np.abs(seen[:, :2]) / half - seen[:, 2:]).max())
    fill = rng.uniform(1.02, 1.35) if cut else np.clip(0.5 + 0.5 * rng.beta(2.2, 1.8), 0.5, 0.97)
    distance = needed / fill * back
    shift = rng.normal(0, 0.35, 2) * np.clip(1 / fill - 1, 0.05, 0.8) * distance * half * 0.5
    target = middle + probe.rotation[0] * shift[0] + probe.rotation[1] * shift[1]
    return look_at(target + direction * distance, target, fov, size, roll, up)


def _elevation(lying: bool, rng: np.random.Generator) -> float:
    """Draw the height of the camera over the horizon, deg."""
    if not lying:
        return float(np.clip(rng.normal(24, 17), 2, 80))
    if rng.random() < 0.45:
        return float(90 - np.abs(rng.normal(0, 10)))
    return float(np.clip(rng.normal(52, 17), 10, 88))


def _lens(camera: Camera, frame: Frame, rng: np.random.Generator) -> Lens:
    """Draw a phone's deep focus mostly, a large lens now and then; the head or the middle of the body is sharp."""
    point = frame.head.mean(axis=0) if rng.random() < 0.6 else frame.keypoints.mean(axis=0)
    focus = float(camera.to_camera(point)[2])
    aperture = 0.0 if rng.random() < 0.55 else float(rng.uniform(0.0008, 0.006))
    return Lens(aperture, max(focus, 0.05))


@dataclass(frozen=True)
class Sight:
    """joints: keypoints with visibility 2. area: share of the image that shows the person. open: share of the
    person's outline inside the image that is not hidden by something else."""

    joints: int
    area: float
    open: float

    @property
    def lack(self) -> float:
        """How much is missing to an image that shows the person well; 0: nothing."""
        wanted = (self.joints / LEAST_JOINTS, self.area / LEAST_AREA, self.open / LEAST_OPEN)
        return float(sum(max(1 - have, 0.0) for have in wanted))


def measure_sight(spec: SceneSpec) -> Sight:
    """Measure a scene in a small image of it."""
    small = SceneSpec(shrunk(spec.camera, _SIDE), spec.meshes, spec.body, (), spec.environment)
    buffers = rasterise(small.camera, small.meshes)
    seen, whole = person_mask(small.meshes, buffers), whole_mask(small)
    joints = int((label_keypoints(small, buffers)[:, 2] == 2).sum())
    return Sight(joints, float(seen.mean()), float(seen.sum() / max(whole.sum(), 1)))


def shrunk(camera: Camera, side: int) -> Camera:
    """Return the same view with a longer side of ``side`` px; as it is where that is no less."""
    scale = side / max(camera.width, camera.height)
    if scale >= 1:
        return camera
    width, height = (max(round(length * scale), 1) for length in (camera.width, camera.height))
    across, down = width / camera.width, height / camera.height
    turn = np.array([[across, 0, (across - 1) / 2], [0, down, (down - 1) / 2], [0, 0, 1]])
    return Camera(turn @ camera.intrinsics, camera.rotation, camera.translation, width, height)
