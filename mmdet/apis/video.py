"""Tracking through a video, with outputs that survive interruptions: what ``demo/video_demo.py`` runs."""

import contextlib
import dataclasses
import hashlib
import json
import os
import signal
import sys
from collections import deque
from pathlib import Path
from zipfile import BadZipFile

import torch

from mmdet.media import VideoReader, can_resume_videos
from mmdet.utils import (
    Background,
    Interrupted,
    Progress,
    Scratch,
    UserError,
    check_output,
    exclusive,
    suggest,
    uninterrupted,
)
from mmdet.version import __version__

from .inference import box_offset, stream_results
from .video_outputs import SHOWN, VideoOptions, VideoOutputs

#: Frames after which a run can continue.
PART = 50
_WAITING = 4  # frames that may wait to be drawn and written
_FORMAT = 'masktrack video 1'
_VIDEO = 'video'  # its name for the tracker


def track_video(
    model: torch.nn.Module, reader: VideoReader, options: VideoOptions, resume: bool = False
) -> int:
    """Track through a video and write the outputs.

    Beside the first output lie the temporary files of the run: ``.partial`` says where it can continue,
    ``.partial.mp4`` is the video so far, which plays, and ``.partial.jsonl`` has the tracks so far. They go
    when all is done. However the run ends, apart from a kill, the outputs hold the frames that were done.

    Args:
        model (nn.Module): from :func:`init_detector`.
        reader (VideoReader): the video.
        options (VideoOptions): what to write; at least one output.
        resume (bool): continue an interrupted run; the outputs equal those of a run without interruption.

    Returns:
        int: number of frames in the outputs.

    Raises:
        UserError: the input or the options cannot be used, another command writes the same outputs, or the
            interrupted run had other inputs.
        Interrupted: by a signal.
    """
    files = [str(path) for path in dataclasses.astuple(options)[:4] if path]
    _check(model, options, files)
    cat_ids = _category_ids(model, options)
    with contextlib.ExitStack() as stack:
        for path in files:
            busy = f'{path} is being written by another command'
            stack.enter_context(exclusive(f'{path}.lock', busy))
        saved = SavedRun(f'{files[0]}.partial', model, reader, options)
        state = saved.load(resume)
        fps = options.fps or reader.fps / options.stride
        names = model.dataset_meta.get('classes')
        offset = box_offset(model.cfg)
        outputs = VideoOutputs(options, files[0], fps, names, cat_ids, offset, state)
        return _run(model, reader, options, outputs, saved)


def _check(model, options, files):
    """Before the work: names of outputs and classes."""
    if not files:
        raise ValueError('track_video: expected at least one output')
    if len({os.path.realpath(path) for path in files}) < len(files):
        raise UserError(f'two outputs have the same name: {", ".join(files)}')
    for path in (options.out, options.json):
        if path and Path(path).is_dir():
            raise UserError(f'{path} is a folder; expected the name of a file to write')
        if path:
            check_output(path)
    for folder in (options.masks, options.frames):
        if folder and os.path.exists(folder) and not os.path.isdir(folder):
            raise UserError(f'{folder} is a file; expected a folder')
    names = model.dataset_meta.get('classes') or ()
    for name in options.classes or ():
        if name not in names:
            known = f'{suggest(name, names)}; the model knows {", ".join(names)}' if names else ''
            raise UserError(f'--classes: no class {name!r}{known or ", as the classes have no names"}')


def _category_ids(model, options):
    """Category ids for the json: those of the checkpoint, else 1, 2, ..."""
    tracks = getattr(model, 'tracker', None) is not None
    for option in ('json', 'masks'):
        if getattr(options, option) and not tracks:
            raise UserError(f'--{option}: {type(model).__name__} does not track')
    if options.masks and 'masks' not in getattr(model, 'gives', ('masks',)):
        raise UserError(f'--masks: {type(model).__name__} gives boxes without masks')
    if not options.json:
        return None
    classes = model.dataset_meta.get('classes') or range(model.bbox_head.num_classes)
    return list(model.dataset_meta.get('cat_ids') or range(1, len(classes) + 1))


