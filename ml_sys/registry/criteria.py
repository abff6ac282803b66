"""The criteria of the promotion gate, one function each.

Each returns its finding as text for people and figures for the audit trail. A figure that is not defined is
None, and the criterion that needs it fails.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from ml_sys.form import PLAIN_WORDS
from ml_sys.metrics.bootstrap import Estimate, cluster_counts, interval
from ml_sys.metrics.calibration import bin_shares
from ml_sys.metrics.names import label
from ml_sys.metrics.paired import Paired, chance_p_value, converters_of, metric_interval
from ml_sys.text import between, counted

if TYPE_CHECKING:
    from ml_sys.form import Noun
    from ml_sys.metrics.ranking import Outcomes, Values, Weights
    from ml_sys.settings import GateSettings

FILES = "files verify"
CANARIES = "leak canaries passed"
CONVERTERS = "enough converters"
SIGNAL = "ranks better than chance"
CALIBRATED = "calibrated"
RULE = "as good as simple rules"
UNSEEN = "rows new to the champion"
NO_WORSE = "no worse than the champion"
STRICT = "as strict as the settings file"

PERMUTATIONS = 2000


@dataclass(frozen=True)
class Finding:
    """The finding of a criterion: whether it passed, a text, figures, and whether failing it blocks."""

    passed: bool
    text: str
    figures: dict[str, float | None]
    blocking: bool = True


def finite(**figures: float) -> dict[str, float | None]:
    """Return the numbers, with None for those that are not finite."""
    return {name: float(value) if math.isfinite(value) else None for name, value in figures.items()}


def not_judged(why: str) -> Finding:
    """Return the finding of a criterion that could not be judged."""
    return Finding(False, f"not judged: {why}", {})


def asked(
    settings: GateSettings,
    *,
    beside_champion: bool,
    beside_rule: bool = False,
    entity: Noun = PLAIN_WORDS.entity,
) -> dict[str, str]:
    """Return the criteria in order, with what each asks for, given what is in production."""
    error, ratio = settings.max_calibration_error, settings.max_calibration_ratio
    absolute = {
        FILES: "every file as it was written",
        CANARIES: "none failed",
        CONVERTERS: f"at least {entity.counted(settings.min_positives)}",
        SIGNAL: f"interval above {settings.min_lift:g} times the rate, "
        f"p of chance at most {_chance_limit(settings.confidence):.2g}",
        CALIBRATED: f"error at most {error:.0%} of the rate, predicted over observed {1 / ratio:.3g} to "
        f"{ratio:.3g}: neither interval outside",
        RULE: _asked_of_rules(settings, entity, standing=beside_rule),
    }
    return absolute | (
        {
            UNSEEN: "it has not trained on them",
            NO_WORSE: f"probability at most {settings.max_probability_worse:g}",
        }
        if beside_champion
        else {}
    )


def _asked_of_rules(settings: GateSettings, entity: Noun, *, standing: bool) -> str:
    limit = f"neither probability above {settings.max_probability_worse:g}"
    if standing:
        return f"{limit}: a rule is in production"
    converters = entity.counted(settings.rule_converters, "that converts", "that convert")
    asked = f"{limit}; asked from {converters} on"
    return asked if settings.require_rule else f"{asked}; reported, not required"


def files(problems: tuple[str, ...]) -> Finding:
    """Check that all files verify."""
    return Finding(not problems, "; ".join(problems) or "they do", finite(problems=len(problems)))


def canaries(failed: tuple[str, ...]) -> Finding:
    """Check that the leak canaries passed."""
    return Finding(not failed, "; ".join(failed) or "all passed", finite(failed=len(failed)))


def laxness(settings: GateSettings, standard: GateSettings) -> tuple[str, str]:
    """Return the limits laxer than the settings file's, and the file's own; both empty if there are none."""
    laxer = settings.laxer_than(standard)
    found, asked = (", ".join(f"gate.{name} = {one[at]}" for name, one in laxer.items()) for at in (0, 1))
    return found, asked


def unseen(overlap: str, left_out: int, entity: Noun = PLAIN_WORDS.entity) -> Finding:
    """Check that the champion was not trained on these rows, and count the companies left out for that."""
    told = f"it has not; {entity.counted(left_out)} left out" if left_out else "it has not"
    return Finding(not overlap, overlap or told, finite(left_out=left_out))


def converters(outcomes: Outcomes, settings: GateSettings, entity: Noun = PLAIN_WORDS.entity) -> Finding:
    """Check that enough companies convert; each counts once, at however many cutoffs it converts."""
    positives, rows = int(outcomes.label.sum()), outcomes.label.size
    companies = converters_of(outcomes)
    of_lists = f", {outcomes.share:.0%} of each list" if outcomes.share < 1 else ""
    return Finding(
        companies >= settings.min_positives,
        f"{entity.counted(companies, 'that converts', 'that convert')}, "
        f"{counted(positives, 'conversion')} in {rows:,} rows{of_lists}",
        finite(converters=companies, conversions=positives, rows=rows),
    )


def signal(outcomes: Outcomes, settings: GateSettings, seed: int) -> Finding:
    """Check that the ranking beats chance: by its interval and by a permutation test.

    The permutation test passes (1 - confidence) / 2 of random rankings, the interval 0.2 to 2.2 % at a
    confidence of 0.95, and both together at most 0.6 % (500 rankings in each of five settings with 10 to 120
    conversions in about 10,000 rows or more). Besides, the interval has to exceed the rate by a factor: a
    model that learnt from noise may rank active companies first by accident, which is better than chance but
    not a signal.
    """
    if not outcomes.label.any():
        return not_judged("there are no conversions")
    found = metric_interval(
        outcomes,
        "average_precision",
        resamples=settings.resamples,
        confidence=settings.confidence,
        seed=seed,
    )
    rate = outcomes.label.mean()
    p_value = chance_p_value(outcomes, permutations=PERMUTATIONS, seed=seed)
    return Finding(
        bool(found.low > _least(rate, settings.min_lift) and p_value <= _chance_limit(settings.confidence)),
        f"average precision {_with_interval(found)}, rate {rate:.3g}, p = {p_value:.2g}",
        finite(
            average_precision=found.value,
            low=found.low,
            high=found.high,
            conversion_rate=rate,
            p_value=p_value,
        ),
    )


def calibrated(outcomes: Outcomes, settings: GateSettings, seed: int) -> Finding:
    """Check that the probabilities are accurate enough to multiply by money.

    The calibration error is relative to the conversion rate: the conversions promised too many or too few in
    ten bins with equally many rows, over all that came. Probabilities of zero have an error of 1. With a few
    dozen converters, luck alone makes it .3 to .8, so the lower bound of its interval decides. On 14 holdouts
    of real data with 20 to 40 conversions this bound was .00 to .54 for honest models, .72 to 1.5 for the
    same probabilities in reverse, 1 for zeros and above 60 for scores learnt with equal classes.
    """
    if not outcomes.label.any():
        return not_judged("there are no conversions")
    error = _relative_calibration_error(outcomes, settings, seed)
    ratio = _predicted_over_observed(outcomes, settings, seed)
    most = settings.max_calibration_ratio
    return Finding(
        bool(error.low <= settings.max_calibration_error and ratio.low <= most and ratio.high >= 1 / most),
        f"error {error.value:.0%} of the rate ({error.low:.0%} to {error.high:.0%}), "
        f"predicted over observed {_with_interval(ratio)}",
        finite(
            calibration_error=error.value,
            calibration_error_low=error.low,
            calibration_error_high=error.high,
            predicted_over_observed=ratio.value,
            low=ratio.low,
            high=ratio.high,
        ),
    )


def no_worse(paired: Paired | None, settings: GateSettings, obstacle: str) -> Finding:
    """Check that the challenger is no worse; ``obstacle`` says why they could not be compared."""
    metric = label(settings.primary_metric)
    if paired is None:
        return not_judged(obstacle or f"{metric} is not defined on these rows")
    return Finding(
        paired.probability_worse <= settings.max_probability_worse,
        f"{metric} {paired.challenger:.3g} against {paired.champion:.3g}, difference "
        f"{between(paired.low, paired.high)}; worse "
        f"by over {settings.tolerance:.0%} with probability "
        f"{paired.probability_worse:.2g}",
        {name: value for name, value in asdict(paired).items() if name != "metric"},
    )


def _least(rate: float, lift: float) -> float:
    """Return the average precision to exceed; if many convert, at most halfway from the rate to 1."""
    return min(lift * rate, (1 + rate) / 2)


def _chance_limit(confidence: float) -> float:
    """Return the largest p-value that passes: the tail that an interval leaves out below it.

    Whatever the confidence, a ranking that none of the permutations reaches passes.
    """
    return max((1 - confidence) / 2, 1 / (PERMUTATIONS + 1))


def _relative_calibration_error(outcomes: Outcomes, settings: GateSettings, seed: int) -> Estimate:
    """Return the calibration error over the conversion rate with its interval, clustered by company."""
    _, cluster = np.unique(outcomes.company, return_inverse=True)
    gap, n_clusters = outcomes.score - outcomes.label, int(cluster.max()) + 1
    shares = bin_shares(outcomes.score)
    gaps = np.column_stack([np.bincount(cluster, gap * share, n_clusters) for share in shares])
    observed = np.bincount(cluster, outcomes.label, n_clusters)

    def errors(counts: Weights) -> Values:
        above, below = np.abs(counts @ gaps).sum(axis=1), counts @ observed
        shares: Values = np.divide(above, below, out=np.full_like(above, math.nan), where=below > 0)
        return shares

    draws = cluster_counts(n_clusters, cluster.size, settings.resamples, seed)
    drawn = np.concatenate([errors(counts) for counts in draws])
    value = float(errors(np.ones((1, n_clusters)))[0])
    bounds = interval("calibration_error", value, drawn, converters_of(outcomes), settings.confidence)
    return Estimate(value, *bounds)


def _predicted_over_observed(outcomes: Outcomes, settings: GateSettings, seed: int) -> Estimate:
    """Return the ratio with its interval, clustered by company; infinite if nothing converts."""
    _, cluster = np.unique(outcomes.company, return_inverse=True)
    sums = [np.bincount(cluster, weights=of) for of in (outcomes.score, outcomes.label)]
    draws = cluster_counts(sums[0].size, cluster.size, settings.resamples, seed)
    predicted, observed = np.concatenate(
        [[(counts * one).sum(axis=1) for one in sums] for counts in draws], axis=1
    )
    # Resamples without a conversion have an infinite ratio; its inverse is zero, which percentiles can
    # handle.
    inverse = observed[predicted > 0] / predicted[predicted > 0]
    if not inverse.size:
        return Estimate(0.0, 0.0, 0.0)
    tail = 100 * (1 - settings.confidence) / 2
    low, high = np.percentile(inverse, (100 - tail, tail))
    return Estimate(float(sums[0].sum() / sums[1].sum()), _inverse(low), _inverse(high))


def _inverse(value: float) -> float:
    return 1 / float(value) if value else math.inf


def _with_interval(one: Estimate) -> str:
    return f"{one.value:.3g} ({one.low:.3g} to {one.high:.3g})"
