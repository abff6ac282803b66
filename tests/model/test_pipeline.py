"""The one Pipeline, built from settings."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from ml_sys.errors import ResolveError, SettingsError
from ml_sys.model.pipeline import _seen_odds, build_estimator
from ml_sys.model.repeats import WeightedRows
from tests.model.test_train import needs_lightgbm


@pytest.mark.parametrize(
    ("path", "params", "message"),
    [
        ("sklearn.linear_model:LogisticRegression", {"depth": 3}, "depth"),
        ("sklearn.linear_model:RidgeClassifier", {}, "gives no probabilities"),
        ("sklearn.linear_model:SGDClassifier", {"loss": "hinge"}, "gives no probabilities"),
        ("math:sqrt", {}, "model"),
    ],
)
def test_an_estimator_that_cannot_do_is_refused_before_anything_is_fitted(
    path: str, params: dict[str, object], message: str
) -> None:
    with pytest.raises(SettingsError, match=message):
        build_estimator(path, params, max_trees=5, seed=1, threads=1)


def test_an_extra_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lightgbm", None)
    monkeypatch.setattr("ml_sys.model.pipeline.find_spec", lambda name: None)
    with pytest.raises(ResolveError, match="lightgbm") as caught:
        build_estimator("lightgbm:LGBMClassifier", {}, max_trees=5, seed=1, threads=1)
    assert caught.value.hint == 'pip install "ml-sys[lightgbm]"'


@needs_lightgbm
def test_a_misspelt_name_in_an_extra_that_is_installed_is_not_said_to_be_missing() -> None:
    with pytest.raises(ResolveError) as caught:
        build_estimator("lightgbm:LGBMClasifier", {}, max_trees=5, seed=1, threads=1)
    assert caught.value.hint == "did you mean lightgbm:LGBMClassifier?"


def test_watched_converters_weigh_as_much_beside_the_others_as_those_that_were_learned() -> None:
    def rows(*times: float) -> WeightedRows:
        return WeightedRows(np.zeros((3, 1)), np.array([1, 0, 0]), np.array(times))

    # Two in ten were learned and one in twenty is watched: four times as few.
    assert _seen_odds(rows(2, 4, 6), rows(1, 10, 10), 1.0) == pytest.approx(4.0)
    assert _seen_odds(rows(2, 4, 6), rows(1, 10, 10), 3.0) == pytest.approx(12.0)
    assert _seen_odds(rows(1, 10, 10), rows(2, 4, 6), 1.0) == pytest.approx(0.25)
    assert _seen_odds(rows(2, 4, 6), rows(0, 10, 10), 5.0) == 1.0
