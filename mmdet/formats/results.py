"""The results json of YouTube-VIS: written video by video, merged and read.

A video is written when its last frame is added, so memory holds the masks of unfinished videos only. During a
run the videos are in ``<path>.partial`` (``<path>.partial.<rank>`` for further processes), one line for each,
flushed; ``<path>`` appears by a rename when all are done. An interrupted run continues from those lines
(docs/conventions.md, "Result files", "Partial results"). No torch.
"""

import contextlib
import json
import os
import re
import zipfile
import zlib
from pathlib import Path

from mmdet.utils import UserError, atomic_open, check_output

from .reading import read_json
from .video_tracks import TrackCollector, VideoTracks
from .ytvis_results import check_result, check_result_list

__all__ = [
    'VideoResultWriter',
    'VideoTracks',
    'merge_results',
    'partial_path',
    'prepare_results',
    'results_by_video',
    'result_path',
    'write_submission',
]

_FORMAT = 'masktrack partial results 2'


def result_path(out):
    """Return the json that ``--out OUT`` names: a trailing .json, .pkl or .pickle is replaced by ``.json``.

    Nothing else counts as a suffix: ``out_0.4`` gives ``out_0.4.json``.

    Raises:
        UserError: ``out`` names no file.
    """
    text = os.fspath(out)
    stem = re.sub(r'\.(json|pkl|pickle)$', '', text, flags=re.IGNORECASE)
    name = os.path.basename(stem)
    if name in ('', '.', '..'):
        raise UserError(f'expected the name of an output file, got {text!r}')
    path = Path(f'{stem}.json')
    if path.is_dir():
        raise UserError(f'expected the name of an output file, got {text!r}: {path} is a folder')
    return path


def partial_path(path, rank=0):
    """File to which process ``rank`` writes its finished videos until the results json is complete."""
    return Path(f'{path}.partial' if rank == 0 else f'{path}.partial.{rank}')


def _partial_files(path):
    """Partial files of all processes of a run, existing ones only."""
    first = partial_path(path)
    pattern = re.compile(re.escape(first.name) + r'(\.\d+)?$')
    if not first.parent.is_dir():
        return []
    return sorted(file for file in first.parent.iterdir() if pattern.fullmatch(file.name))


def _header(signature):
    return json.dumps({'format': _FORMAT, 'signature': signature}, sort_keys=True)


def _line(video, entries):
    """Line of a finished video, without its end: id, checksum, entries."""
    key = json.dumps(video)
    return f'{key}\t{zlib.crc32(f"{key}{entries}".encode()):08x}\t{entries}'


def _read_partial(file):
    """Yield the header as text, then (video id, offset, length of its line) for each line that is whole.

    The checksum tells a line that was cut off or altered, and such a video counts as not finished.
    """
    with open(file, 'rb') as stream:
        offset = 0
        for number, line in enumerate(stream):
            if number == 0:
                yield line.decode('utf-8', 'replace').rstrip('\n')
            elif line.endswith(b'\n'):
                text = line[:-1].decode('utf-8', 'replace')
                key, _, rest = text.partition('\t')
                with contextlib.suppress(ValueError, RecursionError):
                    video = json.loads(key)
                    if not isinstance(video, (list, dict)) and text == _line(video, rest.partition('\t')[2]):
                        yield video, offset, len(line)
            offset += len(line)


def _check_header(file, header, signature):
    """Refuse a file of another program, and where a signature is given the results of another run."""
    try:
        found = json.loads(header)
        kind, found = str(found['format']), dict(found['signature'])
    except (ValueError, KeyError, TypeError, RecursionError):
        kind = ''
    if not kind.startswith(_FORMAT if signature is not None else _FORMAT[:-1]):
        raise UserError(f'{file} is not a file of partial results; remove it to start over')
    expected = found if signature is None else json.loads(json.dumps(signature))
    differ = [key for key in sorted({*found, *expected}) if found.get(key) != expected.get(key)]
    if differ:
        raise UserError(
            f'{file} belongs to another run: '
            + '; '.join(f'{key} was {found.get(key)!r:.60}, now {expected.get(key)!r}' for key in differ)
            + '. Run without --resume, or with the same inputs'
        )


def prepare_results(path, signature=None, resume=False):
    """Prepare the partial files of a run. One process calls this before any writer is made.

    Args:
        path (str | Path): the results json.
        signature (dict | None): what the results depend on, such as the checkpoint. A run continues only
            if all of it is equal.
        resume (bool): keep the finished videos of an interrupted run; else remove them.

    Returns:
        list: ids of the finished videos.

    Raises:
        UserError: the partial results come from other inputs.
    """
    signature = signature or {}
    files = _partial_files(path)
    done = {}
    check_output(path)
    with atomic_open(partial_path(path), 'wb') as out:
        out.write(_header(signature).encode() + b'\n')
        for file in files:
            lines = _read_partial(file)
            header = next(lines, None)
            if header is None:
                continue  # interrupted before the first line was written
            _check_header(file, header, signature if resume else None)
            with open(file, 'rb') as stream:
                for video, offset, length in lines if resume else ():
                    if video not in done:
                        stream.seek(offset)
                        out.write(stream.read(length))
                        done[video] = True
    for file in files:
        if file != partial_path(path):
            file.unlink()
    return list(done)


