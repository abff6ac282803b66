"""A version's report, as it was written at training: the page to read and the figures behind it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ml_sys.durable import replacing
from ml_sys.errors import ArtifactError, UsageError
from ml_sys.model.files.layout import EVIDENCE, REPORT
from ml_sys.notebook import framed

if TYPE_CHECKING:
    from pathlib import Path

    from ml_sys.model.files.artifact import Artifact

_SUFFIXES = (".html", ".json")


@dataclass(frozen=True)
class Report:
    """What a version's report says.

    Attributes
    ----------
    version : str
    page : str
        HTML that needs no other file.
    figures : dict
        What ``evidence.json`` holds.
    """

    version: str
    page: str
    figures: dict[str, Any]

    def _repr_html_(self) -> str:
        return framed(self.page)


def read_report(artifact: Artifact) -> Report:
    """Return a version's report.

    Raises
    ------
    ArtifactError
        If the version was made before versions had a report.
    """
    figures: dict[str, Any] = artifact.json(_present(artifact, EVIDENCE))
    return Report(artifact.folder.name, artifact.file(_present(artifact, REPORT)).decode(), figures)


def check_report(path: Path) -> None:
    """Refuse a name that no report can be written to, before anything is judged.

    Raises
    ------
    UsageError
        If it is neither a page nor figures, or in no folder.
    """
    if path.suffix.lower() not in _SUFFIXES:
        raise UsageError(f"{path}: a report is .html or .json", hint="choose such a name")
    if not path.absolute().parent.is_dir():
        raise UsageError(f"{path}: there is no such folder", hint="create it, or choose another file")


def write_report(artifact: Artifact, path: Path) -> None:
    """Write a version's report to a file: the page or, for a name that ends in ``.json``, its figures.

    Raises
    ------
    ArtifactError
        If the version was made before versions had a report.
    StorageError
        If the file cannot be written; what was there before is still there.
    """
    content = artifact.file(_present(artifact, EVIDENCE if path.suffix.lower() == ".json" else REPORT))
    with replacing(path) as sink:
        sink.write(content)


def _present(artifact: Artifact, name: str) -> str:
    if name not in artifact.files:
        raise ArtifactError(
            f"version {artifact.folder.name} has no {name}: it was made before there was one",
            hint="train it again: mlsys train",
        )
    return name
