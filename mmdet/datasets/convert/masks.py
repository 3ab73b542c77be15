"""Folders of indexed PNG masks (DAVIS style) to YouTube-VIS annotations and back."""

from pathlib import Path

import numpy as np
from PIL import Image

from ...structures.rle import encode_mask, rle_area, rle_to_bbox, segm_to_rle
from ...utils import UserError, atomic_open

IGNORED = 255


def read_indices(path):
    """Object ids (uint8 (H, W)) of a palette or grey PNG; ``UserError`` for other pictures."""
    try:
        with Image.open(path) as picture:
            if picture.mode not in ('P', 'L', '1'):
                raise UserError(f'{path}: expected a palette or 8-bit grey PNG, got mode {picture.mode}')
            return np.array(picture).astype(np.uint8)
    except OSError as error:
        raise UserError(f'{path} cannot be read: {error}') from None


def write_indices(path, indices):
    """Write object ids (uint8 (H, W)) as a PNG with a palette of distinct colours, atomically."""
    picture = Image.fromarray(indices).convert('P')
    picture.putpalette([(i * step) % 256 for i in range(256) for step in (67, 131, 197)])
    with atomic_open(path, 'wb') as file:
        picture.save(file, 'PNG')


def video_from_masks(folder, name, video_id, category_of, first_id):
    """One video of ``folder / name / *.png``: (video, annotations); 0 is background, 255 ignored.

    ``category_of`` maps an object id to a category id; ids of annotations count from ``first_id``.
    """
    paths = sorted((Path(folder) / name).glob('*.png'))
    if not paths:
        raise UserError(f'{Path(folder) / name}: no PNG masks')
    frames = [read_indices(path) for path in paths]
    height, width = frames[0].shape
    for path, frame in zip(paths, frames):
        if frame.shape != (height, width):
            raise UserError(f'{path} is {frame.shape}, the first frame is {(height, width)}')
    video = dict(id=video_id, width=width, height=height, length=len(paths))
    video['file_names'] = [f'{name}/{path.stem}.jpg' for path in paths]
    objects = sorted(set().union(*(np.unique(frame).tolist() for frame in frames)) - {0, IGNORED})
    tracks = []
    for number, identity in enumerate(objects):
        masks = [encode_mask(f == identity) if (f == identity).any() else None for f in frames]
        track = dict(id=first_id + number, video_id=video_id, category_id=category_of(identity), iscrowd=0)
        track.update(height=height, width=width, length=len(paths), segmentations=masks)
        track['bboxes'] = [mask and rle_to_bbox(mask) for mask in masks]
        track['areas'] = [mask and rle_area(mask) for mask in masks]
        tracks.append(track)
    return video, tracks


def masks_of_video(video, tracks):
    """Yield one uint8 (H, W) of indices per frame; index = place in ``tracks`` + 1, the best score on top."""
    from ...structures.rle import decode_rle

    if len(tracks) >= IGNORED:
        raise UserError(f'video {video["id"]}: {len(tracks)} objects, a PNG holds {IGNORED - 1}')
    order = sorted(range(len(tracks)), key=lambda i: tracks[i].get('score', 0))
    for frame in range(len(video['file_names'])):
        indices = np.zeros((video['height'], video['width']), np.uint8)
        for place in order:
            mask = tracks[place]['segmentations'][frame]
            if mask is not None:
                mask = decode_rle(segm_to_rle(mask, *indices.shape))
                indices[mask.astype(bool)] = place + 1
        yield indices
