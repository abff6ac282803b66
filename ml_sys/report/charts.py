"""The report's charts: drawn by Altair as plain SVG, with colours set by the page.

Colours are variables of the page's style, so that one picture suits light and dark. The same data give the
same bytes.
"""

from __future__ import annotations

import json
import re
from itertools import cycle
from typing import TYPE_CHECKING, Any

import altair as alt
import vl_convert
from markupsafe import escape

from ml_sys.features.rules import rule_of_actions, rule_to_beat
from ml_sys.metrics.scored_lists import MODEL, RANDOM

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ml_sys.metrics.curves import Curve

    Point = Mapping[str, Any]

# Small enough that its letters are still read on a phone, where a picture is as wide as the screen.
WIDTH, HEIGHT = 330, 220
_FONT = "Arial, Liberation Sans, Helvetica, sans-serif"
_INK, _GRID = "var(--ink)", "var(--grid)"
_MODEL, _CHANCE = "var(--model)", "var(--chance)"
_CHANCE_DASH = [2, 3]
# Of the model and of chance; of the rules by actions and of the strongest; of others, in turn.
_FIRST, _SECOND, _THIRD = (f"var(--rule-{at})" for at in (1, 2, 3))
_COLOURS = {MODEL: _MODEL, RANDOM: _CHANCE}, (_FIRST, _SECOND), (_THIRD, _FIRST)
_DASHES = {MODEL: [1, 0], RANDOM: _CHANCE_DASH}, ([7, 3], [3, 2]), ([7, 3, 2, 3], [10, 2])
_PERCENT = ".0%"
# A picture is one thing to a screen reader: its parts have no names, so they get no roles either.
_INNER_ROLES = re.compile(r' (?:role|aria-[a-z]+)="[^"]*"')
# Of axes on which each step about triples.
_LOG_TICKS = (*(round(a * 10.0**b, 6) for b in range(-5, 0) for a in (1, 3)), 1.0)
# Lists of a backtest that an axis can name one by one.
_FEW_DATES = 6
# How far the axes go beyond the outermost point.
_MARGIN = 1.25


def lines(curves: Mapping[str, Curve], *, x: str, y: str, key: str, title: str, text: str) -> str:
    """Draw curves of shares by ranker, each with its band where it has one."""
    points = [
        {"ranker": name, "x": a, "y": b}
        for name, curve in curves.items()
        for a, b in zip(curve.x, curve.y, strict=True)
        if b == b
    ]
    bands = [
        {"ranker": name, "x": a, "low": low, "high": high}
        for name, curve in curves.items()
        for a, low, high in zip(curve.x, curve.low, curve.high, strict=False)
    ]
    return _svg(_over_x(points, bands, list(curves), x, y), key, title, text)


def by_depth(
    points: Sequence[Point], rankers: Sequence[str], *, x: str, y: str, key: str, title: str, text: str
) -> str:
    """Draw a share by how many are called, on a scale on which each step doubles it."""
    axis = alt.X(
        "x:Q",
        title=x,
        scale=alt.Scale(type="log", base=2),
        axis=alt.Axis(values=sorted({int(one["x"]) for one in points}), format="d", labelOverlap=True),
    )
    bands = [one for one in points if one["ranker"] == MODEL and one["low"] == one["low"]]
    return _svg(_lines_of(points, bands, rankers, axis, y, _PERCENT), key, title, text)


def over_time(
    points: Sequence[Point], rankers: Sequence[str], *, y: str, key: str, title: str, text: str
) -> str:
    """Draw a metric by cutoff, a line a ranker."""
    few = _is_few(points)
    # A single list has no line, only its dot.
    return _svg(_lines_of(points, [], rankers, _dates(points), y, _PERCENT, dots=few), key, title, text)


def running(points: Sequence[Point], *, y: str, key: str, title: str, text: str) -> str:
    """Draw an estimate and its interval as they stood after each list, and the line of no effect."""
    x, vertical = _dates(points), alt.Y("y:Q", title=y, axis=alt.Axis(format="~g", tickCount=5))
    base = alt.Chart(_data(points))
    none = alt.Chart(_data([{"y": 0}])).mark_rule(color=_CHANCE, strokeDash=_CHANCE_DASH)
    dots: Any = alt.OverlayMarkDef(filled=True, size=36, color=_MODEL) if _is_few(points) else False
    chart = alt.layer(
        base.mark_area(opacity=0.2, color=_MODEL).encode(x=x, y=alt.Y("low:Q", title=y), y2="high:Q"),
        none.encode(y=vertical),
        base.mark_line(strokeWidth=2, color=_MODEL, point=dots).encode(x=x, y=vertical),
    )
    return _svg(chart, key, title, text)


