#!/usr/bin/env python
"""Make data/cells from the repository of Usiigaci: python demo/prepare_cells.py USIIGACI data/cells.

See docs/tutorials/cells.md. Images are annotated by people, the video by Usiigaci's own model and tracker.
"""

import argparse
import json
from pathlib import Path

import _checkout  # noqa: F401 - before mmdet
import cv2
import numpy as np

from mmdet.formats import ytvis
from mmdet.formats.builder import AnnotationsBuilder
from mmdet.media import write_image
from mmdet.structures.rle import encode_mask, rle_area, rle_to_bbox
from mmdet.utils import Progress, UserError, atomic_write_text, cli_main

IMAGES = 'Mask R-CNN'
FRAMES = 'ExampleData/T98G_sample'
IDENTITIES = 'ExampleData/T98G_sample_Exp_*/Id_masks_per_frame'
IN_THE_VIDEO = 'set1'  # the same image as the first frame of the video: training on it would be cheating
DARK, BRIGHT = 0.2, 99.8  # percentiles of the 16 bits that become 0 and 255
CATEGORIES = [{'id': 1, 'name': 'cell', 'supercategory': 'object'}]


def read(path):
    """A gray image or a mask of numbers, as the file has it.

    Raises:
        UserError: it is missing or damaged.
    """
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if image is None:
        raise UserError(f'{path}: missing, or not an image (files of Git LFS must be fetched: git lfs pull)')
    return image if image.ndim == 2 else image[..., 0]


def to_8_bits(image):
    """Scale gray values between two percentiles to 0 to 255, and make three channels of them."""
    low, high = np.percentile(image, (DARK, BRIGHT))
    scaled = (image.astype(np.float64) - low) / max(high - low, 1)
    return cv2.cvtColor((scaled.clip(0, 1) * 255 + 0.5).astype(np.uint8), cv2.COLOR_GRAY2BGR)


def image_set(folder, out, name, progress):
    """Images of ``folder/set*``, and their annotations in COCO format."""
    content = {'categories': CATEGORIES, 'images': [], 'annotations': []}
    sets = [path for path in folder.glob('set*') if path.name != IN_THE_VIDEO]
    if not sets:
        raise UserError(f'{folder}: no folders set2, set3, ...: is this a checkout of Usiigaci?')
    for path in sorted(sets, key=lambda path: int(path.name[3:])):
        image, numbers = to_8_bits(read(path / 'raw.tif')), read(path / 'instances_ids.png')
        write_image(out / 'images' / name / f'{path.name}.jpg', image, quality=90)
        number = int(path.name[3:])
        height, width = numbers.shape
        file = {'id': number, 'file_name': f'{path.name}.jpg', 'width': width, 'height': height}
        content['images'].append(file)
        for value in np.unique(numbers[numbers > 0]):
            rle = encode_mask((numbers == value).astype(np.uint8))
            content['annotations'].append(
                {
                    'id': len(content['annotations']) + 1,
                    'image_id': number,
                    'category_id': 1,
                    'iscrowd': 0,
                    'segmentation': rle,
                    'bbox': rle_to_bbox(rle),
                    'area': rle_area(rle),
                }
            )
        progress.update()
    return content


def video(root, out, name, columns, progress):
    """Write the part ``columns`` of the video's frames; returns its tracks (VideoAnnotations)."""
    frames = sorted((root / FRAMES).glob('*.tif'))
    masks = sorted(path for folder in root.glob(IDENTITIES) for path in folder.glob('*.png'))
    if not frames or len(frames) != len(masks):
        raise UserError(f'{root}: {len(frames)} frames in {FRAMES}, {len(masks)} masks in {IDENTITIES}')
    left, right = columns
    cells, files = {}, []
    for index, (frame, mask) in enumerate(zip(frames, masks)):
        files.append(f'{name}/{index:05d}.jpg')
        image = to_8_bits(read(frame))[:, left:right]
        write_image(out / 'images' / files[-1], image, quality=90)
        numbers = read(mask)[:, left:right]
        for value in np.unique(numbers[numbers > 0]).tolist():
            cells.setdefault(value, {})[index] = encode_mask((numbers == value).astype(np.uint8))
        progress.update()
    builder = AnnotationsBuilder(CATEGORIES)
    video_id = builder.add_video(files, *numbers.shape)
    for value in sorted(cells):
        builder.add_track(video_id, 1, cells[value])
    return builder.build(root / FRAMES)


@cli_main
def main(argv=None):
    """Convert images and video."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('usiigaci', metavar='USIIGACI', type=Path, help='checkout of oist/Usiigaci')
    parser.add_argument('out', metavar='OUT', type=Path, help='folder to write')
    parser.add_argument(
        '--columns',
        type=int,
        nargs=2,
        default=(0, 612),
        metavar=('LEFT', 'RIGHT'),
        help='part of the video (0 612)',
    )
    parser.add_argument('--name', default='video_left', help='of that part (video_left)')
    args = parser.parse_args(argv)
    with Progress(None, 'images') as progress:
        images = {
            name: image_set(args.usiigaci / IMAGES / name, args.out, name, progress)
            for name in ('train', 'val')
        }
        tracks = video(args.usiigaci, args.out, args.name, args.columns, progress)
    folder = args.out / 'annotations'
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in images.items():
        path = folder / f'instances_{name}.json'
        atomic_write_text(path, json.dumps(content))
        print(f'{path}: {len(content["images"])} images, {len(content["annotations"])} cells')
    path = folder / f'instances_{args.name}.json'
    written = ytvis.write(tracks, path)
    print(f'{path}: {written["frames"]} images, {written["objects"]} tracks')


if __name__ == '__main__':
    main()
