"""Label synthetic images: COCO records with SyRIP's fields, and maps, all read from one z-buffer.

The z-buffer is that of infantsynth.render.zbuffer whatever drew the image, so labels do not depend on the renderer.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from fidip.errors import DataError
from infantsynth.render.zbuffer import Buffers, rasterise, visible_shares
from infantsynth.spec import WORN, Mesh, SceneSpec

Array = np.ndarray

VISIBLE_SHARE = 0.2  # of the skin near a keypoint and facing the camera that must be seen for visibility 2
CLOSE = 0.004  # m; what lies on the skin may be nearer to it than the tolerance of the visibility test
POSTURES = {"crawling": "Prone"}  # SyRIP names four postures only; others keep their own name, capitalised
_MILLIMETRES = 1000.0


def annotate(spec: SceneSpec, buffers: Buffers, image_id: int) -> dict[str, Any]:
    """Return the annotation of the infant of an image, with SyRIP's fields.

    buffers: z-buffer of all meshes of ``spec``. keypoints: 17 x (x, y, v), image px, v 2 seen, 1 hidden, 0 (and
    x = y = 0) outside the image. segmentation (RLE) and area (px^2): what is seen of the person and what is
    worn. bbox: x, y, w, h of the whole outline inside the image, hidden parts too, as SyRIP's boxes have it.
    Raises DataError when nothing of the person is seen.
    """
    seen = person_mask(spec.meshes, buffers)
    if not seen.any():
        raise DataError("nothing of the person is in the image")
    keypoints = label_keypoints(spec, buffers)
    return {
        "bbox": mask_box(seen | whole_mask(spec)),
        "bbox_head": [],
        "category_id": 1,
        "id": image_id,
        "image_id": image_id,
        "keypoints": keypoints.ravel().tolist(),
        "scores": [],
        "track_id": 0,
        "num_keypoints": int((keypoints[:, 2] > 0).sum()),
        "segmentation": encode_mask(seen),
        "area": float(seen.sum()),
        "iscrowd": 0,
    }


def image_record(spec: SceneSpec, image_id: int, file_name: str, seed: int) -> dict[str, Any]:
    """Return the image's record with SyRIP's fields, the seed, and what was chosen for the scene."""
    posture = str(spec.info.get("posture", ""))
    return {
        "file_name": file_name,
        "is_synthetic": True,
        "frame_id": 0,
        "height": spec.camera.height,
        "id": image_id,
        "is_labeled": True,
        "nframes": 1,
        "original_file_name": file_name,
        "width": spec.camera.width,
        "image_source": "",
        "posture": POSTURES.get(posture, posture.capitalize()),
        "seed": seed,
        "scene": dict(spec.info),
    }


def label_keypoints(spec: SceneSpec, buffers: Buffers) -> Array:
    """Return (17, 3) x, y in image px and visibility 2, 1 or 0."""
    camera, body = spec.camera, spec.body
    xy, _ = camera.project(body.keypoints)
    inside = camera.inside(xy)
    bare = replace(buffers, depth=skin_depth(spec, buffers))
    seen = visible_shares(camera, bare, body.vertices, body.normals, body.skin)
    visibility = np.where(inside, np.where(seen > VISIBLE_SHARE, 2, 1), 0)
    labels = np.column_stack([np.round(xy, 3), visibility])
    labels[~inside] = 0
    return labels


def skin_depth(spec: SceneSpec, buffers: Buffers) -> Array:
    """Return the depth (H, W) in m with the person undressed: of the skin below what is worn, for that hides no joint.

    Everything else is moved nearer by ``CLOSE``, so that a blanket that all but touches the skin hides it.
    """
    depth = np.array(buffers.depth - CLOSE)
    for index, mesh in enumerate(spec.meshes):
        if mesh.kind in WORN:
            here = buffers.mesh == index
            corners = spec.body.vertices[_source(mesh)[mesh.faces[buffers.face[here]]]]
            points = np.einsum("pi,pij->pj", buffers.bary[here], corners)
            depth[here] = spec.camera.to_camera(points)[:, 2]
    return depth


def _source(mesh: Mesh) -> Array:
    """Return the body vertex that each vertex of a worn mesh moves with, (V,)."""
    return np.arange(len(mesh.vertices)) if mesh.source is None else mesh.source


def person_mask(meshes: Sequence[Mesh], buffers: Buffers) -> Array:
    """Return pixels (H, W) bool that show the person or what is worn."""
    worn = np.array([*(mesh.kind in WORN for mesh in meshes), False])  # the last one: no mesh, index -1
    return worn[buffers.mesh]


def whole_mask(spec: SceneSpec) -> Array:
    """Return the person's outline inside the image, (H, W) bool, as if nothing stood in front."""
    worn = [mesh for mesh in spec.meshes if mesh.kind in WORN]
    return rasterise(spec.camera, worn).mesh >= 0


def mask_box(mask: Array) -> list[float]:
    """Return x, y, w, h in px of the pixels of a mask (H, W): from the first to behind the last, as in COCO."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    low, high = (columns[0], rows[0]), (columns[-1] + 1, rows[-1] + 1)
    return [float(v) for v in (*low, high[0] - low[0], high[1] - low[1])]


def encode_mask(mask: Array) -> dict[str, Any]:
    """Return COCO's run-length code of a mask (H, W), ready for JSON."""
    code = coco_mask.encode(np.asfortranarray(mask, dtype=np.uint8))
    return {"size": [int(side) for side in code["size"]], "counts": code["counts"].decode()}


def depth_map(buffers: Buffers) -> Array:
    """Return the depth along the camera's axis in mm, (H, W) uint16; 0: nothing there, or farther than 65 m."""
    depth = buffers.depth * _MILLIMETRES
    return np.where(
        depth < np.iinfo(np.uint16).max, np.rint(np.where(np.isfinite(depth), depth, 0)), 0
    ).astype(np.uint16)


def part_map(spec: SceneSpec, buffers: Buffers) -> Array:
    """Return the body parts, (H, W) uint8: 0 not the person, else 1 + the part; cloth and hair have the part below them."""
    parts = np.zeros(buffers.mesh.shape, dtype=np.uint8)
    for index, mesh in enumerate(spec.meshes):
        if mesh.kind not in WORN:
            continue
        here = buffers.mesh == index
        corners = mesh.faces[buffers.face[here]]
        nearest = np.take_along_axis(corners, buffers.bary[here].argmax(axis=1)[:, None], axis=1)[:, 0]
        parts[here] = spec.body.parts[_source(mesh)[nearest]] + 1
    return parts


def space_labels(spec: SceneSpec) -> dict[str, Any]:
    """Return labels in space for the annotation: 17 keypoints and the body's joints, m in the camera's axes."""
    camera = spec.camera
    return {
        "keypoints_3d": camera.to_camera(spec.body.keypoints).round(5).tolist(),
        "joints_3d": camera.to_camera(spec.body.joints).round(5).tolist(),
        "camera": {
            "intrinsics": camera.intrinsics.tolist(),
            "rotation": camera.rotation.tolist(),
            "translation": camera.translation.tolist(),
        },
    }
