"""Input on which the official code crashes, hangs or is silently wrong: an error or a number."""

import copy

import pytest

from mmdet.evaluation import evaluate_ytvis
from mmdet.formats.defects import InputDefect
from mmdet.utils import UserError

from .helpers import BACKENDS, annotation, dataset, plain, prediction, rectangle, score, simple

A = rectangle(2, 2, 8, 8)
LONG = {'size': [20, 30], 'counts': [42, 8, 12, 8, 700]}


def defect(truth, found, backend='python', **options):
    """Kind and places of the error that strict scoring gives."""
    with pytest.raises(InputDefect) as caught:
        score(truth, found, backend, **options)
    return caught.value.kind, caught.value.places


def lenient(truth, found, backend='python', **options):
    """Stats of lenient scoring, after a look at its warnings."""
    before = copy.deepcopy((truth, found))
    summary = score(truth, found, backend, strict=False, **options)
    assert (truth, found) == before, 'the input was changed'
    return summary


def one(masks, found_masks=None, n=2, **more):
    """One track of ground truth and one prediction."""
    return dataset([annotation(1, masks, **more)], (n,)), [prediction(found_masks or masks)]


@pytest.mark.parametrize('backend', BACKENDS)
class TestOfficialCrashes:
    def test_empty_results(self, backend):
        truth, _ = simple()
        assert defect(truth, [], backend)[0] == 'empty_results'
        summary = lenient(truth, [], backend)
        assert summary['stats']['AP'] == 0 and summary['has_ground_truth']
        assert 'empty' in summary['warnings'][0]

    def test_ground_truth_with_id_0_is_never_counted(self, backend):
        truth, found = one([A, A])
        assert lenient(truth, found, backend)['stats']['AP'] == pytest.approx(1)
        truth['annotations'][0]['id'] = 0
        assert defect(truth, found, backend) == ('zero_id', ['annotations[0] (id 0)'])
        summary = lenient(truth, found, backend)
        assert summary['stats']['AP'] == 0 and 'false positive' in summary['warnings'][0]

    def test_duplicate_ids(self, backend):
        truth, found = simple()
        truth['annotations'][1]['id'] = 1
        kind, places = defect(truth, found, backend)
        assert kind == 'duplicate_annotation' and places == ['annotations[1] (id 1)']
        # The last with the id stands in for both: two tracks of category 2, one of them never found.
        ap = lenient(truth, found, backend)['per_category_AP']
        assert 0 < ap['2'] < lenient(*simple(), backend)['per_category_AP']['2']

    def test_rle_that_does_not_add_up(self, backend):
        truth, found = one([A, A])
        found[0]['segmentations'] = [A, {'size': [20, 30], 'counts': A['counts'][:-2]}]
        assert defect(truth, found, backend) == ('rle_sum', ['results[0] (video 1) frame 1'])
        summary = lenient(truth, found, backend)
        assert 0 < summary['stats']['AP'] <= 1 and 'add up' in summary['warnings'][0]
        truth, found = one([plain(A), LONG], [A, A])
        assert defect(truth, found, backend)[0] == 'rle_sum'
        assert lenient(truth, found, backend)['stats']['AP'] >= 0

    def test_equal_wrong_sums_give_the_official_number(self, backend):
        wrong = {'size': [20, 30], 'counts': '0d0'}
        truth, found = one([wrong])
        truth['videos'][0]['length'] = 1
        assert defect(truth, found, backend)[0] == 'rle_sum'
        assert lenient(truth, found, backend)['stats']['AP'] == pytest.approx(1)

    def test_empty_counts(self, backend):
        truth, found = one([A, A])
        found[0]['segmentations'] = [A, {'size': [20, 30], 'counts': ''}]
        assert defect(truth, found, backend) == ('empty_counts', ['results[0] (video 1) frame 1'])
        # Half of the pixels are found: IoU 0.5 reaches the first threshold alone.
        assert lenient(truth, found, backend)['stats']['AP'] == pytest.approx(0.1)

    def test_boxes(self, backend):
        truth, found = simple()
        for entry in [*truth['annotations'], *found]:
            entry['bboxes'] = [None if m is None else [2, 2, 8, 8] for m in entry['segmentations']]
        summary = score(truth, found, backend, iou_type='bbox')
        assert summary['iou_type'] == 'bbox' and 0 < summary['stats']['AP'] <= 1

    def test_polygons_in_results(self, backend):
        square = [[2, 2, 10, 2, 10, 10, 2, 10]]
        truth, found = one([square, square], areas=[64, 64])
        kind, places = defect(truth, found, backend)
        assert kind == 'polygon_in_results' and len(places) == 2
        assert lenient(truth, found, backend)['stats']['AP'] == pytest.approx(1)

    def test_uncompressed_rle_in_results(self, backend):
        truth, found = one([A, A], [A, plain(A)])
        assert defect(truth, found, backend) == ('uncompressed_in_results', ['results[0] (video 1) frame 1'])
        assert lenient(truth, found, backend)['stats']['AP'] == pytest.approx(1)

    def test_polygon_of_four_numbers_is_a_box(self, backend):
        truth, found = one([[[2, 2, 8, 8]], A], [A, A], areas=[64, 64])
        assert defect(truth, found, backend) == ('box_polygon', ['annotations[0] (video 1, id 1) frame 0'])
        assert lenient(truth, found, backend)['stats']['AP'] == pytest.approx(1)

    def test_missing_keys(self, backend):
        for key, kind in (
            ('score', 'missing_key'),
            ('category_id', 'missing_key'),
            ('segmentations', 'missing_key'),
        ):
            truth, found = simple()
            del found[1][key]
            assert defect(truth, found, backend)[0] == kind
            assert lenient(truth, found, backend)['counts']['predicted_tracks'] == 3
        for key, kind in (('iscrowd', 'missing_iscrowd'), ('areas', 'missing_areas')):
            truth, found = simple()
            expected = lenient(truth, found, backend)['stats']
            del truth['annotations'][0][key]
            for summary in (score(truth, found, backend), lenient(truth, found, backend)):
                assert summary['stats'] == expected and f'[{kind}, 1]' in str(summary['warnings'])

    def test_video_that_is_not_there(self, backend):
        truth, found = simple()
        found[2]['video_id'] = 9
        kind, places = defect(truth, found, backend)
        assert kind == 'prediction_of_unknown_video' and places == ['results[2] (video 9)']
        assert lenient(truth, found, backend)['counts']['predicted_tracks'] == 3


