"""KITTI MOTS and MOTSChallenge, txt or png (Voigtlaender et al., "MOTS", arXiv 1902.03604).

A line is ``frame track_id class_id height width rle``, and a file is one sequence. Track ids are
``class * 1000 + instance``; 10000 marks a region to ignore, here a crowd region. A pixel of a 16-bit png is
such an id, and a folder of these is one sequence.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from mmdet.media import image_size
from mmdet.structures.rle import segm_to_rle
from mmdet.utils import IMAGE_SUFFIXES, Progress, UserError, atomic_write_text, inside, note_input

from .annotations import VideoAnnotations
from .builder import AnnotationsBuilder
from .files import existing_folder, files_by_stem, folders_with, frame_number, video_name
from .indexed_png import read_indexed_png, split_objects
from .painting import paint
from .tracks import decode_tracks

IGNORE_ID, IGNORE_CLASS = 10000, 10
INSTANCES = 1000  # ids of one class
CLASSES = {1: 'car', 2: 'pedestrian'}


def read(
    sources: Sequence[str | Path],
    images: str | Path,
    class_ids: Mapping[int, str] = CLASSES,
    stream=None,
) -> VideoAnnotations:
    """Read sequences.

    A region to ignore applies to objects of every class, so it becomes a crowd track of every class.

    Args:
        sources (Sequence[str | Path]): txt files, or folders of png files; see :func:`sequence_name`.
        images (str | Path): has a folder with that name for each sequence; the names of its images, or of
            those in a folder ``img1`` in it, end in the frame number.
        class_ids (Mapping[int, str]): names of the class ids.
        stream (IO | None): where progress is printed; stderr by default.

    Raises:
        UserError: an unknown class, a frame without an image or with another size, or a track with two
            classes; the message names the file.
    """
    existing_folder(images, 'folder of images')
    builder = AnnotationsBuilder([{'id': key, 'name': name} for key, name in sorted(class_ids.items())])
    jobs = []
    for path in map(Path, sources):
        if not path.exists():
            raise UserError(f'{path}: no such file, or folder of png masks')
        name = _folder_of(sequence_name(path), images)
        prefix = f'{name}/img1' if (Path(images) / name / 'img1').is_dir() else name
        folder = existing_folder(Path(images) / prefix, f'images of {path}:')
        files = _numbered(folder, IMAGE_SUFFIXES)
        if not files:
            raise UserError(f'{folder}: expected images named by their frame number')
        jobs.append((path, prefix, files))
    with Progress(sum(len(files) for _, _, files in jobs), 'frames', stream=stream) as progress:
        for path, prefix, files in jobs:
            objects = read_mots_png(path, files) if path.is_dir() else read_mots_txt(path)
            shape = image_size(next(iter(files.values())))
            names = [(PurePosixPath(prefix) / p.name).as_posix() for p in files.values()]
            video = builder.add_video(names, *shape)
            _add_tracks(builder, video, objects, list(files), path)
            progress.update(len(files))
    return builder.build(images)


def read_mots_txt(path: str | Path) -> list[tuple]:
    """Read one sequence from a txt file.

    Returns:
        list[tuple]: (frame, track id, class id, RLE dict) of each line.

    Raises:
        UserError: a line is invalid; the message has its number.
    """
    objects, seen = [], set()
    note_input(path)
    try:
        lines = Path(path).read_text(encoding='utf-8-sig').splitlines()
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


def read_mots_png(folder, frames):
    """Read one sequence from a folder of png files, named by frame number, as :func:`read_mots_txt` does.

    Args:
        folder (str | Path): the files.
        frames (Container[int]): numbers of the frames that have an image.
    """
    objects = []
    files = _numbered(folder, ('.png',))
    if not files:
        raise UserError(f'{folder}: no png masks in this folder (for MOTSChallenge give NAME/gt/gt.txt)')
    for frame, path in files.items():
        if frame not in frames:
            raise UserError(f'{path}: frame {frame} has no image')
        for track, rle in split_objects(read_indexed_png(path)).items():
            if track < INSTANCES:
                raise UserError(f'{path}: the id {track} is below 1000: ids are class * 1000 + instance')
            objects.append((frame, track, track // INSTANCES, rle))
    return objects


def sequence_name(path):
    """Name of a sequence: stem of its file or folder; NAME for ``NAME/gt/gt.txt`` (MOTSChallenge)."""
    path = Path(path)
    parts = path.resolve().parts
    return parts[-3] if path.name == 'gt.txt' and parts[-2] == 'gt' else path.stem


def _folder_of(name, images):
    """The folder of a sequence, relative to ``images``; :func:`write` names nested ones with underscores."""
    if (Path(images) / name).is_dir():
        return name
    folders = [folder.removesuffix('/img1') for folder in folders_with(images, IMAGE_SUFFIXES)]
    same = [folder for folder in folders if folder.replace('/', '_') == name]
    return same[0] if same else '.' if folders == ['.'] else name


def _numbered(folder, suffixes):
    """Frame number -> path, in the order of the numbers."""
    found = {}
    files = files_by_stem(folder, suffixes)
    for number, path in zip(_frame_numbers(files), files.values()):
        if number is None:
            raise UserError(f'{path}: expected a name that ends in the number of its frame')
        if number in found:
            raise UserError(f'{folder}: {found[number].name} and {path.name} are the same frame')
        found[number] = path
    return found


def _frame_numbers(stems):
    """The number at the end of each name (list[int | None]): of ``000012`` and of ``frame_12`` it is 12."""
    return [frame_number(stem) for stem in stems]


def _add_tracks(builder, video, objects, frames, path):
    """Add the tracks of a sequence; ``frames`` has the numbers of its frames."""
    index = {frame: place for place, frame in enumerate(frames)}
    shape = [builder.videos[-1]['height'], builder.videos[-1]['width']]
    names = {category['id'] for category in builder.categories}
    tracks, labels, regions = {}, {}, {}
    for frame, track, label, rle in objects:
        if frame not in index:
            raise UserError(f'{path}: frame {frame} has no image')
        if rle['size'] != shape:
            raise UserError(f'{path}: frame {frame} has masks of {rle["size"]}, its images have {shape}')
        if track == IGNORE_ID:  # each region of a frame becomes a track
            regions[frame] = regions.get(frame, 0) + 1
            track = (IGNORE_ID, regions[frame])
        elif label not in names:
            raise UserError(
                f'{path}: the class {label} of track {track} is not among {sorted(names)} (see class_ids)'
            )
        elif labels.setdefault(track, label) != label:
            raise UserError(f'{path}: track {track} has the classes {labels[track]} and {label}')
        tracks.setdefault(track, {})[index[frame]] = rle
    for track, masks in tracks.items():
        if track in labels:
            builder.add_track(video, labels[track], masks, mots_id=track)
            continue
        for label in sorted(names):
            builder.add_track(video, label, masks, iscrowd=1, mots_id=IGNORE_ID)


def write(annotations: VideoAnnotations, out: str | Path, stream=None) -> dict[str, int]:
    """Write one txt file per video.

    MOTS does not allow overlap: a shared pixel goes to the object with the higher score, in ground truth to
    the smaller one; crowd regions lie below all others. Track ids are those that the objects had
    (``mots_id``), else class * 1000 + 1, 2, ... Frame numbers are those at the end of the images' names; if a
    video has none, or one twice, its frames count from 0.

    Args:
        annotations (VideoAnnotations): what to write.
        out (str | Path): folder to write to.
        stream (IO | None): where progress is printed; stderr by default.

    Returns:
        dict[str, int]: what was written.

    Raises:
        UserError: a mask is damaged, a class has more objects than ids, or two videos have the same name.
    """
    counts = {'sequences': 0, 'masks': 0, 'hidden pixels': 0}
    seen = {}
    with Progress(len(annotations.videos), 'videos', stream=stream) as progress:
        for video, tracks in decode_tracks(annotations):
            name = _file_name(video)
            if name in seen:
                raise UserError(
                    f'{annotations.path}: videos {seen[name]!r} and {video["id"]!r} are both named {name!r}'
                )
            seen[name] = video['id']
            lines, hidden = _lines(video, _without_repeats(tracks))
            atomic_write_text(inside(out, f'{name}.txt'), ''.join(line + '\n' for line in lines))
            counts['sequences'] += 1
            counts['masks'] += len(lines)
            counts['hidden pixels'] += hidden
            progress.update()
    return counts


def _lines(video, tracks):
    """Lines of a sequence's file; number of hidden pixels."""
    ids = _track_ids(tracks, video)
    lines, hidden = [], 0
    numbered = [(track, number) for number, track in enumerate(tracks, 1)]
    frames = _frame_numbers(PurePosixPath(name).stem for name in video['file_names'])
    if None in frames or len(set(frames)) < len(frames):
        frames = range(len(frames))
    for place, frame in enumerate(frames):
        image, lost = paint(numbered, place, video['height'], video['width'])
        hidden += lost
        for number, rle in split_objects(image).items():
            track = tracks[number - 1]
            label = IGNORE_CLASS if track.crowd else track.category_id
            size = f'{video["height"]} {video["width"]}'
            lines.append(f'{frame} {ids[number - 1]} {label} {size} {rle["counts"]}')
    return lines, hidden


