"""The bootstrap: whole companies are drawn, the same ones for the same seed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats

from ml_sys.metrics.bootstrap import cluster_counts, cluster_weights, estimate, interval, lead_interval

COMPANY = np.repeat(np.arange(40, dtype=np.int32) * 3, np.arange(40) % 4 + 1)
VALUES = np.random.default_rng(0).normal(5, 2, COMPANY.size)


def drawn(resamples: int = 200, seed: int = 1, company: np.ndarray = COMPANY) -> np.ndarray:
    return np.concatenate(list(cluster_weights(company, resamples, seed)))


def mean(weights: np.ndarray) -> dict[str, np.ndarray]:
    return {"mean": weights @ VALUES / np.asarray(weights).sum(axis=1)}


def estimated(**changes: float) -> tuple[float, float, float]:
    asked = {"resamples": 500, "confidence": 0.95, "seed": 1} | changes
    found = estimate(mean, COMPANY, **asked)["mean"]  # type: ignore[arg-type]
    return found.value, found.low, found.high


def test_all_rows_of_a_company_are_drawn_equally_often() -> None:
    weights = drawn()
    assert weights.shape == (200, COMPANY.size)
    for company in np.unique(COMPANY):
        rows = weights[:, company == COMPANY]
        assert (rows == rows[:, :1]).all()


def test_every_resample_draws_as_many_companies_as_there_are() -> None:
    first_row = np.unique(COMPANY, return_index=True)[1]
    weights = drawn()[:, first_row]
    assert (weights.sum(axis=1) == 40).all()
    assert (weights == np.round(weights)).all()
    assert (weights.mean(axis=0) - 1).__abs__().max() < 5 / np.sqrt(200)
    assert (weights == 0).any()
    assert (weights > 1).any()


def test_the_same_seed_draws_the_same_and_another_one_others() -> None:
    np.testing.assert_array_equal(drawn(seed=1), drawn(seed=1))
    assert (drawn(seed=1) != drawn(seed=2)).any()
    assert estimated() == estimated()
    assert estimated(seed=2)[1:] != estimated()[1:]


def test_chunks_do_not_change_what_is_drawn() -> None:
    many_rows = np.tile(COMPANY, 500)
    chunks = list(cluster_weights(many_rows, 70, seed=1))
    assert [len(one) for one in chunks] == [64, 6]
    rows = np.concatenate([np.asarray(one)[:, : COMPANY.size] for one in chunks])
    np.testing.assert_array_equal(rows, drawn(70))


def test_the_value_is_that_of_the_rows_themselves_and_lies_inside_its_interval() -> None:
    value, low, high = estimated()
    assert value == pytest.approx(VALUES.mean(), rel=1e-12)
    assert low < value < high


def test_the_interval_is_as_wide_as_theory_says() -> None:
    company = np.arange(400, dtype=np.int32)
    values = np.random.default_rng(1).normal(0, 1, 400)
    found = estimate(
        lambda weights: {"mean": weights @ values / np.asarray(weights).sum(axis=1)},
        company,
        resamples=2000,
        confidence=0.95,
        seed=0,
    )["mean"]
    assert found.high - found.low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.1)


def test_alike_rows_of_a_company_do_not_make_the_interval_narrower() -> None:
    def width(company: np.ndarray, values: np.ndarray) -> float:
        found = estimate(
            lambda weights: {"mean": weights @ values / np.asarray(weights).sum(axis=1)},
            company,
            resamples=400,
            confidence=0.9,
            seed=0,
        )["mean"]
        return found.high - found.low

    values = np.random.default_rng(1).normal(0, 1, 50)
    company = np.arange(50, dtype=np.int32)
    assert width(np.repeat(company, 10), np.repeat(values, 10)) == pytest.approx(width(company, values))
    assert width(np.arange(500, dtype=np.int32), np.repeat(values, 10)) < 0.5 * width(company, values)


def test_more_confidence_is_a_wider_interval() -> None:
    _, low, high = estimated(confidence=0.5)
    _, lower, higher = estimated(confidence=0.99)
    assert lower < low < high < higher


def test_resamples_in_which_a_metric_is_not_defined_are_left_out() -> None:
    def sometimes(weights: np.ndarray) -> dict[str, np.ndarray]:
        values = mean(weights)["mean"]
        return {
            "some": np.where(np.asarray(weights)[:, 0] > 0, values, np.nan),
            "none": np.full(len(weights), np.nan),
        }

    found = estimate(sometimes, COMPANY, resamples=100, confidence=0.9, seed=1)
    assert found["some"].low < found["some"].value < found["some"].high
    assert np.isnan([found["none"].value, found["none"].low, found["none"].high]).all()


DRAWN = np.random.default_rng(2).beta(18, 2, 4000)


def test_few_converters_make_an_interval_wider_and_many_leave_it_as_it_is() -> None:
    plain = np.percentile(DRAWN, (2.5, 97.5))
    np.testing.assert_allclose(interval("any", 0.9, DRAWN, None, 0.95), plain)
    widths = [np.diff(interval("any", 0.9, DRAWN, converters, 0.95)) for converters in (10_000, 60, 20, 5)]
    assert np.all(np.diff(np.ravel(widths)) > 0)
    assert widths[0] == pytest.approx(np.diff(plain), rel=1e-3)


@pytest.mark.parametrize("converters", [2, 3, 4, 5, 20])
def test_bounds_lie_where_students_t_of_one_less_than_the_converters_puts_them(converters: int) -> None:
    reach = stats.t(converters - 1).ppf(0.975) * np.sqrt(converters / (converters - 1))
    expected = np.percentile(DRAWN, 100 * stats.norm.cdf([-reach, reach]))
    assert interval("any", 0.9, DRAWN, converters, 0.95) == pytest.approx(expected, rel=1e-9)


def test_too_few_converters_for_a_spread_are_not_counted() -> None:
    for converters in (0, 1):
        assert interval("any", 0.9, DRAWN, converters, 0.95) == interval("any", 0.9, DRAWN, None, 0.95)


def test_the_interval_of_a_roc_auc_reaches_further_down_but_not_out_of_its_range() -> None:
    plain, found = (interval(name, 0.9, DRAWN, 20, 0.95) for name in ("any", "roc_auc"))
    assert 0 < found[0] < plain[0]
    assert plain[1] <= found[1] < 1


def test_where_a_resample_ranks_perfectly_a_roc_auc_has_the_bounds_of_its_resamples() -> None:
    perfect = np.where(DRAWN > 0.97, 1.0, DRAWN)
    assert interval("roc_auc", 0.9, perfect, 20, 0.95) == interval("any", 0.9, perfect, 20, 0.95)
    assert interval("roc_auc", 1.0, np.ones(50), 20, 0.95) == (1, 1)


def test_a_calibration_error_is_relieved_of_what_luck_and_resampling_add_and_never_negative() -> None:
    drawn = np.random.default_rng(0).normal(0.004, 0.0002, 4000)
    excess = drawn.mean() - 0.003
    low, high = interval("calibration_error", 0.003, drawn, None, 0.95)
    assert (low, high) == pytest.approx(np.percentile(drawn, (2.5, 97.5)) - (2 * excess, excess))
    assert 0.001 < low < high < 0.004
    assert interval("calibration_error", 0.0001, drawn, None, 0.95)[0] == 0


LEADS = np.random.default_rng(4).gumbel(0.02, 0.01, 4000)


def test_the_interval_of_a_lead_is_wider_with_few_converters_and_that_of_percentiles_with_many() -> None:
    plain = np.percentile(LEADS, (2.5, 97.5))
    np.testing.assert_allclose(lead_interval("any", 0.02, LEADS, 100_000, 0.95), plain, rtol=1e-2)
    widths = [
        np.diff(lead_interval("any", 0.02, LEADS, converters, 0.95)) for converters in (10_000, 60, 20, 5)
    ]
    assert np.all(np.diff(np.ravel(widths)) > 0)


def test_the_interval_of_a_lead_in_roc_auc_reaches_to_where_its_long_tail_does_not() -> None:
    plain, found = (lead_interval(name, 0.02, LEADS, 20, 0.95) for name in ("any", "roc_auc"))
    assert found[0] < plain[0]
    assert found[1] == plain[1]


def normal_bounds(value: float, drawn: np.ndarray) -> np.ndarray:
    """Of a value whose resamples lie about as far above it as it lies above the truth; 20 converters."""
    reach = stats.t(19).ppf(0.975) * np.sqrt(20 / 19) * drawn.std()
    return 2 * value - drawn.mean() + np.array([-reach, reach])


def test_the_normal_bounds_of_a_lead_in_roc_auc_are_moved_against_the_bias_of_the_resamples() -> None:
    low, high = normal_bounds(0.02, LEADS)
    assert lead_interval("roc_auc", 0.02, LEADS, 20, 0.95)[0] == pytest.approx(low)
    assert lead_interval("roc_auc", -0.02, -LEADS, 20, 0.95)[1] == pytest.approx(-low)
    assert high < lead_interval("any", 0.02, LEADS, 20, 0.95)[1]


def test_the_normal_bounds_of_a_roc_auc_are_those_on_the_log_odds_moved_against_their_bias() -> None:
    bounds = special.expit(normal_bounds(special.logit(0.88), special.logit(DRAWN)))
    assert interval("roc_auc", 0.88, DRAWN, 20, 0.95)[0] == pytest.approx(bounds[0])
    assert interval("roc_auc", 0.12, 1 - DRAWN, 20, 0.95)[1] == pytest.approx(1 - bounds[0])


def test_a_lead_that_no_resample_defines_has_no_interval() -> None:
    assert np.isnan(lead_interval("any", 0.02, np.array([np.nan]), 20, 0.95)).all()


def test_converters_are_counted_by_company_and_not_by_row() -> None:
    """Ten companies of five rows each, of which three convert: Student's t has two degrees of freedom."""
    company = np.repeat(np.arange(10, dtype=np.int32), 5)
    values = np.random.default_rng(4).normal(size=50) + company

    def total(weights: np.ndarray) -> dict[str, np.ndarray]:
        return {"x": weights @ values}

    (found,) = estimate(total, company, resamples=200, confidence=0.9, seed=3, label=company < 3).values()
    every = np.concatenate([total(weights)["x"] for weights in cluster_weights(company, 200, 3)])
    assert (found.low, found.high) == pytest.approx(interval("x", values.sum(), every, 3, 0.9))


