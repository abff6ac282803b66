"""A small world whose parts a test may change: companies, their usage, the days on which they paid."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ml_sys.data.schema import NEVER_BEGAN, NEVER_CLOSED
from ml_sys.data.snapshot import Snapshot
from ml_sys.days import WEEKLY
from ml_sys.features.rules import rule_names
from ml_sys.model.calibration import Calibrator
from ml_sys.model.split import Source, rolling, training_part
from ml_sys.model.threshold import Tiers
from ml_sys.model.train import FittedModel, fit_model
from ml_sys.settings import Settings
from ml_sys.settings.description import SchemaSettings, default_form
from tests.data.tables import MEASURES

MOST_ACTIONS, MOST_USERS = rule_names(default_form(), WEEKLY)
MONDAY = 17_903  # 2019-01-07
WEEKS, COMPANIES, PERIOD, HORIZON = 60, 300, 7, 30
CUTOFF = MONDAY + 7 * 42
QUICK: dict[str, Any] = {
    "features": {"windows_days": [7, 28]},
    "panel": {"step_days": 28, "max_cutoffs": 6},
    "split": {"validation_folds": 2, "holdout_cutoffs": 2},
    "resample": {"sampling_strategy": 0.2},
    "model": {
        "max_trees": 12,
        "early_stopping_rounds": 5,
        "params": {"learning_rate": 0.2, "min_child_weight": 1.0},
    },
    "bootstrap": {"resamples": 30},
    "report": {"backtest": False, "resampling": False, "seeds": 0},
    "threads": 1,
}


def settings(**changes: Any) -> Settings:
    """Quick settings; a group given replaces keys of that group."""
    merged = {
        name: {**group, **changes.pop(name, {})} if isinstance(group, dict) else changes.pop(name, group)
        for name, group in QUICK.items()
    }
    return Settings.model_validate({**merged, **changes})


def small_world(seed: int = 3, companies: int = COMPANIES, weeks: int = WEEKS) -> Snapshot:
    """Busy companies pay more often, and use more in the weeks around it."""
    rng = np.random.default_rng(seed)
    activity = rng.gamma(1.0, 2.0, companies)
    joined = rng.integers(0, weeks // 2, companies)
    pays = rng.random(companies) < 0.35 * activity / (1 + activity)
    closed = np.where(
        pays, MONDAY + rng.integers(60, 7 * weeks - 1, companies), NEVER_CLOSED
    ).astype(np.int32)  # fmt: skip
    present = (rng.random((companies, weeks)) < 0.8) & (np.arange(weeks) >= joined[:, None])
    company, week = np.nonzero(present)
    about_to_pay = np.abs(closed[company].astype(np.int64) - MONDAY - 7 * week - 14) < 28
    mean = (activity[company] * (1 + 3 * about_to_pay))[:, None] * np.linspace(0.2, 1.6, len(MEASURES))
    counts = rng.poisson(mean) * (rng.random((company.size, 1)) < 0.7)
    frame = pd.DataFrame(
        {
            "id": [f"c{i:04d}" for i in range(companies)],
            "alexa_rank": rng.choice([np.inf, np.nan, 1200.0, 85_000.0, 3_000_000.0], companies),
            "employee_range": rng.choice(
                np.array(["1", "2 to 5", "10,001 or more", None], dtype=object), companies
            ),
            "industry": rng.choice(
                np.array(["COMPUTER_SOFTWARE", "Technology - Software", "Retail", None], dtype=object),
                companies,
            ),
            "value": np.where(pays, rng.normal(500, 200, companies), np.nan),
        }
    )
    return dated(
        Snapshot(
            id="0" * 16,
            path=Path(),
            companies=frame,
            closed=closed,
            usage_company=company.astype(np.int32),
            usage_stamp=(MONDAY + 7 * week).astype(np.int32),
            usage_values=counts.astype(np.int32),
            as_of=0,
            form=SchemaSettings().form(),
            since=np.full(len(closed), NEVER_BEGAN, dtype=np.int32),
        )
    )


def dated(world: Snapshot) -> Snapshot:
    """Take the snapshot's day from what it holds, as ingest does."""
    closed = world.closed[world.closed != NEVER_CLOSED]
    return replace(world, as_of=int(max(closed.max(initial=0), world.usage_stamp.max(initial=0))))


