"""The tables of MODEL_ZOO.md, made from mmdet/apis/model_zoo.py.

python -m tests.apis.model_zoo_page      # writes them into the page
"""

import re
from pathlib import Path

from mmdet.apis.model_zoo import ZOO

PAGE = Path(__file__).resolve().parents[2] / 'MODEL_ZOO.md'


def tables():
    """Text of each table by its name: 'images' (detectors) and 'videos' (MaskTrack R-CNN)."""
    parts = {'images': [], 'videos': []}
    for entry in ZOO.values():
        parts['images' if entry.data.startswith('COCO') else 'videos'].append(entry)
    return {name: '\n'.join(_rows(entries)) for name, entries in parts.items()}


def _rows(entries):
    yield '| name | trained on | figures | whose figures | file | SHA-256 begins | license, as they say |'
    yield '|---|---|---|---|---|---|---|'
    for entry in entries:
        links = [f'[{entry.file}]({entry.url})']
        links += [f'[copy{f" {i}" if i > 1 else ""}]({url})' for i, url in enumerate(entry.mirrors, 1)]
        yield (
            f'| `{entry.name}` | {entry.data} | {entry.scores_text} | {entry.source} | {", ".join(links)} '
            f'| `{entry.sha256}` | {entry.license} |'
        )


def with_tables(text):
    """The page with its tables made anew, each between two comments."""
    for name, table in tables().items():
        pattern = rf'(<!-- table {name}: [^\n]* -->\n).*?(<!-- end of table -->)'
        text, count = re.subn(
            pattern, lambda found, table=table: found[1] + table + '\n' + found[2], text, flags=re.DOTALL
        )
        assert count == 1, name
    return text


if __name__ == '__main__':
    PAGE.write_text(with_tables(PAGE.read_text()))
