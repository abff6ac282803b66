"""The simple rules that sales could follow without a model, and that a model must beat."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ml_sys.features.windows import UsageLog, window_stats

if TYPE_CHECKING:
    from numpy.typing import NDArray

RULE_DAYS = 30
MOST_ACTIONS = f"most actions in {RULE_DAYS} days"
MOST_USERS = f"most users in {RULE_DAYS} days"


def rule_scores(
    log: UsageLog, cutoffs: NDArray[np.int32]
) -> tuple[NDArray[np.int32], dict[str, NDArray[np.float32]]]:
    """Score every (company, cutoff) by each rule.

    Parameters
    ----------
    log : UsageLog
        Of n_companies companies.
    cutoffs : ndarray of shape (n_cutoffs,), int32
        Days since 1970-01-01, strictly ascending.

    Returns
    -------
    first : ndarray of shape (n_companies, n_cutoffs), int32
        Day of each company's first row, ``NEVER`` where there is none by the cutoff.
    scores : dict of str to ndarray of shape (n_companies * n_cutoffs,), float32
        Actions, and user-weeks, of the last 30 days.
    """
    stats = [window_stats(block, cutoffs, (RULE_DAYS,), with_maxima=False) for block in log.blocks()]
    sums = np.concatenate([part.sums[:, :, 0] for part in stats])
    first = np.concatenate([part.first for part in stats])
    return first, {
        MOST_ACTIONS: sums[..., : log.n_actions].sum(axis=-1).ravel(),
        MOST_USERS: sums[..., log.n_actions :].sum(axis=-1).ravel(),
    }
