"""Checks of the field ``area``, from which OKS takes the tolerance for errors."""

from collections import Counter
from typing import Any

import numpy as np

from fidip.annotations import is_number
from fidip.audit.findings import Finding
from fidip.audit.splits import AuditSplit, Person

LARGEST = 1.01  # outline : box; an outline cannot be larger than its box, but for rounding
SMALLEST = 0.1  # outline : box; of 4,424 adults of COCO and Leeds Sports Pose the smallest has 0.16
ALIKE = 1.01  # boxes whose areas differ by less may share one area
FEW = 4  # values; a file whose persons mostly share so few areas does not follow their sizes


def check_areas(split: AuditSplit) -> list[Finding]:
    """Areas that are constant, impossible, or improbably small, of persons with a labelled joint."""
    persons = [person for person in split.persons if person.labelled.any()]
    findings = _constant(split, persons)
    for person in persons:
        area: Any = person.annotation.get("area")
        fault = impossible_area(area, person.box_area)
        place = (split.place(person.index),)
        if fault:
            findings.append(Finding("area_impossible", fault, place))
        elif is_small_area(area, person.box_area):
            message = f"area is {area / person.box_area:.3f} of the box's width x height"
            findings.append(Finding("area_small", message, place))
    return findings


def impossible_area(area: Any, box_area: float) -> str:
    """Why ``area`` (px^2) cannot be the size of a person in a box of ``box_area`` px^2; "" if it can."""
    if area is None:
        return "has no area"
    if not is_number(area) or area <= 0:
        return f"area {area!r} is not a number above 0"
    if area > LARGEST * box_area:
        return f"area is {area / box_area:.2f} times the box's width x height"
    return ""


def is_small_area(area: float, box_area: float) -> bool:
    """Whether ``area`` (px^2) is improbably small for a person in a box of ``box_area`` px^2."""
    return area < SMALLEST * box_area


def _constant(split: AuditSplit, persons: list[Person]) -> list[Finding]:
    sound = [p for p in persons if is_number(p.annotation.get("area")) and p.annotation["area"] > 0]
    groups: dict[float, list[Person]] = {}
    for person in sound:
        groups.setdefault(float(person.annotation["area"]), []).append(person)
    shared = {area: group for area, group in groups.items() if _boxes_differ(group)}
    frequent = Counter({area: len(group) for area, group in shared.items()}).most_common(FEW)
    covered = sum(number for _, number in frequent)
    if covered <= len(sound) / 2:
        return []
    ratio = float(np.median([p.annotation["area"] / p.box_area for p in sound]))
    values = ", ".join(f"{area:g} px^2 ({number} persons)" for area, number in frequent)
    message = (
        f"{len(sound)} persons have {len(groups)} different areas in all, the most frequent being {values}; "
        f"the median is {ratio:.3g} times the box's width x height"
    )
    places = tuple(split.place(person.index) for group in shared.values() for person in group)
    return [Finding("area_constant", message, places)]


def _boxes_differ(group: list[Person]) -> bool:
    sizes = [person.box_area for person in group]
    return max(sizes) > ALIKE * min(sizes)
