"""The endpoints: status, predictions, and companies in the snapshot."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response
from pydantic_core import to_json
from starlette.exceptions import HTTPException

from ml_sys.errors import SnapshotError
from ml_sys.serve import description
from ml_sys.serve.companies import Absent
from ml_sys.serve.contract.answers import BatchResult, CompanyResult, ModelResult, Prediction, Status
from ml_sys.serve.contract.batch_body import split
from ml_sys.serve.contract.requests import MAX_REASONS, RequestError
from ml_sys.serve.http.exchange import read_body
from ml_sys.serve.http.problems import problem
from ml_sys.serve.prometheus import CONTENT_TYPE

if TYPE_CHECKING:
    from pydantic import BaseModel

    from ml_sys.serve.prediction_log import Logged
    from ml_sys.serve.served import Served
    from ml_sys.serve.service import Service

# Larger bodies are answered in a thread, so that other requests need not wait for them.
_INLINE_BYTES = 32_768
# Companies of a batch that are handled before another batch has its turn.
_SLICE = 50
_JSON = "application/json"
_log = logging.getLogger(__name__)


class UnavailableError(Exception):
    """Nothing can be predicted now; the title says why."""


def status_router(service: Service) -> APIRouter:
    """Return the endpoints that report on the service and its model."""
    router = APIRouter(tags=["status"])

    @router.get("/health", response_model=Status)
    async def health() -> Response:
        """Say that the process is alive, and which version it serves."""
        served = service.current.served
        return _json({"status": "ok", "model_version": served.version if served else None})

    @router.get("/ready", response_model=Status, responses=description.problems(503, with_key=False))
    async def ready() -> Response:
        """Say whether predictions are available: a version is served and reproduces its golden rows."""
        served = _served(service)
        if service.ending.is_begun:
            raise UnavailableError("The service is shutting down.")
        if not await run_in_threadpool(service.is_itself, served):
            raise UnavailableError("The model no longer reproduces its golden rows.")
        return _json({"status": "ready", "model_version": served.version})

    @router.get("/model", response_model=ModelResult, responses=description.problems(503))
    async def model(request: Request) -> Response:
        """Describe the version that is served: features, metrics on its holdout, card."""
        served = _served(service)
        request.state.version = served.version
        return _json(served.facts)

    @router.get("/metrics", responses=description.METRICS)
    async def metrics() -> Response:
        """Return what Prometheus scrapes, summed over all workers."""
        service.tick()
        text = await run_in_threadpool(service.metrics.text)
        return Response(text, headers={"content-type": CONTENT_TYPE})

    return router


def prediction_router(service: Service) -> APIRouter:
    """Return the endpoints that predict."""
    router = APIRouter(tags=["predictions"])

    @router.post(
        "/predict",
        response_model=Prediction,
        responses=description.problems(408, 413, 415, 422, 503),
        openapi_extra=description.PREDICT,
    )
    async def predict(request: Request) -> Response:
        """Predict for one company, from ready features or from raw usage rows with an ``as_of`` day."""
        served, n_reasons = _asked(service, request)
        _check_type(request)
        body = await read_body(request.receive)
        if len(body) > _INLINE_BYTES:
            return await service.aside(_one, service, served, body, n_reasons)
        return _one(service, served, body, n_reasons)

    @router.post(
        "/predict/batch",
        response_model=BatchResult,
        response_model_exclude_none=True,
        responses=description.problems(408, 413, 415, 422, 503),
        openapi_extra=description.BATCH,
    )
    async def predict_batch(request: Request) -> Response:
        """Predict for many companies; an invalid one gets its errors, and the others their predictions."""
        served, n_reasons = _asked(service, request)
        _check_type(request)
        return await _batch(service, served, await read_body(request.receive), n_reasons)

    @router.get(
        "/companies/{id:path}",  # an id may hold slashes
        response_model=CompanyResult,
        responses=description.problems(404, 422, 503),
        openapi_extra=description.COMPANY,
    )
    async def company(id: str, request: Request) -> Response:  # noqa: A002 - the name in the path
        """Look a company up in the snapshot: its features at the end of the usage, and its prediction."""
        served, n_reasons = _asked(service, request)
        try:
            found = await run_in_threadpool(service.companies.find, id, served.scorer.spec)
        except SnapshotError as error:
            _log.error("%s", error.message)
            raise UnavailableError("There is no usable snapshot.") from None
        if isinstance(found, Absent):
            return problem(404, found.reason, request_id=request.state.request_id)
        prediction, logged = served.say(found.values, id, n_reasons)
        _account(service, [logged], [prediction])
        features = dict(zip(served.contract.names, found.values, strict=True))
        return _json(
            {
                "id": id,
                "as_of": found.cutoff,
                "snapshot": found.snapshot,
                "features": features,
                "prediction": prediction,
            }
        )

    return router


def _one(service: Service, served: Served, body: bytes, n_reasons: int) -> Response:
    """Answer for one company."""
    prediction, logged = served.predict(served.contract.one(body), n_reasons)
    _account(service, [logged], [prediction])
    return _json(prediction)


async def _batch(service: Service, served: Served, body: bytes, n_reasons: int) -> Response:
    """Answer for many companies, slice by slice, in the thread that all batches share."""
    settings, contract = service.settings, served.contract
    most = min(settings.max_predict_bytes, settings.max_body_bytes)
    parts = await service.aside(split, body, settings.max_batch_rows)
    companies: list[BaseModel | RequestError] = []
    for at in range(0, len(parts), _SLICE):
        read = partial(contract.many, parts[at : at + _SLICE], most, suggest=at == 0)
        companies += await service.aside(read)
    fit = {at: one for at, one in enumerate(companies) if not isinstance(one, RequestError)}
    places = list(fit)
    predicted: list[tuple[dict[str, Any], Logged]] = []
    for at in range(0, len(places), _SLICE):
        some = [fit[place] for place in places[at : at + _SLICE]]
        predicted += await service.aside(served.predict_many, some, n_reasons)
    return await service.aside(
        _answer_of_batch, service, served, companies, dict(zip(places, predicted, strict=True))
    )


def _answer_of_batch(
    service: Service,
    served: Served,
    companies: list[BaseModel | RequestError],
    predicted: dict[int, tuple[dict[str, Any], Logged]],
) -> Response:
    _account(service, [logged for _, logged in predicted.values()], [one for one, _ in predicted.values()])
    results: list[dict[str, Any]] = [
        {"index": at, "errors": one.errors}
        if isinstance(one, RequestError)
        else {"index": at, "prediction": predicted[at][0]}
        for at, one in enumerate(companies)
    ]
    return _json(
        {
            "model_version": served.version,
            "predicted": len(predicted),
            "failed": len(companies) - len(predicted),
            "results": results,
        }
    )


def _check_type(request: Request) -> None:
    """Refuse a body whose Content-Type is not JSON, as any web page's form could send.

    Raises
    ------
    HTTPException
    """
    named = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if named != _JSON:
        raise HTTPException(
            415, f"The body must be {_JSON}, and its Content-Type must say so.", {"accept": _JSON}
        )


def _account(service: Service, logged: list[Logged], predictions: list[dict[str, Any]]) -> None:
    """Log and count predictions before they are sent.

    Raises
    ------
    UnavailableError
        If the log is full: a prediction that cannot be logged is not sent.
    """
    if not service.keep(logged):
        raise UnavailableError("The prediction log is behind.")
    for one in predictions:
        service.metrics.predicted(one["model_version"], one["tier"], one["conversion_probability"])


def _served(service: Service) -> Served:
    served = service.current.served
    if served is None:
        raise UnavailableError("No version is in production.")
    return served


def _asked(service: Service, request: Request) -> tuple[Served, int]:
    """Return the version that answers, noted for the access log, and the number of reasons asked for."""
    served = _served(service)
    request.state.version = served.version
    return served, _n_reasons(request)


def _n_reasons(request: Request) -> int:
    """Return the number of reasons that the query asks for.

    Raises
    ------
    RequestError
        If it is not a number in range.
    """
    if not request.scope["query_string"]:
        return 0
    asked = request.query_params.get("reasons", "0")
    if not asked.isascii() or not asked.isdigit() or len(asked) > 2 or int(asked) > MAX_REASONS:
        raise RequestError([{"field": "reasons", "problem": f"must be a number from 0 to {MAX_REASONS}"}])
    return int(asked)


def _json(content: dict[str, Any]) -> Response:
    return Response(to_json(content, inf_nan_mode="null"), media_type="application/json")
