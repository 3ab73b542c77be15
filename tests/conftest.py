"""Fixtures for tests of whole programs."""

import types

import pytest


@pytest.fixture(scope='session')
def tiny(tmp_path_factory):
    """Videos, a config and a checkpoint of a tiny tracker with random weights."""
    from . import tiny as parts

    root = tmp_path_factory.mktemp('tiny')
    parts.make_videos(root / 'data')
    config = parts.write_config(root / 'config.py', root / 'data')
    checkpoint = parts.write_checkpoint(root / 'tiny.pth', config)
    return types.SimpleNamespace(root=root, data=root / 'data', config=config, checkpoint=checkpoint)
