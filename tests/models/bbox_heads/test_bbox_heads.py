"""Box heads: shapes of every variant, edge cases, detections in both conventions, errors."""

import pytest
import torch

from mmdet.models.bbox_heads import BBoxHead, ConvFCBBoxHead, SharedFCBBoxHead
from mmdet.models.task_modules import SamplingResult
from mmdet.registry import MODELS

COMMON = dict(
    num_classes=3,
    in_channels=4,
    bbox_coder=dict(type='LegacyDeltaXYWHBBoxCoder', target_stds=[0.1, 0.1, 0.2, 0.2]),
    loss_cls=dict(type='CrossEntropyLoss'),
    loss_bbox=dict(type='SmoothL1Loss'),
)
TEST_CFG = dict(score_thr=0.05, nms=dict(type='nms', iou_threshold=0.5), max_per_img=10)
META = dict(img_shape=(100, 200), scale_factor=2.0)


def rois_of(count, seed=0):
    return torch.randn(count, 4, 7, 7, generator=torch.Generator().manual_seed(seed))


def sampled(positives, negatives):
    boxes = torch.arange((positives + negatives) * 4.0).view(-1, 4) % 37
    boxes[:, 2:] = boxes[:, :2] + 20
    labels = torch.arange(positives) % 3
    return SamplingResult(
        pos_inds=torch.arange(positives),
        neg_inds=torch.arange(negatives),
        pos_bboxes=boxes[:positives],
        neg_bboxes=boxes[positives:],
        pos_assigned_gt_inds=labels,
        pos_gt_bboxes=boxes[:positives] + 2,
        pos_gt_labels=labels,
        pos_is_gt=torch.zeros(positives, dtype=torch.bool),
    )


VARIANTS = {
    'plain': (BBoxHead, {}),
    'pooled': (BBoxHead, dict(with_avg_pool=True)),
    'shared': (SharedFCBBoxHead, dict(num_shared_fcs=2, fc_out_channels=16)),
    'shared_as_2019': (SharedFCBBoxHead, dict(num_fcs=1, fc_out_channels=16)),
    'shared_pooled': (SharedFCBBoxHead, dict(num_shared_fcs=1, fc_out_channels=16, with_avg_pool=True)),
    'convs': (ConvFCBBoxHead, dict(num_shared_convs=2, conv_out_channels=8)),
    'convs_pooled': (ConvFCBBoxHead, dict(num_shared_convs=1, conv_out_channels=8, with_avg_pool=True)),
    'branches': (
        ConvFCBBoxHead,
        dict(
            num_shared_convs=1,
            num_cls_convs=1,
            num_reg_convs=2,
            num_reg_fcs=1,
            conv_out_channels=8,
            fc_out_channels=16,
        ),
    ),
    'fcs_apart': (ConvFCBBoxHead, dict(num_shared_fcs=1, num_cls_fcs=1, num_reg_fcs=2, fc_out_channels=16)),
    'agnostic': (SharedFCBBoxHead, dict(reg_class_agnostic=True, fc_out_channels=16)),
}


@pytest.mark.parametrize('variant', VARIANTS)
@pytest.mark.parametrize('batch', [((3, 5), (0, 4)), ((0, 6),), ((2, 0),), ((0, 0),)])
def test_every_variant_trains_on_every_batch(variant, batch):
    kind, options = VARIANTS[variant]
    head = kind(**COMMON, **options)
    results = [sampled(*counts) for counts in batch]
    count = sum(map(sum, batch))
    cls_score, bbox_pred = head(rois_of(count))
    assert cls_score.shape == (count, 4)
    assert bbox_pred.shape == (count, 4 if options.get('reg_class_agnostic') else 16)
    losses = head.loss(cls_score, bbox_pred, *head.get_targets(results, dict(pos_weight=-1)))
    assert set(losses) == {'loss_cls', 'acc', 'loss_reg'}
    assert all(torch.isfinite(value).all() for value in losses.values())
    (losses['loss_cls'] + losses['loss_reg']).backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in head.parameters())
    assert (losses['loss_reg'].item() > 0) == any(positives for positives, _ in batch)


def test_targets():
    head = SharedFCBBoxHead(**COMMON, fc_out_channels=16)
    labels, label_weights, targets, weights = head.get_targets(
        [sampled(2, 1), sampled(1, 2)], dict(pos_weight=3.0)
    )
    assert labels.tolist() == [1, 2, 0, 1, 0, 0]
    assert label_weights.tolist() == [3, 3, 1, 3, 1, 1]
    assert weights.tolist() == [[float(label > 0)] * 4 for label in labels]
    # A shift of 2 on boxes of 21 pixels, in units of a tenth.
    assert targets[0].tolist() == pytest.approx([2 / 21 / 0.1] * 2 + [0, 0], abs=1e-5)
    assert targets[2].eq(0).all()


