"""Stopping a training by a signal: it ends after the running iteration, with a checkpoint."""

import contextlib
import os
import signal
import sys
from pathlib import Path

import torch
from mmengine.dist import all_reduce, get_world_size, is_main_process
from mmengine.hooks import Hook

from mmdet.registry import HOOKS
from mmdet.utils import Interrupted, atomic_write_text, handling_signals


class StopSignals:
    """Within the block, the first SIGTERM or Ctrl-C is a request to stop; a second one stops at once.

    Args:
        work_dir (str | Path): where the run writes its checkpoints, for the message.

    Attributes:
        requested (int | None): the signal that came.
    """

    def __init__(self, work_dir):
        self.requested = None
        self._note = Path(work_dir) / 'last_checkpoint'
        self._stack = contextlib.ExitStack()
        self._process = os.getpid()

    def __enter__(self):
        self._stack.enter_context(handling_signals(self._take))
        return self

    def __exit__(self, *_):
        self._stack.close()

    def _take(self, number, frame):
        if os.getpid() != self._process:  # a data worker: the main process decides
            return
        if self.requested is not None:
            last = self._note.read_text(encoding='utf-8') if self._note.is_file() else None
            how = f'--resume continues from {last}' if last else 'there is no checkpoint yet'
            raise Interrupted(f'stopped at once by {signal.Signals(number).name}; {how}', number)
        self.requested = number
        if is_main_process():
            print('\nstopping after this iteration; once more stops at once', file=sys.stderr, flush=True)


@HOOKS.register_module()
class StopHook(Hook):
    """Save a checkpoint and end the training if a signal asks for it.

    Raises:
        Interrupted: the checkpoint is written; ``--resume`` continues from it bit for bit.
    """

    priority = 'LOWEST'

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        """Stop after an iteration."""
        self._stop_if_requested(runner, {'epoch': runner.epoch, 'iter': runner.iter + 1})

    def after_val_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        """Stop within a validation of a training; the resumed run repeats it from its beginning.

        Several processes stop after the next training iteration: their numbers of batches differ here, so
        that they cannot ask each other after each one.
        """
        if runner.train_loop is not None and get_world_size() == 1:
            counts = {'epoch': runner.epoch, 'iter': runner.iter}
            self._stop_if_requested(runner, {**counts, 'validation_due': True})

    def _stop_if_requested(self, runner, meta):
        number = getattr(getattr(runner, 'stop_signals', None), 'requested', None) or 0
        if get_world_size() > 1:  # the signal reaches the processes at different iterations
            device = next(runner.model.parameters()).device
            box = torch.tensor(number, device=device)
            all_reduce(box, 'max')
            number = int(box)
        if not number:
            return
        name = f'iter_{meta["iter"]}.pth'
        runner.save_checkpoint(runner.work_dir, name, meta=meta, by_epoch=False)
        path = os.path.join(runner.work_dir, name)
        if is_main_process():
            atomic_write_text(os.path.join(runner.work_dir, 'last_checkpoint'), path)
        raise Interrupted(
            f'stopped by {signal.Signals(number).name} after iteration {meta["iter"]}; {path} is saved: '
            '--resume continues from it',
            number,
        )
