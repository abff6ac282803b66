"""Resampling held against none and class weights: the same folds, each calibrated on other folds."""

from __future__ import annotations

import numpy as np
import pytest

from ml_sys.experiments import resampling
from ml_sys.experiments.resampling import (
    CLASS_WEIGHT,
    NONE,
    SMOTE,
    Resampling,
    _chosen,
    _outcomes,
    compare_resampling,
    variants_of,
)
from ml_sys.model.folds import company_folds
from ml_sys.model.split import Source, split
from ml_sys.model.train import fit_model, spec_from
from ml_sys.settings import XGBOOST, Settings
from tests.model import world as w

# Trees alone: with a line beside them, each member is put right before scores are calibrated.
SETTINGS = w.settings(engine={"workers": 1}, model={"estimator": XGBOOST})
PART, _ = split(Source.of(w.small_world(), SETTINGS), spec_from(SETTINGS), SETTINGS)


@pytest.fixture(scope="module")
def found() -> Resampling:
    return compare_resampling(PART, spec_from(SETTINGS), SETTINGS)


def test_each_way_is_judged_on_every_row_of_the_training_part(found: Resampling) -> None:
    assert [one.name for one in found.variants] == [NONE, CLASS_WEIGHT, SMOTE]
    assert [one.chosen for one in found.variants] == [False, False, True]
    assert (found.rows, found.positives) == (len(PART.validation), PART.validation.label.sum())


def test_resampled_scores_are_too_high_until_they_are_calibrated(found: Resampling) -> None:
    none, weighted, smote = found.variants
    rate = PART.validation.label.mean()
    for one in (weighted, smote):
        assert one.raw_probability > 1.5 * none.raw_probability
        assert abs(one.mean_probability - rate) < abs(one.raw_probability - rate) / 2


def test_the_probabilities_of_a_fold_are_calibrated_by_the_outcomes_of_the_others() -> None:
    rows = PART.validation
    fold = company_folds(rows, SETTINGS.split.validation_folds, SETTINGS.seed)[rows.company]
    says_nothing = np.full(len(rows), 0.5)  # so that calibration gives the rate that it has learnt from
    probability = _outcomes(rows, says_nothing, SETTINGS).score
    rates = np.array([rows.label[fold != number].mean() for number in range(fold.max() + 1)])
    assert np.unique(rates).size > 1
    np.testing.assert_allclose(probability, rates[fold], rtol=1e-9)


def test_differences_are_counted_from_doing_nothing(found: Resampling) -> None:
    none = found.variants[0].against_none
    assert (none.difference, none.low, none.high) == (0, 0, 0)
    for one in found.variants[1:]:
        assert one.against_none.champion == none.champion
        assert one.against_none.low <= one.against_none.difference <= one.against_none.high


def test_of_a_sampled_part_figures_are_those_of_the_natural_rate() -> None:
    asked = w.settings(
        panel={"step_days": 7, "max_cutoffs": 30, "max_rows": 2000, "negatives_per_positive": 8},
        engine={"workers": 1},
        model={"trees": 10},
    )
    source = Source.of(w.small_world(), asked)
    part = split(source, spec_from(asked), asked)[0]
    found = compare_resampling(part, source.spec(asked), asked)
    assert found.rows == part.train.rows.standing_for() > len(part.train)
    rate = found.positives / found.rows
    for one in found.variants:
        assert one.mean_probability == pytest.approx(rate, rel=0.1)
        assert one.calibration_error < rate
    # Learned as rows that stand for others, scores are at their rate, and those of the rows drawn above it.
    assert found.variants[0].raw_probability == pytest.approx(rate, rel=0.5)


def test_the_class_weight_makes_both_classes_weigh_the_same() -> None:
    label = np.arange(1000) < 40
    variants = variants_of(SETTINGS, label)
    assert variants[CLASS_WEIGHT].model.params["scale_pos_weight"] == 24
    assert variants[CLASS_WEIGHT].resample.sampling_strategy == "none"
    logistic = w.settings(model={"estimator": "sklearn.linear_model:LogisticRegression", "params": {}})
    weighted = variants_of(logistic, label)[CLASS_WEIGHT].model.params
    assert weighted == {**logistic.model.params, "class_weight": "balanced"}
    bayes = w.settings(model={"estimator": "sklearn.naive_bayes:GaussianNB", "params": {}})
    assert CLASS_WEIGHT not in variants_of(bayes, label)


