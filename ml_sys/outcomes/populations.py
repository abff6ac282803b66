"""Check whether free companies look as they did when the version was judged: usage, attributes and scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ml_sys.features.attributes import BLANK_INPUT, UNSEEN_INPUT
from ml_sys.outcomes.drift import Distance, JensenShannon, KolmogorovSmirnov, Sides, Stability, p_value
from ml_sys.outcomes.monitoring import Check, Limits, Moved, change

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Mapping

    from numpy.typing import NDArray

BLANK = "missing"
# At most this many companies are looked at; a sample of more shows as much.
MOST_COMPANIES = 20_000
# Share of a list whose expected conversions show how steep its ranking is.
_TOP = 0.1


@dataclass(frozen=True)
class Population:
    """Free companies at one cutoff or at several.

    Attributes
    ----------
    usage_company : ndarray of shape (m,), object
        Ids of the companies of usage rows.
    measures : mapping of str to ndarray of shape (m,), int
    company : ndarray of shape (n,), object
        Ids of the companies, each at its latest cutoff.
    numbers : mapping of str to ndarray of shape (n,), float
        NaN where there is none.
    levels : mapping of str to ndarray of shape (n,), object
        Texts; ``BLANK`` where blank.
    blank : mapping of str to ndarray of shape (n,), bool
        True where a value was not given.
    unseen : mapping of str to ndarray of shape (n,), bool
        True where a level was not in the version's training data.
    score_company : ndarray of shape (k,), object
    score_cutoff : ndarray of shape (k,), int32
    probability : ndarray of shape (k,), float64
        Of each company at each cutoff.
    """

    usage_company: NDArray[np.object_]
    measures: Mapping[str, NDArray[np.int32]]
    company: NDArray[np.object_]
    numbers: Mapping[str, NDArray[np.float32]]
    levels: Mapping[str, NDArray[np.object_]]
    blank: Mapping[str, NDArray[np.bool_]]
    unseen: Mapping[str, NDArray[np.bool_]]
    score_company: NDArray[np.object_]
    score_cutoff: NDArray[np.int32]
    probability: NDArray[np.float64]


class Comparison:
    """Compare today's population with the reference; the same seed gives the same p-values."""

    def __init__(self, now: Population, before: Population, limits: Limits, seed: int) -> None:
        self._now, self._before, self._limits = now, before, limits
        self._rng = np.random.default_rng([seed, 0xD81F7])

    def input_checks(self) -> list[Check]:
        """Check usage and attributes."""
        return [*self._measures(), *self._attributes()]

    def score_checks(self) -> list[Check]:
        """Check the probabilities."""
        now, before, limits = self._now, self._before, self._limits
        sides = Sides.of(before.score_company, now.score_company)
        both = np.concatenate((before.probability, now.probability))
        middle = float(np.median(now.probability)), float(np.median(before.probability))
        moved = self._tested(
            "scores", "probabilities", sides, KolmogorovSmirnov(both), middle, limits.max_score_distance
        )
        top = (
            _share_of_top(now.probability, now.score_cutoff),
            _share_of_top(before.probability, before.score_cutoff),
        )
        # Where every company is like the others, a tenth of them has a tenth.
        flat = 1 - (top[0] - _TOP) / max(top[1] - _TOP, 1e-9)
        name = "expected conversions in the best tenth"
        return [moved, Check("scores", name, *top, "share", flat, limits.max_flattening)]

    def _measures(self) -> list[Check]:
        now, before, limits = self._now, self._before, self._limits
        sides = Sides.of(before.usage_company, now.usage_company)
        checks = []
        for name, ours in now.measures.items():
            both = np.concatenate((before.measures[name], ours))
            used = both > 0
            shares = _mean(used[sides.is_now]), _mean(used[~sides.is_now])
            checks.append(
                self._tested(
                    "inputs", f"{name}, rows with any", sides, KolmogorovSmirnov(used), shares,
                    limits.max_use_change, unit="share", effect=change(*shares),
                )
            )  # fmt: skip
            if used[sides.is_now].any() and used[~sides.is_now].any():
                some = sides.take(used)
                values = both[used]
                middle = float(np.median(values[some.is_now])), float(np.median(values[~some.is_now]))
                checks.append(
                    self._tested(
                        "inputs", f"{name}, of those", some, KolmogorovSmirnov(values), middle,
                        limits.max_distance,
                    )
                )  # fmt: skip
        return checks

    def _attributes(self) -> list[Check]:
        now, before, limits = self._now, self._before, self._limits
        sides = Sides.of(before.company, now.company)
        checks = []
        for name, ours in now.numbers.items():
            both = np.concatenate((before.numbers[name], ours))
            known = ~np.isnan(both)
            some, values = sides.take(known), both[known]
            middle = _middle(values[some.is_now]), _middle(values[~some.is_now])
            distance = KolmogorovSmirnov(values)
            checks.append(self._tested("inputs", name, some, distance, middle, limits.max_distance))
        for name, levels in now.levels.items():
            both_levels = np.concatenate((before.levels[name], levels)).astype(str)
            _, number = np.unique(both_levels, return_inverse=True)
            most = np.bincount(number[~sides.is_now]).argmax()
            shares = _mean(number[sides.is_now] == most), _mean(number[~sides.is_now] == most)
            apart = JensenShannon(number.reshape(-1))
            checks.append(
                self._tested("inputs", name, sides, apart, shares, limits.max_distance, unit="share")
            )
        for what, flags, were, limit in (
            (BLANK_INPUT, now.blank, before.blank, limits.max_blank_rise),
            (UNSEEN_INPUT, now.unseen, before.unseen, limits.max_unseen_rise),
        ):
            for name in flags:
                both_flags = np.concatenate((were[name], flags[name]))
                shares = _mean(flags[name]), _mean(were[name])
                distance = KolmogorovSmirnov(both_flags)
                checks.append(
                    self._tested("inputs", what.format(name), sides, distance, shares, limit, unit="share")
                )
        return checks

    def _tested(
        self,
        group: Any,
        name: str,
        sides: Sides,
        distance: Distance,
        seen: tuple[float, float],
        limit: float,
        *,
        unit: Any = "value",
        effect: float | None = None,
    ) -> Check:
        found, p = p_value(sides, distance, permutations=self._limits.permutations, rng=self._rng)
        return Check(group, name, *seen, unit, found if effect is None else effect, limit, p)