def test_divisors():
    """Classification is divided by RoIs of positive weight, regression by all RoIs."""
    head = SharedFCBBoxHead(**COMMON, fc_out_channels=16)
    labels = torch.tensor([2, 0, 0, 0])
    weights = torch.tensor([1.0, 1.0, 0.0, 0.0])
    pred = torch.zeros(4, 16)
    pred[0, 8:12] = 3.0
    losses = head.loss(torch.zeros(4, 4), pred, labels, weights, torch.zeros(4, 4), torch.ones(4, 4))
    assert losses['loss_cls'].item() == pytest.approx(torch.log(torch.tensor(4.0)).item())
    assert losses['loss_reg'].item() == pytest.approx(4 * 2.5 / 4)


def test_regression_reads_the_block_of_its_class():
    head = SharedFCBBoxHead(**COMMON, fc_out_channels=16)
    pred = torch.randn(3, 16, requires_grad=True)
    labels = torch.tensor([1, 3, 0])
    targets = torch.zeros(3, 4)
    head.loss(None, pred, labels, torch.ones(3), targets, torch.ones(3, 4))['loss_reg'].backward()
    touched = pred.grad.view(3, 4, 4).abs().sum(dim=2) > 0
    assert touched.tolist() == [[False, True, False, False], [False, False, False, True], [False] * 4]


def test_only_one_output():
    head = SharedFCBBoxHead(**COMMON, fc_out_channels=16, with_reg=False)
    cls_score, bbox_pred = head(rois_of(3))
    assert bbox_pred is None
    losses = head.loss(cls_score, None, *head.get_targets([sampled(1, 2)], {}))
    assert set(losses) == {'loss_cls', 'acc'}
    regressor = BBoxHead(**COMMON, with_cls=False)
    assert regressor(rois_of(2))[0] is None


def detections(head, rois, cls_score, bbox_pred, meta, cfg, rescale=True):
    """Of one image."""
    return head.get_bboxes(rois, cls_score, bbox_pred, [meta], cfg, rescale)[0]


def scores_for(*rows):
    return torch.tensor(rows, dtype=torch.float32).log()


def test_detections_are_class_major_until_there_are_too_many():
    head = BBoxHead(**COMMON)
    rois = torch.tensor([[0.0, 10, 10, 50, 50], [0, 100, 10, 150, 60], [0, 10, 60, 50, 90]])
    scores = scores_for([0.3, 0.1, 0.0, 0.6], [0.2, 0.7, 0.1, 0.0], [0.1, 0.5, 0.4, 0.0])
    args = (rois, scores, torch.zeros(3, 16), META)
    result = detections(head, *args, TEST_CFG)
    assert result.labels.tolist() == [0, 0, 0, 1, 1, 2]
    assert result.scores.tolist() == pytest.approx([0.7, 0.5, 0.1, 0.4, 0.1, 0.6], abs=1e-5)
    assert result.bboxes[0].tolist() == [50, 5, 75, 30], 'divided by the scale'
    few = detections(head, *args, dict(TEST_CFG, max_per_img=3))
    assert few.scores.tolist() == pytest.approx([0.7, 0.6, 0.5], abs=1e-5)
    assert few.labels.tolist() == [0, 2, 0]
    ordered = detections(head, *args, dict(TEST_CFG, always_sort=True))
    assert (ordered.scores.diff() <= 0).all() and len(ordered) == 6
    assert detections(head, *args, TEST_CFG, rescale=False).bboxes[0].tolist() == [100, 10, 150, 60]


def test_nms_runs_in_original_pixels():
    """With the +1 of 2019 the overlap depends on the scale, and it is taken after the division."""
    head = BBoxHead(**COMMON)
    rois = torch.tensor([[0.0, 0, 0, 18, 18], [0, 0, 0, 18, 36]])
    scores = scores_for([0.1, 0.9, 0, 0], [0.2, 0.8, 0, 0])
    args = (rois, scores, torch.zeros(2, 16), META)
    cfg = dict(TEST_CFG, nms=dict(type='nms', iou_threshold=0.52))
    # 19 / 37 of the pixels as resized, 10 / 19 in the original.
    assert len(detections(head, *args, cfg, rescale=False)) == 2
    assert len(detections(head, *args, cfg, rescale=True)) == 1


def test_modern_convention_and_pair_of_scales():
    head = BBoxHead(**{**COMMON, 'bbox_coder': dict(type='DeltaXYWHBBoxCoder')})
    rois = torch.tensor([[0.0, -10, -10, 250, 150]])
    meta = dict(img_shape=(100, 200), scale_factor=(2.0, 4.0))
    result = detections(head, rois, scores_for([0.1, 0.9, 0, 0]), torch.zeros(1, 16), meta, TEST_CFG)
    assert result.bboxes.tolist() == [[0, 0, 100, 25]]


