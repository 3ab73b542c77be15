"""Write synthetic videos as a YouTube-VIS dataset."""

import json
import os
import shutil
from pathlib import Path

import cv2
import numpy as np

from mmdet.structures.rle import mask_extent
from mmdet.utils import Progress, UserError, atomic_write_text

from .scene import Scene
from .shapes import SHAPES

SPLITS = {'train': ('train', 'instances_train_sub.json'), 'val': ('valid', 'instances_val_sub.json')}
_SPLIT_SEEDS = {'train': 0, 'val': 1}


def mask_to_counts(mask):
    """COCO run lengths of a bool mask (height, width): column-major, beginning with the zeros."""
    flat = np.asarray(mask, bool).ravel(order='F')
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    counts = np.diff(np.concatenate([[0], changes, [flat.size]])).tolist()
    return [0, *counts] if flat.size and flat[0] else counts


def make_video(seed, split='train', index=0, frames=12, size=(160, 96), difficulty=0.4, categories=5):
    """Render one video in memory.

    Args:
        seed (int): seed of the dataset; with ``split`` and ``index`` it decides everything.
        split (str): 'train' or 'val'; the two never share a random stream.
        index (int): number of the video in its split.
        frames (int): length.
        size (tuple[int, int]): width and height in pixels.
        difficulty (float): in [0, 1], see :class:`Scene`.
        categories (int): how many of ``SHAPES`` are used.

    Returns:
        tuple: list of uint8 (height, width, 3) BGR images; list of annotation dicts with ``category_id``,
        ``segmentations`` (uncompressed RLE), ``bboxes`` ([x, y, w, h]) and ``areas``, None where absent.
    """
    rng = np.random.default_rng([seed, _SPLIT_SEEDS[split], index])
    scene = Scene(rng, list(SHAPES)[:categories], tuple(size), frames, difficulty)
    pictures = []
    tracks = [
        {'category_id': thing.label + 1, 'segmentations': [], 'bboxes': [], 'areas': []}
        for thing in scene.things
    ]
    for frame in range(frames):
        picture, masks, full = scene.render(frame)
        pictures.append(picture)
        for track, mask, whole in zip(tracks, masks, full):
            area = int(mask.sum())
            # A sliver that peeps out from behind another object is no more visible to a person either.
            if area < max(12, 0.04 * whole):
                for key in ('segmentations', 'bboxes', 'areas'):
                    track[key].append(None)
                continue
            left, top, right, bottom = mask_extent(mask)
            track['segmentations'].append({'counts': mask_to_counts(mask), 'size': list(mask.shape)})
            track['bboxes'].append([left, top, right - left + 1, bottom - top + 1])
            track['areas'].append(area)
    return pictures, [track for track in tracks if sum(area is not None for area in track['areas']) >= 2]


def generate_dataset(
    out,
    train_videos=40,
    val_videos=8,
    frames=12,
    size=(160, 96),
    seed=0,
    difficulty=0.4,
    categories=5,
    overwrite=False,
    quality=95,
):
    """Write ``{train,valid}/JPEGImages/<video>/<frame>.jpg`` and ``annotations/instances_*_sub.json``.

    The folder appears under its name only when it is complete. A folder that already holds the very same data
    set is left as it is.

    Args:
        out (str | Path): folder to make.
        train_videos, val_videos (int): number of videos.
        frames, size, seed, difficulty, categories: see :func:`make_video`.
        overwrite (bool): replace a folder that holds something else.
        quality (int): of the JPEG files.

    Returns:
        Path: ``out``.

    Raises:
        UserError: a number out of its range, or ``out`` exists and holds something else.
    """
    settings = {
        'train_videos': train_videos,
        'val_videos': val_videos,
        'frames': frames,
        'size': list(size),
        'seed': seed,
        'difficulty': difficulty,
        'categories': categories,
        'quality': quality,
    }
    _check(settings)
    out = Path(out)
    if out.exists() and any(out.iterdir()):
        if _same(out, settings):
            print(f'{out} already holds this dataset')
            return out
        if not overwrite:
            raise UserError(
                f'{out} exists and is not this dataset; choose another folder or pass --overwrite'
            )
    _write(out, settings)
    return out


