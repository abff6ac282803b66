"""The latest list of the holdout that a version was judged on, to compare today's prospects with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ml_sys.model.files.serialization import read_holdout

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd
    from numpy.typing import NDArray

    from ml_sys.features.compute import FeatureSpec
    from ml_sys.features.panel import Panel
    from ml_sys.features.rows import Rows
    from ml_sys.model.files.artifact import Artifact


@dataclass(frozen=True)
class JudgedOn:
    """The latest list of a version's holdout, and its share of all companies."""

    panel: Panel
    known: pd.DataFrame
    share: float

    @classmethod
    def of(cls, artifact: Artifact) -> JudgedOn:
        """Read it from a version's files."""
        panel, known = read_holdout(artifact)
        # One list, like today's: a company that changes sides then has as many weeks on either.
        rows = panel.cutoff == panel.cutoff.max()
        return cls(panel.take(rows), known[rows], artifact.manifest["holdout"].get("share", 1.0))

    @property
    def cutoff(self) -> int:
        """Day of the list."""
        return int(self.panel.cutoff[0])

    def columns(self, spec: FeatureSpec) -> ColumnByColumn:
        """Return the features of its rows."""
        return ColumnByColumn(self.panel.rows, tuple(spec.names()))


@dataclass(frozen=True)
class ColumnByColumn(Mapping[str, "NDArray[Any]"]):
    """Features of rows by name, each read when it is asked for, so that one at a time is in memory."""

    rows: Rows
    names: tuple[str, ...]

    def __getitem__(self, name: str) -> NDArray[Any]:
        if name not in self.names:
            raise KeyError(name)
        return self.rows.column(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)
