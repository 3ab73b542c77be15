"""2019 files through the converter, ImageNet backbones, and the configs that go with all."""

import json
from pathlib import Path

import mmengine
import pytest
import torch

from mmdet.apis import load_config, register_all_modules
from mmdet.compat.checkpoints import convert_checkpoint
from mmdet.compat.checkpoints.conventions import IMAGE_NORMS, Conventions
from mmdet.compat.checkpoints.full_config import full_config
from mmdet.registry import MODELS
from tests.compat.checkpoints import foreign, native_run
from tests.parity.rules import load_json, rule_tensor

CONFIGS = Path(__file__).resolve().parents[3] / 'configs'
PUBLISHED = sorted(CONFIGS.glob('masktrack_rcnn_*_fpn_12e_youtubevis20[0-9][0-9].py'))


def test_2019_checkpoint_comes_out_as_it_went_in():
    entries = load_json('state_dict.json')['masktrack_rcnn_r50_fpn_1x_youtubevos.py']['state']
    state = {key: rule_tensor(key, tuple(shape)) for key, shape, _ in entries}
    converted = convert_checkpoint(dict(meta={}, state_dict=state, optimizer={}))
    assert converted.source_format == '2019'
    assert converted.state_dict.keys() == state.keys()
    assert all(torch.equal(converted.state_dict[key], value) for key, value in state.items())
    main = load_config(CONFIGS / 'masktrack_rcnn_r50_fpn_1x_youtubevos.py').model.to_dict()
    register_all_modules()
    ours, theirs = native_run.build(converted), MODELS.build(main)
    assert describe(ours) == describe(theirs)


@pytest.mark.parametrize(
    ('head', 'expected'),
    [
        ('match_coeff=[0.5, 1.5, 5]', dict(det_score=0.5, iou=1.5, label=5)),
        ('num_fcs=2', None),
    ],
)
def test_coefficients_of_a_2019_config_text_are_kept(head, expected):
    shapes = foreign.mmdet_shapes(1)
    shapes.update({'track_head.fcs.0.weight': (8, 16 * 49), 'track_head.fcs.0.bias': (8,)})
    text = f"model = dict(type='MaskRCNN', track_head=dict(type='TrackHead', {head}))"
    converted = convert_checkpoint(dict(state_dict=foreign.fill(shapes), meta=dict(config=text)))
    assert converted.model['tracker']['match_coeff'] == expected
    assert native_run.build(converted).tracker.match_coeff == (expected and tuple(expected.values()))


def describe(model):
    """Everything of a built model that decides what it computes, beside its weights."""
    extractors = [model.bbox_roi_extractor, model.mask_roi_extractor, model.track_roi_extractor]
    anchors = model.rpn_head.anchor_generator
    return dict(
        types=[type(part).__name__ for part in (model, model.backbone, model.neck, anchors, model.tracker)],
        coders=[(type(h.bbox_coder).__name__, h.bbox_coder.stds) for h in (model.rpn_head, model.bbox_head)],
        anchors=[level.tolist() for level in anchors.base_anchors],
        extractors=[
            (e.output_size, e.sampling_ratio, e.mode, e.offset, e.featmap_strides) for e in extractors
        ],
        mask=model.mask_head.mask_convention,
        track=model.track_head.relu_last,
        tracker={k: v for k, v in vars(model.tracker).items() if k not in ('memories', 'similarity')},
        similarity=model.tracker.similarity.args[0].__func__,
        images=(model.data_preprocessor.mean.tolist(), model.data_preprocessor.bgr_to_rgb),
        rpn={k: v for k, v in dict(model.test_cfg['rpn']).items() if k != 'nms_across_levels'},
        rcnn=dict(model.test_cfg['rcnn']),
        losses=[repr(h.loss_bbox) for h in (model.rpn_head, model.bbox_head)],
        shapes={key: tuple(value.shape) for key, value in model.state_dict().items()},
    )


