"""Time of a frame, stage by stage, against its own floor: the same convolutions and matrix products alone.

    python benchmarks/inference.py [--against torchvision] [--grow] [--device cpu] [--out FILE.json]

Weights are random. The threshold of scores is set so that four candidates for each wanted detection pass it.
Model, floor, unit (one fused channels-last pass of backbone and FPN) and torchvision run in turns; ratios
are those of one turn. Reading and resizing of images is not in it: that is benchmarks/data.py.
"""

import argparse
import json

import _checkout
import torch
from measure import (
    Clock,
    Stages,
    add_model_arguments,
    checked_device,
    measure_model,
    run_model_cases,
    stage_table,
)
from record import shown, spread

from mmdet.engine.precision import running_in
from mmdet.utils import UserError, cli_main

CONFIG = 'configs/masktrack_rcnn_r50_fpn_1x_youtubevos.py'
BASE = {'size': [640, 360], 'batch': 1, 'objects': 10, 'frames': 4, 'videos': 1}
GROWTH = [
    {'objects': 50},
    {'objects': 200},
    {'batch': 4},
    {'size': [1280, 720]},
    {'frames': 16},
    {'videos': 4},
]


def draw_clip(case, video, seed):
    """Batches of a synthetic video, as the loader gives them."""
    from mmdet.structures import DetDataSample
    from mmdet.synthetic.generate import make_video

    width, height = case['size']
    images, _ = make_video(seed, index=video, frames=case['frames'], size=(width, height))
    batches = []
    for first in range(0, len(images), case['batch']):
        numbers = range(first, min(first + case['batch'], len(images)))
        samples = [
            DetDataSample(
                metainfo={
                    'video_id': video,
                    'frame_id': number,
                    'video_length': len(images),
                    'img_shape': (height, width),
                    'ori_shape': (height, width),
                    'scale_factor': 1.0,
                }
            )
            for number in numbers
        ]
        inputs = [torch.from_numpy(images[number]).permute(2, 0, 1)[None] for number in numbers]
        batches.append({'inputs': inputs, 'data_samples': samples})
    return batches


def spread_scores(classifier):
    """Random weights that give some boxes a high score; those of an untrained classifier are all alike."""
    torch.nn.init.normal_(classifier.weight, std=0.3)


def build_model(args, case, device):
    """The model of the config with random weights, and with limits that fit the wanted detections."""
    from mmdet.apis import init_detector

    torch.manual_seed(args.seed)
    config = str(_checkout.ROOT / args.config)
    model = init_detector(config, device=str(device), precision=args.precision, compile=args.compile)
    spread_scores(model.bbox_head.fc_cls)
    model.test_cfg['rcnn']['max_per_img'] = case['objects']
    return model


def calibrate(model, batch, objects):
    """Set the threshold of scores so that four candidates for each object pass it in the first batch."""
    rows = []
    hook = model.bbox_head.register_forward_hook(lambda module, args, out: rows.append(out[0]))
    model.test_step(batch)
    hook.remove()
    scores = rows[-1].float().softmax(1)[:, 1:].flatten()
    wanted = min(4 * objects * len(batch['inputs']), scores.numel())
    model.test_cfg['rcnn']['score_thr'] = float(scores.topk(wanted).values[-1])


def stages_of(model, clock):
    """Stages of a frame, by the methods of the detector."""
    return Stages(
        clock,
        [
            ('preprocessing', model.data_preprocessor, 'forward'),
            ('backbone', model.backbone, 'forward'),
            ('neck', model.neck, 'forward'),
            ('proposals', model, 'propose'),
            ('boxes', model, 'detect'),
            ('identities', model, 'identify'),
            ('masks', model, 'segment'),
            ('pasting and RLE', model.mask_head, 'get_masks'),
        ],
    )


