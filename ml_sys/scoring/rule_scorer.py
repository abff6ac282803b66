"""Rank by a simple rule until a model can be judged: the list of a cold start."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ml_sys.errors import UsageError
from ml_sys.features.compute import FeatureSpec
from ml_sys.features.rules import LAST
from ml_sys.features.spans import spans_of
from ml_sys.model.threshold import Tiers
from ml_sys.text import rule_version

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ml_sys.days import Period
    from ml_sys.features.compute import Columns
    from ml_sys.form import Form
    from ml_sys.scoring.scored_list import ScoredList

RULE_SCORE: Final = "rule_score"
# Columns of a list that only a model can fill.
BY_A_MODEL: Final = ("probability", "tier", "will_convert")
RECENCY, NEWEST = "recency", "newest"
_ROLES: Final = {"actions": "actions", "users": "users", "amount": "amount"}
_AGO: Final = {RECENCY: "days_since_last_active", NEWEST: "days_since_began"}
RULES: Final = (*_ROLES, *_AGO)
_NO_TIERS: Final = Tiers(float("inf"), float("inf"))


@dataclass(frozen=True)
class RuleScorer:
    """A rule instead of a model; see :class:`ml_sys.scoring.scorer.Scorer`.

    It gives scores instead of probabilities, good for ranking only: the sum of its features, or minus the
    days ago. A company for which none of them is known comes last.

    Attributes
    ----------
    name : str
        The rule's name in reports.
    sign : float
        1 if more is better, and -1 if less is.
    """

    name: str
    spec: FeatureSpec
    sign: float
    threshold: float = float("inf")
    tiers: Tiers = _NO_TIERS

    @classmethod
    def of(cls, rule: str, form: Form, period: Period) -> RuleScorer:
        """Return the scorer of a rule.

        Parameters
        ----------
        rule : str
            One of `RULES`.

        Raises
        ------
        UsageError
            If there is no such rule, or the tables of the form do not allow it.
        """
        days = spans_of(period).rule
        every = FeatureSpec(windows_days=(days,), period=period, form=form, history="on")
        if rule in _ROLES:
            wanted = [f"{one.name}_sum_{days}d" for one in form.measures if one.role == rule]
            noun = {"actions": "actions", "users": "users"}.get(rule) or _amounts(form)
            name, sign = f"most {noun} in {days} days", 1.0
        else:
            wanted = [one for one in every.names() if one == _AGO.get(rule)]
            name, sign = {RECENCY: "most recently active", NEWEST: "newest"}.get(rule, ""), -1.0
        if not wanted:
            raise UsageError(
                f"--rule: these tables do not allow the rule {rule!r}",
                hint=f"choose one of {', '.join(possible_rules(form))}",
            )
        return cls(name, replace(every, off=tuple(sorted(set(every.names()) - set(wanted)))), sign)

    @classmethod
    def named(cls, name: str, form: Form, period: Period) -> RuleScorer:
        """Return the scorer of a rule, given its name in reports.

        Raises
        ------
        UsageError
            If the tables of the form do not allow the rule.
        """
        for rule in possible_rules(form):
            found = cls.of(rule, form, period)
            if found.name == name:
                return found
        raise UsageError(
            f"these tables do not allow the rule {name!r}, which is in production",
            hint=f"choose another with mlsys promote --rule {possible_rules(form)[0]}",
        )

    def row(self, values: Sequence[Any]) -> NDArray[np.float32]:
        """Return a row of shape (1, n_features) from values in the order of the features, None for blanks."""
        return np.array([[np.nan if one is None else one for one in values]], dtype=np.float32)

    def rows(self, columns: Columns) -> NDArray[np.float32]:
        """Return rows of shape (n_rows, n_features) from feature columns."""
        return np.stack([columns[name] for name in self.spec.names()], axis=1).astype(np.float32)

    def probability(self, row: NDArray[np.float32]) -> float:
        """Return the score of one row."""
        return float(self.probabilities(row)[0])

    def probabilities(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the score of each row, which is not a probability."""
        total: NDArray[np.float64] = self.sign * np.nansum(rows.astype(np.float64), axis=1)
        unknown = np.isnan(rows).all(axis=1) & (self.sign < 0)
        return np.where(unknown, LAST, total)

    def is_known(self, category: str, level: str) -> bool:  # noqa: ARG002 - the interface of scorers
        """Return True, as rules use no categories."""
        return True

    def usual_levels(self) -> dict[str, str]:
        """Return an empty dictionary, as rules use no categories."""
        return {}


def possible_rules(form: Form) -> tuple[str, ...]:
    """Return the rules that the tables of a form allow."""
    roles = tuple(rule for rule in _ROLES if any(one.role == rule for one in form.measures))
    return (*roles, RECENCY, *((NEWEST,) if form.has_since else ()))


def without_probabilities(scored: ScoredList, scorer: RuleScorer) -> ScoredList:
    """Mark a list as made by a rule: it has scores instead of probabilities, and no tiers."""
    table, name = scored.table, scorer.name
    known = table["probability"].where(table["probability"] != LAST)
    score = {RULE_SCORE: scorer.sign * known + 0.0}  # no -0
    empty = dict.fromkeys(BY_A_MODEL, "") | {"probability": np.nan}
    told = table.assign(**empty, model_version=rule_version(name), **score)
    note = f"a list by the rule {name}, without a model: it ranks, and promises nothing"
    return replace(scored, ranked=told, notes=(note, *scored.notes))


def _amounts(form: Form) -> str:
    return " and ".join(one.noun.many for one in form.measures if one.role == "amount")
