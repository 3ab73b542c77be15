"""The order of samples, on one rank or several, from the start of an epoch or from its middle."""

import itertools
from typing import NamedTuple

import numpy as np
from mmengine.dist import get_dist_info, sync_random_seed

from mmdet.registry import DATA_SAMPLERS


class SampleIndex(NamedTuple):
    """What a sampler asks a dataset for: sample, epoch, and the seed of the run (None: the dataset's)."""

    index: int
    epoch: int = 0
    seed: int | None = None


def _world(rank, world_size):
    current_rank, current_size = get_dist_info()
    return (current_rank if rank is None else rank), (current_size if world_size is None else world_size)


@DATA_SAMPLERS.register_module()
class GroupSampler:
    """Shuffled training order in which every batch has images of one orientation (docs/conventions.md,
    "Training pairs").

    Landscape (width > height) and other samples are shuffled separately, each group is padded to whole
    batches with samples from its own beginning, and the order of the batches is shuffled. Several ranks take
    batches in turn, so that the order depends only on (seed, epoch) and the total batch size.

    Args:
        dataset: has ``group_flags``, one small integer for each sample.
        batch_size (int): images per rank and step; the same as in the data loader.
        seed (int | None): None draws one and shares it over the ranks.
        shuffle (bool): False keeps file order inside the groups, for debugging.
        rank, world_size (int | None): default to the current process group.
        infinite (bool): start the next epoch when one ends, for loops that count iterations.

    Yields:
        SampleIndex: sample, epoch and seed.
    """

    def __init__(
        self, dataset, batch_size=1, seed=None, shuffle=True, rank=None, world_size=None, infinite=False
    ):
        if batch_size < 1:
            raise ValueError(f'GroupSampler: batch_size must be at least 1, got {batch_size}')
        if len(dataset) == 0:
            raise ValueError('GroupSampler: the dataset is empty')
        self.dataset = dataset
        self.batch_size = batch_size
        self.seed = sync_random_seed() if seed is None else seed
        self.shuffle = shuffle
        self.rank, self.world_size = _world(rank, world_size)
        self.infinite = infinite
        self.epoch = 0
        self._offset = 0
        flags = np.asarray(dataset.group_flags)
        self._groups = [np.flatnonzero(flags == flag) for flag in np.unique(flags)]
        batches = sum(-(-len(group) // batch_size) for group in self._groups)
        batches = -(-batches // self.world_size) * self.world_size
        self._total = batches * batch_size

    def __len__(self):
        """Samples of this rank in an epoch, whatever the offset."""
        return self._total // self.world_size

    def set_epoch(self, epoch):
        """Set the epoch of the next iteration."""
        self.epoch = epoch

    def set_offset(self, num_batches):
        """Skip the first ``num_batches`` batches (of this rank) of the next iteration, to resume inside an
        epoch.

        Raises:
            ValueError: a negative number, or more batches than the epoch has.
        """
        if not 0 <= num_batches <= len(self) // self.batch_size:
            raise ValueError(
                f'GroupSampler: offset must be between 0 and the {len(self) // self.batch_size} batches '
                f'of an epoch, got {num_batches}'
            )
        self._offset = num_batches

    def generator(self, epoch):
        """Random generator of an epoch, with ``shuffle`` and ``permutation``."""
        return np.random.default_rng([self.seed, epoch])

    def batches(self, epoch):
        """All batches of an epoch over all ranks: int array (number of batches, batch_size)."""
        rng = self.generator(epoch)
        order = []
        for group in self._groups:
            group = group.copy()
            if self.shuffle:
                rng.shuffle(group)
            order.append(np.resize(group, -(-len(group) // self.batch_size) * self.batch_size))
        batches = np.concatenate(order).reshape(-1, self.batch_size)
        if self.shuffle:
            batches = batches[rng.permutation(len(batches))]
        return np.resize(batches, (self._total // self.batch_size, self.batch_size))

    def __iter__(self):
        epoch, offset = self.epoch, self._offset
        self._offset = 0
        while True:
            mine = self.batches(epoch)[self.rank :: self.world_size]
            for index in mine[offset:].ravel().tolist():
                yield SampleIndex(index, epoch, self.seed)
            if not self.infinite:
                return
            epoch, offset = epoch + 1, 0


def split_videos(lengths, parts):
    """Distribute whole videos over parts of about the same number of frames.

    Each video, longest first, goes to the part with the fewest frames so far. Parts keep the order of videos.

    Args:
        lengths (Sequence[int]): frames of each video.
        parts (int): number of ranks.

    Returns:
        list[list[int]]: indices of the videos of each part, ascending.
    """
    shares = [[] for _ in range(parts)]
    loads = [0] * parts
    for video in sorted(range(len(lengths)), key=lambda v: (-lengths[v], v)):
        part = loads.index(min(loads))
        shares[part].append(video)
        loads[part] += lengths[video]
    return [sorted(share) for share in shares]


@DATA_SAMPLERS.register_module()
class VideoSampler:
    """Testing order: the frames of whole videos, in file order, each video on exactly one rank.

    Args:
        dataset: has ``video_slices``, ``(first sample, one past the last sample)`` of each video.
        seed: unused, but mmengine passes it to every sampler.
        rank, world_size (int | None): default to the current process group.
    """

    def __init__(self, dataset, seed=None, rank=None, world_size=None):
        self.dataset = dataset
        self.rank, self.world_size = _world(rank, world_size)
        slices = dataset.video_slices
        self.share = split_videos([end - start for start, end in slices], self.world_size)[self.rank]
        self.slices = [slices[video] for video in self.share]

    def __len__(self):
        return sum(end - start for start, end in self.slices)

    def set_epoch(self, epoch):
        """Does nothing, as the order is fixed; the runner's loops call it."""

    def __iter__(self):
        for start, end in self.slices:
            yield from range(start, end)


@DATA_SAMPLERS.register_module()
class VideoBatchSampler(VideoSampler):
    """Testing batches: consecutive frames in file order, each video on exactly one rank.

    A batch is filled with the next video where both have frames of one size, so that no frame is padded for
    another one.

    Args:
        sampler: a sampler, as mmengine passes it, or a dataset. Of the dataset only ``video_slices`` and
            ``video_sizes`` are used; without the latter a batch never has frames of two videos.
        batch_size (int): frames of a batch.
        drop_last (bool): must be False: testing needs every frame.
        rank, world_size (int | None): default to the current process group.
    """

    def __init__(self, sampler, batch_size=1, drop_last=False, rank=None, world_size=None):
        if drop_last:
            raise ValueError('VideoBatchSampler: drop_last would lose frames, set it to False')
        if batch_size < 1:
            raise ValueError(f'VideoBatchSampler: batch_size must be at least 1, got {batch_size}')
        super().__init__(getattr(sampler, 'dataset', sampler), rank=rank, world_size=world_size)
        self.sampler = sampler
        self.batch_size = batch_size
        self.drop_last = False
        sizes = getattr(self.dataset, 'video_sizes', None)
        keys = self.share if sizes is None else [sizes[video] for video in self.share]
        runs = itertools.groupby(zip(keys, self.slices), key=lambda pair: pair[0])
        self._runs = [[i for _, ends in run for i in range(*ends)] for _, run in runs]

    def __len__(self):
        return sum(-(-len(run) // self.batch_size) for run in self._runs)

    def __iter__(self):
        for run in self._runs:
            for first in range(0, len(run), self.batch_size):
                yield run[first : first + self.batch_size]
