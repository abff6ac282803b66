"""Parameters of XGBoost: as many as it has, and what passes here passes there."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from xgboost import XGBClassifier
from xgboost.core import XGBoostError

from ml_sys.settings import XGBOOST_PARAMS
from ml_sys.settings.checking.xgboost_params import SET_ELSEWHERE, XGBoostParams

ROWS = np.random.default_rng(0).random((40, 3))
LABEL = (ROWS[:, 0] > 0.5).astype(int)

TAKEN: list[dict[str, Any]] = [
    XGBOOST_PARAMS,
    {"max_depth": 0, "max_leaves": 5, "grow_policy": "lossguide", "max_bin": 2, "learning_rate": 1},
    {"subsample": 1, "colsample_bytree": 0.1, "colsample_bylevel": 1.0, "colsample_bynode": 1.0},
    {"gamma": 0, "reg_alpha": 0.0, "reg_lambda": 0, "min_child_weight": 0, "max_delta_step": 1.5},
    {"scale_pos_weight": 400.0, "base_score": 0.01, "num_parallel_tree": 2, "objective": "reg:logistic"},
    {"tree_method": "approx", "booster": "dart", "verbosity": 0, "validate_parameters": True},
    {"monotone_constraints": "(1,0,-1)", "interaction_constraints": "[[0, 1], [2]]", "device": "cpu"},
    {"scale_pos_weight": None, "missing": -1.0, "importance_type": "gain", "sampling_method": "uniform"},
]
REFUSED: list[dict[str, Any]] = [
    {"max_depth": -1},
    {"max_depth": "deep"},
    {"max_bin": 1},
    {"learning_rate": "fast"},
    {"subsample": 1.5},
    {"gamma": -0.1},
    {"reg_lambda": -1.0},
    {"tree_method": "quick"},
    {"grow_policy": "wide"},
    {"num_parallel_tree": "many"},
]


def test_every_parameter_of_the_classifier_is_known_or_set_elsewhere() -> None:
    assert set(XGBoostParams.model_fields) | set(SET_ELSEWHERE) == set(XGBClassifier().get_params())
    assert not set(XGBoostParams.model_fields) & set(SET_ELSEWHERE)


@pytest.mark.parametrize("params", TAKEN, ids=str)
def test_what_passes_here_passes_there(params: dict[str, Any]) -> None:
    XGBoostParams.model_validate(params)
    XGBClassifier(n_estimators=1, n_jobs=1, **params).fit(ROWS, LABEL)


@pytest.mark.parametrize("params", REFUSED, ids=str)
def test_what_xgboost_refuses_in_its_fit_is_refused_here(params: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        XGBoostParams.model_validate(params)
    with pytest.raises((XGBoostError, ValueError, TypeError)):
        XGBClassifier(n_estimators=1, n_jobs=1, **params).fit(ROWS, LABEL)
