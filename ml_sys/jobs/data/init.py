"""Propose a description of files and write it as a settings file; check an existing one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ml_sys.data.looking.names import is_latin
from ml_sys.data.proposing.answers import Answers, Asker, LeftOut
from ml_sys.data.proposing.proposal import propose
from ml_sys.data.proposing.writing import as_toml
from ml_sys.durable import write_file
from ml_sys.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from ml_sys.data.ingest_report import IngestReport


@dataclass(frozen=True)
class Described:
    """A table of a proposal.

    Attributes
    ----------
    why : str
        Why it is of this kind.
    """

    name: str
    kind: str
    location: str
    why: str


@dataclass(frozen=True)
class Initiated:
    """A proposal that was written.

    Attributes
    ----------
    out : Path
        The settings file.
    entities, converters, first_day : int
        Number of entities, of those that converted, and of those that converted on their first day.
    """

    out: Path
    tables: tuple[Described, ...]
    attributes: tuple[str, ...]
    left_out: tuple[LeftOut, ...]
    notes: tuple[str, ...]
    entities: int
    converters: int
    first_day: int
    ingested: IngestReport | None = None


def describe_files(
    files: Sequence[str],
    out: Path,
    answers: Answers,
    *,
    force: bool = False,
    ask: Callable[[str, list[str]], str] | None = None,
    on_step: Callable[[str], None] = lambda _: None,
) -> Initiated:
    """Propose a description of files and write it.

    Parameters
    ----------
    out : Path
        The settings file to write.
    force : bool
        Whether to replace an existing file.
    ask : callable, optional
        Asks the user what the files do not show, at most three times; without it, that is an error.

    Raises
    ------
    UsageError
        If the settings file exists already.
    InputError
        If a file cannot be read, or does not show what is needed.
    """
    if out.exists() and not force:
        raise UsageError(
            f"{out} exists already", hint="choose another file with --out FILE, or replace it with --force"
        )
    made = propose(files, answers, Asker(ask), on_step=on_step)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_file(out, as_toml(made, files).encode())
    return Initiated(
        out,
        tuple(
            Described(one.name, one.kind, one.base.table.location, one.why.get("kind", ""))
            for one in made.drafts
        ),
        tuple(_called(name, str(one["column"])) for name, one in made.attributes.items()),
        tuple(made.left),
        tuple(made.notes),
        made.known.entities,
        made.known.converters,
        made.known.first_day,
    )


def _called(name: str, column: str) -> str:
    """Return the name of an attribute, with that of its column if it is in another alphabet."""
    return name if is_latin(column) else f"{name} ({column})"
