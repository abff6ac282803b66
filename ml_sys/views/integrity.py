"""What verification and reproduction found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_sys import console
from ml_sys.model.files.golden import PROBABILITY_TOLERANCE
from ml_sys.text import counted
from ml_sys.views.promote import short

if TYPE_CHECKING:
    from ml_sys.jobs.models.reproduce import Reproduction
    from ml_sys.model.files.signing import KeyFiles
    from ml_sys.registry.verification import Accepted, Verification

_SHOWN_METRICS = 5


def verified(result: Verification) -> None:
    """Show what verification found."""
    found = result.findings
    failed = [one for one in found if one.status == "failed"]
    title = (
        "Everything verifies"
        if not failed
        else counted(len(failed), "thing does", "things do") + " not verify"
    )
    console.table(
        title, ("what", "", "found"), [(one.subject, one.status, one.found) for one in found], left=3
    )
    for one in found:
        if one.hint:
            console.line(f"{one.subject}: {one.hint}")


def accepted(result: Accepted) -> None:
    """Show what was accepted."""
    if result.version is not None:
        console.line(f"Version {result.version} is registered as {result.status}.")
        return
    console.line(f"The audit trail is accepted as it stands: {result.found}.")
    console.line(f"In production: {short(result.production or 'none')}. See mlsys history")


def keys(made: KeyFiles) -> None:
    """Show where the files of a new key are, and which settings name them."""
    private, public = made.private, made.public
    console.line(f"Written: {private} (private, for those who train) and {public} (for everybody else)")
    console.line(
        f'Next: set registry.signing_key = "{private}", and elsewhere registry.trusted_keys = ["{public}"]'
    )


def reproduced(result: Reproduction) -> None:
    """Show whether a version was reproduced."""
    metrics = "identical"
    if result.metrics:
        differ = counted(len(result.metrics), "differs", "differ")
        metrics = f"{differ}: {', '.join(result.metrics[:_SHOWN_METRICS])}"
    rows = [
        ("booster", {None: "none to compare", True: "identical bytes", False: "other bytes"}[result.booster]),
        ("holdout rows", "identical" if result.same_rows else "other rows"),
        ("holdout probabilities", _gap(result.largest_difference)),
        ("metrics", metrics),
    ]
    console.table(_verdict(result), ("what", "trained again"), rows, left=2)
    if result.environment:
        console.line("Changed since it was trained: " + "; ".join(result.environment))


def _verdict(result: Reproduction) -> str:
    if result.identical:
        return f"Version {result.version} is reproduced to the last bit"
    if result.close:
        return f"Version {result.version} is reproduced within {PROBABILITY_TOLERANCE:g}, not to the last bit"
    return f"Version {result.version} is not reproduced"


def _gap(gap: float | None) -> str:
    if gap is None:
        return "not comparable"
    return "identical" if gap == 0 else f"differ by up to {gap:.2g}"
