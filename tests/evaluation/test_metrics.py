"""The metrics of the runner."""

import json
import logging
import socket

import numpy as np
import pytest
import torch
from mmengine.logging import MMLogger
from mmengine.structures import InstanceData

from mmdet.evaluation.metrics import CocoMetric, YTVISMetric
from mmdet.registry import METRICS
from mmdet.structures import DetDataSample
from mmdet.structures.rle import encode_mask
from mmdet.utils import UserError

from .. import tiny as parts


@pytest.fixture(scope='module')
def videos(tmp_path_factory):
    return parts.make_videos(tmp_path_factory.mktemp('metrics') / 'data')


@pytest.fixture
def log(caplog):
    """Text of what goes to the current logger."""
    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    caplog.set_level(logging.INFO)
    yield caplog
    logger.removeHandler(caplog.handler)


def truth_of(videos, name='ann.json'):
    return json.loads((videos / name).read_text())


def samples_like_truth(videos, keep=lambda track: True):
    """Perfect predictions, frame by frame, with the identities in an order of their own."""
    content = truth_of(videos)
    for video in content['videos']:
        tracks = [t for t in content['annotations'] if t['video_id'] == video['id'] and keep(t)]
        for frame in range(video['length']):
            meta = {'video_id': video['id'], 'frame_id': frame, 'video_length': video['length']}
            sample = DetDataSample(metainfo=meta)
            sample.pred_instances = InstanceData(
                bboxes=torch.zeros(len(tracks), 4),
                instance_ids=torch.arange(len(tracks)).flip(0),
                scores=torch.full((len(tracks),), 0.9),
                labels=torch.tensor(
                    [parts.CAT_IDS.index(t['category_id']) for t in tracks], dtype=torch.int64
                ),
                masks=[t['segmentations'][frame] for t in tracks],
            )
            yield sample


def score(metric, samples):
    metric.dataset_meta = {'classes': parts.CLASSES, 'cat_ids': parts.CAT_IDS}
    samples = list(samples)
    for start in range(0, len(samples), 3):
        metric.process({}, [sample.to_dict() for sample in samples[start : start + 3]])
    return metric.evaluate(len(samples))


def test_perfect_tracks_score_one_and_the_metric_can_be_used_again(videos, log):
    metric = METRICS.build(
        {'type': 'YTVISMetric', 'ann_file': str(videos / 'ann.json'), 'metric': ['segm', 'bbox']}
    )
    for _ in range(2):
        scores = score(metric, samples_like_truth(videos))
        assert scores['ytvis/segm_AP'] == scores['ytvis/bbox_AP50'] == pytest.approx(1.0)
    names = ['AP', 'AP50', 'AP75', 'APs', 'APm', 'APl', 'AR1', 'AR10', 'AR100', 'ARs', 'ARm', 'ARl']
    assert list(scores) == [f'ytvis/{kind}_{name}' for kind in ('segm', 'bbox') for name in names]
    assert scores['ytvis/segm_APl'] == -1.0
    assert 'segm: AP 1.000  AP50 1.000' in log.text


def test_half_the_tracks_score_half(videos):
    odd = samples_like_truth(videos, lambda track: track['id'] % 2 == 1)
    assert 0.3 < score(YTVISMetric(str(videos / 'ann.json')), odd)['ytvis/segm_AP'] < 0.7


def test_nothing_found_is_zero_and_nothing_to_find_is_no_number(videos, log):
    nothing = list(samples_like_truth(videos, lambda track: False))
    assert score(YTVISMetric(str(videos / 'ann.json')), nothing)['ytvis/segm_AP'] == 0.0
    assert score(YTVISMetric(str(videos / 'no_truth.json')), nothing) == {}
    assert 'no_truth.json has no ground truth' in log.text


