"""Sentences about a version that the page, the card and the terminal share."""

from __future__ import annotations

from datetime import date
from math import isfinite
from typing import TYPE_CHECKING, Any

from ml_sys.features.rules import MOST_RECENT, NEWEST, is_rule, rule_to_beat
from ml_sys.form import PLAIN_WORDS
from ml_sys.metrics.holdout import ALL
from ml_sys.metrics.promises import count_interval
from ml_sys.metrics.scored_lists import MODEL, RANDOM
from ml_sys.report.numbers import in_ten, number, percent, spread
from ml_sys.text import counted, date_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ml_sys.form import Noun
    from ml_sys.metrics.bootstrap import Estimate
    from ml_sys.metrics.campaign import Season
    from ml_sys.model.sufficiency import Sufficiency
    from ml_sys.report.evidence import Evidence


_CALLED = 50
_WEEK_DAYS = 7
# From a third too low to half too high, probabilities are close enough to multiply money by.
_CLOSE = (0.67, 1.5)


def summary(evidence: Evidence) -> tuple[str, ...]:
    """Summarise what the holdout and the season of calls showed."""
    held, model = evidence.holdout, evidence.evaluation[ALL][MODEL]
    lists = counted(len(held["cutoffs"]), "list")
    back = evidence.past.backtest
    sentences = [season_in_short(back.season, evidence.words.entity)] if back else []
    sentences.append(_found(model, lists, evidence))
    sentences += _beside_best_rule(evidence)
    sentences.append(_truth(model, evidence))
    return tuple(sentences)


def of_whole_lists(holdout: Mapping[str, Any]) -> str:
    """Say what a depth means when only some companies are held out; empty otherwise."""
    share = holdout.get("share", 1.0)
    if share >= 1:
        return ""
    return (
        f"{percent(share, 0)} of each list are held out; depths are those of whole lists, so that the top "
        f"{_CALLED} are the first {_CALLED * share:.0f} of those held out."
    )


def of_sample(fit: Mapping[str, Any], entity: Noun = PLAIN_WORDS.entity) -> str:
    """Say how a panel too large to train on was sampled; empty if it was not."""
    one_in = fit.get("one_in", 1)
    if one_in == 1:
        return ""
    return (
        f"Trained on a sample of {fit['sampled_rows']:,} of {fit['whole_rows']:,} rows: every conversion, "
        f"and one in {one_in:.1f} of the others, drawn by what the {entity.one} looked like at the time. "
        f"Each of the others counts {one_in:.1f} times, so that rates stay the same."
    )


def until_enough(found: Sufficiency) -> str:
    """Say when there will be enough conversions to judge a model; empty where there is."""
    if found.enough:
        return ""
    came = counted(found.converters, "conversion came", "conversions came")
    text = (
        f"{came} while usage was covered, {number(found.per_week, 1)} a week lately; training and judging a "
        f"model takes {found.needed}"
    )
    if found.day is None or found.give_or_take_days is None:
        return f"{text}, which is not in sight"
    weeks = max(1, round(found.give_or_take_days / _WEEK_DAYS))
    around = date.fromisoformat(date_of(found.day))
    return f"{text}: at that rate about {around.day} {around:%B %Y}, give or take {counted(weeks, 'week')}"


def chance_of(evidence: Evidence, metric: str) -> float:
    """Return what a random order scores."""
    return evidence.evaluation[ALL][RANDOM][metric].value


