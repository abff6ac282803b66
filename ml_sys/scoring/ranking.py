"""The ranked list, and what calling its top is expected to bring."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from io import BytesIO
from string import ascii_letters, digits
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ml_sys.engine.places import replacing_at
from ml_sys.scoring.streaming.lines import csv_lines, hold_any, texts_of
from ml_sys.scoring.streaming.side_by_side import side_by_side
from ml_sys.scoring.workbook import write_workbook

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import IO

    from numpy.typing import NDArray

    from ml_sys.engine.places import Place
    from ml_sys.scoring.scorer import Scorer

# Those that only a model can fill are also in ``rule_scorer.BY_A_MODEL``.
COLUMNS = ("rank", "id", "probability", "tier", "will_convert", "model_version", "cutoff")
# Beginning of the columns of reasons, which are numbered from 1.
REASON = "reason_"
# What spreadsheets run as a formula: these signs, also in East Asian widths, after characters that they skip.
# They look at the start of a cell, and a spreadsheet that splits at semicolons sees other cells.
_SKIPPED = r"[\s'\x00-\x1f\x7f-\x9f\u200b-\u200f\u2060\ufeff]*?"
_SIGN = r"[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b]"
_FORMULA = re.compile(rf"(^|[;\t\r\n])(?={_SKIPPED}{_SIGN})")
_ESCAPED = re.compile(rf"(^|[;\t\r\n])'(?={_SKIPPED}{_SIGN})")
ENDS_A_CELL = ";\t\r"  # for some readers of CSV; the csv module alone would not quote them
_NOT_PLAIN = bytes(set(range(256)) - set((ascii_letters + digits).encode()))
_GROUP_ROWS = 1 << 20  # of a Parquet file, as pandas cuts it
# Shares of the capacity at which the cost of stopping is shown.
_STOPS = (0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True)
class Stop:
    """The first ``calls`` of a list: conversions expected among them, and those missed by stopping there."""

    calls: int
    expected: float
    lost: float


@dataclass(frozen=True)
class CapacityPlan:
    """What the top of a list brings if its probabilities are right.

    Attributes
    ----------
    calls : int
        Companies called; fewer than the capacity if the list is shorter.
    expected : float
        Expected conversions among them.
    low, high : int
        Bounds of the number of conversions at the given confidence.
    share : float
        Share of the conversions expected in the whole list.
    """

    calls: int
    expected: float
    low: int
    high: int
    confidence: float
    share: float
    stops: tuple[Stop, ...]


def best_first(probability: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return positions by descending probability; ties keep their order."""
    return np.argsort(-probability, kind="stable")


def ranked_list(
    ids: NDArray[np.object_],
    probability: NDArray[np.float64],
    order: NDArray[np.integer],
    scorer: Scorer,
    *,
    version: str,
    cutoff: str,
) -> pd.DataFrame:
    """Rank prospects in an order.

    Parameters
    ----------
    ids : ndarray of shape (n,), object
    probability : ndarray of shape (n,), float64
    order : ndarray of shape (n,), int
        Positions in calling order.
    scorer : Scorer
        The source of threshold and tiers.
    version, cutoff : str
        Written into every row.

    Returns
    -------
    DataFrame of shape (n, 7)
        In the columns ``COLUMNS``.
    """
    ranked = probability[order]
    return pd.DataFrame(
        {
            "rank": np.arange(1, order.size + 1),
            "id": ids[order],
            "probability": ranked,
            "tier": scorer.tiers.of(ranked),
            "will_convert": ranked >= scorer.threshold,
            "model_version": version,
            "cutoff": cutoff,
        }
    )


def plan_capacity(probability: NDArray[np.float64], capacity: int, confidence: float) -> CapacityPlan:
    """Estimate what calling the first ``capacity`` companies of a list will bring.

    Conversions are treated as independent events with the list's probabilities. So the bounds are exact if
    the probabilities are right; they do not include errors of the probabilities.

    Parameters
    ----------
    probability : ndarray of shape (n,), float64
        Of the whole list, in calling order.
    confidence : float
        In (0, 1).

    References
    ----------
    Wang, "On the number of successes in independent trials", Statistica Sinica 3 (1993), for the
    distribution.
    """
    top = probability[:capacity]
    cumulative = np.cumsum(distribution_of_count(top))
    tail = (1 - confidence) / 2
    running = np.concatenate(([0.0], np.cumsum(top)))
    calls = sorted({int(np.ceil(share * top.size)) for share in _STOPS})
    total = float(probability.sum())
    return CapacityPlan(
        calls=top.size,
        expected=float(running[-1]),
        low=int(np.searchsorted(cumulative, tail)),
        high=min(int(np.searchsorted(cumulative, 1 - tail)), top.size),
        confidence=confidence,
        share=float(running[-1]) / total if total else 0.0,
        stops=tuple(Stop(n, float(running[n]), float(running[-1] - running[n])) for n in calls if n),
    )


