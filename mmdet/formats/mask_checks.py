"""Checks of masks: of their form before they are read, of their content afterwards."""

import numpy as np

from mmdet.structures.odd_masks import resolve_mask
from mmdet.structures.packed_masks import ABSENT, BAD_SUM, BAD_TEXT, COUNTS, EMPTY, OTHER, ZERO_RUNS

#: Kind of defect of empty counts, of annotations and of predictions.
_EMPTY = ('empty_truth', 'empty_counts')


def owners(span):
    """For ranges (n, 2): the indices they cover (m,), and the row and the offset within it of each (m,)."""
    length = span[:, 1] - span[:, 0]
    owner = np.repeat(np.arange(len(span)), length)
    frame = np.arange(len(owner)) - np.repeat(np.cumsum(length) - length, length)
    return span[owner, 0] + frame, owner, frame


def check_lengths(tracks, lengths, report):
    """Compare the lengths of tracks with those of their videos.

    Args:
        tracks (Tracks): tracks.
        lengths (dict): video id -> number of frames, or None if it is unknown.
        report (Report): where defects go.
    """
    for i, (begin, end) in enumerate(tracks.span.tolist()):
        length = lengths.get(tracks.video[i])
        if length is None or end - begin == length or tracks.entries[i].get('segmentations') is None:
            continue
        what = f'{tracks.place(i)} has {end - begin} frames, its video {length}'
        report.add('length', tracks.source, what)


def check_masks(tracks, dataset, report):
    """Compare lengths, formats and sizes of packed masks with their videos; resolve polygons in place.

    Args:
        tracks (Tracks): annotations, or results with ``score``.
        dataset (Dataset): their videos.
        report (Report): where defects go.

    Raises:
        InputDefect: for a defect that is an error for the policy of ``report``.
    """
    masks, source, predicted = tracks.masks, tracks.source, tracks.score is not None
    check_lengths(tracks, {v: length for v, (_, _, length) in dataset.videos.items()}, report)
    shapes = [dataset.videos.get(video, (None,) * 3) for video in tracks.video]
    index, owner, frame = owners(tracks.span)
    kind, found = masks.kind[index], {}
    if predicted:
        for m in np.flatnonzero(kind == COUNTS).tolist():
            report.add('uncompressed_in_results', source, tracks.place(owner[m], frame[m]))
    for m in np.flatnonzero(kind == OTHER).tolist():
        place, mask = tracks.place(owner[m], frame[m]), masks.other.get(int(index[m]))
        if predicted and isinstance(mask, list):
            report.add('polygon_in_results', source, place)
        found[int(index[m])], defects = resolve_mask(mask, *shapes[owner[m]][:2])
        for defect in sorted(defects):
            report.add(_EMPTY[predicted] if defect in _EMPTY else defect, source, place)
    masks.replace(found)
    expected = np.array([(-1, -1) if None in s[:2] else s[:2] for s in shapes], np.int64).reshape(-1, 2)[
        owner
    ]
    wrong = (masks.size[index] != expected).any(1) & (masks.kind[index] != ABSENT) & (expected[:, 0] >= 0)
    for m in np.flatnonzero(wrong).tolist():
        (h, w), (height, width) = masks.size[index[m]].tolist(), expected[m].tolist()
        place = tracks.place(owner[m], frame[m])
        report.add('mask_size', source, f'{place} is {h}x{w}, its video {height}x{width}')
    report.settle()


def check_content(tracks, report):
    """Turn the flags set while reading masks into defects."""
    index, owner, frame = owners(tracks.span)
    flag = tracks.masks.flag[index]
    if not flag.any():
        return
    kinds = {
        EMPTY: _EMPTY[tracks.score is not None],
        BAD_TEXT: 'bad_counts',
        BAD_SUM: 'rle_sum',
        ZERO_RUNS: 'zero_runs',
    }
    for bit, kind in kinds.items():
        for m in np.flatnonzero(flag & bit).tolist():
            report.add(kind, tracks.source, tracks.place(owner[m], frame[m]))


def mean_mask_area(tracks):
    """Mean area (n,) float64 of each track over the frames where it covers any pixel; 0 without any."""
    index, owner, _ = owners(tracks.span)
    area = np.where(tracks.masks.kind[index] == ABSENT, 0, tracks.masks.area[index]).astype(np.float64)
    total = np.bincount(owner, area, len(tracks.span))
    count = np.bincount(owner, area != 0, len(tracks.span))
    # Sums of integers are exact, so this single division gives the bits of numpy's mean.
    return np.divide(total, count, out=np.zeros(len(total)), where=count > 0)