def _write(out, settings):
    """Write everything to a folder beside ``out``, then give it the name ``out``."""
    temporary = out.parent / f'.{out.name}.{os.getpid()}.tmp'
    shutil.rmtree(temporary, ignore_errors=True)
    counts = {'train': settings['train_videos'], 'val': settings['val_videos']}
    try:
        with Progress(sum(counts.values()) * settings['frames'], 'frames') as progress:
            for split, count in counts.items():
                _write_split(temporary, split, count, settings, progress)
        if out.exists():
            shutil.rmtree(out)
        os.replace(temporary, out)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _check(settings):
    def require(ok, name, expected):
        if not ok:
            raise UserError(f'{name} must be {expected}, got {settings[name]!r}')

    require(settings['train_videos'] >= 0, 'train_videos', 'at least 0')
    require(settings['val_videos'] >= 0, 'val_videos', 'at least 0')
    require(settings['frames'] >= 1, 'frames', 'at least 1')
    require(
        len(settings['size']) == 2 and min(settings['size']) >= 32, 'size', 'width height, each at least 32'
    )
    require(settings['seed'] >= 0, 'seed', 'at least 0')
    require(0 <= settings['difficulty'] <= 1, 'difficulty', 'between 0 and 1')
    require(1 <= settings['categories'] <= len(SHAPES), 'categories', f'between 1 and {len(SHAPES)}')
    require(1 <= settings['quality'] <= 100, 'quality', 'between 1 and 100')


def _same(out, settings):
    try:
        texts = [(out / 'annotations' / name).read_text(encoding='utf-8') for _, name in SPLITS.values()]
        return all(json.loads(text)['info'].get('settings') == settings for text in texts)
    except (OSError, ValueError, KeyError, AttributeError):
        return False


def _write_split(root, split, count, settings, progress):
    """Render and write the videos of one split, then its annotation file."""
    folder, ann_name = SPLITS[split]
    width, height = settings['size']
    names = list(SHAPES)[: settings['categories']]
    videos, annotations = [], []
    keys = ('seed', 'frames', 'size', 'difficulty', 'categories')
    for index in range(count):
        pictures, tracks = make_video(split=split, index=index, **{key: settings[key] for key in keys})
        name = f'{split}_{index:04d}'
        place = root / folder / 'JPEGImages' / name
        place.mkdir(parents=True)
        file_names = []
        for frame, picture in enumerate(pictures):
            file_names.append(f'{name}/{frame:05d}.jpg')
            _write_jpeg(place / f'{frame:05d}.jpg', picture, settings['quality'])
            progress.update()
        videos.append(
            {
                'id': index + 1,
                'width': width,
                'height': height,
                'length': len(pictures),
                'file_names': file_names,
            }
        )
        for track in tracks:
            shape = {'height': height, 'width': width, 'length': len(pictures)}
            annotations.append(dict(id=len(annotations) + 1, video_id=index + 1, iscrowd=0, **shape, **track))
    content = {
        'info': {'description': 'synthetic videos in YouTube-VIS format', 'settings': settings},
        'categories': [{'id': i + 1, 'name': name, 'supercategory': 'shape'} for i, name in enumerate(names)],
        'videos': videos,
        'annotations': annotations,
    }
    (root / folder / 'JPEGImages').mkdir(parents=True, exist_ok=True)
    atomic_write_text(root / 'annotations' / ann_name, json.dumps(content))


def _write_jpeg(path, picture, quality):
    ok, data = cv2.imencode('.jpg', picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not ok:
        raise RuntimeError(f'OpenCV could not encode {path}')
    path.write_bytes(data.tobytes())
