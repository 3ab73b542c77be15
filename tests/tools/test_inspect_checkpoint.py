"""tools/inspect_checkpoint.py: formats, conventions, and what a config would take."""

import json

import pytest
import torch

from mmdet.compat.checkpoints.describe import describe_model
from tests.compat.checkpoints import foreign
from tools.convert_checkpoint import main as convert
from tools.inspect_checkpoint import main

from .checkpoints import malicious, refused

META2 = dict(mmdet_version='2.25.0', CLASSES=tuple('abcde'), epoch=12)
KINDS = {
    'mmdet1': lambda: dict(
        state_dict=foreign.fill(foreign.mmdet_shapes(1)), meta=dict(mmdet_version='1.1.0')
    ),
    '2019': lambda: dict(state_dict=foreign.fill(foreign.mmdet_shapes(1)), meta={}),
    'mmdet2': lambda: dict(state_dict=foreign.fill(foreign.mmdet_shapes(2)), meta=META2),
    'mmdet3': lambda: dict(state_dict=foreign.fill(foreign.mmdet_shapes(2)), meta=dict(dataset_meta={})),
    'mmtracking': lambda: dict(state_dict=foreign.fill(foreign.mmtracking_shapes()), meta={}),
    'torchvision': lambda: foreign.fill(foreign.torchvision_shapes()),
    'backbone': lambda: foreign.fill(
        {**foreign.resnet_shapes('', 18), 'fc.weight': (10, 512), 'fc.bias': (10,)}
    ),
    'unknown': lambda: {'head.weight': torch.zeros(3, 4)},
}


def inspect(capsys, *args):
    main([str(arg) for arg in args])
    return capsys.readouterr().out


@pytest.mark.parametrize('kind', list(KINDS))
def test_formats_are_told_apart(tmp_path, capsys, kind):
    torch.save(KINDS[kind](), tmp_path / 'x.pth')
    found = json.loads(inspect(capsys, tmp_path / 'x.pth', '--json'))
    assert found['format'] == kind
    assert found['tensors'] > 0 and found['dtypes'] == ['float32']
    if kind == 'mmdet2':
        assert found['classes'] == list('abcde') and found['meta']['epoch'] == 12
    if kind == '2019':
        assert found['architecture']['num_classes'] == 5 and found['architecture']['depth'] == 18


@pytest.fixture(scope='module')
def native(tmp_path_factory):
    """A converted checkpoint and its config."""
    root = tmp_path_factory.mktemp('native')
    torch.save(KINDS['mmdet2'](), root / 'foreign.pth')
    convert([str(root / 'foreign.pth'), str(root / 'w.pth'), '--config-out', str(root / 'w.py')])
    return root


def test_native_file_with_its_config_fits_entirely(native, capsys):
    found = json.loads(inspect(capsys, native / 'w.pth', '--config', native / 'w.py', '--json'))
    assert found['format'] == 'native'
    assert found['config']['complete'] is True and found['config']['takes'] == 162
    assert found['config']['differences'] == {}
    assert found['conventions']['RoIAlign'] == 'aligned, adaptive samples'


def test_differing_conventions_and_shapes_are_named(native, tmp_path, capsys):
    text = (native / 'w.py').read_text()
    text = text.replace("mode='aligned'", "mode='legacy'").replace('num_classes=5', 'num_classes=7')
    (tmp_path / 'other.py').write_text(text)
    said = inspect(capsys, native / 'w.pth', '--config', tmp_path / 'other.py')
    assert 'RoIAlign differ: checkpoint aligned, adaptive samples; config legacy' in said
    assert 'bbox_head.fc_cls.weight' in said and '(6, 48)' in said and '(8, 48)' in said


def test_foreign_file_is_compared_after_conversion(native, tmp_path, capsys):
    said = inspect(capsys, native / 'foreign.pth', '--config', native / 'w.py')
    assert 'format mmdet2' in said and 'with the config, after conversion:' in said
    assert '162 tensors loaded' in said and 'differ:' not in said


def test_refused_foreign_file_says_why(native, tmp_path, capsys):
    content = KINDS['mmdet2']()
    content['state_dict']['backbone.layer1.0.conv2_offset.weight'] = torch.zeros(1)
    torch.save(content, tmp_path / 'dcn.pth')
    said = inspect(capsys, tmp_path / 'dcn.pth', '--config', native / 'w.py')
    assert 'deformable convolutions' in said


def test_backbone_is_compared_with_the_backbone(native, tmp_path, capsys):
    torch.save(KINDS['backbone'](), tmp_path / 'resnet18.pth')
    found = json.loads(inspect(capsys, tmp_path / 'resnet18.pth', '--config', native / 'w.py', '--json'))
    assert found['config']['complete'] is True
    assert 'fc.weight' in found['config']['text']  # the classifier is left


def test_training_state_is_listed(tmp_path, capsys):
    torch.save(dict(KINDS['2019'](), optimizer=dict(state={}), ema_state_dict={}), tmp_path / 'x.pth')
    assert 'also stored: ema_state_dict, optimizer' in inspect(capsys, tmp_path / 'x.pth')


def test_a_pickle_that_runs_code_is_refused(tmp_path, capsys):
    mark = tmp_path / 'ran'
    source = malicious(tmp_path / 'bad.pth', mark)
    assert '--trust-checkpoint' in refused(capsys, main, source)
    assert not mark.exists()
    assert 'format mmdet2' in inspect(capsys, source, '--trust-checkpoint')
    assert mark.exists()


def test_no_checkpoint_is_one_line(tmp_path, capsys):
    (tmp_path / 'x.pth').write_bytes(b'nothing')
    assert 'cannot be read' in refused(capsys, main, tmp_path / 'x.pth')


@pytest.mark.parametrize(
    ('model', 'told'),
    [
        (dict(track_head=dict(type='TrackHead')), 'no ReLU after the last layer; tracker as in 2019'),
        (
            dict(track_head=dict(relu_last=True), tracker=dict(type='MaskTrackTracker', max_age=3)),
            'ReLU after the last layer; tracker max_age=3',
        ),
        (dict(tracker=dict(type='IoUTracker', iou_thr=0.5)), 'IoUTracker(iou_thr=0.5)'),
    ],
)
def test_trackers_are_told_apart(model, told):
    assert describe_model(model)['tracking'] == told
