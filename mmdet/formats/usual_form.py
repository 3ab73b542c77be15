"""Annotations in the usual form: what files say in several ways is said in one.

Label tools differ in how they say that an object is absent, leave out what follows from the masks, and leave
remains of their brushes. Where the meaning is plain it is read here, before the checks of the reader, and
counted. Nothing that came in is changed.
"""

import math
from pathlib import Path

from mmdet.structures.polygons import TOO_FEW, polygon_fault
from mmdet.structures.rle import measure_segm
from mmdet.utils import UserError

from .ytvis_layout import find_image_folder

#: Keys of a track with one entry for each frame.
LISTS = ('segmentations', 'bboxes', 'areas')


def usual_form(root, source, report, images=None):
    """Bring the content of an annotation file to the usual form.

    Args:
        root (dict): parsed json with a list ``videos``. Entries that are no objects stay as they are.
        source (str): what messages call the file.
        report (Report): where what was read in another form is counted.
        images (str | Path | None): folder of the images, for sizes that neither the video nor its masks have.

    Returns:
        dict: a copy. In its tracks an absent object is None in every list, lists have one entry for each
        frame of the video, ``bboxes`` and ``areas`` are there, and ``iscrowd`` is 0 or 1.
    """
    tracks = root.get('annotations')
    listed = isinstance(tracks, list)
    videos = _videos(root['videos'], tracks if listed else [], source, report, images)
    known = {v['id']: v for v in videos if isinstance(v, dict) and 'id' in v and _hashable(v['id'])}
    root = {**root, 'videos': videos}
    if listed:
        root['annotations'] = [
            _track(entry, f'annotations[{row}]', known, source, report) if isinstance(entry, dict) else entry
            for row, entry in enumerate(tracks)
        ]
    return root


def _hashable(value):
    return not isinstance(value, (list, dict))


# --------------------------------------------------------------------------------------------------- videos


def _videos(videos, tracks, source, report, images):
    lacking = [v for v in videos if isinstance(v, dict) and not all(map(v.get, ('height', 'width')))]
    sizes = _mask_sizes(tracks) if lacking else {}
    return [
        _video(v, f'videos[{row}]', sizes, source, report, images) if isinstance(v, dict) else v
        for row, v in enumerate(videos)
    ]


def _video(video, place, sizes, source, report, images):
    made, names = dict(video), video.get('file_names')
    if isinstance(names, list):
        made['file_names'] = [n.replace('\\', '/') if isinstance(n, str) else n for n in names]
    for key in ('height', 'width', 'length'):
        if key in made:
            made[key] = _whole(made[key])
    if not made.get('height') or not made.get('width'):
        size, origin = sizes.get(made.get('id')) if _hashable(made.get('id')) else None, 'masks'
        if size is None and images is not None:
            size, origin = _image_size(made.get('file_names'), images), 'images'
        if size is not None:
            made['height'], made['width'] = size
            report.add('no_video_size', source, f'{place}: {size[0]}x{size[1]} as its {origin}')
    return made


def _whole(value):
    """A whole number written as a float or as text, as int; anything else as it is."""
    if isinstance(value, float) and math.isfinite(value) and value == int(value):
        return int(value)
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10:
        return int(value)
    return value


def _mask_sizes(tracks):
    """Video id -> (height, width) of its masks; no entry where they differ."""
    found = {}
    for entry in tracks:
        video, frames = (
            (entry.get('video_id'), entry.get('segmentations')) if isinstance(entry, dict) else (0, 0)
        )
        if not isinstance(frames, list) or not _hashable(video):
            continue
        for size in (frame['size'] for frame in frames if isinstance(frame, dict) and 'size' in frame):
            if isinstance(size, list) and len(size) == 2 and all(type(s) is int and s > 0 for s in size):
                found.setdefault(video, set()).add(tuple(size))
    return {video: sizes.pop() for video, sizes in found.items() if len(sizes) == 1}


def _image_size(names, images):
    from mmdet.media import image_size

    if not isinstance(names, list) or not names or not isinstance(names[0], str):
        return None
    try:
        return image_size(Path(find_image_folder(str(images), names[0]), names[0]))
    except (UserError, ValueError):
        return None


# --------------------------------------------------------------------------------------------------- tracks