def distribution_of_count(probability: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the probability that k of n independent events happen, for k = 0 to n; shape (n + 1,)."""
    chances = np.ones(1)
    for p in probability:
        chances = np.append(chances * (1 - p), 0.0) + np.append(0.0, chances * p)
    return chances


def spreadsheet_safe(texts: Iterable[object]) -> list[str]:
    """Put an apostrophe before text that a spreadsheet would run; :func:`from_spreadsheet` removes it."""
    # Most ids are letters and digits, which is quick to check.
    return [text if text.isalnum() else _FORMULA.sub(r"\1'", text) for text in map(str, texts)]


def from_spreadsheet(text: str) -> str:
    """Reverse :func:`spreadsheet_safe`.

    Examples
    --------
    >>> texts = ["=1+1", "'=1", "a;-2", "plain"]
    >>> [from_spreadsheet(one) for one in spreadsheet_safe(texts)] == texts
    True
    """
    return _ESCAPED.sub(r"\1", text)


def write_table(table: pd.DataFrame, path: Place) -> None:
    """Write a table like :func:`write_pages`."""
    write_pages(lambda: iter([table]), path)


def write_pages(pages: Callable[[], Iterator[pd.DataFrame]], path: Place) -> None:
    """Write a table as Parquet, as a workbook (.xlsx) or else as CSV that is safe to open in a spreadsheet.

    The file is replaced whole or not at all, and is the same however the table is cut into pages.

    Parameters
    ----------
    pages : callable
        Returns a new iterator over the parts of the table: at least one, with the same columns.
    path : Path or Address

    Raises
    ------
    StorageError
        If it cannot be written there.
    """
    with replacing_at(path) as sink:
        if path.suffix == ".parquet":
            write_parquet(pages(), sink)
        elif path.suffix == ".xlsx":
            write_workbook(pd.concat(pages(), ignore_index=True), sink, path)
        else:
            write_csv(pages, sink)


def write_parquet(pages: Iterator[pd.DataFrame], target: IO[bytes]) -> None:
    """Write a table as Parquet, one group of rows after the other."""
    parts = (pa.Table.from_pandas(page, preserve_index=False) for page in pages)
    whole = next(parts)
    with pq.ParquetWriter(target, whole.schema, compression="snappy") as writer:
        written = False
        for part in parts:
            whole = pa.concat_tables([whole, part.cast(whole.schema)])
            if whole.num_rows >= _GROUP_ROWS:
                writer.write_table(whole.slice(0, _GROUP_ROWS), _GROUP_ROWS)
                whole, written = whole.slice(_GROUP_ROWS), True
        if whole.num_rows or not written:
            writer.write_table(whole, _GROUP_ROWS)


def write_csv(pages: Callable[[], Iterator[pd.DataFrame]], target: IO[bytes]) -> None:
    """Write a ranked list as CSV whose texts a spreadsheet does not run as formulas.

    If any text contains a semicolon, a tab or a bare carriage return, which end a cell for some readers, all
    texts of the table are quoted.
    """
    again = target.seekable()  # a pipe, for example, cannot be started over
    start = target.tell() if again else 0
    quoted = not again and any(_ends_a_cell(page) for page in pages())
    if not _written(pages(), target, quoted=quoted, check=again):
        target.seek(start)
        target.truncate()
        _written(pages(), target, quoted=True, check=False)


def _written(pages: Iterator[pd.DataFrame], target: IO[bytes], *, quoted: bool, check: bool) -> bool:
    """Write pages as CSV; if checked, return False at the first text that needs every text quoted."""
    jobs = ((page, not number, quoted, check) for number, page in enumerate(pages))
    for written in side_by_side(_lines, jobs):
        if written is None:
            return False
        target.write(written)
    return True


def _lines(page: pd.DataFrame, with_header: bool, quoted: bool, check: bool) -> bytes | None:
    """Return a page as CSV; if checked, None if it has a text that needs every text quoted."""
    if check and _ends_a_cell(page):
        return None
    odd = {name: page[name] for name in _foreign(page) if not _is_plain(page[name])}
    safe = page.assign(**{name: spreadsheet_safe(column) for name, column in odd.items()})
    lines = None if quoted else csv_lines(safe)
    if lines is not None and not with_header:
        return lines
    shown, written = safe if lines is None else safe.head(0), BytesIO()
    quoting: Literal[0, 2] = csv.QUOTE_NONNUMERIC if quoted else csv.QUOTE_MINIMAL
    shown.to_csv(written, index=False, header=with_header, lineterminator="\n", quoting=quoting)
    return written.getvalue() + (lines or b"")


def _foreign(page: pd.DataFrame) -> list[str]:
    """Return the columns whose texts come from the user's data."""
    return [str(name) for name in page.columns if name == "id" or str(name).startswith(REASON)]


def _ends_a_cell(page: pd.DataFrame) -> bool:
    texts = (texts_of(page[name].astype(str)) for name in _foreign(page))
    return any(hold_any(one, ENDS_A_CELL.encode()) for one in texts)


def _is_plain(column: pd.Series[Any]) -> bool:
    """Return whether all texts consist of letters and digits, or are blank."""
    return not hold_any(texts_of(column.astype(str)), _NOT_PLAIN)
