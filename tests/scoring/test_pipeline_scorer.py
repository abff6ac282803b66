"""The Pipeline behind the scorer's protocol: the fitted model's own probabilities."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ml_sys.features.spellings import MISSING
from ml_sys.registry.loading import load_version
from ml_sys.registry.store import Registry
from ml_sys.scoring.batch import _levels, unseen_levels
from ml_sys.scoring.compiled.compile import compile_scorer
from ml_sys.scoring.pipeline_scorer import PipelineScorer
from ml_sys.scoring.scorer import most_frequent_levels


@pytest.fixture(scope="module")
def model(trained):
    return load_version(Registry(trained), "1.0.0")


@pytest.fixture(scope="module")
def scorers(trained, model):
    artifact = Registry(trained).open("1.0.0")
    return PipelineScorer(model), compile_scorer(artifact.json("scorer.json"), artifact.file("booster.json"))


def rows_of(spec, n_rows=30):
    """Values in the order of the features, with blanks and levels of every kind."""
    rng = np.random.default_rng(2)
    levels = ["software", "11_to_25", "never seen", None]
    return [
        [
            levels[rng.integers(4)]
            if name in spec.categories()
            else (None if rng.random() < 0.2 else float(rng.integers(50)))
            for name in spec.names()
        ]
        for _ in range(n_rows)
    ]


def test_both_kinds_of_scorer_say_the_same(scorers):
    by_pipeline, compiled = scorers
    for values in rows_of(compiled.spec):
        found = by_pipeline.probability(by_pipeline.row(values))
        assert found == pytest.approx(compiled.probability(compiled.row(values)), abs=1e-6)


def test_a_row_alone_and_rows_together_get_the_model_s_probabilities(scorers, model):
    scorer, _ = scorers
    several = rows_of(scorer.spec)
    rows = np.concatenate([scorer.row(values) for values in several])
    together = scorer.probabilities(rows)
    assert [scorer.probability(row[None]) for row in rows] == together.tolist()
    assert (scorer.spec, scorer.threshold, scorer.tiers) == (model.spec, model.threshold, model.tiers)


def test_no_rows_are_no_probabilities(scorers):
    scorer, _ = scorers
    columns = {
        name: np.empty(0, dtype=object if name in scorer.spec.categories() else np.float32)
        for name in scorer.spec.names()
    }
    assert scorer.probabilities(scorer.rows(columns)).shape == (0,)


def test_a_row_of_another_number_of_values_is_refused(scorers):
    with pytest.raises(ValueError, match="zip"):
        scorers[0].row([None])


def test_levels_that_no_training_row_had_are_counted_the_most_frequent_first(scorers):
    column = np.array(["green", "violet", "violet", "software", None, math.nan], dtype=object)
    for scorer in scorers:
        assert list(unseen_levels(scorer, "industry", _levels(column)).items()) == [
            ("violet", 2),
            ("green", 1),
        ]


def test_the_usual_level_of_a_category_is_the_first_that_is_no_blank():
    known = {"industry": [MISSING, "retail", "farming"], "range": [MISSING], "none": []}
    assert most_frequent_levels(known) == {"industry": "retail"}
