"""Settings of the tables: where they come from, and what a usage row covers."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PositiveInt, field_validator

from ml_sys.days import Period, Unit
from ml_sys.settings.base import Frozen, ImportPath, Where, without_password


class IngestSettings(Frozen):
    """Where the tables come from and how many bad rows are too many."""

    source: Literal["file", "sql"] | ImportPath = Field(
        "file", description="Where tables come from: 'file', 'sql' or package.module:Class."
    )
    files: dict[str, Where] = Field(
        {},
        description="By table: a file or address (for 'sql', table or query) in place of the described one.",
    )
    database: str = Field(
        "",
        description="For 'sql': a DuckDB or SQLite file, a folder of Parquet files, or a PostgreSQL address.",
    )
    max_rejected_share: Annotated[float, Field(ge=0, le=1)] = Field(
        0.05, description="Ingest fails when a larger share of a table is rejected."
    )
    as_of: Annotated[str, Field(pattern=r"^(\d{4}-\d{2}-\d{2})?$")] = Field(
        "",
        description="Day of the export (YYYY-MM-DD); empty takes the end of covered usage.",
    )
    min_coverage: Annotated[float, Field(ge=0, le=1)] = Field(
        0.5,
        description="A period is covered when this share of the entities that usually report do so in it.",
    )

    @field_validator("database")
    @classmethod
    def _holds_no_password(cls, database: str) -> str:
        return without_password(database) if "://" in database else database


class UsageSettings(Frozen):
    """What one usage row covers."""

    period: Unit | PositiveInt = Field(
        "week",
        description="What one usage row covers: 'day', 'week', 'month', or a number of days such as 14.",
    )
    stamp: Literal["start", "end"] = Field(
        "start", description="Whether a row is stamped at its period's start or end."
    )

    @property
    def row_period(self) -> Period:
        """The period that one usage row covers."""
        if isinstance(self.period, int):
            return Period.of_days(self.period, self.stamp)
        return Period(self.period, stamp=self.stamp)