def test_results_are_kept_on_request(videos, tmp_path):
    metric = YTVISMetric(outfile_prefix=str(tmp_path / 'new' / 'kept_0.5'), format_only=True)
    assert score(metric, samples_like_truth(videos)) == {}
    content = json.loads((tmp_path / 'new' / 'kept_0.5.json').read_text())
    assert sorted(entry['video_id'] for entry in content) == sorted(2 * parts.VIDEO_IDS)
    assert [p.name for p in (tmp_path / 'new').iterdir()] == ['kept_0.5.json']


def test_video_that_is_not_complete_is_an_error(videos):
    with pytest.raises(ValueError, match=r'videos \[12\] are not complete'):
        score(YTVISMetric(str(videos / 'ann.json')), list(samples_like_truth(videos))[:-1])


@pytest.mark.parametrize(
    'options, message',
    [
        ({'metric': 'sgm'}, "unknown metric 'sgm'.*'segm'"),
        ({'ann_file': None}, 'ann_file is missing'),
        ({'ann_file': 'gone.json'}, 'gone.json does not exist'),
        ({'format_only': True}, 'needs outfile_prefix'),
    ],
)
def test_mistakes_in_the_config_are_named(videos, options, message):
    with pytest.raises(UserError, match=message):
        YTVISMetric(**{'ann_file': str(videos / 'ann.json'), **options})
    with pytest.raises(UserError, match='CocoMetric'):
        CocoMetric(**{'ann_file': 'gone.json', **options})


def test_dataset_without_category_ids_is_named(videos):
    metric = YTVISMetric(str(videos / 'ann.json'))
    with pytest.raises(UserError, match='cat_ids'):
        metric.process({}, [next(samples_like_truth(videos)).to_dict()])


@pytest.fixture(scope='module')
def coco_file(tmp_path_factory):
    """Two images, three objects of categories 3 and 8."""
    masks, annotations = [], []
    for number, (image, category, x) in enumerate([(5, 3, 4), (5, 8, 30), (9, 3, 10)]):
        mask = np.zeros((40, 60), np.uint8)
        mask[5:25, x : x + 15] = 1
        masks.append(mask)
        rle = encode_mask(mask)
        box = [x, 5, 15, 20]
        entry = {'id': number + 1, 'image_id': image, 'category_id': category, 'bbox': box, 'area': 300}
        annotations.append({**entry, 'iscrowd': 0, 'segmentation': rle})
    path = tmp_path_factory.mktemp('coco') / 'ann.json'
    content = {
        'images': [{'id': i, 'width': 60, 'height': 40, 'file_name': f'{i}.png'} for i in (5, 9)],
        'categories': [{'id': 3, 'name': 'a'}, {'id': 8, 'name': 'b'}],
        'annotations': annotations,
    }
    path.write_text(json.dumps(content))
    path.with_name('no_truth.json').write_text(json.dumps({**content, 'annotations': []}))
    return path, masks


def coco_samples(masks, labels=((0, 1), (0,)), with_masks=True):
    boxes = [[4, 5, 18, 24], [30, 5, 44, 24], [10, 5, 24, 24]]  # inclusive pixels
    for image, picked in ((5, [0, 1]), (9, [2])):
        sample = DetDataSample(metainfo={'img_id': image})
        data = {'bboxes': torch.tensor([boxes[i] for i in picked], dtype=torch.float32)}
        data['scores'] = torch.tensor([0.9, 0.8][: len(picked)])
        if labels is not None:
            data['labels'] = torch.tensor(labels[0 if image == 5 else 1])
        if with_masks:
            data['masks'] = [
                {**encode_mask(masks[i]), 'counts': encode_mask(masks[i])['counts'].encode()} for i in picked
            ]
        sample.pred_instances = InstanceData(**data)
        yield sample.to_dict()


def coco_score(metric, samples):
    metric.dataset_meta = {'classes': ('a', 'b'), 'cat_ids': (3, 8)}
    samples = list(samples)
    metric.process({}, samples)
    return metric.evaluate(len(samples))


