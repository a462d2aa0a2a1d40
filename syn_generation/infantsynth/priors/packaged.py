"""The prior that comes with the package, learnt from the authored postures; syn_generation/learn_prior.py makes it."""

from functools import lru_cache
from importlib.resources import as_file, files

from infantsynth.body import BodyModel
from infantsynth.priors.files import StoredPrior, read_prior
from infantsynth.priors.prior import PosePrior

FILE = "infant_poses.npz"


@lru_cache(maxsize=1)
def packaged_prior() -> StoredPrior:
    """The packaged mixture over the postures of infants."""
    with as_file(files("infantsynth.priors") / "data" / FILE) as path:
        return read_prior(path)


def default_prior(body: BodyModel) -> PosePrior:
    """The packaged prior over the joints of a body."""
    return packaged_prior().for_body(body)
