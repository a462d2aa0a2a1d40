"""Sections that draw: curves, calibration, pictures, domain gap."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from fidip.errors import DataError
from fidip.files import read_json
from fidip.report.blocks import Cell, Drawing, Drawings, Heading, Pictures, Section, Table, figure, share
from fidip.report.curves import Curve, read_curves
from fidip.report.figures import curve_figure, reliability_figure
from fidip.report.runs import Run, group, number, pair
from fidip.report.scoring import Scored, Scores
from fidip.report.tiles import Tile, best_and_worst, data_uri, fair_share, most_changed

UNWANTED = ("train/lr", "train/images_per_s")  # how fast, not how well
SHARES = {"train/pck": "PCK of the batches (%)", "train/domain_accuracy": "domain accuracy (%)",
          "val/AP": "validation AP (%)"}  # fmt: skip
MOST_TILES = 400  # of a page: about 10 MB
GAP_PICTURES = ("domain_gap.png", "embedding.png")  # of `fidip test`, of `fidip domain-gap`


def curves_section(runs: Sequence[Run]) -> Section:
    """Losses and shares on the way, a figure each."""
    section = Section("curves", "Training curves", key=True)
    by_run = {index: read_curves(run) for index, run in enumerate(runs)}
    if without := [run.name for index, run in enumerate(runs) if not by_run[index]]:
        section.miss(
            f"No curves of {', '.join(without)}: neither event files in LOG_DIR nor a train.log with figures."
        )
    tags = sorted({tag for curves in by_run.values() for tag in curves}, key=_place)
    drawings = []
    for tag in tags:
        if tag in UNWANTED or (tag.startswith("val/") and tag != "val/AP"):
            continue
        curves: Mapping[int, Curve] = {i: found[tag] for i, found in by_run.items() if tag in found}
        label = SHARES.get(tag, f"{tag.removeprefix('train/')} loss")
        said = "; ".join(f"{runs[i].name} ends at {curve[-1][1]:.4g}" for i, curve in curves.items())
        drawings.append(
            Drawing(curve_figure(curves, label, tag in SHARES), f"{label} by step: {said}", _caption(tag))
        )
    if drawings:
        section.say(
            "Steps count those of every stage; the domain classifier's own stage comes first, where there is one."
        )
        section.blocks.append(Drawings(drawings))
    return section


def _place(tag: str) -> tuple[int, str]:
    """Validation first, then losses, then shares."""
    return (0 if tag == "val/AP" else 1 if tag == "train/pose" else 3 if tag in SHARES else 2), tag


def _caption(tag: str) -> str:
    return {
        "val/AP": "On DATASET.VAL_SET, which chooses the best model.",
        "train/pck": "On augmented training crops, so no estimate of what a test gives.",
        "train/domain_accuracy": "Of the domain classifier: 50 is chance; near 100 the reversed gradient carries nothing.",
        "train/domain": "Loss of the second net or of the distance that adaptation adds; ln 2 = 0.69 is a classifier's chance.",
    }.get(tag, "Mean over the steps between two notes.")


def calibration_section(runs: Sequence[Run], scores: Scores) -> Section:
    """Reliability diagrams and calibration errors."""
    section = Section("calibration", "Calibration of the scores")
    section.say(
        "AP looks at the order of the scores alone (rank correlation: 1 is perfect); whoever sets a threshold needs "
        "their size as well. Expected calibration error: mean distance between score and achieved OKS over ten "
        "equally full bins, in percent points. The dotted line is perfect calibration. Scores of nets whose maps sum to 1 "
        "are maxima of distributions and far below any OKS; their order is all that they say."
    )
    drawings, rows = [], []
    for index, run in enumerate(runs):
        scored = scores.scored.get(run.name)
        if scored is None or scored.persons is None:
            section.miss(f"{run.name}: no scored predictions, see Results.")
            continue
        persons, joints = scored.persons, scored.joints
        caption = f"{run.name}: points are persons, circles means of their bins, squares those of joints."
        alt = f"Achieved OKS by score for {run.name}; calibration error {100 * persons.error:.1f} percent points"
        drawings.append(Drawing(reliability_figure(persons, joints, index), alt, caption))
        for kind, part in (("persons", persons), ("joints", joints)):
            if part is not None:
                means = (figure(float(values.mean()), "{:.3f}") for values in (part.score, part.achieved))
                name = Cell(f"{run.name}, {kind}")
                rows.append([name, figure(float(len(part.score))), *means, share(part.error), figure(part.order, "{:.2f}")])  # fmt: skip
    if rows:
        header = ["run", "number", "mean score", "mean OKS", "calibration error (%)", "rank correlation"]
        section.blocks += [Drawings(drawings), Table("Score against achieved OKS.", header, rows)]
    return section


def pictures_section(runs: Sequence[Run], scores: Scores, count: int) -> Section:
    """Best and worst predictions of each run, and what changed most against the first."""
    section = Section("pictures", "Best and worst pictures")
    if not count:
        section.miss("Pictures were left out.")
        return section
    section.say(
        "Labels are blue, predictions orange, the left side lighter than the right. OKS: 1 is exact, 0 is lost."
    )
    fair = fair_share(count, len(runs), MOST_TILES)
    if fair < count:
        section.say(f"{fair} instead of {count} pictures each, so that the page stays small.")
    first = scores.scored.get(runs[0].name)
    for run in runs:
        scored = scores.scored.get(run.name)
        section.blocks.append(Heading(run.name))
        if scored is None:
            section.miss("No pictures: its predictions could not be matched to annotations, see Results.")
            continue
        for title, tiles in best_and_worst(scored, fair).items():
            if tiles:
                section.blocks.append(Pictures(title, [[tile] for tile in tiles]))
        if first is not None and scored is not first and scored.truth is first.truth:
            section.blocks += _changed(first, scored, -(-fair // 2))
    return section


def _changed(first: Scored, second: Scored, count: int) -> list[Pictures]:
    names = f"{first.run.name} (left) and {second.run.name} (right)"
    return [
        Pictures(f"{name} most: {names}", [list(two) for two in pairs], look="pairs")
        for name, pairs in most_changed(first, second, count)
        if pairs
    ]


def gap_section(runs: Sequence[Run]) -> Section:
    """Numbers and picture of the gap between domains, where a test measured it."""
    section = Section("gap", "Domain gap")
    rows, pictures = [], []
    for run in runs:
        gap = group(run.metrics, "domain_gap")
        if gap:
            rows.append(_gap_row(run.name, gap))
        for pair_name, by_weights in group(_measured(run), "gaps").items():
            rows += [
                _gap_row(f"{run.name}, {w}", {"splits": [pair_name], **group(by_weights, w)})
                for w in group(by_weights)
            ]
        picture = next((path for name in GAP_PICTURES if (path := run.folder / name).is_file()), None)
        if picture is not None and (gap or picture.name != GAP_PICTURES[0]):
            pictures.append([_picture(run, picture)])
    if rows:
        section.say(
            "How well a fresh probe tells two splits apart by the features: 50 % is chance, 100 % means that every "
            "picture shows where it is from. The Frechet distance is above 0 by chance already. Proxy A-distance: 0 alike, 2 apart."
        )
        header = ["run", "splits", "pictures", "linear probe (%)", "MLP probe (%)", "A-distance, linear", "A-distance, MLP",
                  "squared MMD", "p of no difference", "squared Frechet distance", "the same by chance"]  # fmt: skip
        section.blocks.append(
            Table("Gap between the features of two splits; probes with 95 % intervals.", header, rows)
        )
    if pictures:
        section.blocks.append(Pictures("Features in the plane", pictures, look="wide"))
    if not rows and not pictures:
        section.miss(
            "No run has a domain gap: test it with TEST.DOMAIN_GAP and the name of a split of the other domain."
        )
    return section


def _measured(run: Run) -> Mapping[str, object]:
    """What `fidip domain-gap` left in a run folder, if anything readable."""
    try:
        return group(read_json(run.folder / "gap.json", "gap file"))
    except DataError:
        return {}


def _gap_row(name: str, gap: Mapping[str, object]) -> list[Cell]:
    probes = {name: group(gap, "probes", name) for name in ("linear", "mlp")}
    splits, sizes = gap.get("splits"), gap.get("pictures")
    return [
        Cell(name),
        Cell(" - ".join(map(str, splits)) if isinstance(splits, list) else ""),
        Cell(" + ".join(map(str, sizes)) if isinstance(sizes, list) else ""),
        *(share(number(p.get("accuracy")), pair([p.get("low"), p.get("high")])) for p in probes.values()),
        *(figure(number(p.get("a_distance")), "{:.2f}") for p in probes.values()),
        figure(number(group(gap, "mmd").get("squared")), "{:.4f}"),
        figure(number(group(gap, "mmd").get("p_value")), "{:.3g}"),
        *(figure(number(gap.get(key)), "{:.1f}") for key in ("frechet", "frechet_chance")),
    ]


def _picture(run: Run, path: Path) -> Tile:
    alt = f"Features of {run.name} embedded in the plane, coloured by domain"
    try:
        return Tile(data_uri(path.read_bytes(), "png"), alt, run.name)
    except OSError as error:
        return Tile("", alt, f"{run.name}: {path.name} cannot be read ({error.strerror})")
