"""Settings of the HTTP service."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import (
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationInfo,
    field_validator,
)

from ml_sys.settings.base import Frozen, ImportPath, KeyDigest


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
    max_predict_bytes: PositiveInt = Field(524_288, description="The same for the one entity of /predict.")
    max_header_bytes: PositiveInt = Field(
        16_384, description="Larger request lines and headers together get 431."
    )
    max_batch_rows: PositiveInt = Field(1000, description="Entities in one /predict/batch; more get 413.")
    max_concurrency: PositiveInt = Field(
        32, description="Requests in progress per worker; beyond it callers get 503 and Retry-After."
    )
    request_timeout_seconds: PositiveFloat = Field(
        10.0, description="How long a body may take to arrive, and its answer to be taken."
    )
    keep_alive_seconds: PositiveInt = Field(
        5, description="How long an idle connection stays open; a proxy has to close its own sooner."
    )
    drain_seconds: NonNegativeFloat = Field(
        1.0, description="After SIGTERM: how long it keeps answering while /ready says 503."
    )
    reload_seconds: PositiveFloat = Field(
        0.5, description="Seconds between each worker's checks for a new production version."
    )
    access_log_share: Annotated[float, Field(ge=0, le=1)] = Field(
        0.01, description="Share of the requests in the access log; server errors are always logged."
    )
    prediction_log: Literal["store", "none"] | ImportPath = Field(
        "store", description="Where predictions are kept: 'store', 'none' or package.module:Class."
    )
    prediction_log_path: str = Field(
        "",
        description="SQLite file on a local disk in place of the store, or what a class of your own takes.",
    )
    prediction_log_days: NonNegativeInt = Field(
        400, description="Days for which a prediction is kept; 0 keeps them forever."
    )
    prediction_queue: PositiveInt = Field(
        20_000, description="Predictions that may wait to be kept, per worker; beyond it callers get 503."
    )

    @field_validator("prediction_log", mode="before")
    @classmethod
    def _was_called_otherwise(cls, log: object) -> object:
        return "store" if log == "sqlite" else log

    @field_validator("prediction_queue")
    @classmethod
    def _takes_a_batch(cls, queue: int, other: ValidationInfo) -> int:
        if queue < other.data.get("max_batch_rows", 1):
            raise ValueError("a full batch (serve.max_batch_rows) does not fit")
        return queue
