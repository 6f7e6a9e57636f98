"""Ctrl-C: a clean end with what is done so far, and from there on again, to the same result."""

import json
import os
import re
import signal
import time

import pytest

from simulator.replay import driver
from tests.cli.running import DEMO, hashes, here, start, tree
from tests.patience import PATIENCE_S
from watchkeeper import commands_import

pytestmark = pytest.mark.slow


def interrupted(place, *words, seconds=1.5):
    """Start a slow replay, press Ctrl-C in the middle of it, and return how it ended and what it said."""
    # A terminal sends Ctrl-C to every process of the group, workers too.
    running = start("replay", *words, "--results", "r.sqlite", cwd=place, start_new_session=True)
    try:
        last = time.monotonic() + PATIENCE_S
        while not (place / "r.sqlite.partial").exists():
            assert time.monotonic() < last, "it never began"
            assert running.poll() is None, running.communicate()
            time.sleep(0.02)
        time.sleep(seconds)
        os.killpg(running.pid, signal.SIGINT)
        out, err = running.communicate(timeout=PATIENCE_S)
    finally:
        running.kill()
        running.wait()
    return running.returncode, out, err


@pytest.mark.parametrize("shards", ["1", "2"])
def test_it_ends_with_what_is_done_and_resumes_to_the_same(place, made, shards):
    status, out, err = interrupted(place, made, "--speed", "20000", "--shards", shards, "--json", "half.json")
    assert status == 130
    assert err.splitlines() == [
        "stopping after the facts under way; Ctrl-C again to stop at once",
        "stopped: the same command with --resume goes on from here",
    ]
    assert "Stopped before the end" in out
    half = json.loads((place / "half.json").read_text())
    assert half["finished"] is False
    assert half["facts"] > 0
    assert sorted(tree(place)) == [".watchkeeper/last-replay", "half.json", "r.sqlite.partial"]

    assert here("replay", made, "--results", "r.sqlite", "--resume", "--json", "resumed.json").exit_code == 0
    assert here("replay", made, "--results", "whole.sqlite", "--json", "whole.json").exit_code == 0
    resumed, whole = (json.loads((place / name).read_text()) for name in ("resumed.json", "whole.json"))
    assert half["facts"] < whole["facts"]
    for summary in (resumed, whole):
        for measured in ("seconds", "facts_per_s", "decisions_per_s"):
            del summary[measured]
    assert resumed == whole
    assert not (place / "r.sqlite.partial").exists()


def test_what_is_done_so_far_can_be_explained(place, made):
    status, out, _ = interrupted(place, made, "--speed", "20000")
    assert status == 130
    decision_id = re.search(r"explain one: +watchkeeper explain (\S+)", out)[1]
    assert here("explain", decision_id).exit_code == 0


def test_a_stopped_replay_writes_no_journal_and_says_so(place, made):
    status, out, _ = interrupted(place, made, "--speed", "20000", "--journal", "j.db", "--report", "r.html")
    assert status == 130
    assert "journal: " not in out
    assert "report: r.html" in out
    assert sorted(tree(place)) == [".watchkeeper/last-replay", "r.html", "r.sqlite.partial"]


def test_pressed_twice_it_stops_at_once_and_keeps_what_was_committed(place, made, monkeypatch):
    keep, kept = driver.Replay._keep, []

    def pressed(self, following, batches):
        keep(self, following, batches)
        kept.append(following)
        if following == 4:
            raise KeyboardInterrupt

    monkeypatch.setattr(driver, "_CHECKPOINT_S", 0)
    monkeypatch.setattr(driver.Replay, "_keep", pressed)
    result = here("replay", made, "--results", "r.sqlite")
    assert (result.exit_code, result.stderr) == (130, "watchkeeper: stopped\n")
    assert kept == [1, 2, 3, 4]
    monkeypatch.undo()
    monkeypatch.chdir(place)
    resumed = here("replay", made, "--results", "r.sqlite", "--resume")
    assert resumed.exit_code == 0
    assert hashes(resumed.stdout) == hashes(here("replay", made).stdout)


def test_an_import_that_is_stopped_leaves_nothing(place, monkeypatch):
    monkeypatch.setattr("simulator.importers.govuk._History.facts", _stops)
    (place / "d.csv").write_text(
        "ts_utc,app,environment,kind,old_tag,new_tag,direction,automatic_deploys_enabled,promote_deployment,"
        "actor,commit,downgrades_within_15min\n2026-01-01T00:00:00Z,a,staging,added,,v1,,,,bot,c,\n"
    )
    before = tree(place)
    assert commands_import.import_ is not None
    result = here("import", "govuk", "d.csv", "-o", "out.wkr")
    assert (result.exit_code, result.stderr) == (130, "watchkeeper: stopped\n")
    assert tree(place) == before


def test_a_journal_that_is_stopped_half_way_is_gone(place, monkeypatch):
    monkeypatch.setattr("watchkeeper.commands_replay.replay_into", _stops)
    result = here("replay", DEMO, "--journal", "j.db")
    assert result.exit_code == 130
    assert not [name for name in tree(place) if name.startswith("j.db")]


def _stops(*_words, **_named):
    raise KeyboardInterrupt
