"""The service's requests; the flat form is built from the served model's feature schema.

Requests are read straight from the bytes of their body, with strict types: text is not accepted for a number,
nor a number for a date, and an unknown field is refused with the nearest known one. Values of the right type
are treated as at ingest: what would be blanked or set aside there is blanked or set aside here, and reported.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import (
    BaseModel,
    TypeAdapter,
    ValidationError,
)
from pydantic_core import from_json, to_json

from ml_sys.errors import nearest
from ml_sys.features.attributes import BLANK_INPUT, UNSEEN_INPUT, telling_blanks
from ml_sys.serve.contract.examples import NO_LEVELS
from ml_sys.serve.contract.request_types import (
    AS_OF,
    ID,
    MAX_ROWS,
    flat_type,
    raw_type,
    request_type,
    row_type,
)

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping, Sequence

    from ml_sys.features.compute import FeatureSpec

MAX_REASONS = 20
_MAX_ERRORS = 50
# Looking for the nearest name takes milliseconds, so one request may not ask for many.
_MAX_SUGGESTIONS = 3
_MAX_NAME = 100


class RequestError(Exception):
    """An invalid request; ``errors`` names each field, ``status`` is the HTTP status."""

    def __init__(self, errors: list[dict[str, str]], status: int = 422) -> None:
        super().__init__("the request does not fit")
        self.errors = errors
        self.status = status


class NoJsonError(RequestError):
    """A request that is not valid JSON."""


@dataclass(frozen=True)
class Contract:
    """Reads the requests of models with these features.

    Attributes
    ----------
    names : tuple of str
        Its features, in order.
    categories : tuple of (int, str)
        Position and name of the features that are text.
    told : tuple of (int, str, str)
        For each attribute: the position of its feature, and how a blank and an unknown text are logged.
    flat : TypeAdapter
        Ready features.
    raw : tuple of str
        Fields of a raw company.
    rows : dict of str to tuple of str
        Fields of the rows of each usage table.
    either : TypeAdapter
        Ready features, or a raw company.
    schema : dict
        JSON schemas by name: ``RawCompany``, ``FlatFeatures`` and what they refer to.
    """

    spec: FeatureSpec
    names: tuple[str, ...]
    categories: tuple[tuple[int, str], ...]
    told: tuple[tuple[int, str, str], ...]
    raw: tuple[str, ...]
    rows: dict[str, tuple[str, ...]]
    flat: TypeAdapter[Any]
    either: TypeAdapter[Any]
    schema: dict[str, Any]

    @classmethod
    def of(cls, spec: FeatureSpec, levels: Mapping[str, str] = NO_LEVELS) -> Contract:
        """Build the contract of a feature specification.

        Parameters
        ----------
        levels : mapping of str to str
            For each category, a value to use in examples.

        Raises
        ------
        SettingsError
            If a feature is called ``id`` or ``as_of``.
        """
        either = TypeAdapter(request_type(spec, levels))
        schema = either.json_schema(ref_template="#/components/schemas/{model}")["$defs"]
        names = tuple(spec.names())
        categories = tuple((names.index(name), name) for name in spec.categories())
        told = tuple(
            (names.index(name), BLANK_INPUT.format(one), UNSEEN_INPUT.format(one))
            for one, name in telling_blanks(spec.form.attributes, names).items()
        )
        rows = {one.name: tuple(row_type(one, spec.form).model_fields) for one in spec.form.tables}
        raw = tuple(raw_type(spec).model_fields)
        flat = TypeAdapter(flat_type(spec, levels))
        return cls(spec, names, categories, told, raw, rows, flat, either, schema)

    def one(self, body: bytes, *, suggest: bool = True) -> BaseModel:
        """Read one company.

        Parameters
        ----------
        suggest : bool
            Whether to name the nearest field for an unknown one.

        Raises
        ------
        RequestError
            If it does not fit the schema.
        NoJsonError
            If it is not valid JSON.
        """
        # A raw company is recognised by its as_of; if this text is not in the body, plain or escaped, it is
        # not one.
        adapter = self.either if b'"as_of"' in body or b"\\u" in body else self.flat
        if body.count(b":") > len(self.names) + _MAX_ERRORS:
            body = self._bounded(body)
        try:
            request: BaseModel = adapter.validate_json(body)
        except ValidationError as error:
            if error.error_count() == 1 and error.errors()[0]["type"] == "json_invalid":
                raise NoJsonError(self._errors(error, suggest)) from None
            raise RequestError(self._errors(error, suggest)) from None
        return request

    def many(
        self, parts: Sequence[bytes], max_bytes: int, *, suggest: bool = True
    ) -> list[BaseModel | RequestError]:
        """Read some companies of a batch; each is what :meth:`one` returns, or the error it would raise.

        Raises
        ------
        RequestError
            If one is not valid JSON, and so the whole body is not.
        """
        return [self._tried(part, max_bytes, suggest) for part in parts]

    def _tried(self, part: bytes, max_bytes: int, suggest: bool) -> BaseModel | RequestError:
        if len(part) > max_bytes:
            return RequestError([{"field": "body", "problem": f"has more than {max_bytes} bytes"}])
        try:
            return self.one(part, suggest=suggest)
        except NoJsonError:
            raise
        except RequestError as error:
            return error

    def _bounded(self, body: bytes) -> bytes:
        """Drop unknown fields beyond those that will be shown, since each costs an error."""
        try:
            content = from_json(body)
        except ValueError:
            return body  # which validation says better, and as quickly
        if not isinstance(content, dict):
            return body
        raw = AS_OF in content
        bounded = _cut(content, self.raw if raw else {ID, *self.names})
        for table, fields in self.rows.items() if raw else ():
            rows = content.get(table)
            if isinstance(rows, list):
                bounded[table] = [
                    _cut(row, fields) if isinstance(row, dict) else row for row in rows[: MAX_ROWS + 1]
                ]
        return body if bounded == content else to_json(bounded)

    def _errors(self, error: ValidationError, suggest: bool) -> list[dict[str, str]]:
        """Name each invalid field; its location begins with the kind of request if that was looked at."""
        found = error.errors(include_url=False, include_context=False, include_input=False)
        most = _MAX_SUGGESTIONS if suggest else 0
        shown = [self._plain(one, at < most) for at, one in enumerate(found[:_MAX_ERRORS])]
        if len(found) > _MAX_ERRORS:
            shown.append({"field": "body", "problem": "has more invalid fields"})
        return shown

    def _plain(self, one: Any, suggest: bool) -> dict[str, str]:
        kind, place = one["type"], [str(part)[:_MAX_NAME] for part in one["loc"]]
        raw = place[:1] == ["raw"]
        place = place[1:] if place[:1] in (["raw"], ["flat"]) else place
        if kind == "extra_forbidden":
            fields = self.rows.get(place[0], ()) if len(place) > 1 else self.raw
            known = fields if raw else self.names
            return _unknown(".".join(place), known if suggest else ())
        problem = f"has more than {MAX_ROWS:,} rows" if kind == "too_long" else one["msg"]
        return {"field": ".".join(place) or "body", "problem": problem}


def unknown_fields(names: Sequence[str]) -> list[dict[str, str]]:
    """Return errors for the first few unknown fields."""
    return [_unknown(name[:_MAX_NAME], ()) for name in names[:_MAX_ERRORS]]


def _cut(content: dict[str, Any], known: Container[str]) -> dict[str, Any]:
    """Drop unknown fields beyond those that will be shown."""
    unknown = [name for name in content if name not in known]
    dropped = set(unknown[_MAX_ERRORS + 1 :])
    return (
        {name: value for name, value in content.items() if name not in dropped} if dropped else dict(content)
    )


def _unknown(field: str, known: Iterable[str]) -> dict[str, str]:
    near = nearest(field.rpartition(".")[2], known)
    return {"field": field, "problem": "is not a field" + (f"; did you mean {near}?" if near else "")}
