"""What is judged is what is served: the scorer that production runs, proven equal to the Pipeline."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skops.io
import xgboost as xgb

from ml_sys.errors import MlsysError, UnverifiedError
from ml_sys.jobs.models.evaluate import evaluate_version
from ml_sys.jobs.models.promote import promote, rollback
from ml_sys.model.files.golden import _columns
from ml_sys.model.files.layout import BOOSTER, GOLDEN, PIPELINE, SCORER
from ml_sys.model.files.serialization import booster_bytes, load_model, read_holdout
from ml_sys.registry.audit import Change
from ml_sys.registry.judging import judge_version
from ml_sys.registry.loading import judged, load_scorer, load_version
from ml_sys.registry.store import Registry
from ml_sys.registry.verification import verify
from ml_sys.settings import Settings, loading
from tests.model.files.test_boosters import as_file
from tests.registry.forgery import forge
from tests.registry.versions import add


@pytest.fixture
def registry(registered: Path, tmp_path: Path) -> Registry:
    return Registry(Path(shutil.copytree(registered, tmp_path / "artifacts")))


def reached(registry: Registry) -> tuple[Any, Any]:
    """Leaves that golden rows, and rows of the holdout, end in: one column a tree."""
    import pandas as pd

    artifact = registry.open("1.0.0")
    model, golden = load_model(artifact), artifact.json(GOLDEN)
    frames = [pd.DataFrame(_columns(golden[name], model.spec)) for name in ("features", "rows")]
    frames.append(read_holdout(artifact)[0].features)
    booster, encode = model.pipeline["model"].get_booster(), model.pipeline["encode"]
    leaves = [booster.predict(xgb.DMatrix(encode.transform(one)), pred_leaf=True) for one in frames]
    return np.concatenate(leaves[:2]), leaves[2]


def shifted(registry: Registry) -> bytes:
    """The booster's file, every leaf raised that no golden row ends in."""
    by_golden, by_holdout = reached(registry)
    said = registry.open("1.0.0").json(BOOSTER)
    raised = 0
    for number, tree in enumerate(said["learner"]["gradient_booster"]["model"]["trees"]):
        leaves = np.flatnonzero(np.array(tree["left_children"]) == -1)
        unseen = np.setdiff1d(leaves, by_golden[:, number])
        for leaf in unseen:
            tree["split_conditions"][leaf] += 5
        raised += np.isin(by_holdout[:, number], unseen).any()
    assert raised
    return as_file(said)


def other_levels(registry: Registry) -> bytes:
    said = registry.open("1.0.0").json(SCORER)
    said["encoder"]["rare"][0].append("ALCHEMY")
    return json.dumps(said).encode()


def leaning_line(registry: Registry) -> bytes:
    said = registry.open("1.0.0").json(SCORER)
    weights = said["blend"]["weights"]
    weights[0] = float(np.nextafter(weights[0], 1))
    return json.dumps(said).encode()


HARM: dict[str, tuple[str, Callable[[Registry], bytes], str]] = {
    "leaves that no golden row sees": (BOOSTER, shifted, "differs from what it said when it was made"),
    "the last bit of the line": (SCORER, leaning_line, "adds up differently from the Pipeline"),
    "what the encoder does": (SCORER, other_levels, "encodes differently from the Pipeline"),
}


@pytest.mark.parametrize("harm", HARM)
def test_a_scorer_that_is_not_its_pipeline_passes_nothing_though_every_digest_and_golden_row_fits(
    registry, harm
):
    name, change, problem = HARM[harm]
    forge(registry, "1.0.0", name, change(registry))
    assert load_version(registry, "1.0.0")
    assert load_scorer(registry, "1.0.0")  # as far as golden rows can tell
    finding = next(one for one in verify(registry, "1.0.0") if one.subject == "1.0.0")
    assert (finding.status, problem in finding.found) == ("failed", True)
    with pytest.raises(UnverifiedError, match=problem):
        evaluate_version(registry, "1.0.0")
    verdict = judge_version(registry, "1.0.0", None, Settings(), lambda _: None)
    assert not verdict.verified
    assert problem in verdict.criteria[0].found
    with pytest.raises(UnverifiedError, match=problem):  # which cannot be forced
        promote(registry, "1.0.0", loading.load(environment={}), force=True, reason="it must")
    registry.promote("1.0.0", None, Change())
    add(registry, "9.0.0")
    registry.promote("9.0.0", "1.0.0", Change())
    with pytest.raises(UnverifiedError, match=problem):
        rollback(registry)
    assert registry.read().production == "9.0.0"


def test_what_production_would_say_is_what_is_judged(registry):
    artifact = registry.open("1.0.0")
    found = judged(registry, artifact)
    columns = {name: found.panel.features[name].to_numpy() for name in found.scorer.spec.names()}
    served = load_scorer(registry, "1.0.0")
    assert served.probabilities(served.rows(columns)).tobytes() == found.probability.tobytes()


@pytest.mark.parametrize("knots", [{"values": [0.1]}, {"knots": [0.5, 0.1]}, {"knots": [], "values": []}])
def test_a_calibration_whose_knots_are_none_is_refused_before_a_loop_follows_them(registry, knots):
    said = registry.open("1.0.0").json(SCORER)
    said["calibrator"] = {
        "method": "isotonic",
        "slope": 1.0,
        "intercept": 0.0,
        "knots": [0.1, 0.5],
        "values": [0.1, 0.5],
    }
    said["calibrator"].update(knots)
    forge(registry, "1.0.0", SCORER, json.dumps(said).encode())
    for load in (load_scorer, load_version):
        with pytest.raises(MlsysError, match="invalid knots"):
            load(registry, "1.0.0")


def test_a_holdout_that_cannot_be_read_is_said_in_a_line(registry):
    forge(registry, "1.0.0", "holdout.parquet", b"PAR1 and nothing more")
    with pytest.raises(UnverifiedError, match=r"holdout\.parquet: cannot be read"):
        evaluate_version(registry, "1.0.0")


def test_a_pipeline_has_no_trees_of_its_own_beside_those_that_the_scorer_runs(registry):
    artifact = registry.open("1.0.0")
    held = skops.io.get_untrusted_types(data=artifact.file(PIPELINE))
    assert "xgboost.core.Booster" not in held
    assert booster_bytes(load_model(artifact)) == artifact.file(BOOSTER)


def test_a_booster_within_a_pipeline_file_is_refused_before_xgboost_is_given_it(registry):
    forge(registry, "1.0.0", PIPELINE, skops.io.dumps(load_version(registry, "1.0.0").pipeline))
    with pytest.raises(UnverifiedError, match=r"holds untrusted types: xgboost\.core\.Booster"):
        load_version(registry, "1.0.0")


def test_a_tree_that_leads_out_of_its_features_is_refused_before_a_scorer_or_xgboost_follows_it(registry):
    said = registry.open("1.0.0").json(BOOSTER)
    said["learner"]["gradient_booster"]["model"]["trees"][0]["split_indices"][0] = 2**28
    forge(registry, "1.0.0", BOOSTER, as_file(said))
    for load in (load_scorer, load_version):
        with pytest.raises(UnverifiedError, match="asks for a feature beyond"):
            load(registry, "1.0.0")


def test_a_version_without_its_trees_is_refused(registry):
    forge(registry, "1.0.0", BOOSTER, b"")
    for load in (load_scorer, load_version):
        with pytest.raises(UnverifiedError, match=r"booster\.json|no scorer that can be compiled"):
            load(registry, "1.0.0")