def with_closed(world: Snapshot, closed: NDArray[np.int32]) -> Snapshot:
    """The same world with other closing days."""
    return dated(replace(world, closed=closed.astype(np.int32)))


def with_usage(
    world: Snapshot, company: NDArray[np.integer[Any]], stamp: NDArray[np.integer[Any]], values: NDArray[Any]
) -> Snapshot:
    """The same world with these usage rows instead, in whatever order they come."""
    order = np.lexsort((stamp, company))
    return dated(
        replace(
            world,
            usage_company=company[order].astype(np.int32),
            usage_stamp=stamp[order].astype(np.int32),
            usage_values=values[order].astype(np.int32),
        )
    )


def with_more_usage(world: Snapshot, after: int, rng: np.random.Generator, n: int = 300) -> Snapshot:
    """Append rows that are complete only after a day."""
    extra = np.repeat(rng.integers(0, len(world.companies), n // 3), 3)
    stamp = after - PERIOD + rng.integers(1, 200, extra.size)
    return with_usage(
        world,
        np.concatenate([world.usage_company, extra]),
        np.concatenate([world.usage_stamp, stamp]),
        np.concatenate([world.usage_values, rng.integers(0, 500, (extra.size, len(MEASURES)))]),
    )


def renumbered(world: Snapshot, order: NDArray[np.intp]) -> Snapshot:
    """Give company ``order[i]`` the id and the place of company i."""
    place = np.argsort(order)
    companies = world.companies.iloc[order].reset_index(drop=True).assign(id=world.companies["id"])
    moved = replace(world, companies=companies, closed=world.closed[order])
    return with_usage(moved, place[world.usage_company], world.usage_stamp, world.usage_values)


@dataclass(frozen=True)
class Fingerprint:
    """Everything that was fitted, to be compared bit for bit."""

    booster: bytes
    encoder: bytes
    levels: tuple[tuple[str, ...], ...]
    calibrator: Calibrator
    threshold: float
    tiers: Tiers


def fingerprint(model: FittedModel) -> Fingerprint:
    """Take the fitted parts out of a model."""
    encoder = model.pipeline["encode"]
    numbers = np.concatenate([encoder.medians_, encoder.centers_, encoder.scales_])
    return Fingerprint(
        bytes(model.pipeline["model"].get_booster().save_raw("ubj")),
        numbers.tobytes(),
        tuple(tuple(levels) for levels in encoder.levels_),
        model.calibrator,
        model.threshold,
        model.tiers,
    )


def fitted_at(
    world: Snapshot, cutoff: int, asked: Settings
) -> tuple[Fingerprint, NDArray[np.float64], NDArray[np.float64]]:
    """Fit to what was mature at a cutoff and score every prospect of that day.

    Returns the fitted parts and, by position of the company, probability and features; NaN for those that had
    closed.
    """
    source = Source.of(world, asked)
    spec = source.spec(asked)
    part = training_part(source, cutoff, spec, asked.panel, asked.seed)
    model, _ = fit_model(part.train, part.validation, spec, asked)
    panel = rolling(source, np.array([cutoff], dtype=np.int32), spec)
    probability = np.full(len(world.companies), np.nan)
    probability[panel.company] = model.probabilities(panel.features)
    numbers = panel.features.drop(columns=spec.categories()).to_numpy(np.float64)
    features = np.full((len(world.companies), numbers.shape[1]), np.nan)
    features[panel.company] = numbers
    return fingerprint(model), probability, features
