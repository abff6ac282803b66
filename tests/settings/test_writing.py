from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
import tomlkit
from hypothesis import given
from hypothesis import strategies as st

from ml_sys.errors import SettingsError
from ml_sys.settings import BLENDED, ESTIMATOR_PARAMS, Settings
from ml_sys.settings.loading import DEFAULT_FILE, from_values, load
from ml_sys.settings.tree import DESCRIBED, effective, leaves, nested
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


DESCRIPTION = """
[schema.tables.people]
kind = "entities"
since = "joined"
[schema.tables.web]
kind = "periods"
at = "day"
measures.visits = { column = "n" }
measures.minutes = { column = "m", role = "amount" }
[schema.tables.bought]
kind = "purchases"
at = "day"
[schema.attributes.country]
kind = "category"
synonyms = { uk = "gb" }
"""


@pytest.fixture
def described(tmp_path):
    """Load settings with a description, changed by replacing a text in it."""

    def load_it(old="", new="", **more):
        path = tmp_path / "described.toml"
        assert old in DESCRIPTION
        path.write_text(DESCRIPTION.replace(old, new, 1) if old else DESCRIPTION)
        return load(config_file=path, environment={}, **more)

    return load_it


def test_a_description_is_loaded_and_written_in_sections_that_load_to_the_same(described):
    settings = described().settings
    assert settings.schema_.form().measure_names == ("visits", "minutes")
    text = as_changes(settings, ["by hand"])
    assert '[schema.tables.web.measures.minutes]\ncolumn = "m"\nrole = "amount"\n' in text
    assert from_values(tomllib.loads(text), place="changes") == settings
    assert from_values(tomllib.loads(tomlkit.dumps(nested(settings))), place="version") == settings


def test_one_value_of_a_description_can_be_set_over_a_file(described):
    found = described(assignments=["schema.tables.web.file=w.csv", "schema.columns.n=N"])
    assert found.settings.schema_.tables["web"].file == "w.csv"
    assert found.settings.schema_.column("n") == "N"
    assert found.origins["schema.tables"].endswith("described.toml, --set")


WEB = "tables.web.measures.minutes"


@pytest.mark.parametrize(
    ("old", "new", "key", "said", "hint"),
    [
        ('role = "amount"', 'role = "amounts"', f"{WEB}.role", "not allowed", "mean amount?"),
        ('role = "amount"', 'rolle = "amount"', f"{WEB}.rolle", "is not a key", "mean role?"),
        ('role = "amount"', "digits = 9", f"{WEB}.digits", "less than", "Decimal digits"),
        ('kind = "periods"', 'kind = "period"', "tables.web.kind", "not allowed", "mean periods?"),
        ('kind = "periods"', "", "tables.web.kind", "is missing", "allowed: entities, purchases, periods"),
        ('kind = "category"', "", "attributes.country.kind", "is missing", "allowed: number, ordered"),
        ('kind = "category"', 'kind = "text"', "attributes.country.kind", "not allowed", "allowed: number"),
        ('at = "day"\nmeas', 'on = "day"\nmeas', "tables.web.at", "is missing", "period's stamp"),
        ("tables.web]", "tables.Web]", "tables.Web", "should match pattern", "manual"),
        ('kind = "purchases"\nat', 'kind = "links"\nuser', "", "nothing says who converted", "manual"),
        ("[schema.a", '[schema.words]\ntool = "x"\n[schema.a', "words.tool", "is not a key", "entity"),
        ("attributes.country", "attributes.since", "", "'since'", "manual"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_description_is_named_by_its_keys(described, old, new, key, said, hint):
    with pytest.raises(SettingsError) as caught:
        described(old, new)
    assert caught.value.key == (f"schema.{key}" if key else "schema")
    assert caught.value.place.endswith("described.toml")
    assert said in caught.value.message
    assert hint in caught.value.hint


def test_an_unknown_time_zone_is_refused_with_the_nearest_one():
    with pytest.raises(SettingsError, match="did you mean Europe/Berlin"):
        load(environment={}, assignments=["schema.time_zone=Europe/Berlni"])


def test_columns_of_old_settings_files_are_named_with_where_they_go_and_those_of_versions_passed_over():
    with pytest.raises(SettingsError) as caught:
        load(environment={}, assignments=["ingest.customers=c.csv"])
    assert caught.value.hint == "did you mean ingest.files.customers?"
    old = {"schema": {"id": "key", "unranked": 5}, "ingest": {"usage": "u.csv"}}
    assert from_values(old, place="version") == Settings()


def test_config_shows_a_description_by_what_there_is(mlsys, tmp_path):
    path = tmp_path / "described.toml"
    path.write_text(DESCRIPTION)
    shown = mlsys("--config", str(path), "config").stdout
    assert "people (entities), web (periods)" in " ".join(shown.split())
    assert "conf/presets/hubspot.toml" in " ".join(mlsys("config").stdout.split())


def test_editors_get_the_schema_of_the_settings_file(mlsys):
    schema = json.loads(mlsys("config", "--schema").stdout)
    assert {"schema", "ingest", "seed"} <= set(schema["properties"])
    tables = {"EntityTable", "PurchaseTable", "PeriodTable", "EventTable", "LinkTable"}
    assert tables <= set(schema["$defs"])
    assert schema["additionalProperties"] is False
