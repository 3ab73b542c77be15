"""mmengine's runner with safe checkpoints, exact resuming, processes on CPUs and a quiet start."""

import contextlib
import inspect
import os
import time
from pathlib import Path

import mmengine
import torch
from mmengine.config import Config
from mmengine.dist import all_gather_object, is_distributed, is_main_process
from mmengine.logging import HistoryBuffer
from mmengine.model import is_model_wrapper
from mmengine.optim import OptimWrapper
from mmengine.runner import Runner
from mmengine.runner.checkpoint import weights_to_cpu
from mmengine.utils.dl_utils import collect_env

from mmdet.registry import RUNNERS
from mmdet.utils import UserError, atomic_write_text, exclusive, is_input, outliving_signals
from mmdet.version import __version__

from .checkpoint import read_checkpoint, write_checkpoint
from .components import check_components, in_one_line, with_loop_type
from .console import shorten_console
from .environment import describe_machine, join_on_cpus, on_main
from .interrupts import StopSignals
from .plain_data import histories_from_plain, histories_to_plain, to_plain
from .precision import allow_tf32
from .random_state import capture_random_state
from .resuming import (
    check_message_hub,
    check_optimizer_state,
    check_random_state,
    find_checkpoint,
    read_resumable,
    refuse_own_weights,
    restore_schedulers,
    restoring,
    walk_schedulers,
    warn_of_old_checkpoints,
)
from .scalars import log_by_iteration, number_lines
from .weights import load_weights, non_finite, skip_covered_pretraining

# Hooks of every run.
ALWAYS = ('NonFiniteLossHook', 'ClassCountHook', 'SummaryHook', 'StopHook')


