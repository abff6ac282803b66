"""Events made by hand, as the two ways of counting take them."""

from datetime import date

import numpy as np
import pyarrow as pa
from hypothesis import strategies as st

from ml_sys.data.events.counting import scaled
from ml_sys.data.events.few import Events
from ml_sys.data.events.log import EventLog
from ml_sys.data.events.reading import Batch
from ml_sys.days import DAY_MICROSECONDS, day_number

DIGITS = (3, 0)
IDS = pa.array(["zero", "one", "two", "three"])
MONDAY = day_number(date(2024, 1, 1))

TEXTS = st.sampled_from(["", "a", "b", "view", "Öl", "\U0001f600", "other"])
EVENT = st.tuples(
    st.integers(0, 3),
    st.integers(0, 90 * DAY_MICROSECONDS),
    TEXTS,
    st.one_of(st.just(np.nan), st.floats(0, 1e9), st.sampled_from([0.0005, 0.0015, 1.0005, 2.5])),
    st.one_of(st.just(np.nan), st.floats(0, 1e15)),
    TEXTS,
    st.sampled_from(["", "", "e1", "e2", "e3"]),
)


def few(rows, *, has_ids=True):
    entity, moment, kinds, one, two, users, ids = zip(*rows, strict=True) if rows else [()] * 7
    return Events(
        np.array(entity, np.int32),
        np.array(moment, np.int64),
        list(kinds),
        np.array([one, two], np.float64).T.reshape(-1, 2),
        list(users),
        list(ids) if has_ids else None,
    )


def batches(rows, size=3):
    events = few(rows)
    amounts = np.stack([scaled(events.amounts[:, at], DIGITS[at])[0] for at in range(2)], axis=1)
    texts = [pa.array(column, pa.string()) for column in (events.kinds, events.users, events.event_ids)]
    for start in range(0, len(rows), size):
        at = slice(start, start + size)
        yield Batch(
            events.entity[at],
            events.moment[at],
            amounts[at],
            np.arange(start, min(start + size, len(rows)), dtype=np.int64) + 2,
            *(text[at] for text in texts),
        )


def counted(rows, counting, *, has_ids=True):
    with EventLog(2) as log:
        log.add(batches(rows))
        if has_ids:
            list(log.merge_repeated(IDS))
        return log.rows(counting)


def same(one, other):
    return all(
        (a := getattr(one, name)).dtype == (b := getattr(other, name)).dtype and np.array_equal(a, b)
        for name in ("entity", "stamp", "values")
    )


def event(entity=0, day=MONDAY, kind="a", one=0.0, two=0.0, user="", event_id="", hour=0):
    return (entity, day * DAY_MICROSECONDS + hour * 3_600_000_000, kind, one, two, user, event_id)