def test_nms_follows_the_convention_of_the_coder():
    rois = torch.tensor([[0.0, 0, 0, 18, 18], [0, 0, 0, 18, 36]])
    scores = scores_for([0.1, 0.9, 0, 0], [0.2, 0.8, 0, 0])
    cfg = dict(TEST_CFG, nms=dict(type='nms', iou_threshold=0.51))
    # 19 / 37 = 0.514 of the pixels, but half of the area.
    for kind, count in (('LegacyDeltaXYWHBBoxCoder', 1), ('DeltaXYWHBBoxCoder', 2)):
        head = BBoxHead(**{**COMMON, 'bbox_coder': dict(type=kind)})
        assert len(detections(head, rois, scores, torch.zeros(2, 16), META, cfg, rescale=False)) == count


def test_class_agnostic_detections():
    head = BBoxHead(**COMMON, reg_class_agnostic=True)
    rois, scores = torch.tensor([[0.0, 10, 10, 50, 50]]), scores_for([0.2, 0.5, 0.3, 0.0])
    result = detections(head, rois, scores, torch.zeros(1, 4), META, TEST_CFG)
    assert result.bboxes.tolist() == [[5, 5, 25, 25]] * 2


def test_small_boxes_can_be_dropped():
    head = BBoxHead(**{**COMMON, 'bbox_coder': dict(type='DeltaXYWHBBoxCoder')})
    # The second one is clipped to a line at the border of the image.
    rois = torch.tensor([[0.0, 10, 10, 50, 50], [0, 210, 10, 250, 50]])
    args = (rois, scores_for([0.1, 0.9, 0, 0], [0.1, 0.9, 0, 0]), torch.zeros(2, 16), META)
    assert len(detections(head, *args, TEST_CFG)) == 2
    result = detections(head, *args, dict(TEST_CFG, min_bbox_size=1e-2))
    assert result.bboxes.tolist() == [[5, 5, 25, 25]]
    agnostic = BBoxHead(**COMMON, reg_class_agnostic=True)
    small = dict(TEST_CFG, min_bbox_size=42)
    assert len(detections(agnostic, *args[:2], torch.zeros(2, 4), META, small)) == 0
    assert len(detections(agnostic, *args[:2], None, META, dict(small, min_bbox_size=41))) == 2


def test_no_rois_and_no_detections():
    head = BBoxHead(**COMMON)
    result = detections(head, torch.zeros(0, 5), torch.zeros(0, 4), torch.zeros(0, 16), META, TEST_CFG)
    assert result.bboxes.shape == (0, 4) and result.labels.dtype == torch.int64
    sure = detections(head, torch.zeros(1, 5), scores_for([1.0, 0, 0, 0]), torch.zeros(1, 16), META, TEST_CFG)
    assert len(sure) == 0


def test_names_and_initialization():
    torch.manual_seed(0)
    head = SharedFCBBoxHead(**{**COMMON, 'num_classes': 40}, fc_out_channels=256)
    assert set(head.state_dict()) == {
        f'{layer}.{kind}'
        for layer in ('shared_fcs.0', 'shared_fcs.1', 'fc_cls', 'fc_reg')
        for kind in ('weight', 'bias')
    }
    head.init_weights()
    assert head.fc_cls.weight.std().item() == pytest.approx(0.01, rel=0.1)
    assert head.fc_reg.weight.std().item() == pytest.approx(0.001, rel=0.1)
    for layer in head.shared_fcs:
        bound = (6 / sum(layer.weight.shape)) ** 0.5
        assert 0.95 * bound < layer.weight.abs().max() <= bound
        assert layer.weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.05)
    assert all(module.bias.eq(0).all() for module in (head.fc_cls, head.fc_reg, *head.shared_fcs))


def test_later_names():
    assert (
        MODELS.build(dict(COMMON, type='Shared2FCBBoxHead', fc_out_channels=8)).shared_fcs[1].out_features
        == 8
    )
    deep = MODELS.build(
        dict(
            COMMON,
            type='Shared4Conv1FCBBoxHead',
            conv_out_channels=8,
            fc_out_channels=8,
            norm_cfg=dict(type='GN', num_groups=4),
        )
    )
    assert 'shared_convs.3.gn.weight' in deep.state_dict() and len(deep.shared_fcs) == 1
    assert deep(rois_of(2))[0].shape == (2, 4)


@pytest.mark.parametrize(
    ('kind', 'options', 'message'),
    [
        (BBoxHead, dict(with_cls=False, with_reg=False), 'with_cls or with_reg'),
        (BBoxHead, dict(num_classes=0), 'without background and must be >= 1, got 0'),
        (ConvFCBBoxHead, dict(num_shared_fcs=1, num_cls_convs=1), 'must be 0 where num_shared_fcs is not'),
        (ConvFCBBoxHead, dict(with_reg=False, num_reg_fcs=1), 'with_reg is false'),
        (ConvFCBBoxHead, dict(num_shared_convs=1, norm_cfg=dict(type='XX')), "unknown norm 'XX'"),
        (SharedFCBBoxHead, dict(num_shared_fcs=0), 'at least one shared layer'),
    ],
)
def test_errors_name_what_is_wrong(kind, options, message):
    with pytest.raises(ValueError, match=message):
        kind(**{**COMMON, **options})
