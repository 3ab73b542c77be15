"""Hooks: checkpoints that survive a crash, a stop at non-finite losses, class counts, a summary."""

import contextlib
import math
from pathlib import Path

from mmengine.dist import is_main_process
from mmengine.hooks import CheckpointHook as _CheckpointHook
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper

from mmdet.registry import HOOKS
from mmdet.utils import UserError, atomic_write_text


class _DeferredDeletion:
    """A file backend that deletes files in :meth:`finish`, when the new checkpoint is complete."""

    def __init__(self, backend, folder):
        self._backend = backend
        self._folder = Path(folder).resolve()
        self._deferred = []

    def __getattr__(self, name):
        return getattr(self._backend, name)

    def remove(self, path):
        """Delete a file later."""
        self._deferred.append(path)

    def finish(self, keep):
        """Delete the files now, but none in ``keep`` or in another folder, as a forged checkpoint may ask."""
        for path in self._deferred:
            own = Path(path).resolve().parent == self._folder
            if own and path not in keep and self._backend.isfile(path):
                self._backend.remove(path)


@HOOKS.register_module()
class CheckpointHook(_CheckpointHook):
    """mmengine's checkpoint hook with deferred deletion: old files stay until the new one is complete.

    Takes the arguments of :class:`mmengine.hooks.CheckpointHook`. With ``by_epoch=False`` checkpoints are
    taken within epochs, and training continues from them exactly.

    Two private methods are overridden: mmengine removes the old file in them before the new one is written.
    """

    @contextlib.contextmanager
    def _new_before_old(self):
        backend = self.file_backend
        self.file_backend = late = _DeferredDeletion(backend, self.out_dir)
        try:
            yield
        finally:
            self.file_backend = backend
        best = getattr(self, 'best_ckpt_path_dict', None) or {}
        late.finish(keep={self.last_ckpt, getattr(self, 'best_ckpt_path', None), *best.values()})

    def _save_checkpoint_with_step(self, runner, step, meta):
        if isinstance(self.file_backend, _DeferredDeletion):
            super()._save_checkpoint_with_step(runner, step, meta)
        else:
            with self._new_before_old():
                super()._save_checkpoint_with_step(runner, step, meta)
        if is_main_process():
            atomic_write_text(f'{runner.work_dir}/last_checkpoint', self.last_ckpt)

    def _save_best_checkpoint(self, runner, metrics):
        if self.save_best:
            unknown = [key for key in self.key_indicators if key != 'auto' and key not in metrics]
            if unknown:
                raise UserError(
                    f'default_hooks.checkpoint.save_best: validation gives no {unknown[0]!r}; it gives '
                    f'{", ".join(metrics)}'
                )
        with self._new_before_old():
            super()._save_best_checkpoint(runner, metrics)


@HOOKS.register_module()
class NonFiniteLossHook(Hook):
    """Stop training when a loss or a gradient is NaN or infinite, before a checkpoint is written.

    Raises:
        UserError: names the iteration, the losses, the images of the batch and the last good checkpoint.
    """

    priority = 'VERY_HIGH'

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        """Look at every loss of the iteration, and at whether the optimizer took its step."""
        losses = {k: float(v.detach() if hasattr(v, 'detach') else v) for k, v in _losses(outputs)}
        bad = [f'{name}={value}' for name, value in losses.items() if not math.isfinite(value)]
        if not bad and getattr(runner.optim_wrapper, 'finite', True):
            return
        last = (
            runner.message_hub.get_info('last_ckpt')
            if 'last_ckpt' in runner.message_hub.runtime_info
            else None
        )
        shown = ', '.join(bad) or 'gradients that are not finite (all losses are)'
        raise UserError(
            f'training stopped: {shown} at iteration {runner.iter + 1} (epoch {runner.epoch + 1}). '
            f'Images of the batch: {", ".join(image_paths(data_batch)) or "unknown"}. '
            f'Last checkpoint: {last or "none yet"}'
        )


def _losses(outputs):
    return [(name, value) for name, value in (outputs or {}).items() if 'loss' in name]


