"""Sample a large panel for training: every positive row, and one in n of the others.

Whether a row is drawn depends on what its company looked like at the cutoff: its attributes and the usage
complete by then. Its id, the order of the rows and anything later play no part. So draws stay the same as
data grow, and a smaller sample is part of any larger one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ml_sys.data.schema import NEVER_CLOSED
from ml_sys.features.usage_digests import mixed, usage_digests
from ml_sys.features.windows import BLOCK_COMPANIES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from ml_sys.features.inputs import FeatureInputs, InputPart, Inputs
    from ml_sys.features.windows import UsageLog

# 2^64 divided by the golden ratio. A company that looks the same from one cutoff to the next moves on by it,
# so that of any stretch of its rows about as many are drawn as are due, and companies that look alike are
# drawn together, but not at every cutoff.
_STEP = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class Draws:
    """How to draw rows.

    Attributes
    ----------
    one_in : int
        Draw one in this many negative rows; see :func:`one_in`.
    step_days : int
        Days between cutoffs.
    seed : int
        Different seeds draw different rows.
    """

    one_in: int
    step_days: int
    seed: int


@dataclass(frozen=True)
class Sample:
    """The rows of a panel to train on.

    Attributes
    ----------
    company, cutoff : ndarray of shape (n_rows,), int32
    label : ndarray of shape (n_rows,), bool
    others : int
        Number of negative rows in the whole panel.
    """

    company: NDArray[np.int32]
    cutoff: NDArray[np.int32]
    label: NDArray[np.bool_]
    others: int

    @property
    def weight(self) -> NDArray[np.float64]:
        """Number of rows of the whole panel that each stands for, float64 of shape (n_rows,)."""
        return np.where(self.label, 1.0, self.others / max(int((~self.label).sum()), 1))


def labels(
    closed: NDArray[np.int32],
    cutoffs: NDArray[np.int32],
    horizon_days: int,
    since: NDArray[np.int32] | None = None,
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return, for every (company, cutoff), whether it is a prospect and whether it converts.

    A prospect has existed for a whole day and has not converted. So a company that converts on its first day
    is never a prospect.

    Parameters
    ----------
    closed : ndarray of shape (n_companies,), int32
        Day on which each became a customer; ``NEVER_CLOSED`` where it did not.
    cutoffs : ndarray of shape (n_cutoffs,), int32
    since : ndarray of shape (n_companies,), int32, optional
        Day on which each began to exist; ``NEVER_BEGAN`` where that is not known.

    Returns
    -------
    prospect, label : ndarray of shape (n_companies, n_cutoffs), bool
    """
    day = closed.astype(np.int64)[:, None]
    prospect = day >= cutoffs
    if since is not None:
        prospect &= since[:, None] < cutoffs
    return prospect, prospect & (day < cutoffs.astype(np.int64) + horizon_days)


def count_rows(
    closed: NDArray[np.int32],
    cutoffs: NDArray[np.int32],
    horizon_days: int,
    since: NDArray[np.int32] | None = None,
) -> tuple[int, int]:
    """Return the number of rows and of positive rows in a whole panel; arguments as for :func:`labels`."""
    if since is not None:
        # Companies that converted before they had existed for a day are in no panel.
        there = closed > since
        closed, since = closed[there], since[there]
    day = np.sort(closed.astype(np.int64))
    begin = cutoffs.astype(np.int64)
    gone, soon = np.searchsorted(day, begin), np.searchsorted(day, begin + horizon_days)
    rows, positives = int((day.size - gone).sum()), int((soon - gone).sum())
    if since is None:
        return rows, positives
    began = np.sort(since.astype(np.int64))
    rows -= int((began.size - np.searchsorted(began, begin)).sum())
    closers = closed != NEVER_CLOSED
    first, last = since[closers].astype(np.int64), closed[closers].astype(np.int64)
    # Converts in the window of a cutoff by which it did not exist yet.
    early = sum(int(((first >= one) & (last < one + horizon_days)).sum()) for one in begin.tolist())
    return rows, positives - early


