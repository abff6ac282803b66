"""What every group of settings is, and types that several share."""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

Share = Annotated[float, Field(gt=0, lt=1)]
Ratio = Annotated[float, Field(gt=0, le=1)]
ImportPath = Annotated[str, Field(pattern=r"^[\w.]+:\w+$")]
# Two letters at least, so that a drive of Windows is none.
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)
# A colon before the path that begins no port, as in KEY:SECRET@bucket, and options that hold a secret.
_KEYS = re.compile(
    r"[^/?]*://[^/?@:\[]*:(?!\d*([/?]|$))|.*[?&](sig|[^&=]*(secret|password|token|key))=", re.IGNORECASE
)
NO_KEYS = (
    "settings are published with each version: put keys into the environment, as AWS_ACCESS_KEY_ID and "
    "AWS_SECRET_ACCESS_KEY"
)
KeyDigest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]


class Frozen(BaseModel):
    """A group of settings: immutable, no unknown keys, defaults checked as well."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False)


def without_password(address: str) -> str:
    """Return the address of a database, unless it holds a password: settings go into each version's files.

    Raises
    ------
    ValueError
        If it does.
    """
    parts = urlsplit(address)
    if parts.password is not None or "password=" in parts.query:
        raise ValueError(
            "settings are published with each version: put the password into PGPASSWORD or ~/.pgpass"
        )
    return address


def is_address(where: str) -> bool:
    """Return whether a place is an address, such as ``s3://bucket/key``, rather than a path or a query."""
    return bool(_ADDRESS.match(where))


def without_keys(where: str) -> str:
    """Return a place, unless it is an address that holds keys: settings go into each version's files.

    Raises
    ------
    ValueError
        If it does.
    """
    if is_address(where) and _KEYS.match(where):
        raise ValueError(NO_KEYS)
    return where


def _kept(where: str) -> str:  # private, as the manual would name a public one
    return without_keys(where)


Where = Annotated[str, AfterValidator(_kept)]
