"""The one settings tree: what can be set, its default, and one line on what it does.

Reading it from flags, environment and TOML is :mod:`ml_sys.configuration`'s part.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationInfo,
    field_validator,
    model_validator,
)

from ml_sys.xgboost_params import params_of

Share = Annotated[float, Field(gt=0, lt=1)]
Ratio = Annotated[float, Field(gt=0, le=1)]
ImportPath = Annotated[str, Field(pattern=r"^[\w.]+:\w+$")]
KeyDigest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]


class Frozen(BaseModel):
    """A group of settings: immutable, no unknown keys, defaults checked as well."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False)


class SchemaSettings(Frozen):
    """Names of the columns in the three tables."""

    id: str = Field("id", description="Company identifier, in all three tables.")
    closedate: str = Field("CLOSEDATE", description="Day on which the company became a customer.")
    mrr: str = Field("MRR", description="Monthly recurring revenue of a customer; reported, never a feature.")
    alexa_rank: str = Field("ALEXA_RANK", description="Traffic rank of the company's site.")
    employee_range: str = Field("EMPLOYEE_RANGE", description='Number of employees as text, e.g. "11 to 25".')
    industry: str = Field("INDUSTRY", description="Industry, free-form, often blank.")
    when_timestamp: str = Field(
        "WHEN_TIMESTAMP", description="Start (or end) of the period that a usage row covers."
    )
    actions_crm_contacts: str = Field(
        "ACTIONS_CRM_CONTACTS", description="Actions on contacts in the period."
    )
    actions_crm_companies: str = Field(
        "ACTIONS_CRM_COMPANIES", description="Actions on companies in the period."
    )
    actions_crm_deals: str = Field("ACTIONS_CRM_DEALS", description="Actions on deals in the period.")
    actions_email: str = Field("ACTIONS_EMAIL", description="Actions on email in the period.")
    users_crm_contacts: str = Field(
        "USERS_CRM_CONTACTS", description="Users who acted on contacts in the period."
    )
    users_crm_companies: str = Field(
        "USERS_CRM_COMPANIES", description="Users who acted on companies in the period."
    )
    users_crm_deals: str = Field("USERS_CRM_DEALS", description="Users who acted on deals in the period.")
    users_email: str = Field("USERS_EMAIL", description="Users who acted on email in the period.")
    unranked: PositiveInt = Field(16_000_001, description="Value of the rank that means unranked.")


class IngestSettings(Frozen):
    """Where the tables come from and how many bad rows are too many."""

    source: Literal["file", "sql"] | ImportPath = Field(
        "file", description="Where tables come from: 'file', 'sql' or package.module:Class."
    )
    customers: str = Field("customers.csv", description="File of the customers, or table or query for 'sql'.")
    noncustomers: str = Field(
        "noncustomers.csv", description="File of the noncustomers, or table or query for 'sql'."
    )
    usage: str = Field(
        "usage_actions.csv", description="File of the usage rows, or table or query for 'sql'."
    )
    database: str = Field("", description="For 'sql': a DuckDB file or a folder of Parquet files.")
    max_rejected_share: Annotated[float, Field(ge=0, le=1)] = Field(
        0.05, description="Ingest fails when a larger share of a table is rejected."
    )
    as_of: Annotated[str, Field(pattern=r"^(\d{4}-\d{2}-\d{2})?$")] = Field(
        "",
        description="Day of the export (YYYY-MM-DD); empty takes the end of covered usage.",
    )
    min_coverage: Annotated[float, Field(ge=0, le=1)] = Field(
        0.5, description="A period is covered when this share of the companies that usually do report in it."
    )


class UsageSettings(Frozen):
    """What one usage row stands for."""

    period_days: PositiveInt = Field(7, description="Days that one usage row covers.")
    stamp: Literal["start", "end"] = Field(
        "start", description="Whether a row is stamped at its period's start or end."
    )


class LabelSettings(Frozen):
    """What is predicted."""

    horizon_days: PositiveInt = Field(
        30, description="A company is positive if it pays within this many days."
    )


