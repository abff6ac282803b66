"""Settings of the registry: who may write, which leaks are alarms, and what promotion asks for."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, JsonValue, PositiveFloat, PositiveInt

from ml_sys.settings.base import Frozen, Share


class RegistrySettings(Frozen):
    """Who may write versions, and whose signature they need."""

    signing_key: str = Field(
        "",
        description="Private Ed25519 key file that new versions are signed with; unsigned ones are not used.",
    )
    trusted_keys: tuple[str, ...] = Field(
        (), description="Public key files; with any, a version signed by none of them is not used."
    )
    actor: str = Field("", description="Who the audit trail names; empty takes the user and the host.")
    lock_timeout_seconds: PositiveFloat = Field(
        60.0, description="How long a command waits for another one that writes the registry."
    )


class CanarySettings(Frozen):
    """When a leak canary of `train` fails; a failed one blocks promotion."""

    max_column_auc: Annotated[float, Field(gt=0.5, le=1)] = Field(
        0.99, description="A single column that separates converters better (ROC-AUC) is a leak."
    )
    max_column_precision: Share = Field(
        0.5,
        description="A single column of higher average precision, counted from the base rate, is a leak.",
    )
    allowed: tuple[str, ...] = Field(
        (), description="Columns, or 'id', that may separate this well because you know why."
    )


LAXER_WHEN_LOWER: dict[str, JsonValue] = {"laxer": "lower"}
LAXER_WHEN_HIGHER: dict[str, JsonValue] = {"laxer": "higher"}
# One that some criterion is stricter with, and another laxer.
LAXER_WHEN_OTHER: dict[str, JsonValue] = {"laxer": "other"}


class GateSettings(Frozen):
    """What `promote` asks of a version; each limit says which way it is laxer."""

    primary_metric: Literal["average_precision", "roc_auc"] = Field(
        "average_precision",
        json_schema_extra=LAXER_WHEN_OTHER,
        description="Metric by which champion and challenger are compared.",
    )
    tolerance: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.1,
        json_schema_extra=LAXER_WHEN_HIGHER,
        description="How far below the champion's metric a challenger may lie, as a share of its worth.",
    )
    max_probability_worse: Share = Field(
        0.5,
        json_schema_extra=LAXER_WHEN_HIGHER,
        description="Refuse when being worse by more than the tolerance is more probable than this.",
    )
    resamples: Annotated[int, Field(ge=100)] = Field(
        2000,
        json_schema_extra=LAXER_WHEN_LOWER,
        description="Paired bootstrap resamples, clustered by entity; 100 at least.",
    )
    confidence: Share = Field(
        0.95, json_schema_extra=LAXER_WHEN_OTHER, description="Confidence of the gate's intervals."
    )
    min_lift: Annotated[float, Field(ge=1)] = Field(
        3.0,
        json_schema_extra=LAXER_WHEN_LOWER,
        description="The interval of average precision must lie above this many times the prevalence.",
    )
    min_positives: PositiveInt = Field(
        10,
        json_schema_extra=LAXER_WHEN_LOWER,
        description="Entities that must convert in a holdout before a version can be judged.",
    )
    max_calibration_error: PositiveFloat = Field(
        0.65,
        json_schema_extra=LAXER_WHEN_HIGHER,
        description="Largest calibration error, as a share of the prevalence; a clear excess is refused.",
    )
    max_calibration_ratio: Annotated[float, Field(gt=1)] = Field(
        1.5,
        json_schema_extra=LAXER_WHEN_HIGHER,
        description="Factor by which predicted over observed may be off; a clear excess is refused.",
    )
    require_rule: bool = Field(
        True,
        json_schema_extra=LAXER_WHEN_LOWER,
        description="Refuse a version that is not as good as the best simple rule; if off, only report it.",
    )
    rule_converters: PositiveInt = Field(
        30,
        json_schema_extra=LAXER_WHEN_HIGHER,
        description="Entities that must convert in a holdout before a version is compared with simple rules.",
    )

    def laxer_than(self, standard: GateSettings) -> dict[str, tuple[Any, Any]]:
        """Return the limits that may let through what another's would not: each value, and the other's."""
        found = {}
        for name, field in type(self).model_fields.items():
            ours, theirs = getattr(self, name), getattr(standard, name)
            said = field.json_schema_extra
            if not isinstance(said, dict):
                raise TypeError(f"gate.{name} does not say when it is laxer")
            when = {"lower": ours < theirs, "higher": ours > theirs, "other": ours != theirs}
            if when[str(said["laxer"])]:
                found[name] = (ours, theirs)
        return found
