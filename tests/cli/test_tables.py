"""Tables: for a terminal, and for whatever reads the program's output."""

import os
import pty
import subprocess
import sys

from tests.house.tree import ROOT
from watchkeeper.tables import plain, table

PARTS = [
    "heal: [bold]heal@2[/bold] is live",
    table(("", "name", "of"), [("ok", "a", "1"), ("MISS", "b" * 200, "22")], numbers=("of",)),
]
PROGRAM = """
from watchkeeper.tables import show, table
show(["one sentence", table(("", "name", "of"), [("MISS", "evidence", "22")], numbers=("of",))])
"""


def test_plain_text_breaks_no_row_and_takes_no_word_for_markup():
    lines = plain(PARTS).splitlines()
    assert lines[0] == "heal: [bold]heal@2[/bold] is live"
    assert [line.split() for line in lines[1:]] == [
        ["name", "of"],
        ["ok", "a", "1"],
        ["MISS", "b" * 200, "22"],
    ]
    assert all(line == line.rstrip() for line in lines)


def test_plain_text_is_the_same_whatever_the_environment(monkeypatch):
    before = plain(PARTS)
    for name, value in (("COLUMNS", "20"), ("FORCE_COLOR", "1"), ("TERM", "dumb")):
        monkeypatch.setenv(name, value)
        assert plain(PARTS) == before


def test_a_terminal_gets_lines_and_colours_and_a_pipe_gets_neither():
    ours, theirs = pty.openpty()
    env = os.environ | {"TERM": "xterm-256color", "COLUMNS": "100"}
    env.pop("NO_COLOR", None)
    subprocess.run([sys.executable, "-c", PROGRAM], stdout=theirs, cwd=ROOT, env=env, check=True)
    os.close(theirs)
    seen = os.read(ours, 10_000).decode()
    os.close(ours)
    assert "\x1b[1;31mMISS" in seen
    assert "───" in seen
    piped = subprocess.run(
        [sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, cwd=ROOT, env=env, check=True, text=True
    ).stdout
    assert piped == "one sentence\n        name      of\n  MISS  evidence  22\n"
