"""The one Pipeline, built from settings."""

from __future__ import annotations

import sys

import pytest

from ml_sys.errors import ResolveError, SettingsError
from ml_sys.model.pipeline import build_estimator
from tests.model.test_train import needs_lightgbm


@pytest.mark.parametrize(
    ("path", "params", "message"),
    [
        ("sklearn.linear_model:LogisticRegression", {"depth": 3}, "depth"),
        ("sklearn.linear_model:RidgeClassifier", {}, "gives probabilities"),
        ("sklearn.linear_model:SGDClassifier", {"loss": "hinge"}, "gives probabilities"),
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