def test_r50_config_is_what_the_converter_writes_for_mmtracking():
    shapes = foreign.mmtracking_shapes(classes=40, depth=50, channels=256, fc=1024)
    converted = convert_checkpoint({key: torch.zeros(shape) for key, shape in shapes.items()})
    config = load_config(CONFIGS / 'masktrack_rcnn_r50_fpn_12e_youtubevis2019.py')
    register_all_modules()
    assert describe(native_run.build(converted)) == describe(MODELS.build(config.model.to_dict()))
    mine, other = full_config(converted), config
    for loader in ('train_dataloader', 'test_dataloader'):
        steps = [dict(step) for step in other[loader].dataset.pipeline]
        assert mine[loader]['dataset']['pipeline'] == steps
        assert mine[loader]['dataset']['box_offset'] == other[loader].dataset.box_offset == 0
    assert mine['optim_wrapper'] == other.optim_wrapper.to_dict()
    train, theirs = mine['model']['train_cfg'], other.model.train_cfg.to_dict()
    assert train['rpn']['sampler'] == theirs['rpn']['sampler']
    assert train['rcnn']['sampler'] == theirs['rcnn']['sampler']
    assert train['rpn']['allowed_border'] == theirs['rpn']['allowed_border'] == -1


@pytest.mark.parametrize('path', PUBLISHED, ids=lambda path: path.stem)
def test_configs_take_the_published_layouts(path):
    config = load_config(path)
    register_all_modules()
    model = MODELS.build(config.model)
    resnext = 'x101' in path.name
    depth = 50 if 'r50' in path.name else 101
    extra = dict(groups=64, base_width=4) if resnext else {}
    shapes = foreign.mmtracking_shapes(classes=40, depth=depth, channels=256, fc=1024, **extra)
    converted = convert_checkpoint({key: torch.empty(shape) for key, shape in shapes.items()})
    expected = {key: tuple(value.shape) for key, value in model.state_dict().items()}
    assert {key: tuple(value.shape) for key, value in converted.state_dict.items()} == expected
    assert ('2021' in path.name) == (config.test_dataloader.dataset.type == 'YouTubeVIS2021Dataset')
    assert (
        config.test_dataloader.dataset.data_root
        == f'data/youtube_vis_{"2021" if "2021" in path.name else "2019"}/'
    )
    assert config.val_evaluator.ann_file.startswith(config.test_dataloader.dataset.data_root)
    assert path.stem in config.work_dir


def test_there_are_six_of_them():
    assert len(PUBLISHED) == 6


def imagenet_file(path, depth, **resnext):
    """A classification checkpoint as torchvision and mmcls save it, with the classifier."""
    state = foreign.fill(
        {**foreign.resnet_shapes('', depth, **resnext), 'fc.weight': (10, 8), 'fc.bias': (10,)}
    )
    torch.save(state, path)
    return state


@pytest.mark.parametrize('resnext', [{}, dict(groups=32, base_width=4)], ids=['ResNet', 'ResNeXt'])
def test_imagenet_weights_by_local_path(tmp_path, resnext):
    state = imagenet_file(tmp_path / 'imagenet.pth', 50, **resnext)
    register_all_modules()
    backbone = MODELS.build(
        dict(
            type='ResNeXt' if resnext else 'ResNet',
            depth=50,
            init_cfg=dict(type='Pretrained', checkpoint=str(tmp_path / 'imagenet.pth')),
            **resnext,
        )
    )
    backbone.init_weights()
    loaded = backbone.state_dict()
    assert loaded.keys() == {key for key in state if not key.startswith('fc.')}
    assert all(torch.equal(loaded[key], state[key]) for key in loaded)


def test_imagenet_weights_by_address(tmp_path, monkeypatch):
    monkeypatch.setenv('TORCH_HOME', str(tmp_path))
    table = Path(mmengine.__path__[0]) / 'hub' / 'torchvision_0.12.json'
    url = json.loads(table.read_text())['resnet18']
    folder = tmp_path / 'hub' / 'checkpoints'
    folder.mkdir(parents=True)
    state = imagenet_file(folder / url.rsplit('/', 1)[1], 18)
    register_all_modules()
    backbone = MODELS.build(
        dict(type='ResNet', depth=18, init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet18'))
    )
    backbone.init_weights()
    assert torch.equal(backbone.layer4[1].conv2.weight, state['layer4.1.conv2.weight'])


def test_conventions_are_plain_data():
    plain = Conventions(mean=IMAGE_NORMS['caffe'][0]).to_dict()
    assert json.loads(json.dumps(plain)) == plain
    assert plain['mean'] == [103.53, 116.28, 123.675]
