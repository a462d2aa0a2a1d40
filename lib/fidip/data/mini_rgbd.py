"""MINI-RGBD: rendered infants with exact joints (Hesse et al., ECCV Workshops 2018).

Layout of the published archive, for each of its 12 sequences 01..12:

    01/rgb/syn_00000.png                            the picture
    01/joints_2Ddep/syn_joints_2Ddep_00000.txt      25 lines "x y depth joint_id": image px, image px, depth
    01/joints_3D/syn_joints_3D_00000.txt            25 lines "x y z joint_id": metres
    (depth, fg_mask, smil_params and tpose are not used)

The joints are those of the SMIL body model, ids 0..24 in order. A joint of a body model is named after the
bone that starts there, so leftUpperArm is the shoulder (leftShoulder is the collar bone), leftForeArm the
elbow, leftHand the wrist, leftThigh the hip, leftCalf the knee and leftFoot the ankle. The nose is a vertex of
the surface. Eyes and ears are not labelled.
"""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from fidip.data.coco_json import PreparedSplit, SplitBuilder
from fidip.errors import DataError
from fidip.progress import progress
from fidip.skeleton import COCO17

# fmt: off
SMIL_JOINTS = (
    "global", "leftThigh", "rightThigh", "spine", "leftCalf", "rightCalf", "spine1", "leftFoot", "rightFoot",
    "spine2", "leftToes", "rightToes", "neck", "leftShoulder", "rightShoulder", "head", "leftUpperArm",
    "rightUpperArm", "leftForeArm", "rightForeArm", "leftHand", "rightHand", "leftFingers", "rightFingers",
    "noseVertex",
)
# fmt: on


COCO_FROM_SMIL = {
    "nose": "noseVertex",
    "left_shoulder": "leftUpperArm",
    "right_shoulder": "rightUpperArm",
    "left_elbow": "leftForeArm",
    "right_elbow": "rightForeArm",
    "left_wrist": "leftHand",
    "right_wrist": "rightHand",
    "left_hip": "leftThigh",
    "right_hip": "rightThigh",
    "left_knee": "leftCalf",
    "right_knee": "rightCalf",
    "left_ankle": "leftFoot",
    "right_ankle": "rightFoot",
}

# Joints lie inside the body and the crown of the head has none. SyRIP's hand-drawn boxes reach beyond the
# joints by 0.10 of their longer extent (median of the left, right and lower side over 200 real pictures).
BOX_PADDING = 0.10  # on each side, as a fraction of the longer side of the joints' extent


def read_joints(path: Path) -> NDArray[np.float64]:
    """Read a joint file, 2D or 3D: (25, 3) in SMIL order; (x px, y px, depth) or (x, y, z) in metres.

    Raises DataError with file and line for a wrong number of lines or columns, a joint id out of order, or a
    value that is not a finite number.
    """
    try:
        lines = path.read_text(encoding="ascii").rstrip().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"joint file {path} cannot be read ({error}); fetch the archive again") from error
    if len(lines) != len(SMIL_JOINTS):
        raise DataError(
            f"{path} has {len(lines)} lines, but MINI-RGBD has {len(SMIL_JOINTS)} joints a picture"
        )
    return np.array([_parse_line(path, number, line) for number, line in enumerate(lines)])


def _parse_line(path: Path, joint: int, line: str) -> tuple[float, float, float]:
    where = f"{path}, line {joint + 1}"
    try:
        x, y, z, joint_id = (float(word) for word in line.split())
    except ValueError as error:
        raise DataError(f"{where}: {line!r} is not 'x y depth joint_id'; fetch the archive again") from error
    if joint_id != joint:
        expected = f"{joint} ({SMIL_JOINTS[joint]})"
        raise DataError(f"{where}: joint id {joint_id:g}, but {expected} comes here; fetch the archive again")
    if not all(math.isfinite(value) for value in (x, y, z)):
        raise DataError(f"{where}: {line!r} has a value that is not finite; fetch the archive again")
    return x, y, z


