"""Fixtures for tests of whole programs."""

import json
import os
import re
import signal
import types

# The models of the tests are tiny: threads cost more than they bring, and several tests may run side by side.
os.environ.setdefault('OMP_NUM_THREADS', '1')

import pytest  # noqa: E402
import torch  # noqa: E402
from hypothesis import settings  # noqa: E402

from mmdet.synthetic import generate_dataset  # noqa: E402


def pytest_configure(config):
    """Hide GPUs from the tests and the processes that they start; ``pytest -m cuda`` is for GPUs.

    Ctrl-C works, which tests send to themselves: a shell starts what it puts in the background without.
    The quick tests draw the same examples in every run, so that a run judges the change alone;
    ``make test-long`` draws new ones.
    """
    if config.option.markexpr == 'not long':
        settings.register_profile('same', derandomize=True)
        settings.load_profile('same')
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if not re.fullmatch(r'\(*cuda\b.*', config.option.markexpr or ''):
        os.environ['CUDA_VISIBLE_DEVICES'] = ''


@pytest.fixture(autouse=True)
def denormals():
    """Training rounds denormal numbers to zero in its process, which is that of the next test, too."""
    yield
    torch.set_flush_denormal(False)


@pytest.fixture
def cuda():
    """Name of the GPU for a test marked ``cuda``, which is skipped without one."""
    if not torch.cuda.is_available():
        pytest.skip('no GPU')
    return 'cuda'


@pytest.fixture(scope='session')
def tiny(tmp_path_factory):
    """Videos, a config and a checkpoint of a tiny tracker with random weights."""
    from . import tiny as parts

    root = tmp_path_factory.mktemp('tiny')
    parts.make_videos(root / 'data')
    config = parts.write_config(root / 'config.py', root / 'data')
    checkpoint = parts.write_checkpoint(root / 'tiny.pth', config)
    return types.SimpleNamespace(root=root, data=root / 'data', config=config, checkpoint=checkpoint)


@pytest.fixture(scope='session')
def synthetic(tmp_path_factory):
    """A small synthetic dataset."""
    out = tmp_path_factory.mktemp('data') / 'synthetic'
    return generate_dataset(
        out, train_videos=4, val_videos=3, frames=6, size=(96, 64), seed=3, difficulty=0.6
    )


@pytest.fixture(scope='session')
def coco(synthetic):
    """The first frames of the training videos as a COCO file beside the annotations."""
    content = json.loads((synthetic / 'annotations/instances_train_sub.json').read_text())
    images, annotations = [], []
    for video in content['videos']:
        name = video['file_names'][0]
        images.append({'id': 10 * video['id'], 'width': video['width'], 'height': video['height']})
        images[-1]['file_name'] = name
    for track in content['annotations']:
        if track['bboxes'][0] is not None:
            annotations.append(
                {
                    'id': track['id'],
                    'image_id': 10 * track['video_id'],
                    'category_id': track['category_id'],
                    'bbox': track['bboxes'][0],
                    'area': track['areas'][0],
                    'segmentation': track['segmentations'][0],
                    'iscrowd': 0,
                }
            )
    content = {'images': images, 'annotations': annotations, 'categories': content['categories']}
    (synthetic / 'annotations/coco.json').write_text(json.dumps(content))
    return 'annotations/coco.json'