class PanelSettings(Frozen):
    """Which (company, cutoff) pairs are learnt from."""

    kind: Literal["rolling", "snapshot"] = Field(
        "rolling", description="'rolling': every company at every cutoff; 'snapshot': one row per company."
    )
    step_days: PositiveInt = Field(7, description="Days between training cutoffs.")
    max_cutoffs: PositiveInt = Field(104, description="At most this many training cutoffs, the latest ones.")
    max_rows: PositiveInt = Field(
        1_000_000,
        description="A panel of more rows is sampled, down to this many or fewer.",
    )
    negatives_per_positive: PositiveInt = Field(
        100, description="Rows of a sample that do not convert, for each that does; they are weighted up."
    )


class SplitSettings(Frozen):
    """What is held out, and what decides early stopping, calibration and threshold."""

    kind: Literal["time", "stratified"] = Field(
        "time",
        description="'time': the last mature cutoffs are held out; 'stratified': a share of the companies.",
    )
    holdout_cutoffs: PositiveInt = Field(3, description="For 'time': number of cutoffs held out.")
    holdout_step_days: NonNegativeInt = Field(
        0,
        description="For 'time': least days between held-out cutoffs, which lie a horizon or more apart.",
    )
    holdout_share: Share = Field(0.2, description="For 'stratified': share of the companies held out.")
    validation_folds: Annotated[int, Field(ge=2, le=20)] = Field(
        3, description="Company folds of the training part; each is scored by a model that has not seen it."
    )


class FeatureSettings(Frozen):
    """Which features are computed."""

    windows_days: tuple[PositiveInt, ...] = Field(
        (7, 14, 28, 56, 91), min_length=1, description="Window lengths that end at the cutoff, in days."
    )
    off: tuple[str, ...] = Field(
        (), description="Features or groups that are left out, e.g. ['trend', 'log_rank']."
    )
    extra: tuple[ImportPath, ...] = Field((), description="Features of your own, as package.module:function.")
    firmographic_missingness: bool = Field(
        False,
        description="Let blank rank or employee range be a feature (it leaks: blanks are filled on paying).",
    )
    min_industry_share: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.005, description="Industries rarer than this among the training rows are grouped as 'other'."
    )


class ResampleSettings(Frozen):
    """How SMOTENC rebalances the training rows."""

    sampling_strategy: Ratio | Literal["auto", "none"] = Field(
        0.003,
        description="Minority over majority after resampling; 'auto' makes them equal, 'none' turns it off.",
    )
    k_neighbors: PositiveInt = Field(5, description="Neighbours that a synthetic company is drawn between.")


XGBOOST = "xgboost:XGBClassifier"
XGBOOST_PARAMS: dict[str, Any] = {
    "learning_rate": 0.05,
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
        100, description="Rounds of XGBoost where too few companies convert to tell when to stop."
    )
    early_stopping_converters: PositiveInt = Field(
        1000, description="Converting companies from which on early stopping decides the rounds instead."
    )
    max_trees: PositiveInt = Field(600, description="Upper bound on rounds in any case.")
    early_stopping_rounds: PositiveInt = Field(
        50, description="Rounds without improvement before early stopping stops."
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
        "sigmoid", description="Calibrator, fitted on un-resampled rows of companies outside the fit."
    )


class ThresholdSettings(Frozen):
    """From which probability on a company counts as one that will convert."""

    kind: Literal["capacity", "f1", "fixed"] = Field(
        "capacity", description="'capacity': as many as sales can call; 'f1': best F1; 'fixed': the value."
    )
    capacity: PositiveInt = Field(50, description="Companies that sales can call in a week.")
    value: Share = Field(0.05, description="For 'fixed': the probability itself.")
    tier_b_capacities: PositiveFloat = Field(
        4.0, description="Tier A holds one week's capacity, tier B this many more, C the rest."
    )


class BootstrapSettings(Frozen):
    """How intervals are drawn."""

    resamples: Annotated[int, Field(ge=20)] = Field(
        1000, description="Bootstrap resamples, clustered by company; 20 at least."
    )
    confidence: Share = Field(0.95, description="Confidence of the intervals.")


