"""What is wrong with an annotation or result file, place by place, before it is trained on or scored."""

import math
from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from mmdet.formats.defects import KINDS, Report
from mmdet.formats.reading import read_tracks, zip_members
from mmdet.structures.packed_masks import ABSENT

from ..ap.backend import get_core
from ..ap.boxes import mask_boxes
from ..ap.mask_checks import check_content, check_masks, owners
from ..ap.tables import is_number, read_dataset, read_predictions, read_truth

#: kind -> what is wrong; beside the kinds of ``defects``.
MORE_KINDS = {
    'category_name': 'categories without a name, or with the name of another one',
    'video_size': 'videos without a usable height and width',
    'video_frames': 'videos without frames, or whose "length" differs from the number of "file_names"',
    'shared_frame': 'files that are frames of more than one video, or twice of one',
    'track_size': 'annotations whose own height, width or length differ from the video',
    'list_length': 'annotations whose "bboxes" or "areas" have another length than their "segmentations"',
    'presence': 'frames where only some of mask, box and area say that the object is there',
    'box_outside': 'boxes that reach out of the frame',
    'box_mask': 'boxes that are not those around the mask',
    'area_mask': 'areas that are not those of the mask',
    'empty_track': 'tracks that are in no frame',
    'missing_image': 'frames whose image is missing',
    'unreadable_image': 'images that cannot be read to their end',
    'image_size': 'images of another size than the file says',
    'zip_content': 'zips that hold anything but one results.json at top level, as the servers took it',
    'score_range': 'scores outside 0 to 1',
    'repeated_track': 'predictions that repeat an earlier one mask by mask',
    'too_many': 'videos with more than 100 predictions of one category, of which the last are never scored',
}

#: kinds that are worth knowing and no mistake: they do not make the check fail.
NOTES = {
    'crowd': 'crowd tracks: ignored in scoring, no masks to learn from',
    'blank_mask': 'frames with a mask without pixels: the object counts as absent there',
    'video_without_tracks': 'videos without tracks',
    'unused_category': 'categories without tracks',
    'empty_prediction': 'predictions that cover no pixel in any frame',
    'prediction_of_unknown_category': KINDS['prediction_of_unknown_category'][0],
    'score_range': MORE_KINDS['score_range'],
    'repeated_track': MORE_KINDS['repeated_track'],
    'too_many': MORE_KINDS['too_many'],
}


@dataclass
class Findings:
    """Outcome of a check.

    Attributes:
        problems (dict[str, list[str]]): kind -> places.
        notes (dict[str, list[str]]): kind -> places of what is no mistake.
        counts (dict[str, int]): what the file has.
    """

    problems: dict = field(default_factory=dict)
    notes: dict = field(default_factory=dict)
    counts: dict = field(default_factory=dict)

    def add(self, kind, place):
        """Note one place of ``kind``."""
        target = self.notes if kind in NOTES else self.problems
        target.setdefault(kind, []).append(place)

    def take(self, report):
        """Take over what a :class:`Report` has collected."""
        for (kind, _), places in report.found.items():
            for place in places:
                self.add(kind, place)
        report.found = {}

    @property
    def n_problems(self):
        """int: number of places with a problem."""
        return sum(map(len, self.problems.values()))

    def to_dict(self):
        """Json-able form."""
        return {
            'ok': not self.problems,
            'counts': self.counts,
            'problems': self.problems,
            'notes': self.notes,
        }


def describe_kind(kind):
    """What a kind of problem or note means."""
    return NOTES.get(kind) or MORE_KINDS.get(kind) or KINDS[kind][0]


class Collector(Report):
    """A report that neither raises nor warns: what it found is taken by :class:`Findings`."""

    def __init__(self):
        super().__init__(strict=False)

    def settle(self):
        """Nothing: all kinds are wanted."""


def check_annotations(ann, backend='auto'):
    """Check an annotation file.

    Args:
        ann (str | Path): file in YouTube-VIS format.
        backend (str): see :func:`get_core`.

    Returns:
        tuple: Findings, and the parsed json (masks taken out) for further checks.

    Raises:
        FileNotFoundError, UserError: the file cannot be read as YouTube-VIS at all.
    """
    core, findings, report = get_core(backend), Findings(), Collector()
    root, masks = read_tracks(ann, core)
    dataset = read_dataset(root, str(ann), report)
    truth = read_truth(root, masks, dataset, str(ann), report)
    check_masks(truth, dataset, report)
    around = mask_boxes(masks, core)
    check_content(truth, report)
    findings.take(report)
    _check_categories(root, findings)
    _check_videos(root, findings)
    for i in range(len(truth)):
        _check_lists(truth, i, dataset, findings)
    _check_boxes(truth, dataset, around, findings)
    _check_tracks(truth, dataset, findings)
    findings.counts = _count(truth, dataset)
    return findings, root


