"""Checks of the parts that a config names, made before any work starts: names, arguments, values, libraries.

mmengine builds some parts late and hands unknown arguments on, so that a misspelled one is noticed after an
epoch, with nothing saved. Here the signature of every part is compared with its config, and optimizer,
clipping and schedules take a few steps on a toy.
"""

import contextlib
import copy
import importlib.util
import inspect
import warnings
from typing import get_args, get_origin

import torch
from mmengine.hooks import CheckpointHook

from mmdet import registry as ours
from mmdet.utils import UserError, shown, suggest

_DEFAULT_HOOKS = ('runtime_info', 'timer', 'sampler_seed', 'logger', 'param_scheduler', 'checkpoint')
_PARAMWISE = {
    *('custom_keys', 'bias_lr_mult', 'bias_decay_mult', 'norm_decay_mult', 'dwconv_decay_mult'),
    *('dcn_offset_lr_mult', 'flat_decay_mult', 'bypass_duplicate'),
}
_WRAPPERS = ('OptimWrapper', 'AmpOptimWrapper', 'AutocastOptimWrapper')
# What a visualization backend imports, and what installs it.
_LIBRARIES = {
    'TensorboardVisBackend': ('tensorboard', 'pip install tensorboard'),
    'WandbVisBackend': ('wandb', 'pip install wandb'),
    'MLflowVisBackend': ('mlflow', 'pip install mlflow'),
    'ClearMLVisBackend': ('clearml', 'pip install clearml'),
    'NeptuneVisBackend': ('neptune', 'pip install neptune'),
    'DVCLiveVisBackend': ('dvclive', 'pip install dvclive'),
    'AimVisBackend': ('aim', 'pip install aim'),
}
_TYPES = {
    bool: ((bool, int), 'True or False'),
    int: ((int,), 'a whole number'),
    float: ((int, float), 'a number'),
    str: ((str,), 'a text'),
}


def check_components(config):
    """Check everything around the model that a run will use.

    Args:
        config (dict): the arguments of a runner, or a config; parts that are None are not looked at. Objects
            that are built already pass.

    Raises:
        UserError: names the place in the config, what is wrong and what is known.
    """
    for name, hook in _items(config, 'default_hooks'):
        where = f'default_hooks.{name}'
        if name not in _DEFAULT_HOOKS and suggest(name, _DEFAULT_HOOKS, 0.8):
            raise UserError(f'{where}: unknown name{suggest(name, _DEFAULT_HOOKS, 0.8)}')
        check_part(ours.HOOKS, hook, where, beside=('priority',))
    for place, hook in _listed(config, 'custom_hooks'):
        check_part(ours.HOOKS, hook, place, beside=('priority',))
    for split in ('train', 'val', 'test'):
        if config.get(f'{split}_dataloader') is not None:
            _check_split(config, split)
    visualizer = config.get('visualizer')
    if isinstance(visualizer, dict):
        check_part(ours.VISUALIZERS, {'type': 'Visualizer', **visualizer}, 'visualizer', given=('name',))
        for place, backend in _listed(visualizer, 'vis_backends', 'visualizer.'):
            check_part(ours.VISBACKENDS, backend, place, given=('save_dir',))
            _check_library(backend, place)
    if isinstance(config.get('log_processor'), dict):
        part = {'type': 'LogProcessor', **config['log_processor']}
        check_part(ours.LOG_PROCESSORS, part, 'log_processor')
    if config.get('optim_wrapper') is not None:
        check_optimization(config['optim_wrapper'], config.get('param_scheduler'))


def _check_split(config, split):
    """Check data loader, metrics and loop of training, validation or testing."""
    check_loader(config[f'{split}_dataloader'], f'{split}_dataloader')
    for place, metric in _listed(config, f'{split}_evaluator'):
        check_part(ours.METRICS, metric, place)
    loop = config.get(f'{split}_cfg')
    if isinstance(loop, dict) and split == 'train':
        loop = with_loop_type(loop)
    if isinstance(loop, dict) and 'type' in loop:
        given = ('runner', 'dataloader', 'evaluator')
        check_part(ours.LOOPS, loop, f'{split}_cfg', given=given, beside=('fp16',))


@contextlib.contextmanager
def in_one_line(what):
    """Within the block, an error of a constructor becomes a ``UserError`` that says what was built."""
    try:
        yield
    except UserError:
        raise
    except (ValueError, TypeError, AssertionError) as error:
        raise UserError(f'{what} cannot be built from the config: {error}') from error


def _items(config, key):
    part = config.get(key)
    if part is not None and not isinstance(part, dict):
        raise UserError(f'{key}: expected a dict, got {shown(part)}')
    return [(name, value) for name, value in (part or {}).items() if value is not None]


def _listed(config, key, prefix=''):
    """``(place, entry)`` of a list, or of a single entry."""
    part = config.get(key)
    if part is None:
        return []
    if isinstance(part, (list, tuple)):
        return [(f'{prefix}{key}[{number}]', entry) for number, entry in enumerate(part)]
    return [(f'{prefix}{key}', part)]


