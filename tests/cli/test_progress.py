"""Progress: lines where nobody watches, a bar on a terminal, and nothing at all for what is done at once."""

import os
import pty
import re
import time

import pytest

from tests.cli.running import DEMO, here, start
from tests.importers.mappings import MANY, METRIC
from tests.patience import PATIENCE_S
from watchkeeper import progress

RATE = r"[\d,]+ facts, [\d,]+/s"


def on_a_terminal(*words, cwd, until=b"", seconds=PATIENCE_S):
    """Run the program on a terminal of its own; return what the terminal got, and the status."""
    ours, theirs = pty.openpty()
    running = start(*words, cwd=cwd, stdout=theirs, stderr=theirs, stdin=theirs)
    os.close(theirs)
    shown, last = b"", time.monotonic() + seconds
    try:
        while time.monotonic() < last:
            try:
                told = os.read(ours, 65_536)
            except OSError:  # the other end is gone
                break
            if not told:
                break
            shown += told
        return shown.decode(errors="replace"), running.wait(timeout=PATIENCE_S)
    finally:
        running.kill()
        running.wait()
        os.close(ours)


def test_what_is_done_at_once_says_nothing(place):
    assert here("replay", DEMO).stderr == ""


def test_where_nobody_watches_there_is_a_line_now_and_then(place, made, monkeypatch):
    monkeypatch.setattr(progress, "_LINE_S", 0)
    lines = here("replay", made).stderr.splitlines()
    assert len(lines) > 5
    for line in lines:
        assert re.fullmatch(rf"replay: \d+%, {RATE}, [\d,]+ s left", line), line
    assert lines[-1].startswith("replay: 100%, ")


def test_an_import_and_a_journal_show_theirs_too(place, made, monkeypatch):
    monkeypatch.setattr(progress, "_LINE_S", 0)
    (place / "log.csv").write_text(MANY)
    (place / "map.yaml").write_text(METRIC)
    told = here("import", "generic", "log.csv", "-o", "log.wkr", "--mapping", "map.yaml").stderr
    assert re.search(r"(?m)^importing log\.csv: \d+%, [\d,]+ rows, ", told)
    told = here("replay", made, "--journal", "j.db").stderr
    assert re.search(rf"(?m)^journal: \d+%, {RATE}", told)


@pytest.mark.slow
def test_a_terminal_gets_a_bar_with_rate_and_remaining_time(place, made):
    shown, status = on_a_terminal("replay", made, "--speed", "80000", cwd=place)
    assert status == 0
    assert re.search(rf"replay [━╺╸\x1b\[\dm; ]+ +\d+%.* {RATE}", shown.replace("\x1b[0m", "")), shown[:2000]
    assert re.search(r"0:00:0\d", shown)
    assert "journal hash" in shown


@pytest.mark.parametrize("name", ["a[b].csv", "a[/b].csv", "[red]a.csv"])
def test_names_with_brackets_are_names(place, monkeypatch, name):
    monkeypatch.setattr(progress, "_LINE_S", 0)
    (place / "map.yaml").write_text(METRIC)
    (place / name.replace("/", "_")).write_text(MANY)
    with progress.bar(f"importing {name}", "rows") as advance:
        advance(0.5, 1)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setattr(progress, "_REDRAW_S", 0)
    with progress.bar(f"importing {name}", "rows") as advance:
        advance(0.5, 1)
