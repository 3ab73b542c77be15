"""The classes of the pycocotools interface: what scripts written for the fork of 2019 use."""

import copy
import json
import warnings

import numpy as np
import pytest
from pycocotools import mask as coco

from mmdet.evaluation import STATS, YTVOS, YTVOSeval, evaluate_ytvis
from mmdet.formats.defects import InputDefect
from mmdet.utils import UserError

from .helpers import BACKENDS, CASES, annotation, dataset, plain, prediction, rectangle, simple, write

NAMES = sorted(path.name for path in CASES.iterdir() if path.is_dir())


def script(ann, results, backend='auto', **options):
    """What a user's script does."""
    truth = YTVOS(ann)
    found = truth.loadRes(results)
    evaluation = YTVOSeval(truth, found, 'segm', backend=backend, **options)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation


@pytest.mark.parametrize('backend', BACKENDS)
@pytest.mark.parametrize('name', NAMES)
def test_numbers_are_the_official_ones(name, backend, capsys):
    folder = CASES / name
    evaluation = script(str(folder / 'gt.json'), str(folder / 'res.json'), backend)
    expected, arrays = json.loads((folder / 'expected.json').read_text()), np.load(folder / 'arrays.npz')
    assert dict(zip(STATS, evaluation.stats.tolist())) == expected['stats']
    for key in ('precision', 'recall', 'scores'):
        assert np.array_equal(evaluation.eval[key], arrays[key])
    assert evaluation.eval['counts'] == list(arrays['precision'].shape)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 12 and lines[0].startswith(' Average Precision  (AP) @[ IoU=0.50:0.95 | area=   all')


def test_dicts_of_the_caller_stay_as_they_are():
    truth, found = simple()
    truth['annotations'][0]['segmentations'][0] = plain(truth['annotations'][0]['segmentations'][0])
    before = copy.deepcopy((truth, found))
    evaluation = script(truth, found)
    assert evaluation.stats[0] > 0
    assert len(evaluation.evalImgs) == 2 * 4 * 2
    assert (truth, found) == before


def test_looking_things_up(tmp_path):
    truth, _ = simple()
    path, _ = write(tmp_path, truth, [])
    for source in (str(path), truth):
        data = YTVOS(source)
        assert data.getVidIds() == [1, 2] and data.getVidIds(catIds=2) == [1]
        assert sorted(data.getVidIds(vidIds=[1, 2], catIds=[1])) == [1, 2]
        assert data.getCatIds() == [1, 2] and data.getCatIds(catNms='c2') == [2]
        assert data.getAnnIds() == [1, 2, 3] and data.getAnnIds(vidIds=[2, 1]) == [3, 1, 2]
        assert data.getAnnIds(vidIds=1, catIds=[2]) == [2] and data.getAnnIds(iscrowd=1) == []
        assert data.getAnnIds(areaRng=[70, 100]) == [2, 3]
        assert data.loadAnns(2)[0]['category_id'] == 2 and len(data.loadAnns([1, 3])) == 2
        assert data.loadVids([1])[0]['length'] == 3 and data.loadCats(1)[0]['name'] == 'c1'
        assert data.dataset == truth and data.anns[3]['video_id'] == 2
        assert [a['id'] for a in data.vidToAnns[1]] == [1, 2] and data.catToVids[1] == [1, 2]


def test_masks_of_every_kind():
    polygon = [[2, 2, 10, 2, 10, 10, 2, 10]]
    packed = rectangle(2, 2, 8, 8)
    data = YTVOS(dataset([annotation(1, [packed, plain(packed), polygon, None])], (4,)))
    ann = data.loadAnns(1)[0]
    expected = coco.decode(packed)
    for frame in range(3):
        assert (data.annToMask(ann, frame) == expected).all()
        assert (coco.decode(data.annToRLE(ann, frame)) == expected).all()
    with pytest.raises(UserError, match='no readable mask in frame 3'):
        data.annToMask(ann, 3)