def check_part(registry, part, where, given=(), beside=()):
    """Check the type, the names of the arguments and, where their type is plain, the values of one part.

    Args:
        registry (Registry): where ``type`` is looked up.
        part (dict): the config of the part; an object that is built already passes.
        where (str): its place in the config, for messages.
        given (Sequence[str]): arguments that the runner adds.
        beside (Sequence[str]): keys that are no arguments but read by the runner.

    Raises:
        UserError: the type is unknown, an argument is unknown, missing, or of another type.
    """
    if not isinstance(part, dict):
        if isinstance(part, (str, int, float, list, tuple)):
            raise UserError(f'{where}: expected a dict with a type, got {shown(part)}')
        return
    kind = part.get('type')
    if kind is None:
        raise UserError(f'{where}: it has no type{suggest("type", part)}')
    cls = _lookup(registry, kind, where)
    names = {key for key in part if key not in ('type', '_scope_', *beside)}
    parameters, is_open = _parameters(cls)
    unknown = sorted(str(name) for name in names - set(parameters))
    if unknown and not is_open:
        known = ', '.join(sorted(set(parameters) - set(given)))
        near = suggest(unknown[0], parameters)
        if not near:
            near = f'; it knows {known or "none"} (from the base config? _delete_=True drops its settings)'
        raise UserError(f'{where}: {cls.__name__} has no argument {unknown[0]!r}{near}')
    for name, parameter in parameters.items():
        if name in names:
            _check_value(f'{where}.{name}', parameter, part[name])
        elif parameter.default is parameter.empty and name not in given:
            raise UserError(f'{where}: {cls.__name__} needs {name!r}')


def with_loop_type(loop):
    """Return ``train_cfg`` with the type of a loop that resumes exactly; ``by_epoch``, if given, decides."""
    if 'type' in loop and 'by_epoch' not in loop:
        return loop
    kind = 'ResumableEpochLoop' if loop.get('by_epoch', True) else 'ResumableIterLoop'
    return {**{key: value for key, value in loop.items() if key != 'by_epoch'}, 'type': kind}


def _lookup(registry, kind, where):
    if not isinstance(kind, str):
        if callable(kind):
            return kind
        raise UserError(f'{where}.type: expected a name, got {kind!r}')
    try:
        cls = registry.get(kind)
    except ImportError as error:
        raise UserError(f'{where}.type={kind!r}: {error}') from error
    if cls is None:
        known, node = set(), registry
        while node is not None:
            known |= set(node.module_dict)
            node = node.parent
        raise UserError(f'{where}: unknown {registry.name} type {kind!r}{suggest(kind, known)}')
    return cls


def _parameters(cls):
    """Named parameters of a class or function, and whether it takes any other name as well.

    A constructor with ``**kwargs`` hands them to the next one in the order of inheritance.
    """
    found, is_open = {}, False
    owners = [owner for owner in cls.__mro__ if '__init__' in vars(owner)] if inspect.isclass(cls) else [cls]
    for owner in owners:
        if owner is object:
            break
        function = owner.__init__ if inspect.isclass(cls) else cls
        parameters = list(inspect.signature(function).parameters.values())
        is_open = any(p.kind is p.VAR_KEYWORD for p in parameters)
        for parameter in parameters[1:] if inspect.isclass(cls) else parameters:
            if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
                found.setdefault(parameter.name, parameter)
        if not is_open:
            break
    if inspect.isclass(cls) and issubclass(cls, CheckpointHook):
        is_open = False  # it hands the rest to save_checkpoint(), which takes no more
    return found, is_open


def _check_value(where, parameter, value):
    """Compare a value with the annotation of its parameter where that is a plain type."""
    if get_origin(parameter.annotation) is list and value is not None:
        inner, *_ = get_args(parameter.annotation)
        if inner in _TYPES and not (
            isinstance(value, (list, tuple)) and all(isinstance(v, _TYPES[inner][0]) for v in value)
        ):
            raise UserError(f'{where}: expected a list of values like {inner.__name__}, got {shown(value)}')
    types, words = _TYPES.get(parameter.annotation, (None, None))
    if types is None or value is None and parameter.default is None:
        return
    wrong = not isinstance(value, types) or (isinstance(value, bool) and bool not in types)
    if wrong and value != parameter.default:
        raise UserError(f'{where}: expected {words}, got {shown(value)}')


def _check_library(backend, where):
    kind = backend.get('type') if isinstance(backend, dict) else None
    library, remedy = _LIBRARIES.get(kind, (None, None))
    if library is not None and importlib.util.find_spec(library) is None:
        asked = ' (TensorboardLoggerHook in log_config.hooks of 2019)' if library == 'tensorboard' else ''
        raise UserError(
            f'{where}: {kind}{asked} needs {library}, which is not installed: {remedy}, or take it out'
        )