def torchvision_run(case, clips, device, seed):
    """A function that runs torchvision's Mask R-CNN over the same frames; it neither tracks nor makes RLE."""
    from torchvision.models.detection import maskrcnn_resnet50_fpn

    torch.manual_seed(seed)
    model = maskrcnn_resnet50_fpn(
        weights=None,
        weights_backbone=None,
        num_classes=41,
        min_size=min(case['size']),
        max_size=max(case['size']),
        rpn_pre_nms_top_n_test=200,
        rpn_post_nms_top_n_test=200,
        box_detections_per_img=case['objects'],
    )
    spread_scores(model.roi_heads.box_predictor.cls_score)
    model.eval().to(device)
    batches = [
        [image[0].flip(0).to(device).float() / 255 for image in batch['inputs']]
        for clip in clips
        for batch in clip
    ]
    rows = []
    hook = model.roi_heads.box_predictor.register_forward_hook(lambda module, args, out: rows.append(out[0]))
    with torch.no_grad():
        model(batches[0])
    hook.remove()
    scores = rows[-1].softmax(1)[:, 1:].flatten()
    wanted = min(4 * case['objects'] * len(batches[0]), scores.numel())
    model.roi_heads.score_thresh = float(scores.topk(wanted).values[-1])

    def run():
        with torch.no_grad():
            return [len(found['boxes']) for batch in batches for found in model(batch)]

    return run


def measure(case, args):
    """Measure one case; the seconds are those of a frame."""
    device = checked_device(args.device, args.threads)
    clock = Clock(device)
    clips = [draw_clip(case, video, args.seed) for video in range(case['videos'])]
    model = build_model(args, case, device)
    frames, detections = case['frames'] * case['videos'], []

    def run():
        with torch.no_grad(), running_in(args.precision, device):
            samples = [sample for clip in clips for batch in clip for sample in model.test_step(batch)]
        detections[:] = [len(sample.pred_instances) for sample in samples]

    with torch.no_grad(), running_in(args.precision, device):
        calibrate(model, clips[0][0], case['objects'])
    run()
    rival = (lambda: torchvision_run(case, clips, device, args.seed)) if args.against else None
    found, each = measure_model(run, model, stages_of(model, clock), case, args, frames, rival)
    return {
        'detections': round(sum(detections) / len(detections), 1),
        'fps': spread([1 / wall for _, wall in each['model']], 2),
        **found,
    }


def report(record):
    """Print the tables."""
    from mmdet.evaluation.report import table

    head = ['size', 'batch', 'objects', 'frames', 'videos', 'detections', 's a frame', 'units']
    head += ['x floor', 'x torchvision', 'frames/s', 'peak MB']
    rows = [head]
    for row in record['cases']:
        case = [
            'x'.join(map(str, row['size'])),
            *(row[key] for key in ('batch', 'objects', 'frames', 'videos')),
        ]
        values = [
            row['seconds']['model'],
            row['units'],
            row['over_floor'],
            row.get('over_torchvision'),
            row['fps'],
        ]
        rows.append([*case, row['detections'], *map(shown, values), row['peak_mb']])
    print(table(rows))
    print(stage_table(record, 'frame'))


@cli_main
def main():
    """Measure every case, print, write the figures."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    add_model_arguments(parser, CONFIG, turns=5)
    parser.add_argument('--grow', action='store_true', help='also with more objects, frames, pixels, videos')
    for key in ('batch', 'objects', 'frames', 'videos'):
        parser.add_argument(f'--{key}', type=int, default=BASE[key], help=f'of the first case ({BASE[key]})')
    parser.add_argument('--size', type=int, nargs=2, default=BASE['size'], metavar=('WIDTH', 'HEIGHT'))
    args = parser.parse_args()
    if args.child:
        print(json.dumps(measure(json.loads(args.child), args)))
        return
    if (
        args.turns < 1
        or min(*args.size, *(getattr(args, key) for key in ('batch', 'objects', 'frames', 'videos'))) < 1
    ):
        raise UserError('--turns, --size, --batch, --objects, --frames and --videos must be at least 1')
    base = {key: getattr(args, key) for key in BASE}
    cases = [base, *({**base, **change} for change in GROWTH if args.grow)]
    run_model_cases(__file__, cases, args, report)


if __name__ == '__main__':
    main()
