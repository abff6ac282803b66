"""Compare the code of a worker with the code here: versions of libraries, and a digest of our own source."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as package_version
from pathlib import Path
from platform import python_version
from typing import TYPE_CHECKING

from ml_sys.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Code = dict[str, str]

# What a result can depend on, and by which names it may be installed.
PACKAGES = {
    "mlsys": ("ml-sys",),
    "imbalanced-learn": ("imbalanced-learn",),
    "lightgbm": ("lightgbm",),
    "numba": ("numba",),
    "numpy": ("numpy",),
    "pandas": ("pandas",),
    "pyarrow": ("pyarrow",),
    "scikit-learn": ("scikit-learn",),
    "scipy": ("scipy",),
    "xgboost": ("xgboost", "xgboost-cpu"),
}
_PACKAGE = Path(__file__).parents[1]
_SHOWN, _DIGITS = 3, 20


def code_here(code: Callable[[], Mapping[str, str]]) -> Code:
    """Return versions and digests of the code that runs in this process, by name."""
    return versions_here() | {"mlsys": _sources(), **code()}


def versions_here() -> Code:
    """Return the versions in this process."""
    return versions(python_version(), _version_here)


def versions(python: str, version_of: Callable[[str], str | None]) -> Code:
    """Return the versions of Python, mlsys and the libraries by name.

    Parameters
    ----------
    python : str
        As ``"3.11.2"``.
    version_of : callable
        Returns the version of a package, None where it is not installed.
    """
    found = {"Python": ".".join(python.split(".")[:2])}
    for name, packages in PACKAGES.items():
        for package in packages:
            version = version_of(package)
            if version is not None:
                found[name] = version
    return found


def refuse_other_code(worker: str, theirs: Mapping[str, str], ours: Mapping[str, str]) -> None:
    """Refuse a worker whose code is not the code of the command.

    Raises
    ------
    EngineError
        If a version or digest differs.
    """
    differs = [name for name in sorted({*ours, *theirs}) if ours.get(name) != theirs.get(name)]
    if differs:
        told = ", ".join(
            f"{name} is {_short(theirs.get(name))} there and {_short(ours.get(name))} here"
            for name in differs[:_SHOWN]
        )
        raise EngineError(
            f"Dask worker {worker} has other code: {told}",
            hint="install the same on every worker, and start it anew",
        )


def _version_here(package: str) -> str | None:
    try:
        return package_version(package)
    except PackageNotFoundError:
        return None


@cache
def _sources() -> str:
    """Return the version of mlsys, and a digest of its source: a working copy changes without the version."""
    digest = hashlib.sha256()
    for path in sorted(_PACKAGE.rglob("*.py")):
        digest.update(path.relative_to(_PACKAGE).as_posix().encode())
        digest.update(path.read_bytes())
    return f"{package_version(*PACKAGES['mlsys'])} ({digest.hexdigest()[:8]})"


def _short(version: str | None) -> str:
    return "missing" if version is None else version[:_DIGITS]
