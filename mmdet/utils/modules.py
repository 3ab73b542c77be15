"""Imports for the sake of registration."""

import importlib
import pkgutil


def import_submodules(package: str) -> None:
    """Import every module below a package, so that each registers its classes.

    Args:
        package: ``__name__`` of the package, which calls this at the end of its ``__init__``.
    """
    for module in pkgutil.walk_packages(importlib.import_module(package).__path__, f'{package}.'):
        importlib.import_module(module.name)
