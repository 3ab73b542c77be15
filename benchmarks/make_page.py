"""Write the figures of benchmarks/results/ into docs/performance.md.

    python benchmarks/make_page.py

The page marks where each table goes; its sentences have no figures of their own.
"""

import json
import re

import _checkout
from record import shown

from mmdet.evaluation.report import table
from mmdet.utils import atomic_write_text, cli_main

PAGE = _checkout.ROOT / 'docs/performance.md'
RESULTS = _checkout.ROOT / 'benchmarks/results'


def markdown(head, rows):
    """A table."""
    return table([head, *rows], style='markdown').rstrip('\n')


def source(name, record):
    """What the figures of a file hold for."""
    where = f'{record["hardware"]}, {record["threads"]} thread'
    return (
        f'`{name}`: commit {record["commit"]}, {where}, torch {record["torch"]}, Python {record["python"]}.'
    )


def size(case):
    return ' x '.join(map(str, case['size']))


def model_table(record, head, values):
    """Cases of a benchmark that runs a model."""
    rows = [
        [
            size(case),
            *(case[key] for key in values),
            f'{shown(case["seconds"]["model"])} s',
            shown(case['units']),
            shown(case['over_floor']),
            shown(case.get('over_torchvision')),
            round(case['peak_mb']),
        ]
        for case in record['cases']
    ]
    return markdown(['frame', *head, 'CPU time', 'units', 'of its floor', 'of torchvision', 'peak MB'], rows)


def stage_table(stages, unit):
    """What each part takes, in the order of the run."""
    whole = sum(stages.values())
    rows = [(name, f'{1000 * value:.1f}', f'{value / whole:.0%}') for name, value in stages.items()]
    return markdown(['stage', f'ms a {unit}', 'share'], rows)


def inference(record):
    keys = ('batch', 'objects', 'frames', 'videos', 'detections')
    return model_table(record, keys, keys)


def training(record):
    return model_table(record, ['pairs', 'objects'], ['pairs', 'objects'])


def data(record):
    """Reading of frames, by split."""
    rows = [
        [
            case['split'],
            case['images a sample'],
            shown(case['seconds']['pipeline'], 1, 1000),
            shown(case['seconds']['decoding'], 1, 1000),
            shown(case['over_floor']),
        ]
        for case in record['cases']
    ]
    return markdown(['pipeline', 'images a sample', 'ms', 'of it decoding, ms', 'of its floor'], rows)


def frame_stages(record):
    """What else testing does with a frame."""
    rows = [
        [name, shown(row['seconds'], 1, 1000), shown(row['frames_a_second'], 0)]
        for name, row in record['stages'].items()
    ]
    return markdown(['stage', 'CPU ms a frame', 'frames a second of one core'], rows)


def ops(record):
    """Compiled operators beside plain PyTorch."""
    rows = [
        [
            row['case'],
            f'{row["compiled"]["median_ms"]:.2f}',
            f'{row["plain"]["median_ms"]:.1f}',
            f'{row["plain_over_compiled"]:.0f}',
        ]
        for row in record['rows']
    ]
    return markdown(['operator', 'compiled, ms', 'plain PyTorch, ms', 'ratio'], rows)


def trackers(record):
    """Cost of a tracker with many objects."""
    rows = [
        [
            name,
            shown(row['CPU ms per frame']),
            shown(row['CPU ms per frame, last tenth']),
            row['most objects in memory'],
            row['state in MB'],
        ]
        for name, row in record['results'].items()
    ]
    head = ['tracker', 'CPU ms a frame', 'in the last tenth', 'objects in memory', 'state in MB']
    return markdown(head, rows)


TABLES = {
    'inference': ('inference_cpu.json', inference),
    'growth': ('inference_cpu_growth.json', inference),
    'stages of a frame': (
        'inference_cpu.json',
        lambda record: stage_table(record['cases'][0]['stages'], 'frame'),
    ),
    'training': ('training_cpu.json', training),
    'stages of a pair': (
        'training_cpu.json',
        lambda record: stage_table(record['cases'][0]['stages'], 'pair'),
    ),
    'compiled frame': ('inference_cpu_compiled.json', inference),
    'compiled pair': ('training_cpu_compiled.json', training),
    'data': ('data_cpu.json', data),
    'around the network': ('data_cpu.json', frame_stages),
    'operators': ('ops_cpu_torch2.13.0.json', ops),
    'trackers': ('trackers_cost.json', trackers),
}


def with_tables(text):
    """The page with all of its tables made anew.

    Raises:
        ValueError: the page does not have each table once.
    """
    for name, (file, make) in TABLES.items():
        record = json.loads((RESULTS / file).read_text())
        pattern = rf'(<!-- table: {name} -->\n).*?(<!-- end of table -->)'
        found = re.findall(pattern, text, flags=re.DOTALL)
        if len(found) != 1:
            raise ValueError(f'{PAGE.name} must have the table "{name}" once, has it {len(found)} times')
        made = f'{make(record)}\n\n{source(file, record)}\n'
        text = re.sub(pattern, lambda part, made=made: part[1] + made + part[2], text, flags=re.DOTALL)
    return text


@cli_main
def main():
    atomic_write_text(PAGE, with_tables(PAGE.read_text()))
    print(f'written: {PAGE.relative_to(_checkout.ROOT)}')


if __name__ == '__main__':
    main()
