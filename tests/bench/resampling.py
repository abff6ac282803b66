"""SMOTENC for many converters, beside imbalanced-learn's own: time, memory, and whether rows are the same.

Run ``python -m tests.bench.resampling``. Each runs in a process of its own and draws as many rows as there
are converters, from 60 numbers and 4 categories of 12 levels. imbalanced-learn runs on the fewer of them
only. With several rows a converter, neighbours are rows of others, which it has no way to ask for.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import resource
import subprocess
import sys
import time

import numpy as np
from imblearn.over_sampling import SMOTENC

from ml_sys.model.resample import AdaptiveSMOTENC

NUMBERS, CATEGORIES, LEVELS = 60, 4, 12
BOTH, LARGE, SMALLEST = 20_000, 100_000, 500
BUDGET, BUDGET_SECONDS, BUDGET_GB = 0.15, 60, 4.0


def measured(kind: str, converters: int) -> dict[str, float | str]:
    """Draw once, after the loops have been compiled, and say what it took."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(3 * converters, NUMBERS + CATEGORIES)).astype(np.float32)
    X[:, :20] = np.maximum(X[:, :20], 0)
    X[:, NUMBERS:] = rng.integers(0, LEVELS, (len(X), CATEGORIES))
    y = np.repeat([1, 0], [converters, 2 * converters])
    company = np.arange(y.size)
    if kind == "rows of fewer companies":
        company[:converters] = rng.integers(0, converters // 5, converters)
    categories = list(range(NUMBERS, NUMBERS + CATEGORIES))
    AdaptiveSMOTENC(categories, "auto").fit_resample(X[:: converters // 10], y[:: converters // 10])
    began, cpu = time.perf_counter(), time.process_time()
    if kind == "imbalanced-learn":
        drawn = SMOTENC(categories, random_state=0).fit_resample(X, y)[0]
    else:
        drawn = AdaptiveSMOTENC(categories, "auto").fit_resample(X, y, company)[0]
    return {
        "seconds": time.perf_counter() - began,
        "cpu": time.process_time() - cpu,
        "gigabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
        "rows": hashlib.sha256(np.ascontiguousarray(drawn, dtype=np.float32)).hexdigest(),
    }


def main() -> None:
    """Print a line a fit, then the ratio beside its budget."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.resampling", description=__doc__)
    parser.add_argument("--smallest", action="store_true", help="few rows, to see that it runs")
    parser.add_argument("--one", nargs=2, metavar=("KIND", "ROWS"), help=argparse.SUPPRESS)
    asked, _ = parser.parse_known_args()
    if asked.one:
        print(json.dumps(measured(asked.one[0], int(asked.one[1]))))
        return
    both, large = (SMALLEST, SMALLEST) if asked.smallest else (BOTH, LARGE)
    theirs, ours = _shown("imbalanced-learn", both), _shown("mlsys", both)
    most = _shown("mlsys", large)
    _shown("rows of fewer companies", large)
    same = "the same rows" if theirs["rows"] == ours["rows"] else "OTHER ROWS"
    ratio = ours["cpu"] / theirs["cpu"]
    print(f"{both:,} converters: {ratio:.3f} of its processor time (budget {BUDGET}), {same}")
    print(
        f"{large:,} converters: {most['cpu']:.0f} s of processor time, "
        f"{most['seconds']:.0f} s in all (budget {BUDGET_SECONDS} s), "
        f"{most['gigabytes']:.1f} GB (budget {BUDGET_GB:.0f} GB)"
    )


def _shown(kind: str, converters: int) -> dict[str, float]:
    command = [sys.executable, "-m", "tests.bench.resampling", "--one", kind, str(converters)]
    found: dict[str, float] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    print(
        f"{kind:<24}{converters:>9,} converters {found['seconds']:7.1f} s "
        f"{found['cpu']:7.1f} s of processor time {found['gigabytes']:5.1f} GB",
        flush=True,
    )
    return found


if __name__ == "__main__":
    main()
