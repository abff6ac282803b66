"""A version made from a snapshot: what is in it, and that it reproduces its own metrics."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from ml_sys.data.schema import NEVER_CLOSED
from ml_sys.data.snapshot import latest
from ml_sys.errors import ArtifactError, NotEnoughDataError, SnapshotError, UsageError
from ml_sys.jobs.models.draft import _holdout_facts
from ml_sys.jobs.models.train import Trained, _headline, quick, train_version
from ml_sys.metrics.bootstrap import Estimate
from ml_sys.metrics.holdout import ALL, to_plain
from ml_sys.metrics.names import HEADLINE
from ml_sys.metrics.scored_lists import MODEL
from ml_sys.model.files.layout import REPORT
from ml_sys.model.sufficiency import Sufficiency
from ml_sys.model.train import FitReport
from ml_sys.registry.store import Registry
from ml_sys.settings import Settings
from tests.conftest import RunCommand
from tests.registry.versions import small_entry

NOW = datetime(2026, 1, 2, tzinfo=UTC)
FILES = {
    "booster.json",
    "canaries.json",
    "card.md",
    "evidence.json",
    "golden.json",
    "holdout.parquet",
    "metrics.json",
    "pipeline.skops",
    "report.html",
    "scorer.json",
    "settings.toml",
}


@pytest.fixture
def copied(trained: Path, tmp_path: Path) -> Registry:
    """A registry with version 1.0.0 that the test may change."""
    return Registry(Path(shutil.copytree(trained, tmp_path / "artifacts")))


def manifest_of(registry, version="1.0.0"):
    return json.loads((registry.folder(version) / "manifest.json").read_text())


def test_a_version_holds_its_files_and_a_manifest_with_their_digests(trained):
    registry = Registry(trained)
    folder = registry.folder("1.0.0")
    digests = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}
    assert set(digests) == {*FILES, "manifest.json"}
    del digests["manifest.json"]
    assert manifest_of(registry)["files"] == digests


def test_the_manifest_says_where_the_version_came_from(trained, snapshot):
    manifest = manifest_of(Registry(trained))
    assert manifest["snapshot"] == snapshot.id
    assert manifest["parent"] is None
    assert manifest["seed"] == 7
    assert manifest["entry"]["version"] == "1.0.0"
    assert manifest["entry"]["created_at"] == "2026-01-01T00:00:00+00:00"
    assert manifest["settings"]["bootstrap.resamples"] == 50
    assert {"xgboost-cpu", "scikit-learn", "imbalanced-learn"} <= set(manifest["packages"])
    assert len(manifest["holdout"]["cutoffs"]) == 3
    assert len(manifest["feature_schema"]["features"]) > 50


def test_the_index_shows_the_metrics_that_are_stored_with_the_version(trained):
    registry = Registry(trained)
    stored = json.loads((registry.folder("1.0.0") / "metrics.json").read_text())
    shown = registry.read().versions["1.0.0"].metrics
    assert shown["average_precision"] == stored["all prospects"]["model"]["average_precision"]["value"]
    assert 0 < shown["average_precision"] < 1


def test_the_card_is_about_the_version(trained, snapshot):
    card = (Registry(trained).folder("1.0.0") / "card.md").read_text()
    assert card.startswith("# Model 1.0.0\n")
    assert snapshot.id in card
    assert "| average precision | 0." in card


@pytest.fixture(scope="module")
def sampled(trained, cheap_settings, tmp_path_factory):
    """A registry with a second version, of a sampled panel; that version, and the steps of its training."""
    copied = Registry(Path(shutil.copytree(trained, tmp_path_factory.mktemp("sampled") / "artifacts")))
    panel = cheap_settings.panel.model_copy(update={"max_rows": 8000, "negatives_per_positive": 30})
    steps = []
    settings = cheap_settings.model_copy(update={"artifacts_dir": copied.root, "panel": panel})
    made = train_version(
        copied, latest(copied.root), settings, now=NOW, message="caf\udcc3",
        on_step=lambda what, *_: steps.append(what),
    )  # fmt: skip
    return copied, made, steps


def test_a_version_of_a_sampled_panel_says_so_and_is_calibrated_at_the_natural_rate(sampled):
    copied, made, steps = sampled
    fit, whole = made.fit, manifest_of(copied)["fit"]
    assert fit.rows == fit.sampled_rows <= 8000 < fit.whole_rows
    assert fit.positives == whole["positives"]
    assert fit.one_in == pytest.approx((fit.whole_rows - fit.positives) / (fit.rows - fit.positives))
    assert fit.validation_rate == pytest.approx(fit.positives / fit.whole_rows)
    assert fit.validation_mean == pytest.approx(fit.validation_rate, rel=0.01)
    metrics = [
        json.loads((copied.folder(one) / "metrics.json").read_text()) for one in ("1.0.0", made.entry.version)
    ]
    predicted = [one["all prospects"]["model"]["mean_probability"]["value"] for one in metrics]
    assert predicted[1] == pytest.approx(predicted[0], rel=0.25)

    told = f"Trained on a sample of {fit.rows:,} of {fit.whole_rows:,} rows"
    assert any(step.startswith("fitting to a sample: ") for step in steps)
    assert told in (made.folder / "card.md").read_text()
    assert told in (made.folder / REPORT).read_text()
    assert manifest_of(copied, made.entry.version)["fit"]["one_in"] == fit.one_in
    assert "Trained on a sample" not in (copied.folder("1.0.0") / "card.md").read_text()


def test_half_a_character_in_a_message_is_no_reason_to_fail_after_the_fit(sampled):
    copied, made, _ = sampled
    assert copied.read().versions[made.entry.version].message == "caf?"


def test_the_next_version_is_numbered_by_what_changed_and_names_its_parent(copied, quick_settings):
    quicker = {
        "seed": 8,
        "model": quick_settings.model.model_copy(update={"max_trees": 5}),
        "split": quick_settings.split.model_copy(update={"validation_folds": 2}),
    }
    settings = quick_settings.model_copy(update={"artifacts_dir": copied.root, **quicker})
    before = {path.name: path.read_bytes() for path in copied.folder("1.0.0").iterdir()}
    steps = []
    made = train_version(
        copied, latest(copied.root), settings, now=NOW, message="fewer trees", on_step=steps.append
    )
    assert made.entry.version == "1.1.0"
    assert "model.max_trees 40 → 5" in made.entry.changes
    assert made.entry.message == "fewer trees"
    manifest = manifest_of(copied, "1.1.0")
    assert (manifest["parent"], manifest["seed"]) == ("1.0.0", 8)
    assert steps == [
        "computing features", "fitting", "judging on the holdout", "looking for leaks",
        "gathering the evidence", "registering",
    ]  # fmt: skip
    assert {path.name: path.read_bytes() for path in copied.folder("1.0.0").iterdir()} == before
    assert copied.read().versions["1.1.0"].status == "candidate"


@pytest.mark.slow  # fits for each
@pytest.mark.parametrize("step", ["looking for leaks", "registering"])
def test_a_folder_of_artifacts_that_is_lost_meanwhile_ends_in_a_line_and_registers_nothing(
    step, ingested, cheap_settings, tmp_path
):
    artifacts = shutil.copytree(ingested, tmp_path / "artifacts")
    here = cheap_settings.model_copy(update={"artifacts_dir": artifacts})

    def lose(name: str, *_: object) -> None:
        if name == step:
            artifacts.rename(tmp_path / "lost")

    known = latest(artifacts)
    with pytest.raises(SnapshotError, match=rf"{artifacts}/.*/manifest.json: cannot be read: No such file"):
        train_version(Registry(artifacts), known, here, now=datetime(2026, 1, 1, tzinfo=UTC), on_step=lose)
    assert not artifacts.exists()
    (tmp_path / "lost").rename(artifacts)
    assert Registry(artifacts).read().versions == {}
    assert sorted(one.name for one in artifacts.iterdir()) == sorted(one.name for one in ingested.iterdir())


@pytest.mark.parametrize(
    ("version", "error"), [("1.0.0", ArtifactError), ("1.0", UsageError), ("../x", UsageError)]
)
def test_a_version_that_exists_or_is_none_is_refused_before_anything_is_trained(
    copied, quick_settings, version, error
):
    steps = []
    with pytest.raises(error):
        train_version(
            copied, latest(copied.root), quick_settings, now=NOW, version=version, on_step=steps.append
        )
    assert not steps


def test_a_version_holds_its_report_as_a_page_and_as_figures(
    registered: Path, mlsys: RunCommand, tmp_path: Path
) -> None:
    folder = registered / "models" / "1.0.0"
    page, figures = tmp_path / "page.html", tmp_path / "figures.json"
    for path in (page, figures):
        done = mlsys("evaluate", "1.0.0", "--report", path, artifacts=registered)
        assert done.returncode == 0, done.stderr
        assert done.stdout.endswith(f"Written: {path}\n")
    assert page.read_bytes() == (folder / "report.html").read_bytes()
    assert figures.read_bytes() == (folder / "evidence.json").read_bytes()
    known = json.loads(figures.read_text())
    assert (known["version"], known["parent"]) == ("1.0.0", None)
    assert known["backtest"] is known["resampling"] is None
    assert "Not in this report" in page.read_text()
    said = json.loads(mlsys("evaluate", "1.0.0", "--json", artifacts=registered).stdout)
    assert said["evidence"] == known


def test_the_report_of_a_successor_stands_beside_its_parent_and_plays_through_the_past(
    reported: Path,
) -> None:
    folder = reported / "models" / "1.0.1"
    known = json.loads((folder / "evidence.json").read_text())
    assert known["parent"]["version"] == "1.0.0"
    assert known["parent"]["same_holdout"]
    assert len(known["backtest"]["cutoffs"]) == 5
    assert {one["lists"] for one in known["campaign"]["campaigns"]} == {5}
    assert known["promise"]["total"]["realised"] > 0
    assert known["money"]["past"][0]["lists"] == 1
    assert [one["name"] for one in known["resampling"]["variants"]] == ["none", "class weight", "SMOTENC"]
    spread = {one["metric"]: one for one in known["seeds"]}
    assert set(spread) == {"average_precision", "precision_at_10", "roc_auc"}
    low, high = sorted(spread["average_precision"]["values"])
    assert 0 < low < high < 1
    assert spread["average_precision"]["mean"] == pytest.approx((low + high) / 2)
    assert (spread["average_precision"]["lowest"], spread["average_precision"]["highest"]) == (low, high)
    assert spread["average_precision"]["deviation"] == pytest.approx((high - low) / 2)
    page = (folder / "report.html").read_text()
    for said in (
        "fitted again with 2 other seeds",
        "Calling the top 50 of each of 5 lists, leaving out whom it called in the last",
        "A probability is a promise",
        "An estimate, not a forecast of invoices",
        "rows of the training part",
    ):
        assert said in page
    assert "Not in this report" not in page
    assert len(page) < 2_000_000


def trained_one(**changes) -> Trained:
    fit = FitReport(
        rows=90, positives=7, companies=40, converters=5, cutoffs=(18_267, 18_274), trees=30,
        before=(83, 7), after=(83, 16), validation_mean=0.1, validation_rate=0.2, whole_rows=900,
        sampled_rows=95, one_in=10.0, synthetic_weight=0.5,
    )  # fmt: skip
    found = {ALL: {MODEL: {name: Estimate(0.5, 0.25, 0.75) for name in HEADLINE}}}
    base = {
        "entry": small_entry("1.0.0"), "folder": Path("there"), "fit": fit, "holdout": {"rows": 3},
        "evaluation": found, "seeds": (), "canaries": (), "compiled": True, "git": {},
        "sufficiency": Sufficiency(20, 20, 1.0),
    }  # fmt: skip
    return Trained(**{**base, **changes})


def test_what_was_trained_is_plain_data():
    one = trained_one()
    assert one.to_plain() == {
        "version": "1.0.0",
        "changes": "first version",
        "snapshot": "0" * 16,
        "folder": Path("there"),
        "training": {
            "cutoffs": ["2020-01-06", "2020-01-13"],
            "rows": 90,
            "positives": 7,
            "converters": 5,
            "companies": 40,
            "whole_rows": 900,
            "sampled_rows": 95,
            "one_in": 10.0,
            "trees": 30,
            "positives_after_resampling": 16,
            "rows_after_resampling": 99,
            "synthetic_weight": 0.5,
        },
        "holdout": {"rows": 3},
        "metrics": to_plain(one.evaluation),
        "seeds": (),
        "sufficiency": Sufficiency(20, 20, 1.0),
        "status": "candidate",
        "compiled": True,
        "canaries": (),
    }
    assert "Version 1.0.0, candidate, on its holdout" in one._repr_html_()


def test_headline_figures_that_are_not_defined_are_none():
    figures = {name: Estimate(float("nan") if name == "roc_auc" else 0.25, 0, 1) for name in HEADLINE}
    other = {"brier": Estimate(0.1, 0, 1)}
    assert _headline({ALL: {MODEL: {**figures, **other}}}) == {
        name: None if name == "roc_auc" else 0.25 for name in HEADLINE
    }


def test_a_quick_training_leaves_out_parts_of_the_report_and_nothing_of_the_model():
    asked = Settings(seed=9)
    found = quick(asked)
    assert (found.report.backtest, found.report.resampling, found.report.seeds) == (False, False, 0)
    assert asked.report.backtest
    assert found.model_copy(update={"report": asked.report}) == asked


def test_a_holdout_is_described_by_its_cutoffs_and_counts():
    class Holdout(SimpleNamespace):
        def __len__(self) -> int:
            return 4

    holdout = Holdout(
        cutoff=np.array([18_274, 18_267, 18_267, 18_274]),
        company=np.array([3, 3, 5, 7]),
        label=np.array([True, True, False, False]),
    )
    assert _holdout_facts(holdout, 0.2) == {
        "cutoffs": ["2020-01-06", "2020-01-13"],
        "rows": 4,
        "positives": 2,
        "companies": 3,
        "companies_converted": 1,
        "share": 0.2,
    }


def test_where_too_few_convert_training_says_when_there_will_be_enough(snapshot, cheap_settings, tmp_path):
    closed = np.full_like(snapshot.closed, NEVER_CLOSED)
    closed[0] = snapshot.as_of - 100
    once = replace(snapshot, closed=closed)
    with pytest.raises(NotEnoughDataError, match="at least 2 are needed") as raised:
        train_version(Registry(tmp_path), once, cheap_settings, now=NOW)
    assert "1 conversion came while usage was covered" in raised.value.hint
    assert "give or take" in raised.value.hint
