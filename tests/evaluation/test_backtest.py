"""The backtest: each cutoff judged by a model of that day, on every prospect of that day."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from ml_sys.errors import NotEnoughDataError
from ml_sys.evaluation.backtest import PLAIN, Backtest, backtest, backtest_cutoffs
from ml_sys.evaluation.holdout import ALL, SEEN, evaluate_holdout, from_plain, to_plain
from ml_sys.evaluation.lists import MODEL, RANDOM
from ml_sys.features.rules import MOST_ACTIONS, MOST_USERS
from ml_sys.model.split import Source, rolling, split, training_part
from ml_sys.model.train import fit_model, spec_from
from ml_sys.settings import BootstrapSettings
from tests.model import world as w

WORLD = w.small_world()
SETTINGS = w.settings()
SPEC = spec_from(SETTINGS)
SOURCE = Source.of(WORLD, SETTINGS)
LATEST = SOURCE.timeline.latest_mature()
CUTOFFS = [LATEST - 56, LATEST - 28, LATEST]


@pytest.fixture(scope="module")
def done() -> Backtest:
    return backtest(SOURCE, CUTOFFS, SPEC, SETTINGS)


def test_without_a_range_the_last_six_mature_cutoffs_are_taken() -> None:
    assert backtest_cutoffs(SOURCE, None, None, 28).tolist() == [LATEST - 28 * k for k in range(5, -1, -1)]


def test_a_range_holds_its_last_day() -> None:
    assert backtest_cutoffs(SOURCE, LATEST - 14, LATEST, 7).tolist() == [LATEST - 14, LATEST - 7, LATEST]
    assert backtest_cutoffs(SOURCE, LATEST - 14, LATEST - 1, 7).tolist() == [LATEST - 14, LATEST - 7]


def test_a_cutoff_whose_outcome_is_not_known_is_refused_by_name() -> None:
    late = WORLD.as_of - w.HORIZON + 1
    assert backtest_cutoffs(SOURCE, late - 1, late - 1, 7).tolist() == [late - 1]
    with pytest.raises(NotEnoughDataError, match=f"{np.datetime64(late, 'D')} is not mature") as caught:
        backtest_cutoffs(SOURCE, LATEST, late, late - LATEST)
    assert str(np.datetime64(LATEST, "D")) in caught.value.hint


def test_an_empty_range_is_said_to_be_empty() -> None:
    with pytest.raises(NotEnoughDataError, match="no cutoff lies in the range"):
        backtest_cutoffs(SOURCE, LATEST, LATEST - 1, 7)


def test_a_cutoff_before_which_nothing_was_mature_is_refused() -> None:
    with pytest.raises(NotEnoughDataError, match="no training cutoff"):
        backtest(SOURCE, [w.MONDAY + 21], SPEC, SETTINGS)


def test_predictions_hold_every_company_that_had_not_paid_and_no_outcome(done: Backtest) -> None:
    assert done.predictions.columns.tolist() == ["cutoff", "id", "probability"]
    for cutoff in CUTOFFS:
        rows = done.predictions[done.predictions["cutoff"] == str(np.datetime64(cutoff, "D"))]
        expected = WORLD.companies["id"][cutoff <= WORLD.closed]
        assert sorted(rows["id"]) == sorted(expected)
        assert (np.diff(rows["probability"]) <= 0).all()
    assert len(done.predictions) == sum(int((cutoff <= WORLD.closed).sum()) for cutoff in CUTOFFS)


def test_probabilities_are_those_of_a_model_fitted_to_what_was_mature_then(done: Backtest) -> None:
    cutoff = CUTOFFS[1]
    part = training_part(SOURCE, cutoff, SPEC, SETTINGS)
    model, report = fit_model(part.train, part.validation, SPEC, SETTINGS)
    panel = rolling(SOURCE, np.array([cutoff], dtype=np.int32), SPEC, SETTINGS)
    told = done.predictions[done.predictions["cutoff"] == str(np.datetime64(cutoff, "D"))]
    expected = pd.Series(model.probabilities(panel.features), index=SOURCE.ids[panel.company])
    np.testing.assert_array_equal(told.set_index("id")["probability"][expected.index], expected)
    result = done.cutoffs[1]
    assert (result.cutoff, result.prospects) == (cutoff, len(panel))
    assert result.conversions == panel.label.sum()
    assert (result.training_cutoffs, result.training_positives) == (len(report.cutoffs), report.positives)
    assert result.trees == report.trees


def test_means_are_means_over_the_cutoffs_and_spreads_their_deviations(done: Backtest) -> None:
    for population in (ALL, SEEN):
        assert set(done.mean[population]) == {MODEL, PLAIN, MOST_ACTIONS, MOST_USERS, RANDOM}
        for ranker, metrics in done.mean[population].items():
            for name, value in metrics.items():
                each = np.array([one.metrics[population][ranker][name] for one in done.cutoffs])
                known = each[~np.isnan(each)]
                assert value == pytest.approx(known.mean() if known.size else np.nan, nan_ok=True)
                spread = known.std() if known.size else np.nan
                assert done.spread[population][ranker][name] == pytest.approx(spread, nan_ok=True, abs=1e-12)


def test_pooled_metrics_are_of_all_rows_of_all_cutoffs(done: Backtest) -> None:
    known = done.predictions
    assert done.pooled[ALL]["mean_probability"] == pytest.approx(known["probability"].mean())
    conversions = sum(one.conversions for one in done.cutoffs)
    assert done.pooled[ALL]["conversion_rate"] == pytest.approx(conversions / len(known))


def test_the_model_beats_chance_where_there_is_something_to_learn(done: Backtest) -> None:
    assert done.mean[ALL][MODEL]["average_precision"] > 1.5 * done.mean[ALL][RANDOM]["average_precision"]


def test_progress_is_told_after_each_cutoff() -> None:
    told: list[int] = []
    backtest(SOURCE, CUTOFFS[-2:], SPEC, SETTINGS, on_progress=told.append)
    assert told == [1, 2]


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
