"""Tracks as images of object numbers: which object gets a pixel, which number, and which layer."""

import numpy as np
from pycocotools import mask as coco_mask

from mmdet.structures.rle import decode_rle, rle_area
from mmdet.utils import UserError


def paint(tracks, frame, height, width):
    """Paint the objects of one frame. A shared pixel goes to the higher score, in ground truth to the smaller
    object; crowd regions lie below all others.

    Args:
        tracks (list[tuple[Track, int]]): tracks and their numbers.
        frame (int): index of the frame.
        height, width (int): pixels.

    Returns:
        tuple[np.ndarray, int]: uint16 (height, width) of object numbers, 0 is background; number of pixels of
        objects that another object hides.
    """
    here = [(track, number, track.masks[frame]) for track, number in tracks if frame in track.masks]
    # Objects that are painted later cover the others.
    order = sorted(
        range(len(here)),
        key=lambda i: (
            not here[i][0].crowd,
            here[i][0].score if here[i][0].score is not None else -rle_area(here[i][2]),
            -i,
        ),
    )
    image = np.zeros((height, width), np.uint16)
    total = 0
    for i in order:
        mask = decode_rle(here[i][2]).astype(bool)
        total += int(mask.sum())
        image[mask] = here[i][1]
    return image, total - int(np.count_nonzero(image))


def object_numbers(tracks, video):
    """Numbers of a video's objects (list[int]): those they had, if these fit in 8 bits, else 1, 2, ..."""
    had = [track.number for track in tracks]
    if all(type(number) is int and 0 < number < 255 for number in had) and len(set(had)) == len(had):
        return had
    if len(tracks) > 65534:
        raise UserError(f'video {video["id"]!r} has {len(tracks)} objects; masks can number 65534')
    numbers = list(range(1, len(tracks) + 1))
    # 255 is the void label in 8 bits, and an image without a number above it has 8 bits.
    return [number + (number >= 255) for number in numbers]


def assign_layers(tracks):
    """Layers of a video's objects (list[int]): the first one in which no earlier object overlaps them."""
    layers, members = [], []
    for track in tracks:
        layer = next(
            (at for at, others in enumerate(members) if not any(_overlap(track, o) for o in others)),
            len(members),
        )
        if layer == len(members):
            members.append([])
        members[layer].append(track)
        layers.append(layer)
    return layers


def _overlap(first, second):
    common = first.masks.keys() & second.masks.keys()
    return any(
        coco_mask.area(coco_mask.merge([first.masks[frame], second.masks[frame]], intersect=True)) > 0
        for frame in common
    )
