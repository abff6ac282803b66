"""Identify the code behind a module, for caches: the source or version of everything it imports.

Modules outside of the standard library and of installed packages count by their source, those that an
editable installation leads to among them; installed ones by the version of their distribution.
"""

from __future__ import annotations

import ast
import hashlib
import site
import sys
import sysconfig
from functools import cache
from importlib.metadata import packages_distributions
from importlib.metadata import version as package_version
from importlib.util import resolve_name
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from importlib.machinery import ModuleSpec

_BY_NAME = {"import_module", "__import__"}


def code_of(modules: Iterable[str], *, known: Collection[str], loaded: bool = True) -> dict[str, str]:
    """Return the code behind modules and everything they import, at any level, loaded or not.

    Parameters
    ----------
    modules : iterable of str
        Their names.
    known : collection of str
        Packages, or modules, whose code the caller knows by other means; they are not followed.
    loaded : bool
        Whether to count as well what no statement names: modules of the same package that are loaded, and
        those that objects in a module come from.

    Returns
    -------
    dict of str to str
        Digests of sources by the name of the module, versions by the name of the distribution; sorted.
    """
    found: dict[str, str] = {}
    seen: set[str] = set()
    todo = list(modules)
    while todo:
        name = todo.pop()
        top = name.partition(".")[0]
        if name in seen or name in known or top in known or top in sys.stdlib_module_names:
            continue
        seen.add(name)
        spec = _spec(name)
        if spec is None:  # no module, but something in one
            continue
        distributions = _distributions().get(top, []) if _is_installed(spec) else []
        if distributions:
            found |= {one: package_version(one) for one in distributions}
            continue
        todo += _above(name)
        todo += _loaded_with(name) if loaded else ()
        content = _content(spec)
        if content is not None:
            found[name] = hashlib.sha256(content).hexdigest()
            todo += _imported(name, spec, content)
    return dict(sorted(found.items()))


def _spec(name: str) -> ModuleSpec | None:
    """Find a module without importing it or its parents."""
    loaded = sys.modules.get(name)
    if loaded is not None and loaded.__spec__ is not None:
        return loaded.__spec__
    path, spec, parts = None, None, name.split(".")
    for end in range(1, len(parts) + 1):
        if end > 1 and path is None:
            return None
        asked = (finder.find_spec(".".join(parts[:end]), path) for finder in sys.meta_path)
        spec = next((one for one in asked if one is not None), None)
        if spec is None:
            return None
        path = spec.submodule_search_locations
    return spec


def _is_installed(spec: ModuleSpec) -> bool:
    places = [spec.origin] if spec.has_location and spec.origin else spec.submodule_search_locations or ()
    return any(Path(place).resolve().is_relative_to(folder) for place in places for folder in _site_folders())


@cache
def _site_folders() -> tuple[Path, ...]:
    named = [sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    named += [*site.getsitepackages(), site.getusersitepackages()]
    return tuple({Path(one).resolve() for one in named})


@cache
def _distributions() -> dict[str, list[str]]:
    """Return the distributions that each package comes from."""
    return {top: sorted(set(names)) for top, names in packages_distributions().items()}


def _content(spec: ModuleSpec) -> bytes | None:
    """Return the content of a module's file; None for a namespace package, which has none."""
    if not (spec.has_location and spec.origin):
        return None
    try:
        return Path(spec.origin).read_bytes()
    except OSError:  # such as within an archive
        return spec.origin.encode()


def _above(name: str) -> Iterator[str]:
    """Yield a module's name and those of the packages above it."""
    parts = name.split(".")
    yield from (".".join(parts[:end]) for end in range(1, len(parts) + 1))


def _loaded_with(name: str) -> Iterator[str]:
    """Yield what of a module's package is loaded, and where the objects in the module come from."""
    yield from [one for one in sys.modules if one.startswith(f"{name.partition('.')[0]}.")]
    for thing in list(vars(sys.modules[name]).values()) if name in sys.modules else ():
        origin = thing.__name__ if isinstance(thing, ModuleType) else getattr(thing, "__module__", None)
        if isinstance(origin, str):
            yield origin


def _imported(name: str, spec: ModuleSpec, content: bytes) -> Iterator[str]:
    """Yield the names of what a source imports anywhere, and of packages above; some may be no modules."""
    package = name if spec.submodule_search_locations is not None else name.rpartition(".")[0]
    try:
        tree = ast.parse(content)
    except (SyntaxError, ValueError):  # compiled
        return
    for node in _nodes(tree):
        for path in _paths(node, package):
            yield from _above(path)


def _paths(node: ast.AST, package: str) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (one.name for one in node.names)
    elif isinstance(node, ast.ImportFrom):
        above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
        base = ".".join([*above, *([node.module] if node.module else [])])
        yield from (f"{base}.{one.name}" for one in node.names)
    elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        path = node.args[0].value
        if called in _BY_NAME and isinstance(path, str) and (package or not path.startswith(".")):
            yield resolve_name(path, package)


def _nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield what is within a tree, without what only a type checker reads."""
    for node in ast.iter_child_nodes(tree):
        only_types = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for one in node.orelse if only_types and isinstance(node, ast.If) else [node]:
            yield one
            yield from _nodes(one)