def test_results_get_areas_boxes_and_ids(tmp_path):
    truth, found = simple()
    _, path = write(tmp_path, truth, found)
    for source in (found, str(path)):
        results = YTVOS(truth).loadRes(source)
        entries = results.dataset['annotations']
        assert [e['id'] for e in entries] == [1, 2, 3, 4] and results.getVidIds() == [1, 2]
        assert entries[0]['areas'] == [64, 64, None] and entries[0]['avg_area'] == 64
        assert entries[0]['bboxes'] == [[2, 2, 8, 8], [3, 2, 8, 8], None] and entries[0]['iscrowd'] == 0
        assert entries[0]['segmentations'] == found[0]['segmentations']
    with pytest.raises(UserError, match=r'results\[0\] \(video 9\)'):
        YTVOS(truth).loadRes([prediction([None], video=9)])
    with pytest.raises(UserError, match='list of predictions'):
        YTVOS(truth).loadRes(str(write(tmp_path, truth, {'a': 1})[1]))


@pytest.mark.parametrize('backend', BACKENDS)
def test_matches_by_video(backend):
    truth, found = simple()
    evaluation = script(truth, found, backend)
    first = evaluation.evalImgs[0]
    assert first['video_id'] == 1 and first['category_id'] == 1 and first['aRng'] == [0, 1e10]
    assert first['dtIds'] == [1, 4] and first['gtIds'] == [1] and first['dtScores'] == [0.9, 0.3]
    assert first['dtMatches'][0].tolist() == [1, 0] and first['gtMatches'][0].tolist() == [1]
    assert not first['dtIgnore'].any() and first['gtIgnore'].tolist() == [0]
    assert evaluation.evalImgs[-1] is None
    assert evaluation.ious[1, 1].shape == (2, 1) and evaluation.ious[2, 2] == []


def test_params_choose_what_is_compared():
    truth, found = simple()
    data = YTVOS(truth)
    evaluation = YTVOSeval(data, data.loadRes(found))
    evaluation.params.vidIds = [2]
    evaluation.params.iouThrs = np.array([0.5, 0.75])
    evaluation.evaluate()
    evaluation.accumulate()
    assert evaluation.eval['precision'].shape == (2, 101, 2, 4, 3)
    assert evaluation.eval['recall'][:, 0, 0, 2].tolist() == [1, 1]
    assert (evaluation.eval['recall'][:, 1] == -1).all()
    wanted = copy.deepcopy(evaluation.params)
    wanted.recThrs, wanted.maxDets = np.linspace(0, 1, 11), [10]
    evaluation.accumulate(wanted)
    assert evaluation.eval['precision'].shape == (2, 11, 2, 4, 1)


def test_without_categories_all_tracks_compete():
    truth, found = simple()
    for entry in found:
        entry['category_id'] = 2
    data = YTVOS(truth)
    evaluation = YTVOSeval(data, data.loadRes(found))
    evaluation.params.useCats = 0
    evaluation.evaluate()
    evaluation.accumulate()
    assert evaluation.eval['recall'].shape[1] == 1 and evaluation.eval['recall'][0, 0, 0, 2] == 1
    assert evaluation.ious[1, -1].shape == (3, 2)


def test_strict_classes_raise():
    truth, found = simple()
    found[0]['segmentations'] = found[0]['segmentations'][:1]
    with pytest.raises(InputDefect, match='length'):
        script(truth, found, strict=True)
    with pytest.warns(UserWarning, match='length'):
        data = YTVOS(truth)
        YTVOSeval(data, data.loadRes(found)).evaluate()


def test_order_of_calls():
    evaluation = YTVOSeval(YTVOS(simple()[0]))
    for step in (evaluation.accumulate, evaluation.summarize):
        with pytest.raises(RuntimeError, match='needs'):
            step()
    with pytest.raises(ValueError, match='iouType'):
        YTVOSeval(iouType='keypoints')


def test_boxes_have_numbers_too():
    truth, found = simple()
    for entry in truth['annotations']:
        masks = entry['segmentations']
        entry['bboxes'] = [None if m is None else coco.toBbox(m).tolist() for m in masks]
    stats = evaluate_ytvis(truth, found, iou_type='bbox')['stats']
    data = YTVOS(truth)
    evaluation = YTVOSeval(data, data.loadRes(found), 'bbox')
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    assert evaluation.stats.tolist() == list(stats.values()) and 0 < stats['AP'] < 1
    # All masks are rectangles, so boxes and masks overlap alike.
    assert stats['AP'] == evaluate_ytvis(truth, found)['stats']['AP']