def test_a_single_resample_is_its_own_interval() -> None:
    assert interval("brier", 2.0, np.array([1.0]), None, 0.95) == (1, 1)
    assert lead_interval("brier", 2.0, np.array([1.0]), 5, 0.95) == (1, 1)


@pytest.mark.parametrize("skew", [(8, 1.2), (1.2, 8)])
def test_the_interval_of_a_roc_auc_reaches_as_far_as_its_resamples_at_least(
    skew: tuple[float, float],
) -> None:
    drawn = np.random.default_rng(2).beta(*skew, size=400)
    plain = interval("average_precision", drawn.mean(), drawn, None, 0.95)
    low, high = interval("roc_auc", drawn.mean(), drawn, None, 0.95)
    assert low <= plain[0] < plain[1] <= high


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_ranking_without_or_of_nothing_but_mistakes_has_the_bounds_of_its_resamples(value: float) -> None:
    drawn = np.linspace(0.4, 0.9, 50)
    assert interval("roc_auc", value, drawn, 9, 0.9) == interval("average_precision", value, drawn, 9, 0.9)


NAN = float("nan")
RESAMPLED = st.lists(st.sampled_from([NAN, 0.0, 0.02, 0.3, 0.30001, 0.5, 0.7, 0.9, 0.99, 1.0]), max_size=30)


