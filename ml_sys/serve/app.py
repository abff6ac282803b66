"""The HTTP service: one served model, ``/health``, ``/ready`` and ``/predict``."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from ml_sys.errors import ArtifactError
from ml_sys.model.golden import replay
from ml_sys.model.train import FittedModel
from ml_sys.serve.contract import Prediction, features_of, request_type

_NOT_ITSELF = "The model does not say what it said when it was made."
_log = logging.getLogger(__name__)


def create_app(model: FittedModel, version: str, golden: Mapping[str, Any]) -> FastAPI:
    """Build the application around a loaded model.

    Parameters
    ----------
    model : FittedModel
    version : str
        Named in every response.
    golden : mapping
        The version's golden rows; ``/ready`` replays them.
    """
    app = FastAPI(
        title="mlsys", version=version, description="Probability that a free company pays within the horizon."
    )
    body_type = request_type(model.spec)

    @app.exception_handler(RequestValidationError)
    async def _invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        return _problem(422, "The request does not fit the model's schema.", _fields(error))

    @app.exception_handler(HTTPException)
    async def _refused(_: Request, error: HTTPException) -> JSONResponse:
        return _problem(error.status_code, str(error.detail), [])

    @app.get("/health")
    async def health() -> dict[str, str]:
        """Say that the process lives and which model it serves."""
        return {"status": "ok", "model_version": version}

    @app.get("/ready", responses={503: {"description": _NOT_ITSELF}})
    def ready() -> Any:
        """Say whether the model still gives its golden rows the probabilities that it once gave them."""
        try:
            replay(golden, model, f"version {version}")
        except ArtifactError as error:
            _log.error("%s", error.message)
            return _problem(503, _NOT_ITSELF, [])
        return {"status": "ready", "model_version": version}

    def predict(body: Any) -> Prediction:
        """Predict for one company, from ready features or from raw usage rows with an ``as_of`` day."""
        probability = float(model.probabilities(features_of(body, model.spec))[0])
        return Prediction(
            conversion_probability=probability,
            will_convert=probability >= model.threshold,
            tier=str(model.tiers.of(np.array([probability]))[0]),
            threshold=model.threshold,
            model_version=version,
        )

    predict.__annotations__["body"] = body_type  # known only now: it is the model's own schema
    app.post("/predict", response_model=Prediction)(predict)
    return app


def _problem(status: int, title: str, errors: list[dict[str, Any]]) -> JSONResponse:
    """Return a problem document (RFC 9457)."""
    content = {"type": "about:blank", "title": title, "status": status, "errors": errors}
    return JSONResponse(content, status_code=status, media_type="application/problem+json")


def _fields(error: RequestValidationError) -> list[dict[str, Any]]:
    """Name each field in error; its place begins with "body" and maybe the kind of request."""
    return [{"field": _field(one), "problem": one["msg"]} for one in error.errors()]


def _field(one: dict[str, Any]) -> str:
    if one["type"] == "json_invalid":
        return "body"
    parts = [str(part) for part in one["loc"][1:]]
    return ".".join(parts[1:] if parts[:1] in (["raw"], ["flat"]) else parts) or "body"
