"""Score a file of prospects as of a cutoff, and describe the resulting list."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa

from ml_sys.features.attributes import Attributes
from ml_sys.features.compute import feature_columns
from ml_sys.features.inputs import FeatureInputs
from ml_sys.form import PLAIN_WORDS
from ml_sys.scoring.cooldown import COOLING, WAITING, cooling_down, days_of, put_last
from ml_sys.scoring.excluded import groups_of_those_out, told_out
from ml_sys.scoring.ranking import REASON, best_first, ranked_list
from ml_sys.scoring.reasons import explain
from ml_sys.text import counted, date_of, with_article

if TYPE_CHECKING:
    from collections.abc import Collection

    from numpy.typing import NDArray

    from ml_sys.data.quarantine import Quarantine
    from ml_sys.features.compute import Columns
    from ml_sys.form import Words
    from ml_sys.scoring.prospects import Companies, ProspectUsage, Ready
    from ml_sys.scoring.reasons import Explained, Reason
    from ml_sys.scoring.scorer import Scorer

# What the features of attributes, and all others, add to the log-odds of a company.
SUBTOTALS = ("who_they_are", "what_they_do")
_SHOWN_LEVELS, _DIGITS = 3, 3


@dataclass(frozen=True)
class Asked:
    """What a list is asked to contain besides the ranking.

    Attributes
    ----------
    cutoff : int
        Day since 1970-01-01.
    stale_days : int
        Usage that ends longer than this before the cutoff is warned of.
    reasons : int
        Reasons of a company at most; 0 for none.
    reasons_top : int
        Companies at the top that they are given for.
    listed : dict of str to int, optional
        Day on which a company was last to be called, by id; None without a cool-down.
    cooldown_weeks : int
        See :func:`ml_sys.scoring.cooldown.cooling_down`.
    waiting : collection of str
        Ids of companies that are not to be drawn yet, and come last.
    excluded : collection of str
        Ids of companies that are taken out.
    paid_since : collection of str
        Ids of companies that have become customers after the cutoff, and are taken out as well.
    """

    version: str
    cutoff: int
    stale_days: int
    reasons: int = 0
    reasons_top: int = 0
    listed: dict[str, int] | None = None
    cooldown_weeks: int = 0
    waiting: Collection[str] = ()
    excluded: Collection[str] = ()
    paid_since: Collection[str] = ()


@dataclass(frozen=True)
class ScoredList:
    """A ranked list and facts about it.

    Attributes
    ----------
    table : DataFrame
        In the columns of :data:`ml_sys.scoring.ranking.COLUMNS`, best first. With a cool-down,
        ``listed_on`` says since when a company cools down, and those that do come last. With reasons,
        ``SUBTOTALS`` and one column for each, from ``reason_1``; empty below the top.
    input_order : ndarray of shape (n,), int64
        Rows of ``table`` in the order of the prospects file.
    notes, warnings : tuple of str
        What is worth knowing, and what to look into.
    quarantine : pyarrow.Table
        Rows that were not taken, each with its table, file, line and reason.
    reasons : tuple of lists of Reason
        Of the rows at the top of ``table``; empty where none were asked for.
    group : ndarray of shape (n,), object
        Why a row of ``table`` comes last: ``COOLING`` or ``WAITING``; empty for the others.
    excluded : DataFrame or None
        Id, probability, tier and group of those that were taken out.
    words : Words
    """

    table: pd.DataFrame
    input_order: Any
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    quarantine: pa.Table
    reasons: tuple[list[Reason], ...] = ()
    group: Any = None
    excluded: pd.DataFrame | None = None
    words: Words = PLAIN_WORDS


@dataclass(frozen=True)
class _Ranked:
    """Prospects to rank: ids and features of n of them, and all rows that were not taken."""

    ids: Any
    features: Columns
    prospects: Quarantine
    usage: Quarantine | None


def score_ready(scorer: Scorer, prospects: Ready, asked: Asked) -> ScoredList:
    """Score prospects whose features are given; usage is not needed."""
    features = {name: prospects.features[name].to_numpy() for name in scorer.spec.names()}
    return _list(scorer, _Ranked(prospects.ids, features, prospects.quarantine, None), asked, [], [])


def score_companies(
    scorer: Scorer,
    prospects: Companies,
    usage: ProspectUsage,
    asked: Asked,
    *,
    customers: dict[str, int],
) -> ScoredList:
    """Score prospects from attributes and usage complete by the cutoff.

    Parameters
    ----------
    prospects : Companies
        Of n companies.
    usage : ProspectUsage
        Of the same companies by position.
    customers : dict of str to int
        Closing day of companies known to be customers; those who closed before the cutoff are left out.
    """
    spec, frame, cutoff, words = scorer.spec, prospects.frame, asked.cutoff, scorer.spec.form.words
    entity, customer = words.entity, words.customer
    since = frame["since"].to_numpy(dtype=np.int32) if "since" in frame else None
    inputs = FeatureInputs.of(
        (usage.company, usage.stamp, usage.values),  # noqa: PD011 - no column of pandas
        Attributes.from_companies(frame, spec.form.attributes),
        spec,
        since,
    )
    log, notes, warnings = inputs.usage, [], []
    features = feature_columns(inputs, np.array([cutoff], dtype=np.int32), spec)
    if usage.strangers:
        belong = counted(usage.strangers, "usage row belongs", "usage rows belong")
        notes.append(f"{belong} to {entity.many} that are not in the list")
    complete = log.day <= cutoff
    seen = f"{np.unique(log.company[complete]).size:,} of {len(frame):,} prospects"
    notes.append(f"{seen} have usage complete by {date_of(cutoff)}")
    ends = int(log.day[complete].max(initial=np.iinfo(np.int32).min))
    if not complete.any():
        warnings.append(f"no usage is complete by {date_of(cutoff)}: the ranking rests on attributes alone")
    elif cutoff - ends > asked.stale_days:
        warnings.append(
            f"usage ends on {date_of(ends)}, {cutoff - ends} days before {date_of(cutoff)}: "
            f"every {entity.one} looks idle since; ingest newer usage or move --as-of"
        )
    is_customer = np.array([customers.get(name, cutoff) < cutoff for name in frame["id"]], dtype=bool)
    is_new, no_day = inputs.since >= cutoff, "did not exist for a day by"
    were_customers = (f"was {with_article(customer.one)} before", f"were {customer.many} before")
    for out, one, several in ((is_customer, *were_customers), (is_new, no_day, no_day)):
        if out.any():
            notes.append(f"{entity.counted(int(out.sum()), one, several)} {date_of(cutoff)}, and left out")
    keep = np.flatnonzero(~is_customer & ~is_new)
    features = {name: column[keep] for name, column in features.items()}
    ranked = _Ranked(frame["id"].to_numpy(object)[keep], features, prospects.quarantine, usage.quarantine)
    return _list(scorer, ranked, asked, notes, warnings)


def _list(scorer: Scorer, ranked: _Ranked, asked: Asked, notes: list[str], warnings: list[str]) -> ScoredList:
    ids, features, excluded = _taken_out(scorer, ranked, asked, notes)
    cutoff, entity = asked.cutoff, scorer.spec.form.words.entity
    for category in scorer.spec.categories():
        levels = unseen_levels(scorer, category, features[category])
        if levels:
            shown = ", ".join(list(levels)[:_SHOWN_LEVELS]) + ("…" if len(levels) > _SHOWN_LEVELS else "")
            have = counted(sum(levels.values()), "row has", "rows have")
            warnings.append(
                f"{category}: {have} a value that no training row had "
                f"({counted(len(levels), 'value')}: {shown})"
            )
    parts = [_rejects(ranked.prospects, "prospect", warnings, notes)]
    if ranked.usage is not None:
        parts.append(_rejects(ranked.usage, "usage row", warnings, notes))
    rows = scorer.rows(features)
    probability = scorer.probabilities(rows)
    listed_on = None if asked.listed is None else days_of(ids, asked.listed)
    group = _groups(ids, listed_on, asked)
    order: NDArray[np.integer] = put_last(best_first(probability), group != "")
    table = ranked_list(ids, probability, order, scorer, version=asked.version, cutoff=date_of(cutoff))
    if listed_on is not None:
        cooling = group == COOLING
        days = listed_on.astype("datetime64[D]").astype(str)
        table["listed_on"] = np.where(cooling, days, "")[order]
        if cooling.any():
            was = entity.counted(int(cooling.sum()), "was", "were")
            notes.append(f"{was} listed in the last {counted(asked.cooldown_weeks, 'week')}, and put last")
    if (group == WAITING).any():
        wait = entity.counted(int((group == WAITING).sum()), "waits", "wait")
        notes.append(f"{wait} for what comes of an earlier draw, and were put last")
    given = _explained(scorer, rows, features, order[: asked.reasons_top], asked.reasons)
    _tell_reasons(table, given, min(asked.reasons, len(scorer.spec.names())))
    return ScoredList(
        table=table,
        input_order=np.argsort(order, kind="stable"),
        notes=tuple(notes),
        warnings=tuple(warnings),
        quarantine=pa.concat_tables(parts),
        reasons=tuple(one.reasons for one in given),
        group=group[order],
        excluded=excluded,
        words=scorer.spec.form.words,
    )


def _taken_out(
    scorer: Scorer, ranked: _Ranked, asked: Asked, notes: list[str]
) -> tuple[NDArray[np.object_], Columns, pd.DataFrame | None]:
    """Return ids and features without the companies that are taken out, and what these would have been."""
    ids, features = ranked.ids, ranked.features
    group = groups_of_those_out(ids, asked.excluded, asked.paid_since)
    out = group != ""
    if not out.any():
        return ids, features, None
    notes += told_out(group, date_of(asked.cutoff), scorer.spec.form.words)
    probability = scorer.probabilities(scorer.rows({name: column[out] for name, column in features.items()}))
    tier = scorer.tiers.of(probability)
    gone = pd.DataFrame({"id": ids[out], "probability": probability, "tier": tier, "group": group[out]})
    return ids[~out], {name: column[~out] for name, column in features.items()}, gone


def _groups(
    ids: NDArray[np.object_], listed_on: NDArray[np.int32] | None, asked: Asked
) -> NDArray[np.object_]:
    """Return why each company is put last; empty for the others."""
    group = np.full(len(ids), "", dtype=object)
    if listed_on is not None:
        group[cooling_down(listed_on, asked.cutoff, asked.cooldown_weeks)] = COOLING
    if asked.waiting:
        group[np.fromiter((one in asked.waiting for one in ids), dtype=bool, count=len(ids))] = WAITING
    return group


def _explained(
    scorer: Scorer, rows: NDArray[np.float32], features: Columns, chosen: NDArray[np.integer], top: int
) -> tuple[Explained, ...]:
    """Explain some rows."""
    if not top:
        return ()
    told = ((rows[at : at + 1], {name: column[at] for name, column in features.items()}) for at in chosen)
    return tuple(explain(scorer, row, values, top) for row, values in told)


def _tell_reasons(table: pd.DataFrame, given: tuple[Explained, ...], most: int) -> None:
    """Put reasons and their subtotals beside the companies at the top; the others have none."""
    if not most:
        return
    below = len(table) - len(given)
    for name in SUBTOTALS:
        table[name] = [round(getattr(one, name), _DIGITS) for one in given] + [np.nan] * below
    for number in range(1, most + 1):
        told = [
            f"{one.reasons[number - 1].direction}: {one.reasons[number - 1].text}"
            if number <= len(one.reasons)
            else ""
            for one in given
        ]
        table[f"{REASON}{number}"] = told + [""] * below


def unseen_levels(scorer: Scorer, category: str, column: NDArray[np.object_]) -> dict[str, int]:
    """Count category values that no training row had, most frequent first."""
    counts = Counter(level for level in column.tolist() if isinstance(level, str))
    return {level: n for level, n in counts.most_common() if not scorer.is_known(category, level)}


def _rejects(quarantine: Quarantine, what: str, warnings: list[str], notes: list[str]) -> pa.Table:
    for table in quarantine.tables:
        warnings += quarantine.told_blanked(table, f"{what}s")
        for found, told in ((quarantine.rejected(table), warnings), (quarantine.merged(table), notes)):
            if found:
                reasons = ", ".join(f"{reason} ({n:,})" for reason, n in found.items())
                told.append(f"{counted(sum(found.values()), what)} not taken: {reasons}")
    return quarantine.to_table()
