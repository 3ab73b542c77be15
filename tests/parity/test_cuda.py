"""The goldens on a GPU with TF32 off: identities equal, boxes to 0.001 pixels, 99% of the masks."""

import contextlib

import pytest
import torch

from .drift import as_objects, drift, predict_small, recorded_objects
from .models import full_model
from .rules import load_json
from .test_full_r50_infer import frames_and_samples
from .test_small_infer import RECORD as SMALL


def test_drift_of_the_cpu_is_none():
    """Without a GPU: the comparison itself, against the recording."""
    found = drift(predict_small('cpu', contextlib.nullcontext), recorded_objects(SMALL['frames']))
    assert found['frames_with_equal_identities'] == 1
    assert found['box_px'] < 1e-3 and found['score'] < 1e-4 and found['equal_masks'] >= 0.99


def test_drift_tells_what_differs():
    want = recorded_objects(SMALL['frames'])
    got = [dict(frame) for frame in want]
    index = next(i for i, frame in enumerate(got) if len(frame) > 1)
    first, second = list(got[index])[:2]
    box, score, label, rle = got[index][first]
    got[index][first] = (box + 2, score - 0.25, label, got[index][second][3])
    found = drift(got, want)
    assert found['box_px'] == pytest.approx(2) and found['score'] == pytest.approx(0.25)
    assert found['frames_with_equal_identities'] == 1 and found['equal_masks'] < 1 > found['mask_iou']
    del got[index][first]
    assert drift(got, want)['frames_with_equal_identities'] == 1 - 1 / len(want)


@pytest.fixture
def exact(cuda):
    """TF32 off."""
    backends = torch.backends.cuda.matmul, torch.backends.cudnn
    before = [backend.allow_tf32 for backend in backends]
    for backend in backends:
        backend.allow_tf32 = False
    yield cuda
    for backend, value in zip(backends, before):
        backend.allow_tf32 = value


@pytest.mark.cuda
def test_small_trained_model(exact):
    found = drift(predict_small(exact, contextlib.nullcontext), recorded_objects(SMALL['frames']))
    assert found['frames_with_equal_identities'] == 1, found
    assert found['box_px'] < 1e-3 and found['equal_masks'] >= 0.99, found


@pytest.mark.cuda
def test_full_model(exact):
    model = full_model().eval().to(exact)
    inputs, samples = frames_and_samples()
    samples = model(inputs.to(exact), samples, mode='predict')
    got = [as_objects(sample.pred_instances) for sample in samples]
    found = drift(got, recorded_objects(load_json('full_r50_infer.json')['frames']))
    assert found['frames_with_equal_identities'] == 1, found
    # Its ragged masks of random weights have thousands of borders.
    assert found['box_px'] < 1e-3 and found['mask_iou'] >= 0.99, found
