"""The base of the datasets: from annotated videos to samples."""

import os.path as osp

import numpy as np
from mmengine.logging import print_log
from torch.utils.data import Dataset

from mmdet.formats.annotations import usable_box
from mmdet.formats.reading import MissingFileError
from mmdet.registry import TRANSFORMS
from mmdet.utils import UserError

from .categories import match_classes, named_classes, rename_categories
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


class DetDataset(Dataset):
    """Samples of annotated videos: pairs of frames for training, whole videos for testing.

    A subclass implements :meth:`load_annotations`, which returns videos and tracks. Everything else follows
    from them.

    In training, a sample is a frame with at least one usable non-crowd object. Its reference frame is drawn
    uniformly from the other such frames of the video, however far away; a frame that is the only one is its
    own reference (docs/conventions.md, "Training pairs"). In testing, a sample is one frame, and every frame
    of the file is one, in file order.

    An object is usable in a frame if its box is at least one pixel wide and high, and its area, where given,
    is above zero. Masks are not decoded before their frame is loaded.

    ``dataset[i]`` or ``dataset[SampleIndex(i, epoch, seed)]`` runs the pipeline on
    ``dict(frames=[frame, ...], rng=..., sample_seed=...)``, see :mod:`mmdet.datasets.transforms.base`. All
    randomness comes from (seed, epoch, index), so that neither worker processes nor ranks nor resuming change
    a sample. A sampler of plain numbers means epoch 0 every time: train with one that gives the epoch, such
    as ``GroupSampler``.

    Args:
        ann_file (str): annotation file, relative to ``data_root``.
        pipeline (Sequence[dict | Callable]): the transforms.
        data_root (str): put before relative paths.
        data_prefix (dict): ``img``: folder of the images, relative to ``data_root``.
        classes (Sequence[str] | str | None): names in the order of the labels, or the type of a dataset that
            defines them; None takes all categories of the file, in the order of their ids.
        metainfo (dict | None): another way to give ``classes``, as configs of mmdetection do.
        filter_classes (bool): drop objects of other categories instead of refusing the file.
        rename (dict[str, str | None] | None): name in the file -> new name; None drops the category.
        ref_frame (bool): False gives key frames alone, to train detectors without tracking.
        test_mode (bool): every frame, no randomness.
        seed (int): used where the sampler gives none.
        box_offset (int): 1 for boxes in inclusive pixels (x2 = x + w - 1, 2019), 0 for x2 = x + w.

    Attributes:
        metainfo (dict): ``classes`` and ``cat_ids``, one for each label.
        videos (list[dict]): as in :class:`~mmdet.formats.annotations.VideoAnnotations`.
        tracks (list[list[dict]]): the tracks of each video, of the classes in use.
        usable (list[list[int]]): the frames of each video that are samples.
        items (list[tuple[int, int]]): place of the video in ``videos`` and frame, of each sample.
        video_slices (list[tuple[int, int]]): first sample of each video and one past its last.
        video_sizes (list[tuple[int, int]]): height and width of the frames of each video.
        group_flags (np.ndarray): uint8 (samples,), 1 where the image is wider than high.
        stream (int): number of this dataset among concatenated ones.
    """

    CLASSES = None  # class names, set by subclasses of a known dataset
    single_images = False  # True where every video is one image, for tools that test one or the other

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
        ref_frame=True,
        test_mode=False,
        seed=0,
        box_offset=1,
    ):
        if box_offset not in (0, 1):
            raise ValueError(f'box_offset must be 0 or 1, got {box_offset!r}')
        self.ann_file = osp.join(data_root, ann_file) if data_root else ann_file
        self.img_prefix = osp.join(data_root, (data_prefix or {}).get('img', ''))
        self.ref_frame = ref_frame
        self.test_mode = test_mode
        self.seed = seed
        self.box_offset = box_offset
        self.stream = 0
        if classes is None:
            classes = (metainfo or {}).get('classes', self.CLASSES)
        if isinstance(classes, str):
            classes = named_classes(classes)
        try:
            annotations = self.load_annotations()
        except MissingFileError as error:
            raise MissingFileError(f'{error} (data/README.md: where datasets lie, and data_root)') from None
        self._index(annotations, classes, filter_classes, rename or {})
        if not test_mode and len(self) == 0:
            raise UserError(f'{self.ann_file}: no frame has a usable object, there is nothing to train on')
        self.pipeline = compose(pipeline)

    def load_annotations(self):
        """Read the annotation file ``self.ann_file``. Subclasses implement this.

        Returns:
            VideoAnnotations: videos in the order of testing, and their tracks.
        """
        raise NotImplementedError

    def _index(self, annotations, classes, filter_classes, rename):
        """Derive labels and samples from the annotations."""
        categories = rename_categories(self.ann_file, annotations.categories, rename)
        used_ids = {track['category_id'] for track in annotations.tracks}
        classes, cat_ids = match_classes(self.ann_file, categories, used_ids, classes, filter_classes)
        self.metainfo = {'classes': classes, 'cat_ids': cat_ids}
        self.cat2label = {cat_id: label for label, cat_id in enumerate(cat_ids) if cat_id != -1}
        self.videos = annotations.videos
        self.tracks = [
            [track for track in annotations.by_video[video['id']] if track['category_id'] in self.cat2label]
            for video in self.videos
        ]
        self.instance_ids = _instance_ids(annotations.tracks)
        _pack_run_lengths(self.tracks)
        for note in annotations.notes:
            print_log(f'note: {note}', 'current')
        self.usable = [
            list(range(len(video['file_names']))) if self.test_mode else self.usable_frames(number)
            for number, video in enumerate(self.videos)
        ]
        self.items = [(number, frame) for number, frames in enumerate(self.usable) for frame in frames]
        ends = np.cumsum([0, *map(len, self.usable)]).tolist()
        self.video_slices = list(zip(ends, ends[1:]))
        self.video_sizes = [(video['height'], video['width']) for video in self.videos]
        wide = [self.videos[number]['width'] > self.videos[number]['height'] for number, _ in self.items]
        self.group_flags = np.array(wide, np.uint8)

    def usable_frames(self, number):
        """Frames of video ``number`` that may be key or reference frame in training, ascending."""
        tracks = [track for track in self.tracks[number] if not track.get('iscrowd')]
        frames = range(len(self.videos[number]['file_names']))
        return [frame for frame in frames if any(self.box_of(track, frame) for track in tracks)]

    def box_of(self, track, frame):
        """Box [x1, y1, x2, y2] of an object in a frame, or None if it is absent or not usable."""
        box = usable_box(track, frame)
        if box is None:
            return None
        x, y, w, h = box
        return [x, y, x + w - self.box_offset, y + h - self.box_offset]

    def reference_frames(self, index):
        """Frames that the reference of a training sample is drawn from, ascending."""
        number, frame = self.items[index]
        others = [other for other in self.usable[number] if other != frame]
        return others or [frame]

    def frames_of(self, index, rng):
        """Raw frames of a sample: the key frame and, in training, its reference frame."""
        number, frame = self.items[index]
        frames = [self.raw_frame(number, frame, 'key')]
        if self.ref_frame and not self.test_mode:
            choices = self.reference_frames(index)
            frames.append(self.raw_frame(number, choices[int(rng.integers(len(choices)))], 'ref'))
        return frames

    def raw_frame(self, number, frame, role='key'):
        """Frame ``frame`` of video ``number`` before the first transform: a frame dict, see
        :mod:`mmdet.datasets.transforms.base`."""
        video = self.videos[number]
        boxes = [(track, self.box_of(track, frame)) for track in self.tracks[number]]
        instances = [
            {
                'bbox': box,
                'label': self.cat2label[track['category_id']],
                'instance_id': self.instance_ids[track['id']],
                'crowd': bool(track.get('iscrowd', 0)),
                'segm': track['segmentations'][frame],
            }
            for track, box in boxes
            if box is not None
        ]
        return {
            'role': role,
            'img_path': osp.join(self.img_prefix, video['file_names'][frame]),
            'img_id': (video['id'], frame),
            'video_id': video['id'],
            'frame_id': frame,
            'video_length': len(video['file_names']),
            'height': video['height'],
            'width': video['width'],
            'instances': instances,
            'ann_file': self.ann_file,
        }

    def make_rng(self, entropy):
        """The generator of one sample; ``entropy`` is [seed, epoch, index, stream]."""
        return np.random.default_rng(entropy)

    def __len__(self):
        return len(self.items)

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


def _instance_ids(tracks):
    """Id of a track -> number of 64 bits: the id itself, or 1, 2, ... where the ids are no such numbers."""
    ids = [track['id'] for track in tracks]
    if all(type(identity) is int and -(2**63) <= identity < 2**63 for identity in ids):
        return {identity: identity for identity in ids}
    return {identity: number for number, identity in enumerate(ids, 1)}


def _pack_run_lengths(tracks_of_videos):
    """Keep run lengths as arrays: a tenth of the memory, and worker processes share it."""
    for track in (track for tracks in tracks_of_videos for track in tracks):
        for segm in track['segmentations']:
            if isinstance(segm, dict) and isinstance(segm['counts'], list):
                counts = np.asarray(segm['counts'])
                if counts.dtype.kind == 'i' and counts.min() >= -(2**31) and counts.max() < 2**31:
                    segm['counts'] = counts.astype(np.int32)