class BacktestSettings(Frozen):
    """How past lists are made again, each by a model that knew only what was mature then."""

    every_days: PositiveInt = Field(7, description="Days between the lists of a backtest.")
    lists: PositiveInt = Field(26, description="Lists of a backtest, the latest ones, where no day is named.")
    retrain_days: PositiveInt = Field(
        28, description="A model of the backtest makes the lists of this many days, then it is retrained."
    )
    window: Literal["rolling", "expanding"] = Field(
        "rolling",
        description="'rolling': train on the latest panel.max_cutoffs cutoffs; 'expanding': on all before.",
    )
    jobs: NonNegativeInt = Field(0, description="Processes that fit side by side; 0 takes one per core.")
    capacities: tuple[PositiveInt, ...] = Field(
        (10, 25, 50), min_length=1, description="Calls a week for which a campaign is played through."
    )
    cooldown_weeks: PositiveInt = Field(
        4, description="Weeks for which a company that was listed makes room for others in a campaign."
    )


class ReportSettings(Frozen):
    """What `train` puts into a version's report beside the holdout."""

    backtest: bool = Field(True, description="Play through past lists, each by a model of its time.")
    resampling: bool = Field(
        True, description="Hold the resampling against none and class weights, which fits both as well."
    )
    seeds: Annotated[int, Field(ge=0, le=100)] = Field(
        5,
        description="Other seeds that the model is fitted with, to see how far figures hang on it; 0: none.",
    )


class TuneSettings(Frozen):
    """How `mlsys tune` searches."""

    trials: PositiveInt = Field(40, description="Trials that a study is to have, with those of earlier runs.")
    minutes: NonNegativeFloat = Field(
        0.0, description="No trial begins after this many minutes; 0 sets no limit."
    )
    cutoffs: Annotated[int, Field(ge=2)] = Field(
        6, description="Past cutoffs that a trial is judged on, all before the holdout."
    )
    every_days: PositiveInt = Field(28, description="Days between these cutoffs.")


class MlflowSettings(Frozen):
    """Where `train --mlflow` logs to."""

    tracking_uri: str = Field(
        "", description="Address or folder; empty takes MLFLOW_TRACKING_URI, or the folder mlruns."
    )
    experiment: Annotated[str, Field(min_length=1)] = Field("mlsys", description="Experiment of the runs.")

    @field_validator("tracking_uri")
    @classmethod
    def _holds_no_password(cls, uri: str) -> str:
        if "@" in uri.partition("://")[2].partition("/")[0]:
            raise ValueError(
                "settings are published with each version: put user and password into "
                "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
            )
        return uri


class RegistrySettings(Frozen):
    """Who may write versions, and whose signature they need."""

    signing_key: str = Field(
        "",
        description="Private Ed25519 key file that new versions are signed with; unsigned ones are not used.",
    )
    trusted_keys: tuple[str, ...] = Field(
        (), description="Public key files; with any, a version signed by none of them is not used."
    )
    actor: str = Field("", description="Who the audit trail names; empty takes the user and the host.")
    lock_timeout_seconds: PositiveFloat = Field(
        60.0, description="How long a command waits for another one that writes the registry."
    )


class CanarySettings(Frozen):
    """When a leak canary of `train` fails; a failed one blocks promotion."""

    max_column_auc: Annotated[float, Field(gt=0.5, le=1)] = Field(
        0.99, description="A single column that separates converters better (ROC-AUC) is a leak."
    )
    max_column_precision: Share = Field(
        0.5,
        description="A single column of a higher average precision, counted from the base rate, is a leak.",
    )
    allowed: tuple[str, ...] = Field(
        (), description="Columns, or 'id', that may separate this well, since you know why."
    )


LAXER_WHEN_LOWER: dict[str, JsonValue] = {"laxer": "lower"}
LAXER_WHEN_HIGHER: dict[str, JsonValue] = {"laxer": "higher"}
# One that some criterion is stricter with, and another laxer.
LAXER_WHEN_OTHER: dict[str, JsonValue] = {"laxer": "other"}


