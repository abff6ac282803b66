"""A version's report is read and written as it was made, or says why there is none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ml_sys.errors import ArtifactError, UsageError
from ml_sys.jobs.models.report import check_report, read_report, write_report
from ml_sys.model.files.layout import EVIDENCE, REPORT
from ml_sys.registry.store import Registry


def test_a_version_without_a_report_says_to_train_again(registered: Path, tmp_path: Path) -> None:
    artifact = Registry(registered).open("1.0.0")
    files = {name: content for name, content in artifact.files.items() if name != REPORT}
    with pytest.raises(ArtifactError, match=r"1\.0\.0 has no report\.html") as caught:
        write_report(replace(artifact, files=files), tmp_path / "page.html")
    assert "mlsys train" in caught.value.hint
    assert not (tmp_path / "page.html").exists()


def test_a_report_is_read_as_it_was_written(registered: Path, tmp_path: Path) -> None:
    artifact = Registry(registered).open("1.0.0")
    write_report(artifact, tmp_path / "page.html")
    write_report(artifact, tmp_path / "figures.json")
    found = read_report(artifact)
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == found.page
    assert (tmp_path / "figures.json").read_bytes() == artifact.file(EVIDENCE)
    assert found.figures == artifact.json(EVIDENCE)


@pytest.mark.parametrize(
    ("name", "said"), [("report.pdf", "not the name of a report"), ("none/report.html", "does not exist")]
)
def test_a_name_that_no_report_can_have_is_refused_before_anything_is_judged(
    tmp_path: Path, name: str, said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        check_report(tmp_path / name)
