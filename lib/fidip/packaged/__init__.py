"""Weights that come with the package: a .safetensors file and a model card (.md) each.

The card's front matter (YAML between two lines of dashes) holds every fact that code needs.
"""

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

from fidip.errors import WeightsError

FOLDER = Path(__file__).parent
DEFAULT = (
    "movenet_thunder"  # the model of `fidip predict` and `fidip.load`, chosen by measure: docs/movenet.md
)
FINDER = "movenet_lightning"  # finds the person in a whole frame, whatever network estimates the pose


@dataclass(frozen=True)
class PackagedModel:
    """What a model card says of its weights.

    Attributes:
        title: name for people.
        licence: SPDX name of the weights' licence.
        holder: who holds the rights.
        config: config of the network, below ``experiments``.
        sha256: hash of the .safetensors file.
        sources: the published files it was made from, with their hashes.
        parameters: number of weights of the pose network.
        ap: AP in percent on the validation infants, untrained on infants, as the card states it.
        interval: 95 % interval of ``ap``.
    """

    name: str
    title: str
    licence: str
    holder: str
    config: str
    sha256: str
    sources: dict[str, str]
    parameters: int
    ap: float
    interval: tuple[float, float]

    @property
    def path(self) -> Path:
        """The weights file; not verified, see ``find_weights``."""
        return FOLDER / f"{self.name}.safetensors"

    @property
    def card(self) -> Path:
        """The model card."""
        return FOLDER / f"{self.name}.md"


@cache
def packaged_models() -> dict[str, PackagedModel]:
    """Read all model cards; name -> facts, the default first."""
    found = {}
    for card in sorted(FOLDER.glob("*.md"), key=lambda path: (path.stem != DEFAULT, path.stem)):
        facts = yaml.safe_load(card.read_text(encoding="utf-8").split("---\n")[1])
        low, high = facts.pop("interval")
        found[card.stem] = PackagedModel(name=card.stem, interval=(low, high), **facts)
    return found


def find_weights(entry: str | Path) -> Path:
    """Resolve a packaged model's name to its verified file; any other entry is a path and returned as one.

    Raises WeightsError when the packaged file is missing or its hash is not the card's.
    """
    model = packaged_models().get(str(entry))
    if model is None:
        return Path(entry)
    if not model.path.is_file():
        raise WeightsError(f"packaged weights {model.name}: {model.path} is missing; install fidip again")
    if hashlib.sha256(model.path.read_bytes()).hexdigest() != model.sha256:
        raise WeightsError(
            f"packaged weights {model.name}: {model.path} was changed (its SHA-256 is not the model card's); "
            "install fidip again"
        )
    return model.path
