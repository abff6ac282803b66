"""What every group of settings is, and types that several share."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(gt=0, lt=1)]
Ratio = Annotated[float, Field(gt=0, le=1)]
ImportPath = Annotated[str, Field(pattern=r"^[\w.]+:\w+$")]
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