def moved(now: Mapping[str, NDArray[Any]], before: Mapping[str, NDArray[Any]]) -> tuple[Moved, ...]:
    """Return how far each feature has moved, the furthest first.

    Parameters
    ----------
    now, before : mapping of str to ndarray
        Features of today's prospects and of the reference: numbers, with NaN for blanks, or texts, with None.
    """
    moves = Moves(before)
    moves.add(moves.counted(now))
    return moves.found()


class Moves:
    """Measure how far each feature has moved, with prospects arriving part by part; see :func:`moved`."""

    def __init__(self, before: Mapping[str, NDArray[Any]]) -> None:
        self._features = {name: Stability(_told(values)) for name, values in before.items()}
        self._names: set[str] = set()

    def counted(self, now: Mapping[str, NDArray[Any]]) -> dict[str, Counter[Any]]:
        """Count some of today's prospects by feature; anyone may do it who has this."""
        return {name: self._features[name].counted(_told(values)) for name, values in now.items()}

    def add(self, counts: Mapping[str, Counter[Any]]) -> None:
        """Add what was counted."""
        self._names |= counts.keys()
        for name, one in counts.items():
            self._features[name].add(one)

    def found(self) -> tuple[Moved, ...]:
        """Return how far each feature has moved, the furthest first."""
        found = [Moved(name, self._features[name].index()) for name in self._names]
        return tuple(sorted(found, key=lambda one: (-one.stability_index, one.feature)))


def _told(values: NDArray[Any]) -> NDArray[Any]:
    """Return texts with a word for blanks, or numbers without blanks."""
    if values.dtype == object:
        return np.array([level_text(value) for value in values], dtype=object)
    known: NDArray[Any] = values[~np.isnan(values)]
    return known


def level_text(value: object) -> str:
    """Return a level as text; ``BLANK`` for a missing value."""
    return value if isinstance(value, str) and value else BLANK


def _share_of_top(probability: NDArray[np.float64], cutoff: NDArray[np.int32]) -> float:
    """Return the share of expected conversions in the best tenth of each list, on average."""
    shares = []
    for one in np.unique(cutoff):
        ranked = np.sort(probability[cutoff == one])[::-1]
        total = ranked.sum()
        shares.append(float(ranked[: max(1, round(_TOP * ranked.size))].sum() / total) if total > 0 else 0.0)
    return float(np.mean(shares)) if shares else 0.0


def _mean(flags: NDArray[np.bool_]) -> float:
    return float(flags.mean()) if flags.size else 0.0


def _middle(values: NDArray[Any]) -> float:
    return float(np.median(values)) if values.size else float("nan")
