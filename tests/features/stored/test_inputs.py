"""Whatever is made of a snapshot in several parts is what is made of it whole, to the bit."""

from __future__ import annotations

import gc
import pickle
import shutil
import tempfile
import weakref
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ml_sys.data.snapshot import Outline, Snapshot
from ml_sys.engine.mapping import Engine
from ml_sys.engine.storage import Storage
from ml_sys.errors import EngineError
from ml_sys.features.inputs import InputPart
from ml_sys.features.panel import Panel
from ml_sys.features.sampling import by_content
from ml_sys.features.stored.inputs import StoredInputs
from ml_sys.leaks.canaries import later_usage_deleted
from ml_sys.model.split import Source, split
from ml_sys.model.train import spec_from
from ml_sys.settings import Settings

Opens = Callable[[int], Outline]


def changed(settings: Settings, **groups: dict[str, object]) -> Settings:
    return settings.model_copy(
        update={name: getattr(settings, name).model_copy(update=values) for name, values in groups.items()}
    )


def assert_same(one: Panel, other: Panel) -> None:
    for name in ("company", "cutoff", "label", "seen"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    assert list(one.rules) == list(other.rules)
    for name, score in one.rules.items():
        np.testing.assert_array_equal(score, other.rules[name])
    np.testing.assert_array_equal(one.rows.weight, other.rows.weight)
    np.testing.assert_array_equal(one.rows.digests(), other.rows.digests())
    pd.testing.assert_frame_equal(one.features, other.features, check_exact=True)
    blocks = pd.concat([block.frame() for block in other.rows.blocks()], ignore_index=True)
    pd.testing.assert_frame_equal(blocks, one.features, check_exact=True)


SAMPLED = {"max_cutoffs": 3, "max_rows": 900, "negatives_per_positive": 4}


@pytest.mark.parametrize(
    ("n_parts", "groups"),
    [
        (16, {"panel": {"max_cutoffs": 2}}),
        (3, {"panel": SAMPLED}),
        (3, {"panel": {**SAMPLED, "kind": "snapshot"}, "split": {"kind": "stratified"}}),
    ],
    ids=["whole", "sampled", "one row each of a sample"],
)
def test_the_rows_that_are_learnt_from_and_held_out_are_those_of_the_whole(
    outline: Opens,
    snapshot: Snapshot,
    cheap_settings: Settings,
    n_parts: int,
    groups: dict[str, dict[str, object]],
) -> None:
    settings = changed(cheap_settings, **groups)
    whole, parted = (Source.of(one, settings) for one in (snapshot, outline(n_parts)))
    spec = spec_from(settings, snapshot.form)
    assert parted.timeline == whole.timeline
    (part, holdout), (theirs, held) = (split(one, spec, settings) for one in (whole, parted))
    assert held.rows.different.is_stored
    assert not theirs.train.rows.different.is_stored
    assert_same(part.train, theirs.train)
    assert_same(part.validation, theirs.validation)
    assert_same(holdout, held)
    again = split(replace(parted.apart(), closed=parted.closed[::-1].copy()), spec, settings)
    expected = split(replace(whole, closed=whole.closed[::-1].copy()), spec, settings)
    assert_same(expected[0].train, again[0].train)
    assert_same(expected[1], again[1])
    assert later_usage_deleted(parted.inputs, spec, theirs.train, held).status == "passed"


class Backwards(Engine):
    """Workers elsewhere, of which the last is done first."""

    def each(self, function: Any, partitions: Sequence[Any], on_done: Callable[[int, Any], object]) -> None:
        for number in reversed(range(len(partitions))):
            sent, part = pickle.loads(pickle.dumps((function, partitions[number])))  # noqa: S301 - own
            on_done(number, pickle.loads(pickle.dumps(sent(part))))  # noqa: S301 - own


def test_workers_make_the_same_rows_in_whichever_order_they_are_done(
    outline: Opens, cheap_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ml_sys.features.stored.inputs.ROWS_AT_ONCE", 1)  # each part is a task
    settings = changed(cheap_settings, panel={**SAMPLED, "kind": "snapshot"})
    made = []
    for engine in (None, Backwards()):
        source = Source.of(outline(16), settings, engine)
        made.append(split(source, spec_from(settings, source.inputs.form), settings))
        monkeypatch.setattr(StoredInputs, "parts", None)  # from now on nothing is read here
    (part, holdout), (theirs, held) = made
    assert_same(part.train, theirs.train)
    assert_same(part.validation, theirs.validation)
    assert_same(holdout, held)


def companies_in(part: InputPart) -> list[int]:
    return [part.companies.size]


def test_workers_are_not_sent_what_they_read_themselves(outline: Opens, cheap_settings: Settings) -> None:
    class Weighing(Backwards):
        def each(self, function: Any, partitions: Sequence[Any], on_done: Callable[..., object]) -> None:
            assert len(pickle.dumps(function)) < len(pickle.dumps(inputs.attributes))
            super().each(function, partitions, on_done)

    inputs = StoredInputs.of(outline(3), spec_from(cheap_settings), Weighing())
    found: list[int] = []
    inputs.each(companies_in, found.append)
    assert sum(found) == inputs.n_companies


def test_companies_are_ordered_by_what_they_look_like_in_however_many_parts(
    outline: Opens, snapshot: Snapshot, cheap_settings: Settings
) -> None:
    sources = [Source.of(one, cheap_settings) for one in (snapshot, outline(3), outline(16))]
    cutoff = sources[0].timeline.latest_mature()
    orders = [by_content(one.inputs, one.closed, cutoff).tolist() for one in sources]
    assert orders[0] == orders[1] == orders[2]


def test_it_may_be_sent_to_another_process(
    outline: Opens, snapshot: Snapshot, cheap_settings: Settings
) -> None:
    whole, parted = (Source.of(one, cheap_settings) for one in (snapshot, outline(3)))
    np.testing.assert_array_equal(parted.inputs.first_days(), whole.inputs.first_days())
    spec, cutoffs = (
        spec_from(cheap_settings, snapshot.form),
        np.array([whole.timeline.latest_mature()], np.int32),
    )
    expected = whole.known.rows(cutoffs, spec).frame()
    parted.known.learn(cutoffs, spec)
    sent = pickle.loads(pickle.dumps(parted))  # noqa: S301 - what this test wrote
    pd.testing.assert_frame_equal(sent.known.rows(cutoffs, spec).frame(), expected)


def test_workers_elsewhere_read_usage_from_a_storage_or_the_folder_and_compute_the_same(
    outline: Opens, snapshot: Snapshot, cheap_settings: Settings, tmp_path: Path
) -> None:
    whole, parted = (Source.of(one, cheap_settings) for one in (snapshot, outline(3)))
    spec = spec_from(cheap_settings, snapshot.form)
    cutoffs = np.array([whole.timeline.latest_mature()], np.int32)
    parted.known.learn(cutoffs, spec)  # what is known here, in files, does not go with it
    expected = whole.known.rows(cutoffs, spec).frame()
    for storage in (Storage(tmp_path.as_uri()), None):
        sent = pickle.dumps(parted.elsewhere(storage))
        assert len(sent) < expected.size
        found = pickle.loads(sent)  # noqa: S301 - what this test wrote
        pd.testing.assert_frame_equal(found.apart().known.rows(cutoffs, spec).frame(), expected)
    sent = pickle.dumps(parted.elsewhere(Storage(tmp_path.as_uri())))
    (only,) = tmp_path.iterdir()
    shutil.rmtree(only)
    with pytest.raises(EngineError, match=r"engine\.storage"):
        pickle.loads(sent).known.rows(cutoffs, spec)  # noqa: S301 - what this test wrote
    assert whole.elsewhere(Storage(tmp_path.as_uri())) is whole


def test_what_was_read_stays_in_memory_while_it_is_little(
    outline: Opens, cheap_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = StoredInputs.of(outline(3), spec_from(cheap_settings))
    monkeypatch.setattr("ml_sys.features.stored.inputs.ROWS_KEPT", 10**9)
    assert next(few.parts()) is next(few.parts())


def test_what_was_read_of_much_is_read_from_a_file_of_its_own_and_says_the_same(
    outline: Opens, cheap_settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr("ml_sys.features.stored.inputs.ROWS_KEPT", 0)
    monkeypatch.setattr("ml_sys.features.stored.inputs.ROWS_AT_ONCE", 1)
    much = StoredInputs.of(outline(3), spec_from(cheap_settings))
    first = list(much.parts())
    monkeypatch.setattr("ml_sys.features.stored.inputs._read", None)  # nothing of the snapshot is read again
    for part, again in zip(first, much.parts(), strict=True):
        assert part is not again
        np.testing.assert_array_equal(part.companies, again.companies)
        for name in ("company", "day", "values"):
            one, other = (getattr(each.inputs.usage, name) for each in (part, again))
            np.testing.assert_array_equal(one, other)
            assert one.dtype == other.dtype
        for one, other in zip(part.inputs.attributes.columns, again.inputs.attributes.columns, strict=True):
            np.testing.assert_array_equal(one, other)
    assert len(first) > 1
    assert any(tmp_path.iterdir())
    held = [
        weakref.ref(getattr(one.inputs.usage, name)) for one in first for name in ("company", "day", "values")
    ]
    del first, part, one, other
    gc.collect()
    assert not any(one() is not None for one in held)  # what lies in a file is not in memory as well
    del much, again
    gc.collect()
    assert not any(tmp_path.iterdir())
