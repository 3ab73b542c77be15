"""Rendering of whole result files."""

import json

from tools.visualize import main as visualize


def test_duplicates_of_other_classes_can_be_hidden(tiny, tmp_path):
    truth = json.loads((tiny.data / 'ann.json').read_text())['annotations']
    once = [{**track, 'score': 0.9} for track in truth]
    twice = [{**track, 'score': 0.8, 'category_id': once[0]['category_id']} for track in once] + once
    drawn = {}
    for name, results, options in (
        ('once', once, ()),
        ('twice', twice, ()),
        ('hidden', twice, ('--hide-duplicates',)),
    ):
        file = tmp_path / f'{name}.json'
        file.write_text(json.dumps(results))
        paths = ['--images', str(tiny.data / 'frames'), '--out', str(tmp_path / name), '--gt']
        visualize([str(tiny.data / 'ann.json'), str(file), *paths, '--videos', 'clip1', *options])
        drawn[name] = [path.read_bytes() for path in sorted((tmp_path / name / 'clip1').glob('*.jpg'))]
    assert drawn['hidden'] == drawn['once'] != drawn['twice']
