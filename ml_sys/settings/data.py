"""Settings of the tables: their columns, where they come from, what a usage row stands for."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PositiveInt

from ml_sys.days import Period, Unit
from ml_sys.settings.base import Frozen, ImportPath


class SchemaSettings(Frozen):
    """Names of the columns in the three tables."""

    id: str = Field("id", description="Company identifier, in all three tables.")
    closedate: str = Field("CLOSEDATE", description="Day on which the company became a customer.")
    mrr: str = Field("MRR", description="Monthly recurring revenue of a customer; reported, never a feature.")
    alexa_rank: str = Field("ALEXA_RANK", description="Traffic rank of the company's site.")
    employee_range: str = Field("EMPLOYEE_RANGE", description='Number of employees as text, e.g. "11 to 25".')
    industry: str = Field("INDUSTRY", description="Industry, free-form, often blank.")
    when_timestamp: str = Field(
        "WHEN_TIMESTAMP", description="Start (or end) of the period that a usage row covers."
    )
    actions_crm_contacts: str = Field(
        "ACTIONS_CRM_CONTACTS", description="Actions on contacts in the period."
    )
    actions_crm_companies: str = Field(
        "ACTIONS_CRM_COMPANIES", description="Actions on companies in the period."
    )
    actions_crm_deals: str = Field("ACTIONS_CRM_DEALS", description="Actions on deals in the period.")
    actions_email: str = Field("ACTIONS_EMAIL", description="Actions on email in the period.")
    users_crm_contacts: str = Field(
        "USERS_CRM_CONTACTS", description="Users who acted on contacts in the period."
    )
    users_crm_companies: str = Field(
        "USERS_CRM_COMPANIES", description="Users who acted on companies in the period."
    )
    users_crm_deals: str = Field("USERS_CRM_DEALS", description="Users who acted on deals in the period.")
    users_email: str = Field("USERS_EMAIL", description="Users who acted on email in the period.")
    unranked: PositiveInt = Field(16_000_001, description="Value of the rank that means unranked.")


class IngestSettings(Frozen):
    """Where the tables come from and how many bad rows are too many."""

    source: Literal["file", "sql"] | ImportPath = Field(
        "file", description="Where tables come from: 'file', 'sql' or package.module:Class."
    )
    customers: str = Field("customers.csv", description="File of the customers, or table or query for 'sql'.")
    noncustomers: str = Field(
        "noncustomers.csv", description="File of the noncustomers, or table or query for 'sql'."
    )
    usage: str = Field(
        "usage_actions.csv", description="File of the usage rows, or table or query for 'sql'."
    )
    database: str = Field("", description="For 'sql': a DuckDB file or a folder of Parquet files.")
    max_rejected_share: Annotated[float, Field(ge=0, le=1)] = Field(
        0.05, description="Ingest fails when a larger share of a table is rejected."
    )
    as_of: Annotated[str, Field(pattern=r"^(\d{4}-\d{2}-\d{2})?$")] = Field(
        "",
        description="Day of the export (YYYY-MM-DD); empty takes the end of covered usage.",
    )
    min_coverage: Annotated[float, Field(ge=0, le=1)] = Field(
        0.5, description="A period is covered when this share of the companies that usually do report in it."
    )


class UsageSettings(Frozen):
    """What one usage row stands for."""

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
