"""tools/get_flops.py: counts that can be checked by hand."""

import json
from pathlib import Path

import pytest

from tests.parity.rules import load_json
from tools.get_flops import main

from .checkpoints import refused

CONFIGS = Path(__file__).resolve().parents[2] / 'configs'
MAIN = CONFIGS / 'masktrack_rcnn_r50_fpn_1x_youtubevos.py'


def count(capsys, *args):
    main([str(arg) for arg in args] + ['--json'])
    return json.loads(capsys.readouterr().out)


def test_parameters_of_the_main_config_are_those_of_2019(capsys):
    found = count(capsys, MAIN)
    golden = load_json('state_dict.json')['masktrack_rcnn_r50_fpn_1x_youtubevos.py']
    assert found['total']['parameters'] == golden['total_params']
    assert found['total']['trainable'] == golden['trainable_params']
    assert found['input'] == [640, 384]


def test_operations_of_heads_follow_from_their_shapes(capsys):
    stages = count(capsys, MAIN)['stages']
    proposals, detections = 200, 10
    fcs = 256 * 49 * 1024 + 1024 * 1024
    assert stages['bbox_head']['flops'] == 2 * proposals * (fcs + 1024 * (41 + 164))
    assert stages['track_head']['flops'] == 2 * detections * fcs
    cells = sum(-(-384 // s) * -(-640 // s) for s in (4, 8, 16, 32)) + 6 * 10
    assert stages['rpn_head']['flops'] == 2 * cells * (256 * 256 * 9 + 256 * 15)
    convs = 4 * 256 * 256 * 9 * 14 * 14 + 256 * 256 * 28 * 28 + 256 * 41 * 28 * 28
    assert stages['mask_head']['flops'] == 2 * detections * convs


def test_resnet50_at_224_has_the_well_known_number(capsys):
    stages = count(capsys, MAIN, '--shape', 224, 224)['stages']
    assert stages['backbone']['parameters'] == 25_557_032 - 2_049_000  # torchvision's, without the classifier
    assert stages['backbone']['flops'] / 2 == pytest.approx(4.09e9, rel=0.01)


def test_larger_images_cost_more_and_heads_the_same(capsys):
    small, large = (count(capsys, MAIN, '--shape', *shape)['stages'] for shape in ((320, 192), (640, 384)))
    assert large['backbone']['flops'] == 4 * small['backbone']['flops']
    assert large['bbox_head']['flops'] == small['bbox_head']['flops']


@pytest.mark.parametrize('path', sorted(CONFIGS.glob('*.py')), ids=lambda path: path.stem)
def test_every_config_can_be_counted(capsys, path):
    found = count(capsys, path, '--shape', 128, 96)
    assert found['total']['flops'] == sum(stage['flops'] for stage in found['stages'].values()) > 0


def test_table_is_printed(capsys):
    main([str(MAIN)])
    said = capsys.readouterr().out
    assert 'padded to 640x384' in said and '58,081,093' in said


def test_bad_shape_is_one_line(capsys):
    assert '--shape' in refused(capsys, main, MAIN, '--shape', 0, 5)
