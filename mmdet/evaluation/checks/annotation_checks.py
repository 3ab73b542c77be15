"""Checks of an annotation file before it is used for training or scoring."""

import numpy as np

from mmdet.formats.defects import Report
from mmdet.formats.mask_checks import check_content, owners
from mmdet.formats.packing import read_packed
from mmdet.formats.ytvis import read_tables
from mmdet.formats.ytvis_entries import box_fault
from mmdet.formats.ytvis_tables import is_number
from mmdet.structures.packed_masks import ABSENT

from ..ap.backend import get_core
from ..ap.boxes import mask_boxes
from .findings import Findings, count_tracks


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
    core, findings, report = get_core(backend), Findings(), Report('collect')
    root, masks = read_packed(ann, core, 'annotation file')
    dataset, truth = read_tables(root, masks, str(ann), report)
    around = mask_boxes(masks, core)
    check_content(truth, report)
    findings.take(report)
    _check_frames(dataset, findings)
    for i in range(len(truth)):
        _check_presence(truth, i, dataset, findings)
    _check_boxes(truth, dataset, around, findings)
    _check_tracks(truth, dataset, findings)
    findings.counts = count_tracks(truth, dataset)
    return findings, root


def _check_frames(dataset, findings):
    """Frames that belong to more than one video, or twice to one."""
    seen = {}
    for video, names in dataset.file_names.items():
        for name in (n for n in names if isinstance(n, str)):
            if name in seen:
                findings.add('shared_frame', f'video {video!r} {name} (also of video {seen[name]!r})')
            seen.setdefault(name, video)


def _check_presence(truth, i, dataset, findings):
    """Whether a track has the size of its video, and its lists agree on when the object is there."""
    entry, (begin, end), place = truth.entries[i], truth.span[i].tolist(), truth.place(i)
    video = dataset.videos.get(truth.video[i], (None,) * 3)
    for key, expected in zip(('height', 'width', 'length'), video):
        if expected is not None and key in entry and entry[key] != expected:
            findings.add('track_size', f'{place} {key} {entry[key]!r}, its video {expected}')
    present = truth.masks.kind[begin:end] != ABSENT
    for key in ('bboxes', 'areas'):
        values = entry.get(key)
        if not isinstance(values, list) or len(values) != end - begin:
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
    if box_fault(box):  # the reader has noted it
        return
    if min(box[2:]) < 0:
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
                label = dataset.folder(id_) if name == 'video_without_tracks' else dataset.categories[id_]
                findings.add(name, f'id {id_!r} {label}'.rstrip())
