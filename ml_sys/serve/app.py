"""The HTTP service of one process: what it answers, and what happens from its start to its end."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import os
import signal
import threading
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response
from pydantic_core import to_json
from starlette.exceptions import HTTPException

from ml_sys import kernel
from ml_sys.errors import ArtifactError, SnapshotError
from ml_sys.scoring.reasons import NoReasonsError
from ml_sys.serve import description
from ml_sys.serve.access import AccessLog
from ml_sys.serve.companies import Absent, Companies
from ml_sys.serve.contract import (
    MAX_REASONS,
    BatchResult,
    CompanyResult,
    ModelResult,
    Prediction,
    RequestError,
    Status,
)
from ml_sys.serve.guard import Guard, read_body
from ml_sys.serve.metrics import CONTENT_TYPE
from ml_sys.serve.problems import problem
from ml_sys.serve.protocol import DRAINING, REFUSED

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from starlette.types import ASGIApp, Receive, Scope, Send

    from ml_sys.serve.hotswap import Current
    from ml_sys.serve.metrics import Metrics
    from ml_sys.serve.prediction_log import Logged, PredictionLog
    from ml_sys.serve.served import Served
    from ml_sys.settings import ServeSettings

# Batches of more rows are answered in a thread, so that others need not wait for them.
_ROWS_AT_ONCE = 8
# A model that was itself a moment ago is not asked again.
_CHECK_SECONDS = 1.0
_LOG_CLOSE_SECONDS = 10.0
_PARENT_SECONDS = 1.0
_RETRY = {"Retry-After": "1"}
_log = logging.getLogger(__name__)


@dataclass
class Service:
    """What the parts of one server process share.

    Attributes
    ----------
    current : Current
        The version that answers.
    metrics : Metrics
    log : PredictionLog or None
    companies : Companies
    settings : ServeSettings
    """

    current: Current
    metrics: Metrics
    log: PredictionLog | None
    companies: Companies
    settings: ServeSettings
    _checked: tuple[Served | None, float, bool] = (None, 0.0, False)

    def tick(self) -> None:
        """Bring the metrics up to date."""
        log = self.log
        self.metrics.tick(
            self.current.served, dict(REFUSED), log.waiting if log else 0, log.problem if log else ""
        )

    def keep(self, logged: Sequence[Logged]) -> bool:
        """Hand predictions to the log; False if it is full."""
        return self.log is None or self.log.offer(logged)

    def is_itself(self, served: Served) -> bool:
        """Say whether the model still gives its golden rows what it gave them when it was made."""
        last, at, sound = self._checked
        if last is not served or monotonic() - at > _CHECK_SECONDS:
            try:
                served.check()
                sound = True
            except ArtifactError as error:
                _log.error("%s", error.message)
                sound = False
            self._checked = (served, monotonic(), sound)
        return sound


class _UnavailableError(Exception):
    """Nothing can be predicted now; the title says why."""


_OURS = (RequestError, _UnavailableError, NoReasonsError)


def create_app(service: Service) -> ASGIApp:
    """Build the guarded application around what it serves."""
    settings = service.settings
    app = FastAPI(
        title="mlsys",
        description="Probability that a free company pays within the horizon.",
        lifespan=lambda _: _lifespan(service),
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
    )
    _add_errors(app)
    _add_status(app, service)
    _add_predictions(app, service)
    description.add(app, lambda: service.current.served, with_keys=bool(settings.api_keys))
    guarded: ASGIApp = Guard(
        _Shortcut(app, "/predict"),
        digests=settings.api_keys,
        max_body_bytes=settings.max_body_bytes,
        timeout_seconds=settings.request_timeout_seconds,
        access=AccessLog(settings.access_log_share),
        observe=service.metrics.observe,
    )
    return guarded


@asynccontextmanager
async def _lifespan(service: Service) -> AsyncIterator[None]:
    """Load the model before the first request, follow the registry, and keep every prediction at the end."""
    service.current.refresh()
    if service.log is not None:
        service.log.start()
    _drain_on_sigterm(service.settings.drain_seconds)
    every = service.settings.reload_seconds
    tasks = [
        asyncio.create_task(service.current.watch(every, service.tick)),
        asyncio.create_task(asyncio.to_thread(kernel.load)),  # until then loops are interpreted
    ]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        if service.log is not None:
            await asyncio.to_thread(service.log.close, _LOG_CLOSE_SECONDS)


def _drain_on_sigterm(seconds: float) -> None:
    """Answer on for a while after SIGTERM, so that balancers see that the process is not ready any more."""
    server_ends, loop, parent = signal.getsignal(signal.SIGTERM), asyncio.get_running_loop(), os.getppid()

    def end(number: int, _: Any) -> None:
        if callable(server_ends):
            server_ends(number, None)

    def drain(number: int, _: Any) -> None:
        if DRAINING.is_set():  # told twice: at once
            end(number, None)
            return
        DRAINING.set()
        loop.call_soon_threadsafe(loop.call_later, seconds, end, number, None)

    def watch_parent() -> None:
        if os.getppid() != parent and multiprocessing.parent_process() is not None:
            os.kill(os.getpid(), signal.SIGTERM)  # a worker that nobody watches over ends
        else:
            loop.call_later(_PARENT_SECONDS, watch_parent)

    if threading.current_thread() is threading.main_thread():  # elsewhere there are no signals to hear
        signal.signal(signal.SIGTERM, drain)
        watch_parent()


def _add_errors(app: FastAPI) -> None:
    for kind in (*_OURS, HTTPException):
        app.exception_handler(kind)(_answer_to)


async def _answer_to(request: Request, error: Exception) -> Response:
    """Return the problem document of an error that has one."""
    given: str = request.state.request_id
    if isinstance(error, RequestError):
        title = "The request does not fit the model's schema."
        return problem(error.status, title, errors=error.errors, request_id=given)
    if isinstance(error, _UnavailableError):
        return problem(503, str(error), request_id=given, headers=_RETRY)
    if isinstance(error, HTTPException):
        return problem(error.status_code, str(error.detail), request_id=given, headers=error.headers)
    return problem(422, "This model's estimator gives no exact reasons.", request_id=given)


class _Shortcut:
    """Answers one route without the framework around it, which takes longer than a prediction.

    The application has the same route with the same endpoint, and describes it.
    """

    def __init__(self, app: FastAPI, path: str) -> None:
        self._app = app
        self._path = path
        self._route: Any = next(one for one in app.routes if getattr(one, "path", None) == path)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or hand it to the application."""
        if scope["type"] != "http" or scope["path"] != self._path or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        scope["route"] = self._route
        request = Request(scope, receive)
        try:
            response: Response = await self._route.endpoint(request)
        except _OURS as error:
            response = await _answer_to(request, error)
        await response(scope, receive, send)


