"""Every failure that a user can cause or fix, with its own message.

::

    MlsysError                     exit code 1
    ├── UsageError                 exit code 2: the command was called wrongly
    ├── SettingsError              a setting is unknown, of the wrong type or out of range
    ├── InputError                 a file or table that cannot be used
    │   ├── MissingFileError
    │   ├── UnreadableFileError
    │   ├── EmptyTableError
    │   ├── MissingColumnError
    │   ├── RepeatedColumnError
    │   ├── LostConnectionError    a database stopped answering while it was read
    │   └── TooManyRejectedError
    ├── NotEnoughDataError         the data cannot carry what was asked
    ├── ResolveError               an import path in the settings leads nowhere
    ├── EngineError                work that runs side by side: workers died, differ, or are not there
    ├── TrackingError              an MLflow address does not answer, or refuses
    ├── StorageError               the file system refused a write: full, failing
    │   └── UnwritableError        this user may not write there, or nobody may
    ├── SnapshotError              no snapshot, or one that does not verify
    └── ArtifactError              no such version, or nothing that can be done with it
        ├── UnverifiedError        its files are not what was registered
        ├── SchemaDriftError       its features mean something else to this code
        ├── AuditError             the audit trail was edited, or does not fit the registry
        ├── BusyError              another process writes the registry
        └── ChampionChangedError   another version went into production while one was judged

A message says what is wrong and where; a hint says what to do.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path


# Files that have a flag of their own; other tables are named by a general one.
_FLAGS = frozenset({"customers", "noncustomers", "usage", "prospects", "exclude", "called", "database"})


class ExitCode(IntEnum):
    """What the process returns to the shell."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    GATE_REFUSED = 3
    ALARM = 4


def nearest(name: str, candidates: Iterable[str]) -> str | None:
    """Return the candidate that looks most like ``name``, ignoring case, or None if none is close."""
    import difflib  # only when something went wrong: help has to be instant

    by_folded = {candidate.casefold(): candidate for candidate in candidates}
    found = difflib.get_close_matches(name.casefold(), by_folded, n=1, cutoff=0.5)
    return by_folded[found[0]] if found else None


