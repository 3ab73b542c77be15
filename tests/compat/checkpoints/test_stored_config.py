"""Facts out of stored config texts, and nothing run."""

import pytest

from mmdet.compat.checkpoints import parse_config_text


def test_literals_dicts_names_and_arithmetic():
    text = """
import os
norm = dict(mean=[1, 2.5], to_rgb=False)
root = 'a/' + 'b'
lr = -0.02 / 8
size = (640, 2 * 180)
model = dict(type='X', norm=norm, **norm, extra={'k': None, 1: True}, bad=open('/x'))
"""
    found = parse_config_text(text)
    assert found['norm'] == dict(mean=[1, 2.5], to_rgb=False)
    assert found['root'] == 'a/b' and found['lr'] == -0.0025 and found['size'] == (640, 360)
    assert found['model'] == dict(
        type='X', norm=found['norm'], mean=[1, 2.5], to_rgb=False, extra={'k': None, 1: True}
    )


def test_first_line_of_version_1_is_a_path():
    assert parse_config_text('/home/x/config.py\nmodel = dict(a=1)\n') == {'model': {'a': 1}}


@pytest.mark.parametrize(
    'text',
    [
        '',
        'not python at all (',
        'x = ' + '(' * 5000,
        '\0',
        "x = __import__('os').system('false')",
        'x = ().__class__.__bases__[0]',
        'x = [1] * 10 ** 9',
        "x = 'a' * 10 ** 9",
        'x = 1 / 0',
        'x = lambda: 1',
        "x = f'{1}'",
        'for x in range(3): pass',
        'x = {[]: 1}',
        'x = dict(**3)',
    ],
)
def test_anything_else_is_skipped(text):
    found = parse_config_text(text)
    assert found.get('x', {}) == {}


def test_a_name_that_becomes_unreadable_is_forgotten():
    assert parse_config_text('x = 1\nx = f()\ny = x') == {}


def test_huge_texts_are_not_parsed():
    assert parse_config_text('x = 1\n' + '#' * 3_000_000) == {}
