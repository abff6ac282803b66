"""Import what a setting names by path: a source, a feature, an estimator or a sink.

The current folder is importable, so that a file beside ``conf/`` can be named without being installed.
No file of a version decides what is imported: a path that one names is followed only if it is among
:data:`OURS` or the current settings name it too, and nothing is imported from a folder of artifacts.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml_sys.errors import ResolveError, nearest

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from importlib.machinery import ModuleSpec
    from types import ModuleType

# Estimators that a version may have been trained with, whatever the settings name now.
OURS = frozenset(
    {
        "lightgbm:LGBMClassifier",
        "ml_sys.model.estimator:BlendedXGBClassifier",
        "sklearn.ensemble:HistGradientBoostingClassifier",
        "sklearn.ensemble:RandomForestClassifier",
        "sklearn.linear_model:LogisticRegression",
        "xgboost:XGBClassifier",
    }
)
_INSTALLED = tuple(
    Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib", "purelib", "platlib")
)
# Folders of artifacts that this process has opened.
_kept_out: set[Path] = set()


def keep_out(folder: Path) -> None:
    """From now on, let this process import nothing from below a folder of artifacts."""
    _kept_out.add(folder.resolve())


def refuse_unnamed(paths: Iterable[str], named: Collection[str], place: Path | str) -> None:
    """Refuse import paths of a version that neither we nor the current settings name.

    Parameters
    ----------
    paths : iterable of str
        What the version's files would have imported.
    named : collection of str
        What the current settings name.
    place : Path or str
        The file, for the message.

    Raises
    ------
    ResolveError
        Naming the first such path; nothing was imported.
    """
    for path in paths:
        if path not in OURS and path not in named:
            raise ResolveError(
                f"{place}: names {path}, which the settings do not, so it was not imported",
                hint="if that code is yours, name it in the settings: features.extra or model.estimator",
            )


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
    here = Path.cwd()
    if str(here) not in sys.path and not _keeper(here):
        sys.path.append(str(here))  # last, so that no file here hides an installed package
    importlib.invalidate_caches()
    try:
        for end in range(name.count(".") + 1):  # a package runs before what is in it can be looked for
            part = ".".join(name.split(".")[: end + 1])
            _refuse_kept_out(part, path)
            module = importlib.import_module(part)
        return module
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise _failed(path, name, error) from error
        where = "beside conf/, outside of the artifacts" if _keeper(here) else f"into {here}"
        raise ResolveError(
            f"{path}: there is no module {error.name!r}", hint=f"install it, or put it {where}"
        ) from error
    except ResolveError:
        raise
    except Exception as error:  # whatever a module of the user's does while it is imported
        raise _failed(path, name, error) from error


def _refuse_kept_out(module: str, path: str) -> None:
    """Refuse a module that lies among artifacts; all packages above it are imported already."""
    loaded = sys.modules.get(module)
    spec = importlib.util.find_spec(module) if loaded is None else loaded.__spec__
    for place in [] if spec is None else _places(spec):
        keeper = _keeper(place)
        if keeper is not None:
            raise ResolveError(
                f"{path}: {place} lies in the artifacts folder {keeper}, from which nothing is imported",
                hint="move it out of there, or name another folder with --artifacts",
            )


def _places(spec: ModuleSpec) -> Iterator[Path]:
    """Yield the file and the folders that a module is made from; none for what is built in."""
    if spec.has_location and spec.origin:
        yield Path(spec.origin)
    yield from map(Path, spec.submodule_search_locations or ())


def _keeper(place: Path) -> Path | None:
    """Return the folder of artifacts that a place lies in, whether by its name or by what it links to.

    Packages that are installed below such a folder, as in its environment, are not part of it.
    """
    for one in (place.absolute(), place.resolve()):
        around = [root for root in (*_kept_out, *_INSTALLED) if one.is_relative_to(root)]
        deepest = max(around, key=lambda root: len(root.parts), default=None)
        if deepest in _kept_out:
            return deepest
    return None


def _failed(path: str, module: str, error: Exception) -> ResolveError:
    return ResolveError(
        f"{path}: module {module!r} fails while it is imported: {type(error).__name__}: {error}",
        hint=f'fix it; python -c "import {module}" shows where it fails',
    )


def _file_of(module: ModuleType) -> str:
    return getattr(module, "__file__", None) or module.__name__
