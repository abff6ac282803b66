"""The gate: what passes, what is refused and why, and how often it errs on simulated and on real models."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from ml_sys.features.rows import Rows
from ml_sys.metrics.paired import Paired, paired_bootstrap
from ml_sys.metrics.ranking import Outcomes
from ml_sys.model.split import Source, split
from ml_sys.model.train import fit_model, spec_from
from ml_sys.registry.criteria import (
    CALIBRATED,
    CANARIES,
    CONVERTERS,
    FILES,
    NO_WORSE,
    RULE,
    SIGNAL,
    UNSEEN,
    asked,
    signal,
)
from ml_sys.registry.gate import (
    Case,
    Contender,
    Criterion,
    Verdict,
    _conclusion,
    _problems,
    _rankings,
    judge,
)
from ml_sys.settings import GateSettings, Settings

ABSOLUTE = list(asked(GateSettings(), beside_champion=False))
QUICK_GATE = GateSettings(resamples=200)


class World:
    """Companies at three cutoffs, their true log-odds of converting, and what came of them.

    A company that converts is gone afterwards, as in a panel.
    """

    def __init__(
        self, seed: int, companies: int = 2000, conversions: float = 40, spread: float = 1.8
    ) -> None:
        rng = np.random.default_rng(seed)
        odds = rng.normal(0, spread, (companies, 1)) + rng.normal(0, spread / 3, (companies, 3))
        converts = rng.random(odds.shape) < _sigmoid(_base_for(odds, conversions) + odds)
        self.seed = seed
        present = np.cumsum(np.cumsum(converts, axis=1), axis=1) <= 1
        company, at = np.nonzero(present)
        self.odds, self.label = odds[present], converts[present]
        self.company, self.cutoff = company.astype(np.int32), (18_000 + 28 * at).astype(np.int32)

    def probability(self, noise: float, share: float = 1.0, model: int = 0) -> np.ndarray:
        """Probabilities of a model that sees a share of the log-odds and errs; right on average.

        The larger part of an error is the same at all cutoffs of a company. Models of other numbers err
        elsewhere.
        """
        rng = np.random.default_rng([self.seed, model])
        of_company = rng.normal(size=self.company.max() + 1)[self.company]
        errors = noise * (0.8 * of_company + 0.6 * rng.normal(size=self.company.size))
        odds = share * self.odds + errors
        return _sigmoid(_base_for(odds, self.label.sum()) + odds)

    def outcomes(self, probability: np.ndarray) -> Outcomes:
        return Outcomes(probability, self.label, self.cutoff, self.company)

    def case(self, challenger: np.ndarray, champion: np.ndarray | None = None) -> Case:
        other = None if champion is None else Contender("1.0.0", champion)
        rules = {
            "most calls": self.probability(noise=4.0, model=8),
            "most mail": self.probability(3.0, model=9),
        }
        return Case(Contender("1.1.0", challenger), other, self.label, self.cutoff, self.company, rules=rules)


def _sigmoid(odds: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-odds))


def _base_for(odds: np.ndarray, conversions: float) -> float:
    """Return the constant that makes probabilities add up to the conversions."""
    low, high = -30.0, 10.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if _sigmoid(middle + odds).sum() < conversions else (low, middle)
    return low


@pytest.fixture(scope="module")
def world() -> World:
    return World(seed=1)


@pytest.fixture(scope="module")
def good(world: World) -> np.ndarray:
    """Probabilities of a good model of the world."""
    return world.probability(noise=0.5)


def judged(case: Case, gate: GateSettings = QUICK_GATE, seed: int = 7) -> Verdict:
    return judge(case, gate, seed=seed)


def failed(verdict: Verdict) -> list[str]:
    return [criterion.name for criterion in verdict.criteria if not criterion.passed and criterion.blocking]


def criterion(verdict: Verdict, name: str) -> Criterion:
    (found,) = [one for one in verdict.criteria if one.name == name]
    return found


def of_rules(verdict: Verdict) -> Criterion:
    return criterion(verdict, RULE)


def written(verdict: Verdict) -> str:
    return json.dumps(verdict.to_plain(), allow_nan=False)


# What passes.


def test_the_first_version_meets_the_absolute_criteria_alone(world: World, good: np.ndarray) -> None:
    verdict = judged(world.case(good))
    assert [criterion.name for criterion in verdict.criteria] == ABSOLUTE
    assert (verdict.passed, verdict.conclusion, verdict.champion) == (True, "first", None)
    assert verdict.comparison is None


def test_an_identical_copy_of_the_champion_is_no_worse(world: World, good: np.ndarray) -> None:
    strict = {"tolerance": 0.0, "max_probability_worse": 1e-9, "require_rule": False}
    for gate in (QUICK_GATE, QUICK_GATE.model_copy(update=strict)):
        verdict = judged(world.case(good, good), gate)
        assert [criterion.name for criterion in verdict.criteria] == [*ABSOLUTE, UNSEEN, NO_WORSE]
        assert (verdict.passed, verdict.conclusion) == (True, "no worse")
        assert verdict.comparison is not None
        assert (verdict.comparison.difference, verdict.comparison.low, verdict.comparison.high) == (0, 0, 0)


def test_a_much_better_challenger_is_called_better_and_a_much_worse_one_worse(
    world: World, good: np.ndarray
) -> None:
    poor = world.probability(noise=4.0, model=1)
    assert judged(world.case(good, poor)).conclusion == "better"
    verdict = judged(world.case(poor, good))
    assert verdict.conclusion == "worse"
    assert NO_WORSE in failed(verdict)


def test_a_lead_that_may_be_luck_is_no_worse_and_not_better(world: World, good: np.ndarray) -> None:
    verdict = judged(world.case(good, world.probability(noise=1.5, model=1)))
    assert verdict.comparison is not None
    assert verdict.comparison.low < 0 < verdict.comparison.difference
    assert (verdict.passed, verdict.conclusion) == (True, "no worse")


def test_extreme_confidence_asks_no_more_of_chance_than_can_be_counted(
    world: World, good: np.ndarray
) -> None:
    assert SIGNAL not in failed(
        judged(world.case(good), QUICK_GATE.model_copy(update={"confidence": 0.9999, "min_lift": 1.0}))
    )


# What is refused.


def test_a_challenger_whose_files_do_not_verify_is_judged_no_further(world: World, good: np.ndarray) -> None:
    nothing = np.empty(0, dtype=np.int32)
    broken = Contender("1.1.0", None, ("booster.json: digest differs",))
    for champion in (None, Contender("1.0.0", good)):
        verdict = judged(Case(broken, champion, nothing.astype(bool), nothing, nothing))
        assert not verdict.verified
        assert failed(verdict) == [criterion.name for criterion in verdict.criteria]
        assert "booster.json: digest differs" in criterion(verdict, FILES).found
        assert {criterion.found for criterion in verdict.criteria[1:]} == {
            "not judged: its files do not verify"
        }
        assert verdict.conclusion == ("first" if champion is None else "not judged")


def test_a_champion_whose_files_do_not_verify_cannot_be_compared_with(world: World, good: np.ndarray) -> None:
    case = replace(world.case(good), champion=Contender("1.0.0", None, ("manifest.json: is missing",)))
    verdict = judged(case)
    assert verdict.verified
    assert failed(verdict) == [FILES, NO_WORSE]
    assert criterion(verdict, FILES).found == "1.0.0: manifest.json: is missing"
    assert (verdict.conclusion, verdict.comparison) == ("not judged", None)


def test_a_failed_canary_is_named_and_refused(world: World, good: np.ndarray) -> None:
    verdict = judged(replace(world.case(good), failed_canaries=("ids rank converters", "labels leak")))
    assert failed(verdict) == [CANARIES]
    assert criterion(verdict, CANARIES).found == "ids rank converters; labels leak"


def test_a_champion_that_has_trained_on_the_rows_is_said_and_refused(world: World, good: np.ndarray) -> None:
    verdict = judged(replace(world.case(good, good), overlap="it trained on 3 of the 3 cutoffs"))
    assert failed(verdict) == [UNSEEN]
    assert criterion(verdict, UNSEEN).found == "it trained on 3 of the 3 cutoffs"
    assert verdict.conclusion == "no worse"


def test_a_champion_that_could_not_score_the_rows_is_not_compared_with(
    world: World, good: np.ndarray
) -> None:
    case = replace(world.case(good), champion=Contender("1.0.0", None), unmatched="1.0.0 looks 14 days ahead")
    verdict = judged(case)
    assert failed(verdict) == [NO_WORSE]
    assert criterion(verdict, NO_WORSE).found == "not judged: 1.0.0 looks 14 days ahead"
    assert verdict.conclusion == "not judged"


def test_a_metric_that_is_not_defined_on_the_rows_is_said_to_be_so(world: World, good: np.ndarray) -> None:
    gate = QUICK_GATE.model_copy(update={"primary_metric": "roc_auc"})
    everyone = replace(world.case(good, good), label=np.ones(good.size, dtype=bool))
    verdict = judged(everyone, gate)
    assert criterion(verdict, NO_WORSE).found == "not judged: ROC-AUC is not defined on these rows"
    assert (verdict.conclusion, verdict.comparison) == ("not judged", None)


def test_a_difference_that_no_resample_can_give_an_interval_is_not_judged() -> None:
    # Both classes are there, so the difference is known; the one resample draws one company twice.
    two = np.arange(2, dtype=np.int32)
    score = np.array([0.4, 0.6])
    case = Case(
        Contender("1.1.0", score), Contender("1.0.0", score[::-1]), two > 0, np.zeros(2, dtype=np.int32), two
    )
    gate = QUICK_GATE.model_copy(update={"resamples": 1, "primary_metric": "roc_auc"})
    verdicts = [judged(case, gate, seed=seed) for seed in range(8)]
    undefined = [verdict for verdict in verdicts if verdict.comparison is None]
    assert 0 < len(undefined) < len(verdicts)
    for verdict in undefined:
        assert verdict.conclusion == "not judged"
        assert criterion(verdict, NO_WORSE).found == "not judged: ROC-AUC is not defined on these rows"
        assert NO_WORSE in failed(verdict)


def test_conversions_of_one_company_at_many_cutoffs_are_one_piece_of_evidence() -> None:
    company = np.repeat(np.arange(300, dtype=np.int32), 5)
    cutoff = np.tile(np.arange(5, dtype=np.int32), 300)
    label = company < 9  # nine companies convert, each within the horizon of five cutoffs
    score = np.where(label, 0.5, 0.001)
    verdict = judged(Case(Contender("1.0.0", score), None, label, cutoff, company))
    assert CONVERTERS in failed(verdict)
    assert criterion(verdict, CONVERTERS).found == "9 companies that convert, 45 conversions in 1,500 rows"
    figures = criterion(verdict, CONVERTERS).figures
    assert (figures["converters"], figures["conversions"]) == (9, 45)


def test_rows_that_are_left_out_make_the_rest_a_smaller_share_of_each_list(
    world: World, good: np.ndarray
) -> None:
    whole = replace(world.case(good, good), share=0.4)
    companies = np.unique(whole.company)
    rest = whole.only(np.isin(whole.company, companies[: companies.size // 4]))
    assert rest.share == pytest.approx(0.4 * rest.label.size / whole.label.size)
    assert rest.left_out == companies.size - companies.size // 4


def test_a_share_of_the_companies_and_those_left_out_are_said(world: World, good: np.ndarray) -> None:
    verdict = judged(replace(world.case(good, good), share=0.2, left_out=12))
    assert criterion(verdict, CONVERTERS).found.endswith(f"in {good.size:,} rows, 20% of each list")
    assert criterion(verdict, UNSEEN).found == "it has not; 12 companies left out"
    assert criterion(verdict, UNSEEN).passed


def test_too_few_converters_are_refused_with_their_number(world: World, good: np.ndarray) -> None:
    found = np.unique(world.company[world.label]).size
    for least in (found, found + 1):
        verdict = judged(world.case(good), QUICK_GATE.model_copy(update={"min_positives": least}))
        assert (CONVERTERS in failed(verdict)) == (least > found)
        assert criterion(verdict, CONVERTERS).figures["converters"] == found


def test_shuffled_probabilities_are_refused_for_want_of_signal(world: World, good: np.ndarray) -> None:
    shuffled = np.random.default_rng(3).permutation(good)
    verdict = judged(world.case(shuffled, good))
    assert failed(verdict) == [SIGNAL, CALIBRATED, RULE, NO_WORSE]
    assert verdict.conclusion == "worse"


def test_one_lucky_company_is_no_signal() -> None:
    label = np.zeros(3000, dtype=bool)
    label[:30] = True
    score = np.random.default_rng(2).random(3000) * 0.01
    score[label] *= 0.8
    score[0] = 0.02
    nothing = np.zeros(3000, dtype=np.int32)
    lucky = Case(Contender("1.0.0", score), None, label, nothing, np.arange(3000, dtype=np.int32))
    verdict = judged(lucky)
    assert SIGNAL in failed(verdict)
    figures = criterion(verdict, SIGNAL).figures
    assert figures["average_precision"] > 3 * figures["conversion_rate"]  # type: ignore[operator]


def test_an_order_that_chance_reaches_too_often_is_no_signal_though_its_interval_clears_the_rate() -> None:
    nothing, company = np.zeros(1000, dtype=np.int32), np.arange(1000, dtype=np.int32)
    score = np.random.default_rng(9).random(1000)
    lenient = QUICK_GATE.model_copy(update={"min_lift": 1.0})
    found = signal(Outcomes(score, company < 30, nothing, company), lenient, seed=7)
    assert found.figures["low"] > found.figures["conversion_rate"]  # type: ignore[operator]
    assert found.figures["p_value"] == pytest.approx(0.05, abs=0.02)
    assert not found.passed


@pytest.mark.parametrize(("lift", "passes"), [(1.0, True), (50.0, False)])
def test_an_interval_that_clears_the_rate_by_too_little_is_no_signal(
    world: World, good: np.ndarray, lift: float, passes: bool
) -> None:
    verdict = judged(world.case(good), QUICK_GATE.model_copy(update={"min_lift": lift}))
    assert (SIGNAL not in failed(verdict)) == passes


def test_where_many_convert_a_good_order_is_a_signal_though_no_metric_is_three_times_the_rate() -> None:
    nothing, company = np.zeros(400, dtype=np.int32), np.arange(400, dtype=np.int32)
    assert signal(Outcomes(-company / 400, company < 200, nothing, company), QUICK_GATE, seed=7).passed


@pytest.mark.parametrize("error", [0.65, 50.0])
@pytest.mark.parametrize(
    ("factor", "passes"),
    [(3.0, False), (1 / 3, False), (1.7, True), (1 / 1.7, True), (1.2, True), (1 / 1.2, True), (0.0, False)],
)
def test_probabilities_may_be_off_by_a_little_but_not_by_a_factor(
    world: World, good: np.ndarray, factor: float, passes: bool, error: float
) -> None:
    gate = QUICK_GATE.model_copy(update={"max_calibration_error": error})
    verdict = judged(world.case(np.minimum(factor * good, 1.0)), gate)
    assert (CALIBRATED not in failed(verdict)) == passes
    ratio = criterion(verdict, CALIBRATED).figures["predicted_over_observed"]
    assert ratio == pytest.approx(factor, rel=0.06)  # the highest ones are cut off at 1


def test_a_bound_that_a_resample_without_conversions_takes_away_is_no_figure() -> None:
    nothing, company = np.zeros(20, dtype=np.int32), np.arange(20, dtype=np.int32)
    one = Case(Contender("1.0.0", np.full(20, 0.05)), None, company == 0, nothing, company)
    figures = criterion(judged(one), CALIBRATED).figures
    assert figures["predicted_over_observed"] == pytest.approx(1)
    assert figures["high"] is None
    assert figures["low"] is not None


ONLY_ERROR = QUICK_GATE.model_copy(update={"max_calibration_ratio": 1e9})


def test_probabilities_of_nothing_are_miscalibrated_by_the_whole_rate(world: World, good: np.ndarray) -> None:
    for nothing in (0.0 * good, 0.0 * good + 1e-12):
        verdict = judged(world.case(nothing), ONLY_ERROR)
        assert CALIBRATED in failed(verdict)
        figures = criterion(verdict, CALIBRATED).figures
        assert figures["calibration_error"] == pytest.approx(1)
        assert figures["calibration_error_low"] == pytest.approx(1)


@pytest.mark.parametrize("conversions", [12, pytest.param(40, marks=pytest.mark.slow)])
def test_the_calibration_error_alone_tells_honest_probabilities_from_grossly_wrong_ones(
    conversions: int,
) -> None:
    honest, reverse, uncalibrated = 0, 0, 0
    for seed in range(20):
        world = World(seed, conversions=conversions)
        right = world.probability(noise=0.5)
        odds = right / (1 - right) * 400  # of scores learnt at equal classes
        honest += CALIBRATED in failed(judged(world.case(right), ONLY_ERROR))
        worst_first = np.sort(right)[::-1][np.argsort(np.argsort(right))]
        reverse += CALIBRATED in failed(judged(world.case(worst_first), ONLY_ERROR))
        uncalibrated += CALIBRATED in failed(judged(world.case(odds / (1 + odds)), ONLY_ERROR))
    assert honest <= 1
    assert reverse >= 18
    assert uncalibrated == 20


def test_probabilities_right_on_average_alone_are_not_calibrated() -> None:
    world = World(seed=3, companies=1000, conversions=600)
    verdict = judged(world.case(np.full(world.label.size, world.label.mean())))
    assert criterion(verdict, CALIBRATED).figures["predicted_over_observed"] == pytest.approx(1)
    assert CALIBRATED not in failed(verdict)
    inverted = 2 * world.label.mean() - world.probability(noise=0.0)
    assert CALIBRATED in failed(judged(world.case(np.clip(inverted, 0, 1))))


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -0.1, 1.1])
def test_what_is_no_probability_is_named_and_refused(world: World, good: np.ndarray, wrong: float) -> None:
    spoilt = good.copy()
    spoilt[5] = wrong
    verdict = judged(world.case(spoilt, good))
    assert not verdict.verified
    assert (
        f"{good.size - 1:,} probabilities between 0 and 1 for {good.size:,} rows"
        in criterion(verdict, FILES).found
    )
    assert failed(judged(world.case(good, spoilt))) == [FILES, NO_WORSE]
    for probability in (good[1:], np.append(good, 0.1)):
        assert FILES in failed(judged(world.case(probability)))
    assert FILES in failed(judged(replace(world.case(good), challenger=Contender("1.1.0", None))))


# Beside the rules that sales could follow without a model.


def test_a_model_that_a_simple_rule_beats_is_refused_with_the_figures_of_both(
    world: World, good: np.ndarray
) -> None:
    case = replace(world.case(world.probability(noise=3.0)), rules={"most mail": good, "none": 0 * good})
    verdict = judged(case)
    assert RULE in failed(verdict)
    found = of_rules(verdict)
    figures: dict[str, Any] = found.figures
    assert figures["model"] == pytest.approx(
        average_precision_score(world.label, case.challenger.probability)
    )
    assert figures["rule"] == pytest.approx(average_precision_score(world.label, good))
    assert figures["difference"] == pytest.approx(figures["model"] - figures["rule"])
    assert figures["low"] < figures["difference"] < figures["high"]
    assert figures["probability_worse"] > QUICK_GATE.max_probability_worse
    assert f"{figures['model']:.3g}, most mail {figures['rule']:.3g}, difference" in found.found


def test_a_model_that_beats_every_simple_rule_or_is_one_is_as_good(world: World, good: np.ndarray) -> None:
    case = world.case(good)
    for rules in (case.rules, {"itself": good}):
        verdict = judged(replace(case, rules=rules))
        assert verdict.passed
        assert of_rules(verdict).passed


def test_the_best_rule_counts_wherever_it_stands_among_the_rules(world: World, good: np.ndarray) -> None:
    case = world.case(world.probability(noise=3.0))
    names = ("a", "b", "c")
    for best in names:
        rules = {name: good if name == best else 0 * good for name in names}
        assert f"{best} 0." in of_rules(judged(replace(case, rules=rules))).found


def test_a_model_that_reaches_fewer_converters_than_a_rule_is_refused_though_its_metric_is_no_lower() -> None:
    # The rule has 30 of 60 converters among the first 50 of each list, and nobody after them.
    company = np.tile(np.arange(2000, dtype=np.int32), 2)
    cutoff = np.repeat(np.array([18_000, 18_030], dtype=np.int32), 2000)
    label = (company < 60) & ((company < 30) == (cutoff == 18_000))
    rank = np.where(label, 60 + company % 30, 900)
    rank[~label] = np.tile(np.r_[:60, 90:2000], 2)
    rule = np.where(label & (company % 2 == 0), 2.0, np.where(label, -1.0, 0.0))
    score = 1 / (10.0 + rank)
    gate = QUICK_GATE.model_copy(update={"primary_metric": "roc_auc"})
    verdict = judged(Case(Contender("1.0.0", score), None, label, cutoff, company, rules={"odd": rule}), gate)
    figures: dict[str, Any] = of_rules(verdict).figures
    assert figures["model"] > figures["rule"]
    assert (figures["model_reached"], figures["rule_reached"]) == (0, pytest.approx((20 + 30 + 30) / 3))
    assert figures["probability_fewer"] == 1
    assert RULE in failed(verdict)


def test_the_rules_are_not_judged_on_too_few_converters_which_refuses_nothing(
    world: World, good: np.ndarray
) -> None:
    converters = np.unique(world.company[world.label]).size
    case = replace(world.case(good), rules={"the truth": world.odds})
    for least in (converters, converters + 1):
        verdict = judged(case, QUICK_GATE.model_copy(update={"rule_converters": least}))
        found = of_rules(verdict)
        assert not found.passed
        assert found.blocking == (least == converters)
        assert verdict.passed == (not found.blocking)
    assert found.found == f"not judged: {converters} of {least} companies that convert"


def test_a_rule_that_is_better_may_be_said_and_not_refused(world: World, good: np.ndarray) -> None:
    case = replace(world.case(good), rules={"the truth": world.odds})
    asked, told = (
        judged(case, QUICK_GATE.model_copy(update={"require_rule": required})) for required in (True, False)
    )
    assert (asked.passed, told.passed) == (False, True)
    assert of_rules(told).found == of_rules(asked).found
    assert of_rules(told).asked.endswith("; reported, not required")


def test_a_holdout_without_rules_cannot_be_judged_by_them(world: World, good: np.ndarray) -> None:
    verdict = judged(replace(world.case(good), rules={}))
    assert failed(verdict) == [RULE]
    assert of_rules(verdict).found == "not judged: the holdout has no rules"


# What holds of every verdict.


@st.composite
def any_evidence(draw: st.DrawFn) -> Case:
    n = draw(st.integers(0, 30))

    def column(values: st.SearchStrategy, dtype: type) -> np.ndarray:
        return np.array(draw(st.lists(values, min_size=n, max_size=n)), dtype=dtype)

    chance = st.one_of(st.sampled_from([0.0, 0.5, 1.0]), st.floats(0, 1))
    if draw(st.booleans()):
        chance = st.floats(allow_nan=True)
    contenders = [
        Contender(
            version,
            column(chance, np.float64) if draw(st.booleans()) or version == "1.1.0" else None,
            tuple(draw(st.lists(st.sampled_from(["a is missing"]), max_size=1))),
        )
        for version in ("1.1.0", "1.0.0")
    ]
    return Case(
        contenders[0],
        draw(st.sampled_from([None, contenders[1]])),
        column(st.booleans(), np.bool_),
        column(st.integers(0, 2), np.int32),
        column(st.integers(0, 5), np.int32),
        unmatched=draw(st.sampled_from(["", "it looks further ahead"])),
        rules={name: column(st.floats(0, 3), np.float32) for name in draw(st.sampled_from(["", "a", "ab"]))},
    )


def no_rows() -> Case:
    nothing = np.empty(0)
    return Case(
        Contender("1.1.0", nothing),
        Contender("1.0.0", nothing),
        nothing.astype(bool),
        nothing.astype(np.int32),
        nothing.astype(np.int32),
    )


@pytest.mark.filterwarnings("error::RuntimeWarning")
@example(case=no_rows(), metric="average_precision")
@given(case=any_evidence(), metric=st.sampled_from(["average_precision", "roc_auc"]))
def test_every_evidence_has_a_verdict_of_finite_figures(case: Case, metric: str) -> None:
    verdict = judged(
        case,
        GateSettings(primary_metric=metric, min_positives=1, rule_converters=1).model_copy(
            update={"resamples": 5}
        ),
    )
    plain = json.loads(written(verdict))
    met = all(one["passed"] or not one["blocking"] for one in plain["criteria"])
    assert plain["passed"] == verdict.passed == met
    assert [one["name"] for one in plain["criteria"]][: len(ABSOLUTE)] == ABSOLUTE
    assert len(plain["criteria"]) == len(ABSOLUTE) + (0 if case.champion is None else 2)
    assert all(one["found"] and one["asked"] for one in plain["criteria"])
    if not case.label.any():
        assert not verdict.passed


def test_the_order_of_the_rows_changes_no_byte_of_a_verdict(world: World, good: np.ndarray) -> None:
    other = world.probability(noise=1.0, model=1)
    straight = world.case(good, other)
    order = np.random.default_rng(9).permutation(good.size)
    shuffled = Case(
        Contender("1.1.0", good[order]),
        Contender("1.0.0", other[order]),
        world.label[order],
        world.cutoff[order],
        world.company[order],
        rules={name: score[order] for name, score in straight.rules.items()},
    )
    assert written(judged(straight)) == written(judged(shuffled)) == written(judged(straight))
    assert written(judged(straight, seed=8)) != written(judged(straight))


def test_the_primary_metric_decides_and_is_named(world: World, good: np.ndarray) -> None:
    gate = QUICK_GATE.model_copy(update={"primary_metric": "roc_auc"})
    verdict = judged(world.case(good, world.probability(noise=1.0, model=1)), gate)
    assert verdict.comparison is not None
    assert verdict.comparison.metric == "roc_auc"
    assert criterion(verdict, NO_WORSE).found.startswith("ROC-AUC 0.")
    assert criterion(verdict, NO_WORSE).figures["challenger"] == verdict.comparison.challenger


def test_more_tolerance_and_more_patience_let_more_through(world: World, good: np.ndarray) -> None:
    case = world.case(world.probability(noise=1.5, model=1), good)
    worse = criterion(judged(case), NO_WORSE).figures["probability_worse"]
    assert worse is not None
    assert QUICK_GATE.max_probability_worse < worse < 1
    for change in ({"tolerance": 0.95}, {"max_probability_worse": worse}):
        assert NO_WORSE not in failed(judged(case, QUICK_GATE.model_copy(update=change)))
    for change in ({"tolerance": 0.0}, {"max_probability_worse": worse - 0.001}):
        assert NO_WORSE in failed(judged(case, QUICK_GATE.model_copy(update=change)))


# How often it errs, on simulated models.


@pytest.mark.slow
@pytest.mark.parametrize(("noise", "conversions"), [(1.0, 40), (2.0, 12)])
def test_of_300_challengers_of_equal_quality_few_are_called_better(noise: float, conversions: int) -> None:
    better = 0
    for seed in range(300):
        world = World(seed, companies=1000, conversions=conversions)
        one, other = (world.outcomes(world.probability(noise, model=model)) for model in (1, 2))
        gate = {"tolerance": 0.1, "resamples": 400, "confidence": 0.95, "seed": 7}
        better += paired_bootstrap(one, other, "average_precision", **gate).low > 0  # type: ignore[arg-type]
    assert better <= 0.05 * 300


@pytest.mark.slow
def test_a_clearly_better_challenger_is_let_through() -> None:
    verdicts = []
    for seed in range(10):
        world = World(seed, companies=4000, conversions=60)
        better, champion = world.probability(noise=0.5), world.probability(noise=2.0, model=1)
        verdicts.append(judged(world.case(better, champion)))
    assert sum(verdict.passed for verdict in verdicts) >= 9
    assert sum(verdict.conclusion == "better" for verdict in verdicts) >= 7


@pytest.mark.slow
def test_a_clearly_better_model_is_seldom_taken_for_no_better_than_a_rule_and_a_worse_one_often() -> None:
    lost = {0.5: 0, 3.0: 0}
    for seed in range(20):
        world = World(seed, companies=4000, conversions=60)
        rules = {"a": world.probability(noise=2.0, model=8), "b": world.probability(noise=2.7, model=9)}
        for noise in lost:
            case = replace(world.case(world.probability(noise, model=1)), rules=rules)
            lost[noise] += not of_rules(judged(case)).passed
    assert lost[0.5] <= 0.1 * 20
    assert lost[3.0] >= 0.7 * 20


@pytest.mark.slow
def test_a_challenger_that_lost_a_third_of_a_strong_signal_is_refused() -> None:
    for seed in range(10):
        world = World(seed, companies=4000, conversions=200, spread=3.0)
        # As much noise as keeps the spread of the log-odds when a third of the truth is gone.
        lost = world.probability(share=2 / 3, noise=float(np.sqrt(1 - (2 / 3) ** 2) * world.odds.std()))
        verdict = judged(world.case(lost, world.probability(noise=0.3, model=1)))
        assert NO_WORSE in failed(verdict)
        assert verdict.conclusion == "worse"


@pytest.mark.slow
@pytest.mark.parametrize(("rows", "conversions"), [(15_000, 27), (10_000, 30)])
def test_chance_is_seldom_taken_for_signal(rows: int, conversions: int) -> None:
    let_through = 0
    rng = np.random.default_rng(0)
    company, cutoff = np.arange(rows, dtype=np.int32), np.zeros(rows, dtype=np.int32)
    for _ in range(120):
        outcomes = Outcomes(rng.random(rows), np.arange(rows) < conversions, cutoff, company)
        let_through += signal(outcomes, GateSettings(resamples=100, min_lift=1), seed=7).passed
    assert let_through <= 0.025 * 120


# How often it errs, on models fitted to generated data.

THIRD = ("attributes", "tenure", "recency", "trend")  # 13 of the 38 features
MOST = ("users", "intensity", "breadth", "tenure", "recency", "trend")


class Lesson:
    """Training rows and holdout of one split, and models fitted to some of its features."""

    def __init__(self, source: Source, seed: int) -> None:
        self.seed, self.source = seed, source
        self.part, self.holdout = split(source, spec_from(self._settings()), self._settings())

    def _settings(self, *off: str) -> Settings:
        """Settings under which a fit takes a second; the windows are 90 features much like the others."""
        values: dict[str, Any] = {
            "seed": self.seed,
            "threads": 1,
            "features": {"off": ("windows", *off)},
            "panel": {"step_days": 28},
            "split": {"kind": "stratified", "holdout_share": 0.4, "validation_folds": 2},
            "resample": {"sampling_strategy": "none"},
            "model": {"max_trees": 20, "early_stopping_rounds": 5, "params": {"learning_rate": 0.3}},
        }
        return Settings.model_validate(values)

    def model(self, *off: str, shuffled: bool = False) -> np.ndarray:
        """Probabilities on the holdout of a model without some features, or with labels that mean nothing."""
        settings = self._settings(*off)
        spec = spec_from(settings)
        rows = replace(self.part.train, rows=Rows.of(self.part.train.features[spec.names()]))
        if shuffled:
            rows = replace(rows, label=np.random.default_rng(self.seed).permutation(rows.label))
        fitted, _ = fit_model(rows, rows, spec, settings)
        return fitted.probabilities(self.holdout.features[spec.names()])

    def verdict(self, challenger: np.ndarray, champion: np.ndarray | None = None) -> Verdict:
        rows = self.holdout
        other = None if champion is None else Contender("1.0.0", champion)
        return judged(
            Case(
                Contender("1.1.0", challenger),
                other,
                rows.label,
                rows.cutoff,
                rows.company,
                rules=rows.rules,
            )
        )


def test_real_models_are_told_apart(source: Source) -> None:
    lesson = Lesson(source, seed=0)
    full = lesson.model()
    assert lesson.verdict(full).passed
    assert lesson.verdict(full, full).conclusion == "no worse"

    without_a_third = lesson.verdict(lesson.model(*THIRD), full)
    assert without_a_third.conclusion == "worse"
    assert NO_WORSE in failed(without_a_third)

    shuffled = lesson.model(shuffled=True)
    assert SIGNAL in failed(lesson.verdict(shuffled))
    assert {SIGNAL, NO_WORSE} <= set(failed(lesson.verdict(shuffled, full)))


@pytest.mark.slow
def test_a_full_model_is_let_through_in_place_of_a_crippled_one(source: Source) -> None:
    verdicts = []
    for seed in range(10):
        lesson = Lesson(source, seed)
        verdicts.append(lesson.verdict(lesson.model(), lesson.model(*MOST)))
    assert sum(set(failed(verdict)) <= {RULE} for verdict in verdicts) >= 9


FIVE = Case(
    Contender("1.1.0", np.array([0.1, 0.2, 0.3, 0.4, 0.5])),
    Contender("1.0.0", np.array([0.5, 0.4, 0.3, 0.2, 0.1])),
    np.array([1, 0, 0, 1, 0], dtype=bool),
    np.arange(5, dtype=np.int32),
    np.array([7, 7, 8, 9, 9], dtype=np.int32),
    rules={"rule": np.arange(5, dtype=np.float32)},
    share=0.5,
)


def test_a_case_on_some_rows_keeps_every_column_of_them() -> None:
    found = FIVE.only(np.array([True, False, True, False, False]))
    assert found.challenger.probability.tolist() == [0.1, 0.3]
    assert found.champion.probability.tolist() == [0.5, 0.3]
    assert found.label.tolist() == [True, False]
    assert (found.cutoff.tolist(), found.company.tolist()) == ([0, 2], [7, 8])
    assert found.rules["rule"].tolist() == [0, 2]
    assert found.share == pytest.approx(0.5 * 2 / 5)
    assert found.left_out == 1  # of company 7 a row is left
    alone = replace(FIVE, champion=None, challenger=Contender("1.1.0", None))
    some = alone.only(np.arange(5) < 3)
    assert (some.champion, some.challenger) == (None, alone.challenger)


def test_a_verdict_is_plain_data() -> None:
    row = Criterion("name", True, "found", "asked", {"a": 1.0}, blocking=False)
    one = Verdict("1.1.0", "1.0.0", True, (row,), "better", None)
    assert one.to_plain() == {
        "version": "1.1.0",
        "champion": "1.0.0",
        "verified": True,
        "passed": True,
        "conclusion": "better",
        "criteria": [
            {
                "name": "name", "passed": True, "found": "found", "asked": "asked", "figures": {"a": 1.0},
                "blocking": False,
            }
        ],
        "comparison": None,
    }  # fmt: skip
    paired = Paired("roc_auc", 0.7, 0.6, 0.1, 0.01, 0.2, 0.9, 0.1)
    assert replace(one, comparison=paired).to_plain()["comparison"] == asdict(paired)


@pytest.mark.parametrize(
    ("passed", "blocking", "whole"),
    [(True, True, True), (False, False, True), (False, True, False), (True, False, True)],
)
def test_a_verdict_passes_where_every_criterion_that_blocks_does(
    passed: bool, blocking: bool, whole: bool
) -> None:
    rows = (
        Criterion("a", True, "", "", {}),
        Criterion("b", passed, "", "", {}, blocking),
        Criterion("c", True, "", "", {}),
    )
    assert Verdict("1.1.0", None, True, rows, "first", None).passed == whole


@pytest.mark.parametrize(
    ("low", "no_worse", "conclusion"),
    [(0.01, True, "better"), (0.0, True, "no worse"), (-0.1, True, "no worse"), (0.01, False, "worse")],
)
def test_better_is_a_challenger_whose_interval_lies_above_nothing(
    low: float, no_worse: bool, conclusion: str
) -> None:
    paired = Paired("roc_auc", 0.7, 0.6, 0.1, low, 0.2, 0.9, 0.1)
    assert _conclusion(paired, no_worse=no_worse) == conclusion
    assert _conclusion(None, no_worse=no_worse) == "not judged"


OF_TWO = "probabilities between 0 and 1 for 2 rows"


@pytest.mark.parametrize(
    ("contender", "excuse", "problems"),
    [
        (Contender("1.1.0", np.array([0.0, 1.0])), "", ()),
        (Contender("1.1.0", None), "", ("1.1.0: it has not scored the rows",)),
        (Contender("1.1.0", None), "it cannot", ()),
        (Contender("1.1.0", None, ("a", "b")), "it cannot", ("1.1.0: a", "1.1.0: b")),
        (Contender("1.1.0", np.array([0.5])), "", (f"1.1.0: it has 1 {OF_TWO}",)),
        (
            Contender("1.1.0", np.array([0.5, 1.01])), "it cannot",
            (f"1.1.0: it has 1 {OF_TWO}",),
        ),
        (
            Contender("1.1.0", np.array([np.nan, -0.1])), "",
            (f"1.1.0: it has 0 {OF_TWO}",),
        ),
    ],
)  # fmt: skip
def test_why_probabilities_cannot_be_used_is_said_of_the_version(
    contender: Contender, excuse: str, problems: tuple[str, ...]
) -> None:
    assert _problems(contender, 2, excuse=excuse) == problems


def test_rows_are_judged_in_an_order_of_their_own_with_all_that_belongs_to_them() -> None:
    ours, theirs, rules = _rankings(FIVE, with_champion=True)
    order = np.lexsort((FIVE.label, FIVE.cutoff, FIVE.company))
    for ranked, contender in ((ours, FIVE.challenger), (theirs, FIVE.champion)):
        assert ranked.score.tolist() == contender.probability[order].tolist()
        assert ranked.label.tolist() == FIVE.label[order].tolist()
        assert ranked.cutoff.tolist() == FIVE.cutoff[order].tolist()
        assert ranked.company.tolist() == FIVE.company[order].tolist()
        assert ranked.share == 0.5
    assert rules["rule"].tolist() == FIVE.rules["rule"][order].tolist()
    assert _rankings(FIVE, with_champion=False)[1] is None
