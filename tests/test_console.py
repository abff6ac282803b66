"""Results go to stdout, everything else to stderr; nothing moves where there is no terminal."""

from __future__ import annotations

import json
import math

import pytest

from ml_sys import console
from ml_sys.errors import InputError


def test_results_go_to_stdout_and_everything_else_to_stderr(capsys):
    console.line("a result")
    console.note("a note")
    console.warn("a warning")
    console.error(InputError("what is wrong", hint="what to do"))
    out, err = capsys.readouterr()
    assert out == "a result\n"
    assert err == "a note\nwarning: a warning\nerror: what is wrong\n  what to do\n"


def test_an_error_without_a_hint_is_one_line(capsys):
    console.error(InputError("what is wrong"))
    assert capsys.readouterr().err == "error: what is wrong\n"


@pytest.mark.parametrize(
    "text", ["[bold]not markup[/]", "customers[id]", ":smile:", "100 % of 1,000 at 1e-5"]
)
def test_what_looks_like_markup_is_printed_as_it_is(capsys, text):
    console.line(text)
    console.warn(text)
    console.table("title", ("column",), [(text,)])
    console.error(InputError(text, hint=text))
    out, err = capsys.readouterr()
    assert out.startswith(f"{text}\n")
    assert out.count(text) == 2
    assert err == f"warning: {text}\nerror: {text}\n  {text}\n"


def test_a_long_line_is_not_broken(capsys):
    text = "x" * 500 + " " + "y" * 500
    console.line(text)
    console.note(text)
    assert list(capsys.readouterr()) == [text + "\n"] * 2


def test_a_table_shows_every_cell_and_a_dash_for_none(capsys):
    console.table("Ranked", ("id", "n"), [("a", 1), ("b", None)], caption="two rows")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].strip() == "Ranked"
    assert [line.split("│")[1:3] for line in lines if "│" in line] == [[" a  ", " 1 "], [" b  ", " – "]]
    assert lines[-1].strip() == "two rows"


def test_json_is_what_a_parser_reads_back_whatever_it_holds(capsys):
    content = {"rate": 0.1, "long": "z" * 1000, "umlaut": "ü [bold]", "none": None, "list": [1, 2]}
    console.plain_json(content)
    assert json.loads(capsys.readouterr().out) == content


HOSTILE = "a\x1b[2J\x1b]0;owned\x07\x9b31m\r\u202egnp\u2066\u200b\x7f\ud800b"


@pytest.mark.parametrize("ending", ["", "\nerror: not ours"])
def test_no_character_that_strangers_wrote_is_a_command_to_the_terminal(capsys, ending):
    console.line(HOSTILE)
    console.note(HOSTILE)
    console.warn(HOSTILE + ending)
    console.error(InputError(HOSTILE, hint=HOSTILE))
    console.table(HOSTILE, ("id", HOSTILE), [(HOSTILE + ending, HOSTILE)], caption=HOSTILE)
    out, err = capsys.readouterr()
    for shown in (out, err):
        assert all(character.isprintable() or character == "\n" for character in shown)
        assert "\\x1b[2J" in shown
        assert "\\u202e" in shown
    assert len(err.splitlines()) == 4  # no line of its own


def test_json_shows_no_command_either_and_is_read_back_as_it_was(capsys):
    console.plain_json({"id": HOSTILE, HOSTILE: "\U000e0041 tag, ü"})
    out = capsys.readouterr().out
    assert all(character.isprintable() or character == "\n" for character in out)
    assert json.loads(out) == {"id": HOSTILE, HOSTILE: "\U000e0041 tag, ü"}


def test_a_number_that_json_does_not_know_is_never_printed():
    with pytest.raises(ValueError, match="JSON"):
        console.plain_json({"rate": math.nan})


def test_progress_prints_nothing_where_there_is_no_terminal(capsys):
    with console.steps() as on_step:
        on_step("reading")
    with console.counting("rows", 10) as on_progress:
        on_progress(5)
    assert capsys.readouterr() == ("", "")
    with console.steps({"reading": 1.0}) as on_step:
        on_step("reading", 0.5)
    assert capsys.readouterr() == ("", "")


PLAN = {"reading": 1.0, "fitting": 3.0, "fitting again": 4.0}


@pytest.mark.parametrize(
    ("what", "done", "share"),
    [
        ("reading", 0.0, 0.0),
        ("fitting", 0.0, 0.125),
        ("fitting: 2 of 3", 2 / 3, 0.375),
        ("fitting again", 0.5, 0.75),
        ("writing", 0.0, None),
    ],
)
def test_a_step_in_a_plan_comes_after_the_steps_before_it(what, done, share):
    assert console.share_done(PLAN, what, done) == share


@pytest.mark.parametrize(
    ("share", "at", "elapsed", "told"),
    [
        (0.0, 0.0, 5.0, ""),  # nothing is known yet
        (0.25, 10.0, 10.0, "about 30 s left"),
        (0.25, 10.0, 25.0, "about 15 s left"),
        (0.25, 10.0, 60.0, ""),  # it takes longer than was thought
        (0.5, 120.0, 120.0, "about 2 min left"),
    ],
)
def test_the_time_left_is_told_from_what_was_needed_so_far(share, at, elapsed, told):
    assert console.time_left(share, at, elapsed) == told


def test_on_a_terminal_steps_say_what_is_done_and_how_long_it_takes(monkeypatch, capsys):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    seconds = [0.0]
    with console.steps(PLAN, lambda: seconds[0]) as on_step:
        seconds[0] = 5.0
        on_step("fitting")
        seconds[0] = 7.0
    out, err = capsys.readouterr()
    assert out == ""
    assert "fitting" in err
    assert "0:00:07" in err
    assert "about 33 s left" in err
