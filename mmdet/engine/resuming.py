"""Finding the checkpoint to resume from, and checking what is in it before anything is restored."""

import contextlib
import math
import re
from pathlib import Path

import torch

from mmdet.utils import UserError, blaming

from .checkpoint import read_checkpoint
from .plain_data import to_plain
from .random_state import capture_random_state, restore_random_state

_NAME = re.compile(r'(epoch|iter)_\d+\.pth')


def find_checkpoint(work_dir, logger):
    """Return ``(path, content)`` of the checkpoint to continue from, or None if there is none yet.

    It is the one that ``last_checkpoint`` names. If that file is lost, or the checkpoint is damaged, it is
    the newest sound one of the work dir.

    Args:
        work_dir (str | Path): where a run wrote its checkpoints.
        logger (logging.Logger): told what was taken, and why.

    Raises:
        UserError: there are checkpoints, but all are damaged.
    """
    note = Path(work_dir) / 'last_checkpoint'
    candidates = _checkpoints_of(work_dir)
    candidates.sort(key=lambda path: path.stat().st_mtime_ns, reverse=True)
    with contextlib.suppress(OSError, UnicodeDecodeError, ValueError):
        # The folder may have been moved since the note was written.
        named = Path(note.read_text(encoding='utf-8').strip())
        here = named if named.is_file() else note.with_name(named.name)
        candidates = [here, *(path for path in candidates if path != here)]
    if not candidates:
        logger.info(f'no checkpoint in {work_dir} yet: training starts from the beginning')
        return None
    errors = []
    for path in candidates:
        try:
            content = read_resumable(path)
        except UserError as error:
            errors.append(str(error))
            continue
        if errors:
            logger.warning(f'{errors[0]}. Continuing from the newest sound checkpoint, {path}')
        elif not note.is_file():
            logger.warning(f'{note} is missing. Continuing from the newest sound checkpoint, {path}')
        return str(path), content
    raise UserError(
        f'no checkpoint of {work_dir} can be resumed: {errors[0]}. '
        'Train without --resume, in another work dir'
    )


def _checkpoints_of(work_dir):
    return [path for path in Path(work_dir).glob('*.pth') if _NAME.fullmatch(path.name)]


def warn_of_old_checkpoints(work_dir, logger):
    """Say that a run that starts anew replaces the checkpoints of an earlier one."""
    old = sorted(path.name for path in _checkpoints_of(work_dir))
    if old:
        logger.warning(
            f'{work_dir} holds checkpoints of an earlier run ({", ".join(old[:3])}), which this one replaces '
            'as it goes; --resume would continue that run'
        )


def refuse_own_weights(path, work_dir):
    """A run that starts from a checkpoint of its own work dir would overwrite it in the end."""
    path = Path(path)
    if path.is_file() and path.parent.resolve() == Path(work_dir).resolve():
        raise UserError(
            f'load_from {path} lies in the work dir, where this run writes its own checkpoints: '
            'choose another --work-dir, or continue that run with --resume'
        )


def read_resumable(path):
    """Read a checkpoint that a run can continue from.

    Raises:
        UserError: it cannot be read, or does not say after which epoch and iteration it was taken.
    """
    content = read_checkpoint(path)
    meta = content.get('meta') or {}
    counts = [meta.get(key) for key in ('epoch', 'iter')] if isinstance(meta, dict) else [None]
    if any(type(count) is not int or not 0 <= count < 2**48 for count in counts):
        raise UserError(f'{path} cannot be resumed: it does not say its epoch and iteration. Use load_from')
    seed = meta.get('seed')
    if seed is not None and (type(seed) is not int or not 0 <= seed < 2**32):
        raise UserError(f'{path} cannot be resumed: its seed is {seed!r:.60}, not a number below 2**32')
    return content


@contextlib.contextmanager
def restoring(path, part):
    """Within the block, errors become one line: the contents of a checkpoint come from outside."""
    try:
        with blaming('it does not fit this run'):
            yield
    except UserError as error:
        raise UserError(
            f'{path} cannot be resumed: {part}: {error}. Use load_from for its weights'
        ) from error


def check_like(value, like, place):
    """Check plain data against data of the right form.

    Numbers must be finite and stand where numbers are; lists have the length, and dicts the keys, of
    ``like``. What ``like`` has as None may be anything plain.

    Raises:
        UserError: names the place, such as ``param_groups[0].lr``.
    """
    if isinstance(like, dict):
        _require(isinstance(value, dict), place, 'a dict', value)
        for key, item in like.items():
            _require(key in value, f'{place}.{key}', 'a value', 'nothing')
            check_like(value[key], item, f'{place}.{key}')
    elif isinstance(like, (list, tuple)):
        _require(isinstance(value, (list, tuple)), place, 'a list', value)
        _require(len(value) == len(like), place, f'{len(like)} entries', len(value))
        for index, (item, form) in enumerate(zip(value, like)):
            check_like(item, form, f'{place}[{index}]')
    elif isinstance(like, bool):
        _require(isinstance(value, bool) or value is None, place, 'True or False', value)
    elif isinstance(like, (int, float)):
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        _require(number and math.isfinite(value), place, 'a finite number', value)
    elif isinstance(like, torch.Tensor):
        same = isinstance(value, torch.Tensor) and value.shape == like.shape
        _require(same, place, f'a tensor of shape {tuple(like.shape)}', value)
    elif isinstance(like, str):
        _require(isinstance(value, str), place, 'a text', value)


