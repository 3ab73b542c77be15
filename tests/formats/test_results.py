"""Frames to tracks to json: rules of the 2019 release, streaming, resuming, merging of processes."""

import json
import subprocess
import sys
import zipfile

import numpy as np
import pytest

from mmdet.formats.results import (
    VideoResultWriter,
    VideoTracks,
    merge_results,
    prepare_results,
    result_path,
    write_submission,
)
from mmdet.utils import UserError

RLE = {'size': [8, 10], 'counts': '171000000000o0'}
EMPTY = {'instance_ids': [], 'scores': [], 'labels': [], 'masks': []}


def frame(*objects):
    """Fields of one frame from (identity, score, label) triples."""
    return {
        'instance_ids': [o[0] for o in objects],
        'scores': [o[1] for o in objects],
        'labels': [o[2] for o in objects],
        'masks': [dict(RLE) for _ in objects],
    }


def run(path, frames, cat_ids=(1, 2, 3), order=None, **kwargs):
    prepare_results(path, **kwargs)
    with VideoResultWriter(path, cat_ids) as writer:
        for video, index, length, fields in frames:
            writer.add_frame(video, index, length, **fields)
    return json.loads(merge_results(path, order).read_text())


@pytest.mark.parametrize(
    'given, expected',
    [
        ('out', 'out.json'),
        ('out_0.4', 'out_0.4.json'),
        ('out.json', 'out.json'),
        ('out.pkl', 'out.json'),
        ('a.b/out.pickle', 'a.b/out.json'),
        ('out.PKL', 'out.json'),
        ('out.json.pkl', 'out.json.json'),
    ],
)
def test_out_loses_only_known_endings(given, expected):
    assert str(result_path(given)) == expected


@pytest.mark.parametrize('given', ['', '.json', 'folder/', '..'])
def test_out_needs_a_name(given):
    with pytest.raises(UserError, match='output file'):
        result_path(given)


def test_out_that_is_a_folder_is_refused(tmp_path):
    (tmp_path / 'x.json').mkdir()
    with pytest.raises(UserError, match='is a folder'):
        result_path(tmp_path / 'x')


def test_score_is_the_float32_mean_over_seen_frames(tmp_path):
    scores = np.array([0.9, 0.30000001, 0.123456], dtype=np.float32)
    frames = [('v', i, 5, frame((4, s, 0))) for i, s in enumerate(scores)]
    frames += [('v', 3, 5, EMPTY), ('v', 4, 5, EMPTY)]
    (entry,) = run(tmp_path / 'r.json', frames)
    assert entry['score'] == scores.mean().item()
    assert entry['segmentations'] == [RLE, RLE, RLE, None, None]


def test_category_is_the_majority_and_ties_go_to_the_smallest_label(tmp_path):
    frames = [
        (7, 0, 3, frame((0, 0.5, 2), (1, 0.5, 2))),
        (7, 1, 3, frame((0, 0.5, 1), (1, 0.5, 1))),
        (7, 2, 3, frame((1, 0.5, 2))),
    ]
    first, second = run(tmp_path / 'r.json', frames, cat_ids=(10, 20, 40))
    assert (first['category_id'], second['category_id']) == (20, 40)
    assert first['video_id'] == 7


def test_objects_come_in_order_of_first_appearance(tmp_path):
    frames = [(1, 0, 2, frame((5, 0.1, 0))), (1, 1, 2, frame((2, 0.2, 0), (5, 0.3, 0), (0, 0.4, 0)))]
    assert [e['segmentations'][0] is None for e in run(tmp_path / 'r.json', frames)] == [False, True, True]
    scores = [round(e['score'], 3) for e in run(tmp_path / 'r.json', frames)]
    assert scores == [0.2, 0.2, 0.4]


def test_dropped_detections_leave_no_trace(tmp_path):
    assert run(tmp_path / 'r.json', [(1, 0, 1, frame((-1, 0.9, 0), (-1, 0.8, 0)))]) == []


def test_videos_without_detections_and_no_videos_are_fine(tmp_path):
    frames = [(1, 0, 1, EMPTY), (2, 0, 1, frame((0, 0.5, 0))), (3, 0, 2, EMPTY), (3, 1, 2, EMPTY)]
    assert [e['video_id'] for e in run(tmp_path / 'r.json', frames)] == [2]
    assert run(tmp_path / 'none.json', []) == []


