"""``YTVOS``: annotations and results as dicts, with the calls of the fork of pycocotools that scripts use."""

import json
import math
from collections import defaultdict
from pathlib import Path

import numpy as np

from mmdet.formats.mask_checks import mean_mask_area
from mmdet.formats.packing import pack_content, plain, read_packed
from mmdet.formats.ytvis_results import check_result_list
from mmdet.formats.ytvis_tables import Tracks
from mmdet.structures.odd_masks import resolve_mask
from mmdet.structures.packed_masks import ABSENT, OTHER
from mmdet.structures.rle import MAX_PIXELS
from mmdet.utils import UserError

from .backend import get_core
from .boxes import mask_boxes


def listed(value):
    """A list of ids from one id or several, of numpy or not."""
    value = plain(value)
    return list(value) if hasattr(value, '__iter__') and not isinstance(value, str) else [value]


def _by_id(root, name, *more):
    """Entries of a list by id; each must be an object with an id and the keys ``more``."""
    entries = root.get(name) or []
    _check_keys(entries, name, 'id', *more)
    return {entry['id']: entry for entry in entries}


def _check_keys(entries, name, *keys):
    if not isinstance(entries, (list, tuple)):
        raise UserError(f'"{name}" must be a list, got {type(entries).__name__}')
    for i, entry in enumerate(entries):
        for key in keys:
            if not isinstance(entry, dict) or key not in entry or isinstance(entry[key], (list, dict)):
                raise UserError(f'{name}[{i}] has no usable "{key}"')


def _unpack_entry(entry, masks):
    if isinstance(entry, dict) and isinstance(entry.get('segmentations'), tuple):
        return {**entry, 'segmentations': masks.unpack(*entry['segmentations'])}
    return entry