def reach_of(converters: int | None, confidence: float) -> float:
    """Student's t of the converters, widened as a sum of squares over one less of them is."""
    share = (1 + confidence) / 2
    if converters is None or converters < 2:
        return float(stats.norm.ppf(share))
    return float(stats.t.ppf(share, converters - 1) * (converters / (converters - 1)) ** 0.5)


def percentile_of(values: list[float], share: float) -> float:
    place = share * (len(values) - 1)
    low = sorted(values)[int(place)]
    high = sorted(values)[min(int(place) + 1, len(values) - 1)]
    return low + (place - int(place)) * (high - low)


@given(
    RESAMPLED,
    st.sampled_from(["roc_auc", "average_precision", "calibration_error"]),
    st.sampled_from([0.0, 0.1, 0.45, 0.8, 1.0]),
    st.sampled_from([None, 0, 1, 2, 3, 40]),
    st.sampled_from([0.5, 0.95]),
)
def test_an_interval_is_what_its_formula_says(
    resampled: list[float], metric: str, value: float, converters: int | None, confidence: float
) -> None:
    known = [one for one in resampled if not np.isnan(one)]
    found = interval(metric, value, np.array(resampled), converters, confidence)
    if not known:
        assert np.isnan(found).all()
        return
    reach = reach_of(converters, confidence)
    tail = float(stats.norm.cdf(-reach))
    low, high = percentile_of(known, tail), percentile_of(known, 1 - tail)
    if metric == "calibration_error":
        excess = sum(known) / len(known) - value
        low, high = max(low - 2 * excess, 0), max(high - excess, 0)
    elif metric == "roc_auc" and all(0 < one < 1 for one in (*known, value)):
        odds = [float(np.log(one / (1 - one))) for one in known]
        middle, half = 2 * np.log(value / (1 - value)) - sum(odds) / len(odds), reach * float(np.std(odds))
        low = min(low, 1 / (1 + np.exp(-(middle - half))))
        high = max(high, 1 / (1 + np.exp(-(middle + half))))
    assert found == pytest.approx((low, high), abs=1e-9)


