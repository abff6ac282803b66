"""The service's description: OpenAPI built from the served model's features, and its page."""

from __future__ import annotations

import base64
import hashlib
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastapi.openapi.utils import get_openapi
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, Response
from starlette.exceptions import HTTPException

from ml_sys.form import PLAIN_WORDS
from ml_sys.serve.contract.answers import Problem
from ml_sys.serve.contract.requests import MAX_REASONS, Contract
from ml_sys.serve.http.guard import ALWAYS_ANSWERED
from ml_sys.serve.http.problems import MEDIA_TYPE

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi import FastAPI

    from ml_sys.form import Words
    from ml_sys.serve.served import Served

_SCHEMAS = "#/components/schemas/"
_TITLES = {
    401: "An API key is needed.",
    404: "There is no such prospect.",
    408: "The request took too long to arrive.",
    413: "The request is too large.",
    415: "The Content-Type is not JSON.",
    422: "The request does not fit the schema; each invalid field is named.",
    503: "No prediction can be made now; try again after Retry-After seconds.",
}


def problems(*statuses: int, with_key: bool = True) -> dict[int | str, dict[str, Any]]:
    """Describe the problem documents that an endpoint may answer with."""
    every = sorted({*statuses, *((401,) if with_key else ())})
    content = {MEDIA_TYPE: {"schema": {"$ref": f"{_SCHEMAS}Problem"}}}
    return {status: {"description": _TITLES[status], "content": content} for status in every}


_REASONS = {
    "name": "reasons",
    "in": "query",
    "required": False,
    "description": "Maximum number of reasons, strongest first; each is counter-checked.",
    "schema": {"type": "integer", "minimum": 0, "maximum": MAX_REASONS, "default": 0},
    "example": 3,
}
_ONE = {"anyOf": [{"$ref": f"{_SCHEMAS}RawCompany"}, {"$ref": f"{_SCHEMAS}FlatFeatures"}]}
PREDICT = {
    "parameters": [_REASONS],
    "requestBody": {"required": True, "content": {"application/json": {"schema": _ONE}}},
}
BATCH = {
    "parameters": [_REASONS],
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "additionalProperties": False,
                    "required": ["companies"],
                    "properties": {
                        "companies": {
                            "type": "array",
                            "description": "Each as in /predict. An invalid one gets its errors.",
                            "items": {},
                        }
                    },
                }
            }
        },
    },
}
COMPANY = {"parameters": [_REASONS]}
METRICS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Prometheus' text format.",
        "content": {"text/plain": {"schema": {"type": "string"}}},
    },
    **problems(),
}

_START = (
    """SwaggerUIBundle({url: "/openapi.json", dom_id: "#docs", deepLinking: true, tryItOutEnabled: true})"""
)
_PAGE = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>mlsys</title>
<link rel="stylesheet" href="/docs/swagger-ui.css">
<link rel="icon" href="data:,">
</head>
<body>
<div id="docs"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script>{_START}</script>
</body>
</html>
"""
_START_DIGEST = base64.b64encode(hashlib.sha256(_START.encode()).digest()).decode()
_PAGE_POLICY = (
    f"default-src 'none'; script-src 'self' 'sha256-{_START_DIGEST}'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'"
)
# Swagger UI's files come with the package fastapi-offline, so that the page asks no other host for them.
_ASSETS = {"swagger-ui-bundle.js": "text/javascript", "swagger-ui.css": "text/css"}
_SPOKEN = {"summary", "description"}
_KEPT = {"cache-control": "private, max-age=3600"}


def add(app: FastAPI, served: Callable[[], Served | None], *, with_keys: bool) -> None:
    """Add ``/openapi.json`` and ``/docs`` to an application."""
    known: dict[str, Any] = {"contract": None, "document": None}

    def document() -> dict[str, Any]:
        now = served()
        contract = now.contract if now else None
        if known["document"] is None or known["contract"] is not contract:
            known.update(contract=contract, document=_document(app, contract, with_keys))
        described: dict[str, Any] = known["document"]
        return described

    app.openapi = document  # type: ignore[method-assign] # FastAPI's own way to describe it otherwise

    @app.get("/openapi.json", include_in_schema=False)
    async def openapi() -> Response:
        return JSONResponse(document())

    @app.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        return HTMLResponse(_PAGE, headers={"content-security-policy": _PAGE_POLICY})

    @app.get("/docs/{asset}", include_in_schema=False)
    async def asset(asset: str) -> Response:
        if asset not in _ASSETS:
            raise HTTPException(404, "Not Found")
        return FileResponse(_assets() / asset, media_type=_ASSETS[asset], headers=_KEPT)


def _assets() -> Path:
    """Return the folder of Swagger UI's files, without importing the package."""
    found = find_spec("fastapi_offline")
    assert found is not None  # noqa: S101 - a dependency of this package
    assert found.origin is not None  # noqa: S101 - it is no namespace
    return Path(found.origin).parent / "static"


def _in_words(part: Any, words: Words) -> Any:
    """Return a part of the document with summaries and descriptions in the words of the served form."""
    if isinstance(part, list):
        return [_in_words(one, words) for one in part]
    if not isinstance(part, dict):
        return part
    return {
        key: words.spoken(one) if key in _SPOKEN and isinstance(one, str) else _in_words(one, words)
        for key, one in part.items()
    }


def _document(app: FastAPI, contract: Contract | None, with_keys: bool) -> dict[str, Any]:
    words = contract.spec.form.words if contract else PLAIN_WORDS
    told = f"Probability that a free {words.entity.one} pays within the horizon."
    plain = get_openapi(title=app.title, version=version("ml-sys"), description=told, routes=app.routes)
    document: dict[str, Any] = _in_words(plain, words)
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    template = f"{_SCHEMAS}{{model}}"
    problem = Problem.model_json_schema(ref_template=template)
    schemas.update(problem.pop("$defs", {}))
    schemas["Problem"] = problem
    for name, one in (contract.schema if contract else {}).items():
        said = {"description": words.spoken(one["description"])} if "description" in one else {}
        schemas[name] = one | said  # what its fields are called is the user's own
    for name in ("RawCompany", "FlatFeatures"):
        schemas.setdefault(name, {"type": "object", "description": "No version is served."})
    for path, operations in document["paths"].items():
        for operation in operations.values():
            # FastAPI describes its own form of error for every parameter; ours are problem documents.
            if "HTTPValidationError" in str(operation["responses"].get("422", "")):
                operation["responses"]["422"] = problems(422)[422]
            if with_keys and path not in ALWAYS_ANSWERED:
                operation["security"] = [{"bearer": []}, {"header": []}]
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    if with_keys:
        document["components"]["securitySchemes"] = {
            "bearer": {"type": "http", "scheme": "bearer"},
            "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
        }
    return document
