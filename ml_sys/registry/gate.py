"""The promotion gate: judge a challenger, criterion by criterion.

A pure function of arrays: the same case and seed give the same verdict, whatever the order of the rows.
No case raises an error or puts a non-finite number into a verdict: a criterion that cannot be judged fails.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ml_sys.form import PLAIN_WORDS
from ml_sys.metrics.paired import Paired, paired_bootstrap
from ml_sys.metrics.ranking import Outcomes
from ml_sys.registry import criteria
from ml_sys.registry.best_rule import as_good_as_rules

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ml_sys.form import Noun
    from ml_sys.settings import GateSettings

Conclusion = Literal["better", "no worse", "worse", "first", "not judged"]


@dataclass(frozen=True)
class Contender:
    """A version and its probabilities for the rows.

    Attributes
    ----------
    probability : ndarray of shape (n_rows,), float64, or None
        None if it could not score them.
    problems : tuple of str
        Why its files do not verify; empty if they do.
    """

    version: str
    probability: NDArray[np.float64] | None
    problems: tuple[str, ...] = ()

    def only(self, kept: NDArray[np.bool_]) -> Contender:
        """Return it with only the rows of a mask."""
        return self if self.probability is None else replace(self, probability=self.probability[kept])


@dataclass(frozen=True)
class Case:
    """The basis of a verdict: the versions that are compared, and the rows.

    Attributes
    ----------
    champion : Contender or None
        None before the first promotion, and if a rule is in production.
    label : ndarray of shape (n_rows,), bool
    cutoff, company : ndarray of shape (n_rows,), int32
        The challenger's holdout, scored by both; may be empty if its files do not verify.
    failed_canaries : tuple of str
        The challenger's failed leak canaries.
    overlap : str
        A sentence if the champion was trained on these rows, else empty.
    share : float
        The rows' share of each whole list.
    left_out : int
        Companies of the holdout that are left out, as the champion has learnt from them.
    unmatched : str
        Why the champion could not be scored on these rows, else empty.
    rules : dict of str to ndarray of shape (n_rows,)
        Scores of the simple rules.
    entity : Noun
        What is ranked.
    rule_stands : bool
        Whether a simple rule is in production.
    """

    challenger: Contender
    champion: Contender | None
    label: NDArray[np.bool_]
    cutoff: NDArray[np.int32]
    company: NDArray[np.int32]
    failed_canaries: tuple[str, ...] = ()
    overlap: str = ""
    unmatched: str = ""
    share: float = 1.0
    left_out: int = 0
    rules: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    entity: Noun = PLAIN_WORDS.entity
    rule_stands: bool = False

    def only(self, kept: NDArray[np.bool_]) -> Case:
        """Return the case on the rows of a mask; the champion has learnt from the others."""
        champion = self.champion
        return replace(
            self,
            challenger=self.challenger.only(kept),
            champion=None if champion is None else champion.only(kept),
            label=self.label[kept],
            cutoff=self.cutoff[kept],
            company=self.company[kept],
            share=self.share * float(kept.mean()),
            left_out=int(np.setdiff1d(self.company[~kept], self.company[kept]).size),
            rules={name: score[kept] for name, score in self.rules.items()},
        )


@dataclass(frozen=True)
class Criterion:
    """One criterion's result, a row of the gate's table.

    Attributes
    ----------
    name : str
        The criterion in plain words.
    found, asked : str
        Short texts for people.
    figures : dict of str to float or None
        The numbers behind them; None if undefined.
    blocking : bool
        Whether failing it refuses a version; otherwise it is only reported.
    """

    name: str
    passed: bool
    found: str
    asked: str
    figures: dict[str, float | None]
    blocking: bool = True


@dataclass(frozen=True)
class Verdict:
    """The gate's verdict on a version.

    Attributes
    ----------
    verified : bool
        Whether the version's own files verify; if not, nothing else was judged.
    criteria : tuple of Criterion
        In the order of the checks; those about the champion only if there is one.
    conclusion : {"better", "no worse", "worse", "first", "not judged"}
        Compared with the champion; "first" without one, "not judged" if they could not be compared.
    comparison : Paired or None
        The figures behind the conclusion; None if the two could not be compared.
    """

    version: str
    champion: str | None
    verified: bool
    criteria: tuple[Criterion, ...]
    conclusion: Conclusion
    comparison: Paired | None

    @property
    def passed(self) -> bool:
        """Whether every blocking criterion passed."""
        return all(criterion.passed or not criterion.blocking for criterion in self.criteria)

    def to_plain(self) -> dict[str, Any]:
        """Return the verdict as plain data, for JSON and the audit trail.

        Keys: ``version``, ``champion``, ``verified``, ``passed``, ``conclusion``; ``criteria``, a list of
        ``name``, ``passed``, ``found``, ``asked``, ``figures``, in which a number that is not defined is
        None, and ``blocking``; ``comparison``, None or the fields of
        :class:`~ml_sys.metrics.paired.Paired`.
        """
        return {
            "version": self.version,
            "champion": self.champion,
            "verified": self.verified,
            "passed": self.passed,
            "conclusion": self.conclusion,
            "criteria": [asdict(criterion) for criterion in self.criteria],
            "comparison": None if self.comparison is None else asdict(self.comparison),
        }


def judge(case: Case, settings: GateSettings, *, seed: int, standard: GateSettings | None = None) -> Verdict:
    """Judge a challenger, against the champion if there is one.

    If the challenger's own files do not verify, nothing else is judged and every criterion fails.

    Parameters
    ----------
    seed : int
        Of all random draws.
    standard : GateSettings, optional
        The limits in the settings file. Laxer limits fail a criterion of their own.
    """
    challenger, champion, rows = case.challenger, case.champion, case.label.size
    own_problems = _problems(challenger, rows)
    problems = () if champion is None else _problems(champion, rows, excuse=case.unmatched)
    findings = {criteria.FILES: criteria.files((*own_problems, *problems))}
    paired = None
    if not own_problems:
        obstacle = case.unmatched or ("the champion's files do not verify" if problems else "")
        ranked, champions, rules = _rankings(case, with_champion=champion is not None and not obstacle)
        paired = None if champions is None else _paired(ranked, champions, settings, seed)
        findings |= {
            criteria.CANARIES: criteria.canaries(case.failed_canaries),
            criteria.CONVERTERS: criteria.converters(ranked, settings, case.entity),
            criteria.SIGNAL: criteria.signal(ranked, settings, seed),
            criteria.CALIBRATED: criteria.calibrated(ranked, settings, seed),
            criteria.RULE: as_good_as_rules(
                ranked, rules, settings, seed, case.entity, standing=case.rule_stands
            ),
            criteria.UNSEEN: criteria.unseen(case.overlap, case.left_out, case.entity),
            criteria.NO_WORSE: criteria.no_worse(paired, settings, obstacle),
        }
    asked = criteria.asked(
        settings,
        beside_champion=champion is not None,
        beside_rule=case.rule_stands,
        entity=case.entity,
    )
    unknown = criteria.not_judged("its files do not verify")
    found = [findings.get(name, unknown) for name in asked]
    judged = [
        Criterion(name, one.passed, one.text, words, one.figures, one.blocking)
        for (name, words), one in zip(asked.items(), found, strict=True)
    ]
    laxer, strict = criteria.laxness(settings, standard or settings)
    if laxer:
        judged.append(Criterion(criteria.STRICT, False, laxer, strict, {}))
    return Verdict(
        challenger.version,
        None if champion is None else champion.version,
        not own_problems,
        tuple(judged),
        "first" if champion is None else _conclusion(paired, no_worse=found[-1].passed),
        paired,
    )


def _conclusion(paired: Paired | None, *, no_worse: bool) -> Conclusion:
    if paired is None:
        return "not judged"
    if not no_worse:
        return "worse"
    return "better" if paired.low > 0 else "no worse"


def _paired(challenger: Outcomes, champion: Outcomes, settings: GateSettings, seed: int) -> Paired | None:
    """Return the comparison; None if the metric is not defined on the rows or on any resample."""
    if not challenger.label.any():
        return None
    found = paired_bootstrap(
        challenger,
        champion,
        settings.primary_metric,
        tolerance=settings.tolerance,
        resamples=settings.resamples,
        confidence=settings.confidence,
        seed=seed,
    )
    return None if np.isnan([found.difference, found.low]).any() else found


def _problems(contender: Contender, rows: int, *, excuse: str = "") -> tuple[str, ...]:
    """Return why a contender's probabilities cannot be used; an excuse explains why it has none."""
    probability, found = contender.probability, contender.problems
    if not found and probability is None and not excuse:
        found = ("it has not scored the rows",)
    elif not found and probability is not None:
        sound = int(((probability >= 0) & (probability <= 1)).sum())
        if probability.shape != (rows,) or sound < rows:
            found = (f"it has {sound:,} probabilities between 0 and 1 for {rows:,} rows",)
    return tuple(f"{contender.version}: {problem}" for problem in found)


def _rankings(
    case: Case, *, with_champion: bool
) -> tuple[Outcomes, Outcomes | None, dict[str, NDArray[np.float32]]]:
    """Return outcomes and rules' scores in an order that depends on the rows alone.

    The last digits of sums of probabilities depend on the order, and so do random draws of rows.
    """
    contenders = (case.challenger, case.champion) if with_champion else (case.challenger,)
    scores = [np.asarray(one.probability, dtype=np.float64) for one in contenders if one is not None]
    keys: list[NDArray[Any]] = [*(case.rules[name] for name in sorted(case.rules)), *scores]
    order = np.lexsort((*keys, case.label, case.cutoff, case.company))
    ranked = [
        Outcomes(
            score[order],
            case.label[order],
            case.cutoff[order],
            case.company[order],
            case.share,
        )
        for score in scores
    ]
    rules = {name: score[order] for name, score in case.rules.items()}
    return ranked[0], ranked[1] if with_champion else None, rules
