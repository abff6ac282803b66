"""Settings of a fit: what is predicted, from which rows and features, by which estimator."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationInfo,
    field_validator,
    model_validator,
)

from ml_sys.settings.base import Frozen, ImportPath, Ratio, Share
from ml_sys.settings.checking.xgboost_params import params_of


class LabelSettings(Frozen):
    """What is predicted."""

    horizon_days: PositiveInt = Field(
        30, description="An entity is positive if it pays within this many days."
    )


class PanelSettings(Frozen):
    """Which (company, cutoff) pairs are learnt from."""

    kind: Literal["rolling", "snapshot"] = Field(
        "rolling", description="'rolling': every entity at every cutoff; 'snapshot': one row per entity."
    )
    step_days: PositiveInt = Field(7, description="Days between training cutoffs.")
    max_cutoffs: PositiveInt = Field(104, description="At most this many training cutoffs, the latest ones.")
    max_rows: PositiveInt = Field(
        1_000_000,
        description="A panel of more rows is sampled, down to this many or fewer.",
    )
    negatives_per_positive: PositiveInt = Field(
        100, description="Rows of a sample that do not convert, per row that does; they are weighted up."
    )


class SplitSettings(Frozen):
    """What is held out, and what decides early stopping, calibration and threshold."""

    kind: Literal["time", "stratified"] = Field(
        "time",
        description="'time': the last mature cutoffs are held out; 'stratified': a share of the entities.",
    )
    holdout_cutoffs: PositiveInt = Field(3, description="For 'time': number of cutoffs held out.")
    holdout_step_days: NonNegativeInt = Field(
        0,
        description="For 'time': minimum days between held-out cutoffs, which are a horizon or more apart.",
    )
    holdout_share: Share = Field(0.2, description="For 'stratified': share of the entities held out.")
    validation_folds: Annotated[int, Field(ge=2, le=20)] = Field(
        3, description="Entity folds of the training part; each is scored by a model that has not seen it."
    )


class FeatureSettings(Frozen):
    """Which features are computed."""

    windows_days: tuple[PositiveInt, ...] = Field(
        (), description="Lengths of windows that end at the cutoff, in days; empty takes those of the period."
    )
    off: tuple[str, ...] = Field(
        (), description="Features or groups that are left out, e.g. ['trend', 'users_28d']."
    )
    extra: tuple[ImportPath, ...] = Field((), description="Features of your own, as package.module:function.")
    attribute_missingness: bool = Field(
        False,
        description="Use blanks as a feature even if they get filled in for those that pay (this leaks).",
    )
    min_category_share: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.005, description="Levels of a category rarer than this among training rows are grouped as 'other'."
    )
    history: Literal["auto", "on", "off"] = Field(
        "auto",
        description="Features over all earlier time; 'auto': if tables say when each began to exist.",
    )


class ResampleSettings(Frozen):
    """How SMOTENC rebalances the training rows."""

    sampling_strategy: Ratio | Literal["auto", "none"] = Field(
        0.003,
        description="Minority over majority after resampling; 'auto' makes them equal, 'none' turns it off.",
    )
    k_neighbors: PositiveInt = Field(5, description="Neighbours that a synthetic entity is drawn between.")
    weight: Ratio = Field(
        0.25, description="How much a synthetic row counts in the fit, where a real one counts 1."
    )


XGBOOST = "xgboost:XGBClassifier"
XGBOOST_PARAMS: dict[str, Any] = {
    "learning_rate": 0.1,
    "max_depth": 4,
    "min_child_weight": 10.0,
    "subsample": 0.8,
    "colsample_bytree": 0.5,
    "reg_lambda": 5.0,
    "max_bin": 64,
}
# The same trees with a line beside them, in a part of mlsys of its own.
BLENDED = "ml_sys.model.estimator:BlendedXGBClassifier"
# What other estimators need to be told: to converge, to say nothing on stdout, to give the same bytes twice,
# and to hold no rows back on their own, where rows of one company would fall on both sides.
ESTIMATOR_PARAMS: dict[str, dict[str, Any]] = {
    XGBOOST: XGBOOST_PARAMS,
    BLENDED: {**XGBOOST_PARAMS, "num_parallel_tree": 3, "line_share": 0.35, "line_c": 0.001},
    "sklearn.linear_model:LogisticRegression": {"max_iter": 1000},
    "sklearn.ensemble:RandomForestClassifier": {"min_samples_leaf": 5},
    "sklearn.ensemble:HistGradientBoostingClassifier": {"early_stopping": False},
    "lightgbm:LGBMClassifier": {"verbosity": -1, "deterministic": True, "force_col_wise": True},
}


class ModelSettings(Frozen):
    """The estimator at the end of the Pipeline."""

    estimator: ImportPath = Field(
        BLENDED, description="Any sklearn-compatible classifier, as package.module:Class."
    )
    params: dict[str, Any] = Field(
        ESTIMATOR_PARAMS[BLENDED],
        description="Parameters of the estimator; those not given keep the defaults that mlsys has for it.",
    )
    trees: PositiveInt = Field(
        50, description="Rounds of XGBoost if too few entities convert to tell when to stop."
    )
    early_stopping_converters: PositiveInt = Field(
        1000, description="From this many converting entities on, early stopping decides the rounds instead."
    )
    max_trees: PositiveInt = Field(600, description="Upper bound on rounds in any case.")
    early_stopping_rounds: PositiveInt = Field(
        50, description="Rounds without improvement after which training stops early."
    )
    distributed: bool = Field(
        False,
        description="Grow a version's trees on the Dask cluster: close to those grown here, not equal.",
    )

    @model_validator(mode="before")
    @classmethod
    def _complete_params(cls, values: dict[str, Any]) -> dict[str, Any]:
        ours = ESTIMATOR_PARAMS.get(str(values.get("estimator", BLENDED)), {})
        given = values.get("params", {})
        return {**values, "params": {**ours, **given} if isinstance(given, dict) else given}

    @field_validator("params")
    @classmethod
    def _known_to_xgboost(cls, params: dict[str, Any], other: ValidationInfo) -> dict[str, Any]:
        known = params_of(other.data.get("estimator", ""))
        if known is not None:
            known.model_validate(params)
        return params


class CalibrationSettings(Frozen):
    """How scores become probabilities."""

    method: Literal["sigmoid", "isotonic", "none"] = Field(
        "sigmoid", description="Calibrator, fitted on un-resampled rows of entities outside the fit."
    )


class ThresholdSettings(Frozen):
    """Decision threshold: the probability from which a company counts as one that will convert."""

    kind: Literal["capacity", "f1", "fixed"] = Field(
        "capacity", description="'capacity': as many as sales can call; 'f1': best F1; 'fixed': the value."
    )
    capacity: PositiveInt = Field(50, description="Entities that sales can call in a week.")
    value: Share = Field(0.05, description="For 'fixed': the probability itself.")
    tier_b_capacities: PositiveFloat = Field(
        4.0, description="Tier A holds one week's capacity, tier B this many more, C the rest."
    )
