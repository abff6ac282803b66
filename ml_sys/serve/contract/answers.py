"""The service's answers as OpenAPI describes them; endpoints return plain data in these forms."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Reason(BaseModel):
    """Why a probability is what it is."""

    text: str
    direction: str = Field(description="raises or lowers")
    contribution: float = Field(description="What it adds to the log-odds.")


class Prediction(BaseModel):
    """The model's prediction for one company."""

    model_config = ConfigDict(protected_namespaces=())

    conversion_probability: float = Field(
        ge=0, le=1, description="Calibrated probability of converting within the horizon."
    )
    will_convert: bool = Field(description="Whether the probability reaches the threshold.")
    tier: str = Field(description="A, B or C")
    threshold: float
    model_version: str = Field(description="The version that made this prediction.")
    warnings: list[str] = Field(description="Values unknown to the model, and missing features.")
    reasons: list[Reason] | None = Field(
        None, description="The strongest reasons that a counter-check confirms; only if asked for."
    )


class FieldError(BaseModel):
    """A field and what is wrong with it."""

    field: str
    problem: str


class Problem(BaseModel):
    """A problem document (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str | None = None
    errors: list[FieldError] | None = None
    request_id: str | None = None


class BatchItem(BaseModel):
    """One company's result in a batch: a prediction, or what is wrong with the request."""

    index: int = Field(ge=0, description="Its place in the request, from 0.")
    prediction: Prediction | None = None
    errors: list[FieldError] | None = None


class BatchResult(BaseModel):
    """The results of a batch, in the order of its companies."""

    model_config = ConfigDict(protected_namespaces=())

    model_version: str
    predicted: int = Field(ge=0)
    failed: int = Field(ge=0)
    results: list[BatchItem]


class CompanyResult(BaseModel):
    """A company of the current snapshot: its features at the cutoff, and what the model says."""

    id: str
    as_of: str = Field(description="Cutoff: the end of the snapshot's usage.")
    snapshot: str
    features: dict[str, float | str | None]
    prediction: Prediction


class ModelResult(BaseModel):
    """The version that is served."""

    model_config = ConfigDict(protected_namespaces=())

    model_version: str
    created_at: str
    message: str
    snapshot: str
    data_through: str
    horizon_days: int
    threshold: float
    compiled: bool = Field(description="Whether its trees are compiled; if not, its Pipeline answers.")
    features: dict[str, str] = Field(description="Each feature and its group.")
    metrics: dict[str, Any]
    card: str = Field(description="Markdown.")


class Status(BaseModel):
    """Whether the service is alive or ready."""

    model_config = ConfigDict(protected_namespaces=())

    status: str
    model_version: str | None
