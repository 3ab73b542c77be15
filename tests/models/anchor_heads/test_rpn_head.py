"""RPN: edge cases of training, proposals against a slow reference, conventions and errors."""

import copy

import numpy as np
import pytest
import torch
from mmengine.structures import InstanceData

from mmdet.models.task_modules import RandomSampler, image_generator
from mmdet.ops import nms
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import delta2bbox

STRIDES = [4, 8, 16]
TRAIN_CFG = dict(
    assigner=dict(type='MaxIoUAssigner', pos_iou_thr=0.7, neg_iou_thr=0.3, min_pos_iou=0.3),
    sampler=dict(type='RandomSampler', num=32, pos_fraction=0.5, add_gt_as_proposals=False),
    allowed_border=0,
    pos_weight=-1,
)
TEST_CFG = dict(
    nms_pre=40, nms_post=20, max_per_img=30, nms=dict(type='nms', iou_threshold=0.7), min_bbox_size=0
)


def build(modern=False, sigmoid=True, **options):
    kind = '' if modern else 'Legacy'
    config = dict(
        type='RPNHead',
        in_channels=8,
        feat_channels=8,
        anchor_generator=dict(
            type=f'{kind}AnchorGenerator', scales=[2], ratios=[0.5, 1.0, 2.0], strides=STRIDES
        ),
        bbox_coder=dict(type=f'{kind}DeltaXYWHBBoxCoder'),
        loss_cls=dict(type='CrossEntropyLoss', use_sigmoid=sigmoid),
        loss_bbox=dict(type='SmoothL1Loss', beta=1 / 9),
    )
    return MODELS.build({**config, **options})


def features(images=2, height=64, width=96, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(images, 8, height // s, width // s, generator=generator) for s in STRIDES]


def sample(boxes, height=64, width=96, seed=0, **extra):
    meta = dict(img_shape=(height, width), pad_shape=(height, width), sample_seed=seed, **extra)
    result = DetDataSample(metainfo=meta)
    result.gt_instances = InstanceData(bboxes=torch.tensor(boxes, dtype=torch.float32).view(-1, 4))
    return result


def check_losses(losses):
    assert set(losses) == {'loss_rpn_cls', 'loss_rpn_reg'}
    assert all(len(values) == len(STRIDES) for values in losses.values())
    total = sum(losses['loss_rpn_cls'] + losses['loss_rpn_reg'])
    assert torch.isfinite(total)
    return total


@pytest.mark.parametrize('modern', [False, True])
@pytest.mark.parametrize('boxes', [[[10, 10, 30, 40], [50, 20, 90, 60]], []])
def test_training_moves_every_parameter_or_leaves_it_a_gradient_of_zero(modern, boxes):
    head = build(modern)
    batch = [sample(boxes), sample([])]
    check_losses(head.loss(*head(features()), batch, TRAIN_CFG)).backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in head.parameters())
    assert (head.rpn_reg.weight.grad.abs().sum() > 0) == bool(boxes)
    assert head.rpn_cls.weight.grad.abs().sum() > 0


@pytest.mark.parametrize('sigmoid', [True, False])
def test_gradients_through_sampled_anchors_are_those_through_all_maps(sigmoid):
    head, found = build(sigmoid=sigmoid), []
    for parameter in head.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    batch = [sample([[10, 10, 30, 40], [50, 20, 90, 60]]), sample([])]
    for dense in (True, False):
        feats = [feat.requires_grad_() for feat in features()]
        outputs = head(feats)
        if not dense:
            seen, losses = head.outputs_and_losses(feats, batch, TRAIN_CFG)
            assert torch.equal(seen[0][0], outputs[0][0]) and not seen[0][0].requires_grad
        total = check_losses(head.loss(*outputs, batch, TRAIN_CFG) if dense else losses)
        found.append([total, *torch.autograd.grad(total, [*head.parameters(), *feats])])
    for want, got in zip(*found):
        torch.testing.assert_close(got, want, rtol=1e-5, atol=1e-6)
        assert want.any()


def test_several_convolutions_have_the_names_of_mmdetection_and_train():
    head = build(num_convs=2)
    assert [name for name, _ in head.named_parameters() if 'rpn_conv' in name] == [
        f'rpn_conv.{index}.conv.{part}' for index in range(2) for part in ('weight', 'bias')
    ]
    feats = features()
    hidden = feats[0]
    for layer in head.rpn_conv:
        hidden = layer.conv(hidden).relu()
    torch.testing.assert_close(head(feats)[0][0], head.rpn_cls(hidden))
    losses = head.loss(*head(feats), [sample([[10, 10, 30, 40]])] * 2, TRAIN_CFG)
    sum(sum(part) for part in losses.values()).backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in head.rpn_conv.parameters())
    with pytest.raises(ValueError, match='num_convs must be at least 1'):
        build(num_convs=0)


