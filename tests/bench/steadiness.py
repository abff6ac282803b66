"""Fits on rows that differ in rounding alone: the spread of average precision, and of the top 50.

What a model is worth should not hang on the machine that it was fitted on. Threads add up in another order,
equal rows may come in another order, and features may differ in their last bit. The real tables are taken
where they are at hand, else generated ones.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ml_sys.data.snapshot import Snapshot, latest
from ml_sys.features.panel import Panel
from ml_sys.features.rows import Different, Rows
from ml_sys.metrics.ranking import Outcomes, ranking_metrics
from ml_sys.model.split import Source, split
from ml_sys.model.train import fit_model, spec_from
from ml_sys.sample.generator import generate
from ml_sys.settings import Settings
from tests import made

REAL = Path(__file__).parents[3] / "shared" / "data" / "hubspot"
TOP = 50
# Kind and number: threads, or the seed of what is changed at random.
PERTURBATIONS = (
    ("threads", 2), ("threads", 4), ("order of equal rows", 1), ("order of equal rows", 2),
    *(("last bit of features", seed) for seed in range(1, 7)),
)  # fmt: skip
_SMALLEST = {
    "panel": {"step_days": 28},
    "features": {"windows_days": [28]},
    "split": {"validation_folds": 2},
    "resample": {"sampling_strategy": "none"},
    "model": {"max_trees": 5, "early_stopping_rounds": 2},
}


def main() -> None:
    """Print a line a fit, then the spread."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.steadiness", description=__doc__)
    parser.add_argument(
        "--smallest", action="store_true", help="one fit a kind on few rows, to see that it runs"
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="a setting, as of mlsys"
    )
    asked = parser.parse_args()
    settings = _settings(_SMALLEST if asked.smallest else {}, asked.set)
    with tempfile.TemporaryDirectory() as folder:
        snapshot = _snapshot(Path(folder), real=REAL.is_dir() and not asked.smallest, small=asked.smallest)
    source, spec = Source.of(snapshot, settings), spec_from(settings)
    part, holdout = split(source, spec, settings)
    once = {kind: (kind, number) for kind, number in reversed(PERTURBATIONS)}
    precisions, tops = [], []
    for kind, number in (("as it is", 1), *(once.values() if asked.smallest else PERTURBATIONS)):
        threads = number if kind == "threads" else 1
        train, validation, judged = _perturbed((part.train, part.validation, holdout), kind, number)
        began = time.perf_counter()
        model, report = fit_model(
            train,
            validation,
            spec,
            settings.model_copy(update={"threads": threads}),
            share=source.share_of(validation),
        )
        score = model.probabilities(judged.features)
        seconds = time.perf_counter() - began
        precisions.append(_precision(judged, score))
        tops.append(_tops(judged, score))
        print(
            f"{kind + f' {number}':<24} average precision {precisions[-1]:.4f}, top {TOP} kept "
            f"{_kept(tops[0], tops[-1]):4.0%}, {report.trees or 0} trees, {seconds:.1f} s",
            flush=True,
        )
    print(
        f"spread of average precision: {min(precisions):.4f} to {max(precisions):.4f}, deviation "
        f"{np.std(precisions):.4f}"
    )
    pairs = [_kept(one, other) for at, one in enumerate(tops) for other in tops[:at]]
    print(f"shared top {TOP} of two fits: {np.mean(pairs):.1%} on average, {min(pairs):.1%} at least")


def _settings(base: dict[str, Any], assignments: list[str]) -> Settings:
    from ml_sys.settings.loading import load

    given = load(config_file=None, environment={}, assignments=assignments).settings
    values = given.model_dump(by_alias=True, exclude_unset=True)
    return Settings.model_validate({**base, **values}) if assignments else Settings.model_validate(base)


def _snapshot(folder: Path, *, real: bool, small: bool) -> Snapshot:
    tables = REAL if real else folder
    if not real:
        generate(folder, companies=1500 if small else 5000, weeks=56 if small else 74, seed=11)
    print(f"on {'the real tables' if real else 'generated tables'}, {os.cpu_count()} cores", flush=True)
    made.snapshot(folder, tables)
    return latest(folder)


def _perturbed(panels: tuple[Panel, ...], kind: str, seed: int) -> Iterator[Panel]:
    """Yield the panels with equal rows in another order, or features off by the smallest step there is.

    A panel that stands twice among them stays one.
    """
    done: dict[int, Panel] = {}
    for at, panel in enumerate(panels):
        if id(panel) not in done:
            rng = np.random.default_rng([seed, at])
            change = {"order of equal rows": _reordered, "last bit of features": _nudged}.get(kind)
            done[id(panel)] = panel if change is None else change(panel, rng)
        yield done[id(panel)]


def _reordered(panel: Panel, rng: np.random.Generator) -> Panel:
    """Return the rows with those of a cutoff that are the same, in features and label, in random order."""
    by_content = (panel.label, panel.rows.digests(), panel.cutoff)
    order = np.empty(len(panel), dtype=np.intp)
    order[np.lexsort((np.arange(len(panel)), *by_content))] = np.lexsort(
        (rng.random(len(panel)), *by_content)
    )
    return panel.take(order)


def _nudged(panel: Panel, rng: np.random.Generator) -> Panel:
    """Return the rows with each number that is not whole moved by at most one unit in the last place.

    Equal numbers move alike, as a machine rounds them alike; whole ones are exact on every machine.
    """
    frame = panel.rows.different.frame.copy()
    for name in frame.select_dtypes("floating").columns:
        known, at = np.unique(frame[name].to_numpy(), return_inverse=True)
        towards = rng.choice(np.array([-np.inf, np.inf], dtype=known.dtype), known.size)
        moved = np.nextafter(known, np.where(rng.random(known.size) < 1 / 3, known, towards))
        frame[name] = np.where(known % 1 == 0, known, moved)[at]
    return replace(panel, rows=Rows(Different(frame), panel.rows.which, panel.rows.weight))


def _precision(holdout: Panel, score: np.ndarray) -> float:
    judged = Outcomes(score, holdout.label, holdout.cutoff, holdout.company)
    return float(ranking_metrics(judged, np.ones((1, score.size)))["average_precision"][0])


def _tops(holdout: Panel, score: np.ndarray) -> set[tuple[int, int]]:
    """Return the companies at the top of each list."""
    found = set()
    for cutoff in np.unique(holdout.cutoff):
        rows = np.flatnonzero(holdout.cutoff == cutoff)
        first = rows[np.lexsort((holdout.company[rows], -score[rows]))[:TOP]]
        found |= {(int(cutoff), int(company)) for company in holdout.company[first]}
    return found


def _kept(one: set[tuple[int, int]], other: set[tuple[int, int]]) -> float:
    return len(one & other) / len(one)


if __name__ == "__main__":
    main()
