"""COCO keypoint evaluation on plain arrays; knows neither model nor dataset class."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from fidip.annotations import Record, check_annotations, finite_numbers, load_annotations
from fidip.errors import DataError
from fidip.evaluation.groundtruth import AreaMode, ground_truth, index_coco, silence
from fidip.evaluation.matching import Match, match_image
from fidip.evaluation.nms import Array, keypoint_areas, oks_nms, soft_oks_scores
from fidip.evaluation.pck import joint_oks, pck
from fidip.evaluation.results import METRIC_NAMES, check_results, read_results
from fidip.skeleton import COCO17, Skeleton

Summary = dict[str, float | None]
ImageId = int | str


class CocoEvaluator:
    """Collect predictions, then score them with pycocotools' COCOeval.

    annotation_file: a COCO keypoint JSON, or its content as a dict. area: where the object area in the OKS
    comes from (``groundtruth.ground_truth``). in_vis_thre: joints scored above it count in the rescoring.
    oks_thre: persons of one picture that are more alike are suppressed; soft_nms: lower their scores instead.
    rescore: multiply the box score by the mean of the joint scores above in_vis_thre (0 if none is). source:
    what messages call the annotations, e.g. "annotation file a.json" when a dict was read from it.
    Raises DataError for a faulty annotation file, ConfigError for an unknown area.
    """

    def __init__(
        self,
        annotation_file: Path | str | Record,
        area: AreaMode = "annotation",
        skeleton: Skeleton = COCO17,
        in_vis_thre: float = 0.2,
        oks_thre: float = 0.9,
        soft_nms: bool = False,
        rescore: bool = True,
        source: str | None = None,
    ) -> None:
        if isinstance(annotation_file, dict):
            self.source = source or "annotation dict"
            data = check_annotations(annotation_file, self.source, skeleton)
        else:
            self.source = source or f"annotation file {annotation_file}"
            data = load_annotations(annotation_file, skeleton)
        self.area, self.skeleton = area, skeleton
        self.in_vis_thre, self.oks_thre = in_vis_thre, oks_thre
        self.soft_nms, self.rescore = soft_nms, rescore
        self.truth = ground_truth(data, area, self.source)
        self.category_id = data["categories"][0]["id"]
        self.reset()

    @property
    def n_images(self) -> int:
        """Number of pictures in the annotation file, those without a person included."""
        return len(self.truth.imgs)

    def require_labelled(self) -> None:
        """Raise DataError where no person has a labelled keypoint, so that nothing can be scored."""
        if not any(one["num_keypoints"] and not one["iscrowd"] for one in self.truth.dataset["annotations"]):
            raise DataError(f"{self.source} has no person with a labelled keypoint: nothing can be scored")

    def reset(self) -> None:
        """Forget all predictions."""
        self._added: dict[ImageId, list[_Prediction]] = defaultdict(list)
        self._results: list[Record] | None = None
        self._loaded = False

    def add(
        self,
        image_ids: Sequence[ImageId] | np.ndarray | torch.Tensor,
        keypoints: ArrayLike | torch.Tensor,
        keypoint_scores: ArrayLike | torch.Tensor,
        box_scores: ArrayLike | torch.Tensor | None = None,
        areas: ArrayLike | torch.Tensor | None = None,
    ) -> None:
        """Add B predicted persons; a picture may come in several calls.

        image_ids (B,); keypoints (B, K, 2) image px; keypoint_scores (B, K); box_scores (B,), default 1;
        areas (B,) px^2 for the suppression, default the box around the joints. numpy or torch, any device.
        Raises DataError for an image id that the annotations lack or a number that is not finite, ValueError
        for wrong shapes.
        """
        if self._loaded:
            raise ValueError("results were loaded from a file; call reset() before adding predictions")
        ids = image_ids.tolist() if isinstance(image_ids, (np.ndarray, torch.Tensor)) else list(image_ids)
        xy, joint_scores = _array(keypoints), _array(keypoint_scores)
        expected = (len(ids), self.skeleton.num_joints)
        if xy.shape != (*expected, 2) or joint_scores.shape != expected:
            raise ValueError(
                f"expected keypoints {(*expected, 2)} and scores {expected}, got {xy.shape} and {joint_scores.shape}"
            )
        boxes = np.ones(len(ids)) if box_scores is None else _array(box_scores)
        sizes = keypoint_areas(xy) if areas is None else _array(areas)
        if boxes.shape != (len(ids),) or sizes.shape != (len(ids),):
            raise ValueError(f"expected {len(ids)} box scores and areas, got {boxes.shape} and {sizes.shape}")
        scores = boxes * self._joint_factor(joint_scores) if self.rescore else boxes
        persons = np.concatenate([xy, joint_scores[..., None]], axis=2)
        self._check_added(ids, persons, scores, sizes)
        for image_id, person, score, size in zip(ids, persons, scores, sizes, strict=True):
            self._added[image_id].append((person, float(score), float(size)))
        self._results = None

    def load_results(self, results: Path | str | Sequence[Record]) -> None:
        """Take the predictions from a COCO results file, or its content, as they are: no rescoring, no NMS.

        Raises DataError for a faulty file, or one that does not belong to the annotations.
        """
        if isinstance(results, (Path, str)):
            source, records = f"results file {results}", read_results(Path(results))
        else:
            source, records = "results", list(results)
        joints = self.skeleton.num_joints
        self._results = check_results(records, self.truth.imgs, self.category_id, joints, source)
        self._loaded = True

    def results(self) -> list[Record]:
        """Return the predictions in COCO results format, rescored and with repeated persons suppressed."""
        if self._results is None:
            self._results = [
                result
                for image_id, added in self._added.items()
                for result in self._suppressed(image_id, added)
            ]
        return list(self._results)

    def coco_eval(self, image_ids: Sequence[ImageId] | None = None) -> COCOeval:
        """Run COCOeval (evaluate, accumulate, summarize) over all pictures or only ``image_ids``."""
        with silence():
            run = COCOeval(self.truth, _detections(self.truth, self.results()), "keypoints")
            run.params.kpt_oks_sigmas = np.array(self.skeleton.sigmas)
            if image_ids is not None:
                run.params.imgIds = list(image_ids)
            run.evaluate()
            run.accumulate()
            run.summarize()
        return run

    def summarize(self, image_ids: Sequence[ImageId] | None = None) -> Summary:
        """AP, AP50, AP75, AP_M, AP_L and the same of AR, in 0..1; None where there is no such object."""
        stats = self.coco_eval(image_ids).stats
        return {name: None if s < 0 else float(s) for name, s in zip(METRIC_NAMES, stats, strict=True)}

    def metrics(self, boxes: str = "unknown") -> dict[str, Any]:
        """What belongs in metrics.json: ``summarize()`` with n_images, area and ``boxes`` ("gt" or a file)."""
        return {**self.summarize(), "n_images": self.n_images, "area": self.area, "boxes": boxes}

    def matches(self) -> list[Match]:
        """Every labelled person with its prediction; see ``matching.match_image``."""
        by_image: dict[ImageId, list[Record]] = defaultdict(list)
        for result in self.results():
            by_image[result["image_id"]].append(result)
        return [
            match
            for image_id, image in self.truth.imgs.items()
            for match in match_image(
                image, self.truth.imgToAnns.get(image_id, []), by_image[image_id], self.skeleton.sigmas
            )
        ]

    def details(self) -> dict[str, Any]:
        """Where the model fails, ready for JSON.

        pck and oks_per_joint: see ``fidip.evaluation.pck``. posture: {posture: {"n": pictures, "AP", ...}}
        when the pictures have more than one ``posture``, else empty. images: [{"image_id", "file_name",
        "oks"}], the OKS of the picture's best matched person, best picture first; pictures without a
        labelled person are left out.
        """
        matches = self.matches()
        return {
            "pck": pck(matches, self.skeleton),
            "oks_per_joint": joint_oks(matches, self.skeleton),
            "posture": self._postures(),
            "images": _ranking(matches),
        }

    def postures(self) -> dict[str, list[ImageId]]:
        """Ids of the pictures of each posture, in the order of the names; {} unless there are at least two."""
        groups: dict[str, list[ImageId]] = defaultdict(list)
        for image_id, image in self.truth.imgs.items():
            if image.get("posture"):
                groups[str(image["posture"])].append(image_id)
        return dict(sorted(groups.items())) if len(groups) > 1 else {}

    def _joint_factor(self, joint_scores: Array) -> Array:
        """Mean of the joint scores above in_vis_thre, (B, K) -> (B,); 0 if none is."""
        counted = joint_scores > self.in_vis_thre
        return np.where(counted, joint_scores, 0).sum(axis=1) / np.maximum(counted.sum(axis=1), 1)

    def _check_added(self, ids: list[ImageId], persons: Array, scores: Array, areas: Array) -> None:
        unknown = [image_id for image_id in ids if image_id not in self.truth.imgs]
        if unknown:
            raise DataError(f"{self.source} has no image {unknown[0]!r}; predict on the pictures it lists")
        finite = np.isfinite(persons).all(axis=(1, 2)) & np.isfinite(scores) & np.isfinite(areas)
        if not finite.all():
            image_id = ids[int(np.flatnonzero(~finite)[0])]
            raise DataError(
                f"the prediction for image {image_id!r} is not finite; check the weights and the picture"
            )

    def _suppressed(self, image_id: ImageId, added: list["_Prediction"]) -> list[Record]:
        persons, scores, areas = (np.array(column) for column in zip(*added, strict=True))
        arguments = (persons, scores, areas, self.oks_thre, self.skeleton.sigmas)
        if self.soft_nms:
            kept, kept_scores = soft_oks_scores(*arguments)
        else:
            kept = oks_nms(*arguments)
            kept_scores = scores[kept]
        return [
            {
                "image_id": image_id,
                "category_id": self.category_id,
                "keypoints": persons[index].ravel().tolist(),
                "score": float(score),
            }
            for index, score in zip(kept, kept_scores, strict=True)
        ]

    def _postures(self) -> dict[str, dict[str, Any]]:
        return {name: {"n": len(ids), **self.summarize(ids)} for name, ids in self.postures().items()}


_Prediction = tuple[Array, float, float]  # (K, 3) x, y, score; score; area in px^2


def _array(values: ArrayLike | torch.Tensor) -> Array:
    if isinstance(values, torch.Tensor):
        values = values.detach().cpu().double().numpy()
    return np.asarray(values, np.float64)


def _detections(truth: COCO, results: list[Record]) -> COCO:
    """COCO object over results; areas come from their boxes if all have one, else from their joints."""
    if not results:  # loadRes cannot take an empty list
        return index_coco({**truth.dataset, "annotations": []})
    with_box = all(_is_box(result.get("bbox")) for result in results)
    fields = ("image_id", "category_id", "keypoints", "score", *(("bbox",) if with_box else ()))
    return truth.loadRes([{name: result[name] for name in fields} for result in results])


def _is_box(value: Any) -> bool:
    numbers = finite_numbers(value)
    return numbers is not None and numbers.size == 4


def _ranking(matches: Sequence[Match]) -> list[dict[str, Any]]:
    best: dict[ImageId, Match] = {}
    for match in matches:
        if match.image_id not in best or match.oks > best[match.image_id].oks:
            best[match.image_id] = match
    ranked = sorted(best.values(), key=lambda match: -match.oks)
    return [{"image_id": m.image_id, "file_name": m.file_name, "oks": m.oks} for m in ranked]