def test_interleaved_videos_equal_one_after_the_other(tmp_path):
    def video(v):
        return [
            (v, i, 3, frame((0, 0.1 * v + 0.1 * i, v % 3), (i, 0.7, 1)) if i else EMPTY) for i in range(3)
        ]

    one, two = video(1), video(2)
    apart = run(tmp_path / 'a.json', one + two, order=[1, 2])
    mixed = run(tmp_path / 'b.json', [f for pair in zip(two, one) for f in pair], order=[1, 2])
    assert apart == mixed
    assert len(apart) == 6


def test_memory_holds_unfinished_videos_only(tmp_path):
    prepare_results(tmp_path / 'r.json')
    with VideoResultWriter(tmp_path / 'r.json', [1]) as writer:
        for video in range(50):
            assert writer.add_frame(video, 0, 2, **frame((0, 0.5, 0))) is None
            assert list(writer.open_videos) == [video]
            entries = writer.add_frame(video, 1, 2, **frame((0, 0.5, 0)))
            assert [e['video_id'] for e in entries] == [video]
        assert writer.open_videos == {}
        assert not (tmp_path / 'r.json').exists()


def test_byte_counts_become_text_and_the_callers_dict_stays(tmp_path):
    mask = {'size': [8, 10], 'counts': RLE['counts'].encode()}
    fields = {'instance_ids': [0], 'scores': [0.5], 'labels': [0], 'masks': [mask]}
    for name in ('a.json', 'b.json'):
        assert run(tmp_path / name, [(1, 0, 1, fields)])[0]['segmentations'] == [RLE]
    assert isinstance(mask['counts'], bytes)


@pytest.mark.parametrize(
    'frames, message',
    [
        ([(0, frame((0, 0.5, 0))), (0, EMPTY)], 'came twice'),
        ([(3, EMPTY)], 'below the video length 3'),
        ([(-1, EMPTY)], 'below the video length 3'),
        ([(0, frame((1, 0.5, 0), (1, 0.4, 0)))], 'identity occurs twice'),
        ([(0, {'instance_ids': [0], 'scores': [], 'labels': [0], 'masks': [RLE]})], 'got 1, 0, 1, 1'),
    ],
)
def test_frames_that_cannot_be_are_errors(frames, message):
    tracks = VideoTracks('v', 3)
    with pytest.raises(ValueError, match=message):
        for index, fields in frames:
            tracks.add(index, **fields)


def test_label_without_category_and_changed_length_are_errors(tmp_path):
    with pytest.raises(ValueError, match='label 3 has no category'):
        run(tmp_path / 'r.json', [(1, 0, 1, frame((0, 0.5, 3)))])
    with pytest.raises(ValueError, match='length was 2, now 3'):
        run(tmp_path / 'r.json', [(1, 0, 2, EMPTY), (1, 1, 3, EMPTY)])
    with pytest.raises(ValueError, match='at least 1 frame'):
        VideoTracks(1, 0)


def test_sample_without_track_fields_is_an_error(tmp_path):
    with VideoResultWriter(tmp_path / 'r.json', [1]) as writer:
        with pytest.raises(ValueError, match='video_id, frame_id, video_length'):
            writer.add({'pred_instances': frame()})
        meta = {'video_id': 1, 'frame_id': 0, 'video_length': 1}
        with pytest.raises(ValueError, match='instance_ids'):
            writer.add({**meta, 'pred_instances': {'scores': [], 'labels': [], 'masks': []}})


def test_run_that_was_cut_off_goes_on(tmp_path):
    path = tmp_path / 'r.json'
    signature = {'checkpoint': 'abc'}
    videos = {v: [(v, i, 2, frame((0, 0.1 * v, 0))) for i in range(2)] for v in (1, 2, 3)}
    whole = run(tmp_path / 'whole.json', [f for v in videos.values() for f in v])

    prepare_results(path, signature)
    writer = VideoResultWriter(path, (1, 2, 3))
    for f in [*videos[1], videos[2][0]]:
        writer.add_frame(f[0], f[1], f[2], **f[3])
    writer.close()
    with open(f'{path}.partial', 'a') as file:
        file.write('2\t{"video_id": 2, "sco')  # killed while writing
    assert prepare_results(path, signature, resume=True) == [1]
    with VideoResultWriter(path, (1, 2, 3)) as writer:
        for f in [*videos[2], *videos[3]]:
            writer.add_frame(f[0], f[1], f[2], **f[3])
    assert json.loads(merge_results(path, order=[1, 2, 3]).read_text()) == whole
    assert [p.name for p in tmp_path.iterdir() if 'partial' in p.name] == []


