"""Where XGBoost grows its trees: on the processor, or on a GPU that has to be there.

Trees are grown on the device that ``model.params.device`` names, and add up on the processor wherever they
are asked: so scores of a version are the same bits on a machine without a GPU.
"""

from __future__ import annotations

import functools
import json
import warnings
from typing import Any

import numpy as np
import xgboost

from ml_sys.errors import SettingsError

_GPU = ("cuda", "gpu")


def check_device(device: str | None) -> None:
    """Refuse a GPU that XGBoost cannot use; left alone, it would warn and take the processor.

    Parameters
    ----------
    device : str, optional
        As XGBoost names it, such as ``"cuda"`` or ``"cuda:1"``.

    Raises
    ------
    SettingsError
        If XGBoost was built without CUDA, or finds no such GPU.
    """
    if device is None or not device.startswith(_GPU) or _grows_on(device).startswith(_GPU):
        return
    if xgboost.build_info().get("USE_CUDA"):
        problem, hint = "XGBoost finds no such GPU", "nvidia-smi lists those that the driver knows"
    else:
        problem = "this XGBoost is built without CUDA"
        hint = "pip uninstall xgboost-cpu, then pip install xgboost"
    raise SettingsError(
        "settings", "model.params.device", f"{device!r}: {problem}", hint=f'{hint}; or leave it at "cpu"'
    )


def ask_on_processor(model: Any) -> None:
    """Make a fitted XGBoost estimator predict on the processor; where it fits stays as it was."""
    if getattr(model, "device", None) and hasattr(model, "get_booster"):
        model.get_booster().set_param({"device": "cpu"})


@functools.cache
def _grows_on(device: str) -> str:
    """Return the device that XGBoost really grows a tree on when asked for another one."""
    rows = xgboost.DMatrix(np.zeros((2, 1), dtype=np.float32), label=np.array([0.0, 1.0]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what it warns of is raised
        try:
            grown = xgboost.train({"device": device}, rows, num_boost_round=1)
        except xgboost.core.XGBoostError:  # no such number, or a driver that is too old
            return ""
    return str(json.loads(grown.save_config())["learner"]["generic_param"]["device"])