class SavedRun:
    """Where an interrupted run can continue: a file of plain values and tensors, replaced after each part.

    Args:
        path (str): the file.
        model (nn.Module): its tracker is saved too.
        reader (VideoReader): the video.
        options (VideoOptions): of the run.

    Attributes:
        frames (int): number of frames after which the run can continue; 0: there is nothing to continue.
        part (int): frames from one place to the next.
    """

    def __init__(self, path, model, reader, options):
        self.path, self.model, self.reader, self.options = Path(path), model, reader, options
        self.frames = 0
        # Whole batches: results are equal only if frames go through the network in the same company.
        self.part = -(-PART // options.batch_size) * options.batch_size
        self.hindrance = self._hindrance()
        self._signature = None

    def _hindrance(self):
        tracker = getattr(self.model, 'tracker', None)
        if self.reader.live:
            return f'{self.reader.name} cannot be read again'
        if tracker is not None and not (hasattr(tracker, 'state') and hasattr(tracker, 'restore')):
            return f'{type(tracker).__name__} has no state() and restore()'
        return None if can_resume_videos() or not self.options.out else 'PyAV is not installed'

    def load(self, resume):
        """Restore the tracker and return the state of the outputs; None: the run starts at the beginning."""
        if resume and self.hindrance:
            raise UserError(f'--resume is not possible: {self.hindrance}')
        if not self.path.exists():
            if resume:
                print(f'note: there is no {self.path}: starting at the beginning', file=sys.stderr)
            return None
        if not resume:
            print(f'note: starting over; --resume would continue {self.path}', file=sys.stderr)
            self.path.unlink()
            return None
        try:
            saved = torch.load(self.path, map_location='cpu', weights_only=True)
            known = saved['format'] == _FORMAT
        except (RuntimeError, ValueError, KeyError, TypeError, EOFError, BadZipFile, OSError):
            known = False
        except Exception as error:  # what weights_only refuses
            raise UserError(f'{self.path} cannot be used: {error}; run without --resume') from None
        if not known:
            raise UserError(f'{self.path} is not a file of an interrupted run; run without --resume')
        now = self.signature()
        differ = [key for key in now if now[key] != saved['signature'].get(key)]
        if differ:
            raise UserError(
                f'{self.path} belongs to another run: other {", ".join(differ)}; run without --resume, or '
                'with the same inputs'
            )
        self.frames = saved['outputs']['count']
        if saved['tracker'] is not None:
            self.model.tracker.restore(_VIDEO, saved['tracker'])
        return saved['outputs']

    def place(self):
        """What :meth:`save` needs from the model, which may be ahead when the frames are written."""
        tracker = getattr(self.model, 'tracker', None)
        state = None if tracker is None else tracker.state(_VIDEO)
        return {'format': _FORMAT, 'signature': self.signature(), 'tracker': state}

    def save(self, outputs, place):
        """Save that the run can continue after the frames written so far, with the model as it was then."""
        content = {**place, 'outputs': outputs.checkpoint()}
        with Scratch(self.path) as scratch:
            torch.save(content, scratch.temporary)
        self.frames = outputs.count

    def signature(self):
        """What the outputs depend on."""
        if self._signature is None:
            options = dataclasses.asdict(self.options)
            for name in ('out', 'json', 'masks', 'frames'):
                options[name] = options[name] and os.path.realpath(options[name])
            self._signature = {
                'input': _input_digest(self.reader),
                'model': _model_digest(self.model),
                'options': json.dumps(options, sort_keys=True),
                'version': __version__,
            }
        return self._signature

    def discard(self):
        """Remove the file."""
        self.path.unlink(missing_ok=True)


def _input_digest(reader):
    files = reader.files or [reader.name]
    found = [reader.name]
    for file in files:
        with contextlib.suppress(OSError):  # an address
            status = os.stat(file)
            found.append([os.path.realpath(file), status.st_size, status.st_mtime_ns])
    return hashlib.sha256(json.dumps(found).encode()).hexdigest()[:16]


def _model_digest(model):
    digest = hashlib.sha256(json.dumps(model.cfg.to_dict(), sort_keys=True, default=str).encode())
    if getattr(model, 'precision', 'fp32') != 'fp32':
        digest.update(model.precision.encode())
    for name, value in model.state_dict().items():
        digest.update(name.encode() + value.detach().cpu().contiguous().view(-1).numpy().tobytes())
    return digest.hexdigest()[:16]


def _expected(reader, options):
    """Number of frames of the outputs, or None."""
    end = min((end for end in (reader.count, options.end) if end is not None), default=None)
    return None if end is None else len(range(options.start, max(options.start, end), options.stride))


def _run(model, reader, options, outputs, saved):
    """The loop over the frames, which are read ahead and written behind. However it ends, the outputs are
    completed."""
    times, first = deque(), outputs.count

    def frames():
        begin = options.start + first * options.stride
        for frame in reader.frames(begin, options.end, options.stride):
            times.append(reader.time)
            yield frame

    def write(frame, result, time, place):
        outputs.add(frame, result, time, reader.aspect)
        if place is not None:
            saved.save(outputs, place)
        progress.update()

    total = _expected(reader, options)
    keep = False
    try:
        with Progress(total, 'frames', done=first) as progress, Background(_WAITING) as background:
            results = stream_results(model, frames(), options.batch_size, _VIDEO, first)
            for count, (frame, result) in enumerate(results, first + 1):
                due = count % saved.part == 0 and not saved.hindrance
                place = saved.place() if due else None
                background.submit(write, frame, result, times.popleft(), place)
        if not outputs.count:
            raise UserError(f'{reader.name}: no frame from number {options.start} on (--start)')
    except KeyboardInterrupt as error:
        keep = saved.frames > 0
        message = f'interrupted before frame {outputs.count} of {reader.name}'
        if keep:
            message += f'; --resume continues from frame {saved.frames}'
        elif not saved.hindrance:
            message += f'; there is nothing to resume, as runs are saved every {saved.part} frames'
        raise Interrupted(message, getattr(error, 'number', signal.SIGINT)) from None
    except UserError:  # of the input: nothing can be continued
        raise
    except BaseException:
        keep = saved.frames > 0
        raise
    finally:
        with uninterrupted():
            _finish(outputs, saved, keep)
    return outputs.count


def _finish(outputs, saved, keep):
    """Complete the files, say what they hold, and remove what is not needed any more."""
    written = outputs.finish()
    if not keep:
        saved.discard()
        outputs.discard()
    if not outputs.count:
        return
    least = outputs.options.score_thr
    if not outputs.shown:
        least = SHOWN if least is None else least
        print(f'note: no object reached --score-thr {least:g} in any frame', file=sys.stderr)
    print(f'{outputs.count} frames, {len(outputs.tracks)} tracks: {", ".join(written)}', flush=True)