def test_image_too_small_for_any_anchor():
    head = build()
    tiny = sample([[0, 0, 3, 3]], height=6, width=6)
    total = check_losses(head.loss(*head(features(images=1)), [tiny], TRAIN_CFG))
    total.backward()
    assert total.item() == 0 and head.rpn_conv.weight.grad.eq(0).all()
    # Without a border rule the anchors that stand on the padded image are used.
    free = dict(TRAIN_CFG, allowed_border=-1)
    assert check_losses(head.loss(*head(features(images=1)), [tiny], free)).item() > 0


def test_divisor_counts_one_positive_and_one_negative_at_least():
    head = build()
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.zero_()
    # All logits 0: every sample costs ln 2. The 32 negatives are divided by 32 + 1.
    losses = head.loss(*head(features(images=1)), [sample([])], TRAIN_CFG)
    assert sum(losses['loss_rpn_cls']).item() == pytest.approx(np.log(2) * 32 / 33, rel=1e-5)


def test_draws_follow_the_seed_of_the_image():
    head = build()
    outs = head(features(images=1))
    boxes = [[10, 10, 30, 40]]

    def loss(seed):
        return sum(head.loss(*outs, [sample(boxes, seed=seed)], TRAIN_CFG)['loss_rpn_cls']).item()

    np.random.seed(0)
    first = loss(1)
    np.random.seed(1)
    assert loss(1) == first
    assert loss(2) != first


def test_draws_do_not_repeat_those_of_the_box_head(monkeypatch):
    seen = []

    def choose(self, count, k, generator=None):
        seen.append(generator.integers(1 << 60))
        return np.arange(k)

    monkeypatch.setattr(RandomSampler, 'random_choice', choose)
    head, image = build(), sample([[10, 10, 30, 40]])
    head.loss(*head(features(images=1)), [image], TRAIN_CFG)
    assert seen and seen[0] == image_generator(image, stream=0).integers(1 << 60)
    assert seen[0] != image_generator(image).integers(1 << 60)


def test_positive_weight():
    head = build()
    outs = head(features(images=1))
    batch = [sample([[10, 10, 30, 40]])]
    plain = sum(head.loss(*outs, batch, TRAIN_CFG)['loss_rpn_cls'])
    heavy = sum(head.loss(*outs, batch, dict(TRAIN_CFG, pos_weight=3.0))['loss_rpn_cls'])
    assert heavy > plain


