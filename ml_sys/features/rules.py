"""The simple rules that sales could follow without a model, and that a model must beat."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ml_sys.features.spans import spans_of
from ml_sys.features.windows import NEVER, window_stats

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from numpy.typing import NDArray

    from ml_sys.days import Period
    from ml_sys.features.inputs import FeatureInputs
    from ml_sys.form import Form

NEWEST, MOST_RECENT = "newest", "most recently active"
_ACTIONS, _USERS = "most actions in ", "most users in "
# Score of companies about which nothing is known: ranks them last.
LAST = np.float32(-(10**6))
# Sign-ups of this many days before a cutoff are this week's, whatever the period, as lists go out weekly.
SIGN_UP_DAYS = 7


def rule_names(form: Form, period: Period) -> tuple[str, ...]:
    """Return the rules that a form's tables allow, in the order of reports.

    Examples
    --------
    >>> from ml_sys.days import Period
    >>> from ml_sys.settings.description import default_form
    >>> rule_names(default_form(), Period())
    ('most actions in 30 days', 'most users in 30 days')
    """
    span = f"{spans_of(period).rule} days"
    names = [f"{_ACTIONS}{span}"] * bool(form.of_role("actions"))
    names += [f"{_USERS}{span}"] * bool(form.of_role("users"))
    names += [f"most {form.measures[at].noun.many} in {span}" for at in form.of_role("amount")]
    names += [NEWEST, MOST_RECENT] * form.has_since
    return tuple(names)


def is_rule(name: str) -> bool:
    """Whether a ranker is one of the rules."""
    return name == NEWEST or name.startswith("most ")


def rule_to_beat(names: Iterable[str]) -> str | None:
    """Return the first rule to compare a model with: by users, else by an amount, else by actions.

    Examples
    --------
    >>> rule_to_beat(["most actions in 7 days", "most minutes in 7 days", "newest"])
    'most minutes in 7 days'
    """
    there = [name for name in names if name.startswith("most ") and name != MOST_RECENT]
    users = [name for name in there if name.startswith(_USERS)]
    amounts = [name for name in there if not name.startswith((_USERS, _ACTIONS))]
    return next(iter([*users, *amounts, *there]), None)


def rule_of_actions(names: Iterable[str]) -> str | None:
    """Return the rule by actions, if there is one."""
    return next((name for name in names if name.startswith(_ACTIONS)), None)


def signed_up_lately(scores: Mapping[str, NDArray[Any]]) -> NDArray[np.bool_] | None:
    """Flag the rows of entities created in the week before their cutoff.

    Parameters
    ----------
    scores : mapping of str to ndarray of shape (n_rows,)
        By rule; that of the rule "newest" gives the days since each was created.

    Returns
    -------
    ndarray of shape (n_rows,), bool, or None
        None if the form has no first days.
    """
    return scores[NEWEST] >= -SIGN_UP_DAYS if NEWEST in scores else None


def rule_scores(
    inputs: FeatureInputs, cutoffs: NDArray[np.int32]
) -> tuple[NDArray[np.int32], dict[str, NDArray[np.float32]]]:
    """Score every (company, cutoff) by each rule.

    Parameters
    ----------
    inputs : FeatureInputs
        Of n_companies entities.
    cutoffs : ndarray of shape (n_cutoffs,), int32
        Days since 1970-01-01, strictly ascending.

    Returns
    -------
    first : ndarray of shape (n_companies, n_cutoffs), int32
        Day of each company's first row, ``NEVER`` where there is none by the cutoff.
    scores : dict of str to ndarray of shape (n_companies * n_cutoffs,), float32
        Actions, users of each row added up, and amounts of the window; the day on which each began to exist
        and was last active, counted back from the cutoff.
    """
    form, days = inputs.form, spans_of(inputs.period).rule
    stats = [window_stats(block, cutoffs, (days,), with_maxima=False) for block in inputs.usage.blocks()]
    sums = np.concatenate([part.sums[:, :, 0] for part in stats])
    first = np.concatenate([part.first for part in stats])
    scores = [
        sums[..., places[0] : places[-1] + 1].sum(axis=-1)
        for places in (form.of_role("actions"), form.of_role("users"))
        if places
    ]
    scores += [sums[..., at] for at in form.of_role("amount")]
    if form.has_since:
        active = np.concatenate([part.last_active for part in stats])
        scores += [_recent(inputs.since[:, None], cutoffs), _recent(active, cutoffs)]
    names = rule_names(form, inputs.period)
    return first, {name: score.ravel() for name, score in zip(names, scores, strict=True)}


def _recent(day: NDArray[np.int32], cutoffs: NDArray[np.int32]) -> NDArray[np.float32]:
    """Return how many days ago something was, negative, so that the latest comes first."""
    ago = day.astype(np.int64) - cutoffs.astype(np.int64)[None, :]
    return np.where(day == NEVER, LAST, ago).astype(np.float32)
