"""Fitting a state dict into a model: what is taken, what is listed, and the rows of shared classes."""

import pytest
import torch
from torch import nn

from mmdet.apis import register_all_modules
from mmdet.engine.weights import load_weights, shared_classes
from mmdet.registry import MODELS
from mmdet.structures.classes import COCO_CLASSES, OVIS_CLASSES, YTVIS_2019_CLASSES
from mmdet.utils import UserError


class Detector(nn.Module):
    """The category tensors of a detector with ``classes`` classes, and one other layer."""

    def __init__(self, classes):
        super().__init__()
        self.backbone = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
        self.bbox_head = nn.Module()
        self.bbox_head.fc_cls = nn.Linear(5, classes + 1)
        self.bbox_head.fc_reg = nn.Linear(5, 4 * (classes + 1))
        self.mask_head = nn.Module()
        self.mask_head.conv_logits = nn.Conv2d(3, classes + 1, 1)
        self.track_head = nn.Linear(2, 2)


def coco_state():
    torch.manual_seed(0)
    state = Detector(80).state_dict()
    return {
        k: torch.randn_like(v) if v.is_floating_point() else v for k, v in state.items() if 'track' not in k
    }


def test_takes_what_fits_and_lists_the_rest_with_both_shapes():
    model, state = Detector(40), coco_state()
    before = model.bbox_head.fc_cls.weight.clone()
    report = load_weights(model, {'state_dict': state, 'meta': {}})
    assert torch.equal(model.backbone[0].weight, state['backbone.0.weight'])
    assert torch.equal(model.bbox_head.fc_cls.weight, before)
    assert len(report.mismatched) == 6
    text = report.text()
    assert '(81, 5)' in text and '(41, 5)' in text and 'bbox_head.fc_reg.bias' in text
    assert sorted(report.missing) == ['track_head.bias', 'track_head.weight']
    assert 'new in the model' in text and not report.complete()


def test_module_prefix_and_bare_state_dict():
    model, state = Detector(80), coco_state()
    report = load_weights(model, {f'module.{k}': v for k, v in state.items()})
    assert torch.equal(model.mask_head.conv_logits.weight, state['mask_head.conv_logits.weight'])
    assert report.unexpected == []


def test_weights_under_model_are_found():
    state = coco_state()
    assert load_weights(Detector(80), {'model': state, 'epoch': 3}).mismatched == []


@pytest.mark.parametrize('cast', [lambda v: v.to(torch.int8), lambda v: v.to(torch.complex64)])
def test_numbers_that_are_no_floats_are_refused(cast):
    state = coco_state()
    state['backbone.0.weight'] = cast(state['backbone.0.weight'])
    with pytest.raises(UserError, match=r'backbone\.0\.weight holds (int8|complex64), expected floating'):
        load_weights(Detector(80), state)


def test_a_checkpoint_without_batch_counts_is_complete():
    # mmcv 0.2 ran on torch 0.4, whose early files lack BatchNorm's counter.
    model = Detector(3)
    state = {k: v for k, v in model.state_dict().items() if 'num_batches' not in k}
    assert load_weights(model, state, strict=True).complete()


def test_nothing_fits_is_an_error_that_names_both_sides_and_leaves_the_model_alone():
    model = Detector(3)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    with pytest.raises(
        UserError, match=r'not one tensor fits.*it has encoder.weight.*the model has backbone'
    ):
        load_weights(model, {'encoder.weight': torch.ones(2, 2)}, source='x.pth')
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())


def test_scalars_alone_do_not_count_as_fitting():
    with pytest.raises(UserError, match='not one tensor fits'):
        load_weights(Detector(3), {'backbone.1.num_batches_tracked': torch.tensor(3)})


def test_hints_for_backbones_and_newer_formats():
    model = nn.Module()
    model.backbone = nn.Module()
    model.backbone.conv1 = nn.Conv2d(1, 1, 1)
    with pytest.raises(UserError, match='weights of a backbone'):
        load_weights(model, {'conv1.weight': torch.ones(1, 1, 1, 1)})
    with pytest.raises(UserError, match='convert_checkpoint'):
        load_weights(model, {'roi_head.x': torch.ones(1)})


def test_strict_wants_everything():
    model = Detector(3)
    state = dict(model.state_dict())
    load_weights(model, state, strict=True)
    with pytest.raises(UserError, match='does not fit the model'):
        load_weights(model, {**state, 'extra': torch.ones(1)}, strict=True)
    del state['track_head.weight']
    with pytest.raises(UserError, match='track_head.weight'):
        load_weights(model, state, strict=True)


def test_prefix_takes_a_part():
    target, state = nn.Linear(2, 3), coco_state()
    load_weights(target, state, prefix='backbone.0.', strict=True)
    assert torch.equal(target.weight, state['backbone.0.weight'])


def test_long_lists_are_cut():
    model = nn.ModuleList(nn.Linear(1, 1) for _ in range(20))
    report = load_weights(model, {'0.weight': torch.ones(1, 1)})
    assert 'and 31 more' in report.text()
    wrong = {name: torch.ones(3, 3) for name in model.state_dict()}
    report = load_weights(model, {**wrong, '0.weight': torch.ones(1, 1)})
    assert len(report.mismatched) == 39 and 'and 31 more' in report.text()
    assert '8.weight' not in report.text()


# --- class_map ---


