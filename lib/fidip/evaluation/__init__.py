"""Scores: COCO keypoint AP and AR, OKS suppression, PCK, results files, tables and pictures."""

from fidip.evaluation.coco import CocoEvaluator
from fidip.evaluation.matching import Match
from fidip.evaluation.nms import oks, oks_nms, soft_oks_nms
from fidip.evaluation.pictures import prediction_pictures, write_prediction_pictures
from fidip.evaluation.results import read_results, write_metrics, write_results
from fidip.evaluation.table import ModelRow, joint_table, posture_table, results_table

__all__ = [
    "CocoEvaluator",
    "Match",
    "ModelRow",
    "joint_table",
    "oks",
    "oks_nms",
    "posture_table",
    "prediction_pictures",
    "read_results",
    "results_table",
    "soft_oks_nms",
    "write_metrics",
    "write_prediction_pictures",
    "write_results",
]
