"""Tracks to json as the 2019 release aggregated them (semantics A27)."""

import json

from mmdet.evaluation.results import VideoResultWriter, merge_results, prepare_results

from .rules import load_json


def test_scripted_tracker_results_aggregate_to_the_2019_json(tmp_path):
    golden = load_json('unit_tracker.json')
    lengths = {}
    for item in golden['results_in']:
        video, frame = item['img_id']
        lengths[video] = max(lengths.get(video, 0), frame + 1)
    path = tmp_path / 'results.json'
    prepare_results(path)
    with VideoResultWriter(path, cat_ids=range(1, 41)) as writer:
        for item in golden['results_in']:
            video, frame = item['img_id']
            ids = list(item['det'])
            writer.add_frame(
                video + 1,  # the 2019 json counts videos from 1; ours carries the dataset's own id
                frame,
                lengths[video],
                [int(i) for i in ids],
                [item['det'][i]['bbox'][4] for i in ids],
                [item['det'][i]['label'] for i in ids],
                [item['seg'][i] for i in ids],
            )
    written = json.loads(merge_results(path, order=sorted(v + 1 for v in lengths)).read_text())
    assert written == golden['results_json']
    assert len(written) == 9


def test_small_model_frames_aggregate_to_the_2019_json(tmp_path):
    golden = load_json('small_infer.json')
    for name, block in (('0p05', golden), ('0p4', golden['score_thr_0p4'])):
        path = tmp_path / f'{name}.json'
        prepare_results(path)
        with VideoResultWriter(path, cat_ids=range(1, 6)) as writer:
            for item in block['frames']:
                objects = item['objects']
                writer.add_frame(
                    item['video'] + 1,
                    item['frame'],
                    6,
                    [int(i) for i in objects],
                    [o['bbox'][4] for o in objects.values()],
                    [o['label'] for o in objects.values()],
                    [o['segmentation'] for o in objects.values()],
                )
        assert json.loads(merge_results(path).read_text()) == block['results_json']