class GateSettings(Frozen):
    """What `promote` asks of a version; each limit says which way it is laxer."""

    primary_metric: Literal["average_precision", "roc_auc"] = Field(
        "average_precision",
        json_schema_extra=LAXER_WHEN_OTHER,
        description="What champion and challenger are compared by.",
    )
    tolerance: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.1,
        json_schema_extra=LAXER_WHEN_HIGHER,
        description="How far below the champion's metric a challenger may lie, as a share of its worth.",
    )
    max_probability_worse: Share = Field(
        0.5,
        json_schema_extra=LAXER_WHEN_HIGHER,
        description="Refuse when being worse by more than the tolerance is more probable than this.",
    )
    resamples: Annotated[int, Field(ge=100)] = Field(
        2000,
        json_schema_extra=LAXER_WHEN_LOWER,
        description="Paired bootstrap resamples, clustered by company; 100 at least.",
    )
    confidence: Share = Field(
        0.95, json_schema_extra=LAXER_WHEN_OTHER, description="Confidence of the gate's intervals."
    )
    min_lift: Annotated[float, Field(ge=1)] = Field(
        3.0,
        json_schema_extra=LAXER_WHEN_LOWER,
        description="The interval of average precision must lie above this many times the prevalence.",
    )
    min_positives: PositiveInt = Field(
        10,
        json_schema_extra=LAXER_WHEN_LOWER,
        description="Companies that must convert in a holdout before a version can be judged.",
    )
    max_calibration_error: PositiveFloat = Field(
        0.65,
        json_schema_extra=LAXER_WHEN_HIGHER,
        description="Largest calibration error, as a share of the prevalence; a clear excess is refused.",
    )
    max_calibration_ratio: Annotated[float, Field(gt=1)] = Field(
        1.5,
        json_schema_extra=LAXER_WHEN_HIGHER,
        description="Predicted over observed conversions may be shown to be off by at most this factor.",
    )
    require_rule: bool = Field(
        True,
        json_schema_extra=LAXER_WHEN_LOWER,
        description="Refuse a version that is not as good as the best simple rule; if off, it is only said.",
    )
    rule_converters: PositiveInt = Field(
        30,
        json_schema_extra=LAXER_WHEN_HIGHER,
        description="Companies that must convert in a holdout before a version is held against simple rules.",
    )

    def laxer_than(self, standard: GateSettings) -> dict[str, tuple[Any, Any]]:
        """Return the limits that may let through what another's would not: each value, and the other's."""
        found = {}
        for name, field in type(self).model_fields.items():
            ours, theirs = getattr(self, name), getattr(standard, name)
            said = field.json_schema_extra
            if not isinstance(said, dict):
                raise TypeError(f"gate.{name} does not say when it is laxer")
            when = {"lower": ours < theirs, "higher": ours > theirs, "other": ours != theirs}
            if when[str(said["laxer"])]:
                found[name] = (ours, theirs)
        return found


class ScoreSettings(Frozen):
    """The ranked list."""

    top: PositiveInt = Field(20, description="Rows shown when no output file is named.")
    reasons: NonNegativeInt = Field(0, description="Reasons given for a company at the top of the list.")
    reasons_top: NonNegativeInt = Field(
        0, description="Companies that reasons are given for; 0 takes as many as the capacity."
    )
    cooldown_weeks: NonNegativeInt = Field(
        0, description="Weeks for which a company that was listed is put behind all others; 0 for none."
    )
    remember: bool = Field(
        False, description="Remember who was listed even without a cool-down, for a later one."
    )
    stale_days: PositiveInt = Field(
        14, description="Usage that ends longer than this before the cutoff is reported."
    )


class ExperimentSettings(Frozen):
    """The experiment inside the lists that are handed out."""

    design: Literal["none", "lottery", "holdout"] = Field(
        "none",
        description="'lottery': draw whom to call at the margin of the list; 'holdout': never call a share.",
    )
    pool: Annotated[float, Field(gt=1)] = Field(
        2.0, description="For 'lottery': companies that take part, as a multiple of the capacity."
    )
    certain_share: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.2, description="For 'lottery': share of the capacity that is always called, from the top."
    )
    wait_weeks: NonNegativeInt = Field(
        0, description="Weeks for which a company of one pool is in no other; 0 takes the horizon."
    )
    share: Share = Field(0.1, description="For 'holdout': share of the companies that is not called.")
    hold_weeks: PositiveInt = Field(26, description="For 'holdout': weeks after which others are held out.")


class ImpactSettings(Frozen):
    """What `mlsys impact` counts."""

    grace_days: NonNegativeInt = Field(
        7, description="Days after a list's window for conversions that are recorded late."
    )


