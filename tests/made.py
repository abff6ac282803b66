"""Small real things that fixtures make: tables, a snapshot, settings, a version."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

from ml_sys.data.ingest import Origin, Rules, ingest
from ml_sys.data.snapshot import latest
from ml_sys.data.sources import open_source
from ml_sys.jobs.models.train import train_version
from ml_sys.registry.store import Registry
from ml_sys.sample.generator import generate
from ml_sys.settings import BacktestSettings, EngineSettings, ReportSettings, SchemaSettings, Settings

NOW = datetime(2026, 1, 1, tzinfo=UTC)
QUICK = {
    "panel": {"step_days": 28, "max_cutoffs": 26},
    "resample": {"sampling_strategy": 0.005},
    "model": {"max_trees": 40, "early_stopping_rounds": 10, "params": {"learning_rate": 0.1}},
    "bootstrap": {"resamples": 50},
    "report": {"backtest": False, "resampling": False, "seeds": 0},
    "threads": 1,
}


def tables(folder: Path) -> None:
    """Generate enough conversions to learn from, and few enough rows to train in seconds."""
    generate(folder, companies=3000, weeks=70, seed=11)


def snapshot(artifacts: Path, folder: Path, partitions: int = 0) -> None:
    """Ingest a folder of tables into an artifacts folder, in so many parts."""
    ingest(
        Origin(
            open_source("file"),
            SchemaSettings(),
            {
                "customers": str(folder / "customers.csv"),
                "noncustomers": str(folder / "noncustomers.csv"),
                "usage": str(folder / "usage_actions.csv"),
            },
        ),
        Rules(max_rejected_share=0.05),
        artifacts,
        now=NOW,
        partitions=partitions,
    )


def quick_settings(artifacts: Path) -> Settings:
    """Settings under which training takes seconds."""
    return Settings.model_validate({**QUICK, "artifacts_dir": artifacts})


def cheaper(settings: Settings) -> Settings:
    """The same with few features, folds and trees."""
    return settings.model_copy(
        update={
            "features": settings.features.model_copy(update={"windows_days": (28,)}),
            "split": settings.split.model_copy(update={"validation_folds": 2}),
            "model": settings.model.model_copy(update={"max_trees": 16}),
        }
    )


def version(artifacts: Path, ingested: Path, settings: Settings) -> None:
    """Fill an empty artifacts folder with a snapshot and version 1.0.0."""
    shutil.copytree(ingested, artifacts, dirs_exist_ok=True)
    here = settings.model_copy(update={"artifacts_dir": artifacts})
    train_version(Registry(artifacts), latest(artifacts), here, now=NOW)


def several(artifacts: Path, registered: Path, settings: Settings) -> None:
    """Fill an empty artifacts folder with 1.0.0, its copy 1.0.1, a stump, and one without some features."""
    shutil.copytree(registered, artifacts, dirs_exist_ok=True)
    registry, here = Registry(artifacts), settings.model_copy(update={"artifacts_dir": artifacts})
    stump = here.model.model_copy(update={"params": {**here.model.params, "max_depth": 1}, "max_trees": 1})
    fewer = here.features.model_copy(update={"off": ("windows", "breadth")})
    for changed in ({}, {"model": stump}, {"features": fewer}):
        train_version(registry, latest(artifacts), here.model_copy(update=changed), now=NOW)
    assert list(registry.read().versions) == ["1.0.0", "1.0.1", "1.1.0", "2.0.0"]


def successor(artifacts: Path, registered: Path, settings: Settings) -> None:
    """Fill an empty artifacts folder with a version and its successor, whose report has every part."""
    shutil.copytree(registered, artifacts, dirs_exist_ok=True)
    asked = settings.model_copy(
        update={
            "artifacts_dir": artifacts,
            "seed": 8,
            "report": ReportSettings(backtest=True, resampling=True, seeds=2),
            "backtest": BacktestSettings(lists=5),
            "engine": EngineSettings(workers=1),
        }
    )
    train_version(Registry(artifacts), latest(artifacts), asked, now=NOW, message="Every part. Told apart!")
