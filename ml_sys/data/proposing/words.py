"""Words for entities, their usage and their money, by the names of columns and tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ml_sys.data.proposing.identifiers import ENTITY_WORDS, nouns, singular

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ml_sys.data.judging.drafts import Draft

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


def plural(word: str) -> str:
    """Return several of a word.

    Examples
    --------
    >>> plural("company"), plural("student"), plural("person"), plural("class")
    ('companies', 'students', 'people', 'classes')
    """
    if word == "person":
        return "people"
    if word.endswith("y") and word[-2:-1] not in set("aeiou"):
        return word[:-1] + "ies"
    return word + ("es" if word.endswith(("s", "x", "ch", "sh")) else "s")


def entity(drafts: Sequence[Draft]) -> tuple[str, str]:
    """Return what an entity is called, and why."""
    led = [one for one in drafts if "id" in one.roles]
    for draft in led:
        column = draft.base.columns[draft.roles["id"]]
        found = sorted(nouns(column.name, column.words))
        if len(found) == 1 and draft.base.table.has_header:
            return found[0], f"from the column {column.name}"
    tables = [one for one in drafts if one.kind == "entities"]
    if len(tables) == 1:
        words = [singular(word) for word in tables[0].name.split("_") if word not in _SAYS_NOTHING]
        known = [word for word in words if word in ENTITY_WORDS]
        if known or len(words) == 1:
            return (known or words)[-1], f"from the table {tables[0].name}"
    return _DEFAULT, "no name of a table or column says more"


def words(drafts: Sequence[Draft]) -> tuple[dict[str, Any], str]:
    """Return the words of a description, and one line on them."""
    one, why = entity(drafts)
    found: dict[str, Any] = {"entity": {"one": one, "many": plural(one)}}
    if one == "user":
        found["user"] = {"one": "person", "many": "people"}
    value = next((draft.roles["value"] for draft in drafts if "value" in draft.roles), "")
    if value:
        found["value"] = value if value.isupper() else value.replace("_", " ")
    return found, f"one {one}, several {plural(one)}: {why}"


def events(draft: Draft) -> tuple[str, str]:
    """Return what an event of a table is called, by the table's name."""
    found = [
        word
        for word in draft.name.split("_")
        if word not in {"events", "event", "log", "logs", "table", "data"}
    ]
    last = singular(found[-1]) if found else "event"
    return ("event", "events") if last.endswith("ing") else (last, plural(last))
