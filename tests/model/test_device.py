"""The device that trees are grown on: a GPU that is not there is refused, and scores are the processor's."""

from __future__ import annotations

import copy
import json
import warnings

import numpy as np
import pytest
import skops.io
import xgboost
from imblearn.pipeline import Pipeline
from xgboost import XGBClassifier

from ml_sys.errors import SettingsError
from ml_sys.model.device import ask_on_processor, check_device
from ml_sys.model.estimator import BlendedXGBClassifier
from ml_sys.model.files.boosters import load_trees
from ml_sys.model.files.serialization import TRUSTED_TYPES, _without_trees
from ml_sys.model.pipeline import build_pipeline, fit_pipeline, raw_scores
from ml_sys.model.split import Source, split
from ml_sys.model.train import spec_from
from ml_sys.settings import Settings
from tests.model import world as w


def has_gpu() -> bool:
    try:
        check_device("cuda")
    except SettingsError:
        return False
    return True


needs_no_gpu = pytest.mark.skipif(has_gpu(), reason="there is a GPU here")


def on_device(device: str) -> Settings:
    asked = w.settings(model={"max_trees": 4, "trees": 4})
    params = {**asked.model.params, "device": device}
    return asked.model_copy(update={"model": asked.model.model_copy(update={"params": params})})


def built(asked: Settings) -> Pipeline:
    return build_pipeline(
        spec_from(asked),
        features=asked.features,
        resample=asked.resample,
        model=asked.model,
        seed=1,
        threads=1,
    )


@needs_no_gpu
@pytest.mark.parametrize("device", ["cuda", "cuda:0", "gpu"])
def test_a_gpu_that_is_not_there_is_refused_before_anything_is_fitted(device: str) -> None:
    with pytest.raises(SettingsError, match=r"model\.params\.device") as caught:
        built(on_device(device))
    assert repr(device) in caught.value.message
    assert "\n" not in caught.value.message
    wanted = "nvidia-smi" if xgboost.build_info().get("USE_CUDA") else "pip install xgboost"
    assert wanted in str(caught.value.hint)


@pytest.mark.parametrize("device", [None, "cpu"])
def test_the_processor_is_always_there(device: str | None) -> None:
    check_device(device)


@pytest.mark.parametrize("kind", [XGBClassifier, BlendedXGBClassifier])
def test_the_estimator_is_told_the_device_and_so_is_what_it_fits(kind: type[XGBClassifier]) -> None:
    told = kind(device="cuda:1", n_estimators=2)
    assert told.get_xgb_params()["device"] == "cuda:1"
    assert built(on_device("cpu"))["model"].get_xgb_params()["device"] == "cpu"


@pytest.mark.parametrize("kind", [XGBClassifier, BlendedXGBClassifier])
def test_what_was_fitted_for_a_gpu_is_asked_on_the_processor_without_a_word(
    kind: type[XGBClassifier],
) -> None:
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(80, 3)).astype(np.float32), rng.integers(0, 2, 80)
    cpu, gpu = (kind(device=device, n_estimators=3, random_state=1) for device in ("cpu", "cuda"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # where there is no GPU, XGBoost says that it takes the processor
        for one in (cpu, gpu):
            one.fit(X, y)
            ask_on_processor(one)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        asked = gpu.predict_proba(X)
    config = json.loads(gpu.get_booster().save_config())
    assert config["learner"]["generic_param"]["device"] == "cpu"
    assert gpu.get_params()["device"] == "cuda"  # another fit would use it again
    assert b"cuda" not in bytes(gpu.get_booster().save_raw("json"))
    again = copy.deepcopy(gpu)
    again.load_model(gpu.get_booster().save_raw("json"))
    np.testing.assert_array_equal(again.predict_proba(X), asked)
    if not has_gpu():
        np.testing.assert_array_equal(cpu.predict_proba(X), asked)


def test_a_version_fitted_for_a_gpu_scores_the_same_bits_where_there_is_none() -> None:
    asked = on_device("cpu")
    panel = split(Source.of(w.small_world(), asked), spec_from(asked), asked)[0].train
    pipelines = [built(asked).set_params(model__device=device) for device in ("cpu", "cuda")]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for one in pipelines:
            fit_pipeline(one, panel.rows, panel.label, company=panel.company)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plain, fitted = (raw_scores(one, panel.rows) for one in pipelines)
        loaded = skops.io.loads(skops.io.dumps(_without_trees(pipelines[1])), trusted=list(TRUSTED_TYPES))
        load_trees(loaded["model"], bytes(pipelines[1]["model"].get_booster().save_raw("json")))
        scored = raw_scores(loaded, panel.rows)
    np.testing.assert_array_equal(scored, fitted)
    if not has_gpu():
        np.testing.assert_array_equal(plain, fitted)
