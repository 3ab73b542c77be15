"""tools/convert_checkpoint.py as a user calls it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from mmdet.apis import load_config
from mmdet.engine import read_checkpoint
from mmdet.registry import MODELS
from mmdet.structures.rle import decode_rle
from tests.compat.checkpoints import foreign, oracle
from tools.convert_checkpoint import main

from .checkpoints import malicious, refused

TOOL = Path(__file__).resolve().parents[2] / 'tools' / 'convert_checkpoint.py'
VIDEOS = Path(__file__).resolve().parents[1] / 'golden' / 'videos'
CLASSES = ('a', 'b', 'c', 'd', 'e')


@pytest.fixture(scope='module')
def files(tmp_path_factory):
    """One checkpoint of each format."""
    root = tmp_path_factory.mktemp('foreign')
    meta = dict(mmdet_version='2.25.0', CLASSES=CLASSES)
    torch.save(dict(state_dict=foreign.fill(foreign.mmdet_shapes(2)), meta=meta), root / 'mmdet2.pth')
    torch.save(foreign.fill(foreign.torchvision_shapes(classes=90)), root / 'tv.pth')
    torch.save(dict(state_dict=foreign.fill(foreign.mmtracking_shapes()), meta={}), root / 'mmt.pth')
    return root


@pytest.mark.parametrize('suffix', ['pth', 'safetensors'])
def test_written_config_builds_and_takes_every_tensor(files, tmp_path, capsys, suffix):
    weights, config = tmp_path / f'out.{suffix}', tmp_path / 'out.py'
    main([str(files / 'mmdet2.pth'), str(weights), '--config-out', str(config)])
    assert 'format mmdet2, 162 tensors, 5 classes' in capsys.readouterr().out
    native = load_config(config)
    written = read_checkpoint(weights)
    MODELS.build(native.model).load_state_dict(written['state_dict'], strict=True)
    assert tuple(written['meta']['CLASSES']) == CLASSES
    assert written['meta']['conventions']['roi_align'] == 'aligned'
    assert native.test_dataloader.dataset.pipeline[1].rounding == 'modern'
    assert native.load_from == str(weights)


def test_without_config_out_the_settings_are_printed(files, tmp_path, capsys):
    main([str(files / 'mmt.pth'), str(tmp_path / 'x.pth')])
    printed = capsys.readouterr().out
    assert "mask_convention='continuous'" in printed and 'relu_last=True' in printed
    assert 'python tools/test_video.py' in printed


def test_coco80_cuts_the_unused_columns(files, tmp_path, capsys):
    main([str(files / 'tv.pth'), str(tmp_path / 'all.pth')])
    main([str(files / 'tv.pth'), str(tmp_path / 'used.pth'), '--coco80'])
    capsys.readouterr()
    every, used = (read_checkpoint(tmp_path / name) for name in ('all.pth', 'used.pth'))
    assert len(every['meta']['CLASSES']) == 90 and every['meta']['CLASSES'][12] == 'stop sign'
    assert every['meta']['CLASSES'][11] == 'unused 12'
    assert len(used['meta']['CLASSES']) == 80 and used['meta']['CLASSES'][79] == 'toothbrush'
    key = 'bbox_head.fc_reg.weight'
    assert torch.equal(used['state_dict'][key][-4:], every['state_dict'][key][-4:])
    # Label 11 is the stop sign, COCO's id 13; id 12 was never used.
    assert torch.equal(used['state_dict'][key][48:52], every['state_dict'][key][52:56])


def test_runs_as_a_program_from_elsewhere(files, tmp_path):
    run = subprocess.run(
        [sys.executable, str(TOOL), str(files / 'mmt.pth'), 'out.safetensors', '--config-out', 'out.py'],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={**os.environ, 'OMP_NUM_THREADS': '1'},
    )
    assert run.returncode == 0, run.stderr
    assert (tmp_path / 'out.safetensors').is_file() and (tmp_path / 'out.py').is_file()


def test_a_pickle_that_runs_code_is_refused(tmp_path, capsys):
    mark = tmp_path / 'ran'
    source = malicious(tmp_path / 'bad.pth', mark)
    line = refused(capsys, main, source, tmp_path / 'out.pth')
    assert 'could run code' in line and '--trust-checkpoint' in line
    assert not mark.exists() and not (tmp_path / 'out.pth').exists()
    main([str(source), str(tmp_path / 'out.pth'), '--trust-checkpoint'])
    assert mark.exists() and (tmp_path / 'out.pth').exists()


def test_a_stored_config_is_read_but_never_run(tmp_path, capsys):
    mark = tmp_path / 'ran'
    opens = f'open({str(mark)!r}, "w")'
    text = f'import os\n{opens}\nmodel = dict(backbone=dict(style="caffe"), x={opens})'
    state = foreign.fill(foreign.mmdet_shapes(2, depth=50))
    torch.save(dict(state_dict=state, meta=dict(mmdet_version='2.1.0', config=text)), tmp_path / 'x.pth')
    main([str(tmp_path / 'x.pth'), str(tmp_path / 'y.pth'), '--config-out', str(tmp_path / 'y.py')])
    assert not mark.exists()
    assert load_config(tmp_path / 'y.py').model.backbone.style == 'caffe'


@pytest.mark.parametrize(
    ('args', 'text'),
    [
        (['missing.pth', 'out.pth'], 'does not exist'),
        (['{files}/tv.pth', 'out.txt'], 'ends in .pth or .safetensors'),
        (['{files}/tv.pth', 'out.pth', '--config-out', 'out.json'], 'ends in .py'),
        (['{files}/tv.pth', '{files}/mmt.pth'], 'exists; --overwrite'),
        (['{files}/tv.pth', 'out.pth', '--format', 'mmdet2'], "no rule of format 'mmdet2'"),
        (['{files}/mmdet2.pth', 'out.pth', '--classes', 'x'], '1 class names for a classifier of 5'),
        (['{files}/mmdet2.pth', 'out.pth', '--format', 'torchvision'], "no rule of format 'torchvision'"),
    ],
)
def test_bad_arguments_are_one_clear_line(files, tmp_path, capsys, monkeypatch, args, text):
    monkeypatch.chdir(tmp_path)
    assert text in refused(capsys, main, *[arg.format(files=files) for arg in args])
    assert not (tmp_path / 'out.pth').exists()


@pytest.mark.parametrize(
    ('state', 'text'),
    [
        (
            {'conv1.weight': torch.zeros(1), 'layer1.0.conv1.weight': torch.zeros(1)},
            'classification backbone',
        ),
        ({'proposal_generator.rpn_head.conv.weight': torch.zeros(1)}, 'detectron2'),
        ({'something.else': torch.zeros(1)}, 'no known format'),
        ({'state_dict': {}, 'meta': {}}, 'no tensors'),
    ],
)
def test_other_files_are_named_for_what_they_are(tmp_path, capsys, state, text):
    torch.save(state, tmp_path / 'x.pth')
    assert text in refused(capsys, main, tmp_path / 'x.pth', tmp_path / 'y.pth')


def test_converting_twice_is_refused(files, tmp_path, capsys):
    main([str(files / 'mmt.pth'), str(tmp_path / 'once.pth')])
    line = refused(capsys, main, tmp_path / 'once.pth', tmp_path / 'twice.pth')
    assert 'nothing needs converting' in line


def test_an_incomplete_checkpoint_is_refused(tmp_path, capsys):
    state = foreign.fill(foreign.mmdet_shapes(2))
    del state['neck.fpn_convs.2.conv.bias']
    torch.save(dict(state_dict=state, meta=dict(mmdet_version='2.1.0')), tmp_path / 'x.pth')
    line = refused(capsys, main, tmp_path / 'x.pth', tmp_path / 'y.pth')
    assert 'missing' in line and 'neck.fpn_convs.2.conv.bias' in line


def test_weights_of_a_quantized_model_are_refused(tmp_path, capsys):
    state = foreign.fill(foreign.mmdet_shapes(2))
    state['neck.fpn_convs.2.conv.weight'] = state['neck.fpn_convs.2.conv.weight'].to(torch.int8)
    torch.save(dict(state_dict=state, meta=dict(mmdet_version='2.1.0')), tmp_path / 'x.pth')
    line = refused(capsys, main, tmp_path / 'x.pth', tmp_path / 'y.pth')
    assert 'neck.fpn_convs.2.conv.weight holds int8' in line and not (tmp_path / 'y.pth').exists()


def test_a_shape_no_model_has_is_one_line(tmp_path, capsys):
    state = foreign.fill(foreign.mmdet_shapes(2))
    state['neck.fpn_convs.2.conv.weight'] = torch.zeros(16, 16, 1, 1)
    torch.save(dict(state_dict=state, meta=dict(mmdet_version='2.1.0')), tmp_path / 'x.pth')
    line = refused(capsys, main, tmp_path / 'x.pth', tmp_path / 'y.pth')
    assert 'size mismatch for neck.fpn_convs.2.conv.weight' in line


def test_converted_detector_gives_the_boxes_of_its_own_project(files, tmp_path, capsys):
    """From file to file for images: test.py on a converted Mask R-CNN, its json against a plain forward."""
    from tools.test import main as test_images

    main([str(files / 'mmdet2.pth'), str(tmp_path / 'w.pth'), '--config-out', str(tmp_path / 'w.py')])
    paths = sorted((VIDEOS / 'images' / 'v000').glob('*.png'))[:2]
    images = [dict(id=i + 7, file_name=path.name, width=256, height=160) for i, path in enumerate(paths)]
    categories = [dict(id=i + 1, name=name) for i, name in enumerate(CLASSES)]
    (tmp_path / 'ann.json').write_text(json.dumps(dict(images=images, annotations=[], categories=categories)))
    options = {
        'test_dataloader.num_workers': 0,
        'test_dataloader.dataset.data_root': '',
        'test_dataloader.dataset.ann_file': tmp_path / 'ann.json',
        'test_dataloader.dataset.data_prefix.img': paths[0].parent,
        'test_dataloader.dataset.pipeline.1.scale': '(190,126)',
        'model.test_cfg.rpn.nms_pre': 60,
        'model.test_cfg.rpn.max_per_img': 30,
        'model.test_cfg.rcnn.score_thr': 0.3,
        'model.test_cfg.rcnn.max_per_img': 6,
    }
    flags = [f'{key}={value}' for key, value in options.items()]
    arguments = ['--out', str(tmp_path / 'out'), '--cfg-options', *flags]
    test_images([str(tmp_path / 'w.py'), str(tmp_path / 'w.pth'), *arguments])
    results = json.loads((tmp_path / 'out.bbox.json').read_text())
    detector = oracle.MMDet2(
        foreign.fill(foreign.mmdet_shapes(2)), nms_pre=60, proposals=30, score_thr=0.3, max_per_img=6
    )
    expected = []
    for image, path in zip(images, paths):
        small = cv2.resize(cv2.imread(str(path)), (190, 119), interpolation=cv2.INTER_LINEAR)
        found = detector.detect(small, (190 / 256, 119 / 160), (160, 256))
        for box, score, label in zip(
            found['boxes'].tolist(), found['scores'].tolist(), found['labels'].tolist()
        ):
            xywh = [box[0], box[1], box[2] - box[0], box[3] - box[1]]
            expected.append((image['id'], label + 1, score, xywh))
    assert len(results) == len(expected) > 4
    for entry, (image_id, category_id, score, xywh) in zip(results, expected):
        assert (entry['image_id'], entry['category_id']) == (image_id, category_id)
        assert entry['score'] == pytest.approx(score, abs=1e-4)
        assert entry['bbox'] == pytest.approx(xywh, abs=2e-2)


def expected_tracks(frames, scale):
    """Tracks of one video as mmtracking would hand them in: identity -> {frame: mask}."""
    numbers = dict(nms_pre=60, proposals=30, score_thr=0.5, max_per_img=5)
    reference = oracle.MMTracking(foreign.fill(foreign.mmtracking_shapes()), 20, **numbers)
    tracks = {}
    for frame_id, frame in enumerate(frames):
        height, width = frame.shape[:2]
        ratio = min(max(scale) / max(height, width), min(scale) / min(height, width))
        size = int(width * ratio + 0.5), int(height * ratio + 0.5)
        small = cv2.resize(frame, size, interpolation=cv2.INTER_LINEAR)
        found = reference.step(small, (size[0] / width, size[1] / height), (height, width), frame_id)
        for identity, mask in zip(found['ids'], found['masks']):
            if identity >= 0:
                tracks.setdefault(identity, {})[frame_id] = mask  # of duplicates the later one is the memory
    return tracks


def test_converted_tracker_gives_the_tracks_of_its_own_project(files, tmp_path):
    """From file to file: checkpoint in, results json out, equal to a plain forward on the same images."""
    from tools.test_video import main as test_video

    main([str(files / 'mmt.pth'), str(tmp_path / 'w.pth'), '--config-out', str(tmp_path / 'w.py')])
    annotations = json.loads((VIDEOS / 'ann.json').read_text())
    annotations['videos'] = annotations['videos'][:1]
    annotations['annotations'] = []
    annotations['categories'] = [dict(id=i + 1, name=name) for i, name in enumerate(CLASSES)]
    (tmp_path / 'ann.json').write_text(json.dumps(annotations))
    options = {
        'test_dataloader.num_workers': 0,
        'test_dataloader.dataset.data_root': '',
        'test_dataloader.dataset.ann_file': tmp_path / 'ann.json',
        'test_dataloader.dataset.data_prefix.img': VIDEOS / 'images',
        'test_dataloader.dataset.pipeline.1.scale': '(190,126)',
        'model.test_cfg.rpn.nms_pre': 60,
        'model.test_cfg.rpn.max_per_img': 30,
        'model.test_cfg.rcnn.score_thr': 0.5,
        'model.test_cfg.rcnn.max_per_img': 5,
    }
    flags = [f'{key}={value}' for key, value in options.items()]
    test_video(
        [
            str(tmp_path / 'w.py'),
            str(tmp_path / 'w.pth'),
            '--out',
            str(tmp_path / 'out'),
            '--cfg-options',
            *flags,
        ]
    )
    results = json.loads((tmp_path / 'out.json').read_text())
    names = annotations['videos'][0]['file_names']
    frames = [cv2.imread(str(VIDEOS / 'images' / name)) for name in names]
    expected = expected_tracks(frames, (190, 126))
    assert len(results) == len(expected) > 3
    assert max(len(masks) for masks in expected.values()) > 2
    for entry, (_, masks) in zip(results, expected.items()):
        assert [m is not None for m in entry['segmentations']] == [i in masks for i in range(len(frames))]
        for frame_id, other in masks.items():
            mine = decode_rle(entry['segmentations'][frame_id])
            assert (mine != other).sum() <= max(2, 0.01 * np.logical_or(mine, other).sum())
