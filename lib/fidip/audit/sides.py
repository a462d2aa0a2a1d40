"""Left and right: labels that contradict each other.

Three rules, each on labelled joints only and measured in torso lengths:

1. Lines. The lines from the left to the right eye, ear, shoulder and hip of one body point roughly the same way.
   Two lines that differ by more than 120 degrees, both long enough to have a direction, contradict each other.
2. Limbs. When the left elbow and the right one are swapped, both upper arms become longer. Where crossing the
   lower joints of two limbs over shortens the two together by more than 30 %, they may be swapped.
3. Supine. The chest of an infant on its back is seen, not its back; the torso's left and right tell which.
   Only this rule sees a person whose sides are all swapped, and it sees wrong postures too.

A turned head or twisted body may look like a swap, and a swap of short or foreshortened parts is not seen:
``detection_rates`` tells on the labels themselves how many planted swaps would be. Rules on joints that the
skeleton lacks do not apply.
"""

from collections.abc import Sequence

import numpy as np

from fidip.audit.findings import Finding
from fidip.audit.splits import AuditSplit
from fidip.audit.torso import Array, Torsos, cross, has_pair, measure_torsos, pair
from fidip.skeleton import Skeleton

# usual length of the line between left and right, in torso lengths as seen in pictures of infants
USUAL = {"eye": 0.27, "ear": 0.66, "shoulder": 0.75, "hip": 0.57}
# two lines and the least share of its usual length that each must have; heads turn more than hips
LINES = (("eye", "ear", 0.4), ("ear", "shoulder", 0.5), ("eye", "shoulder", 0.5), ("shoulder", "hip", 0.4))
OPPOSED = np.cos(np.deg2rad(120))
LIMBS = (("shoulder", "elbow"), ("elbow", "wrist"), ("hip", "knee"), ("knee", "ankle"))
SHORTENED = 0.7
FROM_BEHIND = 0.2  # share of the usual width of shoulders and hips

# joints whose sides an annotator may swap together
SWAPS: dict[str, tuple[str, ...]] = {
    "eyes": ("eye",),
    "ears": ("ear",),
    "head": ("eye", "ear"),
    "shoulders and arms": ("shoulder", "elbow", "wrist"),
    "elbows and wrists": ("elbow", "wrist"),
    "wrists": ("wrist",),
    "hips and legs": ("hip", "knee", "ankle"),
    "knees and ankles": ("knee", "ankle"),
    "ankles": ("ankle",),
    "whole body": ("eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle"),
}


def check_sides(split: AuditSplit) -> list[Finding]:
    """One finding for each person whose labels contradict each other."""
    if not split.persons:
        return []
    broken = contradictions(*_stacked(split), split.skeleton)
    findings = []
    for number, person in enumerate(split.persons):
        rules = [rule for rule, mask in broken.items() if mask[number]]
        if rules:
            joints = sorted({j for rule in rules for name in rule[1:] for j in pair(split.skeleton, name)})
            message = "; ".join(_rule_text(rule) for rule in rules)
            findings.append(Finding("swapped_sides", message, (split.place(person.index, joints),)))
    return findings


def _stacked(split: AuditSplit) -> tuple[Array, list[str]]:
    keypoints = np.stack([person.keypoints for person in split.persons])
    return keypoints, [str(split.images[person.image].get("posture", "")) for person in split.persons]


def _rule_text(rule: tuple[str, ...]) -> str:
    if rule[0] == "lines":
        return f"{rule[1]}s and {rule[2]}s point opposite ways"
    if rule[0] == "limbs":
        return f"{rule[2]}s fit better when swapped"
    return "labelled supine, but the torso is seen from behind"


def contradictions(
    keypoints: Array, postures: Sequence[str], skeleton: Skeleton
) -> dict[tuple[str, ...], Array]:
    """Which persons break which rule: (rule, joint names...) -> (N,) bool. keypoints: (N, K, 3) image px."""
    torsos = measure_torsos(keypoints, skeleton)
    broken: dict[tuple[str, ...], Array] = {}
    for upper, lower, share in LINES:
        if not (has_pair(skeleton, upper) and has_pair(skeleton, lower)):
            continue
        broken["lines", upper, lower] = _opposed(keypoints, torsos, (upper, lower), share, skeleton)
    for upper, lower in LIMBS:
        if has_pair(skeleton, upper) and has_pair(skeleton, lower):
            broken["limbs", upper, lower] = _crossed(keypoints, upper, lower, skeleton)
    supine = np.array([posture.lower() == "supine" for posture in postures])
    broken["supine", "shoulder", "hip"] = supine & _from_behind(keypoints, torsos, skeleton)
    return broken


def _line(keypoints: Array, joint: str, skeleton: Skeleton) -> tuple[Array, Array]:
    """Vectors (N, 2) from the left to the right joint, image px, and whether both are labelled."""
    left, right = (keypoints[:, index] for index in pair(skeleton, joint))
    return right[:, :2] - left[:, :2], (left[:, 2] > 0) & (right[:, 2] > 0)


def _opposed(
    keypoints: Array, torsos: Torsos, names: tuple[str, str], share: float, skeleton: Skeleton
) -> Array:
    usable, lengths, vectors = torsos.labelled & (torsos.length > 0), [], []
    for name in names:
        vector, labelled = _line(keypoints, name, skeleton)
        length = np.linalg.norm(vector, axis=1)
        usable = usable & labelled & (length > share * USUAL[name] * torsos.length)
        vectors.append(vector)
        lengths.append(length)
    return usable & ((vectors[0] * vectors[1]).sum(axis=1) < OPPOSED * lengths[0] * lengths[1])


def _crossed(keypoints: Array, upper: str, lower: str, skeleton: Skeleton) -> Array:
    ends = keypoints[:, [*pair(skeleton, upper), *pair(skeleton, lower)]]

    def length(start: int, end: int) -> Array:
        return np.linalg.norm(ends[:, start, :2] - ends[:, end, :2], axis=1)

    straight, crossed = length(0, 2) + length(1, 3), length(0, 3) + length(1, 2)
    return (ends[..., 2] > 0).all(axis=1) & (crossed < SHORTENED * straight)


def _from_behind(keypoints: Array, torsos: Torsos, skeleton: Skeleton) -> Array:
    behind = torsos.labelled & (torsos.length > 0)
    if not behind.any():
        return behind
    for name in ("shoulder", "hip"):
        vector, _ = _line(keypoints, name, skeleton)
        behind = behind & (cross(vector, torsos.axis) > FROM_BEHIND * USUAL[name] * torsos.length**2)
    return behind


def detection_rates(split: AuditSplit) -> dict[str, float]:
    """For each of ``SWAPS``: share (0..1) of the persons without a finding that get one when it is planted."""
    if not split.persons:
        return {}
    keypoints, postures = _stacked(split)
    clean = ~np.any(list(contradictions(keypoints, postures, split.skeleton).values()), axis=0)
    keypoints, postures = keypoints[clean], [p for p, c in zip(postures, clean, strict=True) if c]
    rates = {}
    for swap, names in SWAPS.items():
        indices = [pair(split.skeleton, name) for name in names if has_pair(split.skeleton, name)]
        if not indices:
            continue
        eligible = (keypoints[:, np.ravel(indices), 2] > 0).all(axis=1)
        planted = keypoints[eligible]
        for left, right in indices:
            planted[:, [left, right]] = planted[:, [right, left]]
        chosen = [p for p, e in zip(postures, eligible, strict=True) if e]
        if chosen:
            found = np.any(list(contradictions(planted, chosen, split.skeleton).values()), axis=0)
            rates[swap] = float(found.mean())
    return rates
