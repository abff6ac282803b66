"""What charts write on their axes."""

from __future__ import annotations

import itertools
import re
from datetime import date, timedelta
from math import nan

import pytest

from ml_sys.metrics.curves import Curve
from ml_sys.metrics.scored_lists import MODEL, RANDOM
from ml_sys.report import charts
from ml_sys.report.charts import _COLOURS, _scale
from tests.model.world import MOST_ACTIONS, MOST_USERS

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


CURVE = Curve((0.0, 0.5, 1.0), (0.0, 0.8, 1.0), (0.0, 0.7, 0.9), (0.1, 0.9, 1.0))


def drawn(**curves: Curve) -> str:
    return charts.lines(curves, x="calls", y="found", **NAMED)


def test_what_is_not_known_of_a_curve_is_not_drawn() -> None:
    gap = Curve((0.0, 0.5, 1.0), (0.0, nan, 1.0))
    assert drawn(model=gap) == drawn(model=Curve((0.0, 1.0), (0.0, 1.0))) != drawn(model=CURVE)


def test_a_curve_has_a_band_where_it_has_an_interval() -> None:
    with_band, without = drawn(model=CURVE), drawn(model=Curve(CURVE.x, CURVE.y))
    assert (with_band.count("mark-area"), without.count("mark-area")) == (1, 0)


def depths(**changed: float) -> str:
    points = [
        {
            "ranker": name,
            "x": at,
            "y": 0.3,
            "low": 0.2,
            "high": 0.4,
            **(changed if name == MODEL and at == 20 else {}),
        }
        for name in (MODEL, "rule")
        for at in (10, 20)
    ]
    points[-1]["low"] = changed.get("rules_low", 0.2)
    return charts.by_depth(points, [MODEL, "rule"], x="calls", y="found", **NAMED)


def test_by_depth_the_band_is_that_of_the_model_as_far_as_it_is_known() -> None:
    assert depths(rules_low=0.01) == depths()
    assert depths(low=0.1) != depths()
    assert depths(low=nan) != depths()
    assert "NaN" not in depths(low=nan)


def test_every_ranker_looks_the_same_in_every_chart() -> None:
    kinds = ["x", MOST_USERS, RANDOM, "y", MODEL, MOST_ACTIONS, "z"]
    looks = dict(zip(kinds, _scale(kinds, *_COLOURS).to_dict()["range"], strict=True))
    assert (looks[MODEL], looks[RANDOM]) == ("var(--model)", "var(--chance)")
    assert (looks[MOST_ACTIONS], looks[MOST_USERS]) == ("var(--rule-1)", "var(--rule-2)")
    assert [looks[one] for one in ("x", "y", "z")] == ["var(--rule-3)", "var(--rule-1)", "var(--rule-3)"]
    fewer = [MODEL, MOST_USERS]
    assert _scale(fewer, *_COLOURS).to_dict() == {
        "domain": fewer, "range": ["var(--model)", "var(--rule-2)"],
    }  # fmt: skip


def test_a_picture_says_what_it_is_and_its_ids_are_its_own() -> None:
    svg = charts.lines({"model": CURVE}, x="x", y="y", key="roc", title="A < B", text="more & more")
    assert svg.startswith('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ')
    assert '<title id="roc-title">A &lt; B</title><desc id="roc-desc">more &amp; more</desc>' in svg
    assert 'role="img" aria-labelledby="roc-title roc-desc"' in svg
    assert svg.count("role=") == 1
    assert set(re.findall(r'(?:\bid="|url\(#)([^")]+)', svg)) >= {"roc-title", "roc-desc"}
    assert all(one.startswith("roc-") for one in re.findall(r'(?:\bid="|url\(#)([^")]+)', svg))


def test_bars_and_intervals_grow_with_their_rows_and_keep_their_order() -> None:
    points = [{"name": name, "y": 0.5, "low": 0.4, "high": 0.6} for name in ("zulu", "alpha", "mike")]
    for chart in (charts.bars, charts.intervals):
        tall, low = (chart(some, x="x", **NAMED) for some in (points, points[:1]))
        heights = [float(re.search(r'viewBox="0 0 [\d.]+ ([\d.]+)"', one)[1]) for one in (tall, low)]  # type: ignore[index]  # it is there
        assert heights[0] > heights[1] + 40
        assert tall.index("zulu") < tall.index("alpha") < tall.index("mike")
