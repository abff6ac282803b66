"""What charts write on their axes."""

from __future__ import annotations

import itertools
import re
from datetime import date, timedelta

import pytest

from ml_sys.report import charts

NAMED = {"key": "k", "title": "A title", "text": "A text."}
MONDAY = date(2020, 1, 6)


def written(svg: str) -> list[str]:
    return re.findall(r"<text[^>]*>([^<]+)</text>", svg)


@pytest.mark.parametrize("lists", [1, 2, 3, 6, 7, 9, 17, 37])
def test_no_date_stands_twice_on_an_axis_over_time(lists):
    days = [(MONDAY + timedelta(days=7 * number)).isoformat() for number in range(lists)]
    points = [{"ranker": "model", "x": day, "y": 0.1 + 0.01 * at} for at, day in enumerate(days)]
    labels = [text for text in written(charts.over_time(points, ("model",), y="AP", **NAMED)) if "20" in text]
    dates = [text for text in labels if not text.endswith("%")]
    assert dates
    assert len(set(dates)) == len(dates)


def test_each_of_few_lists_has_a_dot_so_that_a_single_one_is_seen():
    points = [{"ranker": name, "x": "2020-01-06", "y": y} for name, y in (("model", 0.2), ("random", 0.1))]
    drawn = charts.over_time(points, ("model", "random"), y="AP", **NAMED)
    places = set(re.findall(r'<path[^>]*transform="translate\(([\d.]+,[\d.]+)\)"[^>]*d="M3,0A3,3', drawn))
    assert len(places) == 2


@pytest.mark.parametrize("about", [0.00002, 0.0015, 0.012, 0.05, 0.2, 0.9])
def test_an_axis_of_probabilities_has_two_ticks_however_close_the_points_are(about):
    points = [
        {"predicted": one, "observed": one, "low": one * 0.9, "high": min(one * 1.1, 1.0)}
        for one in (about, about * 1.05)
    ]
    labels = [text for text in written(charts.calibration(points, **NAMED)) if text.endswith("%")]
    assert len(labels) >= 4  # two of each axis


def test_labels_of_an_axis_of_probabilities_do_not_run_into_each_other():
    points = [{"predicted": p, "observed": p, "low": p * 0.6, "high": p * 1.6} for p in (0.00011, 0.002, 0.3)]
    svg = charts.calibration(points, **NAMED)
    # Labels of the x axis stand at one height below it, each in the middle of its place.
    labels = re.findall(
        r'<text text-anchor="(\w+)" transform="translate\(([\d.]+),16\)"[^>]*>([^<]+)</text>', svg
    )
    assert len(labels) >= 4
    assert {anchor for anchor, _, _ in labels} == {"middle"}
    places = [(float(x), 6.5 * len(text) / 2) for _, x, text in labels]
    for (left, half), (right, other) in itertools.pairwise(places):
        assert left + half < right - other
