"""Trees that a cluster grows: close to those of one machine, the same again, or one line in their place."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator

import numpy as np
import pytest

from ml_sys.engine.boosting import Labelled, grow_trees
from ml_sys.engine.mapping import Engine
from ml_sys.errors import EngineError
from ml_sys.model.estimator import BlendedXGBClassifier
from tests.serve.servers import until

distributed = pytest.importorskip("distributed", reason="Dask is an extra, and not installed")

N_NUMBERS = 4
# Enough that no machine is through before one of its workers is killed.
ENDLESS = 10**6


def rows(seed: int, size: int = 3000) -> Labelled:
    """Rows of few distinct values, so that one machine and two cut them at the same places."""
    drawn = np.random.default_rng(seed)
    encoded = drawn.integers(0, 9, size=(size, N_NUMBERS)).astype(np.float32)
    odds = encoded[:, 0] - encoded[:, 1] / 2 - 4
    label = (drawn.random(size) < 1 / (1 + np.exp(-odds))).astype(np.int64)
    return Labelled(encoded, label, drawn.integers(1, 5, size).astype(np.float64))


LEARNED, WATCHED = rows(0), rows(1, 800)


def test_shares_are_all_rows_in_their_order_and_about_as_large():
    shares = [LEARNED.part(number, 7) for number in range(7)]
    for name in ("encoded", "label", "weight"):
        np.testing.assert_array_equal(
            np.concatenate([getattr(one, name) for one in shares]), getattr(LEARNED, name)
        )
    sizes = {len(one) for one in shares}
    assert max(sizes) - min(sizes) <= 1


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0") as here:
        yield Engine("dask", address=here.scheduler_address)


def estimator(**params: object) -> BlendedXGBClassifier:
    return BlendedXGBClassifier(
        n_numbers=N_NUMBERS, max_depth=3, learning_rate=0.3, max_bin=64, n_jobs=1, random_state=7, **params
    )


def fitted(one: BlendedXGBClassifier, engine: Engine | None, *, watch: bool = False) -> BlendedXGBClassifier:
    options = {"sample_weight": LEARNED.weight}
    if watch:
        options |= {
            "eval_set": [(WATCHED.encoded, WATCHED.label)],
            "sample_weight_eval_set": [WATCHED.weight],
            "verbose": False,
        }
    if engine is None:
        return one.fit(LEARNED.encoded, LEARNED.label, **options)
    with engine.cluster() as cluster:
        return one.fit(LEARNED.encoded, LEARNED.label, cluster=cluster, **options)


@pytest.mark.slow  # starts processes, which load XGBoost
def test_weights_rounds_and_the_line_are_those_of_one_machine(engine):
    there, here = (fitted(estimator(n_estimators=20), one) for one in (engine, None))
    assert there.get_booster().num_boosted_rounds() == 20
    np.testing.assert_allclose(
        there.predict_proba(WATCHED.encoded), here.predict_proba(WATCHED.encoded), atol=1e-4
    )
    np.testing.assert_array_equal(there.line_coefficients_, here.line_coefficients_)
    assert there.get_params() == here.get_params()
    np.testing.assert_array_equal(there.classes_, here.classes_)


@pytest.mark.slow  # starts processes, which load XGBoost
def test_trees_stop_where_those_of_one_machine_do(engine):
    asked = {"n_estimators": 400, "early_stopping_rounds": 10, "eval_metric": "logloss"}
    there, here = (fitted(estimator(**asked), one, watch=True) for one in (engine, None))
    assert 0 < there.best_iteration < 400 - 10
    assert there.best_iteration == pytest.approx(here.best_iteration, abs=5)
    assert there.get_booster().num_boosted_rounds() == there.best_iteration + 1 + 10


@pytest.mark.slow  # starts processes, which load XGBoost
def test_the_same_number_of_workers_gives_the_same_bytes(engine):
    drawn = {"n_estimators": 10, "subsample": 0.8, "colsample_bytree": 0.5, "num_parallel_tree": 3}
    first, second = (fitted(estimator(**drawn), engine) for _ in range(2))
    assert first.get_booster().save_raw("json") == second.get_booster().save_raw("json")


@pytest.mark.slow  # starts processes, which load XGBoost
def test_what_xgboost_refuses_is_one_line(engine):
    with engine.cluster() as cluster, pytest.raises(EngineError, match="XGBoost failed") as caught:
        grow_trees(cluster, {"max_depth": -3}, LEARNED, 3)
    assert "\n" not in caught.value.message


@pytest.mark.slow  # starts processes, which load XGBoost
def test_a_worker_that_is_killed_ends_the_fit_with_one_line(capfd):
    def kill(scheduler: str) -> None:
        with distributed.Client(scheduler, set_as_default=False) as beside:
            until(lambda: any(beside.processing().values()), within=600)
            os.kill(max(beside.run(os.getpid).values()), signal.SIGKILL)

    with Engine("dask", workers=2).cluster() as cluster:
        killer = threading.Thread(target=kill, args=(cluster.client.scheduler.address,))
        killer.start()
        with pytest.raises(EngineError, match="lost while trees grew") as caught:
            grow_trees(cluster, {"objective": "binary:logistic", "nthread": 1}, LEARNED, ENDLESS)
        killer.join()
    assert "\n" not in caught.value.message
    assert "memory" in str(caught.value.hint)
    said = capfd.readouterr()
    assert said.out == ""
    assert "Traceback" not in said.err
