"""Training: what is fitted, to whom, and that doing it again gives the same bytes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from sklearn.naive_bayes import GaussianNB
from threadpoolctl import threadpool_info

from ml_sys.data.ingest import Origin, Rules, ingest
from ml_sys.data.snapshot import load
from ml_sys.data.sources import FileSource
from ml_sys.model import validation
from ml_sys.model.estimator import BlendedXGBClassifier
from ml_sys.model.folds import company_folds
from ml_sys.model.pipeline import OFF, build_pipeline, raw_scores
from ml_sys.model.split import Source, split, training_part
from ml_sys.model.train import FitReport, FittedModel, fit_model, spec_from
from ml_sys.model.validation import validation_scores
from ml_sys.sample.generator import generate
from ml_sys.settings import SchemaSettings, Settings
from ml_sys.settings.checking.xgboost_params import is_xgboost
from tests.model import world as w

needs_lightgbm = pytest.mark.skipif(find_spec("lightgbm") is None, reason="an extra")
SETTINGS = w.settings()
SOURCE = Source.of(w.small_world(), SETTINGS)
PART, HOLDOUT = split(SOURCE, spec_from(SETTINGS), SETTINGS)


def fitted(asked: Settings = SETTINGS) -> tuple[FittedModel, FitReport]:
    part, _ = (PART, None) if asked.panel == SETTINGS.panel else split(SOURCE, spec_from(asked), asked)
    return fit_model(part.train, part.validation, spec_from(asked), asked)


@pytest.fixture(scope="module")
def first() -> tuple[FittedModel, FitReport]:
    return fitted()


def test_the_same_seed_gives_the_same_bytes_and_another_one_others(
    first: tuple[FittedModel, FitReport],
) -> None:
    again, report = fitted()
    assert w.fingerprint(again) == w.fingerprint(first[0])
    assert report == first[1]
    assert w.fingerprint(fitted(w.settings(seed=8))[0]).booster != w.fingerprint(first[0]).booster


def test_the_number_of_trees_is_frozen_into_the_pipeline(first: tuple[FittedModel, FitReport]) -> None:
    model, report = first
    estimator = model.pipeline["model"]
    assert report.trees == estimator.n_estimators == estimator.get_booster().num_boosted_rounds()
    assert estimator.early_stopping_rounds is None


def test_few_converters_are_learned_in_a_fixed_number_of_rounds_and_many_until_it_stops_early() -> None:
    converters = np.unique(PART.train.company[PART.train.label]).size
    for least, rounds in ((converters + 1, {7}), (converters, set(range(1, 20)))):
        _, report = fitted(w.settings(model={"trees": 7, "early_stopping_converters": least}))
        assert report.trees in rounds - ({7} if least == converters else set())


@pytest.mark.parametrize("least", [1, 10**6])
def test_a_bound_of_one_tree_leaves_one_tree(least: int) -> None:
    model, report = fitted(w.settings(model={"max_trees": 1, "early_stopping_converters": least}))
    assert report.trees == model.pipeline["model"].get_booster().num_boosted_rounds() == 1


def test_a_bound_on_trees_is_kept() -> None:
    _, report = fitted(w.settings(model={"max_trees": 2, "early_stopping_converters": 1}))
    assert report.trees in {1, 2}


def test_trees_are_the_nearest_to_where_the_folds_stop_on_average(monkeypatch: pytest.MonkeyPatch) -> None:
    class Stopped:
        def __init__(self, at: int) -> None:
            self.best_iteration = at

        def set_params(self, **_: object) -> None:
            pass

    stops = iter((2, 3, 3))  # counted from 0, so that three, four and four trees are kept
    monkeypatch.setattr(validation, "clone", lambda _: {"model": Stopped(next(stops))})
    monkeypatch.setattr(validation, "fit_pipeline", lambda *_, **__: None)
    monkeypatch.setattr(validation, "_at_trees", lambda _, rows, trees: (rows.label, {"n_estimators": trees}))
    asked = w.settings(model={"early_stopping_converters": 1}).model
    fold = company_folds(PART.train, 3, 1)
    pipeline: Any = None
    _, learned = validation_scores(pipeline, PART.train, PART.train, fold, asked)
    assert learned == {"n_estimators": 4}


def test_the_line_and_the_trees_are_each_put_right_on_companies_outside_the_fit(
    first: tuple[FittedModel, FitReport],
) -> None:
    estimator = first[0].pipeline["model"]
    assert isinstance(estimator, BlendedXGBClassifier)
    encoded = first[0].pipeline["encode"].transform(PART.validation.features)
    for log_odds, (slope, intercept) in (
        (estimator.tree_margins(encoded), estimator.tree_calibration),
        (estimator.line_log_odds(encoded), estimator.line_calibration),
    ):
        own = 1 / (1 + np.exp(-(slope * log_odds + intercept)))
        # Fitted rows are predicted a little too well; the mean is that of the rate all the same.
        assert own.mean() == pytest.approx(PART.validation.label.mean(), rel=0.5)
        assert slope > 0


def test_the_report_counts_rows_as_they_were_and_as_smotenc_left_them(
    first: tuple[FittedModel, FitReport],
) -> None:
    report, label = first[1], PART.train.label
    negative = int((~label).sum())
    assert report.before == (negative, int(label.sum()))
    assert report.after == (negative, int(0.2 * negative))
    assert (report.rows, report.positives) == (label.size, label.sum())
    assert report.companies == np.unique(PART.train.company).size
    assert report.cutoffs == tuple(np.unique(PART.train.cutoff))


def test_predicting_resamples_nothing(first: tuple[FittedModel, FitReport]) -> None:
    model = first[0]
    for n in (0, 1, 7, len(HOLDOUT)):
        assert model.probabilities(HOLDOUT.features.head(n)).shape == (n,)


def test_a_row_is_scored_the_same_alone_and_among_others(first: tuple[FittedModel, FitReport]) -> None:
    model = first[0]
    together = model.probabilities(HOLDOUT.features)
    for row in (0, 5, 50):
        assert model.probabilities(HOLDOUT.features.iloc[[row]])[0] == together[row]


@pytest.mark.parametrize(
    "model",
    [
        {"estimator": "sklearn.neighbors:KNeighborsClassifier", "params": {"n_neighbors": 1}},
        {
            "params": {"max_depth": 12, "min_child_weight": 0.0, "reg_lambda": 0.0},
            "early_stopping_rounds": 20,
        },
    ],
)
def testvalidation_scores_come_from_models_that_have_not_seen_the_company(model: dict[str, object]) -> None:
    luck = np.random.default_rng(0).random(w.COMPANIES) < 0.3
    panel = replace(PART.train, label=luck[PART.train.company])
    asked, spec = w.settings(model=model, resample={"sampling_strategy": "none"}), spec_from(SETTINGS)
    pipeline = build_pipeline(
        spec, features=asked.features, resample=asked.resample, model=asked.model, seed=1, threads=1
    )
    fold = company_folds(panel, asked.split.validation_folds, asked.seed)
    scores, _ = validation_scores(pipeline, panel, panel, fold, asked.model)
    pipeline.fit(panel.features, panel.label.astype(np.int64))
    assert roc_auc_score(panel.label, raw_scores(pipeline, panel.features)) > 0.95
    assert roc_auc_score(panel.label, scores) < 0.6


@pytest.mark.parametrize("strategy", [0.2, "auto", "none"])
def test_probabilities_are_calibrated_to_rows_that_were_not_resampled(strategy: float | str) -> None:
    model, report = fitted(w.settings(resample={"sampling_strategy": strategy}))
    assert report.validation_rate == PART.validation.label.mean()
    assert report.validation_mean == pytest.approx(report.validation_rate, rel=1e-3)
    assert model.probabilities(HOLDOUT.features).mean() == pytest.approx(HOLDOUT.label.mean(), rel=0.6)
    if strategy == "none":
        assert model.pipeline.named_steps["resample"] == OFF
        assert report.after == report.before
    if strategy == "auto":
        assert report.after[0] == report.after[1] == report.before[0]


@pytest.mark.parametrize("seed", [3, 4])
def test_few_conversions_do_not_make_the_kept_model_bolder_than_those_it_was_calibrated_by(seed: int) -> None:
    asked = w.settings(
        resample={"sampling_strategy": "none"},
        split={"validation_folds": 3},
        model={"trees": 20, "params": {"learning_rate": 0.05, "min_child_weight": 6.0}},
    )
    source = Source.of(w.small_world(seed), asked)
    part, _ = split(source, spec_from(asked), asked)
    model, report = fit_model(part.train, part.validation, spec_from(asked), asked)
    assert report.converters < 50
    assert model.probabilities(part.train.rows).mean() == pytest.approx(part.train.label.mean(), rel=0.12)


@pytest.mark.parametrize("method", ["sigmoid", "isotonic", "none"])
def test_a_model_is_calibrated_as_asked(method: str) -> None:
    model, _ = fitted(w.settings(calibration={"method": method}))
    raw = raw_scores(model.pipeline, HOLDOUT.features)
    probability = model.probabilities(HOLDOUT.features)
    assert model.calibrator.method == method
    assert (np.diff(probability[np.argsort(raw, kind="stable")]) >= 0).all()
    assert np.array_equal(raw, probability) == (method == "none")


def test_a_snapshot_panel_is_calibrated_on_every_row_of_its_companies() -> None:
    model, report = fitted(w.settings(panel={"kind": "snapshot"}))
    assert report.rows == report.companies
    part, _ = split(SOURCE, spec_from(SETTINGS), w.settings(panel={"kind": "snapshot"}))
    assert report.cutoffs == tuple(np.unique(part.validation.cutoff))
    assert report.validation_mean == pytest.approx(report.validation_rate, rel=1e-3)
    assert model.probabilities(HOLDOUT.features).shape == (len(HOLDOUT),)


@pytest.mark.parametrize(
    ("path", "params"),
    [
        ("sklearn.linear_model:LogisticRegression", {"max_iter": 100, "C": 0.01}),
        ("sklearn.ensemble:RandomForestClassifier", {"n_estimators": 20}),
        pytest.param(
            "sklearn.ensemble:HistGradientBoostingClassifier", {"max_iter": 10}, marks=pytest.mark.slow
        ),
        pytest.param("lightgbm:LGBMClassifier", {"n_estimators": 10}, marks=needs_lightgbm),
    ],
)
@pytest.mark.filterwarnings("error::FutureWarning", "error::UserWarning")
def test_any_classifier_with_probabilities_can_be_named(path: str, params: dict[str, object]) -> None:
    asked = w.settings(model={"estimator": path, "params": params})
    (model, report), (again, _) = fitted(asked), fitted(asked)
    probability = model.probabilities(HOLDOUT.features)
    assert type(model.pipeline["model"]).__name__ == path.rpartition(":")[2]
    assert report.trees is None
    assert report.after[1] == int(0.2 * report.after[0])
    assert roc_auc_score(HOLDOUT.label, probability) > 0.6
    np.testing.assert_array_equal(probability, again.probabilities(HOLDOUT.features))


@pytest.mark.parametrize("off", [("attributes",), ("windows",)])
def test_features_may_be_switched_off_down_to_numbers_or_few(off: tuple[str, ...]) -> None:
    asked = w.settings(features={"off": off})
    part, holdout = split(SOURCE, spec_from(asked), asked)
    model, _ = fit_model(part.train, part.validation, spec_from(asked), asked)
    assert holdout.features.columns.tolist() == spec_from(asked).names()
    assert np.isfinite(model.probabilities(holdout.features)).all()


def test_categories_alone_are_enough_to_fit() -> None:
    groups = {group for group in spec_from(SETTINGS).groups().values() if group != "attributes"}
    asked = w.settings(features={"off": (*groups, "log_rank", "unranked", "employees")})
    part, holdout = split(SOURCE, spec_from(asked), asked)
    model, report = fit_model(part.train, part.validation, spec_from(asked), asked)
    assert holdout.features.columns.tolist() == ["employee_range", "industry"]
    assert report.after[1] == int(0.2 * report.after[0])
    assert np.isfinite(model.probabilities(holdout.features)).all()


@pytest.mark.parametrize("threads", [1, 2])
def test_estimators_without_a_number_of_threads_keep_to_the_limit(threads: int) -> None:
    asked = w.settings(model={"estimator": f"{__name__}:Watching", "params": {}}, threads=threads)
    Watching.seen.clear()
    fitted(asked)
    assert 1 <= max(Watching.seen) <= threads


class Watching(GaussianNB):
    """Writes down how many OpenMP threads it may use while it is fitted."""

    seen: ClassVar[list[int]] = []

    def fit(self, X: Any, y: Any) -> Watching:
        pools = [one["num_threads"] for one in threadpool_info() if one["user_api"] == "openmp"]
        self.seen.append(max(pools))
        return super().fit(X, y)


def test_only_estimators_of_xgboost_have_rounds() -> None:
    assert is_xgboost("xgboost:XGBClassifier")
    assert is_xgboost("ml_sys.model.estimator:BlendedXGBClassifier")
    assert not is_xgboost("sklearn.ensemble:RandomForestClassifier")


def test_the_mean_probability_on_the_holdout_is_near_the_observed_rate(tmp_path: Path) -> None:
    # About 150 conversions are held out, so that a factor of 1.5 is five standard errors.
    generate(tmp_path, companies=10_000, weeks=52, seed=2)
    names = {"customers": "customers", "noncustomers": "noncustomers", "usage": "usage_actions"}
    paths = {table: str(tmp_path / f"{name}.csv") for table, name in names.items()}
    report = ingest(
        Origin(FileSource(), SchemaSettings(), paths),
        Rules(max_rejected_share=0.05),
        tmp_path,
        now=datetime(2026, 1, 1, tzinfo=UTC),
    )
    asked = w.settings(
        features={"windows_days": [28], "off": ["breadth", "trend", "intensity"]},
        panel={"max_cutoffs": 5},
        split={"holdout_cutoffs": 4},
        resample={"sampling_strategy": 0.02},
        model={"max_trees": 60, "early_stopping_rounds": 10, "params": {"learning_rate": 0.15}},
    )
    source, spec = Source.of(load(report.path), asked), spec_from(asked)
    part, holdout = split(source, spec, asked)
    model, fit = fit_model(part.train, part.validation, spec, asked)
    assert fit.after[1] > 3 * fit.before[1]
    assert holdout.label.sum() > 100
    assert 1 / 1.5 < model.probabilities(holdout.features).mean() / holdout.label.mean() < 1.5


def test_a_model_says_the_same_of_training_rows_however_they_were_cut(
    first: tuple[FittedModel, FitReport],
) -> None:
    part = training_part(
        SOURCE, int(HOLDOUT.cutoff.min()), spec_from(SETTINGS), SETTINGS.panel, SETTINGS.seed
    )
    again, _ = fit_model(part.train, part.validation, spec_from(SETTINGS), SETTINGS)
    assert w.fingerprint(again) == w.fingerprint(first[0])


def test_a_model_of_a_share_of_the_companies_calls_the_capacity_of_a_whole_list() -> None:
    def threshold(share: float, capacity: int) -> float:
        asked = w.settings(threshold={"capacity": capacity})
        return fit_model(PART.train, PART.validation, spec_from(asked), asked, share=share)[0].threshold

    assert threshold(0.5, 40) == threshold(1.0, 20)


def test_the_report_counts_each_company_that_converts_once(first: tuple[FittedModel, FitReport]) -> None:
    assert first[1].converters == np.unique(PART.train.company[PART.train.label]).size
    assert first[1].companies == np.unique(PART.train.company).size < first[1].rows


def test_the_report_compares_the_mean_probability_of_validation_rows_with_their_rate(
    first: tuple[FittedModel, FitReport],
) -> None:
    report = first[1]
    assert report.validation_rate == pytest.approx(PART.validation.label.mean())
    assert report.validation_mean == pytest.approx(report.validation_rate, rel=1e-3)
    assert (report.whole_rows, report.sampled_rows) == (len(PART.validation), len(PART.validation))
    assert report.one_in == 1.0
    assert report.positives == PART.train.label.sum()


def test_the_report_of_a_sample_counts_what_its_rows_stand_for() -> None:
    panel = {"step_days": 7, "max_cutoffs": 30, "max_rows": 900, "negatives_per_positive": 4}
    asked = w.settings(panel=panel, model={"trees": 3})
    part, _ = split(SOURCE, spec_from(asked), asked)
    model, report = fit_model(part.train, part.validation, spec_from(asked), asked)
    weight = part.validation.weight
    assert weight is not None
    assert (report.rows, report.sampled_rows) == (len(part.train), len(part.validation))
    assert report.whole_rows == round(weight.sum())
    assert report.one_in == pytest.approx(weight.max())
    assert 1 < report.one_in < report.whole_rows / report.sampled_rows * 1.5
    assert report.validation_rate == pytest.approx(part.validation.label.sum() / weight.sum())
    assert report.validation_mean == pytest.approx(report.validation_rate, rel=0.02)
    negatives = report.whole_rows - report.positives
    assert report.before == (negatives, report.positives)
    # As many rows reach the threshold as sales can call in all the lists of training.
    probability = model.probabilities(part.validation.features)
    lists = np.unique(part.validation.cutoff).size
    called = weight[probability >= model.threshold].sum()
    assert called == pytest.approx(asked.threshold.capacity * lists, rel=0.5)


def test_the_features_are_those_that_the_settings_name() -> None:
    features = {"windows_days": [28, 7, 28], "off": ["trend", "recency"], "attribute_missingness": True}
    asked = w.settings(features=features, usage={"stamp": "end"})
    found = spec_from(asked)
    assert (found.windows_days, found.off, found.extra) == ((7, 28), ("recency", "trend"), ())
    assert found.attribute_missingness
    assert found.period == asked.usage.row_period
    assert found.period != spec_from(SETTINGS).period
    assert not spec_from(SETTINGS).attribute_missingness
    for history in ("on", "off"):
        assert spec_from(w.settings(features={"history": history})).history == history


def test_no_rows_have_no_scores(first: tuple[FittedModel, FitReport]) -> None:
    assert raw_scores(
        first[0].pipeline, PART.train.take(np.zeros(len(PART.train), dtype=bool)).rows
    ).shape == (0,)
