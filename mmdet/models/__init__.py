"""Everything a detector is built from; importing it fills the registries ``MODELS`` and ``TASK_UTILS``.

Every module and package in this folder is imported, so a new one registers its classes by being here.
"""

import importlib
import pkgutil

__all__ = sorted(module.name for module in pkgutil.iter_modules(__path__))

for _name in __all__:
    importlib.import_module(f'{__name__}.{_name}')
