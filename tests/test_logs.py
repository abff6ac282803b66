from __future__ import annotations

import json
import logging
import subprocess
import sys
import tomllib
from datetime import datetime
from pathlib import Path

import pytest

from ml_sys import logs
from ml_sys.errors import SettingsError

PROJECT = Path(__file__).parents[1]
SHIPPED_FILE = PROJECT / "conf" / "logging.toml"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """An empty current folder; the logging of the test run is put back afterwards."""
    monkeypatch.chdir(tmp_path)
    root, ours = logging.getLogger(), logging.getLogger("ml_sys")
    before = root.handlers[:], root.level, ours.handlers[:], ours.level
    yield tmp_path
    root.handlers[:], ours.handlers[:] = before[0], before[2]
    root.setLevel(before[1])
    ours.setLevel(before[3])


def write_conf(folder, text):
    (folder / "conf").mkdir()
    (folder / "conf" / "logging.toml").write_text(text)


def test_records_are_lines_for_people_on_stderr(capsys):
    logs.configure(json_lines=False, level="info")
    logging.getLogger("ml_sys.data").warning("%d rows rejected", 3)
    out, err = capsys.readouterr()
    assert (out, err) == ("", "WARNING: 3 rows rejected\n")


def test_json_lines_are_one_object_each_with_time_level_logger_and_extras(capsys):
    logs.configure(json_lines=True, level="info")
    logging.getLogger("ml_sys.data").info("read\n%d rows", 7, extra={"table": "usage"})
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    record = json.loads(lines[0])
    assert datetime.fromisoformat(record.pop("timestamp")).utcoffset() is not None
    assert record == {"level": "INFO", "logger": "ml_sys.data", "message": "read\n7 rows", "table": "usage"}


def test_an_exception_stays_within_its_json_line(capsys):
    logs.configure(json_lines=True, level="info")
    try:
        raise ValueError("broken")
    except ValueError:
        logging.getLogger("ml_sys").exception("failed")
    (line,) = capsys.readouterr().err.splitlines()
    assert "ValueError: broken" in json.loads(line)["exc_info"]


@pytest.mark.parametrize(("level", "shown"), [("debug", True), ("INFO", False), ("", False)])
def test_the_level_decides_what_of_ours_is_shown(capsys, level, shown):
    logs.configure(json_lines=False, level=level)
    logging.getLogger("ml_sys.model").debug("detail")
    assert ("detail" in capsys.readouterr().err) is shown


def test_a_line_for_people_holds_no_command_to_the_terminal(capsys):
    logs.configure(json_lines=False, level="")
    logging.getLogger("ml_sys").warning("company %s", "a\x1b[2J\u202eb\r")
    assert capsys.readouterr().err == "WARNING: company a\\x1b[2J\\u202eb\\r\n"


def test_the_level_leaves_libraries_alone(capsys):
    logs.configure(json_lines=False, level="debug")
    logging.getLogger("some_library").info("chatter")
    assert capsys.readouterr().err == ""


def test_an_unknown_level_is_refused_with_the_nearest():
    with pytest.raises(SettingsError, match="waning") as caught:
        logs.configure(json_lines=False, level="waning")
    assert caught.value.hint == "did you mean WARNING?"


def test_the_shipped_file_holds_the_built_in_defaults():
    assert tomllib.loads(SHIPPED_FILE.read_text(encoding="utf-8")) == logs.DEFAULTS


def test_a_file_in_the_current_folder_replaces_the_defaults(folder, capsys):
    write_conf(folder, SHIPPED_FILE.read_text().replace("{levelname}: {message}", "<{name}> {message}"))
    logs.configure(json_lines=False, level="")
    logging.getLogger("ml_sys").info("hello")
    assert capsys.readouterr().err == "<ml_sys> hello\n"


def test_json_lines_need_no_json_formatter_in_the_file(folder, capsys):
    write_conf(
        folder,
        'version = 1\nroot = { level = "INFO", handlers = ["all"] }\n'
        '[handlers.all]\nclass = "logging.StreamHandler"\nstream = "ext://sys.stderr"\n',
    )
    logs.configure(json_lines=True, level="")
    logging.getLogger("ml_sys").info("hello")
    assert json.loads(capsys.readouterr().err)["message"] == "hello"


def test_configuring_twice_writes_a_record_once(capsys):
    logs.configure(json_lines=False, level="info")
    logs.configure(json_lines=False, level="info")
    logging.getLogger("ml_sys").info("hello")
    assert capsys.readouterr().err == "INFO: hello\n"


@pytest.mark.parametrize(
    "text",
    [
        "version = 1\n[handlers",
        "version = 2\n",
        'version = 1\n[handlers.x]\nclass = "no_such.Handler"\n',
        'version = 1\nroot = { handlers = ["nowhere"] }\n',
        "version = 1\nhandlers = 3\n",
        'version = 1\nloggers = "all"\n',
        "version = 1\n[handlers]\nx = 3\n",
    ],
)
@pytest.mark.parametrize("json_lines", [False, True])
def test_a_file_that_cannot_be_used_is_named(folder, text, json_lines):
    write_conf(folder, text)
    with pytest.raises(SettingsError, match=r"conf/logging\.toml"):
        logs.configure(json_lines=json_lines, level="info")


def test_lines_for_people_do_not_wait_for_the_json_library():
    code = (
        "import sys; from ml_sys import logs; logs.configure(json_lines=False, level='');"
        "sys.exit('pythonjsonlogger' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=PROJECT, check=False).returncode == 0
