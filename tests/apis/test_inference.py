"""Detectors and trackers on custom images and videos."""

import json

import cv2
import numpy as np
import pytest
import torch

from mmdet.apis import inference_detector, inference_video, init_detector
from mmdet.formats.results import VideoTracks
from mmdet.media import VideoReader
from mmdet.structures.rle import decode_rle
from mmdet.utils import UserError
from tests.model_configs import program_cfg

from .. import tiny as parts


@pytest.fixture(scope='module')
def model(tiny):
    return init_detector(tiny.config, tiny.checkpoint)


def clip(tiny, number=0):
    return [cv2.imread(str(p)) for p in sorted((tiny.data / f'frames/clip{number}').iterdir())]


def fields(sample):
    pred = sample.pred_instances
    return pred.instance_ids.tolist(), pred.labels.tolist(), pred.masks


def test_model_is_ready_to_run(model):
    assert not model.training
    assert next(model.parameters()).device.type == 'cpu'
    assert model.cfg.model.type == 'MaskTrackRCNN'


def test_video_gives_the_tracks_of_the_test_program(tiny, model):
    from tools.test_video import main

    main([tiny.config, tiny.checkpoint, '--out', str(tiny.root / 'reference')])
    results = json.loads((tiny.root / 'reference.json').read_text())
    for number, video_id in enumerate(parts.VIDEO_IDS):
        tracks = VideoTracks(video_id, 4)
        for frame, sample in enumerate(inference_video(model, clip(tiny, number), batch_size=2)):
            pred = sample.pred_instances
            tracks.add(frame, pred.instance_ids, pred.scores, pred.labels, pred.masks)
        expected = [entry for entry in results if entry['video_id'] == video_id]
        got = tracks.entries(parts.CAT_IDS)
        assert [e['segmentations'] for e in got] == [e['segmentations'] for e in expected]
        assert [e['category_id'] for e in got] == [e['category_id'] for e in expected]


def test_video_streams_and_memory_of_it_is_freed(tiny, model):
    frames = clip(tiny)
    read = []

    def source():
        for _ in range(1000):
            read.append(1)
            yield frames[len(read) % 4]

    stream = inference_video(model, source(), batch_size=2, with_frames=True)
    frame, sample = next(stream)
    assert len(read) == 2 and frame is frames[1]
    assert sample.pred_instances.masks[0]['size'] == [48, 72]
    assert len(model.tracker.memories) == 1
    stream.close()
    assert len(model.tracker.memories) == 0


def test_two_videos_at_once_do_not_mix(tiny, model):
    alone = [[fields(s) for s in inference_video(model, clip(tiny, n))] for n in (0, 1)]
    both = zip(inference_video(model, clip(tiny, 0)), inference_video(model, clip(tiny, 1)))
    together = list(zip(*[(fields(a), fields(b)) for a, b in both]))
    assert [list(part) for part in together] == alone


def test_folder_file_and_arrays_agree(tiny, model):
    arrays = [fields(s) for s in inference_video(model, clip(tiny))]
    assert [fields(s) for s in inference_video(model, tiny.data / 'frames/clip0')] == arrays
    assert [fields(s) for s in inference_video(model, VideoReader(tiny.data / 'frames/clip0'))] == arrays


def test_frames_of_different_sizes(tiny, model):
    frames = clip(tiny)
    frames[1] = cv2.resize(frames[1], (96, 40))
    sizes = [s.pred_instances.masks[0]['size'] for s in inference_video(model, frames, batch_size=4)]
    assert sizes == [[48, 72], [40, 96], [48, 72], [48, 72]]


@pytest.mark.parametrize(
    'frame, message',
    [
        (np.zeros((8, 8), np.uint8), r'uint8 \(8, 8\)'),
        (np.zeros((8, 8, 3), np.float32), 'float32'),
        ('text', 'got str'),
    ],
)
def test_wrong_frames_are_named(model, frame, message):
    with pytest.raises(ValueError, match=f'frame 0: .*{message}'):
        list(inference_video(model, [frame]))
    with pytest.raises(ValueError, match='batch_size'):
        next(inference_video(model, [], batch_size=0))


def test_images_have_nothing_to_do_with_each_other(tiny, model):
    files = sorted((tiny.data / 'frames/clip0').iterdir())[:2]
    one = inference_detector(model, files[0])
    two = inference_detector(model, [files[0], cv2.imread(str(files[1]))])
    assert fields(two[0]) == fields(one)
    assert two[1].pred_instances.instance_ids.tolist() == list(range(len(two[1].pred_instances)))
    mask = decode_rle(one.pred_instances.masks[0])
    assert mask.shape == (48, 72)
    with pytest.raises(UserError, match='none.png does not exist'):
        inference_detector(model, tiny.root / 'none.png')


