"""Panels: which companies are included at which cutoffs, and their outcomes.

A company that became a customer before a cutoff, or does not exist for a day by then, is not in the panel at
it; one that will become a customer later is, as an ordinary negative until its window opens.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ml_sys.features.rows import Rows
from ml_sys.features.sampling import labels
from ml_sys.features.windows import NEVER

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ml_sys.features.compute import FeatureSpec
    from ml_sys.features.known import KnownFeatures
    from ml_sys.features.sampling import Sample


@dataclass(frozen=True)
class Panel:
    """Rows of (company, cutoff) with features and outcome.

    Attributes
    ----------
    rows : Rows
        Features of n_rows rows, equal ones kept once; see :func:`ml_sys.features.compute.feature_frame`.
    company : ndarray of shape (n_rows,), int32
        Position of the company; names the cluster, never a feature.
    cutoff : ndarray of shape (n_rows,), int32
        Days since 1970-01-01.
    label : ndarray of shape (n_rows,), bool
        Whether the company closed in [cutoff, cutoff + horizon).
    seen : ndarray of shape (n_rows,), bool
        Whether the company had any usage by the cutoff.
    rules : dict of str to ndarray of shape (n_rows,), float32
        Scores of the simple rules that a model is compared with; empty if not asked for.
    """

    rows: Rows
    company: NDArray[np.int32]
    cutoff: NDArray[np.int32]
    label: NDArray[np.bool_]
    seen: NDArray[np.bool_]
    rules: dict[str, NDArray[np.float32]]

    def __len__(self) -> int:
        return self.company.size

    @property
    def features(self) -> pd.DataFrame:
        """The features of all rows, of shape (n_rows, n_features); a new frame each time."""
        return self.rows.frame()

    @property
    def weight(self) -> NDArray[np.float64] | None:
        """Number of rows of the whole panel that each stands for; None if each stands only for itself."""
        return self.rows.weight

    def take(self, chosen: NDArray[np.intp] | NDArray[np.bool_]) -> Panel:
        """Return the panel of some rows, in the given order."""
        rows: NDArray[np.intp] = np.flatnonzero(chosen) if chosen.dtype == bool else chosen.astype(np.intp)
        return Panel(
            self.rows.take(rows),
            self.company[rows],
            self.cutoff[rows],
            self.label[rows],
            self.seen[rows],
            {name: score[rows] for name, score in self.rules.items()},
        )


def rolling_panel(
    known: KnownFeatures,
    closed: NDArray[np.int32],
    cutoffs: NDArray[np.int32],
    horizon_days: int,
    spec: FeatureSpec,
) -> Panel:
    """Make a panel of every company at every cutoff by which it existed and had not closed.

    Parameters
    ----------
    known : KnownFeatures
        Of n_companies companies.
    closed : ndarray of shape (n_companies,), int32
        Day on which each became a customer, in days since 1970-01-01; ``NEVER_CLOSED`` if it did not.
    cutoffs : ndarray of shape (n_cutoffs,), int32
        Strictly ascending.
    horizon_days : int
        Length of the label window.
    spec : FeatureSpec
        The features wanted.
    """
    n_companies = known.inputs.n_companies
    company = np.repeat(np.arange(n_companies, dtype=np.int32), cutoffs.size)
    prospect, label = labels(closed, cutoffs, horizon_days, known.inputs.since)
    seen, rules = known.rules(cutoffs)
    panel = Panel(
        known.rows(cutoffs, spec), company, np.tile(cutoffs, n_companies), label.ravel(), seen, rules
    )
    return panel.take(prospect.ravel())


def sampled_panel(known: KnownFeatures, sample: Sample, spec: FeatureSpec) -> Panel:
    """Make the panel of a sample, in canonical order, without the scores of simple rules."""
    rows = known.some(sample.company, sample.cutoff, spec).alone()
    weighted = Rows(rows.different, rows.which, sample.weight)
    return canonical(_unruled(known, weighted, sample.company, sample.cutoff, sample.label))


def _unruled(
    known: KnownFeatures,
    rows: Rows,
    company: NDArray[np.int32],
    cutoff: NDArray[np.int32],
    label: NDArray[np.bool_],
) -> Panel:
    first = known.inputs.first_days()[company]
    return Panel(rows, company, cutoff, label, (first != NEVER) & (first <= cutoff), {})


def snapshot_panel(
    known: KnownFeatures,
    closed: NDArray[np.int32],
    cutoffs: NDArray[np.int32],
    horizon_days: int,
    spec: FeatureSpec,
    order: NDArray[np.integer[Any]] | None = None,
) -> Panel:
    """Make a panel of one row per company: customers just before they closed, the others at matched cutoffs.

    A customer takes the last cutoff not after its closing day, if that is within the horizon. The others take
    the customers' cutoffs in turn, so that both are seen in the same seasons. Which of them takes which
    cutoff depends on the companies' content, not on their ids: on their rows at all cutoffs, or on a given
    order, which saves computing features of other rows.
    """
    if order is None:
        order = pd.unique(canonical(rolling_panel(known, closed, cutoffs, horizon_days, spec)).company)
    prospect, label = labels(closed, cutoffs, horizon_days, known.inputs.since)
    customers = np.flatnonzero(label.any(axis=1))
    last = cutoffs[cutoffs.size - 1 - np.argmax(label[customers, ::-1], axis=1)]
    others = order[prospect[order].any(axis=1) & ~label[order].any(axis=1)]
    others = others[: others.size if customers.size else 0]
    seasons = np.resize(np.sort(last), others.size)
    still = (closed[others] >= seasons) & (known.inputs.since[others] < seasons)
    company = np.concatenate([customers, others[still]]).astype(np.int32)
    cutoff = np.concatenate([last, seasons[still]]).astype(np.int32)
    rows = known.some(company, cutoff, spec)
    return _unruled(known, rows, company, cutoff, np.arange(company.size) < customers.size)


def canonical(panel: Panel) -> Panel:
    """Sort rows into an order that depends on their content, not on ids or on the order of the files.

    All random draws downstream are by row, so this makes a fitted model independent of the numbering.
    """
    content = panel.rows.digests()
    key = company_digests(panel, content)
    return panel.take(np.lexsort((key[panel.company], panel.label, content, panel.cutoff)))


def company_digests(panel: Panel, content: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return, by position, a 64-bit digest of all rows of each company."""
    parts = pd.DataFrame({"content": content, "cutoff": panel.cutoff, "label": panel.label})
    rows = pd.util.hash_pandas_object(parts, index=False).to_numpy(dtype=np.uint64)
    digests = np.zeros(int(panel.company.max(initial=-1)) + 1, dtype=np.uint64)
    np.add.at(digests, panel.company, rows)
    return digests
