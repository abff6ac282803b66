"""Whatever loosens the gate beyond the settings file has to be forced, with a reason, and is on record."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from ml_sys.errors import SettingsError
from ml_sys.registry import criteria
from ml_sys.registry.gate import Case, Contender, judge
from ml_sys.registry.store import Registry
from ml_sys.settings import GateSettings
from ml_sys.settings.loading import load

FILED = GateSettings()
LAXER = {
    "primary_metric": "roc_auc",
    "tolerance": 0.2,
    "max_probability_worse": 0.6,
    "resamples": 200,
    "confidence": 0.9,
    "min_lift": 2.0,
    "min_positives": 1,
    "max_calibration_error": 0.7,
    "max_calibration_ratio": 2.0,
    "require_rule": False,
    "rule_converters": 40,
}
STRICTER = {
    "tolerance": 0.05,
    "max_probability_worse": 0.4,
    "resamples": 3000,
    "min_lift": 4.0,
    "min_positives": 20,
    "max_calibration_error": 0.5,
    "max_calibration_ratio": 1.2,
    "rule_converters": 20,
}


def judged(**limits):
    nothing = np.empty(0, dtype=np.int32)
    case = Case(Contender("1.0.0", np.empty(0)), None, nothing.astype(bool), nothing, nothing)
    verdict = judge(case, FILED.model_copy(update=limits), seed=7, standard=FILED)
    return {one.name: one for one in verdict.criteria}.get(criteria.STRICT)


def test_every_limit_says_which_way_it_is_laxer():
    assert set(LAXER) == set(GateSettings.model_fields)
    for field in GateSettings.model_fields.values():
        assert field.json_schema_extra["laxer"] in {"lower", "higher", "other"}


@pytest.mark.parametrize("limit", LAXER)
def test_a_limit_that_is_laxer_than_the_file_s_fails_and_says_what_is_asked(limit):
    found = judged(**{limit: LAXER[limit]})
    assert not found.passed
    assert found.found == f"gate.{limit} = {LAXER[limit]}"
    assert found.asked == f"gate.{limit} = {getattr(FILED, limit)}"


@pytest.mark.parametrize("limit", [None, *STRICTER])
def test_a_limit_as_strict_or_stricter_asks_for_nothing_more(limit):
    assert judged(**({limit: STRICTER[limit]} if limit else {})) is None


def test_the_file_s_gate_is_what_the_file_says_whatever_is_set_above_it(tmp_path):
    path = tmp_path / "mlsys.toml"
    path.write_text("[gate]\nmin_positives = 40\n")
    found = load(
        config_file=path,
        environment={"MLSYS_GATE__MIN_LIFT": "1.5"},
        assignments=["gate.min_positives=1"],
    )
    assert (found.settings.gate.min_positives, found.settings.gate.min_lift) == (1, 1.5)
    assert found.gate == GateSettings(min_positives=40)
    path.write_text("[gate]\nmin_positives = 0\n")
    with pytest.raises(SettingsError, match=r"gate\.min_positives"):
        load(config_file=path, environment={}, assignments=["gate.min_positives=1"])


@pytest.mark.parametrize("how", ["--set", "environment"])
def test_a_promotion_under_a_laxer_gate_is_refused_until_it_is_forced_and_history_says_so(
    registered, tmp_path, mlsys, monkeypatch, how
):
    root = Path(shutil.copytree(registered, tmp_path / "artifacts"))
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "mlsys.toml").write_text("[gate]\nresamples = 100\nmin_positives = 5\n")
    assign = ("--set", "gate.min_positives=1") if how == "--set" else ()
    if how == "environment":
        monkeypatch.setenv("MLSYS_GATE__MIN_POSITIVES", "1")
    done = mlsys("promote", "1.0.0", *assign, "--json", artifacts=root)
    assert done.returncode == 3
    strict = {"name": criteria.STRICT, "passed": False, "figures": {}, "blocking": True}
    strict |= {"found": "gate.min_positives = 1", "asked": "gate.min_positives = 5"}
    assert strict in json.loads(done.stdout)["verdict"]["criteria"]
    assert Registry(root).read().production is None
    forced = mlsys("promote", "1.0.0", *assign, "--force", "--reason", "a pilot", artifacts=root)
    assert forced.returncode == 0
    record = Registry(root).trail().records[-1]
    assert (record.forced, record.reason) == (True, "a pilot")
    assert strict in record.verdict["criteria"]
    said = " ".join(mlsys("history", "--json", artifacts=root).stdout.split())
    assert "gate.min_positives = 1" in said
    shown = mlsys("history", artifacts=root).stdout
    assert "promote (forced)" in " ".join(shown.replace("│", " ").split())


def test_history_shows_what_was_found_and_what_is_asked_of_a_forced_promotion():
    from ml_sys.views.promote import overridden

    verdict = {
        "criteria": [
            {"name": "files verify", "passed": True, "found": "they do", "asked": "all"},
            {
                "name": criteria.STRICT,
                "passed": False,
                "found": "gate.min_lift = 1",
                "asked": "gate.min_lift = 3",
            },
        ]
    }
    assert overridden(verdict) == [f"{criteria.STRICT}: gate.min_lift = 1, asked gate.min_lift = 3"]