def season_in_short(season: Season, entity: Noun = PLAIN_WORDS.entity) -> str:
    """Say what calling the top of each list reaches at the largest capacity, and what a rule would have."""
    capacity = max(one.capacity for one in season.campaigns)
    rest = max(one.cooldown_weeks for one in season.campaigns)
    model, chance = (season.of(one, capacity, rest) for one in (MODEL, RANDOM))
    if not model.of:
        return f"No {entity.one} paid within the horizon of the {counted(model.lists, 'list')}."
    resting = f", leaving out whom it called in the last {counted(rest, 'week')}," if rest else ""
    text = (
        f"Calling the top {capacity} of each of {counted(model.lists, 'list')}{resting} "
        f"reaches {model.converters.value:.0f} of {counted(model.of, 'converter')} ({model.share:.0%})"
    )
    if model.converters.value:
        text += f", one in {model.calls_per_converter:.0f} calls"
    if chance.converters.value:
        text += f", {model.converters.value / chance.converters.value:.0f} times as many as at random"
    of_rules = {
        one.ranker: one.converters.value
        for one in season.campaigns
        if (one.capacity, one.cooldown_weeks) == (capacity, rest) and is_rule(one.ranker)
    }
    if not of_rules:
        return f"{text}."
    name = _best(of_rules)
    who = f"the {name}" if name in {NEWEST, MOST_RECENT} else f"those with the {name}"
    return f"{text}; calling {who} reaches {of_rules[name]:.0f}."


def _found(model: dict[str, Estimate], lists: str, evidence: Evidence) -> str:
    recall, lift = model[f"recall_at_{_CALLED}"].value, model[f"lift_at_{_CALLED}"].value
    if not isfinite(recall):
        return f"No {evidence.words.entity.one} of the holdout converted."
    return (
        f"On {lists} that the model had not been trained on, calling the top {_CALLED} finds "
        f"{in_ten(recall)} of all conversions within {evidence.horizon_days} days, {number(lift, 0)} times "
        "as many as calling at random."
    )


def _beside_best_rule(evidence: Evidence) -> list[str]:
    """Compare the model with the rule that ranks best, as the gate does; nothing without one."""
    precision = {name: of["average_precision"] for name, of in evidence.evaluation[ALL].items()}
    leads = {name: one for name, one in evidence.ranking.lead.items() if isfinite(one.value)}
    if not leads:
        return []
    best = _best({name: precision[name].value for name in leads})
    who = evidence.words.entity.many
    called = f"{best} {who}" if best in {NEWEST, MOST_RECENT} else f"{who} with the {best}"
    return [_beside(called, precision[MODEL], precision[best], leads[best])]


def _best(of_rules: Mapping[str, float]) -> str:
    """Return the rule of the highest figure, and of equals the one that models are usually compared with."""
    usual = rule_to_beat(of_rules)
    return max(of_rules, key=lambda name: (of_rules[name], name == usual))


def _beside(called: str, ours: Estimate, theirs: Estimate, lead: Estimate) -> str:
    sure = (
        "beyond what chance explains"
        if lead.low > 0 or lead.high < 0
        else "but with so few conversions that may still be chance"
    )
    better = "better" if lead.value >= 0 else "worse"
    return (
        f"Its ranking is {better} than calling the {called}, {sure}: an average "
        f"precision of {number(ours.value)} against {number(theirs.value)}, a difference of {spread(lead)}."
    )


def _truth(model: dict[str, Estimate], evidence: Evidence) -> str:
    said, came = model["mean_probability"].value, model["conversion_rate"].value
    promised, positives = said * evidence.holdout["rows"], evidence.holdout["positives"]
    if not came:
        return f"Its probabilities promised {number(promised, 1)} conversions; none came."
    # A company counts once, at however many cutoffs it converts.
    converters = evidence.holdout["companies_converted"]
    low, high = (positives / converters * one for one in count_interval(converters, evidence.confidence))
    verdict = "no more apart than chance explains"
    if not low <= promised <= high:
        near = "close to" if _CLOSE[0] <= said / came <= _CLOSE[1] else "far from"
        verdict = f"taken together they are {near} the truth"
    companies = evidence.words.entity.counted(converters)
    return (
        f"Its probabilities promised {number(promised, 0)} conversions and {positives:,} came "
        f"(of {companies}): {verdict}."
    )