class ServeSettings(Frozen):
    """The HTTP service."""

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: Annotated[int, Field(ge=0, le=65535)] = Field(
        8000, description="Port to listen on; 0 picks a free one."
    )
    workers: PositiveInt = Field(1, description="Processes that answer; each holds the model.")
    api_keys: tuple[KeyDigest, ...] = Field(
        (), description="Digests of the keys that callers may show; `mlsys apikey new` makes one."
    )
    insecure: bool = Field(
        False, description="Listen on other addresses than this machine's without any API key."
    )
    allowed_hosts: tuple[str, ...] = Field(
        (),
        description="Hosts that a request may name; empty: any, but only its own on loopback without keys.",
    )
    max_body_bytes: PositiveInt = Field(8_388_608, description="Larger request bodies get 413.")
    max_predict_bytes: PositiveInt = Field(524_288, description="The same for the one company of /predict.")
    max_header_bytes: PositiveInt = Field(
        16_384, description="Larger request lines and headers together get 431."
    )
    max_batch_rows: PositiveInt = Field(1000, description="Companies in one /predict/batch; more get 413.")
    max_concurrency: PositiveInt = Field(
        32, description="Requests in hand per worker; beyond it callers get 503 and Retry-After."
    )
    request_timeout_seconds: PositiveFloat = Field(
        10.0, description="How long a body may take to arrive, and its answer to be taken."
    )
    keep_alive_seconds: PositiveInt = Field(
        5, description="How long an idle connection stays open; a proxy has to close its own before."
    )
    drain_seconds: NonNegativeFloat = Field(
        1.0, description="After SIGTERM: how long it answers on while /ready says 503."
    )
    reload_seconds: PositiveFloat = Field(
        0.5, description="How often each worker looks for another production version."
    )
    access_log_share: Annotated[float, Field(ge=0, le=1)] = Field(
        0.01, description="Share of the requests in the access log; server errors are always there."
    )
    prediction_log: Literal["sqlite", "none"] | ImportPath = Field(
        "sqlite", description="Where predictions are kept: 'sqlite', 'none' or package.module:Class."
    )
    prediction_log_path: str = Field(
        "", description="Its file, on a local disk; empty takes predictions.sqlite in the artifacts folder."
    )
    prediction_log_days: NonNegativeInt = Field(
        400, description="Days for which a prediction is kept; 0 keeps all of them for ever."
    )
    prediction_queue: PositiveInt = Field(
        20_000, description="Predictions that may wait to be kept, per worker; beyond it callers get 503."
    )

    @field_validator("prediction_queue")
    @classmethod
    def _takes_a_batch(cls, queue: int, other: ValidationInfo) -> int:
        if queue < other.data.get("max_batch_rows", 1):
            raise ValueError("a full batch (serve.max_batch_rows) does not fit")
        return queue


class Settings(Frozen):
    """Everything that can be set."""

    artifacts_dir: Path = Field(Path("artifacts"), description="Folder of snapshots and models.")
    seed: NonNegativeInt = Field(7, description="The one seed of everything random.")
    threads: NonNegativeInt = Field(0, description="Threads of the estimator; 0 takes every core.")

    schema_: SchemaSettings = Field(SchemaSettings(), alias="schema", description="Column names.")
    ingest: IngestSettings = IngestSettings()
    usage: UsageSettings = UsageSettings()
    label: LabelSettings = LabelSettings()
    panel: PanelSettings = PanelSettings()
    split: SplitSettings = SplitSettings()
    features: FeatureSettings = FeatureSettings()
    resample: ResampleSettings = ResampleSettings()
    model: ModelSettings = ModelSettings()
    calibration: CalibrationSettings = CalibrationSettings()
    threshold: ThresholdSettings = ThresholdSettings()
    bootstrap: BootstrapSettings = BootstrapSettings()
    backtest: BacktestSettings = BacktestSettings()
    report: ReportSettings = ReportSettings()
    tune: TuneSettings = TuneSettings()
    mlflow: MlflowSettings = MlflowSettings()
    canary: CanarySettings = CanarySettings()
    registry: RegistrySettings = RegistrySettings()
    gate: GateSettings = GateSettings()
    score: ScoreSettings = ScoreSettings()
    experiment: ExperimentSettings = ExperimentSettings()
    impact: ImpactSettings = ImpactSettings()
    serve: ServeSettings = ServeSettings()

    def imports(self) -> tuple[str, ...]:
        """Return the import paths that a fit follows: of the estimator, then of features of one's own."""
        return (self.model.estimator, *self.features.extra)