def _check_categories(root, findings):
    """Names of the categories."""
    seen = set()
    listed = root.get('categories')
    for row, category in enumerate(listed if isinstance(listed, list) else []):
        name = category.get('name') if isinstance(category, dict) else None
        if not isinstance(name, str) or not name or name in seen:
            findings.add('category_name', f'categories[{row}] name {name!r}')
        seen.add(name if isinstance(name, str) else None)


def _check_videos(root, findings):
    """Sizes and frames of the videos."""
    seen = {}
    for row, video in enumerate(root['videos']):
        if not isinstance(video, dict) or 'id' not in video:
            continue
        place = f'videos[{row}] (id {video["id"]!r})'
        for key in ('height', 'width'):
            if not isinstance(video.get(key), int) or video[key] < 1:
                findings.add('video_size', f'{place} {key} {video.get(key)!r}')
        names, length = video.get('file_names'), video.get('length')
        if not isinstance(names, list) or not names or not all(isinstance(n, str) for n in names):
            findings.add('video_frames', f'{place} has no usable list "file_names"')
            continue
        if length is not None and length != len(names):
            findings.add('video_frames', f'{place} length {length!r}, {len(names)} file names')
        for name in names:
            if name in seen:
                findings.add('shared_frame', f'{place} {name} (also of {seen[name]})')
            seen.setdefault(name, place)


def _check_lists(truth, i, dataset, findings):
    """Lengths of the lists of a track, and whether they agree on when the object is there."""
    entry, (begin, end), place = truth.entries[i], truth.span[i].tolist(), truth.place(i)
    video = dataset.videos.get(truth.video[i], (None,) * 3)
    for key, expected in zip(('height', 'width', 'length'), video):
        if expected is not None and key in entry and entry[key] != expected:
            findings.add('track_size', f'{place} {key} {entry[key]!r}, its video {expected}')
    present = truth.masks.kind[begin:end] != ABSENT
    for key in ('bboxes', 'areas'):
        values = entry.get(key)
        if not isinstance(values, list):
            if key == 'bboxes':
                findings.add('list_length', f'{place} has no list "bboxes"')
            continue
        if len(values) != end - begin:
            findings.add('list_length', f'{place} has {len(values)} {key}, {end - begin} segmentations')
            continue
        there = np.array([bool(v) if isinstance(v, list) else v is not None for v in values], bool)
        # An object may have a mask or an area of zero pixels where it is absent.
        size = truth.masks.area[begin:end]
        for t in np.flatnonzero((there != present) & ((size > 0) | (there & ~present))).tolist():
            if key == 'areas' and values[t] == 0:
                continue
            said = 'a mask and no' if present[t] else 'no mask and'
            findings.add(
                'presence', f'{place} frame {t} has {said} {key[:-2] if key == "bboxes" else key[:-1]}'
            )


def _check_boxes(truth, dataset, around, findings, tolerance=2.0):
    """Boxes and areas of the file against those of its masks (two pixels, or two percent of the area)."""
    index, owner, frame = owners(truth.span)
    for m, i, t in zip(index.tolist(), owner.tolist(), frame.tolist()):
        if truth.masks.kind[m] == ABSENT:
            continue
        boxes, areas = truth.boxes[i], truth.entries[i].get('areas')
        box = boxes[t] if boxes is not None and t < len(boxes) else None
        if box:
            _check_box(
                truth.place(i, t), box, around[m], dataset.videos.get(truth.video[i]), findings, tolerance
            )
        area = areas[t] if isinstance(areas, list) and t < len(areas) else None
        size = int(truth.masks.area[m])
        if is_number(area) and not abs(area - size) <= max(tolerance, 0.02 * size):
            findings.add('area_mask', f'{truth.place(i, t)} area {area}, mask {size}')


