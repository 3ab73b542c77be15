"""Write synthetic videos as a YouTube-VIS dataset."""

import json
import re
import shutil
from pathlib import Path

import numpy as np

from mmdet.formats import ytvis
from mmdet.formats.annotations import VideoAnnotations
from mmdet.media import write_image
from mmdet.structures.rle import counts_to_box, encode_mask, rle_counts
from mmdet.utils import Progress, Scratch, UserError

from .scene import Scene
from .shapes import SHAPES

SPLITS = {'train': ('train', 'instances_train_sub.json'), 'val': ('valid', 'instances_val_sub.json')}
_OURS = re.compile(
    r'(train|valid)/JPEGImages/(train|val)_\d+/\d+\.jpg|annotations/instances_(train|val)_sub\.json'
)
_SPLIT_SEEDS = {'train': 0, 'val': 1}


def make_video(seed, split='train', index=0, frames=12, size=(160, 96), difficulty=0.4, categories=5):
    """Render one video in memory. It depends on nothing but the arguments.

    Args:
        seed (int): seed of the dataset.
        split (str): 'train' or 'val'; the two never share a random stream.
        index (int): number of the video in its split.
        frames (int): length.
        size (tuple[int, int]): width and height in pixels.
        difficulty (float): in [0, 1], see :class:`Scene`.
        categories (int): number of ``SHAPES`` to use.

    Returns:
        tuple: list of uint8 (height, width, 3) BGR images; list of annotation dicts with ``category_id``,
        ``segmentations`` (uncompressed RLE), ``bboxes`` ([x, y, w, h]) and ``areas``, None where absent.
    """
    rng = np.random.default_rng([seed, _SPLIT_SEEDS[split], index])
    scene = Scene(rng, list(SHAPES)[:categories], tuple(size), frames, difficulty)
    images = []
    tracks = [
        {'category_id': thing.label + 1, 'segmentations': [], 'bboxes': [], 'areas': []}
        for thing in scene.things
    ]
    for frame in range(frames):
        image, masks, full = scene.render(frame)
        images.append(image)
        for track, mask, whole in zip(tracks, masks, full):
            area = int(mask.sum())
            # A sliver of an object that is hidden otherwise: a person would not annotate it either.
            if area < max(12, 0.04 * whole):
                for key in ('segmentations', 'bboxes', 'areas'):
                    track[key].append(None)
                continue
            counts = rle_counts(encode_mask(mask))
            track['segmentations'].append({'counts': counts.tolist(), 'size': list(mask.shape)})
            track['bboxes'].append(counts_to_box(counts, len(mask)))
            track['areas'].append(area)
    return images, [track for track in tracks if sum(area is not None for area in track['areas']) >= 2]


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

    The folder appears under its name when it is complete. A folder that already holds the same dataset is
    kept.

    Args:
        out (str | Path): folder to create.
        train_videos, val_videos (int): number of videos.
        frames, size, seed, difficulty, categories: see :func:`make_video`.
        overwrite (bool): replace a folder with other content.
        quality (int): of the JPEG files, from 1 to 100.

    Returns:
        Path: ``out``.

    Raises:
        UserError: a number is out of range, or ``out`` exists and has other content.
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
        foreign = _foreign(out)
        if foreign is not None:
            raise UserError(
                f'{foreign} is not of a synthetic dataset: --overwrite would delete it; choose another folder'
            )
    _write(out, settings)
    return out


def _write(out, settings):
    """Write everything to a temporary folder, then rename it to ``out``."""
    counts = {'train': settings['train_videos'], 'val': settings['val_videos']}
    with Scratch(out, folder=True) as scratch:
        with Progress(sum(counts.values()) * settings['frames'], 'frames') as progress:
            for split, count in counts.items():
                _write_split(scratch.temporary, split, count, settings, progress)
        if out.exists():
            shutil.rmtree(out)


def _foreign(out):
    """First file in a folder that is not of a synthetic dataset (Path), or None."""
    files = (path for path in sorted(out.rglob('*')) if not path.is_dir() or path.is_symlink())
    return next((path for path in files if not _OURS.fullmatch(path.relative_to(out).as_posix())), None)


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
    videos, tracks = [], []
    keys = ('seed', 'frames', 'size', 'difficulty', 'categories')
    for index in range(count):
        images, objects = make_video(split=split, index=index, **{key: settings[key] for key in keys})
        name = f'{split}_{index:04d}'
        file_names = [f'{name}/{frame:05d}.jpg' for frame in range(len(images))]
        for file_name, image in zip(file_names, images):
            write_image(root / folder / 'JPEGImages' / file_name, image, settings['quality'])
            progress.update()
        size = {'width': width, 'height': height, 'length': len(images)}
        videos.append({'id': index + 1, **size, 'file_names': file_names})
        for track in objects:
            shape = {'height': height, 'width': width, 'length': len(images)}
            tracks.append({'id': len(tracks) + 1, 'video_id': index + 1, 'iscrowd': 0, **shape, **track})
    categories = [{'id': i + 1, 'name': name, 'supercategory': 'shape'} for i, name in enumerate(names)]
    (root / folder / 'JPEGImages').mkdir(parents=True, exist_ok=True)
    info = {'description': 'synthetic videos in YouTube-VIS format', 'settings': settings}
    path = root / 'annotations' / ann_name
    ytvis.write(VideoAnnotations(path, categories, videos, tracks), path, info)
