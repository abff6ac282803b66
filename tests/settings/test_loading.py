"""Flags > environment > TOML > defaults; what is wrong is named with its place and the nearest key."""

from __future__ import annotations

import pytest
import tomlkit
from hypothesis import given
from hypothesis import strategies as st

from ml_sys.errors import SettingsError
from ml_sys.settings import BLENDED, ESTIMATOR_PARAMS, Settings
from ml_sys.settings.loading import DEFAULT_ORIGIN, from_values, load
from ml_sys.settings.tree import effective, leaves, nested

KEYS = [key for key, _ in leaves()]
NUMBERS = st.none() | st.integers(1, 10**6)


@pytest.fixture(autouse=True)
def _no_settings_file(tmp_path_factory, monkeypatch):
    monkeypatch.chdir(tmp_path_factory.mktemp("nowhere"))


@pytest.fixture
def toml(tmp_path):
    """Write a settings file and return its path."""

    def write(text, *, encoding="utf-8"):
        path = tmp_path / "settings.toml"
        path.write_bytes(text.encode(encoding))
        return path

    return write


def settings_of(**layers):
    return load(environment=layers.pop("environment", {}), **layers).settings


@given(in_file=NUMBERS, in_environment=NUMBERS, assigned=NUMBERS, flag=NUMBERS)
def test_the_highest_layer_that_speaks_wins(tmp_path_factory, in_file, in_environment, assigned, flag):
    path = tmp_path_factory.mktemp("layers") / "settings.toml"
    path.write_text("" if in_file is None else f"[label]\nhorizon_days = {in_file}\n")
    variables = {} if in_environment is None else {"MLSYS_LABEL__HORIZON_DAYS": str(in_environment)}
    found = load(
        config_file=path,
        environment=variables,
        assignments=() if assigned is None else (f"label.horizon_days={assigned}",),
        flags={"label.horizon_days": flag},
    )
    spoken = [
        (flag, "--horizon-days"),
        (assigned, "--set"),
        (in_environment, "MLSYS_LABEL__HORIZON_DAYS"),
        (in_file, str(path)),
        (30, DEFAULT_ORIGIN),
    ]
    expected = next((value, origin) for value, origin in spoken if value is not None)
    assert (found.settings.label.horizon_days, found.origins["label.horizon_days"]) == expected


def test_every_setting_has_an_origin_and_an_effective_value():
    found = load(environment={"MLSYS_SEED": "3"})
    assert list(found.origins) == list(effective(found.settings)) == KEYS
    assert {key for key, origin in found.origins.items() if origin != DEFAULT_ORIGIN} == {"seed"}


def test_every_default_can_be_said_in_the_environment_as_the_value_it_is():
    """Whatever type a setting has, its default written as TOML comes back unchanged."""
    values = effective(Settings())
    variables = {
        "MLSYS_" + key.replace(".", "__").upper(): value
        if isinstance(value, str)
        else tomlkit.item(
            value if not isinstance(value, dict) else tomlkit.inline_table() | value
        ).as_string()
        for key, value in values.items()
    }
    assert effective(settings_of(environment=variables)) == values


def test_names_of_environment_variables_ignore_case_and_those_of_others_are_left_alone():
    settings = settings_of(
        environment={
            "mlsys_panel__step_days": "14",
            "PATH": "/bin",
            "MLSYS_CONFIG": "",
            "MLSYS_MODEL_VERSION": "1.0.0",
        }
    )
    assert settings.panel.step_days == 14


def test_a_text_setting_takes_its_value_literally():
    settings = settings_of(
        assignments=["ingest.as_of=2020-06-01", "ingest.database=123", "schema.time_zone=UTC"]
    )
    assert (settings.ingest.as_of, settings.ingest.database, settings.schema_.time_zone) == (
        "2020-06-01",
        "123",
        "UTC",
    )


def test_other_settings_take_their_value_as_toml_or_as_plain_text():
    settings = settings_of(
        assignments=[
            "features.windows_days=[7, 28]",
            "features.off=['trend']",
            "features.attribute_missingness=true",
            "resample.sampling_strategy=none",
            "bootstrap.confidence=0.9",
        ]
    )
    assert settings.features.windows_days == (7, 28)
    assert settings.features.off == ("trend",)
    assert settings.features.attribute_missingness is True
    assert settings.resample.sampling_strategy == "none"
    assert settings.bootstrap.confidence == 0.9


def test_the_last_of_two_assignments_wins():
    assert settings_of(assignments=["seed=1", "seed=2"]).seed == 2


def test_model_parameters_of_every_layer_are_merged_key_by_key(toml):
    path = toml("[model.params]\nmax_depth = 2\ngamma = 1.0\nreg_alpha = 1.0\n")
    found = load(
        config_file=path,
        environment={"MLSYS_MODEL__PARAMS": "{gamma = 2.0, reg_alpha = 2.0}"},
        assignments=["model.params.reg_alpha=3.0", "model.params.max_bin=32"],
    )
    assert found.settings.model.params == {
        **ESTIMATOR_PARAMS[BLENDED],
        "max_depth": 2,
        "gamma": 2.0,
        "reg_alpha": 3.0,
        "max_bin": 32,
    }
    assert found.origins["model.params"] == f"{path}, MLSYS_MODEL__PARAMS, --set"


