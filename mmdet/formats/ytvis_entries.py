"""Masks, boxes and areas of a track in one frame, seen from outside: no mask is decoded."""

from mmdet.structures.polygons import polygon_fault

from .ytvis_tables import is_finite, kind_of


def is_int(value) -> bool:
    """Whether a json value is an integer."""
    return isinstance(value, int) and not isinstance(value, bool)


def mask_fault(entry) -> str | None:
    """What is expected where ``entry`` is neither an RLE nor a list of polygons, else None."""
    if isinstance(entry, dict):
        size = entry.get('size')
        if not (isinstance(size, list) and len(size) == 2 and all(map(is_int, size))):
            return 'an RLE with size [height, width]'
        counts = entry.get('counts')
        good = isinstance(counts, str) or (isinstance(counts, list) and set(map(type, counts)) <= {int})
        return None if good else 'an RLE with counts, text or integers'
    if isinstance(entry, list):
        good = not any(map(polygon_fault, entry))
        return None if good else 'polygons of at least three points [x1, y1, x2, y2, x3, y3, ...]'
    return 'null, an RLE or polygons'


def box_fault(entry) -> str | None:
    """What is expected where ``entry`` is not a box of four finite numbers, else None."""
    good = isinstance(entry, list) and len(entry) == 4 and all(map(is_finite, entry))
    return None if good else 'null or a box [x, y, width, height]'


def _area_fault(entry):
    return None if is_finite(entry) else 'null or a number'


#: Key of a list of a track -> its check, and the kind of defect.
CHECKS = {
    'segmentations': (mask_fault, 'mask_form'),
    'bboxes': (box_fault, 'bad_box'),
    'areas': (_area_fault, 'area_value'),
}


def check_entries(entry, place, n_frames, videos, source, report):
    """Check the lists of a track that were not packed: their lengths and the form of each entry.

    Args:
        entry (dict): the track.
        place (str): where it stands in the file.
        n_frames (int): length of its "segmentations".
        videos (dict): id -> (height, width, length).
        source (str): what messages call the file.
        report (Report): where defects go.
    """
    for key, (fault_of, kind) in CHECKS.items():
        values = entry.get(key)
        if (key == 'areas' and values is None) or isinstance(values, tuple):
            continue
        if not isinstance(values, list):
            report.add('list_length', source, f'{place}.{key}: expected a list, got {kind_of(values)}')
            continue
        if len(values) != n_frames:
            expected = f'expected one entry for each of the {n_frames} frames of its masks'
            report.add('list_length', source, f'{place}.{key}: {expected}, got {len(values)}')
        for frame, value in enumerate(values):
            if value is not None and (expected := fault_of(value)):
                what = f'{place}.{key}[{frame}]: expected {expected}, got {kind_of(value)}'
                report.add(kind, source, what)
            elif isinstance(value, dict):
                _check_size(
                    value['size'], f'{place} frame {frame}', videos.get(entry['video_id']), source, report
                )


def _check_size(size, place, video, source, report):
    """Whether an RLE has the size of its video; before anything is decoded."""
    if video is not None and None not in video[:2] and tuple(size) != video[:2]:
        what = f'{place} is {size[0]}x{size[1]}, its video {video[0]}x{video[1]}'
        report.add('mask_size', source, what)
