"""The promotion gate on 50,000 holdout rows, against scikit-learn's metric computed resample by resample."""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np
from sklearn.metrics import average_precision_score

from ml_sys.registry.gate import Case, Contender, judge
from ml_sys.settings import GateSettings

BUDGET_SECONDS = 10.0
_ROWS, _COMPANIES, _POSITIVES = 50_000, 17_000, 150
# Resamples that the baseline is timed on; the rest is extrapolated, as each costs the same.
_TIMED = 40


def case() -> Case:
    """Return two models of like quality on rows of three cutoffs."""
    rng = np.random.default_rng(1)
    company = np.arange(_ROWS, dtype=np.int32) % _COMPANIES
    logit = rng.normal(size=_ROWS)
    label = np.zeros(_ROWS, dtype=bool)
    label[np.argsort(-(logit + rng.gumbel(size=_ROWS)))[:_POSITIVES]] = True
    scores = [1 / (1 + np.exp(6 - logit - rng.normal(size=_ROWS))) for _ in range(2)]
    scores = [one * _POSITIVES / one.sum() for one in scores]
    return Case(
        Contender("1.1.0", scores[0]),
        Contender("1.0.0", scores[1]),
        label,
        (company * 0 + 18_000).astype(np.int32),
        company,
    )


def naive(of: Case, resamples: int) -> float:
    """Return the seconds that the metric takes for so many draws of companies, for both models."""
    assert of.champion is not None
    rng = np.random.default_rng(2)
    start = time.perf_counter()
    for _ in range(resamples):
        weight = np.bincount(rng.integers(_COMPANIES, size=_COMPANIES), minlength=_COMPANIES)[of.company]
        for contender in (of.challenger, of.champion):
            average_precision_score(of.label, contender.probability, sample_weight=weight)
    return time.perf_counter() - start


def main() -> None:
    """Print both times and the peak memory."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smallest", action="store_true", help="few resamples, to see that it runs")
    smallest = parser.parse_args().smallest
    timed = 1 if smallest else _TIMED
    of, settings = case(), GateSettings(resamples=100) if smallest else GateSettings()
    start = time.perf_counter()
    verdict = judge(of, settings, seed=7)
    ours = time.perf_counter() - start
    baseline = naive(of, timed) * settings.resamples / timed
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{settings.resamples:,} paired resamples of {_ROWS:,} rows: {verdict.conclusion}")
    print(f"{'scikit-learn, metric alone':<34}{baseline:8.1f} s")
    print(f"{'the whole gate':<34}{ours:8.1f} s   budget {BUDGET_SECONDS:.0f} s, peak {peak:.0f} MB")
    print(f"{'ratio':<34}{ours / baseline:8.3f}x")


if __name__ == "__main__":
    main()