@pytest.mark.parametrize('backend', BACKENDS)
class TestOfficialSilence:
    def test_short_list(self, backend):
        truth, found = one([A, A, A], [A], n=3)
        assert defect(truth, found, backend)[0] == 'length'
        # Frames that were not predicted fall out of the union.
        assert lenient(truth, found, backend)['stats']['AP'] == pytest.approx(1)

    def test_wrong_size(self, backend):
        other = rectangle(2, 2, 8, 8, 21, 30)
        truth, found = one([A, A], [A, other])
        kind, places = defect(truth, found, backend)
        assert kind == 'mask_size' and places == ['results[0] (video 1) frame 1 is 21x30, its video 20x30']
        assert lenient(truth, found, backend)['stats']['AP'] == pytest.approx(1)

    def test_limits_without_100(self, backend):
        truth, found = simple()
        assert defect(truth, found, backend, max_dets=[1, 10, 50])[0] == 'max_dets'
        stats = lenient(truth, found, backend, max_dets=[1, 10, 50])['stats']
        assert stats['AP'] == -1 and stats['AP50'] > 0
        stats = lenient(truth, found, backend, max_dets=[100])['stats']
        assert stats['AP'] > 0 and stats['AR1'] > 0 and stats['AR10'] == stats['AR100'] == -1

    def test_unknown_category_is_dropped_with_a_warning(self, backend):
        truth, found = simple()
        expected = score(truth, found, backend)['stats']
        summary = score(truth, [*found, prediction([A, A, A], 1.0, category=77)], backend)
        assert summary['stats'] == expected and 'category 77' in summary['warnings'][0]

    def test_runs_that_stop_the_official_walk(self, backend):
        hidden = {'size': [20, 30], 'counts': [42, 0, 8, 550]}
        truth, found = one([hidden], [hidden], areas=[550], n=1)
        assert defect(truth, found, backend)[0] == 'uncompressed_in_results'
        summary = lenient(truth, found, backend)
        assert summary['stats']['AP'] == 0
        assert any('zero_runs' in w for w in summary['warnings'])


@pytest.mark.parametrize('backend', BACKENDS)
def test_no_ground_truth_is_not_a_score_of_zero(backend):
    truth, found = simple()
    for annotations in ([], None, 'absent'):
        truth['annotations'] = annotations
        if annotations == 'absent':
            del truth['annotations']
        summary = score(truth, found, backend)
        assert set(summary['stats'].values()) == {-1.0}
        assert not summary['has_ground_truth'] and 'no ground truth' in summary['warnings'][0]


def test_strict_names_the_first_kind_with_all_its_places():
    truth, found = simple()
    found[0]['score'] = found[2]['score'] = float('nan')
    found[1]['segmentations'] = found[1]['segmentations'][:1]
    kind, places = defect(truth, found)
    assert kind == 'bad_score' and len(places) == 2
    assert [w.split('[')[1].split(',')[0] for w in lenient(truth, found)['warnings']] == [
        'bad_score',
        'length',
    ]


def test_what_is_no_annotation_file(tmp_path):
    truth, found = simple()
    for wrong, word in (
        ([], 'expected an object'),
        ({'images': []}, 'YouTube-VIS'),
        ({'videos': 1}, "list under 'videos'"),
    ):
        path = tmp_path / 'wrong.json'
        import json

        path.write_text(json.dumps(wrong))
        with pytest.raises(UserError, match=word):
            evaluate_ytvis(path, found)
    with pytest.raises(UserError, match='list of predictions'):
        path.write_text('{"a": 1}')
        evaluate_ytvis(truth, path)
    with pytest.raises(FileNotFoundError, match='does not exist'):
        evaluate_ytvis(tmp_path / 'nowhere.json', found)


def test_parameters_are_checked():
    truth, found = simple()
    for options in (
        {'iou_thrs': [0]},
        {'iou_thrs': []},
        {'max_dets': [0]},
        {'vid_ids': [7]},
        {'iou_type': 'oks'},
    ):
        with pytest.raises(UserError):
            score(truth, found, **options)
    assert score(truth, found, vid_ids=[2])['counts']['videos'] == 1
    stats = score(truth, found, iou_thrs=[0.3])['stats']
    assert stats['AP'] > 0 and stats['AP50'] == -1
