"""Videos with instance identities, annotated in the YouTube-VIS format."""

import os.path as osp

import numpy as np

from mmdet.formats.ytvis import load_ytvis
from mmdet.formats.ytvis_layout import find_ann_file, find_image_folder
from mmdet.registry import DATASETS
from mmdet.structures.classes import OVIS_CLASSES, YTVIS_2019_CLASSES, YTVIS_2021_CLASSES

from .base import DetDataset


@DATASETS.register_module()
class YTVOSDataset(DetDataset):
    """Training pairs of frames, or the frames of whole videos in order.

    In training an item is a frame with at least one usable object that is no crowd; its reference is drawn
    evenly from the other such frames of the same video, however far (semantics A30), and is the frame itself
    in a video that has only one (B4). In testing every frame of the file is an item, in file order.

    An object of a frame is usable if it has a box of at least one pixel and an area, where given, above zero.
    Nothing but boxes and areas is read at start-up. A crowd object is a box to be ignored and has no mask
    (B3).

    Files may be named as in 2019 or as in the official archives (:mod:`mmdet.formats.ytvis_layout`).

    Args:
        ref_frame (bool): False gives the key frame alone, to train detectors without tracking.
        **kwargs: see :class:`DetDataset`.
    """

    def __init__(self, ann_file, pipeline=(), ref_frame=True, **kwargs):
        self.ref_frame = ref_frame
        super().__init__(ann_file, pipeline, **kwargs)

    def load(self):
        self.ann_file = find_ann_file(self.ann_file)
        index = load_ytvis(self.ann_file, require_annotations=not self.test_mode)
        self.videos = index.videos
        first = next((name for video in self.videos for name in video['file_names']), None)
        if first is not None:
            self.img_prefix = find_image_folder(self.img_prefix, first)
        used = {annotation['category_id'] for annotation in index.tracks}
        self.set_classes(index.categories, used)
        kept = self.cat2label
        self.tracks = [
            [track for track in index.by_video[video['id']] if track['category_id'] in kept]
            for video in self.videos
        ]
        self._compact()
        self.items, self.video_slices = [], []
        self.usable = []  # for each video the frames that may be key or reference
        for number, video in enumerate(self.videos):
            frames = range(len(video['file_names']))
            if not self.test_mode:
                frames = self._usable_frames(number)
                self.usable.append(frames)
            self.video_slices.append((len(self.items), len(self.items) + len(frames)))
            self.items.extend((number, frame) for frame in frames)
        wide = np.array([video['width'] > video['height'] for video in self.videos], np.uint8)
        self.group_flags = wide[[video for video, _ in self.items]] if self.items else np.zeros(0, np.uint8)

    def _compact(self):
        """Keep run lengths as arrays: a tenth of the memory, and worker processes share it."""
        for track in (track for tracks in self.tracks for track in tracks):
            for segm in track['segmentations']:
                if isinstance(segm, dict) and isinstance(segm['counts'], list):
                    counts = np.asarray(segm['counts'])
                    if counts.dtype.kind == 'i' and counts.ndim == 1:
                        segm['counts'] = counts.astype(np.int32)

    def _usable_frames(self, number):
        """Frames of a video with a usable object that is no crowd, ascending."""
        frames = set()
        for track in self.tracks[number]:
            if track.get('iscrowd', 0):
                continue
            areas = track.get('areas') or [None] * len(track['bboxes'])
            for frame, (bbox, area) in enumerate(zip(track['bboxes'], areas)):
                if bbox is not None and self.read_box(bbox, area) is not None:
                    frames.add(frame)
        return sorted(frames)

    def __len__(self):
        return len(self.items)

    def reference_frames(self, index):
        """Frames that the reference of a training item is drawn from, ascending."""
        number, frame = self.items[index]
        others = [other for other in self.usable[number] if other != frame]
        return others or [frame]

    def frames_of(self, index, rng):
        number, frame = self.items[index]
        frames = [self.raw_frame(number, frame, 'key')]
        if not self.test_mode and self.ref_frame:
            choices = self.reference_frames(index)
            frames.append(self.raw_frame(number, choices[int(rng.integers(len(choices)))], 'ref'))
        return frames

    def raw_frame(self, number, frame, role='key'):
        """A frame dict (see :mod:`mmdet.datasets.transforms.base`) of frame ``frame`` of video ``number``."""
        video = self.videos[number]
        instances = []
        for track in self.tracks[number]:
            area = track['areas'][frame] if track.get('areas') else None
            box = self.read_box(track['bboxes'][frame], area)
            if box is None:
                continue
            instances.append(
                {
                    'bbox': box,
                    'label': self.cat2label[track['category_id']],
                    'instance_id': track['id'],
                    'crowd': bool(track.get('iscrowd', 0)),
                    'segm': track['segmentations'][frame],
                }
            )
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


@DATASETS.register_module()
class YouTubeVIS2019Dataset(YTVOSDataset):
    """YouTube-VIS 2019: 40 categories, labels in the order of their official ids."""

    CLASSES = YTVIS_2019_CLASSES


@DATASETS.register_module()
class YouTubeVIS2021Dataset(YTVOSDataset):
    """YouTube-VIS 2021: 40 categories, not those of 2019."""

    CLASSES = YTVIS_2021_CLASSES


@DATASETS.register_module()
class OVISDataset(YTVOSDataset):
    """OVIS: 25 categories, long videos, heavy occlusion."""

    CLASSES = OVIS_CLASSES
