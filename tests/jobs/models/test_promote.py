"""Only evidence moves the production pointer forwards, and every move is on record."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

from ml_sys.data.snapshot import latest
from ml_sys.errors import ArtifactError, SchemaDriftError, UnverifiedError, UsageError
from ml_sys.features import compute
from ml_sys.jobs.models.evaluate import evaluate_version
from ml_sys.jobs.models.promote import Promotion, Rollback, promote, promote_rule, rollback
from ml_sys.jobs.models.train import train_version
from ml_sys.metrics.holdout import ALL
from ml_sys.metrics.scored_lists import MODEL
from ml_sys.model.files.serialization import read_holdout
from ml_sys.model.train import spec_from
from ml_sys.registry import criteria
from ml_sys.registry.audit import Change
from ml_sys.registry.gate import Criterion, Verdict
from ml_sys.registry.judging import judge_version, overlap
from ml_sys.registry.loading import load_version
from ml_sys.registry.store import Registry
from ml_sys.settings import GateSettings, Settings
from ml_sys.settings.loading import Configuration
from tests.registry.forgery import forge

NOW = datetime(2026, 1, 2, tzinfo=UTC)
# The samples are small, so that a gate of the default strictness would refuse them for want of conversions.
GATE = GateSettings(min_positives=5, resamples=200)
STRICT = GATE.model_copy(update={"min_positives": 10_000})


@pytest.fixture
def registry(several: Path, tmp_path: Path) -> Registry:
    """A copy of all of them that the test may change, none in production."""
    return Registry(Path(shutil.copytree(several, tmp_path / "artifacts")), actor="on call")


def tree(root):
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and path.suffix != ".lock"
    }


def go(registry, version, gate=GATE, **options):
    asked = Configuration(Settings(gate=gate, seed=7), {}, gate)
    return promote(registry, version, asked, **options)


def failed(result):
    return [one.name for one in result.verdict.criteria if not one.passed and one.blocking]


def test_the_first_promotion_asks_for_the_absolute_criteria_alone(registry):
    result = go(registry, "1.0.0")
    assert result.promoted
    assert result.replaced is None
    assert [one.name for one in result.verdict.criteria] == [
        criteria.FILES, criteria.CANARIES, criteria.CONVERTERS, criteria.SIGNAL, criteria.CALIBRATED,
        criteria.RULE,
    ]  # fmt: skip
    assert registry.read().production == "1.0.0"


def test_a_copy_of_the_champion_is_no_worse_and_goes_in(registry):
    go(registry, "1.0.0")
    result = go(registry, "1.0.1", reason="retrained")
    assert result.promoted
    assert result.verdict.conclusion == "no worse"
    assert result.verdict.comparison.difference == 0.0
    last = registry.trail().records[-1]
    assert (last.action, last.version, last.replaced, last.by) == ("promote", "1.0.1", "1.0.0", "on call")
    assert (last.reason, last.forced) == ("retrained", False)
    assert last.verdict == json.loads(json.dumps(result.verdict.to_plain()))


def test_a_version_that_is_clearly_worse_is_refused_and_nothing_changes(registry):
    go(registry, "1.0.0")
    before = tree(registry.root)
    result = go(registry, "1.1.0")
    assert not result.promoted
    assert criteria.NO_WORSE in failed(result)
    assert tree(registry.root) == before


def test_a_dry_run_judges_and_changes_nothing(registry):
    before = tree(registry.root)
    result = go(registry, "1.0.0", dry_run=True)
    assert result.verdict.passed
    assert not result.promoted
    assert tree(registry.root) == before


def test_a_refusal_can_be_overridden_with_a_reason_that_is_kept(registry):
    with pytest.raises(UsageError, match="--force needs a reason"):
        go(registry, "1.0.0", STRICT, force=True, reason="  ")
    assert registry.read().production is None
    result = go(registry, "1.0.0", STRICT, force=True, reason="the only one we have")
    assert result.promoted
    assert not result.verdict.passed
    last = registry.trail().records[-1]
    assert (last.forced, last.reason) == (True, "the only one we have")
    assert last.verdict["passed"] is False


def test_forcing_what_passes_is_not_recorded_as_forced(registry):
    go(registry, "1.0.0", force=True, reason="sure is sure")
    assert registry.trail().records[-1].forced is False


def test_a_damaged_version_is_refused_and_cannot_be_forced(registry):
    with (registry.folder("1.0.0") / "booster.json").open("ab") as file:
        file.write(b"\0")
    before = tree(registry.root)
    result = go(registry, "1.0.0")
    assert failed(result)[0] == criteria.FILES
    assert "booster.json" in result.verdict.criteria[0].found
    with pytest.raises(UnverifiedError, match=r"booster\.json"):
        go(registry, "1.0.0", force=True, reason="it will be fine")
    assert tree(registry.root) == before


def test_a_damaged_champion_is_no_evidence_and_can_be_replaced_by_force_alone(registry):
    go(registry, "1.0.0")
    (registry.folder("1.0.0") / "scorer.json").write_text("{}")
    result = go(registry, "1.0.1")
    assert not result.promoted
    assert criteria.FILES in failed(result)
    assert go(registry, "1.0.1", force=True, reason="the disk lost the champion").promoted


def test_promoting_what_is_in_production_does_nothing(registry):
    go(registry, "1.0.0")
    before = tree(registry.root)
    result = go(registry, "1.0.0")
    assert (result.promoted, result.verdict, result.replaced) == (True, None, "1.0.0")
    assert tree(registry.root) == before


def test_a_champion_of_other_features_scores_the_same_rows_with_its_own(registry):
    """Both versions were judged on the same rows, so the champion's metric is the one it was stored with."""
    go(registry, "1.0.0")
    verdict = judge_version(registry, "2.0.0", "1.0.0", Settings(gate=GATE, seed=7), lambda _: None)
    stored = {
        version: evaluate_version(registry, version).evaluation[ALL][MODEL]["average_precision"].value
        for version in ("1.0.0", "2.0.0")
    }
    assert verdict.comparison.champion == pytest.approx(stored["1.0.0"], abs=1e-12)
    assert verdict.comparison.challenger == pytest.approx(stored["2.0.0"], abs=1e-12)


