"""Settings of what is watched, and of when an alarm rings."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, NonNegativeInt, PositiveInt

from ml_sys.settings.base import Frozen, Share

Factor = Annotated[float, Field(gt=1)]


class MonitorSettings(Frozen):
    """What `mlsys monitor` looks at, and when it rings."""

    alpha: Share = Field(
        0.01, description="If chance plays a part, the adjusted p-value has to be below this as well."
    )
    permutations: Annotated[int, Field(ge=100)] = Field(
        5000, description="Most permutations of entities to compute a p-value from; 100 at least."
    )
    weeks: PositiveInt = Field(4, description="Weeks of usage before a cutoff that are looked at.")
    late_days: NonNegativeInt = Field(
        0, description="Days that usage may take to arrive after its period has ended."
    )
    max_arrival_change: Share = Field(
        0.4,
        description="Rows and reporting entities of the last week may change by this share of the usual.",
    )
    max_volume_change: Share = Field(
        0.25,
        description="Prospects may become fewer by this share, or more by twice as much of the later number.",
    )
    max_lost: Share = Field(
        0.1,
        description="Share of known entities and past usage rows that may go missing.",
    )
    max_rejected_rise: Share = Field(
        0.02, description="How far the share of rows rejected or merged at ingest may rise."
    )
    max_distance: Share = Field(
        0.15, description="Distance (Kolmogorov-Smirnov, Jensen-Shannon) that an input may move."
    )
    max_use_change: Share = Field(
        0.4, description="The share of usage rows with any of a measure may change by this share."
    )
    max_blank_rise: Share = Field(0.05, description="How far the share of blank values may move.")
    max_unseen_rise: Share = Field(
        0.02, description="How far the share of values that the version was not trained on may move."
    )
    max_score_distance: Share = Field(
        0.3, description="Distance (Kolmogorov-Smirnov) that the distribution of probabilities may move."
    )
    max_flattening: Share = Field(
        0.5, description="How much flatter than at the holdout a ranking may be; 1 is flat."
    )
    max_conversion_factor: Factor = Field(
        1.6, description="Conversions may be more, or fewer, than usual or promised by this factor."
    )
    max_model_days: PositiveInt = Field(180, description="Days after which a version's data are too old.")
    challengers: NonNegativeInt = Field(
        3, description="Latest candidates that score the same lists in the shadow of production; 0: none."
    )
    lists: PositiveInt = Field(
        6, description="Latest matured lists that promises and challengers are judged by, a horizon apart."
    )
