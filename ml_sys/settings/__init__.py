"""The one settings tree: what can be set, its default, and one line on what it does.

How flags, environment and a file are read into it is :mod:`ml_sys.settings.loading`'s part.
"""

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
    BLENDED,
    ESTIMATOR_PARAMS,
    XGBOOST,
    XGBOOST_PARAMS,
    CalibrationSettings,
    FeatureSettings,
    LabelSettings,
    ModelSettings,
    PanelSettings,
    ResampleSettings,
    SplitSettings,
    ThresholdSettings,
)
from ml_sys.settings.tree import Settings
