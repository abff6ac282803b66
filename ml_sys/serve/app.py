"""The application of one process: middleware, routes, and errors as problem documents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException

from ml_sys.scoring.reasons import NoReasonsError
from ml_sys.serve import description
from ml_sys.serve.contract.requests import RequestError
from ml_sys.serve.endpoints import UnavailableError, prediction_router, status_router
from ml_sys.serve.http.access import AccessLog
from ml_sys.serve.http.guard import Guard, RequestLimits
from ml_sys.serve.http.hosts import ANY, Hosts, is_loopback
from ml_sys.serve.http.problems import problem
from ml_sys.serve.service import Service, lifespan

if TYPE_CHECKING:
    from fastapi import APIRouter
    from fastapi.responses import Response
    from starlette.types import ASGIApp, Receive, Scope, Send

    from ml_sys.settings import ServeSettings

PREDICT = "/predict"
_RETRY = {"Retry-After": "1"}
_OURS = (RequestError, UnavailableError, NoReasonsError)


def create_app(service: Service) -> ASGIApp:
    """Build the application with its guard."""
    settings = service.settings
    app = FastAPI(
        title="mlsys",
        lifespan=lambda _: lifespan(service),
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,  # a redirect would lead to whatever host the request names
    )
    _add_errors(app)
    app.include_router(status_router(service))
    predictions = prediction_router(service)
    app.include_router(predictions)
    description.add(app, lambda: service.current.served, with_keys=bool(settings.api_keys))
    guarded: ASGIApp = Guard(
        _Shortcut(app, predictions, PREDICT),
        limits=RequestLimits(
            max_header_bytes=settings.max_header_bytes,
            max_body_bytes=settings.max_body_bytes,
            max_body_bytes_of={PREDICT: min(settings.max_predict_bytes, settings.max_body_bytes)},
            timeout_seconds=settings.request_timeout_seconds,
            max_concurrency=settings.max_concurrency,
        ),
        digests=settings.api_keys,
        hosts=Hosts(_allowed_hosts(settings)),
        access=AccessLog(settings.access_log_share),
        observe=service.metrics.observe,
        ending=service.ending,
    )
    return guarded


def _allowed_hosts(settings: ServeSettings) -> tuple[str, ...]:
    """Return the hosts that requests may name: without API keys, only this machine's own."""
    if settings.allowed_hosts or (is_loopback(settings.host) and not settings.api_keys):
        return settings.allowed_hosts
    return (ANY,)


def _add_errors(app: FastAPI) -> None:
    for kind in (*_OURS, HTTPException):
        app.exception_handler(kind)(_answer_to)


async def _answer_to(request: Request, error: Exception) -> Response:
    """Return the problem document for an error."""
    given: str = request.state.request_id
    if isinstance(error, RequestError):
        title = "The request does not fit the model's schema."
        return problem(error.status, title, errors=error.errors, request_id=given)
    if isinstance(error, UnavailableError):
        return problem(503, str(error), request_id=given, headers=_RETRY)
    if isinstance(error, HTTPException):
        return problem(error.status_code, str(error.detail), request_id=given, headers=error.headers)
    return problem(422, "This model's estimator gives no exact reasons.", request_id=given)


class _Shortcut:
    """Answer one route without the framework, which takes longer than a prediction.

    The application has the same route with the same endpoint, for the description.
    """

    def __init__(self, app: FastAPI, router: APIRouter, path: str) -> None:
        self._app = app
        self._path = path
        self._route: Any = next(one for one in router.routes if getattr(one, "path", None) == path)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or hand it to the application."""
        if scope["type"] != "http" or scope["path"] != self._path or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        scope["route"] = self._route
        request = Request(scope, receive)
        try:
            response: Response = await self._route.endpoint(request)
        except (*_OURS, HTTPException) as error:
            response = await _answer_to(request, error)
        await response(scope, receive, send)
