"""Panels: which companies are looked at on which cutoffs, and what became of them.

A company that became a customer before a cutoff is not in the panel at it; one that will become a customer
later is, as an ordinary negative until its window opens.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from ml_sys.features.compute import FeatureInputs, FeatureSpec, feature_frame
from ml_sys.features.rules import rule_scores
from ml_sys.features.windows import NEVER

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Panel:
    """Rows of (company, cutoff) with features and outcome.

    Attributes
    ----------
    features : DataFrame of shape (n_rows, n_features)
        See :func:`ml_sys.features.compute.feature_frame`.
    company : ndarray of shape (n_rows,), int32
        Position of the company; names the cluster, never a feature.
    cutoff : ndarray of shape (n_rows,), int32
        Days since 1970-01-01.
    label : ndarray of shape (n_rows,), bool
        Whether the company closed in [cutoff, cutoff + horizon).
    seen : ndarray of shape (n_rows,), bool
        Whether the company had any usage by the cutoff.
    rules : dict of str to ndarray of shape (n_rows,), float32
        Scores of the simple rules that a model is held against.
    """

    features: pd.DataFrame
    company: NDArray[np.int32]
    cutoff: NDArray[np.int32]
    label: NDArray[np.bool_]
    seen: NDArray[np.bool_]
    rules: dict[str, NDArray[np.float32]]

    def __len__(self) -> int:
        return self.company.size

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> Panel:
        """Return the panel of some rows, in the order given."""
        rows = np.flatnonzero(rows) if rows.dtype == bool else rows
        return Panel(
            self.features.take(rows).reset_index(drop=True),
            self.company[rows],
            self.cutoff[rows],
            self.label[rows],
            self.seen[rows],
            {name: score[rows] for name, score in self.rules.items()},
        )


def rolling_panel(
    inputs: FeatureInputs,
    closed: NDArray[np.int32],
    cutoffs: NDArray[np.int32],
    horizon_days: int,
    spec: FeatureSpec,
) -> Panel:
    """Lay out every company at every cutoff by which it had not closed.

    Parameters
    ----------
    inputs : FeatureInputs
        Of n_companies companies.
    closed : ndarray of shape (n_companies,), int32
        Day on which each became a customer, in days since 1970-01-01; ``NEVER_CLOSED`` where it did not.
    cutoffs : ndarray of shape (n_cutoffs,), int32
        Strictly ascending.
    horizon_days : int
        Length of the label window.
    spec : FeatureSpec
        The features wanted.

    Returns
    -------
    Panel
    """
    n_companies = inputs.usage.n_companies
    company = np.repeat(np.arange(n_companies, dtype=np.int32), cutoffs.size)
    cutoff = np.tile(cutoffs, n_companies)
    day = closed[company]
    first, rules = rule_scores(inputs.usage, cutoffs)
    panel = Panel(
        feature_frame(inputs, cutoffs, spec),
        company,
        cutoff,
        (day >= cutoff) & (day.astype(np.int64) < cutoff.astype(np.int64) + horizon_days),
        (first != NEVER).ravel(),
        rules,
    )
    return panel.take(day >= cutoff)


def snapshot_panel(
    inputs: FeatureInputs,
    closed: NDArray[np.int32],
    cutoffs: NDArray[np.int32],
    horizon_days: int,
    spec: FeatureSpec,
) -> Panel:
    """Lay out one row per company: customers just before they closed, the others at matched cutoffs.

    Customers take the last cutoff not after their closing day, if that is within the horizon. The others take
    the customers' cutoffs in turn, so that both are seen in the same seasons. Which of the others takes which
    depends on what the companies look like, not on their ids.
    """
    panel = canonical(rolling_panel(inputs, closed, cutoffs, horizon_days, spec))
    positive = np.flatnonzero(panel.label)
    last = {
        int(panel.company[row]): int(row)
        for row in positive[np.argsort(panel.cutoff[positive], kind="stable")]
    }
    chosen = sorted(last.values())
    seasons = np.sort(panel.cutoff[chosen])
    ever = np.zeros(inputs.usage.n_companies, dtype=bool)
    ever[panel.company[positive]] = True
    by_key = {
        (int(c), int(t)): row for row, (c, t) in enumerate(zip(panel.company, panel.cutoff, strict=True))
    }
    order = list(dict.fromkeys(int(c) for c in panel.company if not ever[c]))
    for number, company in enumerate(order):
        row = by_key.get((company, int(seasons[number % seasons.size]))) if seasons.size else None
        if row is not None:
            chosen.append(row)
    return panel.take(np.array(sorted(chosen), dtype=np.intp))


def canonical(panel: Panel) -> Panel:
    """Put rows into an order that depends on what they say, not on ids or on the order of the files.

    Everything random downstream draws by row, so this is what makes a fitted model independent of numbering.
    """
    content = row_digests(panel)
    key = company_digests(panel, content)
    return panel.take(np.lexsort((key[panel.company], panel.label, content, panel.cutoff)))


def row_digests(panel: Panel) -> NDArray[np.uint64]:
    """Return a 64-bit digest of each row's features."""
    digests: Any = pd.util.hash_pandas_object(panel.features, index=False).to_numpy(dtype=np.uint64)
    result: NDArray[np.uint64] = digests
    return result


def company_digests(panel: Panel, content: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return, by position, a 64-bit digest of all rows of each company."""
    parts = pd.DataFrame({"content": content, "cutoff": panel.cutoff, "label": panel.label})
    rows = pd.util.hash_pandas_object(parts, index=False).to_numpy(dtype=np.uint64)
    digests = np.zeros(int(panel.company.max(initial=-1)) + 1, dtype=np.uint64)
    np.add.at(digests, panel.company, rows)
    return digests


PanelKind = Literal["rolling", "snapshot"]


def build_panel(
    kind: PanelKind,
    inputs: FeatureInputs,
    closed: NDArray[np.int32],
    cutoffs: NDArray[np.int32],
    horizon_days: int,
    spec: FeatureSpec,
) -> Panel:
    """Build the panel of the kind asked for, rows in canonical order."""
    build = snapshot_panel if kind == "snapshot" else rolling_panel
    return canonical(build(inputs, closed, cutoffs, horizon_days, spec))