def test_class_map_copies_rows_of_shared_classes_and_background():
    model, state = Detector(40), coco_state()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    report = load_weights(
        model, {'state_dict': state, 'meta': {}}, class_map='coco', classes=YTVIS_2019_CLASSES
    )
    after = model.state_dict()
    pairs = shared_classes(YTVIS_2019_CLASSES, COCO_CLASSES)
    mine = {a + 1 for a, _ in pairs} | {0}
    for name, block in (('bbox_head.fc_cls.bias', 1), ('bbox_head.fc_reg.weight', 4)):
        for label in range(41):
            rows = slice(label * block, (label + 1) * block)
            if label not in mine:
                assert torch.equal(after[name][rows], before[name][rows])
        for a, b in [(-1, -1), *pairs]:
            ours, theirs = slice((a + 1) * block, (a + 2) * block), slice((b + 1) * block, (b + 2) * block)
            assert torch.equal(after[name][ours], state[name][theirs])
    label, other = YTVIS_2019_CLASSES.index('zebra'), COCO_CLASSES.index('zebra')
    assert torch.equal(
        after['mask_head.conv_logits.weight'][label + 1], state['mask_head.conv_logits.weight'][other + 1]
    )
    assert len(report.mapped) == 6
    assert 'zebra' in report.text() and 'rows of shared classes taken' in report.text()


def test_shared_names_ignore_case_and_underscores_and_know_the_animal_mouse():
    named = [
        (YTVIS_2019_CLASSES[a], COCO_CLASSES[b]) for a, b in shared_classes(YTVIS_2019_CLASSES, COCO_CLASSES)
    ]
    assert ('tennis_racket', 'tennis racket') in [(a, b.replace('_', ' ')) for a, b in named]
    assert ('motorbike', 'motorcycle') in named
    assert 'mouse' not in [a for a, _ in named]
    assert ('Person', 'person') in [
        (OVIS_CLASSES[a], COCO_CLASSES[b]) for a, b in shared_classes(OVIS_CLASSES, COCO_CLASSES)
    ]


def test_class_names_of_the_checkpoint_come_first():
    model = Detector(2)
    state = Detector(3).state_dict()
    meta = {'CLASSES': ('cow', 'zebra', 'person')}
    report = load_weights(
        model, {'state_dict': state, 'meta': meta}, class_map='coco', classes=('person', 'lizard')
    )
    assert report.shared_classes == ['person']
    assert torch.equal(model.bbox_head.fc_cls.weight[1], state['bbox_head.fc_cls.weight'][3])


@pytest.mark.parametrize(
    ('kwargs', 'meta', 'message'),
    [
        (dict(class_map='voc', classes=('a',)), {}, "expected 'coco' or None, got 'voc'"),
        (dict(class_map='coco', classes=None), {}, 'needs a dataset'),
        (dict(class_map='coco', classes=('a',)), {'mmdet_version': '2.25.0'}, 'background last'),
        (dict(class_map='coco', classes=('a',)), {'CLASSES': ('x', 'y')}, r'has 81 rows, expected 3'),
    ],
)
def test_class_map_refuses(kwargs, meta, message):
    with pytest.raises(UserError, match=message):
        load_weights(Detector(1), {'state_dict': coco_state(), 'meta': meta}, **kwargs)


def test_pretraining_that_would_be_overwritten_is_skipped():
    from mmengine.model import BaseModule

    from mmdet.engine.weights import skip_covered_pretraining

    model = nn.Module()
    for name in ('backbone', 'other'):
        part = BaseModule(init_cfg=dict(type='Pretrained', checkpoint='nothing.pth'))
        part.fc = nn.Linear(2, 2)
        part.norm = nn.BatchNorm1d(2)
        setattr(model, name, part)
    state = {k: v for k, v in model.state_dict().items() if 'num_batches' not in k and k != 'other.fc.bias'}
    assert skip_covered_pretraining(model, {'state_dict': state}) == ['backbone']
    assert model.backbone.init_cfg is None and model.other.init_cfg['type'] == 'Pretrained'
    state['backbone.fc.weight'] = torch.zeros(3, 2)
    model.backbone.init_cfg = dict(type='Pretrained')
    assert skip_covered_pretraining(model, state) == []


@pytest.mark.parametrize(
    'state, prefix, message',
    [
        ({'foo': torch.zeros(3)}, None, r'x\.pth: not one tensor fits the model'),
        (
            {'backbone.conv1.weight': torch.zeros(64, 3, 7, 7)},
            None,
            r"whole detector: add prefix='backbone\.'",
        ),
        ({'backbone.conv1.weight': torch.zeros(64, 3, 7, 7)}, 'neck', 'not one tensor fits'),
        ({'backbone.conv1.weight': torch.zeros(64, 3, 7, 7)}, 'backbone', None),
        ({'conv1.weight': torch.zeros(64, 3, 7, 7), 'fc.bias': torch.zeros(9)}, None, None),
    ],
)
def test_pretrained_weights_of_which_nothing_fits_are_refused(tmp_path, state, prefix, message):
    register_all_modules()
    torch.save(state, tmp_path / 'x.pth')
    init = dict(type='Pretrained', checkpoint=str(tmp_path / 'x.pth'), prefix=prefix)
    backbone = MODELS.build(dict(type='ResNet', depth=18, init_cfg=init))
    if message is None:
        backbone.init_weights()
        assert not backbone.conv1.weight.any()
    else:
        with pytest.raises(UserError, match=message):
            backbone.init_weights()
