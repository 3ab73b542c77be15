"""What the datasets have in common: categories, seeded randomness, the pipeline."""

import os.path as osp

import numpy as np
from torch.utils.data import Dataset

from mmdet.registry import DATASETS, TRANSFORMS
from mmdet.utils import UserError, suggest

from .samplers import SampleIndex


def compose(pipeline):
    """Build the steps of a pipeline: dicts through ``TRANSFORMS``, callables as they are."""
    steps = []
    for number, step in enumerate(pipeline):
        if isinstance(step, dict):
            step = TRANSFORMS.build(step)
        if not callable(step):
            raise TypeError(f'pipeline[{number}]: expected a dict with type or a callable, got {step!r}')
        steps.append(step)
    return steps


def match_classes(path, categories, used_ids, classes=None, filter_classes=False):
    """Decide which category gets which label.

    Args:
        path (str): annotation file, for messages.
        categories (list[dict]): ``id`` and ``name``.
        used_ids (Container[int]): category ids that annotations refer to.
        classes (Sequence[str] | None): names in the order of the labels; None: all, in the order of ids.
        filter_classes (bool): drop annotations of other categories, and allow names that the file lacks.

    Returns:
        tuple: class names; their category ids (-1 for a name the file lacks).

    Raises:
        UserError: annotations of a category that is not in ``classes``, or a name the file lacks.
    """
    by_name = {category['name']: category['id'] for category in categories}
    if classes is None:
        ordered = sorted(categories, key=lambda category: category['id'])
        return tuple(c['name'] for c in ordered), tuple(c['id'] for c in ordered)
    classes = tuple(classes)
    if len(set(classes)) != len(classes):
        raise UserError(f'classes: a name is listed twice in {classes}')
    if not set(classes) & set(by_name):
        raise UserError(
            f'{path}: none of the given classes {_few(classes)} is among its categories {_few(by_name)}'
        )
    if not filter_classes:
        hint = 'pass filter_classes=True to leave {} out'
        outside = [name for name, identity in by_name.items() if identity in used_ids and name not in classes]
        if outside:
            raise UserError(
                f'{path}: annotations of {len(outside)} categories outside the given classes: '
                + _few(outside)
                + '; '
                + hint.format('them')
            )
        missing = [name for name in classes if name not in by_name]
        if missing:
            raise UserError(
                f'{path}: has no category {missing[0]!r}{suggest(missing[0], by_name)}, which is among '
                f'the given classes ({len(missing)} of {len(classes)} are missing); '
                + hint.format('it (filtering also allows classes without objects)')
            )
    return classes, tuple(by_name.get(name, -1) for name in classes)


def _few(names, count=5):
    names = [repr(name) for name in names]
    more = f' and {len(names) - count} more' if len(names) > count else ''
    return ', '.join(names[:count]) + more


def named_classes(name):
    """Classes of a dataset that knows them, such as ``'OVISDataset'``; ``UserError`` for other names."""
    classes = getattr(DATASETS.get(name), 'CLASSES', None)
    if classes is None:
        known = [key for key, kind in DATASETS.module_dict.items() if getattr(kind, 'CLASSES', None)]
        raise UserError(
            f'classes: expected a list of names or one of {", ".join(sorted(known))}, got the string {name!r}'
        )
    return classes


def rename_categories(path, categories, rename):
    """Give categories the names that the classes of a model have.

    Args:
        path (str): annotation file, for messages.
        categories (list[dict]): ``id`` and ``name``.
        rename (dict[str, str | None]): name in the file -> name here; None leaves the category out.

    Returns:
        list[dict]: categories that are left, with ``id`` and ``name``.

    Raises:
        UserError: a name that the file lacks, or two categories of one name.
    """
    known = [category['name'] for category in categories]
    for name in rename:
        if name not in known:
            raise UserError(f'rename: {path} has no category {name!r}{suggest(name, known)}')
    renamed = [
        {**category, 'name': rename.get(category['name'], category['name'])} for category in categories
    ]
    kept = [category for category in renamed if category['name'] is not None]
    names = [category['name'] for category in kept]
    for name in names:
        if names.count(name) > 1:
            raise UserError(f'rename: {names.count(name)} categories of {path} are named {name!r}')
    return kept


