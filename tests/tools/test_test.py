"""tools/test.py as a user calls it: single images, COCO results and scores."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tools.test import main

from .. import tiny as parts

TOOL = Path(__file__).resolve().parents[2] / 'tools' / 'test.py'


def run(*args):
    main([str(arg) for arg in args])


def fails(capsys, *args):
    with pytest.raises(SystemExit) as caught:
        run(*args)
    assert caught.value.code == 2
    return capsys.readouterr().err


@pytest.fixture(scope='module')
def coco_images(tmp_path_factory):
    """Every frame of the tiny videos as an image of its own, in COCO format; a Mask R-CNN for them."""
    root = tmp_path_factory.mktemp('coco')
    data = parts.make_videos(root / 'data')
    content = json.loads((data / 'ann.json').read_text())
    images, annotations = [], []
    for video in content['videos']:
        tracks = [t for t in content['annotations'] if t['video_id'] == video['id']]
        for frame, name in enumerate(video['file_names']):
            image = {'id': 100 + len(images), 'width': 72, 'height': 48, 'file_name': name}
            images.append(image)
            for track in tracks:
                entry = {'id': len(annotations) + 1, 'image_id': image['id'], 'iscrowd': 0}
                entry |= {'category_id': track['category_id'], 'bbox': track['bboxes'][frame]}
                entry |= {'area': track['areas'][frame], 'segmentation': track['segmentations'][frame]}
                annotations.append(entry)
    content = {'images': images, 'annotations': annotations, 'categories': content['categories']}
    (data / 'coco.json').write_text(json.dumps(content))
    config = parts.write_config(root / 'c.py', data, kind='MaskRCNN', ann='coco.json', type='CocoDataset')
    return root, config, parts.write_checkpoint(root / 'c.pth', config)


def test_results_and_scores_of_boxes_and_masks(coco_images, tmp_path, capsys):
    root, config, checkpoint = coco_images
    run(config, checkpoint, '--out', tmp_path / 'out_0.1.pkl', '--eval')
    out = capsys.readouterr().out
    for name in ('coco/bbox_mAP: ', 'coco/segm_mAP_50: '):
        assert name in out
    boxes = json.loads((tmp_path / 'out_0.1.bbox.json').read_text())
    masks = json.loads((tmp_path / 'out_0.1.segm.json').read_text())
    assert len(boxes) == len(masks) > 0
    assert {entry['image_id'] for entry in boxes} <= set(range(100, 112))
    assert {entry['category_id'] for entry in boxes} <= set(parts.CAT_IDS)
    assert all(entry['segmentation']['size'] == [48, 72] for entry in masks)


def test_without_eval_the_results_are_written_all_the_same(coco_images, capsys):
    root, config, checkpoint = coco_images
    run(config, checkpoint)
    assert (root / 'data/work/c_results.segm.json').exists()
    assert 'mAP' not in capsys.readouterr().out


def test_two_processes_give_the_same_results(coco_images, tmp_path):
    root, config, checkpoint = coco_images
    run(config, checkpoint, '--out', tmp_path / 'one')
    command = [sys.executable, '-m', 'torch.distributed.run', '--standalone', '--nproc_per_node=2', str(TOOL)]
    command += [config, checkpoint, '--launcher', 'pytorch', '--out', str(tmp_path / 'two'), '--eval', 'bbox']
    env = {**os.environ, 'OMP_NUM_THREADS': '1', 'CUDA_VISIBLE_DEVICES': ''}
    done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count('coco/bbox_mAP: ') == 1
    one, two = (json.loads((tmp_path / f'{name}.bbox.json').read_text()) for name in ('one', 'two'))
    assert [(e['image_id'], e['category_id']) for e in one] == [
        (e['image_id'], e['category_id']) for e in two
    ]
    assert [e['score'] for e in two] == pytest.approx([e['score'] for e in one], abs=1e-5)


@pytest.mark.parametrize('kind, files', [('FasterRCNN', ['bbox']), ('RPN', ['proposal'])])
def test_other_detectors(coco_images, tmp_path, capsys, kind, files):
    root, _, _ = coco_images
    config = parts.write_config(
        tmp_path / 'c.py', root / 'data', kind=kind, ann='coco.json', type='CocoDataset'
    )
    checkpoint = parts.write_checkpoint(tmp_path / 'c.pth', config)
    run(config, checkpoint, '--out', tmp_path / 'x', '--eval')
    assert [p.name for p in sorted(tmp_path.glob('x.*'))] == [f'x.{name}.json' for name in files]
    expected = 'coco/proposal_AR@100: ' if kind == 'RPN' else 'coco/bbox_mAP: '
    assert expected in capsys.readouterr().out
    err = fails(capsys, config, checkpoint, '--out', tmp_path / 'x', '--eval', 'segm')
    assert f'--eval segm: {kind} gives' in err


def test_videos_and_images_each_have_their_tool(tiny, coco_images, tmp_path, capsys):
    root, config, checkpoint = coco_images
    assert 'use tools/test_video.py' in fails(capsys, tiny.config, tiny.checkpoint)
    from tools.test_video import main as test_video

    with pytest.raises(SystemExit):
        test_video([config, checkpoint, '--out', str(tmp_path / 'x')])
    assert 'use tools/test.py' in capsys.readouterr().err
    (tmp_path / 'torn.pth').write_text('no weights')
    err = fails(capsys, config, tmp_path / 'torn.pth', '--out', tmp_path / 'new/x', '--eval')
    assert 'torn.pth cannot be read' in err
    assert [path.name for path in tmp_path.iterdir()] == ['torn.pth']
    assert 'torchrun' in fails(capsys, config, checkpoint, '--gpus', '2')


def test_a_dataset_made_of_several_is_named(coco_images, tmp_path, capsys):
    _, config, checkpoint = coco_images
    several = tmp_path / 'several.py'
    join = "test_dataloader['dataset'] = dict(type='ConcatDataset', datasets=[test_dataloader['dataset']])\n"
    several.write_text(Path(config).read_text() + join)
    assert 'is a ConcatDataset: results and scores belong to one' in fails(capsys, several, checkpoint)