def _check_box(place, box, around, video, findings, tolerance):
    good = isinstance(box, (list, tuple)) and len(box) == 4
    if not good or not all(is_number(v) and math.isfinite(v) for v in box) or min(box[2:]) < 0:
        findings.add('bad_box', f'{place} {box!r:.60}')
        return
    height, width, _ = video or (None, None, None)
    x, y, w, h = box
    if (
        width
        and height
        and (min(x, y) < -tolerance or x + w > width + tolerance or y + h > height + tolerance)
    ):
        findings.add('box_outside', f'{place} {list(box)} in {height}x{width}')
    sides = np.array([x, y, x + w, y + h]) - np.array([*around[:2], *(around[:2] + around[2:])])
    if around[2] > 0 and np.abs(sides).max() > tolerance:
        findings.add('box_mask', f'{place} {list(box)}, around the mask {around.astype(int).tolist()}')


def _check_tracks(truth, dataset, findings):
    """Crowd and empty tracks, videos and categories without any."""
    for i, (begin, end) in enumerate(truth.span.tolist()):
        present, area = truth.masks.kind[begin:end] != ABSENT, truth.masks.area[begin:end]
        if truth.ignore[i]:
            findings.add('crowd', truth.place(i))
        if not (present & (area > 0)).any():
            findings.add('empty_track', truth.place(i))
        for t in np.flatnonzero(present & (area == 0)).tolist():
            findings.add('blank_mask', truth.place(i, t))
    for name, ids, used in (
        ('video_without_tracks', dataset.vid_ids, set(truth.video)),
        ('unused_category', dataset.cat_ids, set(truth.category)),
    ):
        for id_ in ids:
            if id_ not in used:
                label = dataset.names if name == 'video_without_tracks' else dataset.categories
                findings.add(name, f'id {id_!r} {label[id_]}'.rstrip())


def _count(tracks, dataset):
    kinds = tracks.masks.kind[owners(tracks.span)[0]]
    lengths = [video[2] or 0 for video in dataset.videos.values()]
    return {
        'videos': len(dataset.videos),
        'frames': sum(lengths),
        'categories': len(dataset.categories),
        'tracks': len(tracks),
        'masks': int((kinds != ABSENT).sum()),
    }


def check_predictions(ann, results, backend='auto'):
    """Check a result file against an annotation file, for its scoring or for a server.

    Args:
        ann (str | Path): annotation file; that of a test set needs no annotations.
        results (str | Path): json, or the zip to be sent.
        backend (str): see :func:`get_core`.

    Returns:
        Findings: problems are what scoring in strict mode refuses.

    Raises:
        FileNotFoundError, UserError: a file cannot be read at all.
    """
    core, findings, report = get_core(backend), Findings(), Collector()
    root, _ = read_tracks(ann, core)
    dataset = read_dataset(root, str(ann), Report(strict=False))
    del root
    root, masks = read_tracks(results, core)
    tracks = read_predictions(root, masks, dataset, str(results), report)
    if len(tracks):
        check_masks(tracks, dataset, report)
        mask_boxes(masks, core)
        check_content(tracks, report)
    findings.take(report)
    members = zip_members(results)
    if members is not None and members != ['results.json']:
        findings.add('zip_content', f'{results} holds {", ".join(members[:10])}')
    index, owner, frame = owners(tracks.span)
    blank = (masks.kind[index] != ABSENT) & (masks.area[index] == 0)
    for m in np.flatnonzero(blank).tolist():
        findings.add('blank_mask', tracks.place(owner[m], frame[m]))
    covered = np.bincount(owner, masks.area[index], len(tracks))
    for i in np.flatnonzero(covered == 0).tolist():
        findings.add('empty_prediction', tracks.place(i))
    for i in np.flatnonzero((tracks.score < 0) | (tracks.score > 1)).tolist():
        findings.add('score_range', f'{tracks.place(i)} score {tracks.score[i]}')
    for (video, category), n in Counter(zip(tracks.video, tracks.category)).items():
        if n > 100:
            findings.add('too_many', f'video {video!r} category {category!r}: {n}')
    _check_repeats(tracks, findings)
    used = set(tracks.video)
    for id_ in [v for v in dataset.vid_ids if v not in used]:
        findings.add('video_without_tracks', f'id {id_!r}')
    findings.counts = _count(tracks, dataset)
    return findings


def _check_repeats(tracks, findings):
    """Predictions of one video and category with equal masks."""
    seen = {}
    for i, (begin, end) in enumerate(tracks.span.tolist()):
        key = (tracks.video[i], tracks.category[i], tuple(tracks.masks.area[begin:end].tolist()))
        if sum(key[2]) and key in seen:
            other = seen[key]
            if tracks.masks.unpack(begin, end) == tracks.masks.unpack(*tracks.span[other].tolist()):
                findings.add('repeated_track', f'{tracks.place(i)} repeats results[{tracks.rows[other]}]')
        seen.setdefault(key, i)
