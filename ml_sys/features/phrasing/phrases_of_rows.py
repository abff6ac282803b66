"""What a feature says in numbers that sales can check, where its own value is a ratio or a measure of spread.

The numbers come from other features of the same row; where the model has none of these, the feature's own
phrase has to do.
"""

from __future__ import annotations

import math
from functools import lru_cache, partial
from typing import TYPE_CHECKING

from ml_sys.features.phrasing.phrase import joined
from ml_sys.features.phrasing.spoken_numbers import count, number, share
from ml_sys.features.phrasing.window_phrases import place_of, user_of_row

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ml_sys.features.compute import FeatureSpec
    from ml_sys.form import Noun

    Values = Mapping[str, float | str | None]

_SHOWN_TOOLS = 3


def said_of_row(feature: str, values: Values, spec: FeatureSpec) -> str | None:
    """Return what a feature says of an entity in numbers; None where its own phrase has to do.

    Parameters
    ----------
    feature : str
    values : mapping
        Value of each feature of the entity, None for blanks.

    Examples
    --------
    >>> from ml_sys.features.compute import FeatureSpec
    >>> said_of_row("actions_week_over_week", {"actions_7d": 120.0, "actions_14d": 205.0}, FeatureSpec((7,)))
    '35 more actions than the week before: 120 in the last 7 days after 85'
    >>> said_of_row("actions_growth_7d_28d", {"actions_7d": 120.0, "actions_28d": 240.0}, FeatureSpec((7,)))
    '120 actions in the last 7 days, against 60 a week over the last 28'
    """
    say = _sayings(spec).get(feature)
    return None if say is None else say(values)


@lru_cache(maxsize=8)
def _sayings(spec: FeatureSpec) -> dict[str, Callable[[Values], str | None]]:
    form, spans = spec.form, spec.spans
    found: dict[str, Callable[[Values], str | None]] = {
        f"actions_{spans.of_pair}_over_{spans.of_pair}": partial(_pair, spec),
        f"object_entropy_{spans.main}d": partial(_spread, spec),
    }
    told = [
        ("actions", "actions_{}d", form.words.action, ""),
        ("users", "users_{}d", user_of_row(form, spans), ""),
    ]
    told += [
        (one.name, f"{one.name}_sum_{{}}d", one.noun, one.verb)
        for one in form.measures
        if one.role == "amount"
    ]
    for name, window, noun, verb in told:
        for days, longer in ((spans.short, spans.main), (spans.main, spans.long)):
            found[f"{name}_growth_{days}d_{longer}d"] = partial(
                _growth, spec, window, noun, verb, days, longer
            )
    return found


def _pair(spec: FeatureSpec, values: Values) -> str | None:
    (once, twice), action = spec.spans.pair, spec.form.words.action
    recent, both = _known(values, f"actions_{once}d"), _known(values, f"actions_{twice}d")
    if recent is None or both is None or both == 2 * recent:
        return None
    before = both - recent
    side = "more" if recent > before else "fewer"
    change = count(abs(recent - before), f"{side} {action.one}", f"{side} {action.many}")
    return (
        f"{change} than the {spec.spans.of_pair} before: "
        f"{number(recent)} in the {spec.spans.last(once)} after {number(before)}"
    )


def _growth(
    spec: FeatureSpec, window: str, noun: Noun, verb: str, days: int, longer_days: int, values: Values
) -> str | None:
    recent, longer = _known(values, window.format(days)), _known(values, window.format(longer_days))
    if not recent or longer is None:
        return None
    spans = spec.spans
    said = joined(verb, count(recent, noun.one, noun.many), f"in the {spans.last(days)}")
    if days > spans.short:
        said += f", {number(recent / spans.rows_in(days))} a {spans.unit}"
    usual = number(longer / spans.rows_in(longer_days))
    return f"{said}, against {usual} a {spans.unit} over the last {spans.as_many(longer_days)}"


def _spread(spec: FeatureSpec, values: Values) -> str | None:
    form, main = spec.form, spec.spans.main
    shares = [(_known(values, f"share_{obj}_{main}d"), obj) for obj in form.objects]
    used = sorted(((one, obj) for one, obj in shares if one), reverse=True)[:_SHOWN_TOOLS]
    if not used or any(one is None for one, _ in shares):
        return None
    told = ", ".join(f"{share(one)} {place_of(form, obj)}" for one, obj in used)
    return f"{form.words.action.many} in the {spec.spans.last(main)}: {told}"


def _known(values: Values, name: str) -> float | None:
    value = values.get(name)
    if value is None or isinstance(value, str) or not math.isfinite(value):
        return None
    return float(value)
