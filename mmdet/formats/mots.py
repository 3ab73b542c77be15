"""KITTI MOTS and MOTSChallenge files, txt or png, to YouTube-VIS and back.

A line is ``frame track_id class_id height width rle``, a file is one sequence, ids are
``class * 1000 + instance``, and 10000 marks regions to ignore, here crowd. A pixel of png (16 bits) holds
such an id; a sequence is a folder of these (Voigtlaender et al., "MOTS", arXiv 1902.03604).
"""

from pathlib import Path, PurePosixPath

from mmdet.media import image_size
from mmdet.structures.rle import segm_to_rle
from mmdet.utils import IMAGE_SUFFIXES, Progress, UserError

from .builder import DatasetBuilder
from .export_masks import paint
from .files import existing_folder, files_by_stem, video_name
from .indexed_png import read_indexed_png, split_objects
from .tracks import read_tracks

IGNORE_ID, IGNORE_CLASS = 10000, 10
INSTANCES = 1000  # ids of one class


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


def read_mots_png(folder, frames, progress):
    """Read one sequence of png files, named by frame number; as :func:`read_mots_txt`.

    Args:
        folder (str | Path): the files.
        frames (Container[int]): frames that have an image.
        progress (Progress): counts the files.
    """
    objects = []
    files = _numbered(folder, ('.png',))
    if not files:
        raise UserError(f'{folder}: no png masks in this folder (of MOTSChallenge give NAME/gt/gt.txt)')
    for frame, path in files.items():
        if frame not in frames:
            raise UserError(f'{path}: frame {frame} has no image')
        for track, rle in split_objects(read_indexed_png(path)).items():
            if track < INSTANCES:
                raise UserError(f'{path}: the id {track} is below 1000: ids are class * 1000 + instance')
            objects.append((frame, track, track // INSTANCES, rle))
        progress.update()
    return objects


def sequence_name(path):
    """Name of a sequence: stem of its file or folder; of ``NAME/gt/gt.txt`` (MOTSChallenge) NAME."""
    path = Path(path)
    parts = path.resolve().parts
    return parts[-3] if path.name == 'gt.txt' and parts[-2] == 'gt' else path.stem


def mots_to_ytvis(sequences, images, classes, stream=None):
    """Bring sequences to YouTube-VIS.

    A region to ignore holds for objects of every class, so it becomes a crowd track of every class.

    Args:
        sequences (Sequence[str | Path]): txt files, or folders of png files; see :func:`sequence_name`.
        images (str | Path): has a folder of that name for each sequence, with images named by frame
            number, or with a folder ``img1`` of such.
        classes (dict[int, str]): names of the class ids.
        stream (IO | None): where progress is printed; stderr by default.

    Returns:
        dict: YouTube-VIS annotations.

    Raises:
        UserError: an unknown class, a frame without image, another size than the image, or a track of two
            classes.
    """
    existing_folder(images, 'folder of images')
    builder = DatasetBuilder([{'id': key, 'name': name} for key, name in sorted(classes.items())])
    jobs = []
    for path in map(Path, sequences):
        if not path.exists():
            raise UserError(f'{path}: no such file, or folder of png masks')
        name = sequence_name(path)
        prefix = f'{name}/img1' if (Path(images) / name / 'img1').is_dir() else name
        folder = existing_folder(Path(images) / prefix, f'images of {path}:')
        pictures = _numbered(folder, IMAGE_SUFFIXES)
        if not pictures:
            raise UserError(f'{folder}: expected images named by their frame number')
        jobs.append((path, prefix, pictures))
    with Progress(sum(len(pictures) for _, _, pictures in jobs), 'frames', stream=stream) as progress:
        for path, prefix, pictures in jobs:
            start = progress.done
            in_png = path.is_dir()
            objects = read_mots_png(path, pictures, progress) if in_png else read_mots_txt(path)
            shape = image_size(next(iter(pictures.values())))
            video = builder.add_video([f'{prefix}/{p.name}' for p in pictures.values()], *shape)
            _add_tracks(builder, video, objects, list(pictures), path)
            progress.update(start + len(pictures) - progress.done)
    return builder.content()


def _numbered(folder, suffixes):
    """Frame number -> path, in the order of the numbers."""
    found = {}
    for stem, path in files_by_stem(folder, suffixes).items():
        if not (stem.isascii() and stem.isdigit()):
            raise UserError(f'{path}: expected a frame number as its name')
        if int(stem) in found:
            raise UserError(f'{folder}: {found[int(stem)].name} and {path.name} are the same frame')
        found[int(stem)] = path
    return found


def _add_tracks(builder, video, objects, frames, path):
    """Add the tracks of a sequence; ``frames`` are the numbers of its frames."""
    index = {frame: place for place, frame in enumerate(frames)}
    shape = [builder.videos[-1]['height'], builder.videos[-1]['width']]
    names = {category['id'] for category in builder.categories}
    tracks, labels, regions = {}, {}, {}
    for frame, track, label, rle in objects:
        if frame not in index:
            raise UserError(f'{path}: frame {frame} has no image')
        if rle['size'] != shape:
            raise UserError(f'{path}: frame {frame} has masks of {rle["size"]}, its images have {shape}')
        if track == IGNORE_ID:  # several regions of one frame are tracks of their own
            regions[frame] = regions.get(frame, 0) + 1
            track = (IGNORE_ID, regions[frame])
        elif label not in names:
            raise UserError(
                f'{path}: the class {label} of track {track} is not among {sorted(names)} (see --classes)'
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


def ytvis_to_mots(index, results=None, score_thr=0.0):
    """Bring annotations or results to MOTS, in which objects do not overlap.

    Shared pixels go to the higher score, of annotations to the smaller object, as in
    :func:`~mmdet.formats.export_masks.export_masks`; crowd lies below all.

    Args:
        index (VideoAnnotations): annotation file, or for results the file that names videos and categories.
        results (str | Path | None): results json instead of the annotations.
        score_thr (float): results below it are left out.

    Yields:
        tuple[str, list[str], int]: name of a sequence, the lines of its file, and the pixels that overlap
        took from an object. Frames count from the digits of the image's name, else from 0. Track ids are
        those the objects had (``mots_id``), else class * 1000 + 1, 2, ...

    Raises:
        UserError: a damaged mask, more objects of a class than ids, or two videos of one name.
    """
    seen = {}
    for video, tracks in read_tracks(index, results, score_thr):
        name = _file_name(video)
        if name in seen:
            raise UserError(
                f'{index.path}: videos {seen[name]!r} and {video["id"]!r} are both named {name!r}'
            )
        seen[name] = video['id']
        tracks = _without_repeats(tracks)
        ids = _track_ids(tracks, video)
        lines, hidden = [], 0
        numbered = [(track, number) for number, track in enumerate(tracks, 1)]
        for place, file_name in enumerate(video['file_names']):
            stem = PurePosixPath(file_name).stem
            frame = int(stem) if stem.isascii() and stem.isdigit() else place
            picture, lost = paint(numbered, place, video['height'], video['width'])
            hidden += lost
            for number, rle in split_objects(picture).items():
                track = tracks[number - 1]
                label = IGNORE_CLASS if track.crowd else track.category_id
                size = f'{video["height"]} {video["width"]}'
                lines.append(f'{frame} {ids[number - 1]} {label} {size} {rle["counts"]}')
        yield name, lines, hidden


def _file_name(video):
    """Name of a sequence's file: its folder of images, without MOTSChallenge's ``img1``."""
    name = video_name(video)
    return name.removesuffix('/img1').replace('/', '_')


def _without_repeats(tracks):
    """Tracks without crowd that only repeats a region for another class."""
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
    ids = [IGNORE_ID if t.crowd else t.entry.get('mots_id') for t in tracks]
    used, last = {i for i in ids if i is not None} | {IGNORE_ID}, {}
    for place, track in enumerate(tracks):
        if ids[place] is not None:
            continue
        label = track.category_id
        last[label] = last.get(label, 0) + 1
        while label * INSTANCES + last[label] in used:
            last[label] += 1
        if last[label] >= INSTANCES:
            raise UserError(
                f'video {video["id"]!r} has more than {INSTANCES - 1} objects of category {label}; '
                'MOTS has no ids for them'
            )
        ids[place] = label * INSTANCES + last[label]
    return ids
