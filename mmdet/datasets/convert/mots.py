"""KITTI MOTS and MOTSChallenge files, txt or png, to YouTube-VIS and back.

A line is ``frame track_id class_id height width rle``, a file is one sequence, ids are
``class * 1000 + instance``, and 10000 marks regions to ignore, here crowd. A pixel of png (16 bits) holds
such an id; a sequence is a folder of these.
"""

from pathlib import Path

import numpy as np

from ...structures.rle import decode_rle, encode_mask, rle_area, rle_to_bbox, segm_to_rle
from ...utils.errors import UserError
from .files import files_by_stem
from .indexed_png import read_indexed_png, split_objects

IGNORE_ID = 10000
SUFFIXES = ('.jpg', '.jpeg', '.png')


def read_mots_txt(path):
    """Read one sequence.

    Args:
        path (str | Path): txt file.

    Returns:
        list[tuple]: (frame, track id, class id, RLE dict) of each line.

    Raises:
        UserError: naming file and line.
    """
    objects, seen = [], set()
    try:
        lines = Path(path).read_text(encoding='ascii').splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f'{path} cannot be read as a MOTS file: {error}') from None
    for number, line in enumerate(lines, 1):
        fields = line.split()
        if not fields:
            continue
        place = f'{path}, line {number}'
        if len(fields) != 6:
            raise UserError(
                f'{place}: expected 6 fields (frame track_id class_id height width rle), got {len(fields)}'
            )
        try:
            frame, track, label, height, width = (int(value) for value in fields[:5])
            rle = segm_to_rle({'size': [height, width], 'counts': fields[5]}, height, width)
        except ValueError as error:
            raise UserError(f'{place}: {error}') from None
        if frame < 0:
            raise UserError(f'{place}: the frame {frame} is negative')
        if track != IGNORE_ID and (frame, track) in seen:
            raise UserError(f'{place}: track {track} is in frame {frame} twice')
        seen.add((frame, track))
        objects.append((frame, track, label, rle))
    return objects


