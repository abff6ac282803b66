"""The one Pipeline, built from settings."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from ml_sys.errors import ResolveError, SettingsError
from ml_sys.model.pipeline import OFF, _seen_odds, build_estimator, build_pipeline
from ml_sys.model.repeats import WeightedRows
from ml_sys.model.train import spec_from
from tests.model import world as w
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


def test_a_pipeline_is_built_of_what_the_settings_say() -> None:
    asked = w.settings(
        resample={"sampling_strategy": 0.25, "k_neighbors": 3, "weight": 0.5},
        features={"min_category_share": 0.125},
        seed=9,
    )
    spec = spec_from(asked)
    built = build_pipeline(
        spec, features=asked.features, resample=asked.resample, model=asked.model, seed=9, threads=2
    )
    categories = list(spec.categories())
    numbers = [name for name in spec.names() if name not in categories]
    assert list(built.named_steps) == ["encode", "resample", "model"]
    encode, resample, model = (built[name] for name in ("encode", "resample", "model"))
    assert (list(encode.numbers), list(encode.categories)) == (numbers, categories)
    assert encode.min_level_share == 0.125
    assert list(resample.categorical) == list(range(len(numbers), len(numbers) + len(categories)))
    assert (resample.sampling_strategy, resample.k_neighbors) == (0.25, 3)
    assert (resample.weight, resample.random_state) == (0.5, 9)
    assert (model.n_numbers, model.random_state, model.n_jobs) == (len(numbers), 9, 2)
    assert model.n_estimators == asked.model.max_trees
    off = asked.resample.model_copy(update={"sampling_strategy": "none"})
    without = build_pipeline(
        spec, features=asked.features, resample=off, model=asked.model, seed=9, threads=0
    )
    assert without["resample"] == OFF == "passthrough"
    assert without["model"].n_jobs is None


def test_an_estimator_gets_seed_and_threads_where_it_takes_them() -> None:
    def built(path: str, **params: object) -> dict[str, object]:
        return build_estimator(path, params, max_trees=5, seed=3, threads=2).get_params()

    trees = built("sklearn.ensemble:RandomForestClassifier", n_estimators=7)
    assert (trees["random_state"], trees["n_jobs"], trees["n_estimators"]) == (3, 2, 7)
    line = built("sklearn.linear_model:LogisticRegression")
    assert (line["random_state"], line.get("n_jobs")) == (3, None)
    assert "random_state" not in built("sklearn.naive_bayes:GaussianNB")
    ours = built("xgboost:XGBClassifier", random_state=8)
    assert (ours["random_state"], ours["n_jobs"], ours["n_estimators"]) == (8, 2, 5)


def test_what_an_estimator_cannot_do_is_said_of_the_setting() -> None:
    with pytest.raises(SettingsError) as wrong:
        build_estimator(
            "sklearn.linear_model:LogisticRegression", {"depth": 3}, max_trees=5, seed=1, threads=1
        )
    assert "model.params" in wrong.value.message
    assert "sklearn.linear_model:LogisticRegression: " in wrong.value.message
    assert wrong.value.hint == "see its documentation"
    with pytest.raises(SettingsError) as none:
        build_estimator("sklearn.linear_model:RidgeClassifier", {}, max_trees=5, seed=1, threads=1)
    assert "model.estimator" in none.value.message
    assert "sklearn.linear_model:RidgeClassifier gives no probabilities" in none.value.message
    assert none.value.hint == "name a classifier that has fit and predict_proba"
    with pytest.raises(SettingsError, match="gives no probabilities"):
        build_estimator("tests.model.test_pipeline:OnlyScores", {}, max_trees=5, seed=1, threads=1)


class OnlyScores:
    """Gives probabilities, and cannot be fitted."""

    def predict_proba(self) -> None:
        """Nothing."""


def test_without_others_the_odds_count_as_of_one() -> None:
    def rows(positive: float, others: float) -> WeightedRows:
        return WeightedRows(np.zeros((2, 1)), np.array([1, 0]), np.array([positive, others]))

    assert _seen_odds(rows(3, 0), rows(6, 0.5), 1.0) == pytest.approx(3 / 6)
    assert _seen_odds(rows(3, 2), rows(6, 2), 1.0) == pytest.approx(0.5)
