"""Every estimator that the README names, from training to the service, by the command line."""

from __future__ import annotations

import json
import shutil
from importlib.util import find_spec
from pathlib import Path

import pandas as pd
import pytest
from fastapi.testclient import TestClient

from ml_sys.metrics.holdout import ALL
from ml_sys.metrics.scored_lists import MODEL
from ml_sys.serve.server import Application
from ml_sys.settings import Settings
from tests import commandline

SETTINGS = """
threads = 1
[panel]
step_days = 14
[features]
windows_days = [28]
[split]
validation_folds = 2
[report]
backtest = false
resampling = false
seeds = 0
[bootstrap]
resamples = 20
[model]
estimator = "{estimator}"
[model.params]
{params}
"""
NAMED = {
    "sklearn.linear_model:LogisticRegression": "C = 0.1",
    "sklearn.ensemble:RandomForestClassifier": "n_estimators = 30",
    "sklearn.ensemble:HistGradientBoostingClassifier": "max_iter = 20",
    "lightgbm:LGBMClassifier": "n_estimators = 20",
}


# That versions of scikit-learn's are scored as they were judged is told in every run by the tests of scoring.
IN_EVERY_RUN = ("lightgbm:LGBMClassifier",)


@pytest.fixture(
    params=[pytest.param(one, marks=() if one in IN_EVERY_RUN else pytest.mark.slow) for one in NAMED]
)
def place(request, ingested: Path, tmp_path: Path):
    if request.param.startswith("lightgbm") and find_spec("lightgbm") is None:
        pytest.skip("an extra")
    shutil.copytree(ingested, tmp_path / "artifacts")
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "mlsys.toml").write_text(
        SETTINGS.format(estimator=request.param, params=NAMED[request.param])
    )

    def run(*args: object) -> str:
        done = commandline.run(*args, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert "Warning" not in done.stderr
        return done.stdout

    return run


def test_an_estimator_that_is_named_is_trained_judged_promoted_scored_and_served(
    place, tmp_path, three_tables, caplog
):
    said = json.loads(place("--json", "train"))  # and nothing else on stdout
    assert said["compiled"] is False
    assert said["metrics"][ALL][MODEL]["roc_auc"]["value"] > 0.6
    assert json.loads(place("--json", "evaluate"))["identical"] is True
    assert "slower" in place("models", "show", "1.0.0")
    place("promote", "1.0.0", "--force", "--reason", "to be served")
    place("score", three_tables / "noncustomers.csv", "--out", "ranked.csv")
    ranked = pd.read_csv(tmp_path / "ranked.csv")
    settings = Settings(artifacts_dir=tmp_path / "artifacts", threads=1)
    with TestClient(Application(settings, None)(), base_url="http://localhost") as client:
        assert client.get("/model").json()["compiled"] is False
        best = client.get(f"/companies/{ranked['id'][0]}").json()["prediction"]
    # A linear model's float32 products are summed in another order for one row than for many.
    assert best["conversion_probability"] == pytest.approx(ranked["probability"][0], abs=1e-6)
    assert "scored through its Pipeline, which is slower" in caplog.text
