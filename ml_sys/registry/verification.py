"""Verify everything in the registry: every byte of every version, the audit trail and the index."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from ml_sys.errors import (
    ArtifactError,
    AuditError,
    MlsysError,
    ResolveError,
    SchemaDriftError,
    StorageError,
)
from ml_sys.registry.loading import judged
from ml_sys.text import counted

if TYPE_CHECKING:
    from collections.abc import Callable

    from ml_sys.registry.index import Index
    from ml_sys.registry.store import Registry

AUDIT, INDEX = "audit trail", "index"


@dataclass(frozen=True)
class Examined:
    """The result for one thing that was examined.

    Attributes
    ----------
    subject : str
        ``"audit trail"``, ``"index"``, or a version.
    status : {"passed", "warned", "failed"}
        Warned: nothing is damaged, but it cannot be used here.
    found : str
        The finding in words.
    hint : str
        What to do about it.
    """

    subject: str
    status: Literal["passed", "warned", "failed"]
    found: str
    hint: str = ""


@dataclass(frozen=True)
class Verification:
    """The results of all checks."""

    findings: tuple[Examined, ...]

    @property
    def passed(self) -> bool:
        """Whether nothing failed."""
        return all(one.status != "failed" for one in self.findings)

    def to_plain(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {"passed": self.passed, "findings": self.findings}


@dataclass(frozen=True)
class Accepted:
    """The version or audit trail that was accepted.

    Attributes
    ----------
    version : str or None
        None for the audit trail.
    status : str
        Of the version.
    found : str
        What was wrong with the audit trail.
    """

    version: str | None
    status: str
    found: str
    production: str | None

    def to_plain(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {"accepted": self.version, "found": self.found, "production": self.production}


def verify(
    registry: Registry,
    version: str | None = None,
    *,
    every: bool = False,
    on_progress: Callable[[int], None] = lambda _: None,
) -> tuple[Examined, ...]:
    """Verify the audit trail, the index and one version or all, and report anything else among them.

    Half-written work of a killed process is finished or cleared first, as by any writing command; in a
    read-only folder it is ignored. A folder that nobody registered stays as it is.

    Parameters
    ----------
    version : str, optional
        By default the one in production or, without one, the latest.
    every : bool
        Every version instead.
    on_progress : callable
        Called with the number of versions that are done.

    Returns
    -------
    tuple of Examined
        The audit trail, the index, each version, then anything that is not a version.

    Raises
    ------
    ArtifactError
        If the version does not exist, or there is none.
    """
    index_finding = _index(registry)  # before a recovery repairs it
    trail_finding = _trail(registry)
    if trail_finding.status == "failed":  # it says what to do, and nothing is rebuilt meanwhile
        index_finding = replace(index_finding, hint="")
    findings = [trail_finding, index_finding]
    try:
        index = registry.read()
    except AuditError:  # the trail's finding has it, and without it the versions are not known
        return tuple(findings)
    for done, name in enumerate(index.versions if every else [registry.resolve(version)]):
        findings.append(_version(registry, index, name))
        on_progress(done + 1)
    hint = "move it out of the folder of models; or, if it is yours: mlsys accept VERSION --reason TEXT"
    findings += [
        Examined(name, "failed", "is among the versions, but nobody registered it", hint)
        for name in registry.strangers()
    ]
    return tuple(findings)


def accept_found(registry: Registry, version: str | None, reason: str) -> Accepted:
    """Register an unregistered folder or, if none is named, accept the audit trail as it stands."""
    if version is None:
        return Accepted(None, "", registry.accept_trail(reason), registry.read().production)
    entry = registry.accept_version(version, reason)
    return Accepted(version, entry.status, "", registry.read().production)


def _trail(registry: Registry) -> Examined:
    try:
        registry.recover()
    except StorageError:
        pass  # read-only: everything can still be verified
    except AuditError as error:
        return Examined(AUDIT, "failed", error.message, error.hint)
    try:
        records = registry.trail().records
        return Examined(
            AUDIT, "passed", f"{counted(len(records), 'record')}, each follows from the one before"
        )
    except MlsysError as error:
        return Examined(AUDIT, "failed", error.message, error.hint)


def _index(registry: Registry) -> Examined:
    try:
        problem = registry.index_problem()
    except MlsysError:
        return Examined(INDEX, "warned", "cannot be compared with the audit trail, as that is damaged")
    if problem:
        hint = "it is rebuilt from the audit trail; the present one is kept as registry.json.damaged"
        return Examined(INDEX, "failed", problem, hint)
    return Examined(INDEX, "passed", "follows from the audit trail")


def _version(registry: Registry, index: Index, version: str) -> Examined:
    try:
        judged(registry, registry.open(version))
    except SchemaDriftError as error:
        status: Literal["warned", "failed"] = "failed" if version == index.production else "warned"
        return Examined(version, status, error.message, error.hint)
    except (ArtifactError, ResolveError) as error:
        return Examined(version, "failed", error.message, error.hint)
    return Examined(
        version,
        "passed",
        "files, features and golden rows are those that were registered",
    )