def one_in(positives: int, others: int, *, negatives_per_positive: int, max_rows: int) -> int:
    """Return n, if one in n negative rows is used for training; 1 if the whole panel is used.

    Parameters
    ----------
    positives, others : int
        Numbers of positive and negative rows in the whole panel.
    negatives_per_positive : int
        Of a sample; fewer if it would have more than ``max_rows`` rows, but at least one.
    max_rows : int
        A panel with more rows is sampled.
    """
    if positives + others <= max_rows:
        return 1
    wanted = max(min(negatives_per_positive * positives, max_rows - positives), positives, 1)
    return max(1, -(-others // wanted))


def draw(
    inputs: Inputs,
    closed: NDArray[np.int32],
    cutoffs: NDArray[np.int32],
    horizon_days: int,
    how: Draws,
    among: NDArray[np.bool_],
) -> Sample:
    """Draw the rows to train on, without computing features.

    Parameters
    ----------
    inputs : Inputs
        Of n_companies companies.
    closed : ndarray of shape (n_companies,), int32
    cutoffs : ndarray of shape (n_cutoffs,), int32
        Strictly ascending.
    among : ndarray of shape (n_companies,), bool
        Companies whose rows may be drawn.
    """
    found: list[tuple[Any, Any, Any, int]] = []
    drawn = partial(_drawn, _Everyone(closed, inputs.since, among), cutoffs, horizon_days, how)
    inputs.each(drawn, found.append)
    companies, columns, converts, others = zip(*found, strict=True)
    company, column = np.concatenate(companies), np.concatenate(columns)
    order = np.lexsort((column, company))
    return Sample(company[order], cutoffs[column[order]], np.concatenate(converts)[order], sum(others))


def by_content(inputs: Inputs, closed: NDArray[np.int32], cutoff: int) -> NDArray[np.intp]:
    """Return the companies in an order that depends on their content at a cutoff, not on their ids."""
    at = np.array([cutoff], dtype=np.int32)
    content = np.empty(closed.size, dtype=np.uint64)

    def keep(found: tuple[NDArray[np.int32], NDArray[np.uint64]]) -> None:
        content[found[0]] = found[1]

    inputs.each(partial(_contents, at), keep)
    return np.lexsort((closed, content))


@dataclass(frozen=True)
class _Everyone:
    """What labels and draws depend on, of all companies; see :func:`draw`."""

    closed: NDArray[np.int32]
    since: NDArray[np.int32]
    among: NDArray[np.bool_]


def _drawn(
    every: _Everyone, cutoffs: NDArray[np.int32], horizon_days: int, how: Draws, part: InputPart
) -> Iterator[tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.bool_], int]]:
    """Yield companies, places of cutoffs and labels of rows that are drawn, and how many others there are."""
    moved = (cutoffs // how.step_days).astype(np.uint64) * _STEP
    drawn = np.uint64((2**64 - 1) // how.one_in)
    key = mixed(np.array([how.seed], dtype=np.uint64))
    for whose, own, usage in _blocks(part):
        prospect, label = labels(every.closed[whose], cutoffs, horizon_days, every.since[whose])
        place = mixed((own ^ key)[:, None] ^ usage_digests(usage, cutoffs)) + moved
        prospect &= every.among[whose][:, None]
        rows, at = np.nonzero(prospect & (label | (place <= drawn)))
        yield whose[rows], at.astype(np.int32), label[rows, at], int((prospect & ~label).sum())


def _contents(
    cutoff: NDArray[np.int32], part: InputPart
) -> Iterator[tuple[NDArray[np.int32], NDArray[np.uint64]]]:
    """Yield companies, and a digest of what each looked like at a cutoff."""
    for whose, own, usage in _blocks(part):
        yield whose, mixed(own ^ usage_digests(usage, cutoff)[:, 0])


def _blocks(part: InputPart) -> Iterator[tuple[NDArray[np.int32], NDArray[np.uint64], UsageLog]]:
    """Yield companies in blocks: positions among all, digests of their attributes, their usage."""
    own, start = _entity_digests(part.inputs), 0
    for usage in part.inputs.usage.blocks(BLOCK_COMPANIES):
        block = slice(start, start + usage.n_companies)
        start = block.stop
        yield part.companies[block], own[block], usage


def _entity_digests(inputs: FeatureInputs) -> NDArray[np.uint64]:
    """Return a digest of each entity's attributes and first day."""
    columns = dict(enumerate(inputs.attributes.columns))
    if inputs.form.has_since:
        columns[len(columns)] = inputs.since
    if not columns:
        return np.zeros(inputs.attributes.n_companies, dtype=np.uint64)
    hashed: Any = pd.util.hash_pandas_object(pd.DataFrame(columns), index=False).to_numpy(dtype=np.uint64)
    digests: NDArray[np.uint64] = hashed
    return digests