def calibration(points: Sequence[Point], *, key: str, title: str, text: str) -> str:
    """Draw predicted against observed rates; where they agree, points are on the diagonal."""
    ends = [
        min(min(one["predicted"], one["low"]) for one in points),
        max(max(one["predicted"], one["high"]) for one in points),
    ]
    ends = [ends[0] / _MARGIN, min(ends[1] * _MARGIN, 1.0)]
    # As far as the tick before and the one after, so that an axis has at least two.
    ends = [
        max((tick for tick in _LOG_TICKS if tick <= ends[0]), default=ends[0]),
        min(tick for tick in _LOG_TICKS if tick >= ends[1]),
    ]
    scale = alt.Scale(type="log", domain=ends, nice=False)
    ticks = [tick for tick in _LOG_TICKS if ends[0] <= tick <= ends[1]]
    axis = alt.Axis(
        values=ticks,
        labelExpr="format(datum.value * 100, '~g') + '%'",
        labelFlush=False,  # a label that is pushed inwards runs into the next
        labelOverlap=True,
    )
    base = alt.Chart(_data(points))
    rates = alt.Chart(_data([{"at": end} for end in ends]))
    diagonal = rates.mark_line(color=_CHANCE, strokeDash=_CHANCE_DASH)
    chart = alt.layer(
        diagonal.encode(x=alt.X("at:Q", scale=scale), y=alt.Y("at:Q", scale=scale)),
        base.mark_rule(color=_MODEL, strokeWidth=1.5).encode(
            x=alt.X("predicted:Q", scale=scale), y=alt.Y("low:Q", scale=scale), y2="high:Q"
        ),
        base.mark_point(color=_MODEL, fill=_MODEL, size=50, opacity=1).encode(
            x=alt.X("predicted:Q", scale=scale, title="predicted probability", axis=axis),
            y=alt.Y("observed:Q", scale=scale, title="share that converted", axis=axis),
        ),
    )
    return _svg(chart, key, title, text)


def columns(
    points: Sequence[Point], kinds: Sequence[str], *, x: str, y: str, key: str, title: str, text: str,
    y_format: str = _PERCENT,
) -> str:  # fmt: skip
    """Draw columns side by side for each kind; places on x keep their order."""
    chart = (
        alt.Chart(_data(points))
        .mark_bar()
        .encode(
            x=alt.X("x:N", sort=None, title=x, axis=alt.Axis(labelAngle=0)),
            xOffset=alt.XOffset("ranker:N", sort=list(kinds)),
            y=alt.Y("y:Q", title=y, axis=alt.Axis(format=y_format, tickCount=5)),
            color=_colour(kinds, symbol="square"),
        )
    )
    return _svg(chart, key, title, text)


def bars(points: Sequence[Point], *, x: str, key: str, title: str, text: str) -> str:
    """Draw one bar per name, in the given order, with the spread of its value as a thin line."""
    height = 22 * len(points)
    named = alt.Y("name:N", sort=None, title=None, axis=alt.Axis(labelLimit=190))
    base = alt.Chart(_data(points))
    value = alt.X("y:Q", title=x, axis=alt.Axis(format="~g", tickCount=4, labelOverlap=True))
    chart = alt.layer(
        base.mark_bar(color=_MODEL, height=12).encode(x=value, y=named),
        base.mark_rule(color=_INK).encode(x="low:Q", x2="high:Q", y=named),
    )
    return _svg(chart, key, title, text, width=WIDTH - 110, height=height)


def intervals(points: Sequence[Point], *, x: str, key: str, title: str, text: str) -> str:
    """Draw a dot and its interval for each name, in the given order."""
    named = alt.Y("name:N", sort=None, title=None, axis=alt.Axis(labelLimit=190, grid=True))
    base = alt.Chart(_data(points))
    scale = alt.Scale(zero=False)
    axis = alt.Axis(format=".2f", tickCount=4)
    chart = alt.layer(
        base.mark_rule(color=_MODEL, strokeWidth=2).encode(
            x=alt.X("low:Q", scale=scale, title=x, axis=axis), x2="high:Q", y=named
        ),
        base.mark_point(color=_MODEL, fill=_MODEL, size=50, opacity=1).encode(
            x=alt.X("y:Q", scale=scale), y=named
        ),
    )
    return _svg(chart, key, title, text, width=WIDTH - 110, height=24 * len(points))


def _data(points: Sequence[Point]) -> alt.InlineData:
    """Return rows as one text, which Altair neither copies nor checks value by value."""
    rows = [{name: None if value != value else value for name, value in one.items()} for one in points]
    return alt.InlineData(values=json.dumps(rows), format={"type": "json"})


def _is_few(points: Sequence[Point]) -> bool:
    """Return whether an axis has room for every date."""
    return len({one["x"] for one in points}) <= _FEW_DATES


