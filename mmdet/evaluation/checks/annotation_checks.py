"""Checks of an annotation file before it is used for training or scoring."""

from pathlib import Path

import numpy as np

from mmdet.formats.annotations import VideoAnnotations, usable_box
from mmdet.formats.defects import TRAINING, Report
from mmdet.formats.mask_checks import check_content, owners
from mmdet.formats.packing import pack_content
from mmdet.formats.reading import read_json
from mmdet.formats.ytvis import read_tables, read_usual
from mmdet.formats.ytvis_entries import box_fault
from mmdet.formats.ytvis_layout import find_image_folder
from mmdet.formats.ytvis_tables import is_number
from mmdet.media import read_image
from mmdet.structures.packed_masks import ABSENT, COUNTS, TEXT
from mmdet.structures.rle import segm_to_rle
from mmdet.utils import Progress, UserError

from ..ap.backend import get_core
from ..ap.boxes import mask_boxes
from .findings import Findings, count_tracks


def check_annotations(ann, images=None, backend='auto'):
    """Check an annotation file by the readers of scoring and of training.

    What scoring refuses is found in the file as it is, what training refuses in its usual form.

    Args:
        ann (str | Path): file in YouTube-VIS format.
        images (str | Path | None): folder of the images; all are read.
        backend (str): see :func:`get_core`.

    Returns:
        Findings: problems are what training or strict scoring refuses, or what contradicts itself.

    Raises:
        FileNotFoundError, UserError: the file cannot be read as YouTube-VIS at all, or there is no such
            folder.
    """
    if images is not None and not Path(images).is_dir():
        raise UserError(f'--images {images}: no such folder')
    core, findings, report = get_core(backend), Findings(), Report('lenient', collect=True)
    content = read_json(ann)
    root, masks = pack_content(content, core)
    dataset, truth = read_tables(root, masks, str(ann), report)
    around = mask_boxes(masks, core)
    check_content(truth, report)
    findings.take(report)
    _check_frames(dataset, findings)
    for i in range(len(truth)):
        _check_sizes(truth, i, dataset, findings)
    _check_boxes(truth, dataset, around, findings)
    _check_tracks(truth, dataset, findings)
    findings.counts = count_tracks(truth, dataset)
    _check_training(content, str(ann), truth, images, findings)
    return findings


def _check_training(content, ann, truth, images, findings):
    """Read the file as training does, up to the masks of every frame that may be drawn."""
    report = Report('training', collect=True)
    content = read_usual(content, ann, report, images)
    refused = any(kind in TRAINING for kind, _ in report.found)
    findings.take(report)
    if images is not None:
        _check_images(content['videos'], images, findings)
    if refused:
        return
    annotations = VideoAnnotations(
        ann, content['categories'], content['videos'], content.get('annotations') or []
    )
    if content.get('annotations') is None:
        findings.add('no_annotations', 'the whole file')
        return
    rows = {row: i for i, row in enumerate(truth.rows)}
    videos, usable = {video['id']: video for video in annotations.videos}, False
    for row, track in enumerate(annotations.tracks):
        flags = _flags(truth, rows.get(row), len(track['segmentations']))
        place = f'annotations[{row}] (video {track["video_id"]!r}, id {track["id"]!r})'
        _check_presence(track, place, lambda frame: flags[frame] == BLANK, findings)  # noqa: B023
        for frame, segm in enumerate(track['segmentations']):
            if track['iscrowd'] or usable_box(track, frame) is None:
                continue
            usable = True
            if segm is not None and flags[frame] == ODD:
                _check_mask(segm, videos[track['video_id']], f'{place} frame {frame}', findings)
    if not usable:
        findings.add('nothing_usable', 'the whole file')


#: What reading has told of a mask.
SOUND, BLANK, ODD = 0, 1, 2


def _flags(truth, i, length):
    """What is known of each mask of track ``i``: SOUND, BLANK without a pixel, or ODD."""
    found = [ODD] * length
    begin, end = truth.span[i].tolist() if i is not None else (0, 0)
    for frame, m in enumerate(range(begin, min(end, begin + length))):
        if truth.masks.kind[m] in (TEXT, COUNTS) and not truth.masks.flag[m]:
            found[frame] = SOUND if truth.masks.area[m] else BLANK
    return found


def _check_mask(segm, video, place, findings):
    try:
        segm_to_rle(segm, video['height'], video['width'])
    except ValueError as error:
        findings.add('damaged_mask', f'{place}: {error}')


def _check_images(videos, images, findings):
    """Read every frame: is it there, whole, and of the size the file says?"""
    frames = [
        (row, video, name)
        for row, video in enumerate(videos)
        if isinstance(video, dict) and isinstance(video.get('file_names'), list)
        for name in video['file_names']
        if isinstance(name, str)
    ]
    folder = Path(find_image_folder(str(images), frames[0][2]) if frames else images)
    with Progress(len(frames), 'images') as progress:
        for row, video, name in frames:
            place = f'videos[{row}] (id {video.get("id")!r}) {name}'
            progress.update()
            try:
                height, width = read_image(folder / name).shape[:2]
            except (UserError, ValueError) as error:
                kind = 'unreadable_image' if (folder / name).is_file() else 'missing_image'
                findings.add(kind, place if kind == 'missing_image' else f'{place}: {error}')
                continue
            if (height, width) != (video.get('height'), video.get('width')):
                expected = f'{video.get("height")}x{video.get("width")}'
                findings.add('image_size', f'{place} is {height}x{width}, the file says {expected}')
    findings.counts['images'] = len(frames)


def _check_frames(dataset, findings):
    """Frames that belong to more than one video, or twice to one."""
    seen = {}
    for video, names in dataset.file_names.items():
        for name in (n for n in names if isinstance(n, str)):
            if name in seen:
                findings.add('shared_frame', f'video {video!r} {name} (also of video {seen[name]!r})')
            seen.setdefault(name, video)


def _check_sizes(truth, i, dataset, findings):
    """Whether a track has the size of its video."""
    entry, video = truth.entries[i], dataset.videos.get(truth.video[i], (None,) * 3)
    for key, expected in zip(('height', 'width', 'length'), video):
        if key == 'length' and entry.get(key) == 1:
            continue  # the files of YouTube-VIS 2019 have it in each annotation, whatever the length
        if expected is not None and key in entry and entry[key] != expected:
            findings.add('track_size', f'{truth.place(i)} {key} {entry[key]!r}, its video {expected}')


def _check_presence(track, place, blank, findings):
    """Whether the lists of a track agree on when the object is there.

    Args:
        track (dict): in the usual form.
        place (str): where it stands.
        blank (Callable[[int], bool]): whether the mask of a frame has no pixel; box and area may then be
            absent.
        findings (Findings): where disagreement goes.
    """
    for frame, mask in enumerate(track['segmentations']):
        for key, name in (('bboxes', 'bbox'), ('areas', 'area')):
            value = track[key][frame]
            if (value is None) == (mask is None) or (key == 'areas' and value == 0):
                continue
            if mask is None:
                findings.add('presence', f'{place} frame {frame} has no mask and {name}')
            elif not blank(frame):
                findings.add('presence', f'{place} frame {frame} has a mask and no {name}')


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
            findings.add('area_mask', f'{truth.place(i, t)} area {area!r:.40}, mask {size}')


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
