"""Checks of a result file before it is scored or sent to a server."""

from collections import Counter

import numpy as np

from mmdet.formats.defects import Report
from mmdet.formats.mask_checks import check_content, check_masks, owners
from mmdet.formats.packing import read_packed
from mmdet.formats.reading import zip_members
from mmdet.formats.ytvis import read_dataset
from mmdet.formats.ytvis_results import read_predictions
from mmdet.structures.packed_masks import ABSENT

from ..ap.backend import get_core
from ..ap.boxes import mask_boxes
from .findings import Findings, count_tracks


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
    core, findings, report = get_core(backend), Findings(), Report('lenient', collect=True)
    root, _ = read_packed(ann, core, 'annotation file')
    dataset = read_dataset(root, str(ann), Report('lenient'))
    del root
    root, masks = read_packed(results, core, 'result file')
    tracks = read_predictions(root, masks, dataset, str(results), report)
    if len(tracks):
        check_masks(tracks, dataset, report)
        mask_boxes(masks, core)
        check_content(tracks, report)
    findings.take(report)
    if root and not len(tracks) and not findings.problems:
        findings.add('nothing_counts', f'{results}: {len(root)} predictions')
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
    findings.counts = count_tracks(tracks, dataset)
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
