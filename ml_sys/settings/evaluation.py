"""Settings of everything that judges a model: intervals, past lists, report, search, tracking."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt, field_validator

from ml_sys.settings.base import Frozen, Share, without_keys


class BootstrapSettings(Frozen):
    """How intervals are drawn."""

    resamples: Annotated[int, Field(ge=20)] = Field(
        1000, description="Bootstrap resamples, clustered by entity; 20 at least."
    )
    confidence: Share = Field(0.95, description="Confidence of the intervals.")


class BacktestSettings(Frozen):
    """How past lists are made again, each by a model that knew only what was mature then."""

    every_days: PositiveInt = Field(7, description="Days between the lists of a backtest.")
    lists: PositiveInt = Field(
        26, description="Number of lists in a backtest, the latest ones, if no day is named."
    )
    retrain_days: PositiveInt = Field(
        28, description="Days for which a model of the backtest makes lists before it is retrained."
    )
    window: Literal["rolling", "expanding"] = Field(
        "rolling",
        description="'rolling': train on the latest panel.max_cutoffs cutoffs; 'expanding': on all before.",
    )
    capacities: tuple[PositiveInt, ...] = Field(
        (10, 25, 50), min_length=1, description="Calls per week for which a campaign is simulated."
    )
    cooldown_weeks: PositiveInt = Field(
        4, description="Weeks for which an entity that was listed makes room for others in a campaign."
    )


class EngineSettings(Frozen):
    """Where independent fits and lists are computed."""

    kind: Literal["local", "dask"] = Field(
        "local", description="'local': processes of this machine; 'dask': a Dask cluster (an extra)."
    )
    workers: NonNegativeInt = Field(
        0, description="Parallel processes; 0 takes as many as cores and memory allow."
    )
    address: str = Field(
        "", description="The cluster's scheduler, as tcp://10.0.0.5:8786; empty starts a cluster here."
    )
    partitions: Annotated[int, Field(ge=0, le=1024)] = Field(
        0, description="Parts that a snapshot is stored and processed in; 0 chooses by how much usage it has."
    )
    storage: str = Field(
        "", description="Where a cluster reads snapshots, as s3://bucket/folder; empty: the artifacts folder."
    )
    cache_mb: NonNegativeInt = Field(
        1000, description="Megabytes of the storage's files that each worker keeps at hand; 0 keeps none."
    )

    @field_validator("storage")
    @classmethod
    def _holds_no_key(cls, address: str) -> str:
        if address and "://" not in address:
            raise ValueError("an address has the form s3://bucket/folder")
        return without_keys(address)


class ReportSettings(Frozen):
    """What `train` puts into a version's report beside the holdout."""

    backtest: bool = Field(
        True, description="Replay past lists, each by a model that knew only what was known then."
    )
    resampling: bool = Field(
        True, description="Compare resampling with none and with class weights, which takes more fits."
    )
    seeds: Annotated[int, Field(ge=0, le=100)] = Field(
        3,
        description="How many other seeds to fit with, to see what depends on the seed; 0: none.",
    )


class TuneSettings(Frozen):
    """How `mlsys tune` searches."""

    trials: PositiveInt = Field(40, description="Total trials of a study, including those of earlier runs.")
    minutes: NonNegativeFloat = Field(
        0.0, description="No trial starts after this many minutes; 0 sets no limit."
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