class VideoResultWriter(TrackCollector):
    """A sink that writes the tracks of each video to a partial file when its last frame is added.

    In one process::

        done = prepare_results(path, signature, resume=True)
        with VideoResultWriter(path, cat_ids) as writer:
            for sample in predictions:
                writer.add(sample)
        merge_results(path, order=video_ids)

    With several processes the first one prepares and merges, with a barrier before and after the writing.

    Args:
        path (str | Path): the results json to be.
        cat_ids (Sequence[int]): the dataset's category id of each label.
        rank (int): number of this process.
        box_offset (int): of a detector without masks: 1 for boxes in inclusive pixels, 0 for modern ones.
    """

    def __init__(self, path, cat_ids, rank=0, box_offset=1):
        super().__init__(cat_ids, on_video=self._write, box_offset=box_offset)
        self.path = Path(path)
        partial = partial_path(path, rank)
        if rank == 0:
            if not partial.exists():
                prepare_results(path)
            self._file = open(partial, 'a', encoding='utf-8')  # noqa: SIM115 - closed by close()
        else:
            partial.parent.mkdir(parents=True, exist_ok=True)
            self._file = open(partial, 'w', encoding='utf-8')  # noqa: SIM115 - closed by close()
            with open(partial_path(path), encoding='utf-8') as first:
                self._file.write(first.readline())
            self._file.flush()

    def _write(self, video_id, entries):
        text = ', '.join(json.dumps(entry) for entry in entries)
        self._file.write(_line(video_id, text) + '\n')
        self._file.flush()

    def close(self):
        """Close the partial file. Frames of videos that are not complete are dropped."""
        self._file.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self.close()


def merge_results(path, order=None, keep_partial=False):
    """Merge the finished videos of all processes into the results json and remove the partial files.

    Args:
        path (str | Path): the results json; it appears by a rename.
        order (Sequence | None): ids of all videos in the order to write them. None takes the finished videos
            in the order in which they finished.
        keep_partial (bool): keep the partial files.

    Returns:
        Path: the json.

    Raises:
        UserError: a video of ``order`` is missing.
    """
    files = _partial_files(path)
    places = {}
    for index, file in enumerate(files):
        lines = _read_partial(file)
        next(lines, None)
        places.update({video: (index, offset) for video, offset, _ in lines})
    wanted = list(places) if order is None else list(order)
    missing = [video for video in wanted if video not in places]
    if missing:
        shown = ', '.join(repr(video) for video in missing[:10]) + (', ...' if len(missing) > 10 else '')
        raise UserError(f'{path}: {len(missing)} of {len(wanted)} videos have no result: {shown}')
    with contextlib.ExitStack() as stack:
        streams = [stack.enter_context(open(file, 'rb')) for file in files]
        with atomic_open(path, 'wb') as out:
            out.write(b'[')
            separator = b''
            for video in wanted:
                index, offset = places[video]
                streams[index].seek(offset)
                entries = streams[index].readline()[:-1].split(b'\t', 2)[2]
                if entries:
                    out.write(separator + entries)
                    separator = b',\n'
            out.write(b']\n')
    if not keep_partial:
        for file in files:
            file.unlink()
    return Path(path)


def write_submission(json_path, zip_path=None):
    """Write the zip that evaluation servers take: the results json as ``results.json`` at top level.

    Args:
        json_path (str | Path): results json.
        zip_path (str | Path | None): default: the name of the json with the suffix ``.zip``.

    Returns:
        Path: the zip.
    """
    json_path = Path(json_path)
    zip_path = Path(zip_path) if zip_path else Path(re.sub(r'\.json$', '', str(json_path)) + '.zip')
    # A fixed date: equal results give equal files.
    info = zipfile.ZipInfo('results.json', date_time=(1980, 1, 1, 0, 0, 0))
    info.compress_type = zipfile.ZIP_DEFLATED
    info.external_attr = 0o644 << 16
    with (
        atomic_open(zip_path, 'wb') as out,
        zipfile.ZipFile(out, 'w') as archive,
        archive.open(info, 'w', force_zip64=True) as target,
        open(json_path, 'rb') as source,
    ):
        while chunk := source.read(1 << 20):
            target.write(chunk)
    return zip_path


def results_by_video(path):
    """Read a result file.

    Args:
        path (str | Path): json, or a zip of it.

    Returns:
        dict: video id -> its results, in the order of the file.

    Raises:
        UserError: it cannot be read, or is not a list of results.
    """
    content = read_json(path, 'result file')
    check_result_list(content, path)
    grouped = {}
    for row, entry in enumerate(content):
        check_result(entry, f'{path}: results[{row}]', boxes=True)
        grouped.setdefault(entry['video_id'], []).append(entry)
    return grouped
