"""Settings of the registry: who may write, which leaks are alarms, and what promotion asks for."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, PositiveFloat, PositiveInt

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


def _limit(default: Any, laxer: Literal["lower", "higher", "other"], description: str) -> Any:
    """Declare a limit of the gate, and which way it is laxer: "other" where either way may be."""
    return Field(default, json_schema_extra={"laxer": laxer}, description=description)


class GateSettings(Frozen):
    """What `promote` asks of a version; each limit says which way it is laxer."""

    primary_metric: Literal["average_precision", "roc_auc"] = _limit(
        "average_precision", "other", "Metric by which champion and challenger are compared."
    )
    tolerance: Annotated[float, Field(ge=0, lt=1)] = _limit(
        0.1, "higher", "How far below the champion's metric a challenger may lie, as a share of its worth."
    )
    max_probability_worse: Share = _limit(
        0.5, "higher", "Refuse when being worse by more than the tolerance is more probable than this."
    )
    resamples: Annotated[int, Field(ge=100)] = _limit(
        2000, "lower", "Paired bootstrap resamples, clustered by entity; 100 at least."
    )
    confidence: Share = _limit(0.95, "other", "Confidence of the gate's intervals.")
    min_lift: Annotated[float, Field(ge=1)] = _limit(
        3.0, "lower", "The interval of average precision must lie above this many times the prevalence."
    )
    min_positives: PositiveInt = _limit(
        10, "lower", "Entities that must convert in a holdout before a version can be judged."
    )
    max_calibration_error: PositiveFloat = _limit(
        0.65, "higher", "Largest calibration error, as a share of the prevalence; a clear excess is refused."
    )
    max_calibration_ratio: Annotated[float, Field(gt=1)] = _limit(
        1.5, "higher", "Factor by which predicted over observed may be off; a clear excess is refused."
    )
    require_rule: bool = _limit(
        True, "lower", "Refuse a version that is not as good as the best simple rule; if off, only report it."
    )
    rule_converters: PositiveInt = _limit(
        30,
        "higher",
        "Entities that must convert in a holdout before a version is compared with simple rules.",
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
