"""Logs of a training: ``scalars.json`` of mmengine and ``.log.json`` of mmcv, one json object a line."""

import dataclasses
import json
import math
import statistics
from pathlib import Path

from mmdet.utils import UserError, natural_key, note_input

#: Where logs lie in a folder: mmengine's work dir, one start in it, the innermost folder; mmcv's work dir.
_PLACES = ('*/vis_data/scalars.json', 'vis_data/scalars.json', 'scalars.json', '*.log.json')
#: Of validation these say nothing about the model, or repeat what training says.
_POSITION = {'mode', 'epoch', 'iter', 'step'}
_NOT_SCORES = {*_POSITION, 'lr', 'memory', 'time', 'data_time'}
_FIRST_LINE = 'the first line comes after default_hooks.logger.interval iterations'


@dataclasses.dataclass
class Run:
    """One training, which may have been stopped and continued.

    Attributes:
        path (Path): what was read.
        points (dict[str, dict[int, float]]): key -> iteration -> value; values may be NaN or infinite.
        scores (set[str]): the keys that validation wrote.
        epochs (int): the last epoch in the log.
        sessions (int): starts of the training of which something is left.
        notes (list[str]): what a reader should know, such as a line that is cut off.
        name (str): short name, for tables and legends.
    """

    path: Path
    points: dict
    scores: set
    epochs: int
    sessions: int
    notes: list
    name: str = ''


@dataclasses.dataclass
class _Record:
    """A line of a log."""

    scores: bool  # of a validation
    epoch: int | None
    number: int | None  # iteration, for some logs within the epoch; of a validation perhaps the epoch
    values: dict
    iteration: int = 0


def read_run(path):
    """Read what one training logged.

    A training that was continued has a log for each start. Where they overlap, as after a crash between two
    checkpoints, the later one counts.

    Args:
        path (str | Path): a work dir, a folder in it, or a log file.

    Returns:
        Run: the training.

    Raises:
        UserError: there is no log, or nothing in it.
    """
    path = Path(path)
    files = [path] if path.is_file() else _find(path)
    notes, sessions = [], []
    for file in files:
        records = _read_records(file, notes)
        if records:
            sessions.append((file, records))
    flat = [record for _, records in sessions for record in records]
    if not flat and not any(file.stat().st_size for file in files):
        raise UserError(f'{path}: nothing was logged yet: {_FIRST_LINE}')
    if not any(not record.scores for record in flat):
        raise UserError(f'{path} has no line of a training: expected a work dir or its vis_data/scalars.json')
    length = _epoch_length(flat)
    previous = 0
    for _, records in sessions:
        previous = _place(records, length, previous)
    kept = _merge(sessions, notes)
    points, scores = {}, set()
    for record in (record for _, records in kept for record in records):
        for key, value in record.values.items():
            if record.scores:
                scores.add(key)
            points.setdefault(key, {})[record.iteration] = value
    points = {key: dict(sorted(values.items())) for key, values in points.items()}
    epochs = max((record.epoch or 0) for _, records in kept for record in records)
    return Run(path, points, scores, epochs, len(kept), notes)


def _find(folder):
    if not folder.exists():
        raise FileNotFoundError(f'{folder}: no such file or folder')
    for place in _PLACES:
        found = sorted(folder.glob(place), key=lambda file: natural_key(file.relative_to(folder)))
        if found:
            return found
    inner = sorted({file.parents[2] for file in folder.glob('*/*/vis_data/scalars.json')})
    if inner:
        more = ', ...' if len(inner) > 4 else ''
        raise UserError(
            f'{folder} holds several runs; name them: {" ".join(str(p) for p in inner[:4])}{more}'
        )
    raise UserError(
        f'{folder} has no logs (*/vis_data/scalars.json or *.log.json). A training writes them unless its '
        f'config has a visualizer without LocalVisBackend; {_FIRST_LINE}'
    )


def _read_records(file, notes):
    """The lines of a file that say something; one that is cut off, as of a killed run, is noted."""
    note_input(file)
    lines = file.read_bytes().split(b'\n')
    records, broken = [], []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            content = json.loads(line)
        except (ValueError, RecursionError):
            content = None
        if isinstance(content, dict):
            record = _record(content)
            if record is not None:
                records.append(record)
        else:
            broken.append(number)
    if broken == [len(lines)]:
        notes.append(f'{file}: the last line is not complete (a run that was killed, or still writes)')
    elif broken:
        notes.append(
            f'{file}: {len(broken)} lines that are no json were passed over, the first is {broken[0]}'
        )
    return records