def image_paths(batch):
    """Return the image paths of a batch of data samples, reference frames included where they are named."""
    samples = batch.get('data_samples', []) if isinstance(batch, dict) else []
    paths = []
    for sample in samples:
        for key in ('img_path', 'ref_img_path'):
            path = sample.metainfo.get(key) if hasattr(sample, 'metainfo') else None
            if path:
                paths.append(str(path))
    return paths


@HOOKS.register_module()
class ClassCountHook(Hook):
    """Compare the heads' ``num_classes`` with the number of classes of the dataset before the first batch."""

    priority = 'VERY_HIGH'

    def before_train(self, runner):
        """Check the training dataset."""
        check_class_counts(_inner(runner.model), runner.train_dataloader.dataset, 'train_dataloader')

    def before_val(self, runner):
        """Check the validation dataset."""
        check_class_counts(_inner(runner.model), runner.val_dataloader.dataset, 'val_dataloader')

    def before_test(self, runner):
        """Check the test dataset."""
        check_class_counts(_inner(runner.model), runner.test_dataloader.dataset, 'test_dataloader')


@HOOKS.register_module()
class SummaryHook(Hook):
    """Once all checks are passed, write the config to the work dir and log what is about to be trained."""

    priority = 'VERY_LOW'

    def before_val(self, runner):
        """Write the config, unless this is a validation within training."""
        if runner.train_loop is None:
            runner.write_config()

    def before_test(self, runner):
        """Write the config."""
        runner.write_config()

    def before_train(self, runner):
        """Write the config; log parameters, samples, iterations and epochs."""
        runner.write_config()
        sizes = [(p.numel(), p.requires_grad) for p in runner.model.parameters()]
        total, frozen = sum(n for n, _ in sizes), sum(n for n, trains in sizes if not trains)
        loader = runner.train_dataloader
        runner.logger.info(
            f'{runner.model_name}: {total / 1e6:.1f} M parameters, {frozen / 1e6:.1f} M of them frozen; '
            f'{len(loader.dataset)} training samples, {len(loader)} iterations an epoch, '
            f'{runner.max_epochs} epochs'
        )
        note = long_warm_up(runner.param_schedulers, runner.max_iters, len(loader))
        if note:
            runner.logger.warning(note)


def long_warm_up(schedulers, iterations, epoch_length):
    """Return a note if most of a training is warm-up, as with few images and a schedule for many, or None.

    Args:
        schedulers (list | dict): built schedulers; in a dict by optimizer.
        iterations (int): of the whole training.
        epoch_length (int): iterations of an epoch.
    """
    for group in schedulers.values() if isinstance(schedulers, dict) else [schedulers]:
        for policy in group or ():
            # Both end at a factor of 1; what starts above it, or later, is no warm-up.
            start = getattr(policy, 'start_factor', getattr(policy, 'factor', 1))
            end = policy.end * (epoch_length if policy.by_epoch else 1)
            if policy.begin == 0 and start < 1 and end > iterations / 2:
                return (
                    f'the warm-up of the learning rate ends after {end} iterations, and this training has '
                    f'{iterations}: it learns at a rate that is too low. Shorten the warm-up '
                    '(param_scheduler) to a tenth, or train longer (docs/finetune.md)'
                )
    return None


def _inner(model):
    return model.module if is_model_wrapper(model) else model


def check_class_counts(model, dataset, where='dataset'):
    """Raise if a head of ``model`` does not predict as many classes as ``dataset`` has.

    Args:
        model (nn.Module): every direct child with an integer ``num_classes`` is looked at, but the RPN.
        dataset (Dataset): its ``metainfo['classes']`` is counted; without one nothing is checked.
        where (str): config key of the dataset, for the message.

    Raises:
        UserError: the numbers differ.
    """
    classes = (getattr(dataset, 'metainfo', None) or {}).get('classes')
    if not classes:
        return
    for name, head in model.named_children():
        count = getattr(head, 'num_classes', None)
        if name.startswith('rpn') or not isinstance(count, int) or isinstance(count, bool):
            continue
        if count != len(classes):
            shown = ', '.join(str(c) for c in classes[:5]) + (', ...' if len(classes) > 5 else '')
            raise UserError(
                f'model.{name}.num_classes is {count}, but {where} has {len(classes)} classes ({shown}). '
                f'Set num_classes={len(classes)} (the background is not counted) in every head, or '
                f'{where}.dataset.classes to the classes of the model'
            )
