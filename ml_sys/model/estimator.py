"""The estimator of the Pipeline: XGBoost's trees beside a line on the encoded numbers, added up in log-odds.

With some hundred converters to learn from, trees alone depend on which of them a split happened to see. A
logistic regression on the same numbers errs elsewhere, so that the mean of both is steadier than either.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from xgboost import XGBClassifier

from ml_sys.elementary import sigmoids
from ml_sys.engine.boosting import Labelled, grow_trees
from ml_sys.model.blend import CLIP, Blend

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ml_sys.engine.cluster import Cluster

_LEAST_SPREAD = 1e-9
_MOST_STEPS = 1000
# Columns whose mean and spread are taken together: what is made on the way is as large as they are.
_COLUMNS_AT_ONCE = 16


class BlendedXGBClassifier(XGBClassifier):
    """XGBoost's trees and a logistic regression on the encoded numbers, averaged in log-odds.

    The line sees the first ``n_numbers`` columns, clipped and standardised. Each member's log-odds are first
    put right by its own calibration, a slope and an intercept that :func:`ml_sys.model.train.fit_model` finds
    on companies outside the fit.

    Parameters
    ----------
    line_share : float
        Weight of the line's log-odds, from 0 to 1; the trees have the rest. With 0 no line is fitted.
    line_c : float
        Inverse strength of the line's L2 penalty.
    n_numbers : int
        Leading columns that the line sees.
    tree_calibration, line_calibration : tuple of float
        Slope and intercept of each member's log-odds.
    objective : str
        As in XGBClassifier.
    **kwargs
        Parameters of XGBClassifier.

    Attributes
    ----------
    line_coefficients_, line_means_ : ndarray of shape (n_numbers,), float64
        The line itself, on clipped numbers.

    References
    ----------
    Clemen, "Combining forecasts: a review and annotated bibliography", International Journal of Forecasting 5
    (1989): equal weights are hard to beat by fitted ones.
    """

    def __init__(
        self,
        *,
        line_share: float = 0.35,
        line_c: float = 0.001,
        n_numbers: int = 0,
        tree_calibration: tuple[float, float] = (1.0, 0.0),
        line_calibration: tuple[float, float] = (1.0, 0.0),
        objective: str = "binary:logistic",
        **kwargs: Any,
    ) -> None:
        super().__init__(objective=objective, **kwargs)
        self.line_share = line_share
        self.line_c = line_c
        self.n_numbers = n_numbers
        self.tree_calibration = tree_calibration
        self.line_calibration = line_calibration

    def get_xgb_params(self) -> dict[str, Any]:
        """Return the parameters of XGBoost, without those of the line."""
        ours = {"line_share", "line_c", "n_numbers", "tree_calibration", "line_calibration"}
        return {name: value for name, value in super().get_xgb_params().items() if name not in ours}

    def fit(
        self,
        X: NDArray[np.float32],
        y: NDArray[Any],
        *,
        sample_weight: Any = None,
        cluster: Cluster | None = None,
        **options: Any,
    ) -> BlendedXGBClassifier:
        """Fit both members to encoded rows; options are those of XGBClassifier and for the trees alone.

        With a cluster, which knows rows, weights and one watched set, the trees grow there and the line here.
        """
        if cluster is None:
            super().fit(X, y, sample_weight=sample_weight, **options)
        else:
            self._grow_on(cluster, _weighted(X, y, sample_weight), **options)
        n = self.n_numbers if self.line_share else 0
        self.line_coefficients_, self.line_means_, self.line_intercept_ = np.zeros(n), np.zeros(n), 0.0
        if n:
            rows = _weighted(X, y, sample_weight)
            self._fit_line(rows.encoded[:, :n], rows.label, rows.weight)
        return self

    def _grow_on(
        self,
        cluster: Cluster,
        learned: Labelled,
        *,
        eval_set: Any = None,
        sample_weight_eval_set: Any = None,
        verbose: bool = False,  # noqa: ARG002  # a cluster has no terminal to say anything on
    ) -> None:
        """Have a cluster grow the trees that `fit` of XGBClassifier would, and take them over."""
        watched = None
        if eval_set is not None:
            [pair], [weights] = eval_set, sample_weight_eval_set or [None]
            watched = _weighted(pair[0], pair[1], weights)
        trees = grow_trees(
            cluster,
            self.get_xgb_params(),
            learned,
            self.get_num_boosting_rounds(),
            watched=watched,
            patience=self.early_stopping_rounds,
        )
        asked = self.get_params()
        self.load_model(trees)
        self.set_params(**asked)  # loading puts what the trees say in place of what was asked

    def _fit_line(
        self, numbers: NDArray[np.float32], label: NDArray[Any], weights: NDArray[np.float64]
    ) -> None:
        standard = numbers.astype(np.float64, order="C")
        np.clip(standard, -CLIP, CLIP, out=standard)
        means, spread = np.empty(standard.shape[1]), np.empty(standard.shape[1])
        for first in range(0, standard.shape[1], _COLUMNS_AT_ONCE):
            some = slice(first, first + _COLUMNS_AT_ONCE)
            means[some] = np.average(standard[:, some], axis=0, weights=weights)
            standard[:, some] -= means[some]
            spread[some] = np.sqrt(np.average(standard[:, some] ** 2, axis=0, weights=weights))
        spread[spread < _LEAST_SPREAD] = 1.0
        times = np.where(label == 1, weights * (self.scale_pos_weight or 1.0), weights)
        line = LogisticRegression(C=self.line_c, max_iter=_MOST_STEPS)
        standard /= spread
        line.fit(standard, label, sample_weight=times)
        self.line_coefficients_, self.line_means_ = line.coef_[0] / spread, means
        self.line_intercept_ = float(line.intercept_[0])

    @property
    def blend_(self) -> Blend:
        """How margin and numbers become log-odds."""
        trees = 1 - self.line_share if self.line_coefficients_.size else 1.0
        (tree_slope, tree_intercept), (line_slope, line_intercept) = (
            self.tree_calibration, self.line_calibration,
        )  # fmt: skip
        constant = line_slope * self.line_intercept_ + line_intercept
        return Blend(
            trees * tree_slope,
            trees * tree_intercept + (1 - trees) * constant,
            (1 - trees) * line_slope * self.line_coefficients_,
            self.line_means_,
        )

    def line_log_odds(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the line's own log-odds, float64, before its calibration."""
        line = Blend(0.0, self.line_intercept_, self.line_coefficients_, self.line_means_)
        return line.log_odds(np.zeros(len(X), dtype=np.float32), X)

    def tree_margins(self, X: NDArray[np.float32], **options: Any) -> NDArray[np.float32]:
        """Return the trees' own log-odds, float32, before their calibration; options are XGBoost's."""
        margins: NDArray[np.float32] = super().predict(X, output_margin=True, **options)
        return margins

    def predict(self, X: NDArray[np.float32], *, output_margin: bool = False, **options: Any) -> NDArray[Any]:
        """Return the more probable class of each row, or with ``output_margin`` its log-odds, float64."""
        log_odds = self.blend_.log_odds(self.tree_margins(X, **options), X)
        return log_odds if output_margin else self.classes_[(log_odds > 0).astype(np.intp)]

    def predict_proba(  # type: ignore[override]  # as above
        self, X: NDArray[np.float32], **options: Any
    ) -> NDArray[np.float64]:
        """Return the probability of each class, float64 of shape (n_rows, 2)."""
        positive = sigmoids(self.predict(X, output_margin=True, **options))
        return np.stack([1 - positive, positive], axis=1)


def _weighted(X: Any, y: Any, weights: Any) -> Labelled:
    weight = np.ones(len(y)) if weights is None else np.asarray(weights, dtype=np.float64)
    return Labelled(np.asarray(X), np.asarray(y), weight)