def test_without_the_snapshot_a_champion_of_other_features_cannot_be_compared(registry):
    go(registry, "1.0.0")
    shutil.rmtree(registry.root / "snapshots")
    result = go(registry, "2.0.0")
    assert not result.promoted
    assert criteria.NO_WORSE in failed(result)
    assert go(registry, "1.0.1").promoted  # of the same features: its rows are in the version itself


@pytest.mark.slow  # trains another version
def test_a_champion_that_looks_another_time_ahead_cannot_be_compared(registry, cheap_settings):
    label = cheap_settings.label.model_copy(update={"horizon_days": 21})
    settings = cheap_settings.model_copy(update={"artifacts_dir": registry.root, "label": label})
    train_version(registry, latest(registry.root), settings, now=NOW)
    go(registry, "1.0.0")
    result = go(registry, "3.0.0")
    assert not result.promoted
    assert "30 days ahead" in " ".join(one.found for one in result.verdict.criteria)


def manifest(train, holdout, *, horizon=30, kind="time", share=0.2, seed=7):
    return {
        "fit": {"cutoffs": train},
        "holdout": {"cutoffs": holdout},
        "horizon_days": horizon,
        "settings": {"split.kind": kind, "split.holdout_share": share, "seed": seed},
    }


@pytest.mark.parametrize(
    ("champion", "seen"),
    [
        (manifest(["2020-01-01", "2020-03-01"], []), False),
        (manifest(["2020-01-01", "2020-03-02"], []), False),  # closes on the day the holdout begins
        (manifest(["2020-01-01", "2020-03-03"], []), True),
        (manifest(["2020-01-01", "2020-03-01"], [], horizon=60), True),
        (manifest(["2020-01-01", "2020-04-01"], [], kind="stratified"), True),
    ],
)
def test_a_champion_has_seen_the_rows_if_it_learnt_from_outcomes_after_their_first_cutoff(champion, seen):
    assert bool(overlap(champion, manifest([], ["2020-04-01", "2020-05-01"]))) is seen


def test_where_both_split_by_company_no_day_is_seen_since_companies_decide() -> None:
    cutoffs = ["2020-01-01", "2020-04-01"]
    assert not overlap(
        manifest(cutoffs, cutoffs, kind="stratified"), manifest(cutoffs, cutoffs, kind="stratified")
    )
    assert overlap(manifest(cutoffs, cutoffs), manifest(cutoffs, cutoffs, kind="stratified"))


def test_a_champion_that_has_seen_the_rows_is_refused_without_force(registry):
    go(registry, "1.0.0")
    path = registry.folder("1.0.1") / "manifest.json"
    facts = json.loads(path.read_text())
    facts["holdout"]["cutoffs"] = ["2019-06-03"]
    path.write_text(json.dumps(facts))
    forge(registry)
    go(registry, "1.0.0")
    result = go(registry, "1.0.1")
    assert failed(result) == [criteria.UNSEEN]