def test_perfect_images_score_one(coco_file, tmp_path):
    path, masks = coco_file
    metric = CocoMetric(str(path), ['bbox', 'segm'], outfile_prefix=str(tmp_path / 'out'))
    scores = coco_score(metric, coco_samples(masks))
    assert scores['coco/bbox_mAP'] == scores['coco/segm_mAP'] == scores['coco/segm_AR_100'] == 1.0
    assert list(scores)[:6] == [f'coco/bbox_mAP{s}' for s in ('', '_50', '_75', '_s', '_m', '_l')]
    boxes = json.loads((tmp_path / 'out.bbox.json').read_text())
    assert [(e['image_id'], e['category_id'], e['bbox']) for e in boxes] == [
        (5, 3, [4, 5, 15, 20]),
        (5, 8, [30, 5, 15, 20]),
        (9, 3, [10, 5, 15, 20]),
    ]
    assert json.loads((tmp_path / 'out.segm.json').read_text())[0]['segmentation']['size'] == [40, 60]


def test_wrong_labels_and_modern_boxes_change_the_score(coco_file):
    path, masks = coco_file
    scores = coco_score(CocoMetric(str(path), 'bbox'), coco_samples(masks, labels=((1, 0), (0,))))
    assert 0 < scores['coco/bbox_mAP'] < 0.6
    modern = CocoMetric(str(path), 'bbox', box_offset=0)
    assert coco_score(modern, coco_samples(masks))['coco/bbox_mAP'] < 1.0


def test_proposals_are_scored_by_recall_without_labels(coco_file):
    path, masks = coco_file
    metric = CocoMetric(str(path), 'proposal', proposal_nums=(1, 10))
    scores = coco_score(metric, coco_samples(masks, labels=None, with_masks=False))
    assert scores == {'coco/proposal_AR@1': pytest.approx(2 / 3), 'coco/proposal_AR@10': 1.0}


def test_coco_without_detections_or_truth_or_masks(coco_file):
    path, masks = coco_file
    empty = {'img_id': 5, 'pred_instances': {'bboxes': torch.zeros(0, 4), 'scores': torch.zeros(0)}}
    empty['pred_instances'] |= {'labels': torch.zeros(0, dtype=torch.int64), 'masks': []}
    scores = coco_score(CocoMetric(str(path), ['bbox', 'segm']), [empty])
    assert set(scores.values()) == {0.0} and len(scores) == 24
    assert coco_score(CocoMetric(str(path.with_name('no_truth.json')), 'bbox'), coco_samples(masks)) == {}
    with pytest.raises(UserError, match='gives no masks'):
        coco_score(CocoMetric(str(path), 'segm'), coco_samples(masks, with_masks=False))
    with pytest.raises(UserError, match='box_offset'):
        CocoMetric(str(path), box_offset=2)


def _evaluate_share(rank, videos, results, port):
    """One of two processes, with a share of the videos of its own; the second has nothing in one round."""
    torch.distributed.init_process_group(
        'gloo', init_method=f'tcp://127.0.0.1:{port}', rank=rank, world_size=2
    )
    samples = list(samples_like_truth(videos))
    metric = YTVISMetric(str(videos / 'ann.json'), outfile_prefix=str(results / 'all'))
    shares = [[s for s in samples if (s.video_id == parts.VIDEO_IDS[1]) == bool(rank)], samples * (1 - rank)]
    found = [score(metric, share) for share in shares]
    try:
        score(metric, samples[:1])
        failed = None
    except ValueError as error:
        failed = str(error)
    (results / f'{rank}.json').write_text(json.dumps([*found, failed]))
    torch.distributed.destroy_process_group()


def test_two_processes_score_all_videos_together(videos, tmp_path):
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    torch.multiprocessing.spawn(_evaluate_share, (videos, tmp_path, port), nprocs=2)
    for rank in (0, 1):
        first, second, failed = json.loads((tmp_path / f'{rank}.json').read_text())
        assert first == second and first['ytvis/segm_AP'] == pytest.approx(1.0)
        assert 'are not complete' in failed  # on both, so that none waits for the other
    assert len(json.loads((tmp_path / 'all.json').read_text())) == 6