def _add_status(app: FastAPI, service: Service) -> None:
    @app.get("/health", tags=["status"], response_model=Status)
    async def health() -> Response:
        """Say that the process lives, and which version it serves."""
        served = service.current.served
        return _json({"status": "ok", "model_version": served.version if served else None})

    @app.get(
        "/ready", tags=["status"], response_model=Status, responses=description.problems(503, with_key=False)
    )
    async def ready() -> Response:
        """Say whether predictions can be had: a version is served and gives its golden rows what it gave."""
        served = _served(service)
        if DRAINING.is_set():
            raise _UnavailableError("The service is about to end.")
        if not await run_in_threadpool(service.is_itself, served):
            raise _UnavailableError("The model does not say what it said when it was made.")
        return _json({"status": "ready", "model_version": served.version})

    @app.get("/model", tags=["status"], response_model=ModelResult, responses=description.problems(503))
    async def model(request: Request) -> Response:
        """Describe the version that is served: features, metrics on its holdout, card."""
        served = _served(service)
        request.state.version = served.version
        return _json(served.facts)

    @app.get("/metrics", tags=["status"], responses=description.METRICS)
    async def metrics() -> Response:
        """Give what Prometheus scrapes, of all workers."""
        service.tick()
        text = await run_in_threadpool(service.metrics.text)
        return Response(text, headers={"content-type": CONTENT_TYPE})


