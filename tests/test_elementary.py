"""Exponential and logarithm: right, and with the same bits in every form."""

from __future__ import annotations

import numpy as np
import pytest

from ml_sys import elementary
from ml_sys.elementary import log, log1p, log10, sigmoids

RNG = np.random.default_rng(0)
SHAPES = [3_000, pytest.param(4_000_000, marks=pytest.mark.slow)]


@pytest.fixture(params=SHAPES)
def numbers(request):
    """Positive numbers of every size."""
    return np.exp(RNG.uniform(-700, 700, request.param))


@pytest.fixture(params=SHAPES)
def log_odds(request):
    return RNG.uniform(-720, 720, request.param)


def ulps(found, expected):
    """Largest distance in units of the last place of what is expected."""
    return (np.abs(found - expected) / np.spacing(np.abs(expected))).max()


def test_logarithms_are_right_to_two_units_in_the_last_place(numbers):
    counts = numbers.clip(1e-300, 1e12)
    assert ulps(log(numbers), np.log(numbers)) <= 2
    assert ulps(log1p(counts), np.log1p(counts)) <= 2
    assert ulps(log10(numbers), np.log10(numbers)) <= 4


def test_probabilities_of_log_odds_are_right_to_four_units_in_the_last_place(log_odds):
    kept = log_odds.clip(-709, 709)
    assert ulps(sigmoids(log_odds), 1 / (1 + np.exp(-kept))) <= 4


@pytest.fixture
def not_compiled(monkeypatch):
    """Makes loops run by what stands in until numba has been loaded."""

    def switch():
        for loop in (elementary._logs, elementary._logs1p, elementary._sigmoids):
            monkeypatch.setattr(loop, "run", loop.meanwhile)

    return switch


def test_functions_have_the_same_bits_until_their_loops_are_compiled(numbers, log_odds, not_compiled):
    cases = [(log, numbers), (log1p, numbers), (sigmoids, log_odds)]
    compiled = [function(given) for function, given in cases]
    not_compiled()
    meanwhile = [function(given) for function, given in cases]
    assert [one.tobytes() for one in compiled] == [one.tobytes() for one in meanwhile]


@pytest.mark.parametrize("compiled", [True, False])
def test_zero_infinity_and_blanks(compiled, not_compiled):
    if not compiled:
        not_compiled()
    edges = np.array([0.0, 1.0, np.inf, np.nan, 5e-324])
    np.testing.assert_allclose(log(edges), [-np.inf, 0, np.inf, np.nan, np.log(5e-324)])
    np.testing.assert_allclose(log1p(edges), [0, np.log(2), np.inf, np.nan, 5e-324])
    np.testing.assert_allclose(sigmoids(np.array([-np.inf, 0, np.inf])), [0, 0.5, 1], atol=1e-300)