def test_run_with_other_inputs_does_not_go_on(tmp_path):
    path = tmp_path / 'r.json'
    prepare_results(path, {'checkpoint': 'abc', 'config': 'x'})
    with pytest.raises(UserError, match="checkpoint was 'abc', now 'def'"):
        prepare_results(path, {'checkpoint': 'def', 'config': 'x'}, resume=True)
    assert prepare_results(path, {'checkpoint': 'def', 'config': 'x'}, resume=False) == []
    (tmp_path / 'r.json.partial').write_text('something else\n')
    with pytest.raises(UserError, match='not a file of partial results'):
        prepare_results(path, resume=True)


def test_processes_merge_in_the_order_asked_for(tmp_path):
    path = tmp_path / 'r.json'
    prepare_results(path, {'a': 1})
    for rank, videos in enumerate([(3, 1), (2,), ()]):
        with VideoResultWriter(path, [1], rank=rank) as writer:
            for video in videos:
                writer.add_frame(video, 0, 1, **frame((0, 0.1 * video, 0)))
    assert prepare_results(path, {'a': 1}, resume=True) == [3, 1, 2]
    assert not (tmp_path / 'r.json.partial.1').exists()
    assert [e['video_id'] for e in json.loads(merge_results(path, order=[1, 2, 3]).read_text())] == [1, 2, 3]


def test_missing_video_is_named_and_nothing_is_written(tmp_path):
    path = tmp_path / 'r.json'
    prepare_results(path)
    with pytest.raises(UserError, match="1 of 1 videos have no result: 'gone'"):
        merge_results(path, order=['gone'])
    assert not path.exists()


def test_old_results_stay_until_the_new_ones_are_whole(tmp_path):
    path = tmp_path / 'r.json'
    path.write_text('old')
    prepare_results(path)
    with VideoResultWriter(path, [1]) as writer:
        writer.add_frame(1, 0, 1, **EMPTY)
        assert path.read_text() == 'old'
    merge_results(path, keep_partial=True)
    assert path.read_text() == '[]\n'
    assert (tmp_path / 'r.json.partial').exists()


def test_submission_zip_has_results_at_top_level(tmp_path):
    path = tmp_path / 'out_0.4.json'
    path.write_text('[{"video_id": 1}]')
    zipped = write_submission(path)
    assert zipped.name == 'out_0.4.zip'
    with zipfile.ZipFile(zipped) as archive:
        assert archive.namelist() == ['results.json']
        assert archive.read('results.json') == path.read_bytes()
    first = zipped.read_bytes()
    assert write_submission(path).read_bytes() == first


def test_writing_results_needs_no_torch():
    heavy = '{"torch", "mmengine", "cv2"}'
    code = f'import sys, mmdet.formats.results; print(sorted({heavy} & set(sys.modules)))'
    out = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == '[]'


def test_boxes_stand_in_for_masks_and_are_as_wide_as_their_convention_says():
    for offset, width in ((1, 11.0), (0, 10.0)):
        tracks = VideoTracks('v', 2, box_offset=offset)
        tracks.add(0, [3, -1], [0.5, 0.9], [0, 0], bboxes=np.array([[1.0, 2, 11, 22], [0, 0, 1, 1]]))
        tracks.add(1, [], [], [], bboxes=[])
        (entry,) = tracks.entries([7])
        assert entry == {
            'video_id': 'v',
            'score': 0.5,
            'category_id': 7,
            'bboxes': [[1.0, 2.0, width, width + 10], None],
        }
    with pytest.raises(ValueError, match='as many ids, scores, labels and bboxes, got 1, 1, 1, 0'):
        VideoTracks('v').add(0, [1], [0.5], [0], bboxes=[])
