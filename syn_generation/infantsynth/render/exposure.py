"""How long a camera would open its shutter for a scene, and what it would take for white."""

import numpy as np

from infantsynth.render.environment import incident
from infantsynth.render.film import LUMINANCE
from infantsynth.spec import SceneSpec

Array = np.ndarray

_WHITE = 0.8  # linear value of a white surface that faces the camera where the person is
_ADAPTED = 0.75  # how far the colour of the light is taken out: cameras leave some of a warm lamp's warmth


def metered(spec: SceneSpec) -> Array:
    """Gains (3,) on linear RGB radiance, as from a light meter held towards the camera where the person is.

    The light is metered, not what it falls on: dark skin stays dark and a white sheet white, and the gains do not
    depend on how the scene is drawn.
    """
    place = spec.body.keypoints.mean(axis=0)
    toward = spec.camera.centre - place
    light = incident(spec.lights, spec.environment, place, toward / np.linalg.norm(toward))
    bright = max(float(light @ LUMINANCE), 1e-6)
    tint = np.maximum(light / bright, 0.05) ** _ADAPTED
    tint = tint / (tint @ LUMINANCE)
    return (_WHITE * np.pi / bright / tint).astype(np.float32)
