from __future__ import annotations

import pytest
from pydantic import BaseModel, ValidationError

from ml_sys.settings import BLENDED, ESTIMATOR_PARAMS, Settings
from ml_sys.settings.tree import leaves


def test_settings_cannot_be_changed_once_made():
    settings = Settings()
    with pytest.raises(ValidationError, match="frozen"):
        settings.seed = 8
    with pytest.raises(ValidationError, match="frozen"):
        settings.label.horizon_days = 60


def test_every_setting_says_what_it_is_for():
    silent = [key for key, field in leaves() if not (field.description or "").strip()]
    assert not silent


def test_every_group_is_named_once_and_ends_in_leaves():
    keys = [key for key, _ in leaves()]
    assert len(keys) == len(set(keys))
    assert "schema.tables" in keys  # by the name that users write, not by the attribute's
    groups = [
        key
        for key, field in leaves()
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
    ]
    assert groups == ["schema.words"]  # words are told together


@pytest.mark.parametrize(
    "values",
    [
        {"seed": -1},
        {"threads": -1},
        {"split": {"holdout_share": 1.0}},
        {"split": {"validation_folds": 1}},
        {"serve": {"prediction_queue": 999}},
        {"serve": {"api_keys": ["a key and not its digest"]}},
        {"resample": {"sampling_strategy": 0.0}},
        {"resample": {"sampling_strategy": "equal"}},
        {"resample": {"sampling_strategy": float("nan")}},
        {"bootstrap": {"confidence": 0.0}},
        {"threshold": {"tier_b_capacities": float("inf")}},
        {"serve": {"port": 65536}},
        {"features": {"windows_days": [0]}},
        {"features": {"extra": ["no_colon"]}},
        {"model": {"estimator": "xgboost.XGBClassifier"}},
        {"ingest": {"as_of": "1 June 2020"}},
        {"panel": {"step": 7}},
    ],
)
def test_a_value_outside_its_range_is_refused(values):
    with pytest.raises(ValidationError):
        Settings.model_validate(values)


def test_parameters_of_the_default_estimator_add_to_its_defaults():
    settings = Settings.model_validate({"model": {"params": {"max_depth": 2, "gamma": 1.0}}})
    assert settings.model.params == {**ESTIMATOR_PARAMS[BLENDED], "max_depth": 2, "gamma": 1.0}


def test_another_estimator_gets_no_parameters_of_xgboost():
    settings = Settings.model_validate(
        {"model": {"estimator": "sklearn.linear_model:LogisticRegression", "params": {"C": 0.5}}}
    )
    assert settings.model.params == {"C": 0.5, "max_iter": 1000}
    named = Settings.model_validate({"model": {"estimator": "sklearn.linear_model:SGDClassifier"}})
    assert named.model.params == {}


def test_one_settings_object_does_not_share_its_parameters_with_the_next():
    Settings().model.params["max_depth"] = 99
    assert Settings().model.params["max_depth"] == ESTIMATOR_PARAMS[BLENDED]["max_depth"] == 4