@given(
    RESAMPLED,
    st.sampled_from(["roc_auc", "average_precision", "calibration_error"]),
    st.sampled_from([-0.2, 0.0, 0.45, 1.5]),
    st.sampled_from([0, 1, 2, 3, 40]),
)
def test_the_interval_of_a_lead_is_what_its_formula_says(
    resampled: list[float], metric: str, value: float, converters: int
) -> None:
    known = [one for one in resampled if not np.isnan(one)]
    found = lead_interval(metric, value, np.array(resampled), converters, 0.9)
    if not known:
        assert np.isnan(found).all()
        return
    reach = reach_of(converters, 0.9)
    tail = float(stats.norm.cdf(-reach))
    low, high = percentile_of(known, tail), percentile_of(known, 1 - tail)
    if metric == "roc_auc":
        middle, half = 2 * value - sum(known) / len(known), reach * float(np.std(known))
        low, high = min(low, middle - half), max(high, middle + half)
    assert found == pytest.approx((low, high), abs=1e-9)


def test_nobody_is_drawn_where_there_is_nobody_and_as_many_resamples_as_asked_for_all_the_same() -> None:
    chunks = list(cluster_weights(np.zeros(0, np.int32), 3, 1))
    assert [np.shape(chunk) for chunk in chunks] == [(3, 0)]
    assert [chunk.shape for chunk in cluster_counts(4, 0, 5, 1)] == [(5, 4)]


def test_resamples_are_weighed_so_many_at_once_as_memory_allows_but_eight_at_least() -> None:
    sizes = [len(chunk) for chunk in cluster_counts(2, 200_000, 25, 1)]
    assert sizes == [10, 10, 5]
    assert [len(chunk) for chunk in cluster_counts(2, 10**9, 17, 1)] == [8, 8, 1]


@pytest.mark.parametrize("label", [None, COMPANY % 5 == 0])
@pytest.mark.parametrize("name", ["roc_auc", "calibration_error", "lift"])
def test_each_metric_has_the_interval_of_its_name_and_of_the_companies_that_convert(
    name: str, label: np.ndarray | None
) -> None:
    def metrics(weights: np.ndarray) -> dict[str, np.ndarray]:
        return {
            "other": np.asarray(weights)[:, 0],
            name: weights @ (VALUES / 20) / np.asarray(weights).sum(axis=1),
        }

    found = estimate(metrics, COMPANY, resamples=30, confidence=0.8, seed=2, label=label)
    assert list(found) == ["other", name]
    resampled = metrics(drawn(30, 2))
    value = float((VALUES / 20).mean())
    converters = None if label is None else len(set(COMPANY[label].tolist()))
    assert found[name].value == pytest.approx(value)
    assert (found[name].low, found[name].high) == pytest.approx(
        interval(name, value, resampled[name], converters, 0.8)
    )
    assert (found["other"].low, found["other"].high) == interval(
        "other", 1.0, resampled["other"], converters, 0.8
    )
