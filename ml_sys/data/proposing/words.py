"""Choose words for entities, their usage and their money from the names of columns and tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ml_sys.data.proposing.identifiers import ENTITY_WORDS, ID_WORDS, nouns, singular
from ml_sys.text import plural

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ml_sys.data.judging.drafts import TableDraft

_SAYS_NOTHING = {
    "info",
    "data",
    "table",
    "export",
    "all",
    "list",
    "profile",
    "details",
    "dim",
    "raw",
    "base",
    "new",
    "old",
}
_DEFAULT = "account"


def entity(drafts: Sequence[TableDraft]) -> tuple[str, str]:
    """Return the word for an entity, and why."""
    led = [one for one in drafts if "id" in one.roles]
    for draft in led:
        column = draft.base.columns[draft.roles["id"]]
        found = sorted(nouns(column.name, column.words) - {"distinct", "pseudo", "anonymous"})
        is_named = bool(set(column.words) & ID_WORDS) or column.name.casefold().endswith("id")
        if len(found) == 1 and draft.base.table.has_header and (is_named or set(found) & ENTITY_WORDS):
            return found[0], f"from the column {column.name}"
    tables = [one for one in drafts if one.kind == "entities"]
    if len(tables) == 1:
        name = tables[0].name if tables[0].base.name.isascii() else tables[0].base.name
        words = [singular(word) for word in name.split("_") if word not in _SAYS_NOTHING]
        known = [word for word in words if word in ENTITY_WORDS]
        if known or len(words) == 1:
            return (known or words)[-1], f"from the table {tables[0].name}"
    return _DEFAULT, "no table or column name is more specific"


def words(drafts: Sequence[TableDraft]) -> tuple[dict[str, Any], str]:
    """Return the words of a description, and one line on why."""
    one, why = entity(drafts)
    found: dict[str, Any] = {"entity": {"one": one, "many": plural(one)}}
    if one == "user":
        found["user"] = {"one": "person", "many": "people"}
    elif (who := _users(drafts)) not in {"", one, "user"}:
        found["user"] = {"one": who, "many": plural(who)}
    value = next((draft.roles["value"] for draft in drafts if "value" in draft.roles), "")
    if value:
        found["value"] = value if value.isupper() else value.replace("_", " ")
    return found, f"one {one}, several {plural(one)}: {why}"


def _users(drafts: Sequence[TableDraft]) -> str:
    """Return the word for those that use an entity's account, such as member or device; empty if unknown."""
    columns = [draft.base.columns[draft.roles["user"]] for draft in drafts if "user" in draft.roles]
    found = {word for column in columns for word in nouns(column.name, column.words)}
    return found.pop() if len(found) == 1 else ""


def events(draft: TableDraft) -> tuple[str, str]:
    """Return the singular and the plural for events of a table, from the table's name."""
    found = [
        word
        for word in draft.name.split("_")
        if word not in {"events", "event", "log", "logs", "table", "data"}
    ]
    last = singular(found[-1]) if found and draft.base.name.isascii() else "event"
    return ("event", "events") if last.endswith("ing") else (last, plural(last))
