"""A stand-in for pictures: small files of random bytes, some of which cannot be made; also a script to be killed."""

import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fidip.errors import DataError
from infantsynth.dataset import merge
from infantsynth.shards import Crew, Product, ShardFolder, make_shards


@dataclass(frozen=True)
class FakeRecipe:
    """seconds: time a picture takes. spoilt: indices whose first draw is no good. broken: those that never work.

    flaky: each index fails at its first call. deadly: indices that end the process, as the system does when memory
    runs out.
    """

    seed: int = 0
    seconds: float = 0.0
    spoilt: tuple[int, ...] = ()
    broken: tuple[int, ...] = ()
    flaky: bool = False
    deadly: tuple[int, ...] = ()

    def maker(self):
        calls = set()

        def make(index, draw):
            time.sleep(self.seconds)
            if index in self.deadly:
                os.kill(os.getpid(), signal.SIGKILL)
            if index in self.broken:
                raise ValueError("no such index")
            if index in self.spoilt and draw == 0:
                raise DataError("the infant is outside")
            if self.flaky and index not in calls:
                calls.add(index)
                raise OSError("a passing trouble")
            return product(self.seed, index, draw)

        return make


def product(seed, index, draw):
    rng = np.random.default_rng([seed, index, draw])
    name = f"train{10001 + index:05d}"
    image = {
        "id": 10001 + index,
        "file_name": f"{name}.jpg",
        "width": 8,
        "height": 8,
        "seed": int(rng.integers(2**53)),
    }
    annotation = {"id": 10001 + index, "image_id": 10001 + index, "bbox": rng.random(4).tolist(),
                  "keypoints": [0] * 51, "category_id": 1}  # fmt: skip
    files = {f"images/fake/{name}.jpg": rng.bytes(200), f"depth/fake/{name}.png": rng.bytes(50)}
    return Product({"image": image, "annotation": annotation}, files)


def run(root, count, recipe, workers=1, size=4, backend="local"):
    """What the driver does, without its checks."""
    store = ShardFolder(Path(root) / "shards/fake", size)
    store.claim({"seed": recipe.seed})
    shards = store.shards(count)
    made = make_shards(store, store.pending(shards), recipe, Crew(workers, backend))
    return made, merge(store, shards, Path(root), "fake", {"seed": recipe.seed})


def contents(root):
    """Path -> bytes of a set, without its shards."""
    root = Path(root)
    files = (p for folder in ("annotations", "images", "depth") for p in (root / folder).rglob("*"))
    return {str(p.relative_to(root)): p.read_bytes() for p in files if p.is_file()}


if __name__ == "__main__":
    run(sys.argv[1], int(sys.argv[2]), FakeRecipe(seconds=float(sys.argv[3])), workers=int(sys.argv[4]))