def _file_name(video):
    """Name of a sequence: its image folder without the ``img1`` of MOTSChallenge."""
    name = video_name(video)
    return name.removesuffix('/img1').replace('/', '_')


def _without_repeats(tracks):
    """Tracks without crowd regions that repeat the masks of another class."""
    kept, seen = [], set()
    for track in tracks:
        key = tuple(sorted((frame, rle['counts']) for frame, rle in track.masks.items()))
        if not track.crowd or key not in seen:
            kept.append(track)
        if track.crowd:
            seen.add(key)
    return kept


def _track_ids(tracks, video):
    """MOTS ids of the tracks of a video (list of int)."""
    ids, used, last = [], {IGNORE_ID}, {}
    for track in tracks:
        had = track.entry.get('mots_id')
        # Of another source, or given twice, it is no id of this file.
        fits = type(had) is int and 0 < had < 2**31 and had not in used
        ids.append(IGNORE_ID if track.crowd else had if fits else None)
        used.add(ids[-1])
    for track in tracks:
        if type(track.category_id) is not int or track.category_id < 0:
            raise UserError(
                f'MOTS numbers its classes; the category id {track.category_id!r:.60} is no number'
            )
    for place, track in enumerate(tracks):
        if ids[place] is not None:
            continue
        label = track.category_id
        last[label] = last.get(label, 0) + 1
        while label * INSTANCES + last[label] in used:
            last[label] += 1
        if last[label] >= INSTANCES:
            raise UserError(
                f'video {video["id"]!r} has more than {INSTANCES - 1} objects of category {label}, '
                'which is the number of ids that MOTS has for a class'
            )
        ids[place] = label * INSTANCES + last[label]
    return ids
