"""Read or export a version's report as written at training: the page, and the figures behind it."""

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
    """A version's report.

    Attributes
    ----------
    version : str
    page : str
        HTML that needs no other file.
    figures : dict
        The contents of ``evidence.json``.
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
    """Refuse a file name that a report cannot be written to, before anything is judged.

    Raises
    ------
    UsageError
        If it ends neither in .html nor .json, or its folder does not exist.
    """
    if path.suffix.lower() not in _SUFFIXES:
        raise UsageError(f"{path}: not the name of a report", hint="let the name end in .html or .json")
    if not path.absolute().parent.is_dir():
        raise UsageError(f"{path}: its folder does not exist", hint="create it, or choose another file")


def write_report(artifact: Artifact, path: Path) -> None:
    """Write a version's report to a file: the page, or its figures if the name ends in ``.json``.

    Raises
    ------
    ArtifactError
        If the version was made before versions had a report.
    StorageError
        If the file cannot be written; an existing file is then unchanged.
    """
    content = artifact.file(_present(artifact, EVIDENCE if path.suffix.lower() == ".json" else REPORT))
    with replacing(path) as sink:
        sink.write(content)


def _present(artifact: Artifact, name: str) -> str:
    if name not in artifact.files:
        raise ArtifactError(
            f"version {artifact.folder.name} has no {name}, as it was made before there was one",
            hint="train again with mlsys train",
        )
    return name