class MlsysError(Exception):
    """Base of all errors that are shown as one clear line.

    Parameters
    ----------
    message : str
        What is wrong and where.
    hint : str, optional
        What to do about it.
    """

    exit_code: ExitCode = ExitCode.FAILED

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        if hint:
            self.add_note(hint)  # a notebook shows it below the message

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy what is said, and not by the parameters of each class: workers send their errors pickled."""
        return type(self).__new__, (type(self), *self.args), self.__dict__


class UsageError(MlsysError):
    """The command line was used wrongly."""

    exit_code = ExitCode.USAGE


class SettingsError(MlsysError):
    """A setting cannot be used.

    Parameters
    ----------
    place : str
        Where the setting stands: a file, an environment variable or a flag.
    key : str
        Dotted name of the setting.
    problem : str
        What is wrong with it.
    hint : str, optional
        What to do about it.
    """

    def __init__(self, place: str, key: str, problem: str, *, hint: str = "") -> None:
        super().__init__(f"{place}: {key}: {problem}", hint=hint)
        self.place = place
        self.key = key


class InputError(MlsysError):
    """A file or a table cannot be used."""


class MissingFileError(InputError):
    """A file that was named does not exist."""

    def __init__(self, path: Path, role: str) -> None:
        flag = f"--{role} FILE" if role in _FLAGS else f"--table {role}=FILE"
        siblings = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        near = nearest(path.name, siblings)
        hint = f"did you mean {path.parent / near}?" if near else f"name the {role} file, for example {flag}"
        super().__init__(f"{path}: there is no such file ({role})", hint=hint)


class UnreadableFileError(InputError):
    """A file exists but cannot be read as what its name promises."""

    def __init__(
        self, path: object, why: str, *, hint: str = "expected CSV (also .gz, .zst) or Parquet"
    ) -> None:
        super().__init__(f"{path}: cannot be read: {why}", hint=hint)


class EmptyTableError(InputError):
    """A table has no rows."""

    def __init__(self, table: object) -> None:
        super().__init__(f"{table}: has no rows", hint="check the export: at least one data row is needed")


class MissingColumnError(InputError):
    """A table lacks a column that the schema names."""

    def __init__(self, table: Path | str, column: str, present: Sequence[str], *, hint: str = "") -> None:
        near = nearest(column, present)
        closest = f"nearest is {near!r}. " if near else ""
        super().__init__(
            f"{table}: column {column!r} is missing",
            hint=hint
            or f"found {', '.join(present) or 'nothing'}; {closest}"
            f'Rename it, or say what it is called, under [schema.columns]: {column} = "…".',
        )
        self.column = column


class RepeatedColumnError(InputError):
    """A table has two columns of the same name."""

    def __init__(self, table: Path | str, column: str) -> None:
        super().__init__(f"{table}: column {column!r} appears more than once", hint="keep one of them")


class LostConnectionError(InputError):
    """A database stopped answering while a table was read."""

    def __init__(self, where: str, said: str, rows: int) -> None:
        super().__init__(
            f"{where}: the connection was lost after {rows:,} rows: {said}",
            hint="nothing was stored: run the same command again",
        )


class TooManyRejectedError(InputError):
    """More of a table was rejected than the settings allow."""

    def __init__(
        self,
        table: str,
        rejected: int,
        read: int,
        limit: float,
        quarantine: Path,
        *,
        mostly: str = "",
        cause: str = "",
    ) -> None:
        super().__init__(
            f"{table}: {rejected:,} of {read:,} rows rejected ({rejected / read:.1%}), "
            f"more than ingest.max_rejected_share = {limit:.1%}" + (f": {mostly}" if mostly else ""),
            hint=f"the rows and reasons are in {quarantine}; {cause or 'fix the export or raise the limit'}",
        )


class NotEnoughDataError(MlsysError):
    """The data cannot carry what was asked of it."""


class ResolveError(MlsysError):
    """An import path in the settings leads nowhere."""


class EngineError(MlsysError):
    """Work that runs side by side: its workers died, have other code, or do not answer."""


class TrackingError(MlsysError):
    """An MLflow tracking address does not answer, or refuses what it was given.

    Parameters
    ----------
    why : Exception
        What MLflow said.
    """

    def __init__(self, address: str, why: Exception) -> None:
        reason = (str(why).strip().splitlines() or [type(why).__name__])[0]
        super().__init__(
            f"{address}: MLflow cannot log there: {reason}",
            hint="check the server and mlflow.tracking_uri; a folder may be named as well",
        )


class SnapshotError(MlsysError):
    """There is no such snapshot, or it does not verify."""


class StorageError(MlsysError):
    """The file system refused a write, and what was there before is still there."""


class UnwritableError(StorageError):
    """The file system is read-only, or this user may not write there."""


class ArtifactError(MlsysError):
    """There is no such model version, or what was asked of it cannot be done."""


class UnverifiedError(ArtifactError):
    """A version's files are not those that were registered.

    Parameters
    ----------
    place : Path or str
        The file, or the folder of the version.
    problem : str
        What is wrong with it.
    hint : str, optional
        What to do about it.
    """

    def __init__(
        self, place: Path | str, problem: str, *, hint: str = "restore the version's folder from a copy"
    ) -> None:
        super().__init__(f"{place}: {problem}", hint=hint)


class SchemaDriftError(ArtifactError):
    """A version was trained on features that this code does not produce any more."""


class AuditError(ArtifactError):
    """The audit trail was edited, or does not fit the registry.

    Parameters
    ----------
    problem : str
        The first record in error, and what is wrong with it.
    hint : str, optional
        What to do about it.
    """

    def __init__(self, path: Path, problem: str, *, hint: str = "") -> None:
        aside = "restore it from a copy; or move it and registry.json aside together, and register each "
        super().__init__(
            f"{path}: {problem}", hint=hint or f"{aside}version anew: mlsys accept VERSION --reason TEXT"
        )


class BusyError(ArtifactError):
    """Another process has been writing the registry for longer than we wait."""


class ChampionChangedError(ArtifactError):
    """Another version went into production while one was being judged."""

    def __init__(self, judged: str | None, found: str | None) -> None:
        super().__init__(
            f"{found or 'no version'} is in production now, and was not when the version was judged "
            f"against {judged or 'none'}",
            hint="promote again",
        )