def _require(fits, place, expected, value):
    if not fits:
        tensor = isinstance(value, torch.Tensor)
        found = f'a tensor of shape {tuple(value.shape)}' if tensor else f'{value!r:.80}'
        raise UserError(f'{place}: expected {expected}, got {found}')


def check_optimizer_state(state, wrapper):
    """Check the state of an optimizer before it is loaded, and add settings that its version did not have.

    Args:
        state (dict): from a checkpoint.
        wrapper (OptimWrapper): the one to load it into.

    Returns:
        dict: the state to load.

    Raises:
        UserError: groups, parameters, or shapes and types of their values do not fit.
    """
    check_like(state, {'state': {}, 'param_groups': None}, 'optimizer')
    own = wrapper.state_dict()
    further = [key for key in own if key not in ('state', 'param_groups') and key in state]
    check_like(state, {key: own[key] for key in further}, 'optimizer')
    groups, ours = state['param_groups'], own['param_groups']
    _require(
        isinstance(groups, list) and len(groups) == len(ours), 'param_groups', f'{len(ours)} groups', groups
    )
    for index, (group, own) in enumerate(zip(groups, ours)):
        place = f'param_groups[{index}]'
        _require(isinstance(group, dict) and 'params' in group, place, 'a dict with params', group)
        check_like(group, {key: form for key, form in own.items() if key in group}, place)
    params = [param for group in wrapper.param_groups for param in group['params']]
    order = [number for group in groups for number in group['params']]
    shapes = {number: param.shape for number, param in zip(order, params)}
    names = {tuple(sorted(values)) for values in state['state'].values() if isinstance(values, dict)}
    _require(len(names) < 2, 'state', 'the same values for each parameter', sorted(names)[:2])
    kinds = {}  # of each value, which all parameters share
    for number, values in state['state'].items():
        place = f'state[{number!r:.20}]'
        _require(number in shapes and isinstance(values, dict), place, 'values of a parameter', values)
        for name, value in values.items():
            if value is None:
                continue
            if isinstance(value, torch.Tensor):
                kind = 'tensor' if value.dim() and value.shape == shapes[number] else 'scalar'
                fits = (not value.dim() or kind == 'tensor') and bool(value.isfinite().all())
            else:
                kind, fits = 'number', type(value) in (int, float) and math.isfinite(value)
            fits = fits and kinds.setdefault(name, kind) == kind
            shape = tuple(shapes[number])
            _require(fits, f'{place}.{name!s:.40}', f'finite values for a parameter of shape {shape}', value)
    return {**state, 'param_groups': [{**own, **group} for own, group in zip(ours, groups)]}


def check_random_state(state):
    """Check a state of :func:`~.random_state.capture_random_state` by restoring it for a moment.

    Raises:
        ValueError, TypeError, ...: as the generators do.
    """
    now = capture_random_state()
    try:
        restore_random_state(state)
    finally:
        restore_random_state(now)


def check_message_hub(state):
    """Check the state of the message hub, which hooks take counts and file names from.

    Raises:
        UserError: a scalar's history is not two lists of numbers, or a value has another type.
    """
    check_like(state, {'log_scalars': {}, 'runtime_info': {}, 'resumed_keys': {}}, 'message_hub')
    for name, history in state['log_scalars'].items():
        sound = (
            isinstance(name, str)
            and isinstance(history, (list, tuple))
            and len(history) == 2
            and all(isinstance(part, torch.Tensor) and part.dim() == 1 for part in history)
            and len(history[0]) == len(history[1])
        )
        _require(sound, f'log_scalars[{name!r:.40}]', 'values and counts', history)
    for name, value in state['runtime_info'].items():
        place = f'runtime_info[{name!r:.40}]'
        _require(isinstance(name, str), place, 'a name', name)
        if name in ('epoch', 'iter', 'max_epochs', 'max_iters'):
            check_like(value, 0, place)
        elif name == 'keep_ckpt_ids':
            counts = isinstance(value, (list, tuple)) and all(type(count) is int for count in value)
            _require(counts, place, 'a list of counts', value)
        elif name == 'last_ckpt' or name.startswith('best_ckpt'):
            check_like(value, '', place)
        elif name.startswith('best_score'):
            check_like(value, 0.0, place)
    for name, value in state['resumed_keys'].items():
        _require(isinstance(name, str) and isinstance(value, bool), 'resumed_keys', 'names', name)


# What a scheduler counts; the rest of its state are its settings.
_COUNTERS = ('last_step', '_global_step', '_last_value', 'base_values', 'verbose')


def restore_schedulers(schedulers, states, logger):
    """Restore the states of schedulers; settings of the config that differ from them are told.

    Raises:
        UserError: the states are not those of such schedulers.
    """
    own = [to_plain(scheduler.state_dict()) for scheduler in schedulers]
    check_like(states, own, 'param_schedulers')
    for number, (scheduler, state, mine) in enumerate(zip(schedulers, states, own)):
        for key in mine:
            if key not in _COUNTERS and state[key] != mine[key]:
                logger.warning(
                    f'param_scheduler[{number}].{key} {state[key]} of the checkpoint is used, not '
                    f'{mine[key]} of the config; load_from starts a new schedule'
                )
        scheduler.load_state_dict(state)


def walk_schedulers(schedulers, iterations, epoch_length):
    """Step schedulers up to an iteration: a checkpoint of 2019 knows no more."""
    for iteration in range(iterations):
        for scheduler in schedulers:
            if not scheduler.by_epoch or (iteration + 1) % epoch_length == 0:
                scheduler.step()
