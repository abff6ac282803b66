"""A fit whose trees are to grow on a cluster: refused before anything is done where that cannot be."""

from __future__ import annotations

from typing import Any

import pytest

from ml_sys.errors import UsageError
from ml_sys.jobs.models.fit import check_distributed, fit_snapshot
from ml_sys.settings import Settings

DASK = {"kind": "dask"}


def asked(engine: dict[str, Any], **model: Any) -> Settings:
    return Settings.model_validate({"engine": engine, "model": {"distributed": True, **model}})


def test_without_a_cluster_trees_cannot_grow_on_one(snapshot):
    with pytest.raises(UsageError, match=r"engine\.kind is 'local'") as caught:
        fit_snapshot(snapshot, asked({}))
    assert 'engine.kind = "dask"' in caught.value.hint


@pytest.mark.parametrize(
    ("model", "named"),
    [
        ({"estimator": "xgboost:XGBClassifier"}, "model.estimator is 'xgboost:XGBClassifier'"),
        ({"estimator": "lightgbm:LGBMClassifier"}, "model.estimator"),
        ({"params": {"tree_method": "exact"}}, "model.params.tree_method is 'exact'"),
        ({"params": {"booster": "gblinear"}}, "model.params.booster is 'gblinear'"),
        ({"params": {"feature_weights": [1.0]}}, "model.params.feature_weights"),
    ],
)
def test_what_cannot_grow_on_a_cluster_is_named(model, named):
    with pytest.raises(UsageError, match=named):
        check_distributed(asked(DASK, **model))


def test_what_can_is_let_through():
    check_distributed(asked(DASK))
    check_distributed(Settings.model_validate({"model": {"estimator": "xgboost:XGBClassifier"}}))
