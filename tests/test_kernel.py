"""Compiled loops: the same result from numba, from the interpreter and from what runs meanwhile."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location

import numpy as np
import pytest

from ml_sys import kernel as kernels
from ml_sys.kernel import Kernel


def doubled(values, out):
    for at in range(values.size):
        out[at] = 2 * values[at]


def types(numba):
    return numba.void(numba.float64[::1], numba.float64[::1])


def run(loop, n=3):
    out = np.zeros(n)
    loop(np.arange(n, dtype=np.float64), out)
    return out.tolist()


@pytest.fixture
def deferred(monkeypatch):
    monkeypatch.setattr(kernels, "_deferred", True)


def test_a_loop_is_compiled_when_it_is_first_run():
    loop = Kernel(doubled, types)
    first = loop.run
    assert run(loop) == [0, 2, 4]
    assert loop.run != first
    assert run(loop.run) == [0, 2, 4]


def test_a_deferred_loop_is_run_by_its_stand_in_until_it_is_loaded(deferred):
    def stand_in(values, out):
        calls.append(values.size)
        out[:] = values * 2

    calls = []
    loop = Kernel(doubled, types, stand_in)
    assert run(loop) == run(loop.run) == [0, 2, 4]
    assert calls == [3, 3]
    loop.load()
    assert run(loop) == [0, 2, 4]
    assert calls == [3, 3]


def test_without_a_stand_in_a_deferred_loop_is_interpreted(deferred):
    loop = Kernel(doubled, types)
    assert run(loop) == [0, 2, 4]
    assert loop.run == loop._first


def test_a_loop_is_compiled_once():
    loop = Kernel(doubled, types)
    loop.load()
    compiled = loop.run
    loop.load()
    assert loop.run is compiled


def test_a_loop_without_a_place_for_a_cache_is_compiled_all_the_same(monkeypatch):
    import numba

    njit = numba.njit

    def without_cache(signature, **options):
        if options.get("cache"):
            raise RuntimeError("cannot cache function")
        return njit(signature, **options)

    monkeypatch.setattr(numba, "njit", without_cache)
    assert run(Kernel(doubled, types)) == [0, 2, 4]


def test_a_loop_that_does_not_fit_its_types_fails_when_it_is_loaded():
    import numba

    with pytest.raises(numba.TypingError):
        Kernel(lambda values, out: values.no_such_thing, types).load()


FEATURES = """
import hashlib, sys
import numpy as np
from ml_sys import kernel
if sys.argv[1] == "deferred":
    kernel.defer()
from ml_sys.days import WEEKLY
from ml_sys.features.compute import FeatureSpec, feature_columns
from ml_sys.features.inputs import FeatureInputs
from ml_sys.features.attributes import Attributes
from ml_sys.features.windows import UsageLog
rng = np.random.default_rng(0)
n, companies = 300, 16
day = rng.integers(0, 70, n) * 7 - rng.integers(0, 2, n) * rng.integers(0, 7, n)
counts = rng.poisson(3, (n, 8)) * rng.choice([0, 1, 1_000_000_000 // 30], (n, 8))
usage = UsageLog.from_rows(
    rng.integers(0, companies, n).astype(np.int32), day.astype(np.int32), counts.astype(np.int32),
    n_companies=companies, n_activity=4, period=WEEKLY,
)
texts = np.array(["software", None] * (companies // 2), dtype=object)
spec = FeatureSpec((7, 28, 91))
attributes = Attributes(spec.form.attributes, (np.full(companies, 5.0), texts, texts), companies)
since = np.full(companies, np.iinfo(np.int32).min, dtype=np.int32)
inputs = FeatureInputs(spec.form, WEEKLY, usage, attributes, since)
cutoffs = np.array([0, 3, 250, 490, 600], dtype=np.int32)
digest = hashlib.sha256()
for name, column in feature_columns(inputs, cutoffs, spec).items():
    digest.update(name.encode() + (column.tobytes() if column.dtype != object else str(column).encode()))
print(digest.hexdigest(), "numba" in sys.modules)
"""


def test_features_have_the_same_bits_before_numba_is_loaded():
    def features(mode):
        command = [sys.executable, "-c", FEATURES, mode]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()

    interpreted, compiled = features("deferred"), features("loaded")
    assert interpreted[0] == compiled[0]
    assert (interpreted[1], compiled[1]) == ("False", "True")


CALLS_A_HELPER = """
def loop(values, out):
    for at in range(values.size):
        out[at] = times(values[at])
"""


def test_a_loop_is_compiled_anew_when_a_helper_of_another_module_changed(tmp_path):
    def module(name):
        spec = spec_from_file_location(name, tmp_path / f"{name}.py")
        made = module_from_spec(spec)
        spec.loader.exec_module(made)
        return made

    (tmp_path / "loops.py").write_text(CALLS_A_HELPER)
    found = []
    for factor in ("3", "55"):  # of another length, since Python's own cache goes by second and size
        (tmp_path / "helper.py").write_text(f"def times(value):\n    return {factor} * value\n")
        helper, loops = module("helper"), module("loops")
        loops.times = helper.times
        found.append(run(Kernel(loops.loop, types, helpers=(helper.times,))))
    assert found == [[0, 3, 6], [0, 55, 110]]