def test_the_file_in_the_working_folder_is_read_unless_another_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert settings_of().seed == 7
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "mlsys.toml").write_text("seed = 1\n")
    (tmp_path / "from_environment.toml").write_text("seed = 2\n")
    (tmp_path / "from_flag.toml").write_text("seed = 3\n")
    assert settings_of().seed == 1
    named = {"MLSYS_CONFIG": "from_environment.toml"}
    assert settings_of(environment=named).seed == 2
    assert settings_of(environment=named, config_file=tmp_path / "from_flag.toml").seed == 3


def test_a_file_saved_with_a_byte_order_mark_is_read(toml):
    assert settings_of(config_file=toml("seed = 5\n", encoding="utf-8-sig")).seed == 5


def test_a_named_file_that_does_not_exist_is_refused(tmp_path):
    with pytest.raises(SettingsError, match=r"nowhere\.toml: --config: there is no such file"):
        load(config_file=tmp_path / "nowhere.toml", environment={})


@pytest.mark.parametrize(
    "content", [b"seed = \n", b"[label\nhorizon_days = 3", b"seed = 1\nseed = 2\n", b"seed = '\xff'\n"]
)
def test_a_file_that_is_no_toml_is_named(tmp_path, content):
    path = tmp_path / "bad.toml"
    path.write_bytes(content)
    with pytest.raises(SettingsError, match="cannot be read as TOML") as caught:
        load(config_file=path, environment={})
    assert caught.value.place == str(path)


UNKNOWN = [
    ("label.horizont_days", "label.horizon_days"),
    ("sed", "seed"),
    ("schema.time_zon", "schema.time_zone"),
    ("bootstrap.resample", "bootstrap.resamples"),
]


def test_a_misspelt_group_is_refused_with_the_nearest_one(toml):
    with pytest.raises(SettingsError, match="lable: is not a setting") as caught:
        load(config_file=toml("[lable]\nhorizon_days = 1\n"), environment={})
    assert "did you mean label" in caught.value.hint
    with pytest.raises(SettingsError, match="is not a setting") as caught:
        load(environment={}, assignments=["lable.horizon_days=1"])
    assert caught.value.hint == "did you mean label.horizon_days?"


@pytest.mark.parametrize(("key", "meant"), UNKNOWN)
def test_an_unknown_key_is_refused_with_the_nearest_one_in_every_layer(toml, key, meant):
    *groups, name = key.split(".")
    path = toml("".join(f"[{group}]\n" for group in groups) + f"{name} = 1\n")
    variable, meant_variable = (f"MLSYS_{k.replace('.', '__').upper()}" for k in (key, meant))
    layers = [
        (str(path), {"config_file": path, "environment": {}}, meant),
        ("--set", {"assignments": [f"{key}=1"], "environment": {}}, meant),
        ("environment", {"environment": {variable: "1"}}, meant_variable),
    ]
    for place, layer, hinted in layers:
        with pytest.raises(SettingsError, match="is not a setting") as caught:
            load(**layer)
        assert caught.value.place == place
        assert caught.value.hint == f"did you mean {hinted}?"


WRONG = [
    ("seed", "'many'"),
    ("seed", "1.5"),
    ("label.horizon_days", "0"),
    ("split.kind", "'random'"),
    ("features.windows_days", "7"),
    ("features.windows_days", "[7, -1]"),
    ("resample.sampling_strategy", "2.0"),
    ("serve.port", "70000"),
    ("model.params", "5"),
    ("model.params", "'deep'"),
    ("model.estimator", "'xgboost'"),
]


