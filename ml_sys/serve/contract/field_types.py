"""Types of request fields: strict about the type of a value, and as lenient as ingest about its content."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field
from pydantic_core import PydanticCustomError, core_schema

from ml_sys.data.checking import scalars
from ml_sys.data.checking.scalars import AMOUNT_LIMIT, Fault

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

_MAX_TEXT = 500
_MAX_STAMP = 100
_MAX_COUNT = 2**31 - 1
# The largest float32.
_MAX_NUMBER = 3.4028234663852886e38


# Companies are stamped on the same days, so nearly every stamp was parsed before.
@lru_cache(maxsize=4096)
def _stamp(text: str, zone: ZoneInfo | None) -> tuple[int, Fault]:
    return scalars.stamp(text, zone)


_MOMENT = "Input should be a date, with or without a time, such as 2020-06-01T00:00:00Z"


def _whole(number: float) -> int:
    if not number.is_integer():
        raise ValueError
    return int(number)


class _Whole:
    """A whole number in either spelling of JSON, 8 or 8.0, but no text and no bool."""

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> core_schema.CoreSchema:
        number = core_schema.float_schema(ge=0, le=_MAX_COUNT, allow_inf_nan=False, strict=True)
        return core_schema.union_schema(
            [
                core_schema.int_schema(ge=0, le=_MAX_COUNT, strict=True),
                core_schema.no_info_after_validator_function(_whole, number),
            ],
            mode="left_to_right",
            custom_error_type="count",
            custom_error_message=f"Input should be a whole number from 0 to {_MAX_COUNT}",
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, _schema: Any, _handler: Any) -> dict[str, Any]:
        return {"type": "integer", "minimum": 0, "maximum": _MAX_COUNT}


def amount(digits: int) -> Any:
    """Return the type of an amount with this many decimals."""
    return Annotated[float, Field(ge=0, le=AMOUNT_LIMIT / 10**digits)]


def moment(zone: ZoneInfo | None) -> Any:
    """Return the type of a moment whose day is that of a time zone, by default UTC."""
    return Annotated[int | None, _Moment(zone)]


def _microseconds(text: str, zone: ZoneInfo | None) -> int | None:
    """Read a stamp as ingest does, in microseconds since 1970-01-01; None if it is out of range."""
    microseconds, fault = _stamp(text, zone)
    if fault in {Fault.NONE, Fault.OUT_OF_TIME}:
        return None if fault else microseconds
    raise PydanticCustomError("moment", _MOMENT)


@dataclass(frozen=True)
class _Moment:
    """A day, or a moment of it, as text; a day is its beginning."""

    zone: ZoneInfo | None

    def __get_pydantic_core_schema__(self, _source: Any, _handler: Any) -> core_schema.CoreSchema:
        text = core_schema.str_schema(strict=True, max_length=_MAX_STAMP)
        return core_schema.no_info_after_validator_function(partial(_microseconds, zone=self.zone), text)

    def __get_pydantic_json_schema__(self, _schema: Any, _handler: Any) -> dict[str, Any]:
        kinds = [{"type": "string", "format": "date"}, {"type": "string", "format": "date-time"}]
        return {"anyOf": kinds}


Count = Annotated[int, _Whole]
Name = Annotated[str, Field(max_length=_MAX_TEXT)]
CompanyId = Annotated[str, Field(min_length=1, max_length=200)]
Number = Annotated[float, Field(ge=-_MAX_NUMBER, le=_MAX_NUMBER)]
NotNegative = Annotated[float, Field(ge=0, le=_MAX_NUMBER)]