def test_a_metric_edited_by_hand_is_refused(registry):
    path = registry.folder("1.1.0") / "metrics.json"
    path.write_text(path.read_text().replace('"value": 0.', '"value": 0.9', 1))
    result = go(registry, "1.1.0")
    assert not result.promoted
    assert "metrics.json" in result.verdict.criteria[0].found


def test_a_metric_forged_with_its_digests_changes_no_verdict(registry):
    """Nothing that is stored is believed, so even who can forge manifest and registry gains nothing."""
    honest = go(registry, "1.1.0", dry_run=True).verdict.to_plain()
    metrics = json.loads((registry.folder("1.1.0") / "metrics.json").read_text())
    for rankers in metrics.values():
        rankers["model"]["average_precision"] = {"value": 0.99, "low": 0.98, "high": 1.0}
    forge(registry, "1.1.0", "metrics.json", json.dumps(metrics).encode())
    assert go(registry, "1.1.0", dry_run=True).verdict.to_plain() == honest


def test_outcomes_forged_into_the_holdout_are_held_against_the_snapshot(registry):
    path = registry.folder("1.0.0") / "holdout.parquet"
    frame = pd.read_parquet(path)
    frame["label"] = frame["probability"].rank(ascending=False) <= frame["label"].sum()
    frame.to_parquet(path, index=False)
    forge(registry, "1.0.0", "holdout.parquet", path.read_bytes())
    result = go(registry, "1.0.0")
    assert not result.promoted
    assert "other outcomes than its snapshot" in result.verdict.criteria[0].found


def test_companies_forged_into_the_holdout_are_held_against_the_snapshot(registry):
    path = registry.folder("1.0.0") / "holdout.parquet"
    frame = pd.read_parquet(path)
    frame["id"] = frame["id"].to_numpy()[::-1]
    frame.to_parquet(path, index=False)
    forge(registry, "1.0.0", "holdout.parquet", path.read_bytes())
    assert "other companies" in go(registry, "1.0.0").verdict.criteria[0].found


def test_rules_forged_into_the_holdout_are_computed_again_from_the_snapshot(registry):
    def of_rules():
        verdict = go(registry, "1.0.0", GATE.model_copy(update={"rule_converters": 1}), dry_run=True).verdict
        return next(one for one in verdict.criteria if one.name == criteria.RULE)

    honest = of_rules()
    assert honest.figures["rule"] > 0
    path = registry.folder("1.0.0") / "holdout.parquet"
    frame = pd.read_parquet(path)
    for name in frame.columns[frame.columns.str.startswith("rule:")]:
        frame[name] = 0.0
    frame.to_parquet(path, index=False)
    forge(registry, "1.0.0", "holdout.parquet", path.read_bytes())
    assert of_rules() == honest


def test_a_failed_canary_blocks_promotion_and_is_named(registry):
    found = json.loads((registry.folder("1.0.0") / "canaries.json").read_text())
    found[0] |= {"status": "failed", "found": "the cat is out"}
    forge(registry, "1.0.0", "canaries.json", json.dumps(found).encode())
    result = go(registry, "1.0.0")
    assert failed(result) == [criteria.CANARIES]
    assert "the cat is out" in result.verdict.criteria[1].found


def test_a_champion_that_changed_during_the_judgement_is_judged_against_anew(registry):
    go(registry, "1.0.0")
    seen = []

    def meanwhile(step):
        seen.append(step)
        if step == "comparing" and seen.count(step) == 1:
            registry.promote("1.0.1", "1.0.0", Change("meanwhile"))

    result = go(registry, "2.0.0", force=True, reason="race", on_step=meanwhile)
    assert result.replaced == "1.0.1"
    assert result.verdict.champion == "1.0.1"
    assert registry.read().replaced == ("1.0.0", "1.0.1")


@pytest.mark.slow  # judges again and again
def test_a_champion_that_keeps_changing_is_given_up_on(registry):
    go(registry, "1.0.0")

    def meanwhile(step):
        if step == "comparing":
            now = registry.read().production
            registry.promote({"1.0.0": "1.0.1", "1.0.1": "1.0.0"}[now], now, Change("again"))

    with pytest.raises(ArtifactError, match="is in production now, and was not when"):
        go(registry, "2.0.0", force=True, reason="race", on_step=meanwhile)
    assert registry.read().production != "2.0.0"


