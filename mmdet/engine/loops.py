"""Training loops that can stop after any iteration and continue bit for bit."""

import torch
from mmengine.runner import EpochBasedTrainLoop

from mmdet.registry import LOOPS
from mmdet.utils import UserError

from .random_state import capture_random_state, restore_random_state


def _sampler_with(loader, name):
    """Return the sampler of a data loader that has the method ``name``, looking into batch samplers too."""
    candidates = [loader.sampler, loader.batch_sampler, getattr(loader.batch_sampler, 'sampler', None)]
    return next((sampler for sampler in candidates if hasattr(sampler, name)), None)


def as_numbers(outputs):
    """Return a dict with its tensors of one element as numbers."""
    if not isinstance(outputs, dict):
        return outputs
    tensors = {k: v for k, v in outputs.items() if isinstance(v, torch.Tensor) and v.numel() == 1}
    if not tensors:
        return outputs
    numbers = torch.stack([value.detach().double().reshape(()) for value in tensors.values()]).tolist()
    return {**outputs, **dict(zip(tensors, numbers))}


@LOOPS.register_module()
class ResumableEpochLoop(EpochBasedTrainLoop):
    """Train by epochs; a checkpoint taken after any iteration continues bit for bit where it was taken.

    What makes that hold: the order of the data depends on (seed, epoch) only and the sampler can start at an
    offset; each random choice of the data pipeline on (seed, epoch, index) only; the generators' states come
    from the checkpoint; neither data workers nor validation advance the generators of the main process.

    Args:
        runner (Runner): the runner.
        dataloader (dict | DataLoader): training data.
        max_epochs (int): how many epochs to train.
        val_begin (int): first epoch to validate after.
        val_interval (int): epochs between validations.
        dynamic_intervals (list[tuple[int, int]] | None): as in mmengine.
    """

    def __init__(self, runner, dataloader, max_epochs: int, **kwargs):
        super().__init__(runner, dataloader, max_epochs, **kwargs)
        if len(self.dataloader) == 0:
            raise UserError(
                'train_dataloader yields no batch: the dataset has '
                f'{len(self.dataloader.dataset)} usable samples for batch_size {self.dataloader.batch_size}'
            )
        self._offset = 0
        self._random_state = None
        self._validation_due = False  # the checkpoint was taken within a validation
        self.paused_random_state = None  # set while validation runs; a checkpoint written then stores it

    def restore(self, meta, random_state=None):
        """Continue where a checkpoint was taken.

        Args:
            meta (dict): of the checkpoint: ``epoch`` (finished ones), ``iter`` (finished ones in all; those
                beyond the finished epochs are skipped), and if known ``epoch_length`` (iterations),
                ``world_size`` and ``validation_due``.
            random_state (dict | None): from :func:`~.random_state.capture_random_state`.

        Raises:
            UserError: the sampler cannot start within an epoch, or the number of processes changed within it.
        """
        epoch, iteration, length = meta['epoch'], meta['iter'], len(self.dataloader)
        before = meta.get('epoch_length') or length
        offset = iteration - epoch * before
        processes = meta.get('world_size') or self.runner.world_size
        if before != length and offset in (0, before):
            epoch, offset = epoch + (offset > 0), 0
            iteration = epoch * length
        elif offset and processes != self.runner.world_size:
            raise UserError(
                f'the checkpoint was taken within epoch {epoch + 1} by {processes} processes; continue with '
                'as many, so that each sample is seen once, or from a checkpoint taken at the end of an epoch'
            )
        elif before != length or not 0 <= offset <= length:
            self.runner.logger.warning(
                f'the checkpoint was taken after {iteration} iterations, in epoch {epoch + 1}, but an epoch '
                f'has {length} iterations now: data or batch size changed. The epoch starts again from its '
                'first batch'
            )
            offset, iteration = 0, epoch * length
        if offset and _sampler_with(self.dataloader, 'set_offset') is None:
            raise UserError(
                'the checkpoint was taken within an epoch and train_dataloader.sampler has no set_offset(): '
                'use GroupSampler, or resume from a checkpoint taken at the end of an epoch'
            )
        self._epoch, self._iter, self._offset, self._random_state = epoch, iteration, offset, random_state
        self._validation_due = bool(meta.get('validation_due'))

    def run(self):
        """Train, validate where it is due, and return the model."""
        self.runner.call_hook('before_train')
        self._validate_if_interrupted()
        while self._epoch < self._max_epochs and not self.stop_training:
            self.run_epoch()
            self._decide_current_val_interval()
            due = self._epoch % self.val_interval == 0 or self._epoch == self._max_epochs
            if self.runner.val_loop is not None and self._epoch >= self.val_begin and due:
                self._validate()
        self.runner.call_hook('after_train')
        return self.runner.model

    def _validate_if_interrupted(self):
        if self._validation_due and self.runner.val_loop is not None:
            restore_random_state(self._random_state or capture_random_state())
            self._validate()

    def _validate(self):
        """Run validation; training then continues with its random state from before."""
        self.paused_random_state = capture_random_state()
        try:
            self.runner.val_loop.run()
        finally:
            restore_random_state(self.paused_random_state)
            self.paused_random_state = None

    def run_epoch(self):
        """Run the rest of the epoch, which is all of it unless training was just resumed."""
        self.runner.call_hook('before_train_epoch')
        self.runner.model.train()
        self._seed_data_loading()
        offset, self._offset = self._offset, 0
        batches = enumerate(self.dataloader, start=offset) if offset < len(self.dataloader) else ()
        if self._random_state is not None:
            restore_random_state(self._random_state)
            self._random_state = None
        for index, batch in batches:
            self.run_iter(index, batch)
            if self._after_iteration():
                return
        self._set_offset(0)
        self.runner.call_hook('after_train_epoch')
        self._epoch += 1

    def run_iter(self, idx, data_batch):
        """Run one iteration; hooks get its losses as numbers, which a GPU brings in one copy."""
        self.runner.call_hook('before_train_iter', batch_idx=idx, data_batch=data_batch)
        outputs = self.runner.model.train_step(data_batch, optim_wrapper=self.runner.optim_wrapper)
        outputs = as_numbers(outputs)
        self.runner.call_hook('after_train_iter', batch_idx=idx, data_batch=data_batch, outputs=outputs)
        self._iter += 1

    def _after_iteration(self):
        """Return whether to stop within the epoch."""
        return False

    def _seed_data_loading(self):
        """Fix order and worker seeds of the epoch; draw nothing from the process's own generators."""
        for name in ('dataset', 'sampler', 'batch_sampler'):
            part = getattr(self.dataloader, name)
            if hasattr(part, 'set_epoch'):
                part.set_epoch(self._epoch)
        inner = getattr(self.dataloader.batch_sampler, 'sampler', None)
        if inner is not None and inner is not self.dataloader.sampler and hasattr(inner, 'set_epoch'):
            inner.set_epoch(self._epoch)
        self._set_offset(self._offset)
        seed = (int(self.runner.seed) * 1_000_003 + self._epoch) % 2**63
        self.dataloader.generator = torch.Generator().manual_seed(seed)

    def _set_offset(self, batches):
        sampler = _sampler_with(self.dataloader, 'set_offset')
        if sampler is None:
            return
        sampler.set_offset(batches)


