"""Networks: trunks, heads, pose nets, domain classifiers, their weights files and their complexity."""

import importlib
import pkgutil

from fidip.models.complexity import Complexity, complexity
from fidip.models.domain import DOMAIN_CLASSIFIERS, reverse_gradient
from fidip.models.pose import POSE_NETS, PoseNet, network_class
from fidip.models.weights import LoadReport, export_weights, load_weights

for _module in pkgutil.iter_modules(__path__, f"{__name__}."):
    importlib.import_module(_module.name)  # a file with a network registers it

__all__ = [
    "DOMAIN_CLASSIFIERS",
    "POSE_NETS",
    "Complexity",
    "LoadReport",
    "PoseNet",
    "complexity",
    "export_weights",
    "load_weights",
    "network_class",
    "reverse_gradient",
]
