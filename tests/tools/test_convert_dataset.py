"""The options of tools/convert_dataset.py; tests/formats has the formats."""

import json

import numpy as np
import pytest

from mmdet.formats import FORMATS, ytvis
from mmdet.media import write_image
from mmdet.structures.rle import encode_mask
from tools import convert_dataset


@pytest.fixture
def files(tmp_path):
    """Annotations without objects, and results with one that is found and one below the threshold."""
    mask = np.zeros((4, 6), np.uint8)
    mask[1:3, 2:5] = 1
    videos = [{'id': 'v', 'width': 6, 'height': 4, 'file_names': ['v/0.jpg', 'v/1.jpg']}]
    content = {'videos': videos, 'categories': [{'id': 5, 'name': 'cat'}]}
    (tmp_path / 'ann.json').write_text(json.dumps(content))
    track = {'video_id': 'v', 'category_id': 5, 'segmentations': [encode_mask(mask), None]}
    (tmp_path / 'results.json').write_text(json.dumps([{**track, 'score': s} for s in (0.2, 0.9)]))
    return tmp_path


def run(*args):
    convert_dataset.main([str(arg) for arg in args])


def test_results_become_annotations(files, capsys):
    command = [files / 'ann.json', '--from', 'ytvis', '--results', files / 'results.json']
    run(*command, '--score-thr', '0.5', '--to', 'ytvis', '--out', files / 'made.json')
    first, second = capsys.readouterr().out.splitlines()
    assert first.endswith('made.json: 1 videos, 2 frames, 1 objects, 1 categories')
    assert second.startswith('objects by category: ') and second.endswith(' 1')
    (track,) = ytvis.read(files / 'made.json').tracks
    assert (track['id'], track['score'], track['iscrowd']) == (1, 0.9, 0)
    assert (track['bboxes'], track['areas']) == ([[2, 1, 3, 2], None], [6, None])


def test_polygons_of_results_that_are_no_masks_are_counted(files, capsys):
    results = json.loads((files / 'results.json').read_text())
    results[0]['segmentations'] = [[1, 1, 2, 2], None]
    (files / 'results.json').write_text(json.dumps(results))
    command = [files / 'ann.json', '--from', 'ytvis', '--results', files / 'results.json']
    run(*command, '--to', 'ytvis', '--out', files / 'made.json')
    assert 'polygons of fewer than three points' in (note := capsys.readouterr().err)
    assert note.rstrip().endswith(': 1; these polygons are left out')


def test_linked_videos_are_read_and_those_without_results_named(files, capsys):
    for number in range(2):
        (files / f'all/v{number}').mkdir(parents=True)
        write_image(files / f'all/v{number}/0.png', np.zeros((4, 6, 3), np.uint8))
    (files / 'all/v1/loop').symlink_to(files / 'all/v1')
    (files / 'links').mkdir()
    (files / 'links/v1').symlink_to(files / 'all/v1')
    results = json.loads((files / 'results.json').read_text())
    for entry in results:
        entry.update(video_id=1, category_id=1, segmentations=entry['segmentations'][:1])
    (files / 'one.json').write_text(json.dumps(results))
    for name in ('all', 'links'):
        command = [files / name, '--from', 'frames', '--classes', 'cat', '--results', files / 'one.json']
        run(*command, '--to', 'ytvis', '--out', files / f'{name}.json')
        note = 'one.json has results of 1 of 2 videos: v0\n'
        assert (note in capsys.readouterr().err) is (name == 'all')
    videos = ytvis.read(files / 'links.json').videos
    assert [video['file_names'] for video in videos] == [['v1/0.png']]


def test_a_file_without_annotations_stays_one(files):
    run(files / 'ann.json', '--from', 'ytvis', '--to', 'ytvis', '--out', files / 'made.json')
    assert not ytvis.read(files / 'made.json').has_annotations


@pytest.mark.parametrize(
    'args, message',
    [
        ('--from ytvis --to masks --classes a', '--classes does not apply to --from ytvis --to masks'),
        ('--from ytvis --to masks --classes a', 'it applies to --from masks'),
        ('--from ytvis --to mots --csv o.csv', 'it applies to --to masks'),
        ('--from ytvis --to mots --score-thr 0.5', '--score-thr does not apply without --results'),
        ('--from mots --to ytvis', '--from mots needs --images'),
        ('--from mots --to ytvis --class-ids 1:car', 'expected ID=NAME'),
        ('--from mots --to ytvis --class-ids 1=car,2=car', "'2=car' repeats an id or a name"),
        ('--from masks --to ytvis --void x', '--void must be a number or "none"'),
        ('--from ytvis --to ytvis again.json', '--from ytvis takes one SRC, got 2'),
        ('--from ytvis --to label_studio', 'invalid choice'),
        ('--from ytvis --to masks', 'has no annotations'),
    ],
)
def test_options_that_do_not_apply_are_refused(files, capsys, args, message):
    words = args.split()
    more = [files / words.pop()] if words[-1].endswith('again.json') else []
    with pytest.raises(SystemExit) as stop:
        run(files / 'ann.json', *more, *words, '--out', files / 'made')
    assert stop.value.code == 2
    assert message in capsys.readouterr().err
    assert not (files / 'made').exists()


def test_every_option_applies_to_a_format():
    assert set(convert_dataset.READERS) == set(FORMATS)
    assert all(convert_dataset.formats_of(name) for name in convert_dataset.OPTIONS)
