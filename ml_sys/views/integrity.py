"""What verification and reproduction found."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ml_sys import console
from ml_sys.model.files.golden import PROBABILITY_TOLERANCE
from ml_sys.text import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ml_sys.jobs.reproduce import Reproduction
    from ml_sys.registry.verification import Finding

_SHOWN_METRICS = 5


def findings(found: Sequence[Finding]) -> None:
    """Show what verification found."""
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


def findings_plain(found: Sequence[Finding]) -> dict[str, Any]:
    """Return what verification found as plain data."""
    return {
        "passed": all(one.status != "failed" for one in found),
        "findings": [asdict(one) for one in found],
    }


def reproduced(result: Reproduction) -> None:
    """Show whether a version came out the same again."""
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
        console.line("Otherwise than when it was trained: " + "; ".join(result.environment))


def reproduced_plain(result: Reproduction) -> dict[str, Any]:
    """Return a reproduction as plain data."""
    return {**asdict(result), "identical": result.identical, "close": result.close}


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
