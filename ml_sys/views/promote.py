"""The gate's verdict, and the outcome of a promotion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ml_sys import console
from ml_sys.text import counted, is_rule, named
from ml_sys.views.frame.cells import number

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ml_sys.jobs.models.promote import Promotion, Rollback

_DIGITS = 3


def promoted(result: Promotion) -> None:
    """Show the verdict, criterion by criterion, and what was done."""
    version = result.version
    if result.verdict is None:
        console.line(_without_verdict(result))
        return
    verdict = result.verdict.to_plain()
    criteria(verdict)
    failed = len(_unmet(verdict))
    unmet = f"{counted(failed, 'criterion is', 'criteria are')} not met"
    place = f" in place of {short(result.replaced)}" if result.replaced else ""
    if result.promoted:
        forced = f" – forced, though {unmet}" if failed else ""
        console.line(f"Version {version} is in production{place}{forced}.")
    elif failed:
        console.line(f"Refused: {unmet}. Nothing was changed.")
    else:
        console.line(f"Version {version} passes. Nothing was changed: this was a dry run.")


def rolled_back(result: Rollback) -> None:
    """Show which version is in production again."""
    console.line(f"{told(result.production)} is in production again, in place of {short(result.left)}.")


def told(version: str) -> str:
    """Return the beginning of a sentence about a version, or about the rule in its place."""
    text = named(version)
    return text[:1].upper() + text[1:]


def _without_verdict(result: Promotion) -> str:
    version = told(result.version)
    if result.replaced == result.version:
        return f"{version} is in production already."
    if not result.promoted:
        return f"{version} can be promoted. Nothing was changed: this was a dry run."
    place = f", in place of {short(result.replaced)}" if result.replaced else ""
    return f"{version} is in production{place}: it ranks lists until a version is promoted."


def criteria(verdict: Mapping[str, Any]) -> None:
    """Show a verdict's criteria, with what was found and what is asked."""
    rows = [(one["name"], _outcome(one), one["found"], one["asked"]) for one in verdict["criteria"]]
    console.table(f"Gate: {conclusion(verdict)}", ("criterion", "", "found", "asked"), rows, left=4)


def overridden(verdict: Mapping[str, Any]) -> list[str]:
    """Return each criterion that is not met: what was found, and what is asked."""
    return [f"{one['name']}: {one['found']}, asked {one['asked']}" for one in _unmet(verdict)]


def conclusion(verdict: Mapping[str, Any]) -> str:
    """Return a verdict in a few words."""
    beside = (
        f"{verdict['version']} beside {verdict['champion']}" if verdict["champion"] else verdict["version"]
    )
    if not verdict["comparison"]:
        outcome = "passes" if verdict["passed"] else "does not pass"
        return f"{beside} {outcome}"
    figures = verdict["comparison"]
    values = [number(figures[name], _DIGITS) or "–" for name in ("challenger", "champion")]
    return f"{beside}: {verdict['conclusion']} ({values[0]} against {values[1]})"


def _outcome(criterion: Mapping[str, Any]) -> str:
    if criterion["passed"]:
        return "passed"
    return "FAILED" if criterion.get("blocking", True) else "noted"


def _unmet(verdict: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the criteria that a version was refused for; older trails contain only blocking ones."""
    return [one for one in verdict["criteria"] if not one["passed"] and one.get("blocking", True)]


def short(version: str) -> str:
    """Return a version, or the name of the rule in its place."""
    return named(version) if is_rule(version) else version