@LOOPS.register_module()
class ResumableIterLoop(ResumableEpochLoop):
    """Train for a number of iterations, through as many epochs as that takes; continues as exactly.

    Args:
        runner (Runner): the runner.
        dataloader (dict | DataLoader): training data.
        max_iters (int): how many iterations to train.
        val_begin (int): first iteration to validate after.
        val_interval (int): iterations between validations.
    """

    def __init__(self, runner, dataloader, max_iters: int, val_begin: int = 1, val_interval: int = 1000):
        super().__init__(runner, dataloader, max_epochs=1, val_begin=val_begin, val_interval=val_interval)
        if max_iters < 1:
            raise UserError(f'train_cfg.max_iters: expected at least 1, got {max_iters}')
        self._max_iters = int(max_iters)
        self._max_epochs = -(-self._max_iters // len(self.dataloader))

    def run(self):
        """Train, validate where it is due, and return the model."""
        self.runner.call_hook('before_train')
        self._validate_if_interrupted()
        while self._iter < self._max_iters and not self.stop_training:
            self.run_epoch()
        self.runner.call_hook('after_train')
        return self.runner.model

    def _after_iteration(self):
        due = self._iter % self.val_interval == 0 or self._iter == self._max_iters
        if self.runner.val_loop is not None and self._iter >= self.val_begin and due:
            self._validate()
            self.runner.model.train()
        return self._iter >= self._max_iters or self.stop_training
