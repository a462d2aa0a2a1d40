"""Order of the samples: shuffled anew each epoch from a seed, the same on every machine, resumable anywhere."""

from collections.abc import Iterator, Sequence

import numpy as np
from torch.utils.data import Sampler


class EpochBatches(Sampler[list[tuple[int, int]]]):
    """Batches of (record index, draw number) for one process of ``world``.

    The order is a function of seed and epoch only. All processes cut the same global batches, of
    ``batch_size * world`` samples, into equal parts, so N processes see what one with N times the batch sees.
    balanced: mix the domains so that each batch has as many real as synthetic samples (up to rounding); the
    samples of the smaller domain are all drawn the same number of times. The draw number is unique over the
    training and seeds the augmentation.
    """

    def __init__(
        self,
        synthetic: Sequence[bool],
        batch_size: int,
        seed: int,
        balanced: bool = False,
        shuffle: bool = True,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        self.synthetic = np.asarray(synthetic, dtype=bool)
        self.batch_size, self.seed, self.shuffle = batch_size, seed, shuffle
        self.rank, self.world = rank, world
        self.balanced = balanced and 0 < self.synthetic.sum() < len(self.synthetic)
        self.epoch = 0
        self.start_batch = 0  # batches of the epoch to leave out: they were done before a restart

    @property
    def epoch_size(self) -> int:
        """Samples per epoch, over all processes."""
        if not self.balanced:
            return len(self.synthetic)
        small, large = sorted((int(self.synthetic.sum()), int((~self.synthetic).sum())))
        return large + small * _repeats(small, large)

    @property
    def batches_per_epoch(self) -> int:
        """Batches of a whole epoch; an incomplete last one is cut so that every process gets its part."""
        whole, rest = divmod(self.epoch_size, self.batch_size * self.world)
        return whole + (rest >= self.world)

    def order(self, epoch: int) -> np.ndarray:
        """Record indices of one epoch, in order."""
        rng = np.random.default_rng([self.seed, epoch])
        if not self.balanced:
            everything = np.arange(len(self.synthetic))
            return rng.permutation(everything) if self.shuffle else everything
        small, large = sorted((np.flatnonzero(self.synthetic), np.flatnonzero(~self.synthetic)), key=len)
        often = [rng.permutation(small) for _ in range(_repeats(len(small), len(large)))]
        parts = [np.concatenate(often), rng.permutation(large)]
        place = np.concatenate([(np.arange(len(part)) + 0.5) / len(part) for part in parts])
        return np.concatenate(parts)[np.argsort(place, kind="stable")]

    def __len__(self) -> int:
        return self.batches_per_epoch - self.start_batch

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        order = self.order(self.epoch)
        first_draw = self.epoch * len(order)
        step = self.batch_size * self.world
        for batch in range(self.start_batch, self.batches_per_epoch):
            positions = np.arange(batch * step, min((batch + 1) * step, len(order)))
            part = len(positions) // self.world
            for_me = positions[self.rank * part : (self.rank + 1) * part]
            yield [(int(order[i]), int(first_draw + i)) for i in for_me]


def _repeats(small: int, large: int) -> int:
    return max(1, round(large / small))
