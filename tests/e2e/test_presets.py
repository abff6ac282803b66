"""The classic recipe: trained by one flag, judged by the gate, and held against other settings."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from ml_sys.errors import ExitCode
from ml_sys.settings import loading
from tests import commandline

CLASSIC = Path(__file__).parents[2] / "conf" / "presets" / "classic.toml"
# One month between cutoffs, one window and few resamples: what is judged here is that it works.
QUICKLY = [
    f"--set={one}"
    for one in ("panel.step_days=28", "features.windows_days=[28]", "threads=1", "bootstrap.resamples=20")
]


@pytest.fixture(scope="module")
def classic(ingested: Path, tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("classic")
    shutil.copytree(ingested, folder / "artifacts")

    def run(*args: object) -> tuple[int, dict]:
        done = commandline.run("--config", CLASSIC, "--json", *QUICKLY, *args, cwd=folder)
        assert "Warning" not in done.stderr
        assert done.stdout, done.stderr
        return done.returncode, json.loads(done.stdout)

    return run, folder, run("train", "--quick")


def test_it_is_one_row_a_company_with_as_many_synthetic_converters_as_others(classic) -> None:
    _, folder, (code, said) = classic
    assert code == 0
    rows = said["training"]
    assert rows["rows"] == rows["companies"]
    assert rows["positives"] == rows["converters"] < rows["positives_after_resampling"]
    assert rows["positives_after_resampling"] == rows["rows_after_resampling"] / 2
    assert rows["trees"] <= 100
    kept = loading.load(config_file=folder / "artifacts" / "models" / "1.0.0" / "settings.toml").settings
    assert kept.split.kind == "stratified"
    assert (kept.model.params["max_depth"], kept.model.params["learning_rate"]) == (5, 0.1)


def test_the_gate_judges_it_like_any_other_version(classic) -> None:
    code, found = classic[0]("promote", "1.0.0", "--dry-run")
    assert code in {0, ExitCode.GATE_REFUSED}
    assert found["verdict"]["criteria"]


@pytest.mark.slow
def test_its_lists_are_held_against_those_of_other_settings(classic) -> None:
    run, folder, _ = classic
    (folder / "other.toml").write_text('[model]\nmax_trees = 20\n[resample]\nsampling_strategy = "none"\n')
    code, found = run("compare", CLASSIC, "other.toml", "--from=2020-02-03", "--to=2020-02-03", "--jobs=1")
    assert code == 0
    assert found["settings"]["resample.sampling_strategy"] == {"a": "auto", "b": "none"}