def test_rollback_goes_back_further_each_time_and_keeps_the_reason(registry):
    go(registry, "1.0.0")
    go(registry, "1.0.1")
    go(registry, "2.0.0", force=True, reason="try it")
    assert rollback(registry, reason="worse on Monday") == Rollback("1.0.1", left="2.0.0")
    assert registry.trail().records[-1].reason == "worse on Monday"
    assert rollback(registry) == Rollback("1.0.0", left="1.0.1")
    with pytest.raises(ArtifactError, match="no earlier production version"):
        rollback(registry)


def test_rollback_refuses_what_cannot_be_used_and_may_go_past_it(registry):
    go(registry, "1.0.0")
    go(registry, "1.0.1")
    go(registry, "2.0.0", force=True, reason="try it")
    (registry.folder("1.0.1") / "golden.json").unlink()
    with pytest.raises(UnverifiedError, match=r"golden\.json: is missing"):
        rollback(registry)
    assert registry.read().production == "2.0.0"
    assert rollback(registry, to="1.0.0") == Rollback("1.0.0", left="2.0.0")


def test_rollback_to_a_version_that_was_not_in_production_says_which_were(registry):
    go(registry, "1.0.0")
    go(registry, "1.0.1")
    with pytest.raises(ArtifactError, match=r"2\.0\.0 was not in production before 1\.0\.1") as caught:
        rollback(registry, to="2.0.0")
    assert "1.0.0" in caught.value.hint
    assert "mlsys promote 2.0.0" in caught.value.hint


def test_a_version_whose_features_the_code_no_longer_produces_names_who_can(registry, monkeypatch):
    monkeypatch.setattr(compute, "FEATURE_CODE_VERSION", compute.FEATURE_CODE_VERSION + 1)
    with pytest.raises(SchemaDriftError, match="their meaning changed") as caught:
        load_version(registry, "1.0.0")
    assert "mlsys 0." in caught.value.hint
    assert "which trained it" in caught.value.hint
    assert "train again" in caught.value.hint
    result = go(registry, "1.0.0")
    assert "their meaning changed" in result.verdict.criteria[0].found


def test_a_feature_that_is_gone_is_named_and_so_is_the_version_that_does_without_it(registry, monkeypatch):
    """2.0.0 leaves the whole group out, so it does not mind."""
    of_form, gone = compute._of_form, "object_entropy_28d"
    monkeypatch.setattr(
        compute, "_of_form", lambda spec: tuple(one for one in of_form(spec) if one.name != gone)
    )
    monkeypatch.setattr(compute, "_groups_of", lambda spec: spec._groups())
    with pytest.raises(SchemaDriftError, match=f"does not produce its features: {gone} gone") as caught:
        load_version(registry, "1.0.0")
    assert "use version 2.0.0, which works with this mlsys" in caught.value.hint
    assert load_version(registry, "2.0.0")


def test_a_feature_that_means_something_else_under_its_name_is_noticed_by_the_golden_companies(
    registry, monkeypatch
):
    of_form = compute._of_form
    first, *others = of_form(spec_from(Settings()))

    def doubled(usage):
        return first.function(usage) * 2 + 1

    monkeypatch.setattr(compute, "_of_form", lambda _: (replace(first, function=doubled), *others))
    with pytest.raises(SchemaDriftError, match=f"{first.name} means something different"):
        load_version(registry, "1.0.0")


@pytest.mark.slow  # trains twice
def test_beside_a_champion_of_other_companies_those_that_it_learnt_from_are_left_out(
    registered: Path, cheap_settings, tmp_path: Path
) -> None:
    root = Path(shutil.copytree(registered, tmp_path / "artifacts"))
    registry, snapshot = Registry(root), latest(root)
    split = cheap_settings.split.model_copy(update={"kind": "stratified", "holdout_share": 0.4})
    held = []
    for seed in (7, 8):
        settings = cheap_settings.model_copy(update={"artifacts_dir": root, "split": split, "seed": seed})
        made = train_version(registry, snapshot, settings, now=NOW)
        panel, known = read_holdout(registry.open(made.entry.version))
        assert made.holdout["share"] == pytest.approx(0.4, abs=0.01)
        held.append((made.entry.version, set(known["id"]), len(panel)))
    (champion, theirs, _), (challenger, ours, rows) = held
    verdict = judge_version(registry, challenger, champion, Settings(gate=GATE, seed=7), lambda _: None)
    found = {one.name: one for one in verdict.criteria}
    assert found[criteria.UNSEEN].passed
    assert found[criteria.UNSEEN].figures["left_out"] == len(ours - theirs) > 0
    assert found[criteria.CONVERTERS].figures["rows"] < rows
    assert "17% of each list" in found[criteria.CONVERTERS].found  # 40 % of 40 %, and what chance adds
    assert verdict.comparison is not None


