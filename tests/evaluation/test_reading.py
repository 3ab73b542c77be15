"""Files as they come: json of any form, zips, and what is neither."""

import json
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmdet.evaluation import evaluate_ytvis
from mmdet.evaluation.ap.backend import get_core
from mmdet.formats import reading
from mmdet.formats.packing import Span, read_packed
from mmdet.utils import UserError

from .helpers import BACKENDS, BUILT, plain, rectangle, score, simple, write

WORDS = st.text(st.sampled_from('ab"\\/\n\té €😀'), max_size=5)
NUMBERS = st.integers(-(2**70), 2**70) | st.floats(allow_nan=False)
RLE = st.fixed_dictionaries(
    {'size': st.lists(st.integers(-1, 2**31), max_size=3), 'counts': WORDS | st.lists(st.integers(-1, 2**33))}
)
MASKS = st.none() | RLE | st.lists(st.lists(NUMBERS, max_size=3), max_size=2) | WORDS | st.just({})
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | WORDS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(WORDS | st.just('counts'), inner, max_size=3)
        | st.fixed_dictionaries({'segmentations': st.lists(MASKS, max_size=3) | inner})
    ),
    max_leaves=12,
)


def restore(value, masks):
    """Undo what ``read_packed`` did."""
    if isinstance(value, Span):
        return masks.unpack(*value)
    if isinstance(value, dict):
        return {k: restore(v, masks) for k, v in value.items()}
    return [restore(v, masks) for v in value] if isinstance(value, list) else value


@given(VALUES, st.sampled_from([None, 0, 2]), st.booleans())
@settings(max_examples=300, deadline=None)
@pytest.mark.skipif(not BUILT, reason='the compiled core is not built')
def test_own_parser_reads_what_json_wrote(value, indent, ascii_only):
    text = json.dumps([value, {'annotations': [value]}], indent=indent, ensure_ascii=ascii_only)
    try:
        data = text.encode()
    except UnicodeEncodeError:
        return
    parsed = get_core('cython').parse_tracks(bytearray(data))
    # Numbers of more than 18 digits, odd escapes and the like are left to the standard library.
    if parsed is not None:
        assert restore(*parsed) == json.loads(text)
        assert repr(restore(*parsed)) == repr(json.loads(text)) or 'size' in text


@given(st.binary(max_size=12), st.integers(0, 10**6))
@settings(max_examples=300, deadline=None)
@pytest.mark.skipif(not BUILT, reason='the compiled core is not built')
def test_own_parser_accepts_nothing_else(noise, place):
    truth, _ = simple()
    data = bytearray(json.dumps(truth).encode())
    place %= len(data)
    data[place : place + len(noise)] = noise
    try:
        expected = json.loads(bytes(data))
    except ValueError:
        expected = None
    parsed = get_core('cython').parse_tracks(bytearray(data))
    if expected is None:
        assert parsed is None
    elif parsed is not None:
        assert restore(*parsed) == expected


@pytest.mark.skipif(not BUILT, reason='the compiled core is not built')
def test_own_parser_is_used_for_usual_files():
    truth, found = simple()
    found[0]['segmentations'][0]['counts'] += '\\'
    truth['annotations'][0]['segmentations'][0] = plain(rectangle(1, 1, 3, 3))
    for content in (truth, found):
        for options in ({}, {'indent': 1}, {'separators': (',', ':')}):
            text = json.dumps(content, **options).encode()
            assert restore(*get_core('cython').parse_tracks(bytearray(text))) == content


@pytest.mark.parametrize('backend', BACKENDS)
def test_truncated_and_broken_files(tmp_path, backend):
    truth, found = simple()
    whole = json.dumps(truth)
    for text, message in (
        (whole[: len(whole) // 2], 'not valid json.*cut off'),
        (whole[:-1], 'not valid json.*cut off'),
        (whole[:-1] + ',}', r'not valid json at line 1, column \d+ \([^:]*\)$'),
        ('', 'is empty'),
        (whole + 'x', 'not valid json'),
        ('[' * 100000, 'not valid json'),
        ('{"videos": \x00}', 'not valid json'),
    ):
        path, _ = write(tmp_path, text, found)
        with pytest.raises(UserError, match=message) as caught:
            score(path, found, backend)
        assert str(path) in str(caught.value) and '\n' not in str(caught.value)
    path.write_bytes(b'\xff\xfe\x00')
    with pytest.raises(UserError, match='not valid json'):
        score(path, found, backend)
    with pytest.raises(UserError, match='folder'):
        score(tmp_path, found, backend)


@pytest.mark.parametrize('backend', BACKENDS)
def test_zip_of_a_submission(tmp_path, backend):
    truth, found = simple()
    path = tmp_path / 'sub.zip'
    expected = score(truth, found, backend)
    for members in (['results.json'], ['anything.json'], ['results.json', 'other.json', 'notes/readme.txt']):
        with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as archive:
            for name in members:
                archive.writestr(name, json.dumps(found) if name in ('results.json', members[0]) else '{}')
        assert score(truth, str(path), backend) == expected


def test_zips_that_are_refused(tmp_path, monkeypatch):
    truth, found = simple()
    path = tmp_path / 'sub.zip'

    def refused(message, **members):
        with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as archive:
            for name, content in members.items():
                archive.writestr(name, content)
        with pytest.raises(UserError, match=message):
            evaluate_ytvis(truth, path)

    refused('one results.json', **{'a.json': '[]', 'b.json': '[]'})
    refused('one results.json', **{'folder/results.json': '[]'})
    refused('one results.json')
    refused('unsafe path', **{'../results.json': '[]'})
    refused('unsafe path', **{'results.json': '[]', '/etc/x': ''})
    refused('times the packed size', **{'results.json': '[' + ' ' * 5_000_000 + ']'})
    monkeypatch.setattr(reading, 'MAX_UNPACKED', 10)
    refused('at most 10 bytes', **{'results.json': json.dumps(found)})
    monkeypatch.setattr(reading, 'MAX_MEMBERS', 2)
    refused('3 files', **{'results.json': '[]', 'a': '', 'b': ''})
    path.write_bytes(b'PK\x03\x04 and then nothing')
    with pytest.raises(UserError, match='zip cannot be read'):
        evaluate_ytvis(truth, path)


@pytest.mark.skipif(not BUILT, reason='the compiled core is not built')
def test_what_is_left_to_the_standard_library_scores_the_same(tmp_path):
    truth, found = simple()
    expected = score(truth, found, 'cython')
    paths = write(tmp_path, truth, found)
    for path in paths:
        text = path.read_text()
        # A number too long for the own parser, and an escape it does not know.
        text = text.replace('"width": 30', '"note": 123456789012345678901234567890, "width": 30')
        path.write_text(text.replace('"score": 0.9', '"score": 0.9, "note": -Infinity'))
        assert get_core('cython').parse_tracks(bytearray(path.read_bytes())) is None
        assert read_packed(path, get_core('cython'))[0]
    assert score(*map(str, paths), 'cython') == expected
