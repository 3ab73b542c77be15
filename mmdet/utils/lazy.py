"""Lazy package attributes (PEP 562), for packages that must be importable without torch."""

import importlib


def attach(package, exports):
    """Build ``__getattr__``, ``__dir__`` and ``__all__`` for a package whose names load on first use.

    Args:
        package (str): ``__name__`` of the package.
        exports (dict[str, Sequence[str]]): submodule -> names it provides. The submodules are attributes too.

    Returns:
        tuple: ``(__getattr__, __dir__, __all__)`` to assign in the package's ``__init__``.
    """
    owner = {name: sub for sub, names in exports.items() for name in names}
    submodules = {name.partition('.')[0] for name in exports}
    public = sorted(set(owner) | submodules)

    def __getattr__(name):
        if name in owner:
            return getattr(importlib.import_module(f'{package}.{owner[name]}'), name)
        if name in submodules:
            return importlib.import_module(f'{package}.{name}')
        raise AttributeError(f'module {package!r} has no attribute {name!r}')

    def __dir__():
        return public

    return __getattr__, __dir__, public
