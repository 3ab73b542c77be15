"""Time of a training pair, stage by stage, against its own floor: the same convolutions and products alone.

    python benchmarks/training.py [--against torchvision] [--pairs 2] [--device cpu] [--out FILE.json]

One iteration is what tools/train.py does with a batch: preprocessing, backbone and FPN on both frames of each
pair, losses, backward pass, gradient clipping and step of the config's optimizer. Weights are random, images
and annotations synthetic. Model, floor (forward and backward), unit (one fused channels-last forward pass of
backbone and FPN over one frame) and torchvision run in turns; ratios are those of one turn. torchvision
trains its Mask R-CNN on both images of a pair; MaskTrack R-CNN detects in the first only, and matches it with
the other.
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
    weights_in,
)
from record import shown

from mmdet.utils import UserError, cli_main

CONFIG = 'configs/masktrack_rcnn_r50_fpn_1x_youtubevos.py'


def draw_pair(case, index, seed, classes):
    """Two uint8 images (2, 3, H, W) and the annotations of both, of a synthetic video."""
    from mmengine.structures import InstanceData

    from mmdet.structures.rle import decode_rle, segm_to_rle
    from mmdet.synthetic.generate import make_video

    width, height = case['size']
    images, tracks = make_video(seed, index=index, frames=2, size=(width, height), difficulty=0.6)
    instances = []
    for frame in range(2):
        # A track is annotated in at least two frames, and there are two.
        masks = [decode_rle(segm_to_rle(track['segmentations'][frame], height, width)) for track in tracks]
        boxes = torch.tensor([track['bboxes'][frame] for track in tracks], dtype=torch.float32).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2] - 1
        instances.append(
            InstanceData(
                bboxes=boxes,
                labels=torch.tensor([track['category_id'] % classes for track in tracks], dtype=torch.int64),
                masks=torch.stack([torch.from_numpy(mask) for mask in masks])
                if masks
                else torch.zeros(0, height, width, dtype=torch.uint8),
                instance_ids=torch.arange(len(tracks)),
            )
        )
    return torch.stack([torch.from_numpy(image).permute(2, 0, 1) for image in images]), instances


def draw_pairs(case, seed, classes):
    """``case['pairs']`` pairs in which there is something to see."""
    pairs, index = [], 0
    while len(pairs) < case['pairs']:
        pair = draw_pair(case, index, seed, classes)
        pairs += [pair] if len(pair[1][0]) else []
        index += 1
    return pairs


def make_batch(pairs):
    """The batch that the loader would give; made anew each time, as the preprocessor changes samples."""
    from mmdet.structures import DetDataSample

    samples = []
    for index, (images, (key, ref)) in enumerate(pairs):
        shape = tuple(images.shape[-2:])
        meta = {'img_shape': shape, 'ori_shape': shape, 'scale_factor': 1.0, 'sample_seed': index}
        sample = DetDataSample(metainfo=meta)
        sample.gt_instances, sample.ref_gt_instances = key.clone(), ref.clone()
        samples.append(sample)
    return {'inputs': [images for images, _ in pairs], 'data_samples': samples}


WRAPPERS = {
    'bf16': {'type': 'AutocastOptimWrapper'},
    'fp16': {'type': 'AmpOptimWrapper', 'loss_scale': 'dynamic'},
}


def build(args, device):
    """Model with random weights, and the config's optimizer, wrapped as by ``tools/train.py --amp``."""
    from mmengine.optim import build_optim_wrapper

    from mmdet.apis import init_detector, load_config
    from mmdet.apis.speed import compile_parts
    from mmdet.engine.environment import flush_denormals

    flush_denormals()  # as the runner does
    torch.manual_seed(args.seed)
    config = load_config(str(_checkout.ROOT / args.config))
    model = init_detector(config, device=str(device)).train()
    if args.compile:
        compile_parts(model)
    if args.precision == 'fp16' and torch.device(device).type == 'cpu':
        raise UserError('--precision fp16 trains on a GPU only: use bf16')
    config.optim_wrapper.update(WRAPPERS.get(args.precision, {}))
    return model, build_optim_wrapper(model, config.optim_wrapper)


