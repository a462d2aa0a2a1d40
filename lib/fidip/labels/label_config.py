"""What a labelling tool must be told before anyone labels: its labels, from a skeleton."""

import math
from typing import Any
from xml.etree import ElementTree

from fidip.repair import plain_name
from fidip.skeleton import Colour, Skeleton

PERSON, BOX, IMAGE_TAG = "person", "box", "picture"  # labels in CVAT

_LEFT, _RIGHT, _MIDDLE = (31, 111, 214), (230, 110, 0), (40, 150, 70)

# Where joints stand in a person seen from the front, percent of a square; the person's left is on the picture's right.
# fmt: off
_FRONT: dict[str, tuple[float, float]] = {
    "head_top": (50, 4), "nose": (50, 14), "neck": (50, 24), "mid_hip": (50, 56),
    "left_eye": (54, 11), "left_ear": (60, 13), "left_shoulder": (65, 26), "left_elbow": (76, 40), "left_wrist": (84, 52),
    "left_hip": (58, 56), "left_knee": (62, 74), "left_ankle": (64, 94),
}
# fmt: on


def colours(skeleton: Skeleton) -> list[str]:
    """A colour "#rrggbb" for each joint: the skeleton's own, else one for left, right and middle."""
    chosen: list[Colour] = list(skeleton.colours) or [_MIDDLE] * skeleton.num_joints
    if not skeleton.colours:
        for left, right in skeleton.flip_pairs:
            chosen[left], chosen[right] = _LEFT, _RIGHT
    return ["#{:02x}{:02x}{:02x}".format(*colour) for colour in chosen]


def label_studio_config(skeleton: Skeleton) -> str:
    """XML for Label Studio's Labeling Interface: a box for each person, joints, and "hidden" for a joint."""
    view = ElementTree.Element("View")
    add = ElementTree.SubElement
    add(view, "Image", name="image", value="$image", zoom="true", zoomControl="true", rotateControl="false")
    boxes = add(view, "RectangleLabels", name="person", toName="image", canRotate="false")
    add(boxes, "Label", value=PERSON, background="#888888")
    joints = add(view, "KeyPointLabels", name="joints", toName="image", strokeWidth="3")
    for index, (name, colour) in enumerate(zip(skeleton.names, colours(skeleton), strict=True)):
        # model_index: the joint's place, without which Label Studio's own exports with keypoints stop
        add(joints, "Label", value=name, background=colour, model_index=str(index))
    choices = add(
        view,
        "Choices",
        name="visibility",
        toName="image",
        perRegion="true",
        visibleWhen="region-selected",  # without it whenTagName does nothing, and boxes could be hidden
        whenTagName="joints",
        choice="single",
    )
    add(choices, "Choice", value="hidden")
    ElementTree.indent(view)
    return ElementTree.tostring(view, encoding="unicode") + "\n"


def cvat_labels(skeleton: Skeleton) -> list[dict[str, Any]]:
    """Labels for the "Raw" tab of CVAT's constructor: a skeleton, a rectangle, and a tag for the picture's fields."""
    shown = colours(skeleton)
    parts = [
        {"name": name, "type": "points", "color": colour, "attributes": []}
        for name, colour in zip(skeleton.names, shown, strict=True)
    ]
    person = {"name": PERSON, "type": "skeleton", "attributes": [], "sublabels": parts, "svg": _svg(skeleton)}
    box = {
        "name": BOX,
        "type": "rectangle",
        "attributes": _texts("annotation_id", "area", "iscrowd", "is_synthetic"),
    }
    tag = {
        "name": IMAGE_TAG,
        "type": "tag",
        "attributes": _texts("image_id", "is_synthetic", "posture", "image_source"),
    }
    return [person, box, tag]


def _texts(*names: str) -> list[dict[str, Any]]:
    """Attributes that hold any text."""
    fixed = {"mutable": False, "input_type": "text", "default_value": "", "values": [""]}
    return [{"name": name, **fixed} for name in names]


def _svg(skeleton: Skeleton) -> str:
    """The template that CVAT draws: a node for each joint, an edge for each limb, percent of a square."""
    places = _places(skeleton)
    root = ElementTree.Element("svg")
    for start, end in skeleton.limbs:
        (x1, y1), (x2, y2) = places[start], places[end]
        ends = {"x1": f"{x1:g}", "y1": f"{y1:g}", "x2": f"{x2:g}", "y2": f"{y2:g}"}
        nodes = {"data-type": "edge", "data-node-from": str(start + 1), "data-node-to": str(end + 1)}
        ElementTree.SubElement(root, "line", {**ends, **nodes})
    for number, (name, (x, y)) in enumerate(zip(skeleton.names, places, strict=True), start=1):
        node = {"data-element-id": str(number), "data-node-id": str(number), "data-label-name": name}
        place = {"r": "0.75", "cx": f"{x:g}", "cy": f"{y:g}", "data-type": "element node"}
        ElementTree.SubElement(root, "circle", {**place, **node})
    return "".join(
        ElementTree.tostring(child, encoding="unicode", short_empty_elements=False) for child in root
    )


def _places(skeleton: Skeleton) -> list[tuple[float, float]]:
    """Known joints where a person has them, others on a circle."""
    places = []
    for number, name in enumerate(map(plain_name, skeleton.names)):
        angle = 2 * math.pi * number / skeleton.num_joints
        circle = round(50 + 45 * math.sin(angle), 2), round(50 - 45 * math.cos(angle), 2)
        mirrored = _FRONT.get("left_" + name.removeprefix("right_")) if name.startswith("right_") else None
        place = (100 - mirrored[0], mirrored[1]) if mirrored else _FRONT.get(name, circle)
        places.append(place)
    return places