@pytest.mark.parametrize(("key", "value"), WRONG)
def test_a_value_of_the_wrong_type_or_range_is_refused_with_its_place_in_every_layer(toml, key, value):
    group, _, name = key.rpartition(".")
    path = toml((f"[{group}]\n" if group else "") + f"{name} = {value}\n")
    variable = f"MLSYS_{key.replace('.', '__').upper()}"
    said = value.strip("'")  # plain text in a shell
    layers = [
        (str(path), {"config_file": path, "environment": {}}),
        (variable, {"environment": {variable: said}}),
        ("--set", {"assignments": [f"{key}={said}"], "environment": {}}),
    ]
    for place, layer in layers:
        with pytest.raises(SettingsError) as caught:
            load(**layer)
        assert (caught.value.place, caught.value.key) == (place, key)
        assert "got" in caught.value.message
        assert caught.value.hint


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("max_depth", "'deep'", "input should be a valid integer, got 'deep'"),
        ("max_depth", "4.5", "input should be a valid integer, got 4.5"),
        ("max_depth", "-1", "input should be greater than or equal to 0, got -1"),
        ("learning_rate", "'fast'", "input should be a valid number, got 'fast'"),
        ("subsample", "1.5", "input should be less than or equal to 1, got 1.5"),
        ("tree_method", "'quick'", "input should be 'auto', 'exact', 'approx' or 'hist', got 'quick'"),
        ("max_dept", "3", "is not a parameter of XGBClassifier"),
        ("eval_metric", "'auc'", "is not a parameter to set here"),
        ("n_estimators", "100", "is not a parameter to set here"),
    ],
)
def test_a_parameter_that_xgboost_would_refuse_in_the_fit_is_refused_by_name_when_settings_load(
    toml, name, value, said
):
    path = toml(f"[model.params]\n{name} = {value}\n")
    for place, layer in (
        (str(path), {"config_file": path, "environment": {}}),
        ("--set", {"assignments": [f"model.params.{name}={value}"], "environment": {}}),
    ):
        with pytest.raises(SettingsError) as caught:
            load(**layer)
        assert (caught.value.place, caught.value.key) == (place, f"model.params.{name}")
        assert caught.value.message.endswith(said)
        assert "\n" not in caught.value.message
        assert caught.value.hint


def test_a_misspelt_parameter_has_its_nearest_name_and_one_of_another_setting_is_pointed_there():
    for name, hint in (("max_dept", "did you mean max_depth?"), ("n_estimators", "set model.max_trees")):
        with pytest.raises(SettingsError) as caught:
            load(environment={}, assignments=[f"model.params.{name}=3"])
        assert caught.value.hint == hint


def test_parameters_of_another_estimator_are_its_own_business():
    named = {"MLSYS_MODEL__ESTIMATOR": "sklearn.ensemble:RandomForestClassifier"}
    settings = settings_of(environment=named, assignments=["model.params.n_estimators=7"])
    assert settings.model.params["n_estimators"] == 7


def test_what_an_older_version_stored_and_nothing_reads_any_more_is_ignored_and_said(caplog):
    stored = {
        "score": {"chunk_rows": 100_000, "top": 7},
        "model": {"params": {"eval_metric": "auc", "n_estimators": 80, "max_depth": 3}},
    }
    with caplog.at_level("INFO"):
        settings = from_values(stored, place="settings.toml")
    assert (settings.score.top, settings.model.params["max_depth"]) == (7, 3)
    assert "score.chunk_rows, model.params.eval_metric, model.params.n_estimators" in caplog.text
    with pytest.raises(SettingsError, match="is not a setting"):
        load(environment={}, assignments=["score.chunk_rows=5"])


@pytest.mark.parametrize(("key", "least"), [("bootstrap.resamples", 20), ("gate.resamples", 100)])
def test_too_few_resamples_for_an_interval_are_refused(key, least):
    settings_of(assignments=[f"{key}={least}"])
    for few in (1, least - 1):
        with pytest.raises(SettingsError, match=f"greater than or equal to {least}"):
            load(environment={}, assignments=[f"{key}={few}"])


def test_a_wrong_value_is_blamed_on_the_layer_that_it_came_from(toml):
    path = toml("[label]\nhorizon_days = -1\n[panel]\nstep_days = 7\n")
    with pytest.raises(SettingsError) as caught:
        load(config_file=path, environment={"MLSYS_PANEL__STEP_DAYS": "14"}, assignments=["seed=1"])
    assert caught.value.place == str(path)
    assert settings_of(config_file=path, assignments=["label.horizon_days=14"]).label.horizon_days == 14


def test_a_default_that_does_not_fit_what_is_set_is_said_with_its_value():
    with pytest.raises(SettingsError, match="does not fit, got 20000") as caught:
        load(environment={}, assignments=["serve.max_batch_rows=30000"])
    assert (caught.value.place, caught.value.key) == (DEFAULT_ORIGIN, "serve.prediction_queue")


def test_a_value_where_a_group_belongs_is_refused(toml):
    with pytest.raises(SettingsError, match="is a group of settings, not a value"):
        load(config_file=toml("label = 30\n"), environment={})


def test_an_assignment_without_an_equals_sign_is_refused():
    with pytest.raises(SettingsError, match=r"--set: label\.horizon_days: has no '='"):
        load(environment={}, assignments=["label.horizon_days"])


def test_settings_written_and_read_again_are_the_same(toml):
    settings = settings_of(
        assignments=["model.params.max_depth=2", "features.off=['trend']", "resample.sampling_strategy=auto"]
    )
    written = tomlkit.dumps(nested(settings))
    assert settings_of(config_file=toml(written)) == settings
    assert from_values(tomlkit.parse(written).unwrap(), place="settings.toml") == settings


def test_values_of_an_older_release_with_an_unknown_key_are_named():
    with pytest.raises(SettingsError, match=r"1\.0\.0/settings\.toml: label\.window: is not a setting"):
        from_values({"label": {"window": 3}}, place="1.0.0/settings.toml")