def read_mots_png(folder):
    """Read one sequence of png files, named by frame number; as :func:`read_mots_txt`."""
    objects = []
    for stem, path in files_by_stem(folder, ('.png',)).items():
        if not (stem.isascii() and stem.isdigit()):
            raise UserError(f'{path}: expected a frame number as its name')
        for track, rle in split_objects(read_indexed_png(path)).items():
            if track < 1000:
                raise UserError(f'{path}: the id {track} is below 1000: ids are class * 1000 + instance')
            objects.append((int(stem), track, track // 1000, rle))
    return objects


def mots_to_ytvis(sequences, images, classes):
    """Bring sequences to YouTube-VIS.

    Args:
        sequences (Sequence[str | Path]): txt files, or folders of png files; the stem names the
            folder of pictures.
        images (str | Path): folder with one folder of pictures (named by frame number) per sequence.
        classes (dict[int, str]): names of the class ids.

    Returns:
        dict: YouTube-VIS annotations.

    Raises:
        UserError: an unknown class, a frame without picture, or a track of two classes.
    """
    root = {
        'categories': [{'id': key, 'name': name} for key, name in sorted(classes.items())],
        'videos': [],
        'annotations': [],
    }
    for number, path in enumerate(sequences, 1):
        path = Path(path)
        names = _frame_names(Path(images) / path.stem)
        objects = read_mots_png(path) if path.is_dir() else read_mots_txt(path)
        if not objects:
            raise UserError(f'{path} names no object, so the size of its pictures is unknown')
        height, width = objects[0][3]['size']
        root['videos'].append(
            {
                'id': number,
                'width': width,
                'height': height,
                'file_names': [f'{path.stem}/{name}' for name in names.values()],
            }
        )
        _add_tracks(root, number, objects, list(names), path, classes)
    return root


def _frame_names(folder):
    """dict: frame number -> file name, in the order of the numbers."""
    if not folder.is_dir():
        raise UserError(f'{folder}: no such folder of pictures')
    files = [p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES and p.stem.isdigit()]
    names = {int(p.stem): p.name for p in sorted(files, key=lambda p: int(p.stem))}
    if len(names) != len(files) or not names:
        raise UserError(f'{folder}: expected pictures named by their frame number, one for each frame')
    return names


def _add_tracks(root, video, objects, frames, path, classes):
    index = {frame: place for place, frame in enumerate(frames)}
    tracks, size, crowds = {}, objects[0][3]['size'], {}
    for frame, track, label, rle in objects:
        if frame not in index:
            raise UserError(f'{path}: frame {frame} has no picture')
        if rle['size'] != size:
            raise UserError(f'{path}: frame {frame} has the size {rle["size"]}, others have {size}')
        crowd = track == IGNORE_ID
        if not crowd and label not in classes:
            raise UserError(f'{path}: the class {label} of track {track} is not among {sorted(classes)}')
        if crowd:  # several regions of one frame are tracks of their own
            crowds[frame] = crowds.get(frame, 0) + 1
            track, label = (IGNORE_ID, crowds[frame]), min(classes)
        if track not in tracks:
            empty = {key: [None] * len(frames) for key in ('segmentations', 'bboxes', 'areas')}
            tracks[track] = {
                'id': len(root['annotations']) + 1,
                'video_id': video,
                'category_id': label,
                'iscrowd': int(crowd),
                'width': size[1],
                'height': size[0],
                **empty,
            }
            root['annotations'].append(tracks[track])
            if not crowd:
                tracks[track]['mots_id'] = track
        entry, place = tracks[track], index[frame]
        if entry['category_id'] != label:
            raise UserError(f'{path}: track {track} has the classes {entry["category_id"]} and {label}')
        entry['segmentations'][place] = rle
        entry['bboxes'][place] = rle_to_bbox(rle)
        entry['areas'][place] = rle_area(rle)


def ytvis_to_mots(videos, tracks):
    """Bring annotations or results to MOTS, in which objects do not overlap.

    Args:
        videos (Sequence[dict]): videos of the annotation file.
        tracks (Sequence[dict]): annotations, or results with ``score``; the higher score keeps shared pixels.

    Returns:
        dict: video id -> list[str], the lines of its file; frames count from the digits of the picture's
        name, else from 0.

    Raises:
        UserError: an unknown video, a damaged mask, or another number of frames.
    """
    by_id = {video['id']: video for video in videos}
    grouped = {identity: [] for identity in by_id}
    for number, track in enumerate(tracks):
        video = by_id.get(track.get('video_id'))
        if video is None:
            raise UserError(f'entry {number}: video_id {track.get("video_id")!r} is not among the videos')
        for key, kinds in (('category_id', int), ('score', (int, float))):
            if not isinstance(track.get(key, 1 if key == 'score' else None), kinds):
                raise UserError(f'entry {number}: expected a number under {key}, got {track.get(key)!r}')
        segmentations = track.get('segmentations')
        if not isinstance(segmentations, list) or len(segmentations) != len(video['file_names']):
            raise UserError(f'entry {number}: expected {len(video["file_names"])} segmentations')
        grouped[video['id']].append((number, track))
    return {identity: _video_lines(by_id[identity], entries) for identity, entries in grouped.items()}


def _video_lines(video, entries):
    ordered = sorted(entries, key=lambda pair: -float(pair[1].get('score', 1)))
    ids, counts, lines = {}, {}, []
    used = {track['mots_id'] for _, track in entries if 'mots_id' in track}
    for number, track in entries:
        label = track['category_id']
        while 'mots_id' not in track:
            counts[label] = counts.get(label, 0) + 1
            if label * 1000 + counts[label] not in used | {IGNORE_ID}:
                break
        own = track.get('mots_id', label * 1000 + counts.get(label, 0))
        ids[number] = IGNORE_ID if track.get('iscrowd') else own
    for place, name in enumerate(video['file_names']):
        stem = Path(name).stem
        frame = int(stem) if stem.isdigit() else place
        taken = np.zeros((video['height'], video['width']), bool)
        for number, track in ordered:
            segm = track['segmentations'][place]
            if segm is None:
                continue
            try:
                mask = decode_rle(segm_to_rle(segm, *taken.shape)).astype(bool) & ~taken
            except ValueError as error:
                raise UserError(f'entry {number}, frame {place}: {error}') from None
            if mask.any():
                taken |= mask
                label = 10 if track.get('iscrowd') else track['category_id']
                counts_text = encode_mask(mask)['counts']
                lines.append(f'{frame} {ids[number]} {label} {taken.shape[0]} {taken.shape[1]} {counts_text}')
    return lines
