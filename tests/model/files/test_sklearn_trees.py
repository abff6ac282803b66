"""A forged tree of scikit-learn's is found before its compiled code follows it."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

from ml_sys.model.files.sklearn_trees import has_stray_tree

RNG = np.random.default_rng(0)
ROWS = RNG.normal(size=(120, 4))
LABEL = (ROWS[:, 0] + RNG.normal(size=120) > 0).astype(int)
FITTED = [
    RandomForestClassifier(3, random_state=0),
    DecisionTreeClassifier(random_state=0),
    GradientBoostingClassifier(n_estimators=3, random_state=0),
    AdaBoostClassifier(n_estimators=3, random_state=0),
    BaggingClassifier(RandomForestClassifier(2), n_estimators=2, max_features=0.5, random_state=0),
    HistGradientBoostingClassifier(max_iter=3, random_state=0),
    LogisticRegression(),
]


def forged(**nodes: tuple[int, int]) -> RandomForestClassifier:
    """A forest of which one node's fields were written over."""
    forest = RandomForestClassifier(3, random_state=0).fit(ROWS, LABEL)
    tree = forest.estimators_[1].tree_
    state = tree.__getstate__()
    for field, (node, value) in nodes.items():
        state["nodes"][field][node] = value
    tree.__setstate__(state)
    return forest


@pytest.mark.parametrize("estimator", FITTED, ids=lambda one: type(one).__name__)
def test_no_tree_that_was_fitted_is_stray(estimator):
    assert not has_stray_tree(estimator.fit(ROWS, LABEL))


@pytest.mark.parametrize(
    "node",
    [
        {"left_child": (0, 10**6)},
        {"right_child": (1, 10**6)},
        {"left_child": (1, 0)},  # back to the root: it would never end
        {"left_child": (0, -2)},
        {"feature": (0, 4)},
        {"feature": (0, -1)},
    ],
    ids=str,
)
def test_a_tree_that_leads_out_of_itself_is_found(node):
    forest = forged(**node)
    assert has_stray_tree(forest)
    assert has_stray_tree({"within": [("model", forest)]})


@pytest.mark.parametrize(
    ("field", "value"), [("left", 10**6), ("right", 0), ("feature_idx", 4), ("is_categorical", 1)]
)
def test_a_histogram_tree_that_leads_out_of_itself_is_found(field, value):
    model = HistGradientBoostingClassifier(max_iter=3, random_state=0).fit(ROWS, LABEL)
    model._predictors[2][0].nodes[field][0] = value
    assert has_stray_tree(model)


def test_the_features_of_the_outer_estimator_count_as_well():
    model = GradientBoostingClassifier(n_estimators=2, random_state=0).fit(ROWS, LABEL)
    model.n_features_in_ = 1
    assert has_stray_tree(model)
