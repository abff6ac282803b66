"""What is left out: groups and features by name, and how many features each is."""

from __future__ import annotations

import pytest

from ml_sys.errors import SettingsError
from ml_sys.experiments.ablation import groups_of, without
from ml_sys.model.train import spec_from
from tests.model import world as w

SETTINGS = w.settings(features={"windows_days": [7], "off": ["trend", "unranked"]})
GROUPS = spec_from(SETTINGS).groups()


def test_every_group_that_is_on_is_counted() -> None:
    found = groups_of(SETTINGS, ())
    assert found == {group: list(GROUPS.values()).count(group) for group in GROUPS.values()}
    assert sum(found.values()) == len(GROUPS)
    assert (found["windows"], found["attributes"]) == (18, 4)
    assert "trend" not in found


def test_a_feature_by_itself_is_one_and_what_is_asked_for_keeps_its_order() -> None:
    assert groups_of(SETTINGS, ("users_28d", "tenure", "industry")) == {
        "users_28d": 1,
        "tenure": 2,
        "industry": 1,
    }


def test_what_is_off_or_unknown_or_all_there_is_cannot_be_left_out() -> None:
    for name in ("trend", "unranked", "nonsense"):
        with pytest.raises(SettingsError, match="neither a feature nor a group that is on"):
            groups_of(SETTINGS, (name,))
    with pytest.raises(SettingsError, match=r"ablate.*nothing-like-it") as far:
        groups_of(SETTINGS, ("nothing-like-it",))
    assert far.value.hint == f"groups are {', '.join(dict.fromkeys(GROUPS.values()))}"
    with pytest.raises(SettingsError) as near:
        groups_of(SETTINGS, ("tenur",))
    assert near.value.hint == "did you mean 'tenure'?"
    others = tuple(group for group in set(GROUPS.values()) - {"tenure"})
    only = w.settings(features={"windows_days": [7], "off": [*others, "trend", "unranked"]})
    with pytest.raises(SettingsError, match=r"tenure.*is the only one left"):
        groups_of(only, ("tenure",))


def test_without_a_group_what_was_off_stays_off() -> None:
    left = spec_from(without(SETTINGS, "tenure")).groups()
    assert left == {name: group for name, group in GROUPS.items() if group != "tenure"}
    assert spec_from(SETTINGS).groups() == GROUPS