def check_loader(loader, where):
    """Check a data loader, its samplers, its dataset and the steps of its pipeline; nothing is read."""
    if not isinstance(loader, dict):
        return
    known, _ = _parameters(torch.utils.data.DataLoader)
    known = {*known, 'dataset', 'sampler', 'batch_sampler', 'num_batch_per_epoch', 'worker_init_fn'}
    for name in loader:
        if name not in known:
            raise UserError(f'{where}: unknown key {name!r}{suggest(name, known)}')
    for name, least in (('batch_size', 1), ('num_workers', 0)):
        value = loader.get(name)
        if value is not None and (type(value) is not int or value < least):
            raise UserError(f'{where}.{name}: expected a whole number from {least} on, got {shown(value)}')
    given = ('dataset', 'seed', 'sampler', 'batch_size')
    for name in ('sampler', 'batch_sampler'):
        if isinstance(loader.get(name), dict):
            check_part(ours.DATA_SAMPLERS, loader[name], f'{where}.{name}', given=given)
    if 'dataset' not in loader:
        raise UserError(f'{where}: it has no dataset')
    _check_dataset(loader['dataset'], f'{where}.dataset')


def _check_dataset(dataset, where):
    check_part(ours.DATASETS, dataset, where)
    if not isinstance(dataset, dict):
        return
    for place, step in _listed(dataset, 'pipeline', f'{where}.'):
        check_part(ours.TRANSFORMS, step, place)
    for name in ('dataset', 'datasets'):
        for place, inner in _listed(dataset, name, f'{where}.'):
            _check_dataset(inner, place)


# --- optimizer and schedules ---


def check_optimization(wrapper, schedulers):
    """Check optimizer, wrapper, clipping and schedules, and try three steps of them on a toy.

    Args:
        wrapper (dict): ``optim_wrapper``.
        schedulers (list[dict] | dict | None): ``param_scheduler``.

    Raises:
        UserError: names the part and what is wrong.
    """
    if not isinstance(wrapper, dict) or not isinstance(wrapper.get('optimizer'), dict):
        if isinstance(wrapper, dict) and not {'constructor', 'optimizer'} & set(wrapper):
            near = suggest('optimizer', wrapper)
            raise UserError(f'optim_wrapper: it has no optimizer{near}')
        return
    optimizer = wrapper['optimizer']
    check_part(ours.OPTIMIZERS, optimizer, 'optim_wrapper.optimizer', given=('params',))
    own = {'type': 'OptimWrapper', **wrapper}
    beside = ('paramwise_cfg', 'constructor')
    check_part(ours.OPTIM_WRAPPERS, own, 'optim_wrapper', given=('optimizer',), beside=beside)
    paramwise = wrapper.get('paramwise_cfg')
    if 'constructor' not in wrapper and isinstance(paramwise, dict):
        for name in paramwise:
            if name not in _PARAMWISE:
                raise UserError(
                    f'optim_wrapper.paramwise_cfg: unknown key {name!r}{suggest(name, _PARAMWISE)}'
                )
    parts = _listed({'param_scheduler': schedulers}, 'param_scheduler')
    given = ('optimizer', 'epoch_length', 'end')
    for place, part in parts:
        beside = ('convert_to_iter_based', 'epoch_length')
        check_part(ours.PARAM_SCHEDULERS, part, place, given=(*given, 'param_name'), beside=beside)
    if own['type'] in _WRAPPERS and 'constructor' not in wrapper:
        _try_steps(wrapper, parts)


def _try_steps(wrapper, schedulers):
    """Three steps: what only fails when it is used fails here."""
    from mmengine.optim import build_optim_wrapper

    kept = ('optimizer', 'paramwise_cfg', 'accumulative_counts', 'clip_grad')
    plain = copy.deepcopy({key: wrapper[key] for key in kept if key in wrapper})
    toy = torch.nn.Linear(2, 2)
    where = 'optim_wrapper'
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')  # the toy's steps are not those of a run
            built = build_optim_wrapper(toy, {'type': 'OptimWrapper', **plain})
            policies = []
            for place, part in schedulers:
                where = place
                if isinstance(part, dict):
                    part = {'end': (part.get('begin') or 0) + 12, **copy.deepcopy(part)}
                    extra = {'optimizer': built, 'epoch_length': 10}
                    policies.append((place, ours.PARAM_SCHEDULERS.build(part, default_args=extra)))
            for _ in range(3):
                toy(torch.ones(1, 2)).sum().backward()
                if wrapper.get('clip_grad'):
                    where = 'optim_wrapper.clip_grad'
                    built._clip_grad()
                where = 'optim_wrapper.optimizer'
                built.optimizer.step()
                for where, policy in policies:  # noqa: B007, B020 - read in the handler
                    policy.step()
    except UserError:
        raise
    except Exception as error:  # whatever a wrong value makes of it
        text = ' '.join(str(error).split()) or type(error).__name__
        raise UserError(f'{where}: {text}') from error
