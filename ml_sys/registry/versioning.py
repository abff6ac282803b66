"""Semantic versions of models, derived from what changed.

Feature schema, label or horizon → major; estimator, parameters, resampling or calibration → minor; only data
or seed → patch. Settings of the registry, scoring or serving do not
change a model.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ml_sys.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

FIRST = "1.0.0"
_PATTERN = re.compile(r"(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})")
_MAJOR_GROUPS = ("label", "usage", "features")
_MINOR_GROUPS = ("model", "resample", "calibration", "threshold", "panel", "split")
_PATCH_KEYS = ("seed", "snapshot")


def parse(version: str) -> tuple[int, int, int]:
    """Parse ``"1.2.3"``.

    Raises
    ------
    UsageError
        If it is not a version.
    """
    match = _PATTERN.fullmatch(version)
    if not match:
        raise UsageError(f"{version!r} is not a version", hint="write major.minor.patch, for example 1.2.0")
    major, minor, patch = (int(part) for part in match.groups())
    return major, minor, patch


def derive(
    versions: Iterable[str],
    before: Mapping[str, Any] | None,
    after: Mapping[str, Any],
    schema_hashes: tuple[str | None, str],
) -> tuple[str, str]:
    """Return the next version, and why.

    Parameters
    ----------
    versions : iterable of str
        All existing versions; the next one is higher.
    before, after : mapping
        Effective settings by dotted key, and ``"snapshot"``, of the parent (None if it cannot be read) and of
        the new version.
    schema_hashes : tuple of str
        Feature schema of the parent and of the new version.
    """
    known = [parse(version) for version in versions]
    if not known:
        return FIRST, "first version"
    major, minor, patch = max(known)
    if before is None:
        return f"{major + 1}.0.0", "major: no earlier version can be read to compare with"
    changes = list(_changes(before, after))
    weighty = _of(changes, _MAJOR_GROUPS)
    if weighty or schema_hashes[0] != schema_hashes[1]:
        return f"{major + 1}.0.0", f"major: {'; '.join(weighty) or 'the feature schema changed'}"
    lighter = _of(changes, _MINOR_GROUPS)
    if lighter:
        return f"{major}.{minor + 1}.0", f"minor: {'; '.join(lighter)}"
    light = [change for change in changes if change.partition(" ")[0] in _PATCH_KEYS]
    return (
        f"{major}.{minor}.{patch + 1}",
        f"patch: {'; '.join(light) or 'same data and settings, trained again'}",
    )


def _of(changes: list[str], groups: tuple[str, ...]) -> list[str]:
    return [change for change in changes if change.startswith(tuple(f"{group}." for group in groups))]


def _changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    """Yield each setting that differs; for a table, only its entries that differ."""
    for key in after:
        old, new = before.get(key), after[key]
        if isinstance(old, dict) and isinstance(new, dict):
            entries = {f"{key}.{name}": value for name, value in new.items()}
            gone = [f"{key}.{name} left out" for name in old if name not in new]
            yield from _changes({f"{key}.{name}": value for name, value in old.items()}, entries)
            yield from gone
        elif old != new:
            yield f"{key} {'none' if old is None else old} → {new}"