def _whole(value):
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _record(content):
    """A line as a record, or None for one without numbers, such as the description of the machine."""
    epoch, iteration, step = (_whole(content.get(key)) for key in ('epoch', 'iter', 'step'))
    old = content.get('mode') in ('train', 'val')
    scores = content['mode'] == 'val' if old else iteration is None
    if old and scores:
        number = epoch  # its "iter" counts validation batches in some versions
    else:
        number = step if scores else iteration
    if number is None:
        return None
    left_out = _NOT_SCORES if scores else _POSITION
    values = {
        key: float(value)
        for key, value in content.items()
        if isinstance(value, (int, float))
        and not isinstance(value, bool)
        and key not in left_out
        # -1 is what the evaluator writes for a score that is not defined.
        and not (scores and value == -1)
    }
    return _Record(scores, epoch, number, values)


def _epoch_length(records):
    """Iterations of an epoch as far as the lines tell, or None; makes iterations count from the start."""
    firsts, within, last = {}, False, None
    trained = [record for record in records if not record.scores]
    for record in trained:
        if record.epoch is None:
            continue
        firsts[record.epoch] = min(firsts.get(record.epoch, math.inf), record.number)
        if last is not None and record.epoch == last.epoch + 1 and record.number <= last.number:
            within = True  # mmcv counts from 1 in every epoch
        last = record
    if within:
        length = max(record.number for record in trained)
        for record in trained:
            record.number += ((record.epoch or 1) - 1) * length
        return length
    gaps = [firsts[epoch + 1] - firsts[epoch] for epoch in firsts if epoch + 1 in firsts]
    if gaps:
        return max(round(statistics.median(gaps)), 1)
    return firsts.get(1) and max(record.number for record in trained if record.epoch == 1)


def _place(records, length, previous):
    """Set the iteration of every record; returns the last one.

    A validation is logged with its iteration, or by mmengine's default with its epoch: what lies closer to
    the line before it is meant. Without the exact length of an epoch, it stays between its neighbors.
    """
    least = 0  # a session may start before the end of the one before it
    for index, record in enumerate(records):
        if not record.scores:
            least = previous = record.iteration = record.number
            continue
        following = next((r.number for r in records[index:] if not r.scores), math.inf)
        ways = [record.number] if length is None else [record.number, record.number * length]
        best = min(ways, key=lambda way: abs(way - previous))
        record.iteration = max(min(best, following - 1), least)
    return previous


def _merge(sessions, notes):
    """Take from each session what comes before the start of all later ones."""
    kept, start = [], (math.inf,)
    for file, records in reversed(sessions):
        # A validation comes after the training line of its iteration.
        left = [record for record in records if (record.iteration, record.scores) < start]
        start = min([start, *((record.iteration, record.scores) for record in records)])
        if left:
            kept.insert(0, (file, left))
        else:
            notes.append(f'{file} is left out: a later start in the same folder began before it')
    return kept


def short_names(paths):
    """Name runs by the ends of their paths, as short as they can be and differ.

    Args:
        paths (Sequence[str | Path]): of :func:`read_run`.

    Returns:
        list[str]: one for each path. The same path twice gives numbers.
    """
    parts = [_telling(Path(path).resolve()) for path in paths]
    names = []
    for own in parts:
        for count in range(1, len(own) + 1):
            name = '/'.join(own[-count:])
            if sum('/'.join(other[-count:]) == name for other in parts) == 1:
                break
        else:
            name = own[-1]
        names.append(name)
    return [
        name if names.count(name) == 1 else f'{name} ({names[: place + 1].count(name)})'
        for place, name in enumerate(names)
    ]


def _telling(path):
    """Parts of a path without those that are the same in every run."""
    parts = [part.removesuffix('.json').removesuffix('.log') for part in path.parts if part != path.anchor]
    while len(parts) > 1 and parts[-1] in ('scalars', 'vis_data'):
        parts.pop()
    return parts or [str(path)]
