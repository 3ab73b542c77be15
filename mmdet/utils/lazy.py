"""Lazy package attributes (PEP 562), so that importing a package costs nothing until a name is used."""

import importlib


def attach(package, exports):
    """Build ``__getattr__``, ``__dir__`` and ``__all__`` for a package whose names load on first use.

    Args:
        package (str): ``__name__`` of the package.
        exports (dict[str, Sequence[str]]): submodule name -> names it provides. A submodule listed with
            no names is itself importable as an attribute.

    Returns:
        tuple: ``(__getattr__, __dir__, __all__)`` to assign in the package's ``__init__``.
    """
    owner = {name: sub for sub, names in exports.items() for name in names}
    submodules = set(exports)
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