def coco_keypoints(joints: NDArray[np.float64], size: tuple[int, int]) -> list[float]:
    """Map SMIL joints (25, 2 or 3) in image px to 17 x (x, y, visibility), flat.

    Visibility is 2 for every mapped joint inside the picture (the data do not tell occluded joints apart), and
    0 for eyes, ears and joints outside the picture of ``size`` (width, height).
    """
    keypoints: list[float] = []
    for name in COCO17.names:
        if name in COCO_FROM_SMIL:
            x, y = (float(value) for value in joints[SMIL_JOINTS.index(COCO_FROM_SMIL[name]), :2])
            if 0 <= x <= size[0] - 1 and 0 <= y <= size[1] - 1:
                keypoints += [x, y, 2]
                continue
        keypoints += [0, 0, 0]
    return keypoints


def joint_box(joints: NDArray[np.float64], size: tuple[int, int]) -> list[float]:
    """Box (x, y, w, h) in image px around all 25 joints, padded by BOX_PADDING and clipped to the picture."""
    low, high = joints[:, :2].min(axis=0), joints[:, :2].max(axis=0)
    padding = BOX_PADDING * (high - low).max()
    low = np.clip(low - padding, 0, size)
    high = np.clip(high + padding, 0, size)
    return [float(value) for value in (*low, *(high - low))]


def prepare_mini_rgbd(source: Path, sequences: Sequence[int] | None = None, every: int = 1) -> PreparedSplit:
    """Read the archive into COCO records; ``area`` is the box's width times height, as there is no outline.

    source: folder with 01..12; sequences: the ones to take (default all that are there); every: keep one
    picture in ``every`` of each sequence. ``image_source`` names the sequence, because its pictures are alike
    and must not be split between training and test. Raises DataError for missing folders and files.
    """
    if every < 1:
        raise DataError(f"every is {every}; give 1 to keep each picture, 10 to keep one in ten")
    frames = [
        picture
        for folder in _sequence_folders(source, sequences)
        for picture in _sequence_pictures(folder)[::every]
    ]
    split = SplitBuilder(
        COCO17,
        "MINI-RGBD (Hesse et al. 2018), joints mapped to COCO-17 without eyes and ears; area = box w*h",
    )
    for picture in progress(frames, len(frames), "reading", "pictures"):
        sequence = picture.parent.parent
        joint_file = f"{picture.stem.replace('syn_', 'syn_joints_2Ddep_')}.txt"
        joints = read_joints(sequence / "joints_2Ddep" / joint_file)
        size = _picture_size(picture)
        box = joint_box(joints, size)
        if min(box[2:]) <= 0:
            raise DataError(f"{picture}: its joints lie outside the picture of {size[0]} x {size[1]} px")
        image_id = split.add_picture(
            picture,
            f"{sequence.name}_{picture.name}",
            size,
            is_synthetic=True,
            posture="Supine",
            image_source=f"MINI-RGBD {sequence.name}",
        )
        split.add_person(image_id, box, coco_keypoints(joints, size))
    return split.prepared()


def _sequence_folders(source: Path, sequences: Sequence[int] | None) -> list[Path]:
    if sequences is None:
        folders = sorted(folder for folder in source.glob("[0-9][0-9]") if (folder / "rgb").is_dir())
        if not folders:
            raise DataError(
                f"{source} has no folders 01..12 with rgb inside; give the unpacked MINI-RGBD folder"
            )
        return folders
    folders = [source / f"{number:02d}" for number in sorted(set(sequences))]
    for folder in folders:
        if not (folder / "rgb").is_dir():
            raise DataError(f"{folder / 'rgb'} does not exist; check --source and --sequences")
    return folders


def _sequence_pictures(folder: Path) -> list[Path]:
    pictures = sorted((folder / "rgb").glob("syn_*.png"))
    if not pictures:
        raise DataError(f"{folder / 'rgb'} has no pictures syn_*.png; unpack the archive again")
    return pictures


def _picture_size(path: Path) -> tuple[int, int]:
    try:
        with Image.open(path) as picture:
            return picture.size
    except (OSError, UnidentifiedImageError) as error:
        raise DataError(f"picture {path} cannot be read ({error}); fetch the archive again") from error
