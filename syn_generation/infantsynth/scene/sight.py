"""How much of the person a picture shows, so that views that hide it are drawn again."""

from dataclasses import dataclass

import numpy as np

from infantsynth.annotate import label_keypoints, person_mask, whole_mask
from infantsynth.render.zbuffer import rasterise
from infantsynth.spec import Camera, SceneSpec

LEAST_JOINTS = 8  # of 17 that are to be seen
LEAST_AREA = 0.03  # share of the picture that the person is to cover
LEAST_OPEN = 0.4  # share of the person's outline that nothing may hide
_SIDE = 240  # px, longer side of the small picture that is looked at


@dataclass(frozen=True)
class Sight:
    """joints: keypoints with visibility 2. area: share of the picture that shows the person. open: share of the
    person's outline inside the picture that is not hidden by something else."""

    joints: int
    area: float
    open: float

    @property
    def lack(self) -> float:
        """How much is missing to a picture that shows the person well; 0: nothing."""
        wanted = (self.joints / LEAST_JOINTS, self.area / LEAST_AREA, self.open / LEAST_OPEN)
        return float(sum(max(1 - have, 0.0) for have in wanted))


def look(spec: SceneSpec) -> Sight:
    """Measure a scene in a small picture of it."""
    small = SceneSpec(shrunk(spec.camera, _SIDE), spec.meshes, spec.body, (), spec.environment)
    buffers = rasterise(small.camera, small.meshes)
    seen, whole = person_mask(small.meshes, buffers), whole_mask(small)
    joints = int((label_keypoints(small, buffers)[:, 2] == 2).sum())
    return Sight(joints, float(seen.mean()), float(seen.sum() / max(whole.sum(), 1)))


def shrunk(camera: Camera, side: int) -> Camera:
    """The same view with a longer side of ``side`` px; as it is where that is no less."""
    scale = side / max(camera.width, camera.height)
    if scale >= 1:
        return camera
    width, height = (max(round(length * scale), 1) for length in (camera.width, camera.height))
    across, down = width / camera.width, height / camera.height
    turn = np.array([[across, 0, (across - 1) / 2], [0, down, (down - 1) / 2], [0, 0, 1]])
    return Camera(turn @ camera.intrinsics, camera.rotation, camera.translation, width, height)
