"""Grow XGBoost's trees on a Dask cluster: each worker holds a share of the rows, and all grow the same trees.

With the same number of workers the same rows give the same trees. With another one, or on a single machine,
they are close and not equal: sums are rounded in another order, and each worker draws its own subsample.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ml_sys.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    import xgboost
    from numpy.typing import NDArray

    from ml_sys.engine.cluster import Cluster

# Growing methods of XGBoost's that need binned rows and are given them.
_BINNED = (None, "auto", "hist")
_WATCHED = "validation_0"


@dataclass(frozen=True)
class Labelled:
    """Rows to learn from, or to watch.

    Attributes
    ----------
    encoded : ndarray of shape (n_rows, n_columns), float32
    label : ndarray of shape (n_rows,)
        0 or 1.
    weight : ndarray of shape (n_rows,), float64
    """

    encoded: NDArray[np.float32]
    label: NDArray[Any]
    weight: NDArray[np.float64]

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.label)

    def part(self, number: int, of: int) -> Labelled:
        """Return one of so many shares, none of which has two rows more than another."""
        first, end = len(self) * number // of, len(self) * (number + 1) // of
        return replace(
            self,
            encoded=self.encoded[first:end],
            label=self.label[first:end],
            weight=self.weight[first:end],
        )


def grow_trees(
    cluster: Cluster,
    params: Mapping[str, Any],
    learned: Labelled,
    rounds: int,
    *,
    watched: Labelled | None = None,
    patience: int | None = None,
) -> bytearray:
    """Grow trees on every worker of a cluster, and return them in XGBoost's own format.

    Parameters
    ----------
    params : mapping
        XGBoost's, as its `train` takes them.
    rounds : int
        At most, where it is watched when to stop.
    watched : Labelled, optional
        Rows that tell when to stop.
    patience : int, optional
        Rounds without an improvement on them, after which it stops.

    Raises
    ------
    EngineError
        If a worker has other code or is lost, or XGBoost fails.
    """
    from xgboost import config_context
    from xgboost import dask as distributed_xgboost

    least = min(len(learned), len(learned) if watched is None else len(watched))
    workers = cluster.checked_workers()[:least]
    try:
        with ExitStack() as stack:
            stack.enter_context(cluster.client.as_current())
            # What XGBoost has to say of a fit is raised, where it matters.
            stack.enter_context(config_context(verbosity=params.get("verbosity") or 0))
            rows = _spread(cluster, params, learned, workers)
            others = None if watched is None else _spread(cluster, params, watched, workers, rows)
            grown = distributed_xgboost.train(
                cluster.client,
                dict(params),
                rows,
                num_boost_round=rounds,
                evals=None if others is None else [(others, _WATCHED)],
                early_stopping_rounds=patience,
                verbose_eval=False,
            )
    except Exception as error:  # whatever Dask and XGBoost make of a worker that is not there
        raise _explained(cluster, workers, error) from error
    booster: xgboost.Booster = grown["booster"]
    return booster.save_raw("json")


def _spread(
    cluster: Cluster, params: Mapping[str, Any], rows: Labelled, workers: Sequence[str], binned_as: Any = None
) -> Any:
    """Give each worker its share of rows, and return what XGBoost knows them by."""
    import dask.array
    from dask.delayed import delayed
    from xgboost.dask import DaskDMatrix, DaskQuantileDMatrix

    parts = [rows.part(number, len(workers)) for number in range(len(workers))]
    arrays: Any = dask.array  # whose functions have no types

    def column(name: str) -> Any:
        shares = []
        for worker, part in zip(workers, parts, strict=True):
            one = getattr(part, name)
            sent = cluster.client.scatter(one, workers=[worker], hash=False)
            shares.append(arrays.from_delayed(delayed(sent), shape=one.shape, dtype=one.dtype))
        return arrays.concatenate(shares)

    args = (cluster.client, column("encoded"), column("label"))
    if params.get("tree_method") in _BINNED:
        kept = {"max_bin": params.get("max_bin"), "ref": binned_as}
        return DaskQuantileDMatrix(*args, weight=column("weight"), **kept)
    return DaskDMatrix(*args, weight=column("weight"))


def _explained(cluster: Cluster, workers: Sequence[str], error: Exception) -> EngineError:
    if isinstance(error, EngineError):
        return error
    present = cluster.workers()  # where not even the scheduler answers, this says so
    lost = [one for one in workers if one not in present]
    if lost:
        return EngineError(
            f"Dask worker {lost[0]} was lost while trees grew, which XGBoost does not survive",
            hint="run the command again; if it happens again, memory is short: give the workers more",
        )
    said = str(error).strip().splitlines() or [type(error).__name__]
    return EngineError(f"XGBoost failed on the Dask cluster: {said[0]}", hint="see the logs of its workers")
