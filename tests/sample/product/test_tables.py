from contextlib import ExitStack

import numpy as np

from ml_sys.sample.product.simulation import Log, Workspaces
from ml_sys.sample.product.tables import COLUMNS, ProductTables, WorkspaceBlock
from ml_sys.sample.simulation import NEVER, NO_VALUE


def block():
    """Return two workspaces, one of which buys on the tenth day; a member of the first is in both."""
    two = np.zeros(2)
    whole = np.zeros(2, np.int64)
    ones = Workspaces(
        signed_up=np.array([-3, 2]),
        country=np.array([0, NO_VALUE]),
        seats=np.array([NO_VALUE, 1]),
        kind=whole, weeks=whole, members=np.array([2, 1]), log_team=two, log_pace=two, rise=two,
        rise_start=whole, adopted_in=np.zeros((2, 16), np.int64),
    )  # fmt: skip
    log = Log(
        np.array([0, 1]),
        np.array([1, 0]),
        np.array([60, 3 * 86_400]),
        np.array([0, 5]),
        np.array([np.nan, 2.5]),
    )
    truth = {1: np.array([0.25, np.nan])}
    return WorkspaceBlock(np.array([7, 8]), ones, np.array([10, 7 * NEVER]), log, np.array([[0, 1]]), truth)


def test_a_block_is_written_as_five_tables_and_their_description(tmp_path):
    with ExitStack() as stack:
        tables = ProductTables(tmp_path, stack, unknown_from=100)
        tables.write(np.random.default_rng(0), block(), weeks=2)
    read = {name: (tmp_path / f"{name}.csv").read_text().splitlines() for name in COLUMNS}
    assert {name: tuple(lines[0].split(",")) for name, lines in read.items()} == COLUMNS
    assert sorted(read["workspaces"][1:]) == ["ws-7,2023-12-29,US,", "ws-8,2024-01-03,,2"]
    assert len(read["members"]) == 1 + 4
    assert {line.split(",", 2)[2] for line in read["events"][1:]} == {
        "2024-01-01 00:01:00,page.view,",
        "2024-01-04 00:00:00,call,2.5",
    }
    assert [line.rpartition(",")[0] for line in read["purchases"][1:]] == ["ws-7,2024-01-11"]
    assert read["truth"][1:] == ["2024-01-08,ws-7,0.25"]
    assert tables.rows == {name: len(lines) - 1 for name, lines in read.items()}
    assert (tmp_path / "mlsys.toml").is_file()
