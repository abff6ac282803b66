"""What a version says on other CPUs, which switches of the libraries stand for.

Probabilities have the same bits everywhere: features, encoder, trees and calibration take steps that IEEE 754
rounds in one way. What passes through matrix products (a metric, the fit of the calibration) or through sums
of several threads (a fit) is close: metrics to `METRIC_TOLERANCE`, a fit to `PROBABILITY_TOLERANCE`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from ml_sys.model.files.golden import PROBABILITY_TOLERANCE

pytestmark = pytest.mark.slow

DISPATCHED = " ".join(np.show_config("dicts")["SIMD Extensions"].get("found", []))
OTHER_C = {"GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA,-FMA4,-AVX512F"}
ANY_CPU = {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}
MACHINES = {
    "NumPy without its vector instructions": {"NPY_DISABLE_CPU_FEATURES": DISPATCHED},
    "another kernel of BLAS": {"OPENBLAS_CORETYPE": "Haswell"},
    "another number of threads": {"OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"},
    "all of an old CPU": {
        "NPY_DISABLE_CPU_FEATURES": DISPATCHED, "OPENBLAS_CORETYPE": "Nehalem", **OTHER_C, **ANY_CPU
    },
}  # fmt: skip
SCRIPT = """
import hashlib, json, sys
from dataclasses import asdict
from pathlib import Path
import numpy as np
from ml_sys.data.snapshot import latest
from ml_sys.features.compute import feature_columns
from ml_sys.features.inputs import FeatureInputs
from ml_sys.model.files.serialization import read_holdout
from ml_sys.registry.loading import load_version
from ml_sys.jobs.models.evaluate import evaluate_version
from ml_sys.jobs.models.reproduce import reproduce_version
from ml_sys.registry.store import Registry
from ml_sys.registry.verification import verify
from ml_sys.scoring.loading import open_scorer
registry = Registry(Path(sys.argv[1]))
snapshot, artifact = latest(registry.root), registry.open("1.0.0")
model = load_version(registry, "1.0.0")
inputs = FeatureInputs.from_snapshot(snapshot, model.spec)
cutoff = np.array([int(snapshot.usage_stamp.max()) - 28], dtype=np.int32)
columns = feature_columns(inputs, cutoff, model.spec)
holdout, stored = read_holdout(artifact)
scorer = open_scorer(artifact)
rows = scorer.rows({name: holdout.features[name].to_numpy() for name in holdout.features})
again = evaluate_version(registry, "1.0.0")
print(json.dumps({
    "verified": all(one.status == "passed" for one in verify(registry)),
    "features": hashlib.sha256(b"".join(
        one.tobytes() for one in columns.values() if one.dtype != object)).hexdigest(),
    "stored": hashlib.sha256(stored["probability"].to_numpy().tobytes()).hexdigest(),
    "pipeline": hashlib.sha256(model.probabilities(holdout.features).tobytes()).hexdigest(),
    "scorer": hashlib.sha256(scorer.probabilities(rows).tobytes()).hexdigest(),
    "differing": again.differing,
    "refit": reproduce_version(registry, "1.0.0").largest_difference if "refit" in sys.argv else None,
}))
"""


@pytest.fixture(scope="module")
def on(registered, tmp_path_factory):
    """Use a version on a machine: verify, score, judge again and, if asked, train it again."""
    cache = tmp_path_factory.mktemp("numba")

    def run(machine, *also):
        environment = {**os.environ, **machine}
        if "NUMBA_CPU_NAME" in machine:  # its loops are of no use to other tests
            environment["NUMBA_CACHE_DIR"] = str(cache)
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, str(registered), *also],
            env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


@pytest.fixture(scope="module")
def here(on):
    return on({})


@pytest.mark.parametrize("machine", MACHINES)
def test_a_version_says_the_same_on_every_machine(on, here, machine):
    also = ["refit"] if machine == "all of an old CPU" else []
    found = on(MACHINES[machine], *also)
    assert found["verified"]
    assert found["features"] == here["features"]
    assert found["pipeline"] == found["scorer"] == found["stored"]
    assert found["differing"] == []
    assert (found["refit"] or 0.0) <= PROBABILITY_TOLERANCE
