"""A table that was looked at, with what its columns hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ml_sys.data.looking.columns import SeenColumn
    from ml_sys.data.looking.sniffing import Sniffed


@dataclass(frozen=True)
class Looked:
    """A table that was looked at, with what its columns hold."""

    table: Sniffed
    columns: Mapping[str, SeenColumn]

    @property
    def name(self) -> str:
        """Name of the table."""
        return self.table.name

    def dates(self) -> list[SeenColumn]:
        """Return the columns of dates."""
        return [one for one in self.columns.values() if one.looks == "date"]
