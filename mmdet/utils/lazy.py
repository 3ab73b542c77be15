"""Names and libraries that load on first use, for what must be importable without torch or OpenCV."""

import importlib

from .errors import UserError


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


class LazyModule:
    """A library that is imported when it is first used: scoring files needs neither OpenCV nor Pillow.

    Args:
        name (str): module, such as ``'PIL.Image'``.
        distribution (str): what pip installs.
        what (str): what needs it, for the message.

    Raises:
        UserError: on use, if the library is not installed.
    """

    def __init__(self, name, distribution, what):
        self._name, self._distribution, self._what = name, distribution, what

    def __getattr__(self, attribute):
        try:
            module = importlib.import_module(self._name)
        except ImportError as error:
            raise UserError(
                f'{self._what} needs {self._distribution}: pip install {self._distribution} ({error})'
            ) from None
        return getattr(module, attribute)
