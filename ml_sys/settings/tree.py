"""The one settings tree, and its values by dotted key."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, Field, NonNegativeInt

from ml_sys.settings.attributes import WordSettings
from ml_sys.settings.base import Frozen
from ml_sys.settings.data import IngestSettings, UsageSettings
from ml_sys.settings.description import SchemaSettings
from ml_sys.settings.evaluation import (
    BacktestSettings,
    BootstrapSettings,
    EngineSettings,
    MlflowSettings,
    ReportSettings,
    TuneSettings,
)
from ml_sys.settings.lists import (
    ExperimentSettings,
    ImpactSettings,
    ScoreSettings,
    StoreSettings,
    WeeklySettings,
)
from ml_sys.settings.monitoring import MonitorSettings
from ml_sys.settings.registry import CanarySettings, GateSettings, RegistrySettings
from ml_sys.settings.serving import ServeSettings
from ml_sys.settings.training import (
    CalibrationSettings,
    FeatureSettings,
    LabelSettings,
    ModelSettings,
    PanelSettings,
    ResampleSettings,
    SplitSettings,
    ThresholdSettings,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


# Parameters belong to the estimator that the same layer, or one below it, names.
ESTIMATOR_KEY, PARAMS_KEY = "model.estimator", "model.params"
# The parts of a description that come from a preset where none is given.
DESCRIBED = ("schema.tables", "schema.attributes", "schema.words")
# Groups whose values are told together, as one setting.
_WHOLE = (WordSettings,)


class Settings(Frozen):
    """Everything that can be set."""

    artifacts_dir: Path = Field(Path("artifacts"), description="Folder of snapshots and models.")
    seed: NonNegativeInt = Field(7, description="The seed of everything random.")
    threads: NonNegativeInt = Field(0, description="Threads of the estimator; 0 takes every core.")

    schema_: SchemaSettings = Field(SchemaSettings(), alias="schema", description="What tables mean.")
    ingest: IngestSettings = IngestSettings()
    usage: UsageSettings = UsageSettings()
    label: LabelSettings = LabelSettings()
    panel: PanelSettings = PanelSettings()
    split: SplitSettings = SplitSettings()
    features: FeatureSettings = FeatureSettings()
    resample: ResampleSettings = ResampleSettings()
    model: ModelSettings = ModelSettings()
    calibration: CalibrationSettings = CalibrationSettings()
    threshold: ThresholdSettings = ThresholdSettings()
    bootstrap: BootstrapSettings = BootstrapSettings()
    backtest: BacktestSettings = BacktestSettings()
    engine: EngineSettings = EngineSettings()
    report: ReportSettings = ReportSettings()
    tune: TuneSettings = TuneSettings()
    mlflow: MlflowSettings = MlflowSettings()
    canary: CanarySettings = CanarySettings()
    registry: RegistrySettings = RegistrySettings()
    gate: GateSettings = GateSettings()
    score: ScoreSettings = ScoreSettings()
    store: StoreSettings = StoreSettings()
    experiment: ExperimentSettings = ExperimentSettings()
    impact: ImpactSettings = ImpactSettings()
    monitor: MonitorSettings = MonitorSettings()
    weekly: WeeklySettings = WeeklySettings()
    serve: ServeSettings = ServeSettings()

    def imports(self) -> tuple[str, ...]:
        """Return the import paths that a fit follows: of the estimator, then of features of one's own."""
        return (self.model.estimator, *self.features.extra)


def leaves(model: type[BaseModel] = Settings, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the dotted key and the field of every setting, in the order of the tree."""
    for name, field in model.model_fields.items():
        key = prefix + (field.alias or name)
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel) and kind not in _WHOLE:
            yield from leaves(kind, key + ".")
        else:
            yield key, field


def effective(settings: Settings) -> dict[str, Any]:
    """Return every setting's value as plain data, by dotted key."""
    dumped = nested(settings)
    values: dict[str, Any] = {}
    for key, _ in leaves():
        node: Any = dumped
        for part in key.split("."):
            node = node[part]
        values[key] = node
    return values


def nested(settings: Settings) -> dict[str, Any]:
    """Return the tree as plain data that TOML can hold: of a description only what differs from defaults."""
    plain, schema = settings.model_dump(mode="json", by_alias=True), settings.schema_
    plain["schema"] |= {
        "tables": _said(schema.tables),
        "attributes": _said(schema.attributes),
        "words": schema.words.model_dump(mode="json", exclude_defaults=True),
    }
    return plain


def _said(described: Mapping[str, BaseModel]) -> dict[str, Any]:
    return {name: one.model_dump(mode="json", exclude_defaults=True) for name, one in described.items()}


def entries(settings: Settings) -> dict[str, Any]:
    """Return the same with the estimator's parameters as keys of their own, such as ``model.params.C``."""
    values = effective(settings)
    params = values.pop(PARAMS_KEY)
    return {**values, **{f"{PARAMS_KEY}.{name}": value for name, value in params.items()}}
