"""Making the project known to mmengine, and checking what else is installed."""

import sys

from mmengine.registry import DefaultScope


def register_all_modules(init_default_scope=True):
    """Import everything that a config can name by ``type``.

    The registries import their own packages when a name is first looked up, so this is needed only where
    classes are looked up in mmengine's registries directly, or where import errors should show early.

    Args:
        init_default_scope (bool): make ``mmdet`` the scope in which mmengine looks up names.
    """
    import mmdet.datasets
    import mmdet.engine
    import mmdet.evaluation.metrics
    import mmdet.models
    import mmdet.visualization  # noqa: F401

    if init_default_scope:
        current = DefaultScope.get_current_instance()
        if current is None or current.scope_name != 'mmdet':
            DefaultScope.get_instance(f'mmdet-{len(DefaultScope._instance_dict)}', scope_name='mmdet')


_warned = set()


def warn_of_clashes(stream=None):
    """Print, once, a line for every installed distribution that overwrites files of one we need."""
    from mmdet.engine.environment import find_clashes

    for line in find_clashes():
        if line not in _warned:
            _warned.add(line)
            print(f'warning: {line}', file=stream or sys.stderr, flush=True)