def test_detectors_without_tracking_run_too(tiny, tmp_path):
    frames = clip(tiny)
    for kind, expected in (
        ('MaskRCNN', {'bboxes', 'scores', 'labels', 'masks'}),
        ('FasterRCNN', {'bboxes', 'scores', 'labels'}),
        ('RPN', {'bboxes', 'scores'}),
    ):
        model = init_detector(parts.write_config(tmp_path / f'{kind}.py', tiny.data, kind=kind))
        sample = inference_detector(model, frames[0])
        assert expected <= set(sample.pred_instances.keys())
        assert len(list(inference_video(model, frames, batch_size=3))) == 4


def test_class_names_come_from_the_checkpoint_then_the_config_then_the_file(tiny, tmp_path):
    def classes(config=tiny.config, **meta):
        checkpoint = parts.write_checkpoint(tmp_path / 'x.pth', config, **meta)
        return init_detector(config, checkpoint).dataset_meta.get('classes')

    assert classes() == parts.CLASSES
    assert classes(dataset_meta={'classes': ['x', 'y', 'z'], 'cat_ids': [1, 2, 3]}) == ('x', 'y', 'z')
    assert classes(CLASSES=('p', 'q', 'r')) == ('p', 'q', 'r')
    given = parts.write_config(tmp_path / 'c.py', tiny.data, classes=['k', 'l', 'm'])
    assert classes(given) == ('k', 'l', 'm')
    assert classes(dataset_meta={'classes': ['only one']}) is None
    elsewhere = parts.write_config(tmp_path / 'd.py', tiny.data, ann='gone.json')
    assert classes(elsewhere) is None


def test_checkpoint_that_fills_half_the_model_is_refused_unless_allowed(tiny, tmp_path, capsys):
    content = torch.load(tiny.checkpoint)
    for key in list(content['state_dict']):
        if key.startswith('track_head'):
            del content['state_dict'][key]
    torch.save(content, tmp_path / 'half.pth')
    with pytest.raises(UserError, match='half.pth does not fit the config(.|\n)*track_head'):
        init_detector(tiny.config, tmp_path / 'half.pth')
    assert init_detector(tiny.config, tmp_path / 'half.pth', allow_partial=True) is not None
    assert 'track_head' in capsys.readouterr().err


def test_checkpoint_that_runs_code_is_refused_unless_trusted(tiny, tmp_path):
    marker = tmp_path / 'ran'

    class Payload:
        def __reduce__(self):
            return (open, (str(marker), 'w'))

    content = torch.load(tiny.checkpoint)
    torch.save({**content, 'meta': {'payload': Payload()}}, tmp_path / 'code.pth')
    with pytest.raises(UserError, match='code.pth'):
        init_detector(tiny.config, tmp_path / 'code.pth')
    assert not marker.exists()


def test_options_and_devices(tiny):
    model = init_detector(tiny.config, cfg_options={'model.test_cfg.rcnn.max_per_img': 2})
    assert all(len(s.pred_instances) <= 2 for s in inference_video(model, clip(tiny)))
    with pytest.raises(UserError, match='unknown device'):
        init_detector(tiny.config, device='toaster')
    if not torch.cuda.is_available():
        with pytest.raises(UserError, match='torch sees no GPU'):
            init_detector(tiny.config, device='cuda')


def test_config_without_test_data_is_named(tiny, tmp_path):
    (tmp_path / 'c.py').write_text(f'model = {program_cfg()!r}\n')
    model = init_detector(tmp_path / 'c.py')
    with pytest.raises(UserError, match='has no test_dataloader'):
        next(inference_video(model, clip(tiny)))


@pytest.mark.parametrize(('kind', 'tracker'), [('MaskRCNN', 'IoUTracker'), ('FasterRCNN', 'SortTracker')])
def test_a_detector_of_images_tracks_a_stream(tiny, tmp_path, kind, tracker):
    config = parts.write_config(tmp_path / 'c.py', tiny.data, kind=kind)
    weights = parts.write_checkpoint(tmp_path / 'c.pth', config)
    options = {'model.tracker.type': tracker}
    if tracker == 'SortTracker':
        options.update({f'model.tracker.{name}': 0.06 for name in ('low_thr', 'high_thr', 'new_track_thr')})
    model = init_detector(config, weights, cfg_options=options)
    results = list(inference_video(model, clip(tiny), batch_size=3))
    assert not model.tracker.memories
    assert all((result.masks is None) == (kind == 'FasterRCNN') for result in results)
    ids = [result.ids.tolist() for result in results]
    assert all(len(set(frame)) == len(frame) > 0 for frame in ids)
    assert set(ids[0]) & set(ids[1])
    assert list(inference_detector(model, clip(tiny)[0]).ids) == ids[0]
