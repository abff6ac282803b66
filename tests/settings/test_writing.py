from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_sys.settings import BLENDED, ESTIMATOR_PARAMS, Settings
from ml_sys.settings.loading import DEFAULT_FILE, load
from ml_sys.settings.tree import DESCRIBED, effective, leaves
from ml_sys.settings.writing import as_changes, as_markdown, as_toml, literal

SHIPPED = Path(__file__).parents[2] / DEFAULT_FILE


def test_the_shipped_settings_file_is_the_generated_one():
    assert SHIPPED.read_text(encoding="utf-8") == as_toml()


def test_every_key_of_the_shipped_file_loads_to_the_default():
    configuration = load(config_file=SHIPPED, environment={})
    assert configuration.settings == Settings()
    assert set(configuration.origins) == {key for key, _ in leaves()}
    silent = {key for key, origin in configuration.origins.items() if origin != str(SHIPPED)}
    assert silent == set(DESCRIBED)  # they come from the preset, which it names


def test_a_value_written_in_the_shipped_file_is_the_one_in_force():
    text = as_toml().replace("horizon_days = 30", "horizon_days = 14")
    assert tomllib.loads(text)["label"]["horizon_days"] == 14


@pytest.mark.parametrize("key", [key for key, _ in leaves()])
def test_every_setting_has_one_line_that_says_what_it_does(key):
    said = dict(leaves())[key].description
    assert "\n" not in said
    assert said[0].isupper() or said[0] in "'`"
    assert said.endswith(".")
    assert len(said) <= 100
    assert f"# {said}\n" in as_toml()


def test_the_table_has_one_row_a_setting_in_the_order_of_the_tree():
    rows = as_markdown().splitlines()[2:]
    assert [row.split("`")[1] for row in rows] == list(effective(Settings()))
    assert {row.count(" | ") for row in rows} == {2}


def test_another_estimator_can_be_named_beside_the_shipped_file():
    assert load(config_file=SHIPPED, environment={}).settings.model.params == ESTIMATOR_PARAMS[BLENDED]
    named = load(
        config_file=SHIPPED,
        environment={"MLSYS_MODEL__ESTIMATOR": "sklearn.linear_model:LogisticRegression"},
        assignments=["model.params.C=0.1"],
    )
    assert named.settings.model.params == {"C": 0.1, "max_iter": 1000}
    assert named.origins["model.params"] == "--set"


def test_one_parameter_of_the_same_estimator_leaves_the_others_of_the_shipped_file():
    named = load(
        config_file=SHIPPED,
        environment={},
        assignments=[f"model.estimator={BLENDED}", "model.params.max_depth=2"],
    )
    assert named.settings.model.params == {**ESTIMATOR_PARAMS[BLENDED], "max_depth": 2}


def test_config_prints_plain_data_for_every_setting(mlsys):
    shown = json.loads(mlsys("config", "--json").stdout)
    assert {key: entry["value"] for key, entry in shown.items()} == effective(Settings())


# TOML has no null; what configuration reads from files, variables and flags has none either.
VALUES = st.recursive(
    st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(value=VALUES)
def test_a_value_is_written_on_one_line_as_toml_that_reads_back(value):
    written = literal(value)
    assert not {"\n", "\r"} & set(written)
    assert tomllib.loads(f"value = {written}") == {"value": value}


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"artifacts_dir": "elsewhere", "seed": 9, "panel": {"step_days": 21}, "score": {"top": 3}},
        {"model": {"params": {"max_depth": 2, "scale_pos_weight": 12.5}}, "features": {"off": ["trend"]}},
        {"model": {"estimator": "sklearn.linear_model:LogisticRegression", "params": {"C": 0.1}}},
        {"schema": {"columns": {"id": "Kunde"}}, "features": {"windows_days": [7, 28]}},
    ],
)
def test_a_file_of_what_differs_loads_to_the_same_settings_and_holds_no_more(changed, tmp_path):
    settings = Settings.model_validate(changed)
    file = tmp_path / "changes.toml"
    file.write_text(as_changes(settings, ["found on a Monday", "by hand"]), encoding="utf-8")
    assert load(config_file=file, environment={}).settings == settings
    assert file.read_text(encoding="utf-8").startswith("# found on a Monday\n# by hand\n")
    assert tomllib.loads(file.read_text(encoding="utf-8")) == changed
