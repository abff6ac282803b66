"""The one Pipeline: encode → resample → model."""

from __future__ import annotations

import inspect
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
from imblearn.pipeline import Pipeline

from ml_sys.elementary import sigmoids
from ml_sys.errors import ResolveError, SettingsError
from ml_sys.features.rows import Rows
from ml_sys.model.device import ask_on_processor, check_device
from ml_sys.model.encoder import FrameEncoder
from ml_sys.model.estimator import BlendedXGBClassifier
from ml_sys.model.repeats import alike, distinct_rows, learns_weights
from ml_sys.model.resample import AdaptiveSMOTENC
from ml_sys.resolve import resolve
from ml_sys.settings.checking.xgboost_params import is_xgboost

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from numpy.typing import NDArray

    from ml_sys.engine.cluster import Cluster
    from ml_sys.features.compute import FeatureSpec
    from ml_sys.model.repeats import WeightedRows
    from ml_sys.settings import FeatureSettings, ModelSettings, ResampleSettings

OFF = "passthrough"
# scikit-learn warns that it ignores the parameter here; the thread pools are limited around the fit anyway.
_WITHOUT_N_JOBS = frozenset({"sklearn.linear_model:LogisticRegression"})
# Packages of estimators that are extras of this one.
_EXTRAS = {"lightgbm": "lightgbm"}


def build_pipeline(
    spec: FeatureSpec,
    *,
    features: FeatureSettings,
    resample: ResampleSettings,
    model: ModelSettings,
    seed: int,
    threads: int,
) -> Pipeline:
    """Build the unfitted Pipeline.

    Parameters
    ----------
    spec : FeatureSpec
        The frame's columns.
    features, resample, model : settings groups
        How columns are encoded, rows resampled and what is fitted.
    seed : int
        Seed of the resampling and of the estimator.
    threads : int
        Threads of the estimator; 0 takes every core.

    Returns
    -------
    imblearn.pipeline.Pipeline
        Steps ``encode``, ``resample`` (``"passthrough"`` where it is off) and ``model``.

    Raises
    ------
    SettingsError
        If the estimator rejects its parameters.
    """
    categories = spec.categories()
    numbers = [name for name in spec.names() if name not in categories]
    sampler: AdaptiveSMOTENC | str = OFF
    if resample.sampling_strategy != "none":
        sampler = AdaptiveSMOTENC(
            categorical=list(range(len(numbers), len(numbers) + len(categories))),
            sampling_strategy=resample.sampling_strategy,
            k_neighbors=resample.k_neighbors,
            random_state=seed,
            weight=resample.weight,
        )
    estimator = build_estimator(
        model.estimator, model.params, max_trees=model.max_trees, seed=seed, threads=threads
    )
    if isinstance(estimator, BlendedXGBClassifier):
        estimator.set_params(n_numbers=len(numbers))
    return Pipeline(
        [
            ("encode", FrameEncoder(numbers, categories, features.min_category_share)),
            ("resample", sampler),
            ("model", estimator),
        ]
    )


def fit_pipeline(
    pipeline: Pipeline,
    features: Rows | pd.DataFrame,
    label: NDArray[np.bool_],
    watched: tuple[Rows | pd.DataFrame, NDArray[np.bool_]] | None = None,
    *,
    company: NDArray[np.int32] | None = None,
    counts_as: float = 1.0,
    cluster: Cluster | None = None,
) -> Pipeline:
    """Fit the Pipeline step by step; equal rows reach the model once, weighted by how many they stand for.

    A model that takes no weights sees the rows of a sample as they are, and synthetic rows like any other;
    calibration brings back the rate.

    Parameters
    ----------
    pipeline : imblearn.pipeline.Pipeline
        As :func:`build_pipeline` makes it.
    label : ndarray of shape (n_rows,), bool
    watched : tuple of Rows or DataFrame and ndarray, optional
        Features and labels that XGBoost watches, encoded but not resampled, to know when to stop.
    company : ndarray of shape (n_rows,), int32, optional
        Which company each row is of, for the resampling alone; by default each row is a company of its own.
    counts_as : float
        How many rows each counts as, for a model that takes weights. Penalties and the least size of a leaf
        are held against the sum of weights, so that a fit to some of the rows is as bold as one to all of
        them only where some count as all.

    Returns
    -------
    imblearn.pipeline.Pipeline
        The same, fitted.
    """
    encode, resample, model = pipeline["encode"], pipeline["resample"], pipeline["model"]
    rows, target = Rows.of(features), label.astype(np.int64)
    encode.fit(rows, target)
    uneven = rows.weight is not None or (resample != OFF and resample.weight != 1)
    if not learns_weights(model, uneven=uneven):
        encoded = encode.transform(rows)
        if resample != OFF:
            encoded, target = resample.fit_resample(encoded, target, company)
        model.fit(encoded, target)
        ask_on_processor(model)
        return pipeline
    learned = _once(encode, rows, target, resample, company)
    weights = learned.times * counts_as
    where = {} if cluster is None else {"cluster": cluster}
    if watched is None:
        model.fit(learned.encoded, learned.label, sample_weight=weights, **where)
        ask_on_processor(model)
        return pipeline
    others = _once(encode, Rows.of(watched[0]), watched[1].astype(np.int64))
    odds = _seen_odds(learned, others, model.get_params()["scale_pos_weight"] or 1.0)
    model.fit(
        learned.encoded,
        learned.label,
        sample_weight=weights,
        eval_set=[(others.encoded, others.label)],
        sample_weight_eval_set=[others.times * np.where(others.label == 1, odds, 1.0)],
        verbose=False,
        **where,
    )
    ask_on_processor(model)
    return pipeline


