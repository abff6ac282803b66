"""The backtest: each cutoff judged by a model of that day, on every prospect of that day."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import log_loss

from ml_sys.data.schema import NEVER_CLOSED
from ml_sys.data.snapshot import Snapshot, opened_latest
from ml_sys.errors import NotEnoughDataError
from ml_sys.experiments.backtest import (
    Backtest,
    CutoffResult,
    _over,
    backtest,
    compare_lists,
    populations,
)
from ml_sys.experiments.cache import TermStore
from ml_sys.experiments.past_lists import make_lists
from ml_sys.experiments.schedule import PLAIN, Term, TermScores
from ml_sys.features.rules import NEWEST
from ml_sys.metrics.campaign import play_season
from ml_sys.metrics.holdout import ALL, SEEN, SIGN_UPS, evaluate_holdout, from_plain, to_plain
from ml_sys.metrics.list_averages import LIST_METRICS, list_estimates
from ml_sys.metrics.scored_lists import MODEL, RANDOM
from ml_sys.model.pipeline import build_pipeline, fit_pipeline, raw_scores
from ml_sys.model.split import Source, rolling, split, training_part
from ml_sys.model.train import fit_model, spec_from
from ml_sys.settings import XGBOOST, BootstrapSettings, ModelSettings, ResampleSettings, Settings
from tests import made
from tests.conftest import Once
from tests.model import world as w
from tests.model.world import MOST_ACTIONS, MOST_USERS

WORLD = w.small_world()
SETTINGS = w.settings(backtest={"cooldown_weeks": 3}, bootstrap={"confidence": 0.8}, engine={"workers": 1})
SPEC = spec_from(SETTINGS)
SOURCE = Source.of(WORLD, SETTINGS)
LATEST = SOURCE.timeline.latest_mature()
TERMS = (Term(LATEST - 56, (LATEST - 56, LATEST - 49)), Term(LATEST - 28, (LATEST - 28, LATEST)))
CUTOFFS = [cutoff for term in TERMS for cutoff in term.cutoffs]


@pytest.fixture(scope="module")
def done() -> Backtest:
    return backtest(WORLD, TERMS, SETTINGS)


def test_a_term_before_which_nothing_was_mature_is_refused() -> None:
    with pytest.raises(NotEnoughDataError, match="no training cutoff"):
        backtest(WORLD, [Term(w.MONDAY + 21, (w.MONDAY + 21,))], SETTINGS)


def test_predictions_hold_every_company_that_had_not_paid_and_no_outcome(done: Backtest) -> None:
    predictions = done.predictions()
    assert predictions.columns.tolist() == ["cutoff", "id", "probability"]
    for cutoff in CUTOFFS:
        rows = predictions[predictions["cutoff"] == str(np.datetime64(cutoff, "D"))]
        expected = WORLD.companies["id"][cutoff <= WORLD.closed]
        assert sorted(rows["id"]) == sorted(expected)
        assert (np.diff(rows["probability"]) <= 0).all()
    assert predictions["cutoff"].is_monotonic_increasing
    assert len(predictions) == sum(int((cutoff <= WORLD.closed).sum()) for cutoff in CUTOFFS)


@pytest.mark.parametrize("at", [1, 3])
def test_probabilities_are_those_of_a_model_fitted_to_what_was_mature_at_the_terms_begin(
    done: Backtest, at: int
) -> None:
    cutoff, term = CUTOFFS[at], TERMS[at // 2]
    part = training_part(SOURCE, term.trained, SPEC, SETTINGS.panel, SETTINGS.seed)
    model, report = fit_model(part.train, part.validation, SPEC, SETTINGS)
    panel = rolling(SOURCE, np.array([cutoff], dtype=np.int32), SPEC)
    predictions = done.predictions()
    told = predictions[predictions["cutoff"] == str(np.datetime64(cutoff, "D"))]
    expected = pd.Series(model.probabilities(panel.features), index=SOURCE.ids[panel.company])
    np.testing.assert_array_equal(told.set_index("id")["probability"][expected.index], expected)
    result = done.cutoffs[at]
    assert (result.cutoff, result.trained) == (cutoff, term.trained)
    assert result.prospects == {ALL: len(panel), SEEN: panel.seen.sum()}
    assert result.conversions == {ALL: panel.label.sum(), SEEN: panel.label[panel.seen].sum()}
    assert (result.training_cutoffs, result.training_positives) == (len(report.cutoffs), report.positives)
    assert result.trees == report.trees
    rows = done.lists.cutoff == cutoff
    assert (done.lists.threshold[rows] == model.threshold).all()
    assert (done.lists.tier[rows] == model.tiers.of(done.lists.probability[rows])).all()


def test_an_expanding_window_learns_from_all_that_was_mature() -> None:
    rows = {
        window: make_lists(
            WORLD, TERMS[-1:], w.settings(backtest={"window": window}, engine={"workers": 1}), plain=False
        )[0][0]
        for window in ("rolling", "expanding")
    }
    every = SOURCE.timeline.training_cutoffs(TERMS[-1].trained, 28, 10_000).size
    assert every > SETTINGS.panel.max_cutoffs
    assert {PLAIN in one.scores for one in rows.values()} == {False}
    assert rows["rolling"].training_cutoffs == SETTINGS.panel.max_cutoffs
    assert rows["expanding"].training_cutoffs == every


def test_means_are_means_over_the_lists_and_spreads_their_deviations(done: Backtest) -> None:
    for population in (ALL, SEEN):
        assert set(done.mean[population]) == {MODEL, PLAIN, MOST_ACTIONS, MOST_USERS, RANDOM}
        for ranker, metrics in done.mean[population].items():
            for name, value in metrics.items():
                each = np.array([one.metrics[population][ranker][name] for one in done.cutoffs])
                known = each[~np.isnan(each)]
                assert value == pytest.approx(known.mean() if known.size else np.nan, nan_ok=True)
                spread = known.std() if known.size else np.nan
                assert done.spread[population][ranker][name] == pytest.approx(spread, nan_ok=True, abs=1e-12)


def test_each_mean_over_lists_has_an_interval_that_holds_it(done: Backtest) -> None:
    for population in (ALL, SEEN):
        for ranker in (MODEL, PLAIN, MOST_ACTIONS, MOST_USERS):
            for metric in LIST_METRICS:
                one = done.intervals[population][ranker][metric]
                assert one.value == pytest.approx(done.mean[population][ranker][metric])
                assert one.low <= one.value <= one.high


def test_pooled_metrics_are_of_all_rows_of_all_lists(done: Backtest) -> None:
    known = done.predictions()
    assert done.pooled[ALL]["mean_probability"] == pytest.approx(known["probability"].mean())
    conversions = sum(one.conversions[ALL] for one in done.cutoffs)
    assert done.pooled[ALL]["conversion_rate"] == pytest.approx(conversions / len(known))


def test_what_became_of_a_company_is_what_the_snapshot_says(done: Backtest) -> None:
    lists = done.lists
    np.testing.assert_array_equal(lists.closed, WORLD.closed[lists.company])
    until = lists.cutoff.astype(np.int64) + w.HORIZON
    np.testing.assert_array_equal(lists.label, lists.closed < until)
    assert np.isnan(lists.value[lists.closed == NEVER_CLOSED]).all()
    paid = lists.closed != NEVER_CLOSED
    assert paid.any()
    np.testing.assert_array_equal(lists.value[paid], WORLD.companies["value"].to_numpy()[lists.company[paid]])


def test_the_model_beats_chance_where_there_is_something_to_learn(done: Backtest) -> None:
    assert done.mean[ALL][MODEL]["average_precision"] > 1.5 * done.mean[ALL][RANDOM]["average_precision"]


def test_progress_is_told_after_each_term() -> None:
    told: list[int] = []
    backtest(WORLD, TERMS, SETTINGS, on_progress=told.append)
    assert told == [0, 2, 4]


@pytest.mark.slow  # starts processes
def test_processes_side_by_side_give_the_same_bits(done: Backtest) -> None:
    two = SETTINGS.engine.model_copy(update={"workers": 2})
    both = backtest(WORLD, TERMS, SETTINGS.model_copy(update={"engine": two, "threads": 2}))
    assert_same(both, done)


@pytest.mark.slow  # fits in processes of their own
def test_past_lists_of_a_snapshot_in_several_parts_are_those_of_the_whole(
    snapshot: Snapshot, cheap_settings: Settings, three_tables: Path, once: Once
) -> None:
    parted = opened_latest(once("parts-3", lambda to: made.snapshot(to, three_tables, 3)))
    two = cheap_settings.engine.model_copy(update={"workers": 2})
    settings = cheap_settings.model_copy(update={"engine": two})
    day = Source.of(snapshot, settings).timeline.latest_mature()
    terms = [Term(day - 28, (day - 28, day - 21)), Term(day - 14, (day - 14,))]
    whole, parts = (make_lists(one, terms, settings)[0] for one in (snapshot, parted))
    for one, other in zip(whole, parts, strict=True):
        np.testing.assert_array_equal(one.company, other.company)
        assert one.scores.keys() == other.scores.keys()
        for ranker, score in one.scores.items():
            np.testing.assert_array_equal(score, other.scores[ranker])


def test_a_second_run_remembers_every_list_and_tells_the_same(done: Backtest, tmp_path: Path) -> None:
    def run(**changes: Any) -> Backtest:
        settings = SETTINGS.model_validate({**SETTINGS.model_dump(by_alias=True), **changes})
        store = TermStore(tmp_path, WORLD.id, settings, plain=True)
        told.clear()
        return backtest(WORLD, TERMS, settings, store=store, on_progress=told.append)

    told: list[int] = []
    first, second = run(), run()
    assert told == [4]
    assert (first.remembered, second.remembered) == (0, 4)
    assert_same(first, done)
    assert_same(second, done)
    assert run(bootstrap={"resamples": 25}).remembered == 4  # no fit depends on it
    assert run(seed=8).remembered == 0


def test_lists_compared_with_themselves_are_level(done: Backtest) -> None:
    level = compare_lists(done.lists, done.lists, BootstrapSettings(resamples=20), 1)
    for metrics in level.values():
        assert set(metrics) == set(LIST_METRICS)
        for one in metrics.values():
            assert (one.difference, one.low, one.high) == (0, 0, 0)
            assert (one.probability_better, one.probability_worse) == (0.5, 0.5)


def test_a_better_ranking_is_found_to_be_better_whatever_the_order_of_its_rows(done: Backtest) -> None:
    lists = done.lists
    best = replace(lists, scores={MODEL: lists.label.astype(np.float64)})
    mixed = best.take(np.random.default_rng(0).permutation(len(best)))
    asked = BootstrapSettings(resamples=50)
    found = compare_lists(mixed, lists, asked, 1)[ALL]["average_precision"]
    assert found.challenger == 1
    assert found.champion == pytest.approx(done.mean[ALL][MODEL]["average_precision"])
    # A resample may hold only converters that both put first: a tie, which counts half.
    assert found.probability_better > 0.95
    assert found.low > 0
    seen = compare_lists(mixed, lists, asked, 1)[SEEN]["average_precision"]
    assert (seen.challenger, seen.champion) == pytest.approx((1, done.mean[SEEN][MODEL]["average_precision"]))
    back = compare_lists(lists, mixed, asked, 1)[ALL]["average_precision"]
    assert back.difference == -found.difference
    assert back.probability_better == pytest.approx(1 - found.probability_better)


def assert_same(one: Backtest, other: Backtest) -> None:
    for field in ("cutoff", "company", "label", "seen", "closed", "value", "threshold", "tier"):
        np.testing.assert_array_equal(getattr(one.lists, field), getattr(other.lists, field))
    assert set(one.lists.scores) == set(other.lists.scores)
    for ranker, score in one.lists.scores.items():
        np.testing.assert_array_equal(score, other.lists.scores[ranker])
    assert one.intervals == other.intervals
    np.testing.assert_equal(one.mean, other.mean)  # a metric that no list defines is NaN in both


def test_a_holdouts_evaluation_survives_being_written_and_read() -> None:
    _, panel = split(SOURCE, SPEC, SETTINGS)
    probability = np.random.default_rng(0).random(len(panel))
    asked = BootstrapSettings(resamples=20)
    found = evaluate_holdout(panel, probability, threshold=0.5, bootstrap=asked, seed=1)
    again = evaluate_holdout(panel, probability, threshold=0.5, bootstrap=asked, seed=1)
    assert to_plain(found) == to_plain(again) == to_plain(from_plain(to_plain(found)))
    assert set(found[ALL]) == {MODEL, MOST_ACTIONS, MOST_USERS, RANDOM}
    assert {"brier", "f1"} <= set(found[ALL][MODEL])
    assert "brier" not in found[ALL][MOST_USERS]
    assert found[ALL][MODEL]["true_positives"].value == ((probability >= 0.5) & panel.label).sum()
    assert found[SEEN][MODEL]["conversion_rate"].value == panel.label[panel.seen].mean()


@pytest.mark.parametrize("population", [ALL, SEEN])
def test_pooled_figures_are_those_of_the_probabilities_of_a_population(
    done: Backtest, population: str
) -> None:
    rows = np.ones(len(done.lists), dtype=bool) if population == ALL else done.lists.seen
    probability, label = done.lists.probability[rows], done.lists.label[rows]
    pooled = done.pooled[population]
    assert pooled["brier"] == pytest.approx(np.mean((probability - label) ** 2))
    assert pooled["log_loss"] == pytest.approx(log_loss(label, probability))
    assert pooled["mean_probability"] == pytest.approx(probability.mean())
    assert pooled["conversion_rate"] == pytest.approx(label.mean())
    assert 0 <= pooled["calibration_error"] < 1


def test_each_list_is_judged_at_the_threshold_of_its_model(done: Backtest) -> None:
    for one, cutoff in zip(done.cutoffs, CUTOFFS, strict=True):
        rows = done.lists.cutoff == cutoff
        called = done.lists.probability[rows] >= done.lists.threshold[rows]
        assert one.metrics[ALL][MODEL]["true_positives"] == (called & done.lists.label[rows]).sum()
        assert one.metrics[ALL][MODEL]["false_positives"] == (called & ~done.lists.label[rows]).sum()


@pytest.mark.slow  # starts processes
def test_a_cluster_gives_the_same_bits_though_a_worker_is_killed_over_a_term(done: Backtest) -> None:
    distributed = pytest.importorskip("distributed", reason="Dask is an extra, and not installed")
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as here,
        distributed.Client(here, set_as_default=False) as client,
    ):
        pids = list(client.run(os.getpid).values())

        def told(lists: int) -> None:
            if lists == 2:  # one term is done, and the other in hand
                os.kill(pids[0], signal.SIGKILL)

        cluster = w.settings(engine={"kind": "dask", "address": here.scheduler_address}).engine
        asked = SETTINGS.model_copy(update={"engine": cluster})
        assert_same(backtest(WORLD, TERMS, asked, on_progress=told), done)


def test_a_season_is_played_and_intervals_are_drawn_as_the_settings_ask(done: Backtest) -> None:
    drawn = {"resamples": 30, "confidence": 0.8, "seed": SETTINGS.seed}
    season = play_season(done.lists, capacities=SETTINGS.backtest.capacities, cooldown_weeks=3, **drawn)
    assert repr(done.season) == repr(season)  # what is not defined is no number, and equal to none
    for population, rows in populations(done.lists):
        lists = done.lists.take(rows)
        asked = {ranker: lists.outcomes(ranker) for ranker in lists.scores}
        assert repr(done.intervals[population]) == repr(list_estimates(asked, **drawn))


def test_means_are_over_the_lists_that_define_a_metric_and_nothing_is_a_value() -> None:
    nan = float("nan")
    lists = [
        CutoffResult(7 * at, 0, {}, {}, 1, 1, None, {ALL: {MODEL: dict(zip("abc", one, strict=True))}})
        for at, one in enumerate([(0.0, nan, nan), (0.5, 0.25, nan)])
    ]
    assert repr(_over(lists, np.mean)[ALL][MODEL]) == repr({"a": 0.25, "b": 0.25, "c": nan})


def test_plain_xgboost_has_the_parameters_of_the_defaults_and_nothing_is_done_about_the_imbalance(
    done: Backtest,
) -> None:
    part = training_part(SOURCE, TERMS[-1].trained, SPEC, SETTINGS.panel, SETTINGS.seed)
    plain = build_pipeline(
        SPEC,
        features=SETTINGS.features,
        resample=ResampleSettings(sampling_strategy="none"),
        model=ModelSettings(estimator=XGBOOST, max_trees=100),
        seed=SETTINGS.seed,
        threads=1,
    )
    fit_pipeline(plain, part.train.rows, part.train.label)
    assert plain["model"].get_booster().num_boosted_rounds() == 100
    panel = rolling(SOURCE, np.array(TERMS[-1].cutoffs, dtype=np.int32), SPEC)
    told = done.lists.scores[PLAIN][done.lists.cutoff >= TERMS[-1].trained]
    np.testing.assert_array_equal(told, raw_scores(plain, panel.rows))


def test_sign_ups_of_the_week_are_judged_by_themselves_also_where_a_list_has_none(tmp_path: Path) -> None:
    n, first = 40, LATEST - 7
    rng = np.random.default_rng(2)
    term = Term(first, (first, LATEST))
    cutoff = np.repeat(np.array(term.cutoffs, dtype=np.int32), n)
    ago = np.where(cutoff == LATEST, np.tile(np.arange(1, n + 1), 2), 8)
    label = np.tile(np.arange(n) % 5 == 0, 2)
    made = TermScores(
        training_cutoffs=3,
        training_positives=9,
        trees=10,
        threshold=0.2,
        cutoff=cutoff,
        company=np.tile(np.arange(n, dtype=np.int32), 2),
        label=label,
        seen=np.ones(2 * n, dtype=bool),
        tier=np.full(2 * n, "C"),
        scores={MODEL: rng.random(2 * n), PLAIN: rng.random(2 * n), NEWEST: -ago.astype(np.float64)},
    )
    store = TermStore(tmp_path, WORLD.id, SETTINGS, plain=True)
    store.save(term, made)
    found = backtest(WORLD, [term], SETTINGS, store=store)
    none, some = found.cutoffs
    assert (none.prospects[SIGN_UPS], some.prospects[SIGN_UPS]) == (0, 7)
    assert (none.conversions[SIGN_UPS], some.conversions[SIGN_UPS]) == (0, 2)
    assert np.isnan(none.metrics[SIGN_UPS][NEWEST]["average_precision"])
    assert list(none.metrics[SIGN_UPS]) == list(none.metrics[ALL])
    rates = [found.pooled[those]["conversion_rate"] for those in (ALL, SIGN_UPS)]
    assert rates == pytest.approx([1 / 5, 2 / 7])
    for ranker in (MODEL, NEWEST, RANDOM):
        assert found.mean[SIGN_UPS][ranker]["lift_at_10"] == some.metrics[SIGN_UPS][ranker]["lift_at_10"]
    one = found.intervals[SIGN_UPS][NEWEST]["average_precision"]
    assert one.value == pytest.approx(some.metrics[SIGN_UPS][NEWEST]["average_precision"])
    paired = compare_lists(found.lists, found.lists, BootstrapSettings(resamples=20), 1)
    assert paired[SIGN_UPS]["average_precision"].difference == 0