def _dates(points: Sequence[Point]) -> alt.X:
    """Return the axis of cutoffs."""
    if _is_few(points):  # each is named, and no month twice
        return alt.X("x:O", title="cutoff", axis=alt.Axis(labelAngle=0, labelOverlap=True))
    months = alt.TimeIntervalStep(interval="month", step=1)
    axis = alt.Axis(format="%b %Y", labelOverlap=True, tickCount=months)
    return alt.X("x:T", title="cutoff", axis=axis)


def _over_x(points: Sequence[Point], bands: Sequence[Point], rankers: Sequence[str], x: str, y: str) -> Any:
    axis = alt.X("x:Q", title=x, scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(format=_PERCENT, tickCount=5))
    return _lines_of(points, bands, rankers, axis, y, _PERCENT)


def _lines_of(
    points: Sequence[Point],
    bands: Sequence[Point],
    rankers: Sequence[str],
    x: alt.X,
    y: str,
    y_format: str,
    *,
    dots: bool = False,
) -> Any:
    vertical = alt.Y("y:Q", title=y, axis=alt.Axis(format=y_format, tickCount=5))
    area = (
        alt.Chart(_data(bands))
        .mark_area(opacity=0.2, color=_MODEL)
        .encode(x=x, y=alt.Y("low:Q", title=y), y2="high:Q")
    )
    line = (
        alt.Chart(_data(points))
        .mark_line(strokeWidth=2, point=alt.OverlayMarkDef(filled=True, size=36) if dots else False)
        .encode(x=x, y=vertical, color=_colour(rankers, symbol="stroke"), strokeDash=_dash(rankers))
    )
    return alt.layer(area, line) if bands else alt.layer(line)


def _colour(kinds: Sequence[str], *, symbol: str) -> alt.Color:
    return alt.Color("ranker:N", scale=_scale(kinds, *_COLOURS), legend=_legend(symbol))


def _dash(kinds: Sequence[str]) -> alt.StrokeDash:
    return alt.StrokeDash("ranker:N", scale=_scale(kinds, *_DASHES), legend=_legend("stroke"))


def _scale(
    kinds: Sequence[str], known: Mapping[str, Any], of_rules: Sequence[Any], others: Sequence[Any]
) -> alt.Scale:
    """Give each ranker the same look in every chart, and other series the remaining ones in turn."""
    rest = cycle(others)
    rules = zip((rule_to_beat(kinds), rule_of_actions(kinds)), reversed(of_rules), strict=True)
    known = {**known, **{name: look for name, look in rules if name}}
    return alt.Scale(
        domain=list(kinds), range=[known[kind] if kind in known else next(rest) for kind in kinds]
    )


def _legend(symbol: str) -> alt.Legend:
    return alt.Legend(
        title=None, orient="bottom", columns=2, symbolType=symbol, symbolStrokeWidth=2.5, labelLimit=170
    )


def _svg(
    chart: alt.TopLevelMixin,
    key: str,
    title: str,
    text: str,
    *,
    width: int = WIDTH,
    height: int = HEIGHT,
) -> str:
    """Return a chart as SVG that scales to any width and describes itself to screen readers."""
    finished = (
        chart.properties(width=width, height=height, background="transparent")
        .configure(font=_FONT, aria=False)
        .configure_axis(
            labelColor=_INK, titleColor=_INK, gridColor=_GRID, domainColor=_GRID, tickColor=_GRID,
            labelFontSize=12, titleFontSize=12, titleFontWeight="normal",
        )
        .configure_legend(labelColor=_INK, labelFontSize=12, symbolSize=140)
        .configure_view(stroke=None)
    )  # fmt: skip
    drawn = vl_convert.vegalite_to_svg(finished.to_dict())
    return _named(_own_ids(_INNER_ROLES.sub("", drawn), key), key, title, text)


def _own_ids(svg: str, key: str) -> str:
    """Make a chart's ids unique, since the page holds several."""
    return re.sub(r'(id="|url\(#)', rf"\g<1>{key}-", svg)


def _named(svg: str, key: str, title: str, text: str) -> str:
    head, rest = svg.split(">", 1)
    width, height = (re.search(rf'\b{name}="([\d.]+)"', head) for name in ("width", "height"))
    wide = width.group(1) if width else str(WIDTH)
    tall = height.group(1) if height else str(HEIGHT)
    named = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {tall}" class="chart" '
        f'role="img" aria-labelledby="{key}-title {key}-desc" style="max-width:{float(wide) * 1.35:.0f}px">'
        f'<title id="{key}-title">{escape(title)}</title><desc id="{key}-desc">{escape(text)}</desc>'
    )
    return named + rest