def raw_scores(pipeline: Pipeline, features: Rows | pd.DataFrame) -> NDArray[np.float64]:
    """Return the Pipeline's own score of the positive class, float64, before calibration; block by block."""
    if not len(features):
        return np.empty(0)
    model, encode = pipeline["model"], pipeline["encode"]
    return np.concatenate([scores_of(model, encode.transform(block)) for block in Rows.of(features).blocks()])


def scores_of(model: Any, encoded: NDArray[np.float32], **options: Any) -> NDArray[np.float64]:
    """Return a fitted estimator's score of the positive class of encoded rows, float64.

    XGBoost's is taken from its margin, a sum of float32 in the order of the trees, as in the compiled scorer:
    its own probabilities round as the C library that it finds does.
    """
    if getattr(model, "objective", None) == "binary:logistic" and hasattr(model, "get_booster"):
        return sigmoids(model.predict(encoded, output_margin=True, **options))
    scores: NDArray[np.float64] = model.predict_proba(encoded, **options)[:, 1].astype(np.float64)
    return scores


def _once(
    encode: FrameEncoder,
    rows: Rows,
    target: NDArray[np.int64],
    resample: Any = OFF,
    company: NDArray[np.int32] | None = None,
) -> WeightedRows:
    """Encode rows, equal ones once, and resample them as if each stood for itself; weigh what is drawn."""
    resampled = resample != OFF
    # Of rows that do not convert SMOTENC knows only their number; SMOTEN, without numbers, looks at each.
    alone = (target == 1) | (not len(encode.numbers)) if resampled else np.zeros(target.size, dtype=bool)
    leader = alike(rows, target, alone=alone)
    often = np.bincount(leader, weights=rows.weight, minlength=leader.size)
    kept = np.flatnonzero(often)
    times, label = often[kept].astype(np.float64), target[kept]
    encoded = encode.transform(rows.take(kept))
    if resampled:
        encoded, label = resample.fit_resample(
            encoded, label, None if company is None else company[kept], times=times
        )
        times = np.append(times, np.full(label.size - times.size, resample.weight))
    return distinct_rows(encoded, label, times)


def _seen_odds(learned: WeightedRows, watched: WeightedRows, positive_weight: float) -> float:
    """Return the weight of watched positives that makes them as frequent as what the trees see.

    Otherwise the log loss of a resampled or weighted fit measures how far its base rate is off, not how well
    it tells rows apart.
    """
    odds = [
        float(one.times[one.label == 1].sum() / max(one.times[one.label == 0].sum(), 1))
        for one in (learned, watched)
    ]
    return positive_weight * odds[0] / odds[1] if odds[1] else 1.0


def build_estimator(path: str, params: Mapping[str, Any], *, max_trees: int, seed: int, threads: int) -> Any:
    """Build the estimator that a path names; seed, threads and tree count go in where its parameters allow.

    Raises
    ------
    SettingsError
        If the class does not take a parameter or is no classifier with probabilities, or if there is no such
        GPU as XGBoost's parameters name.
    ResolveError
        If the path leads nowhere, such as to an extra that is not installed.
    """
    made = _named(path)
    common: dict[str, Any] = {"random_state": seed, "n_jobs": threads or None}
    if is_xgboost(path):
        check_device(params.get("device"))
        common["n_estimators"] = max_trees
    else:
        accepted = inspect.signature(made).parameters
        if path in _WITHOUT_N_JOBS:
            del common["n_jobs"]
        common = {name: value for name, value in common.items() if name in accepted and value is not None}
    try:
        estimator = made(**{**common, **params})
    except TypeError as error:
        raise SettingsError(
            "settings", "model.params", f"{path}: {error}", hint="see its documentation"
        ) from error
    if not hasattr(estimator, "fit") or not hasattr(estimator, "predict_proba"):
        raise SettingsError(
            "settings",
            "model.estimator",
            f"{path} gives no probabilities",
            hint="name a classifier that has fit and predict_proba",
        )
    return estimator


def _named(path: str) -> Any:
    try:
        return resolve(path)
    except ResolveError as error:
        extra = _EXTRAS.get(path.partition(":")[0].partition(".")[0])
        if extra is None or find_spec(extra) is not None:
            raise
        raise ResolveError(error.message, hint=f'pip install "ml-sys[{extra}]"') from error
