"""Settings of the ranked list, its store, the experiment inside it, and what is counted of its effect."""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, NonNegativeInt, PositiveInt, field_validator

from ml_sys.settings.base import Frozen, Share, Where, without_password


class ScoreSettings(Frozen):
    """The ranked list."""

    top: PositiveInt = Field(20, description="Rows shown when no output file is named.")
    reasons: NonNegativeInt = Field(
        0, description="Number of reasons given for each entity at the top of the list."
    )
    reasons_top: NonNegativeInt = Field(
        0, description="How many entities get reasons; 0 takes as many as the capacity."
    )
    cooldown_weeks: NonNegativeInt = Field(
        0,
        description="Weeks for which an entity that was to be called is put behind all others; 0 for none.",
    )
    hand_out: bool = Field(
        False, description="Record every list as handed out; later lists know only of recorded ones."
    )
    exclude: Where = Field(
        "",
        description="File with an id column of entities that are taken out of lists, such as competitors.",
    )
    stale_days: PositiveInt = Field(
        14, description="Warn if usage ends more than this many days before the cutoff."
    )


class StoreSettings(Frozen):
    """The database of lists that were handed out and of predictions."""

    url: str = Field(
        "",
        description="PostgreSQL, as postgresql://USER@HOST/DATABASE; empty takes outcomes.sqlite in the "
        "artifacts folder.",
    )
    entries: PositiveInt = Field(
        20_000, description="Entities of a list that are recorded: the first, and all that are drawn."
    )

    @field_validator("url")
    @classmethod
    def _is_an_address(cls, url: str) -> str:
        if not url:
            return url
        parts = urlsplit(url)
        if parts.scheme not in {"postgresql", "postgres"} or not parts.path.strip("/"):
            raise ValueError("write postgresql://USER@HOST/DATABASE")
        return without_password(url)


class ExperimentSettings(Frozen):
    """The experiment inside the lists that are handed out."""

    design: Literal["none", "lottery", "holdout"] = Field(
        "none",
        description="'lottery': draw whom to call at the margin of the list; 'holdout': never call a share.",
    )
    pool: Annotated[float, Field(gt=1)] = Field(
        2.0, description="For 'lottery': entities that take part, as a multiple of the capacity."
    )
    certain_share: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.0, description="For 'lottery': share of the capacity that is always called, from the top."
    )
    wait_weeks: NonNegativeInt = Field(
        0, description="Weeks for which an entity in one pool stays out of others; 0 takes the horizon."
    )
    share: Share = Field(0.1, description="For 'holdout': share of the entities that is not called.")
    hold_weeks: PositiveInt = Field(
        26, description="For 'holdout': weeks after which other entities are held out instead."
    )


class WeeklySettings(Frozen):
    """What `mlsys weekly` does beside its steps."""

    stop_on_alarm: bool = Field(
        False, description="Hand out no list, and train nothing, while an alarm of the monitor rings."
    )
    wait_seconds: NonNegativeInt = Field(
        3600, description="Seconds that a second `mlsys weekly` waits for the first one."
    )


class ImpactSettings(Frozen):
    """What `mlsys impact` counts."""

    grace_days: NonNegativeInt = Field(
        7, description="Days after a list's window for conversions that are recorded late."
    )