class YTVOS:
    """Annotations in YouTube-VIS format, indexed.

    ``dataset`` holds the dicts of the file; ``anns``, ``cats`` and ``vids`` find them by id, ``vidToAnns``
    and ``catToVids`` by video and category. The dicts of annotations are made when they are first asked for:
    a script that only loads and scores never pays for them.

    Args:
        annotation_file (str | Path | dict | None): file, its content, or nothing yet (then fill
            ``dataset`` and call ``createIndex``).

    Raises:
        FileNotFoundError, UserError: no such file, or not json with an object at its top.
    """

    def __init__(self, annotation_file=None):
        self._dataset, self._anns = {}, {}
        self.cats, self.vids = {}, {}
        self._by_video, self._by_category = defaultdict(list), defaultdict(list)
        # Parsed json with its masks taken out, until someone asks for the dicts.
        self._packed = None
        if annotation_file is None:
            return
        if isinstance(annotation_file, dict):
            self._dataset = annotation_file
            self.createIndex()
            return
        root, masks = read_packed(annotation_file, get_core(), 'annotation file')
        if not isinstance(root, dict):
            raise UserError(f'{annotation_file}: an object is expected, got {type(root).__name__}')
        self._packed = root, masks
        self._index_videos(root)

    @property
    def dataset(self):
        """dict: all that the file has."""
        self._unpack()
        return self._dataset

    @dataset.setter
    def dataset(self, value):
        self._packed, self._dataset = None, value

    @property
    def anns(self):
        """dict: annotation id -> annotation."""
        self._unpack()
        return self._anns

    @property
    def vidToAnns(self):
        """dict: video id -> annotations."""
        self._unpack()
        return self._by_video

    @property
    def catToVids(self):
        """dict: category id -> ids of the videos of its annotations."""
        self._unpack()
        return self._by_category

    def packed(self, core=None):
        """Parsed json whose ``segmentations`` are ranges of masks, and a copy of those ``Masks``."""
        if self._packed is None:
            return pack_content(self._dataset, core)
        return self._packed[0], self._packed[1].copy()

    def _unpack(self):
        if self._packed is None:
            return
        (root, masks), self._packed = self._packed, None
        annotations = root.get('annotations')
        if isinstance(annotations, list):
            annotations = [_unpack_entry(entry, masks) for entry in annotations]
            root = {**root, 'annotations': annotations}
        self._dataset = root
        if self._is_result:
            self._measure(annotations)
        self.createIndex()

    _is_result = False

    def _index_videos(self, root):
        self.vids = _by_id(root, 'videos')
        self.cats = _by_id(root, 'categories')

    def createIndex(self):
        """Index ``dataset``; of entries that share an id the last one is found by it."""
        annotations = self.dataset.get('annotations') or []
        self._index_videos(self._dataset)
        self._anns = _by_id(self._dataset, 'annotations', 'video_id', 'category_id')
        self._by_video, self._by_category = defaultdict(list), defaultdict(list)
        for annotation in annotations:
            self._by_video[annotation['video_id']].append(annotation)
            self._by_category[annotation['category_id']].append(annotation['video_id'])

    def info(self):
        """Print what the file says about itself."""
        for key, value in self.dataset.get('info', {}).items():
            print(f'{key}: {value}')

    def getAnnIds(self, vidIds=(), catIds=(), areaRng=(), iscrowd=None):
        """Ids of annotations of the given videos, categories, mean areas (between bounds) and crowd flag."""
        videos, cats = listed(vidIds), listed(catIds)
        if videos:
            found = [a for v in videos for a in self.vidToAnns.get(v, ())]
        else:
            found = self.dataset.get('annotations') or []
        if cats:
            found = [a for a in found if a['category_id'] in cats]
        if len(areaRng):
            found = [a for a in found if areaRng[0] < self._mean_area(a) < areaRng[1]]
        if iscrowd is not None:
            found = [a for a in found if a.get('iscrowd', 0) == iscrowd]
        return [a['id'] for a in found]

    @staticmethod
    def _mean_area(annotation):
        if 'avg_area' in annotation:
            return annotation['avg_area']
        areas = [a for a in annotation.get('areas') or [] if a]
        return float(np.mean(areas)) if areas else 0.0

    def getCatIds(self, catNms=(), supNms=(), catIds=()):
        """Ids of categories of the given names, names of supercategories and ids."""
        found = list(self.cats.values())
        for key, wanted in (('name', catNms), ('supercategory', supNms), ('id', catIds)):
            wanted = listed(wanted)
            if wanted:
                found = [c for c in found if c.get(key) in wanted]
        return [c['id'] for c in found]

    def getVidIds(self, vidIds=(), catIds=()):
        """Ids of videos, of the given ones, those with objects of all given categories."""
        videos, cats = listed(vidIds), listed(catIds)
        if not videos and not cats:
            return list(self.vids)
        kept = set(videos or self.catToVids.get(cats[0], ()))
        for cat in cats:
            kept &= set(self.catToVids.get(cat, ()))
        return list(kept)

    def loadAnns(self, ids=()):
        """Annotations by id (one or several), as a list."""
        return [self.anns[i] for i in listed(ids)]

    def loadCats(self, ids=()):
        """Categories by id (one or several), as a list."""
        return [self.cats[i] for i in listed(ids)]

    def loadVids(self, ids=()):
        """Videos by id (one or several), as a list."""
        return [self.vids[i] for i in listed(ids)]

    def loadRes(self, resFile):
        """Results for these videos.

        Args:
            resFile (str | Path | list[dict]): json or zip, or its content. The dicts are copied, not changed.

        Returns:
            YTVOS: with ``id`` 1..N, ``areas``, ``avg_area``, ``bboxes`` and ``iscrowd`` filled in.

        Raises:
            UserError: not a list, or a video that this dataset does not have.
        """
        if isinstance(resFile, (str, Path)):
            source = str(resFile)
            entries, masks = read_packed(resFile, get_core(), 'result file')
        else:
            source = 'results'
            if isinstance(resFile, dict) or not hasattr(resFile, '__iter__'):
                raise UserError(f'results: a list of predictions is expected, got {type(resFile).__name__}')
            entries, masks = pack_content(list(resFile), get_core())
        check_result_list(entries, source)
        _check_keys(entries, 'results', 'video_id', 'category_id')
        unknown = [i for i, e in enumerate(entries) if e['video_id'] not in self.vids]
        if unknown:
            places = ', '.join(f'results[{i}] (video {entries[i]["video_id"]!r})' for i in unknown[:20])
            raise UserError(
                f'{source}: {len(unknown)} predictions of videos that the dataset does not have: {places}'
            )
        results = YTVOS()
        root = {
            'videos': list(self.vids.values()),
            'categories': [dict(c) for c in self.cats.values()],
            'annotations': [
                {**{k: v for k, v in e.items() if k not in ('areas', 'avg_area')}, 'id': i + 1, 'iscrowd': 0}
                for i, e in enumerate(entries)
            ],
        }
        results._packed, results._is_result = (root, masks), True
        results._index_videos(root)
        return results

    def _measure(self, annotations):
        """Fill in areas, their mean, and boxes where there are none."""
        core = get_core()
        packed, masks = pack_content(annotations, core)
        rows = [i for i, a in enumerate(packed) if isinstance(a.get('segmentations'), tuple)]
        span = np.array([packed[i]['segmentations'] for i in rows], np.int64).reshape(-1, 2)
        for i, (begin, end) in zip(rows, span.tolist()):
            video = self.vids[annotations[i]['video_id']]
            size = (video.get('height'), video.get('width'))
            masks.replace(
                {m: resolve_mask(masks.other[m], *size)[0] for m in masks.other if begin <= m < end}
            )
        boxes = mask_boxes(masks, core)
        areas = mean_mask_area(Tracks('results', masks, span=span))
        present = (masks.kind != ABSENT) & (masks.kind != OTHER)
        for row, (begin, end), mean in zip(rows, span.tolist(), areas.tolist()):
            entry, frames = annotations[row], range(begin, end)
            entry['areas'] = [int(masks.area[m]) if present[m] else None for m in frames]
            entry['avg_area'] = mean
            if not isinstance(entry.get('bboxes'), list):
                entry['bboxes'] = [boxes[m].tolist() if present[m] else None for m in frames]
        for i in set(range(len(annotations))) - set(rows):
            sizes = [b[2] * b[3] if b else None for b in annotations[i].get('bboxes') or []]
            kept = [s for s in sizes if s and math.isfinite(s)]
            annotations[i]['areas'] = sizes
            annotations[i]['avg_area'] = float(np.mean(kept)) if kept else 0.0

    def annToRLE(self, ann, frameId):
        """Mask of an annotation in one frame as compressed RLE; polygons are rasterized.

        Raises:
            UserError: the object is absent there, or the mask cannot be read.
        """
        from pycocotools import mask as coco

        mask = ann['segmentations'][frameId]
        if isinstance(mask, dict) and isinstance(mask.get('counts'), (str, bytes)):
            return dict(mask)
        video = self.vids[ann['video_id']]
        found = resolve_mask(mask, video['height'], video['width'])[0] if mask else None
        if found is None or max(found[0], default=0) > MAX_PIXELS:
            raise UserError(f'annotation {ann.get("id")} has no readable mask in frame {frameId}')
        counts, height, width = found
        return coco.frPyObjects({'size': [height, width], 'counts': [int(c) for c in counts]}, height, width)

    def annToMask(self, ann, frameId):
        """Mask of an annotation in one frame as pixels, (height, width) uint8.

        Raises:
            UserError: the object is absent there, or the mask cannot be read.
        """
        from mmdet.structures.packed_masks import pack_masks, read_counts

        rle = self.annToRLE(ann, frameId)
        masks, _ = pack_masks([[rle]])
        height, width = rle['size']
        counts, _ = read_counts(masks, 0)
        # Without trust in the counts: what is missing is background, what is too much is cut.
        flat = np.repeat(np.arange(len(counts)) % 2, np.minimum(counts, height * width))[: height * width]
        pixels = np.zeros(height * width, np.uint8)
        pixels[: len(flat)] = flat
        return pixels.reshape(width, height).T

    def dumps(self):
        """``dataset`` as json text."""
        return json.dumps(self.dataset)
