"""What XGBClassifier may be told under ``model.params``: names, types and bounds of its parameters.

They are checked when settings load, without loading XGBoost, which would say the same only inside a fit.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
)

# Parameters of XGBClassifier that another setting decides, or the fit itself, with what to do instead.
SET_ELSEWHERE = {
    "n_estimators": "set model.max_trees",
    "early_stopping_rounds": "set model.early_stopping_rounds",
    "random_state": "set seed",
    "n_jobs": "set threads",
    "eval_metric": "leave it out: trees stop by log loss, the only metric that few conversions allow",
    "callbacks": "leave it out: a settings file cannot hold code",
}

SampledShare = Annotated[float, Field(gt=0, le=1)]


class XGBoostParams(BaseModel):
    """Parameters of XGBClassifier that ``model.params`` may hold; None stands for XGBoost's own default."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    base_score: Annotated[float, Field(gt=0, lt=1)] | None = None
    booster: Literal["gbtree", "dart", "gblinear"] | None = None
    colsample_bylevel: SampledShare | None = None
    colsample_bynode: SampledShare | None = None
    colsample_bytree: SampledShare | None = None
    device: Annotated[str, Field(pattern=r"^(cpu|cuda|gpu|sycl)(:\w+)*$")] | None = None
    enable_categorical: bool | None = None
    feature_types: list[str] | None = None
    feature_weights: list[NonNegativeFloat] | None = None
    gamma: NonNegativeFloat | None = None
    grow_policy: Literal["depthwise", "lossguide"] | None = None
    importance_type: Literal["gain", "weight", "cover", "total_gain", "total_cover"] | None = None
    interaction_constraints: str | None = None
    learning_rate: PositiveFloat | None = None
    max_bin: Annotated[int, Field(ge=2)] | None = None
    max_cat_threshold: PositiveInt | None = None
    max_cat_to_onehot: PositiveInt | None = None
    max_delta_step: NonNegativeFloat | None = None
    max_depth: NonNegativeInt | None = None
    max_leaves: NonNegativeInt | None = None
    min_child_weight: NonNegativeFloat | None = None
    missing: Annotated[float, Field(allow_inf_nan=True)] | None = None
    monotone_constraints: str | None = None
    multi_strategy: Literal["one_output_per_tree", "multi_output_tree"] | None = None
    num_parallel_tree: PositiveInt | None = None
    objective: Literal["binary:logistic", "reg:logistic"] | None = None
    reg_alpha: NonNegativeFloat | None = None
    reg_lambda: NonNegativeFloat | None = None
    sampling_method: Literal["uniform", "gradient_based"] | None = None
    scale_pos_weight: PositiveFloat | None = None
    subsample: SampledShare | None = None
    tree_method: Literal["auto", "exact", "approx", "hist"] | None = None
    validate_parameters: bool | None = None
    verbosity: Annotated[int, Field(ge=0, le=3)] | None = None


class BlendedParams(XGBoostParams):
    """The same for BlendedXGBClassifier, with those of the line beside the trees."""

    line_share: Annotated[float, Field(ge=0, le=1)] = 0.35
    line_c: PositiveFloat = 0.001


def params_of(estimator: str) -> type[XGBoostParams] | None:
    """Return what an estimator of XGBoost's may be told; None for another estimator."""
    return {"XGBClassifier": XGBoostParams, "BlendedXGBClassifier": BlendedParams}.get(
        estimator.rpartition(":")[2]
    )


def is_xgboost(estimator: str) -> bool:
    """Return whether an import path names XGBoost's classifier."""
    return params_of(estimator) is not None