def test_without_resampling_the_default_ratio_stands_beside_it_and_none_is_the_choice() -> None:
    off = w.settings(resample={"sampling_strategy": "none"}, engine={"workers": 1})
    found = compare_resampling(PART, spec_from(off), off)
    assert [one.name for one in found.variants if one.chosen] == [NONE]
    assert found.variants[-1].name == f"{SMOTE} 0.003"


def test_the_same_seed_tells_the_same(found: Resampling) -> None:
    assert compare_resampling(PART, spec_from(SETTINGS), SETTINGS) == found


def test_weighted_trees_stop_when_they_no_longer_tell_rows_apart() -> None:
    slow = {"learning_rate": 0.05, "min_child_weight": 1.0}
    changed = {"early_stopping_converters": 1, "max_trees": 200, "params": {**SETTINGS.model.params, **slow}}
    patient = SETTINGS.model_copy(update={"model": SETTINGS.model.model_copy(update=changed)})
    weighted = variants_of(patient, PART.train.label)[CLASS_WEIGHT]
    _, report = fit_model(PART.train, PART.validation, spec_from(SETTINGS), weighted)
    assert report.trees is not None
    assert 10 < report.trees < 60  # of 200; by the plain log loss they would not stop there


def test_the_choice_is_what_the_settings_ask_for() -> None:
    weighted = w.settings(model={"params": {"scale_pos_weight": 3.0}}, resample={"sampling_strategy": "none"})
    plain = w.settings(resample={"sampling_strategy": "none"})
    assert _chosen(SETTINGS.resample, SETTINGS.model) == SMOTE
    assert _chosen(weighted.resample, weighted.model) == CLASS_WEIGHT
    assert _chosen(plain.resample, plain.model) == NONE
    kept = variants_of(weighted, np.arange(10) < 2)
    assert kept[CLASS_WEIGHT].model.params["scale_pos_weight"] == 3.0
    assert "scale_pos_weight" not in kept[NONE].model.params
    sampled = variants_of(plain, np.arange(10) < 2, np.where(np.arange(10) < 2, 1.0, 5.0))
    assert sampled[CLASS_WEIGHT].model.params["scale_pos_weight"] == 20


def test_the_class_weight_stands_by_itself_beside_resampling() -> None:
    variants = variants_of(SETTINGS, np.arange(10) < 2)
    strategies = {name: one.resample.sampling_strategy for name, one in variants.items()}
    assert strategies == {NONE: "none", CLASS_WEIGHT: "none", SMOTE: SETTINGS.resample.sampling_strategy}
    weights = {name: one.model.params.get("scale_pos_weight") for name, one in variants.items()}
    assert weights == {NONE: None, CLASS_WEIGHT: 4, SMOTE: None}


def test_a_company_that_converts_at_several_cutoffs_is_one_converter(found: Resampling) -> None:
    rows = PART.validation
    assert found.converters == np.unique(rows.company[rows.label]).size < found.positives


def test_a_weight_of_ones_own_is_that_of_its_way_alone() -> None:
    label, mine = np.arange(10) < 2, {0: 1.0, 1: 7.0}
    logistic = {"estimator": "sklearn.linear_model:LogisticRegression", "params": {"class_weight": mine}}
    for ratio in ("none", 0.25):
        asked = w.settings(model=logistic, resample={"sampling_strategy": ratio, "k_neighbors": 3})
        found = variants_of(asked, label)
        weights = [one.model.params.get("class_weight") for one in found.values()]
        assert weights == [None, mine, None]
        assert [one.resample.k_neighbors for one in found.values()][-1] == 3


def test_without_a_converter_the_others_weigh_as_they_are() -> None:
    variants = variants_of(SETTINGS, np.zeros(8, dtype=bool))
    assert variants[CLASS_WEIGHT].model.params["scale_pos_weight"] == 8


def test_no_more_than_three_folds_are_fitted(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def folds(settings: Settings, *_: object) -> dict[str, Settings]:
        asked.append(settings.split.validation_folds)
        raise StopIteration

    monkeypatch.setattr(resampling, "variants_of", folds)
    for wanted in (2, 3, 5):
        with pytest.raises(StopIteration):
            compare_resampling(PART, spec_from(SETTINGS), w.settings(split={"validation_folds": wanted}))
    assert asked == [2, 3, 3]
