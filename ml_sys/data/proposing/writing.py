"""Write a proposal as a settings file, with a reason for each choice and for what is left out."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

import tomlkit

from ml_sys.settings.writing import literal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ml_sys.data.judging.drafts import TableDraft
    from ml_sys.data.proposing.proposal import Proposal

_WIDTH = 108
_ORDER = ("entities", "purchases", "links", "periods", "events")
_SETTINGS = {
    "ingest": ("Where the tables are", "ingest"),
    "usage": ("The period that usage is counted by", "usage"),
    "label": ("How many days ahead to predict", "horizon"),
    "panel": ("How often a training cutoff is taken", "step"),
}


def as_toml(proposal: Proposal, files: Sequence[str]) -> str:
    """Return the text of a settings file with a proposal."""
    return "\n".join(_lines(proposal, files)) + "\n"


def _lines(proposal: Proposal, files: Sequence[str]) -> Iterator[str]:
    yield from comment(f"What your tables mean, proposed by mlsys init {' '.join(files)}")
    yield from comment(
        "Read it, correct what is wrong, and run mlsys ingest --check. Only what is described here is read."
    )
    for note in proposal.notes:
        yield from comment(f"Note: {note}")
    yield ""
    yield from comment(proposal.why["words"])
    yield "[schema.words]"
    yield from _entries(proposal.words)
    for draft in sorted(proposal.drafts, key=lambda one: _ORDER.index(one.kind)):
        yield ""
        yield from _table(draft)
        yield from _left_out(proposal, {draft.name, draft.base.name})
    for name, described in proposal.attributes.items():
        yield ""
        yield from comment(proposal.why[name])
        yield f"[schema.attributes.{name}]"
        yield from _entries(described)
    named = {name for draft in proposal.drafts for name in (draft.name, draft.base.name)}
    yield from _left_out(proposal, {one.table for one in proposal.left} - named)
    for group, values in proposal.settings.items():
        title, why = _SETTINGS[group]
        yield ""
        yield from comment(f"{title}: {proposal.why[why]}")
        yield f"[{group}]"
        yield from _entries(values)


def _table(draft: TableDraft) -> Iterator[str]:
    yield from comment(f"{draft.base.table.location}: {draft.why.get('kind', draft.kind)}")
    yield f"[schema.tables.{draft.name}]"
    yield f'kind = "{draft.kind}"'
    yield f"file = {_text(draft.file())}"
    if draft.kind == "events" and "id" not in draft.roles:
        yield from comment("assigns each user to an entity")
        yield 'id = ""'
    for role, column in draft.roles.items():
        if draft.why.get(role):
            yield from comment(draft.why[role])
        yield f"{role} = {_text(column)}"
    if draft.dates:
        yield from comment("format of its dates")
        yield f"dates = {_text(draft.dates)}"
    if draft.all_converted:
        yield from comment("every row has this date")
        yield "all_converted = true"
    if draft.link:
        yield f"link = {_text(draft.link.name)}"
    for word in ("one", "many"):
        if draft.kind == "events" and word in draft.why:
            yield f"{word} = {_text(draft.why[word])}"
    inner = "measures" if draft.kind == "periods" else "amounts"
    for name, described in draft.measures.items():
        yield ""
        yield f"[schema.tables.{draft.name}.{inner}.{name}]"
        yield from _entries(described)


def _left_out(proposal: Proposal, tables: set[str]) -> Iterator[str]:
    left = dict.fromkeys((one.where, one.reason) for one in proposal.left if one.table in tables)
    if left:
        yield ""
        for where, reason in left:
            yield from comment(f"Left out: {where}: {reason}")


def _entries(values: Mapping[str, Any]) -> Iterator[str]:
    for name, value in values.items():
        yield (
            f"{tomlkit.key(name).as_string()} = {_text(value) if isinstance(value, str) else literal(value)}"
        )


def _text(text: str) -> str:
    """Write a text in TOML; a query, which contains quotes, as a literal."""
    if '"' in text and "'''" not in text and not text.endswith("'"):
        return f"'''{text}'''"
    return literal(text)


def comment(text: str) -> list[str]:
    """Wrap a text into comment lines."""
    return [f"# {line}" for line in textwrap.wrap(" ".join(text.split()), _WIDTH, break_long_words=False)]
