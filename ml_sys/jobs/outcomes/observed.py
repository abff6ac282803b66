"""Gather what a monitoring compares: an export, its free companies, and those a version was judged on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa

from ml_sys.data.ingest_counts import IngestCounts, ingest_counts
from ml_sys.data.schema import NEVER_BEGAN, NONCUSTOMERS
from ml_sys.data.snapshot import Everyone, Snapshot
from ml_sys.errors import UsageError
from ml_sys.features.attributes import Attributes, category_names, number_name, telling_blanks
from ml_sys.features.compute import feature_columns
from ml_sys.features.inputs import FeatureInputs
from ml_sys.jobs.outcomes.pieces import HERE, over_pairs, over_pieces
from ml_sys.outcomes.arrival import (
    Again,
    Export,
    arrived,
    checks_of_arrival,
    checks_of_history,
    found_again,
    row_checks,
)
from ml_sys.outcomes.populations import BLANK, Population, level_text
from ml_sys.scoring.from_snapshot.free import are_free, usage_in
from ml_sys.scoring.prospects import Ready, read_prospects

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from ml_sys.engine.mapping import Engine
    from ml_sys.engine.places import Place
    from ml_sys.features.compute import Columns, FeatureSpec
    from ml_sys.form import Form
    from ml_sys.jobs.outcomes.pieces import Data
    from ml_sys.outcomes.monitoring import Check, Limits
    from ml_sys.scoring.scorer import Scorer
    from ml_sys.settings import SchemaSettings

_WEEK = 7
_BUCKETS = 2**32


@dataclass(frozen=True)
class Prospects:
    """Companies to score today and, if they come from a file, its table and the rows read and merged.

    Without a table they are all free companies of the data.
    """

    frame: pd.DataFrame | None
    read: int | None = None
    rejected: int = 0
    merged: int = 0


def prospects_of(data: Data, cutoff: int) -> Prospects:
    """Return the companies of data that are free at a cutoff."""
    if isinstance(data, Everyone):
        return Prospects(None)
    return Prospects(data.companies[are_free(data, cutoff)])


def number_of(prospects: Prospects, data: Data, cutoff: int) -> int:
    """Return how many prospects there are."""
    return int(are_free(data, cutoff).sum()) if prospects.frame is None else len(prospects.frame)


def prospects_in(
    path: Place, schema: SchemaSettings, spec: FeatureSpec, data: Data, cutoff: int
) -> Prospects:
    """Read a file of prospects, without companies that were customers by a cutoff.

    Raises
    ------
    UsageError
        If it contains ready features, which do not show the inputs.
    """
    read = read_prospects(path, schema, spec)
    if isinstance(read, Ready):
        raise UsageError(
            f"{path}: contains ready features, so its inputs cannot be checked",
            hint=spec.form.words.spoken(
                "give a file like the noncustomers, or none for the companies of the latest snapshot"
            ),
        )
    counts = (sum(one(NONCUSTOMERS).values()) for one in (read.quarantine.rejected, read.quarantine.merged))
    had_paid = data.closed < cutoff
    paid = set(data.companies["id"][had_paid] if isinstance(data, Snapshot) else data.named(had_paid))
    return Prospects(read.frame[~read.frame["id"].isin(paid)], read.read, *counts)


def counts_of(data: Data, prospects: Prospects | None = None) -> IngestCounts:
    """Return the rows that an ingest read, with those of a file of prospects in place of the others."""
    counts = ingest_counts(data.path)
    if prospects is None or prospects.read is None:
        return counts
    return IngestCounts(
        {**counts.read, NONCUSTOMERS: prospects.read},
        {**counts.rejected, NONCUSTOMERS: prospects.rejected},
        {**counts.merged, NONCUSTOMERS: prospects.merged},
    )


def export_of(snapshot: Snapshot, spec: FeatureSpec) -> Export:
    """Return the export in a snapshot, or in a part of one."""
    return Export(
        snapshot.companies["id"].to_numpy(dtype=object),
        _about(snapshot.companies, spec.form),
        snapshot.usage_company,
        spec.period.complete_on(snapshot.usage_stamp),
        snapshot.usage_values,
    )


def usage_checks_of(
    data: Data, spec: FeatureSpec, day: int, limits: Limits, engine: Engine = HERE
) -> list[Check]:
    """Check that usage has come; see :func:`ml_sys.outcomes.arrival.checks_of_arrival`."""
    stamps = spec.period.complete_on(data.usage_stamp)
    ends = int(stamps.max()) if stamps.size else None
    counts = over_pieces(partial(_arrived, spec=spec, ends=ends), data, engine)
    return checks_of_arrival(ends, counts, day, spec.period, limits)


def _arrived(
    piece: Snapshot, _position: NDArray[np.int32], *, spec: FeatureSpec, ends: int | None
) -> NDArray[np.int64]:
    return arrived(export_of(piece, spec), ends, spec.period)


def earlier_checks_of(
    latest: Data,
    then: Data,
    prospects: Prospects,
    spec: FeatureSpec,
    limits: Limits,
    engine: Engine = HERE,
) -> list[Check]:
    """Check that what was there then is there now; see `row_checks` and `checks_of_history` of arrival."""
    checks = row_checks(counts_of(latest, prospects), counts_of(then), limits)
    again = over_pairs(partial(_found_again, spec=spec), then, latest, engine)
    return [*checks, *checks_of_history(again, limits)]


def _found_again(theirs: Snapshot, ours: Snapshot, asked: NDArray[np.bool_], *, spec: FeatureSpec) -> Again:
    return found_again(export_of(ours, spec), export_of(theirs, spec), asked)


def features_of(prospects: Prospects, snapshot: Snapshot, cutoff: int, spec: FeatureSpec) -> Columns:
    """Compute the features of prospects at a cutoff from the usage in a snapshot."""
    frame = prospects_of(snapshot, cutoff).frame if prospects.frame is None else prospects.frame
    assert frame is not None  # noqa: S101 - a snapshot in memory gives a table
    ids = pa.array(frame["id"], pa.string())
    inputs = FeatureInputs.of(
        usage_in(snapshot, ids, spec, np.arange(len(ids))),
        Attributes.from_companies(frame, spec.form.attributes),
        spec,
        _since_of(frame["id"], snapshot),
    )
    return feature_columns(inputs, np.array([cutoff], dtype=np.int32), spec)


@dataclass(frozen=True)
class Scored:
    """Companies at cutoffs with their features and probabilities; n rows."""

    ids: NDArray[np.object_]
    cutoff: NDArray[np.int32]
    columns: Mapping[str, NDArray[Any]]
    probability: NDArray[np.float64]


def population(
    scored: Scored, scorer: Scorer, data: Data, weeks: int, share: float, engine: Engine = HERE
) -> Population:
    """Return the population of scored companies.

    Parameters
    ----------
    data : Snapshot or Everyone
        The source of their usage.
    weeks : int
        Weeks of usage before each cutoff to look at.
    share : float
        Share of the companies to look at.
    engine : Engine
        Where parts of the data are worked on.
    """
    ids, cutoff, columns, form = scored.ids, scored.cutoff, scored.columns, scorer.spec.form
    kept = sampled(ids, share)
    who = {int(one): frozenset(ids[kept & (cutoff == one)].tolist()) for one in np.unique(cutoff)}
    usage_company, measures = _usage(data, who, scorer.spec, weeks, engine)
    last = kept & (cutoff == cutoff.max(initial=0))
    levels = {
        name: np.array([level_text(value) for value in columns[name][last].tolist()], dtype=object)
        for name in category_names(form.attributes)
        if name in columns
    }
    numbers = []
    for one in form.attributes:
        if one.kind in {"category", "range"}:
            continue
        numbers += [number_name(one), *([one.none_feature] if one.none is not None else [])]
    blank = {
        told: levels[name] == BLANK if name in levels else np.isnan(columns[name][last])
        for told, name in telling_blanks(form.attributes, columns).items()
    }
    return Population(
        usage_company,
        measures,
        ids[last],
        {name: columns[name][last] for name in numbers if name in columns},
        levels,
        blank,
        {name: _unseen(scorer, name, column) for name, column in levels.items()},
        ids[kept],
        cutoff[kept],
        scored.probability[kept],
    )


def sampled(ids: NDArray[np.object_], share: float) -> NDArray[np.bool_]:
    """Flag the companies to look at: a share of them, always the same ones."""
    if share >= 1:
        return np.ones(ids.size, dtype=np.bool_)
    hashed = pd.util.hash_array(ids.astype(str).astype(object)) % _BUCKETS
    kept: NDArray[np.bool_] = hashed < share * _BUCKETS
    return kept


def _unseen(scorer: Scorer, name: str, column: NDArray[np.object_]) -> NDArray[np.bool_]:
    known = {level: level == BLANK or scorer.is_known(name, level) for level in set(column.tolist())}
    return np.array([not known[level] for level in column.tolist()], dtype=np.bool_)


def _usage(
    data: Data, who: dict[int, frozenset[str]], spec: FeatureSpec, weeks: int, engine: Engine
) -> tuple[NDArray[np.object_], dict[str, NDArray[Any]]]:
    """Return the usage rows of companies in the weeks before cutoffs, by cutoff and company."""
    names = data.form.measure_names
    found = over_pieces(partial(_recent, who=who, spec=spec, weeks=weeks), data, engine) if who else []
    every = [one for part in found for one in part]
    if not every:
        return np.empty(0, dtype=object), {name: np.empty(0, dtype=np.int64) for name in names}
    companies, values, keys = zip(*every, strict=True)
    order = np.lexsort(np.concatenate(keys, axis=1)[::-1])
    together = np.concatenate(values)[order]
    return np.concatenate(companies)[order], {name: together[:, at] for at, name in enumerate(names)}


def _recent(
    piece: Snapshot,
    position: NDArray[np.int32],
    *,
    who: dict[int, frozenset[str]],
    spec: FeatureSpec,
    weeks: int,
) -> list[tuple[NDArray[np.object_], NDArray[np.int64], NDArray[np.int64]]]:
    """Return ids, values and places of usage rows in the weeks before each cutoff."""
    ids = piece.companies["id"].to_numpy(dtype=object)
    day, found = spec.period.complete_on(piece.usage_stamp), []
    for at, (cutoff, asked) in enumerate(who.items()):
        is_one = np.array([name in asked for name in ids.tolist()], dtype=np.bool_)
        recent = (day > cutoff - _WEEK * weeks) & (day <= cutoff)
        chosen = np.flatnonzero(recent & is_one[piece.usage_company])
        company = piece.usage_company[chosen]
        places = np.stack((np.full(company.size, at), position[company]))
        found.append((ids[company], piece.usage_values[chosen].astype(np.int64), places))
    return found


def _about(companies: pd.DataFrame, form: Form) -> NDArray[np.object_]:
    """Return the attributes of companies that hardly change."""
    texts = [one.name for one in form.attributes if one.kind in {"category", "range", "ordered"}]
    about = np.full(len(companies), "", dtype=object)
    for at, name in enumerate(texts):
        said = companies[name].fillna("").astype(str).to_numpy(dtype=object)
        about = said if not at else about + "\n" + said
    return about


def _since_of(ids: pd.Series, snapshot: Snapshot) -> NDArray[np.int32]:
    """Return the first day of each company; companies that the snapshot does not know have always existed."""
    at = pd.Index(snapshot.companies["id"]).get_indexer(pd.Index(ids))
    since: NDArray[np.int32] = np.where(at >= 0, snapshot.since[at], NEVER_BEGAN).astype(np.int32)
    return since
