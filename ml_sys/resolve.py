"""Finds what a setting names by import path: a source, a feature, an estimator, a sink.

The current folder is importable, so that a file beside ``conf/`` can be named without being installed.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml_sys.errors import ResolveError, nearest

if TYPE_CHECKING:
    from types import ModuleType


def resolve(path: str) -> Any:
    """Import the object that ``package.module:name`` stands for.

    Parameters
    ----------
    path : str
        Import path of the module, a colon, and the name of one of its attributes.

    Returns
    -------
    object
        The attribute itself: a class is not instantiated, a function is not called.

    Raises
    ------
    ResolveError
        If the path is not of that form, the module does not exist or fails while it is imported, or it has no
        such attribute; the message says which, and the hint names the nearest attribute.

    Examples
    --------
    >>> resolve("math:tau") > 6
    True
    """
    module_name, colon, name = path.partition(":")
    if not (colon and name.isidentifier() and all(part.isidentifier() for part in module_name.split("."))):
        raise ResolveError(f"{path!r} is not an import path", hint="write package.module:name")
    module = _import(module_name, path)
    try:
        return getattr(module, name)
    except AttributeError as error:
        near = nearest(name, [found for found in vars(module) if not found.startswith("_")])
        hint = (
            f"did you mean {module_name}:{near}?" if near else f"{_file_of(module)} defines no name like it"
        )
        raise ResolveError(f"{path}: module {module_name!r} has no attribute {name!r}", hint=hint) from error


def _import(name: str, path: str) -> ModuleType:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)  # last, so that no file here hides an installed package
    importlib.invalidate_caches()
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise _failed(path, name, error) from error
        raise ResolveError(
            f"{path}: there is no module {error.name!r}", hint=f"install it, or put it into {here}"
        ) from error
    except Exception as error:  # whatever a module of the user's does while it is imported
        raise _failed(path, name, error) from error


def _failed(path: str, module: str, error: Exception) -> ResolveError:
    return ResolveError(
        f"{path}: module {module!r} fails while it is imported: {type(error).__name__}: {error}",
        hint=f'mend it; python -c "import {module}" shows where it fails',
    )


def _file_of(module: ModuleType) -> str:
    return getattr(module, "__file__", None) or module.__name__
