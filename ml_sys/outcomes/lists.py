"""A handed-out list, its companies, and the outcome of each."""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Literal

from ml_sys.errors import UsageError
from ml_sys.text import date_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import pandas as pd

_ID_DIGITS = 8

Came = Literal["paid", "not paid", "not yet known", "not in the data"]


@dataclass(frozen=True)
class HandedOutList:
    """A list that was handed out.

    Attributes
    ----------
    list_id : str
        Its cutoff, and a digest of what it was made from, apart from the draw.
    cutoff : int
        Day since 1970-01-01.
    version : str
        The version that ranked it, or a rule in the form of :func:`ml_sys.text.rule_version`.
    made_at : str
        When it was first handed out, in ISO 8601, UTC.
    settings_digest : str
        Of the settings that lists depend on.
    horizon_days : int
        Of the version: a company counts as converted if it pays within this many days from the cutoff.
    capacity : int
        Number of calls that it was made for.
    design : {"none", "lottery", "holdout"}
        How the companies to call were drawn.
    seed : int
        Of the draw, beside ``list_id``.
    prospects : int
        Companies that were ranked.
    expected : float
        Conversions expected among all of them; 0 for a list by a rule, which promises nothing.
    recorded : int
        Companies with an entry in the store.
    replaced_by : str or None
        The list that replaced it.
    reason : str
        Why it replaced another one; empty if it did not.
    """

    list_id: str
    cutoff: int
    version: str
    made_at: str
    settings_digest: str
    horizon_days: int
    capacity: int
    design: str
    seed: int
    prospects: int
    expected: float
    recorded: int
    replaced_by: str | None = None
    reason: str = ""

    def is_mature(self, as_of: int) -> bool:
        """Return whether data up to this day cover the list's whole window."""
        return self.cutoff + self.horizon_days <= as_of


@dataclass(frozen=True)
class ListEntry:
    """A company on a list.

    Attributes
    ----------
    entity_id : str
    rank : int
        From 1; 0 for a company that was taken out.
    probability : float
        0 on a list by a rule, which has no probabilities.
    tier : str
    selected : bool
        Whether it is to be called.
    inclusion_probability : float
        Probability of being drawn; without a draw, 1 for companies that are called and 0 for the others.
    group : str
        Its group in the draw; ``excluded`` or ``paid since`` for companies that were taken out; ``cooling``
        or ``waiting`` for those that are ranked last; or empty.
    waits_until : int or None
        Day before which it is not drawn again.
    reasons : tuple of dict
        Text, direction, contribution and features of each.
    """

    entity_id: str
    rank: int
    probability: float
    tier: str
    selected: bool
    inclusion_probability: float
    group: str = ""
    waits_until: int | None = None
    reasons: tuple[dict[str, Any], ...] = ()


def list_id_of(cutoff: int, version: str, settings_digest: str, ranked: Iterable[pd.DataFrame]) -> str:
    """Return the id of a list: equal for the same ranking by the same version under the same settings.

    Parameters
    ----------
    cutoff : int
    version, settings_digest : str
    ranked : iterable of DataFrame
        Its pages, with the columns ``id``, ``probability`` and ``group``.
    """
    digest = sha256(json.dumps([cutoff, version, settings_digest]).encode())
    for page in ranked:
        for row in zip(page["id"], page["probability"].astype(float), page["group"], strict=True):
            digest.update(json.dumps(row).encode())
    return f"{date_of(cutoff)}-{digest.hexdigest()[:_ID_DIGITS]}"


def storable(text: str) -> str:
    """Escape characters that no database can hold: lone surrogates, and NUL."""
    if text.isascii() and "\0" not in text:
        return text
    return text.encode("utf-8", "backslashreplace").decode("utf-8").replace("\0", "\\x00")


def digest_of(settings: Mapping[str, Any]) -> str:
    """Return the digest of settings, as plain data."""
    return sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[: 2 * _ID_DIGITS]


def what_came(closed: int | None, listed: HandedOutList, as_of: int) -> Came:
    """Return the outcome of a company on a list, by data up to a day.

    Parameters
    ----------
    closed : int or None
        Day on which it became a customer; None if the data do not contain the company.
    listed : HandedOutList
    as_of : int
    """
    if closed is None:
        return "not in the data"
    if listed.cutoff <= closed < min(listed.cutoff + listed.horizon_days, as_of + 1):
        return "paid"
    return "not paid" if listed.is_mature(as_of) else "not yet known"


def called(entries: Sequence[ListEntry]) -> tuple[ListEntry, ...]:
    """Return the companies to call, in calling order."""
    return tuple(sorted((one for one in entries if one.selected), key=lambda one: one.rank))


class OtherListError(UsageError):
    """Another list for the same day was handed out."""

    def __init__(self, ours: HandedOutList, there: HandedOutList) -> None:
        super().__init__(
            f"another list of {date_of(ours.cutoff)} was handed out: {there.list_id} "
            f"(version {there.version})",
            hint=f"see it with mlsys lists show {date_of(ours.cutoff)}; to replace it, give "
            '--replace --reason "…"',
        )
