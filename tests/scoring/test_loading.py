"""From a version's files to a scorer: proven when it is made, replayed when it is opened, light to import."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.ensemble import RandomForestClassifier

from ml_sys.data.snapshot import latest
from ml_sys.errors import ArtifactError, UnverifiedError
from ml_sys.features.rows import Rows
from ml_sys.jobs.models import draft
from ml_sys.jobs.models.train import train_version
from ml_sys.model.files.golden import PROBABILITY_TOLERANCE
from ml_sys.model.files.layout import BOOSTER, GOLDEN, PIPELINE, SCORER
from ml_sys.model.files.serialization import booster_bytes, load_model, read_holdout
from ml_sys.registry.store import Registry
from ml_sys.scoring.loading import open_scorer, prove_equal
from ml_sys.scoring.pipeline_scorer import PipelineScorer
from ml_sys.scoring.scorer import CompiledScorer

NOW = datetime(2026, 1, 1, tzinfo=UTC)
OTHERS = {
    "sklearn.linear_model:LogisticRegression": {"max_iter": 1000},
    "sklearn.ensemble:HistGradientBoostingClassifier": {"max_iter": 10},
    "xgboost:XGBClassifier": {"booster": "dart", "n_estimators": 5},
}


@pytest.fixture(scope="module")
def artifact(registered):
    return Registry(registered).open("1.0.0")


@pytest.fixture(scope="module")
def holdout(artifact):
    panel, known = read_holdout(artifact)
    return {name: panel.features[name].to_numpy() for name in panel.features}, known["probability"].to_numpy()


def rows_of(holdout):
    columns, probability = holdout
    return Rows.of(pd.DataFrame(columns)), probability


def said_by(scorer, columns):
    return scorer.probabilities(scorer.rows(columns))


def with_files(artifact, **files):
    names = {"scorer": SCORER, "booster": BOOSTER, "golden": GOLDEN}
    return replace(
        artifact, files={**artifact.files, **{names[key]: content for key, content in files.items()}}
    )


def changed(content, **values):
    return json.dumps({**json.loads(content), **values}).encode()


def test_a_version_s_scorer_is_compiled_and_says_what_its_pipeline_said_of_the_holdout(artifact, holdout):
    scorer = open_scorer(artifact)
    columns, probability = holdout
    assert isinstance(scorer, CompiledScorer)
    assert (np.abs(said_by(scorer, columns) - probability) <= PROBABILITY_TOLERANCE).all()
    model = load_model(artifact)
    assert (scorer.spec, scorer.threshold, scorer.tiers) == (model.spec, model.threshold, model.tiers)


def test_golden_rows_are_replayed_through_the_compiled_scorer(artifact):
    golden = artifact.json(GOLDEN)
    golden["row_probabilities"][3] += 1e-5
    with pytest.raises(UnverifiedError, match="golden row 3"):
        open_scorer(with_files(artifact, golden=json.dumps(golden).encode()))
    calibrator = {"method": "sigmoid", "slope": 1.0, "intercept": 2.0, "knots": [], "values": []}
    scorer = changed(artifact.file(SCORER), calibrator=calibrator)
    with pytest.raises(UnverifiedError, match="golden company"):
        open_scorer(with_files(artifact, scorer=scorer))


@pytest.mark.parametrize("damaged", [b"", b"{", b"{}", b"[]"])
def test_a_version_whose_trees_cannot_be_read_is_refused(artifact, damaged):
    with pytest.raises(UnverifiedError, match="no scorer that can be compiled"):
        open_scorer(with_files(artifact, booster=damaged))


def test_a_version_without_what_its_encoder_learnt_is_scored_through_its_pipeline(artifact, holdout):
    plain = artifact.json(SCORER)
    del plain["encoder"]
    scorer = open_scorer(with_files(artifact, scorer=json.dumps(plain).encode()))
    assert isinstance(scorer, PipelineScorer)
    assert (np.abs(said_by(scorer, holdout[0]) - holdout[1]) <= PROBABILITY_TOLERANCE).all()


def test_a_scorer_is_proven_on_the_holdout(artifact, holdout):
    plain, booster = artifact.json(SCORER), artifact.file(BOOSTER)
    assert isinstance(prove_equal(plain, booster, *rows_of(holdout)), CompiledScorer)
    assert prove_equal(plain, None, *rows_of(holdout)) is None


@pytest.mark.parametrize("apart", [2e-6, -2e-6, np.nan])
def test_one_row_of_the_holdout_that_differs_is_enough_to_refuse(artifact, holdout, apart):
    columns, probability = holdout
    wrong = probability.copy()
    wrong[7] += apart
    with pytest.raises(ArtifactError, match="on row 7 of the holdout") as caught:
        prove_equal(artifact.json(SCORER), artifact.file(BOOSTER), *rows_of((columns, wrong)))
    assert "report it" in caught.value.hint


def test_what_the_encoder_learnt_is_part_of_the_proof(artifact, holdout):
    plain = artifact.json(SCORER)
    plain["encoder"]["levels"][-1] = plain["encoder"]["levels"][-1][::-1]
    plain["encoder"]["centers"] = [center + 0.5 for center in plain["encoder"]["centers"]]
    with pytest.raises(ArtifactError, match="differs from the Pipeline"):
        prove_equal(plain, artifact.file(BOOSTER), *rows_of(holdout))


def test_a_pipeline_whose_tree_leads_out_of_itself_is_refused_before_it_is_asked(artifact):
    pipeline = load_model(artifact).pipeline
    rows, label = np.eye(8, dtype=np.float32), np.arange(8) % 2
    forest = RandomForestClassifier(2, bootstrap=False, random_state=0).fit(rows, label)
    tree = forest.estimators_[1].tree_
    state = tree.__getstate__()
    state["nodes"]["left_child"][0] = 10**9
    tree.__setstate__(state)
    pipeline.steps[-1] = ("model", forest)
    forged = replace(artifact, files={**artifact.files, PIPELINE: skops.io.dumps(pipeline)})
    with pytest.raises(UnverifiedError, match="holds a tree that leads out of itself"):
        load_model(forged)


def test_a_version_whose_scorer_differs_is_not_created(ingested, cheap_settings, tmp_path, monkeypatch):
    def doctored(*arguments):
        files = made(*arguments)
        plain = json.loads(files[SCORER])
        plain["encoder"]["medians"] = [median + 1e4 for median in plain["encoder"]["medians"]]
        plain["encoder"]["centers"] = [center + 1 for center in plain["encoder"]["centers"]]
        return {**files, SCORER: json.dumps(plain).encode()}

    made = draft.model_files
    monkeypatch.setattr(draft, "model_files", doctored)
    registry = Registry(tmp_path)
    settings = cheap_settings.model_copy(update={"artifacts_dir": tmp_path})
    with pytest.raises(ArtifactError, match="so the version was not created"):
        train_version(registry, latest(ingested), settings, now=NOW)
    assert not registry.read().versions


# One without trees of XGBoost's and one with other boosters than those that are compiled, in every run.
SELDOM = {"sklearn.ensemble:HistGradientBoostingClassifier"}


@pytest.mark.parametrize(
    "estimator",
    [pytest.param(one, marks=[pytest.mark.slow] if one in SELDOM else []) for one in OTHERS],
)
def test_another_estimator_is_scored_through_its_pipeline(ingested, cheap_settings, tmp_path, estimator):
    model = cheap_settings.model.model_copy(update={"estimator": estimator, "params": OTHERS[estimator]})
    settings = cheap_settings.model_copy(update={"artifacts_dir": tmp_path, "model": model})
    train_version(Registry(tmp_path), latest(ingested), settings, now=NOW)
    artifact = Registry(tmp_path).open("1.0.0")
    scorer = open_scorer(artifact)
    assert isinstance(scorer, PipelineScorer)
    panel, known = read_holdout(artifact)
    columns = {name: panel.features[name].to_numpy() for name in panel.features}
    found, probability = said_by(scorer, columns), known["probability"].to_numpy()
    assert found.tobytes() == probability.tobytes()
    assert (booster_bytes(load_model(artifact)) is not None) == (BOOSTER in artifact.files)
    for at in (0, 5):
        values = [columns[name][at] for name in scorer.spec.names()]
        blanks = [None if value is None or value != value else value for value in values]
        # A linear model sums float32 products in another order for one row than for many.
        assert scorer.probability(scorer.row(blanks)) == pytest.approx(probability[at], rel=1e-5)


def test_a_scorer_is_opened_and_asked_without_the_libraries_of_training_and_a_file_without_a_store_s(
    registered,
):
    code = """
import sys
from pathlib import Path
from ml_sys.registry.loading import load_scorer
from ml_sys.registry.store import Registry
scorer = load_scorer(Registry(Path(sys.argv[1])), "1.0.0")
row = scorer.row([None] * len(scorer.spec.names()))
assert 0 < scorer.probability(row) < 1 and scorer.probabilities(row)[0] == scorer.probability(row)
heavy = {"pandas", "sklearn", "imblearn", "skops", "xgboost", "lightgbm"}  # numba brings a part of scipy
print(sorted(heavy & set(sys.modules)))
import ml_sys.jobs.lists.by_rule  # all that `mlsys score` does
print(sorted({"sqlalchemy", "sklearn", "skops", "xgboost"} & set(sys.modules)))
"""
    found = subprocess.run(
        [sys.executable, "-c", code, str(registered)], capture_output=True, text=True, check=True
    )
    assert found.stdout.split() == ["[]", "[]"]