@RUNNERS.register_module()
class TrackRunner(Runner):
    """mmengine's runner; see :class:`mmengine.runner.Runner` for the arguments.

    It adds guards against non-finite losses and wrong class counts, resuming bit for bit, checkpoints
    that are read without running code, data parallel training on CPUs, and a short console log.

    One more config key is known: ``load_options=dict(class_map='coco')``, see
    :func:`~mmdet.engine.weights.load_weights`. Only the command line can trust a checkpoint, never a config.
    """

    def __init__(self, *args, **kwargs):
        given = inspect.signature(Runner.__init__).bind(self, *args, **kwargs).arguments
        check_components(given)
        super().__init__(*args, **kwargs)

    def setup_env(self, env_cfg):
        """Start the process group, CPUs over gloo as mmengine needs a GPU; TF32 is on with ``tf32`` only."""
        allow_tf32(bool(env_cfg.get('tf32', False)))
        if self._launcher == 'pytorch' and 'RANK' not in os.environ:
            raise UserError('--launcher pytorch: start this through torchrun (tools/dist_train.sh)')
        if self.distributed and not torch.cuda.is_available() and not is_distributed():
            join_on_cpus(self._launcher)
        super().setup_env(env_cfg)

    def wrap_model(self, model_wrapper_cfg, model):
        """Wrap for data parallel training; without a GPU there must be no device ids, which mmengine sets."""
        if self.distributed and not torch.cuda.is_available():
            model_wrapper_cfg = {
                'type': 'MMDistributedDataParallel',
                'broadcast_buffers': False,
                'find_unused_parameters': self.cfg.get('find_unused_parameters', False),
                **(model_wrapper_cfg or {}),
                'device_ids': None,
            }
        return super().wrap_model(model_wrapper_cfg, model)

    # --- messages ---

    def build_logger(self, *args, **kwargs):
        """Build the logger; mmengine prints 200 lines before training starts, which go to the file only."""
        return shorten_console(super().build_logger(*args, **kwargs))

    def build_log_processor(self, log_processor):
        """Build what words the log: lines count iterations where the training loop does."""
        return super().build_log_processor(number_lines(log_processor, self._train_loop))

    def build_visualizer(self, visualizer=None):
        """Build what writes numbers; in the config its ``type`` may be left out."""
        if isinstance(visualizer, dict):
            visualizer = {'type': 'Visualizer', **visualizer}
        return super().build_visualizer(visualizer)

    def _log_env(self, env_cfg):  # private: nothing public keeps these 200 lines off the console
        lines = '\n'.join(f'    {key}: {value}' for key, value in collect_env().items())
        self.logger.info(f'environment:\n{lines}\n    seed: {self.seed}', extra={'file_only': True})
        if self.cfg:
            self.logger.info(f'config:\n{self.cfg.pretty_text}', extra={'file_only': True})
        self.logger.info(f'{describe_machine()}, seed {self.seed}')
        self.logger.info(f'output goes to {self.work_dir}, the full log to {self.log_dir}')

    def dump_config(self):
        """Write nothing: this comes before the input is accepted. ``SummaryHook`` writes the config."""

    def write_config(self):
        """Write the config to the work dir: whole, also what this run leaves out."""
        if is_main_process():
            name = Path(self.cfg.filename).stem if self.cfg.filename else self.timestamp
            path = Path(self.work_dir) / f'{name}.py'
            if not is_input(path):  # a run from the config of its own work dir
                atomic_write_text(path, self._whole_config())

    def _whole_config(self):
        """Text of the config with the parts that this run left out, such as those for testing."""
        whole = self.cfg._cfg_dict.to_dict()
        whole.update(whole.pop('_left_out', None) or {})
        return Config(whole).pretty_text

    # --- training ---

    def register_hooks(self, default_hooks=None, custom_hooks=None):
        """Add guards and summary here: a child config that sets ``custom_hooks`` drops those of its base."""
        given = {hook.get('type') for hook in custom_hooks or () if isinstance(hook, dict)}
        ours = {name: {'type': name} for name in ALWAYS if name not in given}
        super().register_hooks({**ours, **log_by_iteration(default_hooks)}, custom_hooks)

    @staticmethod
    def build_dataloader(dataloader, seed=None, diff_rank_seed=False):
        """Build a data loader; ``batch_size`` stands once, and is that of a ``GroupSampler``, too."""
        if isinstance(dataloader, dict) and isinstance(dataloader.get('sampler'), dict):
            sampler = dict(dataloader['sampler'])
            if sampler.get('type') == 'GroupSampler':
                sampler.setdefault('batch_size', dataloader.get('batch_size', 1))
            dataloader = {**dataloader, 'sampler': sampler}
            if not dataloader.get('num_workers'):
                dataloader['persistent_workers'] = False
        with in_one_line('the data loader'):
            loader = Runner.build_dataloader(dataloader, seed=seed, diff_rank_seed=diff_rank_seed)
        loader.worker_init_fn = outliving_signals(loader.worker_init_fn)
        return loader

    def build_evaluator(self, evaluator):
        """Build the metrics; a wrong value in the config is one line."""
        with in_one_line('the evaluator'):
            return super().build_evaluator(evaluator)

    def build_param_scheduler(self, scheduler):
        """Build the schedules; one that begins after the end of the training is told in one line."""
        with in_one_line('param_scheduler'):
            return super().build_param_scheduler(scheduler)

    def build_train_loop(self, loop):
        """Build the training loop, one that resumes exactly; ``by_epoch``, where given, decides which."""
        return super().build_train_loop(with_loop_type(loop) if isinstance(loop, dict) else loop)

    def train(self):
        """Train. A checkpoint to start from is read first: it brings the seed, and spares fetching weights.

        Returns:
            nn.Module: the trained model.
        """
        with contextlib.ExitStack() as stack:
            busy = f'{self.work_dir} is in use by another training: choose another --work-dir, or wait'
            on_main(lambda: stack.enter_context(exclusive(Path(self.work_dir) / '.lock', busy)))
            self.stop_signals = stack.enter_context(StopSignals(self.work_dir))
            stack.callback(self.visualizer.close)  # after an error, too: backends write late
            return self._train()

    def _train(self):
        self._checkpoint = self._find_checkpoint() if self._resume else None
        if self._checkpoint is not None:
            path, content = self._checkpoint
            self._take_seed(content['meta'].get('seed'))
            skip_covered_pretraining(self._inner_model(), content, path)
        else:
            warn_of_old_checkpoints(self.work_dir, self.logger)
        if self._checkpoint is None and self._load_from is not None:
            refuse_own_weights(self._load_from, self.work_dir)
            self._weights = self.reader(self._load_from)
            skip_covered_pretraining(self._inner_model(), self._weights, self._load_from)
        model = super().train()
        self._checkpoint = None
        return model

    def _find_checkpoint(self):
        # 'auto' goes on with the work dir, and a run that has no checkpoint yet starts from load_from.
        if self._load_from is not None and self._resume != 'auto':
            return str(self._load_from), read_resumable(self._load_from)
        found = find_checkpoint(self.work_dir, self.logger)
        self._resume = found is not None
        return found

    def _take_seed(self, seed):
        if seed is None or seed == self.seed:
            return
        if self._randomness_cfg.get('seed') is not None:
            self.logger.warning(f'seed {seed} of the checkpoint is used, not {self.seed} of the config')
        self._randomness_cfg.update(seed=seed)
        self.set_randomness(**self._randomness_cfg)

    # --- checkpoints ---

    def _inner_model(self):
        return self.model.module if is_model_wrapper(self.model) else self.model

    def load_or_resume(self):
        """Load or resume, once; the checkpoint was read in :meth:`train`, before anything was built."""
        if self._has_loaded:
            return
        if getattr(self, '_checkpoint', None) is not None:
            self.resume(*self._checkpoint)
        elif self._load_from is not None:
            self.load_checkpoint(self._load_from)

    def load_checkpoint(self, filename, map_location='cpu', strict=False, revise_keys=()):
        """Take from a checkpoint every tensor that fits, and report the others; mmengine logs keys only.

        Args:
            filename (str): path or address.
            map_location (str): where to put tensors while loading.
            strict (bool): every tensor must fit.
            revise_keys (Sequence): unused; ``module.`` is always taken off.

        Returns:
            dict: the checkpoint.

        Raises:
            UserError: it cannot be read, or nothing fits.
        """
        if filename == self._load_from:
            checkpoint, self._weights = self._weights or self.reader(filename), None
        else:
            checkpoint = read_checkpoint(filename, map_location=map_location)
        self.call_hook('after_load_checkpoint', checkpoint=checkpoint)
        options = self.cfg.get('load_options') or {}
        report = load_weights(
            self._inner_model(),
            checkpoint,
            strict=strict,
            class_map=options.get('class_map'),
            classes=self._class_names(),
            source=str(filename),
        )
        self._has_loaded = True
        self.logger.info(f'{filename}: {report.text()}')
        return checkpoint

    def _class_names(self):
        for loop in (self._train_loop, self._test_loop, self._val_loop):
            dataset = getattr(getattr(loop, 'dataloader', None), 'dataset', None)
            classes = (getattr(dataset, 'metainfo', None) or {}).get('classes')
            if classes:
                return classes
        return None

    def resume(self, filename, checkpoint=None, resume_optimizer=True, resume_param_scheduler=True, **kwargs):
        """Continue training bit for bit; mmengine restores no random states, and parses the stored config.

        Args:
            filename (str): path of the checkpoint.
            checkpoint (dict | None): its content, if it has been read already.
            resume_optimizer (bool): take the optimizer's state.
            resume_param_scheduler (bool): take the schedulers' states.

        Raises:
            UserError: model or optimizer do not fit.
        """
        checkpoint = read_checkpoint(filename) if checkpoint is None else checkpoint
        self.call_hook('after_load_checkpoint', checkpoint=checkpoint)
        load_weights(self._inner_model(), checkpoint, strict=True, source=filename)
        meta = checkpoint['meta']
        with restoring(filename, 'the random state'):
            states = checkpoint.get('random_states') or []
            state = states[self.rank] if len(states) == self.world_size else None
            if state is not None:
                check_random_state(state)
        if hasattr(self.train_loop, 'restore'):
            self.train_loop.restore(meta, state)
        else:
            self.train_loop._epoch, self.train_loop._iter = meta['epoch'], meta['iter']
        if 'message_hub' in checkpoint:
            with restoring(filename, 'the message hub'):
                check_message_hub(checkpoint['message_hub'])
                hub = histories_from_plain(checkpoint['message_hub'], HistoryBuffer)
                self.message_hub.load_state_dict(hub)
        if resume_param_scheduler:
            with restoring(filename, 'the schedule of the learning rate'):
                self._resume_schedulers(checkpoint.get('param_schedulers'), meta)
        if resume_optimizer and 'optimizer' in checkpoint:
            with restoring(filename, 'the optimizer'):
                self._resume_optimizer(checkpoint['optimizer'])
        self._has_loaded = True
        self.logger.info(f'{filename}: continuing after epoch {self.epoch}, iteration {self.iter}')
        if self.epoch >= self.max_epochs:
            self.logger.info(f'the training is complete already: {self.max_epochs} epochs')

    def _resume_optimizer(self, state):
        wrapper = self.optim_wrapper
        rates = [group['lr'] for group in wrapper.param_groups]
        if hasattr(wrapper, 'optimizer'):  # not a dict of several
            state = check_optimizer_state(state, wrapper)
        wrapper.load_state_dict(state)
        if self._schedulers_replayed:
            for group, rate in zip(wrapper.param_groups, rates):
                group['lr'] = rate

    _schedulers_replayed = False
    reader = staticmethod(read_checkpoint)  # of load_from; the builder may set one that knows names
    _weights = None  # content of load_from between its two uses

    def _resume_schedulers(self, states, meta):
        if not self.param_schedulers:
            return
        self.param_schedulers = self.build_param_scheduler(self.param_schedulers)
        if states is not None:
            restore_schedulers(self.param_schedulers, states, self.logger)
            return
        walk_schedulers(self.param_schedulers, meta['iter'], max(len(self.train_dataloader), 1))
        self._schedulers_replayed = True

    def save_checkpoint(
        self,
        out_dir,
        filename,
        file_client_args=None,
        save_optimizer=True,
        save_param_scheduler=True,
        meta=None,
        by_epoch=True,
        backend_args=None,
    ):
        """Write a checkpoint by a rename; mmengine pickles objects that only running code can read back.

        Args:
            out_dir (str): folder.
            filename (str): name in it.
            file_client_args (None): not supported, for mmengine's signature.
            save_optimizer (bool): with the optimizer's state.
            save_param_scheduler (bool): with the schedulers' states.
            meta (dict | None): epoch and iteration, if not the current ones.
            by_epoch (bool): whether an epoch was just finished.
            backend_args (None): not supported, for mmengine's signature.
        """
        if file_client_args or backend_args:
            raise UserError('checkpoints are written to local folders only: leave out backend_args')
        paused = getattr(self.train_loop, 'paused_random_state', None)
        states = all_gather_object(paused or capture_random_state())
        bad = non_finite(self._inner_model().state_dict())
        if bad:
            raise UserError(
                f'{filename} is not written: {len(bad)} tensors of the model are not finite, such as {bad[0]}'
            )
        if not is_main_process():
            return
        done = int(by_epoch)
        finished = {'epoch': self.epoch + done, 'iter': self.iter + 1 - done}
        model = self._inner_model()
        checkpoint = {
            'meta': {**finished, **(meta or {}), **self._checkpoint_meta()},
            'state_dict': weights_to_cpu(model.state_dict()),
            'message_hub': histories_to_plain(self.message_hub.state_dict()),
            'random_states': states,
        }
        if save_optimizer:
            if not isinstance(self.optim_wrapper, OptimWrapper):
                raise TypeError(f'expected a built OptimWrapper, got {type(self.optim_wrapper).__name__}')
            checkpoint['optimizer'] = self.optim_wrapper.state_dict()
        if save_param_scheduler and self.param_schedulers:
            checkpoint['param_schedulers'] = [to_plain(s.state_dict()) for s in self.param_schedulers]
        self.call_hook('before_save_checkpoint', checkpoint=checkpoint)
        write_checkpoint(checkpoint, Path(out_dir) / filename)

    def _checkpoint_meta(self):
        if getattr(self, '_config_text', None) is None:
            self._config_text = self._whole_config()
        meta = {
            'cfg': self._config_text,
            'seed': self.seed,
            'experiment_name': self.experiment_name,
            'time': time.strftime('%Y%m%d_%H%M%S', time.localtime()),
            'mmengine_version': mmengine.__version__,
            'masktrack_version': __version__,
            'world_size': self.world_size,
            'epoch_length': len(self.train_dataloader),
        }
        dataset = self.train_dataloader.dataset
        if hasattr(dataset, 'metainfo'):
            meta['dataset_meta'] = to_plain(dict(dataset.metainfo))
        return meta
