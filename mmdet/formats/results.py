"""From a stream of predicted frames to the results json of YouTube-VIS.

Frames come in as the detector gives them; a video is turned into tracks and written to disk as soon as its
last frame is there, so memory holds the run-length codes of unfinished videos only. Free of torch.

While a run lasts, its videos stand in ``<path>.partial`` (``<path>.partial.<rank>`` for further processes),
one line a video, flushed. Only when all is there does ``<path>`` appear, by a rename. A run that was cut
off goes on from those lines.
"""

import contextlib
import json
import os
import re
import zipfile
from pathlib import Path

from mmdet.utils.errors import UserError
from mmdet.utils.io import atomic_open

from .video_tracks import VideoTracks

__all__ = [
    'VideoResultWriter',
    'VideoTracks',
    'merge_results',
    'prepare_results',
    'result_path',
    'write_submission',
]

_FORMAT = 'masktrack partial results 1'


def result_path(out):
    """Return the json that ``--out OUT`` names: a trailing .json, .pkl or .pickle goes, ``.json`` comes.

    ``out_0.4`` gives ``out_0.4.json``: nothing else counts as an ending (semantics B13).

    Raises:
        UserError: if nothing is left to name a file, or ``out`` is a folder.
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


def _partial_path(path, rank=0):
    return Path(f'{path}.partial' if rank == 0 else f'{path}.partial.{rank}')


def _partial_files(path):
    """Every partial file of a run, whatever number of processes it had."""
    first = _partial_path(path)
    pattern = re.compile(re.escape(first.name) + r'(\.\d+)?$')
    if not first.parent.is_dir():
        return []
    return sorted(file for file in first.parent.iterdir() if pattern.fullmatch(file.name))


def _header(signature):
    return json.dumps({'format': _FORMAT, 'signature': signature}, sort_keys=True)


def _read_partial(file):
    """Yield the header as text, then (video id, text of its entries) for each whole line."""
    with open(file, encoding='utf-8') as stream:
        for number, line in enumerate(stream):
            if not line.endswith('\n'):
                return  # the run was cut off inside this line
            line = line[:-1]
            if number == 0:
                yield line
                continue
            video, _, entries = line.partition('\t')
            try:
                yield json.loads(video), entries
            except ValueError:
                return


def _is_json(text):
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _check_header(file, header, signature):
    try:
        found = json.loads(header)
        found = found['signature'] if found['format'] == _FORMAT else None
    except (ValueError, KeyError, TypeError):
        raise UserError(f'{file} is not a file of partial results; remove it to start anew') from None
    expected = json.loads(json.dumps(signature))
    if found != expected:
        differ = [key for key in sorted({*found, *expected}) if found.get(key) != expected.get(key)]
        raise UserError(
            f'{file} belongs to another run: '
            + '; '.join(f'{key} was {found.get(key)!r}, now {expected.get(key)!r}' for key in differ)
            + '. Run without resuming, or with the same inputs'
        )


def prepare_results(path, signature=None, resume=False):
    """Get the partial files of a run ready; one process calls this before any writer is made.

    Args:
        path (str | Path): the results json.
        signature (dict | None): what the results depend on (checkpoint, annotation file, ...); a run goes on
            only where all of it is equal.
        resume (bool): keep the videos of a run that was cut off; otherwise they are removed.

    Returns:
        list: ids of the videos that are there already.

    Raises:
        UserError: if the partial results come from other inputs.
    """
    signature = signature or {}
    files = _partial_files(path)
    done = {}
    with atomic_open(_partial_path(path)) as out:
        out.write(_header(signature) + '\n')
        for file in files if resume else ():
            lines = _read_partial(file)
            header = next(lines, None)
            if header is None:
                continue  # cut off before the first line was out
            _check_header(file, header, signature)
            for video, entries in lines:
                if video not in done and _is_json(f'[{entries}]'):
                    out.write(f'{json.dumps(video)}\t{entries}\n')
                    done[video] = True
    for file in files:
        if file != _partial_path(path):
            file.unlink()
    return list(done)


class VideoResultWriter:
    """Writes tracks to disk as videos end; frames of several videos may come interleaved (semantics B10).

    In one process::

        done = prepare_results(path, signature, resume=True)
        with VideoResultWriter(path, cat_ids) as writer:
            for sample in predictions:
                writer.add(sample)
        merge_results(path, order=video_ids)

    With several, the first one prepares and merges, all wait for each other in between, and each writes with
    its own ``rank``.

    Args:
        path (str | Path): the results json that is to come.
        cat_ids (Sequence[int]): the dataset's category id of every label.
        rank (int): number of this process.
    """

    def __init__(self, path, cat_ids, rank=0):
        self.path = Path(path)
        self.cat_ids = [int(cat_id) for cat_id in cat_ids]
        self.open_videos = {}
        self.finished = []
        partial = _partial_path(path, rank)
        if rank == 0:
            if not partial.exists():
                prepare_results(path)
            self._file = open(partial, 'a', encoding='utf-8')  # noqa: SIM115 - closed by close()
        else:
            partial.parent.mkdir(parents=True, exist_ok=True)
            self._file = open(partial, 'w', encoding='utf-8')  # noqa: SIM115 - closed by close()
            with open(_partial_path(path), encoding='utf-8') as first:
                self._file.write(first.readline())
            self._file.flush()

    def add(self, sample):
        """Take one predicted frame.

        Args:
            sample (DetDataSample | dict): with metainfo video_id, frame_id, video_length and pred_instances
                of instance_ids, scores, labels and masks; a dict as ``DetDataSample.to_dict`` gives it.

        Returns:
            list[dict] | None: the results of the video if this was its last missing frame.
        """
        get = sample.get if hasattr(sample, 'get') else lambda key: getattr(sample, key, None)
        missing = [key for key in ('video_id', 'frame_id', 'video_length') if get(key) is None]
        pred = get('pred_instances')
        if missing or pred is None:
            missing += ['pred_instances'] if pred is None else []
            raise ValueError(f'a predicted frame needs {", ".join(missing)}; did the dataset give videos?')
        absent = [key for key in ('instance_ids', 'scores', 'labels', 'masks') if key not in pred]
        if absent:
            raise ValueError(f'the detector gave no {", ".join(absent)}: is it a tracking model with masks?')
        fields = (pred[key] for key in ('instance_ids', 'scores', 'labels', 'masks'))
        return self.add_frame(get('video_id'), int(get('frame_id')), int(get('video_length')), *fields)

    def add_frame(self, video_id, frame_id, video_length, instance_ids, scores, labels, masks):
        """Take the detections of one frame as plain values; see :meth:`VideoTracks.add`."""
        tracks = self.open_videos.get(video_id)
        if tracks is None:
            tracks = self.open_videos[video_id] = VideoTracks(video_id, video_length)
        elif tracks.length != video_length:
            raise ValueError(f'video {video_id!r}: length was {tracks.length}, now {video_length}')
        tracks.add(frame_id, instance_ids, scores, labels, masks)
        if not tracks.complete:
            return None
        entries = tracks.entries(self.cat_ids)
        text = ', '.join(json.dumps(entry) for entry in entries)
        self._file.write(f'{json.dumps(video_id)}\t{text}\n')
        self._file.flush()
        del self.open_videos[video_id]
        self.finished.append(video_id)
        return entries

    def close(self):
        """Close the partial file. Videos that are not complete are lost: they start anew on the next run."""
        self._file.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self.close()


def merge_results(path, order=None, keep_partial=False):
    """Put the finished videos of all processes into one json and remove the partial files.

    Args:
        path (str | Path): the results json; it appears by a rename.
        order (Sequence | None): video ids in the order wanted; every one must be there. None takes all that
            are there as they finished.
        keep_partial (bool): leave the partial files.

    Returns:
        Path: the json.

    Raises:
        UserError: if a video of ``order`` is missing.
    """
    files = _partial_files(path)
    places = {}
    for index, file in enumerate(files):
        offset = 0
        with open(file, 'rb') as stream:
            for number, line in enumerate(stream):
                if number and line.endswith(b'\n'):
                    places[json.loads(line.partition(b'\t')[0])] = (index, offset)
                offset += len(line)
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
                entries = streams[index].readline()[:-1].partition(b'\t')[2]
                if entries:
                    out.write(separator + entries)
                    separator = b',\n'
            out.write(b']\n')
    if not keep_partial:
        for file in files:
            file.unlink()
    return Path(path)


def write_submission(json_path, zip_path=None):
    """Write the zip that the evaluation servers took: the results json as ``results.json`` at top level.

    Args:
        json_path (str | Path): results json.
        zip_path (str | Path | None): defaults to the same name with ``.zip`` for ``.json``.

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
