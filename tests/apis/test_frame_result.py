"""Results of inference: fields, drawing, and what other libraries make of them."""

import copy
import pickle
import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from mmdet.apis import FrameResult, inference_detector, inference_video, init_detector
from mmdet.structures.rle import decode_rle
from mmdet.visualization import draw_instances

from .. import tiny as parts

PAGE = (Path(__file__).resolve().parents[2] / 'docs/results.md').read_text()


@pytest.fixture(scope='module')
def model(tiny):
    return init_detector(tiny.config, tiny.checkpoint)


@pytest.fixture(scope='module')
def frames(tiny, model):
    return list(inference_video(model, tiny.data / 'frames/clip0'))


def test_fields_are_arrays_of_one_length(frames):
    for number, frame in enumerate(frames):
        pred = frame.pred_instances
        count = len(pred)
        assert isinstance(frame, FrameResult) and len(frame) == count > 0 and frame.frame_id == number
        assert (frame.boxes.shape, frame.boxes.dtype) == ((count, 4), np.float32)
        assert np.array_equal(frame.boxes, pred.bboxes[:, :4].numpy())
        assert (frame.scores.dtype, frame.scores.tolist()) == (np.float32, pred.scores.tolist())
        assert (frame.labels.dtype, frame.labels.tolist()) == (np.int64, pred.labels.tolist())
        assert (frame.ids.dtype, frame.ids.tolist()) == (np.int64, pred.instance_ids.tolist())
        assert frame.names == [parts.CLASSES[label] for label in pred.labels]
        assert (frame.masks.shape, frame.masks.dtype) == ((count, 48, 72), bool)
        assert np.array_equal(frame.masks[-1], decode_rle(pred.masks[-1]))


def test_the_representation_counts_the_classes(frames):
    for frame in frames:
        number, count, found = re.fullmatch(
            r'FrameResult\(frame (\d), (\d+) objects?: (.+)\)', repr(frame)
        ).groups()
        assert (int(number), int(count)) == (frame.frame_id, len(frame))
        found = {name: int(n) for n, name in (part.split() for part in found.split(', '))}
        assert found == {name: frame.names.count(name) for name in frame.names}


def test_a_frame_without_objects_has_empty_fields(tiny):
    strict = init_detector(tiny.config, tiny.checkpoint, cfg_options={'model.test_cfg.rcnn.score_thr': 1.0})
    image = np.full((50, 60, 3), 7, np.uint8)
    frame = next(inference_video(strict, [image]))
    assert (len(frame), frame.names, frame.ids.shape) == (0, [], (0,))
    assert (frame.boxes.shape, frame.masks.shape) == ((0, 4), (0, 50, 60))
    assert repr(frame) == 'FrameResult(frame 0, 0 objects)'
    assert np.array_equal(frame.plot(image), image)


def test_models_with_less_give_none(tiny, tmp_path):
    image = cv2.imread(str(tiny.data / 'frames/clip0/00000.png'))
    mask_rcnn = init_detector(parts.write_config(tmp_path / 'm.py', tiny.data, kind='MaskRCNN'))
    assert inference_detector(mask_rcnn, image).ids is None
    faster_rcnn = init_detector(parts.write_config(tmp_path / 'f.py', tiny.data, kind='FasterRCNN'))
    assert inference_detector(faster_rcnn, image).masks is None
    rpn = init_detector(parts.write_config(tmp_path / 'r.py', tiny.data, kind='RPN'))
    assert inference_detector(rpn, image).plot().shape == image.shape


def test_plot_draws_on_the_frame_and_says_when_it_is_gone(tiny, model):
    results = []
    for image, frame in inference_video(model, tiny.data / 'frames/clip0', with_frames=True):
        expected = draw_instances(image, frame.pred_instances, parts.CLASSES, score_thr=0.2)
        assert np.array_equal(frame.plot(score_thr=0.2), expected)
        assert np.array_equal(frame.plot(image, score_thr=0.2), expected)
        results.append(frame)
    with pytest.raises(ValueError, match='frame 0 is no longer in memory'):
        results[0].plot()
    file = tiny.data / 'frames/clip0/00000.png'
    assert inference_detector(model, file).plot().shape == (48, 72, 3)


def test_results_can_be_copied_and_keep_no_image(frames):
    again = copy.copy(frames[0])
    assert again.names == frames[0].names
    assert pickle.loads(pickle.dumps(frames[0].sample)).pred_instances.masks == frames[0].pred_instances.masks


def run_recipe(model, tiny, word):
    """Run the block of the page that imports ``word``; returns its names."""
    (code,) = re.findall(rf'```python\n(import {word}.*?)```', PAGE, re.DOTALL)
    assert len([line for line in code.splitlines() if line]) <= 4
    names = {'inference_video': inference_video, 'model': model}
    exec(compile(code.replace('video.mp4', str(tiny.data / 'frames/clip0')), 'page', 'exec'), names)
    return names


def test_lines_for_supervision(model, tiny, frames):
    pytest.importorskip('supervision')
    detections = run_recipe(model, tiny, 'supervision')['detections']
    last = frames[-1]
    assert np.array_equal(detections.xyxy, last.boxes) and np.array_equal(detections.mask, last.masks)
    assert np.array_equal(detections.confidence, last.scores)
    assert np.array_equal(detections.class_id, last.labels) and np.array_equal(
        detections.tracker_id, last.ids
    )


def test_lines_for_pandas(model, tiny, frames):
    pytest.importorskip('pandas')
    table = run_recipe(model, tiny, 'pandas')['table']
    assert len(table) == sum(map(len, frames))
    third = table[table.frame == 2]
    assert (third.id.tolist(), third.name.tolist()) == (frames[2].ids.tolist(), frames[2].names)
    assert np.array_equal(third[['x1', 'y1', 'x2', 'y2']], frames[2].boxes)