def test_ignored_regions_yield_no_negatives():
    head = build()
    anchors = torch.cat(head.anchor_generator.grid_anchors([(64 // s, 96 // s) for s in STRIDES]))
    crowd = sample([])
    crowd.ignored_instances = InstanceData(bboxes=torch.tensor([[0.0, 0.0, 47.0, 63.0]]))
    cfg = copy.deepcopy(TRAIN_CFG)
    cfg['sampler']['num'] = 10_000
    valid = torch.ones(len(anchors), dtype=torch.bool)
    assert len(head.get_targets(anchors, [valid], [crowd], cfg)[0][1]) == len(
        head.get_targets(anchors, [valid], [sample([])], cfg)[0][1]
    ), 'off by default, as in 2019'
    cfg['assigner']['ignore_iof_thr'] = 0.5
    negatives = anchors[head.get_targets(anchors, [valid], [crowd], cfg)[0][1]]
    assert len(negatives) and (negatives[:, [0, 2]].mean(dim=1) > 40).all()


def slow_proposals(head, cls_scores, bbox_preds, image, shape, cfg):
    """The rule of docs/conventions.md, "Proposals", one image and one level at a time."""
    offset = head.offset
    boxes, scores = [], []
    sizes = [tuple(level.shape[-2:]) for level in cls_scores]
    for anchors, cls, reg in zip(head.anchor_generator.grid_anchors(sizes), cls_scores, bbox_preds):
        score = cls[image].permute(1, 2, 0).reshape(-1).sigmoid()
        delta = reg[image].permute(1, 2, 0).reshape(-1, 4)
        order = score.argsort(descending=True)[: cfg['nms_pre']]
        box = delta2bbox(anchors[order], delta[order], max_shape=shape, offset=offset)
        sides = (box[:, 2:] - box[:, :2] + offset).amin(dim=1)
        big = sides >= cfg['min_bbox_size'] if offset else sides > cfg['min_bbox_size']
        box, score = box[big], score[order][big]
        keep = nms(box, score, cfg['nms']['iou_threshold'], offset=offset)[: cfg['nms_post']]
        boxes.append(box[keep])
        scores.append(score[keep])
    boxes, scores = torch.cat(boxes), torch.cat(scores)
    if cfg.get('nms_across_levels'):
        keep = nms(boxes, scores, cfg['nms']['iou_threshold'], offset=offset)
    else:
        keep = scores.argsort(descending=True)
    keep = keep[: cfg['max_per_img']]
    return boxes[keep], scores[keep]


@pytest.mark.parametrize('modern', [False, True])
@pytest.mark.parametrize('across', [False, True])
@pytest.mark.parametrize('size', [0, 9])
def test_proposals_equal_the_slow_way(modern, across, size):
    head = build(modern)
    generator = torch.Generator().manual_seed(3)
    cls_scores = [torch.randn(3, 3, 64 // s, 96 // s, generator=generator) * 2 for s in STRIDES]
    bbox_preds = [torch.randn(3, 12, 64 // s, 96 // s, generator=generator) * 0.5 for s in STRIDES]
    metas = [dict(img_shape=shape) for shape in ((64, 96), (50, 80), (64, 64))]
    cfg = dict(TEST_CFG, nms_across_levels=across, min_bbox_size=size)
    results = head.get_proposals(cls_scores, bbox_preds, metas, cfg)
    assert len(results) == 3
    for image, (result, meta) in enumerate(zip(results, metas)):
        boxes, scores = slow_proposals(head, cls_scores, bbox_preds, image, meta['img_shape'], cfg)
        torch.testing.assert_close(result.bboxes, boxes)
        torch.testing.assert_close(result.scores, scores)
        limit = torch.tensor(meta['img_shape']).flip(0) - head.offset
        assert (result.bboxes[:, 2:] <= limit).all() and (result.bboxes >= 0).all()
        assert 0 < len(result) <= cfg['max_per_img']


def test_no_limits():
    head = build()
    outs = head(features(images=1))
    cfg = dict(nms_pre=0, nms_post=0, max_per_img=0, nms=dict(type='nms', iou_threshold=1.0))
    result = head.get_proposals(*outs, [dict(img_shape=(64, 96))], cfg)[0]
    assert len(result) == sum(3 * (64 // s) * (96 // s) for s in STRIDES)
    assert (result.scores.diff() <= 0).all() and not result.scores.requires_grad


def test_no_proposal_survives():
    head = build()
    result = head.get_proposals(
        *head(features()), [dict(img_shape=(64, 96))] * 2, dict(TEST_CFG, min_bbox_size=1000)
    )
    assert [len(image) for image in result] == [0, 0]
    assert result[0].bboxes.shape == (0, 4)


def test_softmax_scores_are_those_of_the_object():
    head = build(sigmoid=False)
    cls_scores, bbox_preds = head(features(images=1))
    assert cls_scores[0].size(1) == 6
    cfg = dict(nms_pre=0, nms_post=0, max_per_img=0, nms=dict(type='nms', iou_threshold=1.0))
    result = head.get_proposals(cls_scores, bbox_preds, [dict(img_shape=(64, 96))], cfg)[0]
    flat = torch.cat([level.permute(0, 2, 3, 1).reshape(-1, 2) for level in cls_scores])
    expected = flat.softmax(dim=1)[:, 1].sort(descending=True).values
    torch.testing.assert_close(result.scores, expected)
    check_losses(head.loss(cls_scores, bbox_preds, [sample([[10, 10, 30, 40]])], TRAIN_CFG)).backward()
    assert head.rpn_cls.weight.grad.abs().sum() > 0


def test_half_precision_outputs():
    head = build()
    outs = [[level.bfloat16() for level in part] for part in head(features())]
    check_losses(head.loss(*outs, [sample([[10, 10, 30, 40]]), sample([])], TRAIN_CFG))
    result = head.get_proposals(*outs, [dict(img_shape=(64, 96))] * 2, TEST_CFG)[0]
    assert result.bboxes.dtype == torch.float32


def test_initialization():
    head = build(feat_channels=256)
    head.init_weights()
    for name in ('rpn_conv', 'rpn_cls', 'rpn_reg'):
        layer = getattr(head, name)
        assert layer.weight.std().item() == pytest.approx(0.01, rel=0.1)
        assert layer.bias.eq(0).all()


def test_errors_name_what_is_wrong():
    with pytest.raises(ValueError, match='LegacyAnchorGenerator and DeltaXYWHBBoxCoder'):
        build(bbox_coder=dict(type='DeltaXYWHBBoxCoder'))
    head = build()
    with pytest.raises(ValueError, match='3 feature levels expected, got 2'):
        head.get_proposals(*head(features(images=1)[:2]), [dict(img_shape=(64, 96))], TEST_CFG)
    with pytest.raises(ValueError, match="nms of type 'nms', got 'soft_nms'"):
        cfg = dict(TEST_CFG, nms=dict(type='soft_nms', iou_threshold=0.5))
        head.get_proposals(*head(features(images=1)), [dict(img_shape=(64, 96))], cfg)