class DetDataset(Dataset):
    """Base of the datasets.

    ``dataset[i]`` or ``dataset[SampleIndex(i, epoch, seed)]`` runs the pipeline on
    ``dict(frames=[frame, ...], rng=..., sample_seed=...)``, see :mod:`mmdet.datasets.transforms.base`. All
    its randomness comes from (seed, epoch, index): worker processes, ranks and where a run was cut have no
    say in it. A sampler that gives plain numbers means epoch 0 every time, so train with one that names the
    epoch, such as ``GroupSampler``.

    Args:
        ann_file (str): annotation file, relative to ``data_root``.
        pipeline (Sequence[dict | Callable]): the transforms.
        data_root (str): put before relative paths.
        data_prefix (dict): ``img``: folder of the images, relative to ``data_root``.
        classes (Sequence[str] | str | None): names in the order of the labels, or the type of a dataset
            whose names they are; None takes all of the file, in the order of their ids.
        metainfo (dict | None): another way to give ``classes``, as configs of mmdetection do.
        filter_classes (bool): drop objects of other categories instead of refusing them.
        rename (dict[str, str | None] | None): names in the file -> names here, see :func:`rename_categories`.
        test_mode (bool): no filtering, no randomness.
        seed (int): used where the sampler gives none.
        box_offset (int): 1 for boxes in inclusive pixels (x2 = x + w - 1, 2019), 0 for x2 = x + w.

    Attributes:
        metainfo (dict): ``classes`` and ``cat_ids``, one for each label.
        group_flags (np.ndarray): uint8, 1 for items wider than high.
        video_slices (list[tuple[int, int]]): items of each video, see :class:`VideoSampler`.
        stream (int): number of this dataset among those that are concatenated.
    """

    CLASSES = None  # set by subclasses of a known dataset

    def __init__(
        self,
        ann_file,
        pipeline=(),
        data_root='',
        data_prefix=None,
        classes=None,
        metainfo=None,
        filter_classes=False,
        rename=None,
        test_mode=False,
        seed=0,
        box_offset=1,
    ):
        if box_offset not in (0, 1):
            raise ValueError(f'box_offset must be 0 or 1, got {box_offset!r}')
        self.ann_file = osp.join(data_root, ann_file) if data_root else ann_file
        self.img_prefix = osp.join(data_root, (data_prefix or {}).get('img', ''))
        self.test_mode = test_mode
        self.seed = seed
        self.box_offset = box_offset
        self.stream = 0
        if classes is None:
            classes = (metainfo or {}).get('classes', self.CLASSES)
        self._classes_given = named_classes(classes) if isinstance(classes, str) else classes
        self.filter_classes = filter_classes
        self.rename = dict(rename or {})
        self.metainfo = {}
        self.load()
        if not test_mode and len(self) == 0:
            raise UserError(f'{self.ann_file}: no frame has a usable object, there is nothing to train on')
        self.pipeline = compose(pipeline)

    def load(self):
        """Read the annotation file; sets ``metainfo``, ``group_flags`` and ``video_slices``."""
        raise NotImplementedError

    def frames_of(self, index, rng):
        """Raw frames of an item: the key frame and, where there is one, its reference frame."""
        raise NotImplementedError

    def set_classes(self, categories, used_ids):
        """Fix labels, see :func:`match_classes`."""
        categories = rename_categories(self.ann_file, categories, self.rename)
        classes, cat_ids = match_classes(
            self.ann_file, categories, used_ids, self._classes_given, self.filter_classes
        )
        self.metainfo = {'classes': classes, 'cat_ids': cat_ids}
        self.cat2label = {cat_id: label for label, cat_id in enumerate(cat_ids) if cat_id != -1}

    def read_box(self, bbox, area):
        """[x, y, w, h] to [x1, y1, x2, y2], or None for what is no usable object (semantics A30, B8)."""
        if bbox is None:
            return None
        x, y, w, h = bbox
        if (area is not None and area <= 0) or w < 1 or h < 1:
            return None
        return [x, y, x + w - self.box_offset, y + h - self.box_offset]

    def make_rng(self, entropy):
        """The generator of one sample; ``entropy`` is [seed, epoch, index, stream]."""
        return np.random.default_rng(entropy)

    def __getitem__(self, item):
        index, epoch, seed = item if isinstance(item, SampleIndex) else (int(item), 0, None)
        if index < 0:
            index += len(self)
        if not 0 <= index < len(self):
            raise IndexError(f'item {index} of a dataset of {len(self)}')
        entropy = [self.seed if seed is None else seed, epoch, index, self.stream]
        results = {}
        if not self.test_mode:
            results['sample_seed'] = int(np.random.SeedSequence([*entropy, 1]).generate_state(1)[0])
        results['rng'] = self.make_rng(entropy)
        results['frames'] = self.frames_of(index, results['rng'])
        for step in self.pipeline:
            results = step(results)
        return results