def _track(entry, place, videos, source, report):
    made = dict(entry)
    video = videos.get(made.get('video_id')) if _hashable(made.get('video_id')) else None
    made['iscrowd'] = _crowd(made.get('iscrowd'))
    if type(made['iscrowd']) is int and made['iscrowd'] != entry.get('iscrowd', 0):
        report.add('odd_iscrowd', source, f'{place}.iscrowd {entry["iscrowd"]!r:.40}')
    if isinstance(made.get('segmentations'), list):
        _read_masks(made, place, source, report)
    if isinstance(made.get('bboxes'), list):
        made['bboxes'] = [box or None for box in made['bboxes']]
        _drop_empty_boxes(made)
    names = video.get('file_names') if video is not None else None
    if isinstance(names, list):
        _fit_lengths(made, len(names))
    if isinstance(made.get('segmentations'), list):
        _measure(made, place, video, source, report)
    return made


def _crowd(flag):
    if flag is None:
        return 0
    if isinstance(flag, (bool, int)) or (isinstance(flag, float) and math.isfinite(flag)):
        return int(flag != 0)
    return flag


def usual_mask(mask):
    """A mask of one frame in the usual form.

    Args:
        mask (object): what a file has for the frame.

    Returns:
        tuple: the mask (None in all spellings of an absent object), and the number of polygons of one or two
        points that were left out.
    """
    if not mask or (isinstance(mask, dict) and 'counts' in mask and _is_nothing(mask['counts'])):
        return None, 0
    if not isinstance(mask, list):
        return mask, 0
    if all(isinstance(value, (int, float)) for value in mask):
        mask = [mask]  # one polygon without the list around it
    parts = [part for part in mask if part]
    kept = [part for part in parts if not _is_remains(part)]
    return kept or None, len(parts) - len(kept)


def _is_nothing(counts):
    return counts is None or (isinstance(counts, (str, list)) and not counts)


def _is_remains(polygon):
    return isinstance(polygon, list) and len(polygon) in (2, 4) and polygon_fault(polygon) == TOO_FEW


def _read_masks(track, place, source, report):
    """Bring the masks to the usual form; where a brush left nothing else, box and area go too."""
    made = [usual_mask(mask) for mask in track['segmentations']]
    track['segmentations'] = [mask for mask, _ in made]
    for frame, (mask, remains) in enumerate(made):
        if not remains:
            continue
        report.add('polygon_remains', source, f'{place} frame {frame}')
        for key in ('bboxes', 'areas') if mask is None else ():
            if isinstance(track.get(key), list) and frame < len(track[key]):
                track[key] = [*track[key][:frame], None, *track[key][frame + 1 :]]


def _drop_empty_boxes(track):
    """Boxes without width or height stand for an absent object where there is no mask either."""
    masks = track.get('segmentations')
    for frame, box in enumerate(track['bboxes']):
        absent = not isinstance(masks, list) or frame >= len(masks) or masks[frame] is None
        if absent and isinstance(box, list) and len(box) == 4 and box[2:] in ([0, 0], [0.0, 0.0]):
            track['bboxes'][frame] = None


def _fit_lengths(track, length):
    """Frames that a list lacks at its end are absent; absent ones that it has too many go."""
    for key in LISTS:
        values = track.get(key)
        if not isinstance(values, list) or not values or len(values) == length:
            continue
        others = [track[k] for k in LISTS[:2] if k != key and isinstance(track.get(k), list)]
        missing = range(len(values), length)
        if all(frame >= len(o) or o[frame] is None for o in others for frame in missing):
            values = values + [None] * len(missing)
        while len(values) > length and not values[-1]:
            values = values[:-1]
        track[key] = values


def _measure(track, place, video, source, report):
    """Boxes and areas around the masks, where the file has none."""
    masks = track['segmentations']
    no_boxes = not track.get('bboxes') or (track['bboxes'] == [None] * len(masks) and any(masks))
    no_areas = not track.get('areas')
    if not masks or not (no_boxes or no_areas) or (not no_boxes and not isinstance(track['bboxes'], list)):
        return
    size = tuple(video.get(key) for key in ('height', 'width')) if video is not None else (None, None)
    if any(type(side) is not int or side < 1 for side in size):
        return  # the reader refuses the video
    found = [(None, None)] * len(masks)
    for frame, mask in enumerate(masks):
        if mask is None:
            continue
        try:
            found[frame] = measure_segm(mask, *size)
        except ValueError as error:
            report.add('damaged_mask', source, f'{place} frame {frame}: {error}')
    if no_boxes:
        track['bboxes'] = [box for box, _ in found]
        report.add('no_boxes', source, place)
    if no_areas:
        track['areas'] = [area if box else None for box, area in found]
        report.add('no_areas', source, place)