@pytest.mark.parametrize(
    ("verdict", "promoted", "refused"),
    [
        (None, True, False),
        (True, True, False),
        (True, False, False),
        (False, False, True),
        (False, True, False),
    ],
)
def test_a_promotion_is_plain_data_and_refused_where_the_gate_kept_it_out(verdict, promoted, refused):
    judged = None
    if verdict is not None:
        row = Criterion("a", verdict, "found", "asked", {})
        judged = Verdict("1.1.0", "1.0.0", True, (row,), "no worse", None)
    one = Promotion("1.1.0", judged, "1.0.0", promoted)
    assert one.refused == refused
    assert one.to_plain() == {
        "production": "1.1.0" if promoted else "1.0.0",
        "replaced": "1.0.0" if promoted else None,
        "promoted": promoted,
        "verdict": judged,
    }


def test_to_force_without_a_reason_is_refused_before_anything_is_judged(registry):
    for reason in ("", "  "):
        with pytest.raises(UsageError, match="--force needs a reason") as caught:
            go(registry, "1.0.0", force=True, reason=reason)
        assert caught.value.hint == 'give one: --force --reason "…"'


def test_what_a_champion_has_learnt_from_is_said_with_both_days():
    learnt = manifest(["2020-01-01", "2020-03-03"], [])
    assert overlap(learnt, manifest([], ["2020-04-01", "2020-05-01"])) == (
        "it was trained on outcomes up to 2020-04-02, but this holdout begins on 2020-04-01"
    )


def test_lists_move_from_a_rule_to_a_version_and_back_on_record(registry):
    settings, rule = Settings(gate=GATE), "rule: most users in 30 days"
    first = promote_rule(registry, "users", settings)
    assert (first.version, first.replaced, first.promoted, first.refused) == (rule, None, True, False)
    assert registry.read().production == rule
    again = promote_rule(registry, "users", settings)
    assert again.promoted
    result = go(registry, "1.0.0")
    held = next(one for one in result.verdict.criteria if one.name == criteria.RULE)
    assert held.blocking
    assert held.asked.endswith("a rule is in production")
    assert criteria.NO_WORSE not in [one.name for one in result.verdict.criteria]
    forced = go(registry, "1.0.0", force=True, reason="let us see")
    assert forced.promoted
    last = registry.trail().records[-1]
    assert (last.action, last.version, last.replaced) == ("promote", "1.0.0", rule)
    assert rollback(registry) == Rollback(rule, "1.0.0")
    assert [(one.action, one.version) for one in registry.trail().records[-3:]] == [
        ("promote", rule), ("promote", "1.0.0"), ("rollback", rule),
    ]  # fmt: skip
    assert registry.read().versions["1.0.0"].status == "archived"


def test_a_rule_takes_the_place_of_a_version_only_with_a_reason(registry):
    go(registry, "1.0.0")
    with pytest.raises(UsageError, match=r"replacing version 1\.0\.0 by a rule needs a reason"):
        promote_rule(registry, "users", Settings(), reason=" ")
    assert not promote_rule(registry, "users", Settings(), reason="it drifts", dry_run=True).promoted
    assert registry.read().production == "1.0.0"
    promote_rule(registry, "users", Settings(), reason="it drifts")
    assert registry.trail().records[-1].reason == "it drifts"
    with pytest.raises(UsageError, match="do not allow the rule 'newest'"):
        promote_rule(registry, "newest", Settings())


def test_a_rule_is_put_into_production_once_and_not_by_a_dry_run(tmp_path):
    registry, settings = Registry(tmp_path), Settings(artifacts_dir=tmp_path)
    tried = promote_rule(registry, "users", settings, dry_run=True)
    assert (tried.version, tried.promoted, registry.read().production) == (
        "rule: most users in 30 days",
        False,
        None,
    )
    assert promote_rule(registry, "users", settings).promoted
    records = len(registry.trail().records)
    again = promote_rule(registry, "users", settings)
    assert (again.promoted, again.replaced, len(registry.trail().records)) == (True, tried.version, records)
    assert promote_rule(registry, "users", settings, dry_run=True).promoted  # it is there already
    other = promote_rule(registry, "actions", settings)  # a rule gives way to another without a word
    assert registry.read().production == other.version == "rule: most actions in 30 days"
