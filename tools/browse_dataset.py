"""Draw samples as the model receives them: after the transforms, key and reference frame side by side.

    python tools/browse_dataset.py configs/masktrack_rcnn_r50_fpn_1x_youtubevos.py --out browse --count 20

An identity has the same color and number in both frames. White boxes are crowd regions, which are ignored.
"""

import argparse
from pathlib import Path

import _checkout  # noqa: F401 - before mmdet

from mmdet.utils import Progress, UserError, add_options, check_output_folder, cli_main


def parse_args(argv=None):
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Write samples of a dataset as images, after all transforms of the pipeline.'
    )
    parser.add_argument('config', help='config file, native or of 2019')
    parser.add_argument(
        '--out-dir', '--out', dest='out', metavar='DIR', default='browse', help='output folder (browse)'
    )
    parser.add_argument('--split', choices=('train', 'val', 'test'), default='train')
    parser.add_argument('--count', type=int, default=16, metavar='N', help='samples to draw (16)')
    parser.add_argument('--start', type=int, default=0, metavar='I', help='first sample, in file order (0)')
    parser.add_argument('--every', type=int, default=None, metavar='K', help='step; default: spread evenly')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--epoch', type=int, default=0, help='epoch of the random draws (0)')
    add_options(parser, 'cfg-options')
    return parser.parse_args(argv)


def sample_indices(total, start, count, every):
    """Numbers of the samples to draw."""
    if not 0 <= start < total:
        raise UserError(f'--start must be between 0 and {total - 1}, the last sample; got {start}')
    if count < 1 or (every is not None and every < 1):
        raise UserError(f'--count and --every must be at least 1, got {count} and {every}')
    if every is not None:
        return list(range(start, total, every))[:count]
    count = min(count, total - start)
    return [start + number * (total - start) // count for number in range(count)]


def draw_sample(packed, classes):
    """Draw one packed sample: its frames side by side, small ones enlarged.

    Args:
        packed (dict): ``inputs`` uint8 (T, 3, H, W) BGR and ``data_samples``, as ``PackInputs`` gives them.
        classes (Sequence[str]): names of the labels.

    Returns:
        np.ndarray: uint8 BGR image.
    """
    import cv2

    from mmdet.visualization import draw_instances, side_by_side

    sample = packed['data_samples']
    images, titles = [], []
    for number, frame in enumerate(packed['inputs'].numpy()):
        role = ('key', 'reference')[number]
        path = Path(sample.ref_img_path if number else sample.img_path)
        instances = sample.get('ref_gt_instances' if number else 'gt_instances', {})
        style = {'min_side': 270, 'mask_alpha': 0.3, 'draw_boxes': True}
        image = draw_instances(frame.transpose(1, 2, 0), instances, classes, **style)
        if number == 0 and 'ignored_instances' in sample:
            factor = image.shape[0] // frame.shape[1]
            for box in (sample.ignored_instances.bboxes.numpy() * factor).round().astype(int).tolist():
                cv2.rectangle(image, box[:2], box[2:], (255, 255, 255), 2)
        images.append(image)
        titles.append(f'{role}: {path.parent.name}/{path.name}' + (' flipped' if sample.get('flip') else ''))
    return side_by_side(images, titles)


@cli_main
def main(argv=None):
    """Draw the samples, and all of them on one sheet."""
    args = parse_args(argv)
    from mmdet.apis import load_config, register_all_modules
    from mmdet.apis.config import building
    from mmdet.datasets.samplers import SampleIndex
    from mmdet.media import write_image
    from mmdet.registry import DATASETS
    from mmdet.visualization import contact_sheet

    register_all_modules()
    loader = load_config(args.config, args.cfg_options).get(f'{args.split}_dataloader')
    if not loader or 'dataset' not in loader:
        raise UserError(f'{args.config}: has no {args.split}_dataloader.dataset')
    with building('the dataset'):
        dataset = DATASETS.build(loader['dataset'])
    images, out = [], Path(args.out)
    if getattr(dataset, 'img_prefix', None):
        files = (video['file_names'][0] for video in dataset.videos if video['file_names'])
        check_output_folder(out, dataset.img_prefix, files)
    indices = sample_indices(len(dataset), args.start, args.count, args.every)
    with Progress(len(indices), 'samples') as progress:
        for index in indices:
            sample = dataset[SampleIndex(index, args.epoch, args.seed)]
            images.append(draw_sample(sample, dataset.metainfo['classes']))
            write_image(out / f'{index:06d}.jpg', images[-1])
            progress.update()
    rows = [images[number : number + 2] for number in range(0, len(images), 2)]
    write_image(out / 'contact_sheet.jpg', contact_sheet(rows, cell_width=640))
    print(f'wrote {len(images)} of {len(dataset)} samples and contact_sheet.jpg to {out}')


if __name__ == '__main__':
    main()
