"""KPIs in a replay: the figures a journal of it gives, in any number of shards, and nothing else changes."""

import json
import sqlite3
from contextlib import closing

import pytest

from engine.adapters.journal_memory import MemoryJournal
from engine.adapters.kpi_view import KpiView
from engine.core.kpis.standing import standings
from engine.wiring import SHIPPED_CONFIG, SHIPPED_POLICY, read_policy
from engine.wiring.kpis import read_kpis
from simulator import kpis as kpis_of
from simulator.kpis import course_of
from simulator.recording import Recording
from simulator.replay.driver import Replay
from simulator.replay.journalled import replay_into
from simulator.replay.results import Results, Run
from tests.cli.running import DEMO, here
from tests.kpis.recount import EVERY
from tests.kpis.test_projection import folded


@pytest.fixture(scope="module")
def demo():
    return Recording(DEMO)


@pytest.fixture(scope="module")
def source():
    return read_policy(SHIPPED_POLICY)


@pytest.fixture(scope="module")
def journal(demo, source):
    """What the live loop makes of the same recording."""
    made = MemoryJournal()
    replay_into(made, demo, source)
    return made


def test_a_replay_comes_to_what_its_journal_gives(demo, source, journal):
    (track,) = Replay(demo, [source], kpis=EVERY).run().tracks
    assert tuple(track.kpis.standings) == KpiView(EVERY, lambda: journal).look().kpis
    assert track.kpis == course_of(EVERY, journal)


def test_shards_and_kpis_change_no_hash(demo, source):
    plain = Replay(demo, [source]).run().tracks[0]
    one, three = (Replay(demo, [source], shards=n, kpis=EVERY).run().tracks[0] for n in (1, 3))
    assert plain.kpis is None
    assert one.kpis == three.kpis
    for track in (one, three):
        assert (track.journal_hash, track.state_hash) == (plain.journal_hash, plain.state_hash)


def results_run(demo, source):
    return Run(
        recording="demo",
        content_sha256=demo.footer.content_sha256,
        source="world",
        policies=["p"],
        policy_hashes=[source.policy_hash],
        from_us=None,
        until_us=None,
        kpis=kpis_of.hash_of(EVERY),
    )


def test_a_replay_that_was_stopped_comes_to_the_same(demo, source, tmp_path):
    run = results_run(demo, source)
    whole = Replay(demo, [source], kpis=EVERY).run().tracks[0].kpis
    stops = 0
    for resume in (False, *[True] * 200):
        results = Results(tmp_path / "r.sqlite", run, resume=resume)
        driver = Replay(demo, [source], results=results, kpis=EVERY)
        end = driver.run(lambda _progress, driver=driver: driver.stop())
        results.close()
        if end.finished:
            break
        stops += 1
    assert stops > 0
    assert end.tracks[0].kpis == whole


def test_points_are_what_was_known_at_that_time(journal):
    course = course_of(EVERY, journal)
    facts = [kpis_of.fact_or_time(record) for record in journal.read()]
    for place in (3, 40, len(course.points[0]) - 1):
        at_us = course.points[0][place].at_us
        last = place == len(course.points[0]) - 1
        before = [
            fact
            for fact in facts
            if not isinstance(fact, int) and (fact.at_us < at_us or (last and fact.at_us <= at_us))
        ]
        known = standings(folded(before), at_us)
        assert [points[place].value for points in course.points] == [kpi.value for kpi in known]


def test_the_results_file_has_a_table_of_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WATCHKEEPER_HOME", str(tmp_path / "home"))
    result = here("replay", DEMO, "--kpis", "--results", "r.sqlite", "--json", "s.json")
    told = json.loads((tmp_path / "s.json").read_text())["tracks"][0]["kpis"]
    with closing(sqlite3.connect("r.sqlite")) as connection:
        rows = connection.execute("select name, word, value, count from kpis order by rowid").fetchall()
        points = connection.execute("select count(distinct at_us) from kpi_points").fetchone()[0]
    assert rows == [(kpi["name"], kpi["word"], kpi["value"], kpi["count"]) for kpi in told]
    assert [kpi["name"] for kpi in told] == [kpi.name for kpi in read_kpis(SHIPPED_CONFIG)]
    assert 50 < points <= 100
    assert "KPIs of autonomy at 2026-03-08T23:45:48Z\n" in result.stdout


def test_those_of_the_policy_in_question_are_counted(other, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WATCHKEEPER_HOME", str(tmp_path / "home"))
    file = other.parent / "kpis.yaml"
    file.write_text(file.read_text().replace("name: uptime of autonomy", "name: how long it was up"))
    result = here("replay", DEMO, "--kpis", "--policy", other, "--against", SHIPPED_POLICY)
    assert result.stdout.count("how long it was up") == 2
    assert "KPIs of autonomy under --against at" in result.stdout


def test_without_the_option_nothing_is_said_of_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WATCHKEEPER_HOME", str(tmp_path / "home"))
    result = here("replay", DEMO, "--report", "r.html")
    assert "KPI" not in result.stdout + (tmp_path / "r.html").read_text()