def stages_of(model, optimizer, clock):
    """Stages of an iteration, by the methods of the detector and of the optimizer's wrapper."""
    return Stages(
        clock,
        [
            ('preprocessing', model.data_preprocessor, 'forward'),
            ('backbone and neck', model, 'extract_pair'),
            ('proposals: losses', model, 'rpn_losses'),
            ('boxes: sampling', model, 'sample_rois'),
            ('boxes: losses', model, 'box_losses'),
            ('identities: losses', model, 'track_losses'),
            ('masks: losses', model, 'mask_losses'),
            ('backward', optimizer, 'backward'),
            ('step', optimizer, 'step'),
        ],
    )


def torchvision_run(case, pairs, device, seed):
    """A function that trains torchvision's Mask R-CNN for one iteration on both images of every pair."""
    from torchvision.models.detection import maskrcnn_resnet50_fpn

    torch.manual_seed(seed)
    model = maskrcnn_resnet50_fpn(
        weights=None,
        weights_backbone=None,
        num_classes=41,
        min_size=min(case['size']),
        max_size=max(case['size']),
        rpn_pre_nms_top_n_train=200,
        rpn_post_nms_top_n_train=200,
        rpn_batch_size_per_image=64,
        box_batch_size_per_image=128,
    )
    # Without pretrained weights it trains all stages; freeze what ours freezes: stem and first stage.
    for name, parameter in model.backbone.body.named_parameters():
        parameter.requires_grad_(name.startswith(('layer2', 'layer3', 'layer4')))
    model.train().to(device)
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=1e-4, momentum=0.9)

    def run():
        images, targets = [], []
        for pair, instances in pairs:
            for image, objects in zip(pair, instances):
                images.append(image.flip(0).to(device).float() / 255)
                targets.append(
                    {
                        'boxes': (objects.bboxes + torch.tensor([0.0, 0, 1, 1])).to(device),
                        'labels': (objects.labels + 1).to(device),
                        'masks': objects.masks.to(device),
                    }
                )
        optimizer.zero_grad()
        sum(model(images, targets).values()).backward()
        optimizer.step()

    return run


def measure(case, args):
    """Measure one case; the seconds are those of a pair."""
    device = checked_device(args.device, args.threads)
    clock = Clock(device)
    model, optimizer = build(args, device)
    pairs = draw_pairs(case, args.seed, model.bbox_head.num_classes)
    losses = []

    def run():
        with weights_in(args.precision, device):
            losses.append(float(model.train_step(make_batch(pairs), optimizer)['loss']))

    run()
    run()
    stages = stages_of(model, optimizer, clock)
    rival = (lambda: torchvision_run(case, pairs, device, args.seed)) if args.against else None
    found, _ = measure_model(run, model, stages, case, args, len(pairs), rival)
    if not all(torch.isfinite(torch.tensor(losses))):
        raise UserError(f'the loss is not finite: {losses}')
    return {
        'objects': sum(len(instances[0]) for _, instances in pairs),
        'losses': [round(losses[0], 4), round(losses[-1], 4)],
        **found,
    }


def report(record):
    """Print the tables."""
    from mmdet.evaluation.report import table

    rows = [['size', 'pairs', 'objects', 's a pair', 'units', 'x floor', 'x torchvision', 'peak MB']]
    for row in record['cases']:
        values = [row['seconds']['model'], row['units'], row['over_floor'], row.get('over_torchvision')]
        case = ['x'.join(map(str, row['size'])), row['pairs'], row['objects']]
        rows.append([*case, *map(shown, values), row['peak_mb']])
    print(table(rows))
    print(stage_table(record, 'pair'))


@cli_main
def main():
    """Measure every case, print, write the figures."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    add_model_arguments(parser, CONFIG, turns=3)
    parser.add_argument(
        '--pairs', type=int, nargs='+', default=[2], help='pairs of an iteration; several: cases'
    )
    parser.add_argument('--size', type=int, nargs=2, default=[640, 360], metavar=('WIDTH', 'HEIGHT'))
    args = parser.parse_args()
    if args.child:
        print(json.dumps(measure(json.loads(args.child), args)))
        return
    if min(args.turns, *args.size, *args.pairs) < 1:
        raise UserError('--turns, --size and --pairs must be at least 1')
    cases = [{'size': args.size, 'pairs': pairs} for pairs in args.pairs]
    run_model_cases(__file__, cases, args, report)


if __name__ == '__main__':
    main()