def _add_predictions(app: FastAPI, service: Service) -> None:
    @app.post(
        "/predict",
        tags=["predictions"],
        response_model=Prediction,
        responses=description.problems(408, 413, 422, 503),
        openapi_extra=description.PREDICT,
    )
    async def predict(request: Request) -> Response:
        """Predict for one company, from ready features or from raw usage rows with an ``as_of`` day."""
        served = _served(service)
        request.state.version = served.version
        n_reasons = _n_reasons(request)
        company = served.contract.one(await read_body(request.receive))
        prediction, logged = served.predict(company, n_reasons)
        _account(service, [logged], [prediction])
        return _json(prediction)

    @app.post(
        "/predict/batch",
        tags=["predictions"],
        response_model=BatchResult,
        response_model_exclude_none=True,
        responses=description.problems(408, 413, 422, 503),
        openapi_extra=description.BATCH,
    )
    async def predict_batch(request: Request) -> Response:
        """Predict for many companies; one that does not fit gets its errors, the others are predicted."""
        served = _served(service)
        request.state.version = served.version
        n_reasons = _n_reasons(request)
        body = await read_body(request.receive)
        many = body.count(b"{") > _ROWS_AT_ONCE
        answer = _batch(service, served, body, n_reasons)
        return _json(await run_in_threadpool(answer) if many else answer())

    @app.get(
        "/companies/{id}",
        tags=["predictions"],
        response_model=CompanyResult,
        responses=description.problems(404, 422, 503),
        openapi_extra=description.COMPANY,
    )
    async def company(id: str, request: Request) -> Response:  # noqa: A002 - the name in the path
        """Look a company up in the snapshot: its features at the end of the usage, and its prediction."""
        served = _served(service)
        request.state.version = served.version
        n_reasons = _n_reasons(request)
        try:
            found = await run_in_threadpool(service.companies.find, id, served.scorer.spec)
        except SnapshotError as error:
            _log.error("%s", error.message)
            raise _UnavailableError("There is no snapshot that can be used.") from None
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


def _batch(service: Service, served: Served, body: bytes, n_reasons: int) -> Any:
    """Return the function that answers a batch."""

    def answer() -> dict[str, Any]:
        companies = served.contract.many(body, service.settings.max_batch_rows)
        fit = {at: one for at, one in enumerate(companies) if not isinstance(one, RequestError)}
        predicted = served.predict_many(list(fit.values()), n_reasons)
        _account(service, [logged for _, logged in predicted], [one for one, _ in predicted])
        results: list[dict[str, Any]] = [
            {"index": at, "errors": one.errors} if isinstance(one, RequestError) else {"index": at}
            for at, one in enumerate(companies)
        ]
        for at, (prediction, _) in zip(fit, predicted, strict=True):
            results[at]["prediction"] = prediction
        return {
            "model_version": served.version,
            "predicted": len(fit),
            "failed": len(companies) - len(fit),
            "results": results,
        }

    return answer


def _account(service: Service, logged: list[Logged], predictions: list[dict[str, Any]]) -> None:
    """Log and count predictions before they are given.

    Raises
    ------
    _UnavailableError
        If the log is full: what is not kept is not given.
    """
    if not service.keep(logged):
        raise _UnavailableError("The prediction log is behind.")
    for one in predictions:
        service.metrics.predicted(one["model_version"], one["tier"], one["conversion_probability"])


def _served(service: Service) -> Served:
    served = service.current.served
    if served is None:
        raise _UnavailableError("No version is in production.")
    return served


def _n_reasons(request: Request) -> int:
    """Return how many reasons the query asks for.

    Raises
    ------
    RequestError
        If it is no number in range.
    """
    if not request.scope["query_string"]:
        return 0
    asked = request.query_params.get("reasons", "0")
    if not asked.isascii() or not asked.isdigit() or len(asked) > 2 or int(asked) > MAX_REASONS:
        raise RequestError([{"field": "reasons", "problem": f"is a number from 0 to {MAX_REASONS}"}])
    return int(asked)


def _json(content: dict[str, Any]) -> Response:
    return Response(to_json(content, inf_nan_mode="null"), media_type="application/json")
