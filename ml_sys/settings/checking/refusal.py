"""What is said of a value that the settings refuse: the key, what is wrong with it, and what is allowed."""

from __future__ import annotations

from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from ml_sys.errors import SettingsError, nearest
from ml_sys.settings.attributes import KINDS as ATTRIBUTE_KINDS
from ml_sys.settings.base import NO_KEYS
from ml_sys.settings.checking.xgboost_params import SET_ELSEWHERE, XGBoostParams
from ml_sys.settings.tables import KINDS as TABLE_KINDS
from ml_sys.settings.tree import PARAMS_KEY, Settings, leaves

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic_core import ErrorDetails

# A key that was taken for its digest must not be shown.
_SECRET = frozenset({"serve.api_keys", "ingest.database"})
_FOUND_BY_PYDANTIC = "Value error, "
_DEFAULT_ORIGIN = "default"


def setting_of(location: Sequence[Any]) -> str:
    """Return the dotted key of the setting that a pydantic error is about."""
    fields, parts = dict(leaves()), [str(part) for part in location[1:]]
    paths = (".".join(parts[:n]) for n in range(len(parts), 0, -1))
    return next((path for path in paths if path in fields), ".".join(parts))


def refused(first: ErrorDetails, value: Any, place: str, key: str) -> SettingsError:
    """Return the error that says what is wrong.

    Parameters
    ----------
    first : dict
        An error of pydantic.
    value : Any
        Of the setting, as its highest layer has it.
    place : str
        Where that is.
    key : str
        Of the setting.
    """
    parts, below = [str(part) for part in first["loc"][1:]], key.count(".") + 1
    if key == PARAMS_KEY and len(parts) > below:
        return _bad_param(place, parts[below], first["type"], first["msg"], first["input"])
    if parts[0] == "schema" and (len(parts) > below or key == "schema"):
        return _bad_description(first, place, parts)
    if place == _DEFAULT_ORIGIN:
        value = first["input"]
    is_secret = key in _SECRET or str(first.get("ctx", {}).get("error", "")) == NO_KEYS
    said = _message(first) + ("" if is_secret else f", got {value!r}")
    return SettingsError(place, key, said, hint=dict(leaves())[key].description or "")


def _message(first: ErrorDetails) -> str:
    said = first["msg"].removeprefix(_FOUND_BY_PYDANTIC)
    return f"{said[0].lower()}{said[1:]}"


def _bad_description(first: ErrorDetails, place: str, parts: list[str]) -> SettingsError:
    """Say what is wrong within a description, by the path of keys that a settings file has."""
    model, keys = _walk(Settings, parts)
    path, kind, context = ".".join(keys), first["type"], first.get("ctx", {})
    if kind == "extra_forbidden":
        allowed = list(model.model_fields) if isinstance(model, type) and issubclass(model, BaseModel) else []
        near = nearest(keys[-1], allowed)
        hint = f"did you mean {near}?" if near else f"allowed: {', '.join(allowed)}"
        return SettingsError(place, path, "is not a key of a description", hint=hint)
    if kind == "missing":
        return SettingsError(place, path, "is missing", hint=_told(model, keys[-1]))
    if kind == "union_tag_not_found":
        kinds = ATTRIBUTE_KINDS if keys[1] == "attributes" else TABLE_KINDS
        return SettingsError(place, f"{path}.kind", "is missing", hint=f"allowed: {', '.join(kinds)}")
    if kind in {"union_tag_invalid", "literal_error"}:
        tag = "expected_tags" if kind == "union_tag_invalid" else "expected"
        choices = [one.strip(" '") for one in str(context[tag]).replace(" or ", ", ").split(",")]
        given = context["tag"] if kind == "union_tag_invalid" else first["input"]
        near = nearest(str(given), choices)
        hint = (f"did you mean {near}? " if near else "") + f"allowed: {', '.join(choices)}"
        where = f"{path}.kind" if kind == "union_tag_invalid" else path
        return SettingsError(place, where, f"{given!r} is not allowed", hint=hint)
    if kind == "value_error":
        return SettingsError(place, path, _message(first), hint="see the page on data in the manual")
    return SettingsError(
        place, path, f"{_message(first)}, got {first['input']!r}", hint=_told(model, keys[-1])
    )


def _walk(model: Any, parts: list[str]) -> tuple[Any, list[str]]:
    """Return the model that the last part is a key of, and the parts that a settings file has.

    Pydantic puts the kind of a table or an attribute into the path, and marks a bad key of a table.
    """
    keys: list[str] = []
    at, owner = model, model
    for part in parts:
        at = _bare(at)
        members = [one for one in get_args(at) if isinstance(one, type) and issubclass(one, BaseModel)]
        if get_origin(at) in {Union, UnionType} and members:
            chosen = [one for one in members if _kind(one) == part]
            if chosen:
                at = chosen[0]
                continue
            at = members[0]
        if part == "[key]":
            continue
        keys.append(part)
        owner = at
        if isinstance(at, type) and issubclass(at, BaseModel):
            named = {field.alias or name: field.annotation for name, field in at.model_fields.items()}
            at = named.get(part)
        else:
            at = next(iter(get_args(at)[1:]), None)
    return owner, keys


def _bare(kind: Any) -> Any:
    return get_args(kind)[0] if get_origin(kind) is Annotated else kind


def _kind(model: type[BaseModel]) -> str:
    field = model.model_fields.get("kind")
    literal = field is not None and get_origin(field.annotation) is Literal
    return str(get_args(field.annotation)[0]) if literal and field is not None else ""


def _told(model: Any, name: str) -> str:
    fields = model.model_fields if isinstance(model, type) and issubclass(model, BaseModel) else {}
    return (fields[name].description or "") if name in fields else "see the page on data in the manual"


def _bad_param(place: str, name: str, kind: str, message: str, value: Any) -> SettingsError:
    """Say what is wrong with one parameter of XGBoost."""
    if name in SET_ELSEWHERE:
        said, hint = "is not a parameter to set here", SET_ELSEWHERE[name]
    elif kind == "extra_forbidden":
        near = nearest(name, XGBoostParams.model_fields)
        said = "is not a parameter of XGBClassifier"
        hint = f"did you mean {near}?" if near else "see the parameters of XGBClassifier"
    else:
        said = f"{message[0].lower()}{message[1:]}, got {value!r}"
        hint = "see the parameters of XGBClassifier"
    return SettingsError(place, f"{PARAMS_KEY}.{name}", said, hint=hint)
