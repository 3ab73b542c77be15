"""Datasets made of datasets."""

import numpy as np
from torch.utils.data import Dataset

from mmdet.registry import DATASETS
from mmdet.utils import UserError

from .samplers import SampleIndex


@DATASETS.register_module()
class ConcatDataset(Dataset):
    """Several datasets in sequence, such as videos and image pairs for joint training.

    Each has its own random stream. ``GroupSampler`` and the video samplers work with it.

    Args:
        datasets (Sequence[dict | Dataset]): datasets or their configs; their class names must be equal.

    Attributes:
        metainfo, group_flags, video_slices: as in :class:`~mmdet.datasets.base.DetDataset`; the category ids
            are those of the first dataset.

    Raises:
        UserError: the class names differ, or datasets to test on share an id of a video or image.
    """

    def __init__(self, datasets):
        if not datasets:
            raise ValueError('ConcatDataset: expected at least one dataset')
        self.datasets = [DATASETS.build(entry) if isinstance(entry, dict) else entry for entry in datasets]
        first = self.datasets[0]
        for number, dataset in enumerate(self.datasets):
            if dataset.metainfo['classes'] != first.metainfo['classes']:
                raise UserError(
                    f'ConcatDataset: dataset {number} has other classes than dataset 0; give all '
                    f'datasets the same classes (and filter_classes=True): '
                    f'got {dataset.metainfo["classes"]}, expected {first.metainfo["classes"]}'
                )
            dataset.stream = number
        self._check_ids()
        self.metainfo = first.metainfo
        self.offsets = np.cumsum([0] + [len(dataset) for dataset in self.datasets])
        self.group_flags = np.concatenate([dataset.group_flags for dataset in self.datasets])
        self.video_slices = [
            (start + int(offset), end + int(offset))
            for dataset, offset in zip(self.datasets, self.offsets)
            for start, end in dataset.video_slices
        ]

    def _check_ids(self):
        """Results go by ids, so those of different datasets must differ where results are made."""
        first = {}
        for number, dataset in enumerate(self.datasets):
            for video in dataset.videos if getattr(dataset, 'test_mode', False) else ():
                if first.setdefault(video['id'], number) != number:
                    raise UserError(
                        f'ConcatDataset: the id {video["id"]!r} is in dataset {first[video["id"]]} and in '
                        f'dataset {number}, so that their results could not be told apart'
                    )

    def __len__(self):
        return int(self.offsets[-1])

    def locate(self, index):
        """Index of the dataset that a sample belongs to, and the index of the sample in it."""
        if not -len(self) <= index < len(self):
            raise IndexError(f'item {index} of a dataset of {len(self)}')
        index %= len(self)
        number = int(np.searchsorted(self.offsets, index, side='right')) - 1
        return number, index - int(self.offsets[number])

    def __getitem__(self, item):
        if not isinstance(item, SampleIndex):
            item = SampleIndex(int(item))
        number, local = self.locate(item.index)
        return self.datasets[number][item._replace(index=local)]
