"""Fixtures for tests of whole programs."""

import os
import types

# The models of the tests are tiny: threads cost more than they bring, and several tests may run side by side.
os.environ.setdefault('OMP_NUM_THREADS', '1')

import pytest  # noqa: E402


@pytest.fixture(scope='session')
def tiny(tmp_path_factory):
    """Videos, a config and a checkpoint of a tiny tracker with random weights."""
    from . import tiny as parts

    root = tmp_path_factory.mktemp('tiny')
    parts.make_videos(root / 'data')
    config = parts.write_config(root / 'config.py', root / 'data')
    checkpoint = parts.write_checkpoint(root / 'tiny.pth', config)
    return types.SimpleNamespace(root=root, data=root / 'data', config=config, checkpoint=checkpoint)
