"""Measure what a group of features adds, by making the same lists with and without it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ml_sys.errors import SettingsError, nearest
from ml_sys.model.train import spec_from

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ml_sys.form import Form
    from ml_sys.metrics.paired import ListMetric, Paired
    from ml_sys.settings import Settings


@dataclass(frozen=True)
class Ablation:
    """The current settings compared with those that leave out a group.

    Attributes
    ----------
    group : str
        A group of features or a single one.
    features : int
        How many it holds.
    paired : dict
        Population → metric → with the group (the challenger) beside without it.
    """

    group: str
    features: int
    paired: dict[str, dict[ListMetric, Paired]]


def groups_of(settings: Settings, wanted: Sequence[str], form: Form | None = None) -> dict[str, int]:
    """Return the groups or features to leave out, each with its number of features; all groups by default.

    Parameters
    ----------
    form : Form, optional
        What the tables mean; by default what the default description says.

    Raises
    ------
    SettingsError
        If there is none of that name, or it is all there is.
    """
    groups = spec_from(settings, form).groups()
    known = [*dict.fromkeys(groups.values()), *groups]
    for name in wanted:
        if name not in known:
            near = nearest(name, known)
            hint = (
                f"did you mean {near!r}?"
                if near
                else f"groups are {', '.join(dict.fromkeys(groups.values()))}"
            )
            raise SettingsError("ablate", name, "is neither a feature nor a group that is on", hint=hint)
    sizes = {
        name: sum(name in pair for pair in groups.items())
        for name in (wanted or dict.fromkeys(groups.values()))
    }
    whole = [name for name, size in sizes.items() if size == len(groups)]
    if whole:
        raise SettingsError(
            "ablate", whole[0], "is the only one left: nothing remains without it", hint="name another one"
        )
    return sizes


def without(settings: Settings, group: str) -> Settings:
    """Return the settings with a group of features off."""
    features = settings.features.model_copy(update={"off": (*settings.features.off, group)})
    return settings.model_copy(update={"features": features})
