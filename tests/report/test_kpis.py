"""KPIs in the report: every one in the table, and a picture where there was ever a value."""

from __future__ import annotations

import re

import msgspec
import pytest

from engine.core.kpis.standing import standings
from engine.wiring import SHIPPED_POLICY
from simulator import kpi_text
from simulator.kpis import KpiPoint
from simulator.report.kpi_marks import course
from simulator.report.kpis import gathered
from simulator.report.marks import HALF
from simulator.report.report import render
from tests.builders import NOON_US
from tests.kpis.recount import EVERY, kpi
from tests.kpis.test_projection import adopted_and, folded
from tests.kpis.test_standing import ended
from tests.report.replays import SCRIPT, busy, record, replayed
from tests.report.test_page import Page


def stood(**values):
    """How one KPI stands, with some parts replaced."""
    found = standings(folded(adopted_and(*ended(40, 1)), EVERY[:1]), NOON_US + 7_200_000_000)[0]
    return msgspec.structs.replace(found, **values)


def points(*values):
    return [
        KpiPoint(NOON_US + number * 60_000_000, value, value, value, 1) for number, value in enumerate(values)
    ]


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The report of a replay under two policies, with KPIs one of which has a hostile name."""
    kpis = (*EVERY, kpi(name=SCRIPT[:60], shows=SCRIPT))
    path = record(tmp_path_factory.mktemp("kpis") / "r.wkr", busy(400))
    found = replayed(path, SHIPPED_POLICY, SHIPPED_POLICY, kpis=kpis)
    return render(found.db, found.summary)


def test_the_page_shows_every_kpi_under_both_policies(page):
    section = Page(page[page.index('<section id="kpis">') :].partition("</section>")[0])
    for of in EVERY:
        assert section.text.count(of.name) >= 2, of.name
    assert {"met", "unknown"} <= {text.strip() for text in section.texts}
    assert "nobody reported how any of" in section.text


def test_the_page_stays_whole_and_runs_nothing(page):
    parsed = Page(page)
    assert (parsed.open, parsed.crossed) == ([], [])
    assert not [tag for tag, _ in parsed.elements if tag == "script"]
    ids = [attributes["id"] for _, attributes in parsed.elements if attributes.get("id")]
    assert len(ids) == len(set(ids))


def test_a_replay_that_was_stopped_shows_how_they_stand(tmp_path):
    path = record(tmp_path / "r.wkr", busy(16_000, step_us=1_000_000))
    found = replayed(path, kpis=EVERY[8:9], stop_after=1)
    assert not found.end.finished
    assert "uptime" in render(found.db, found.summary)


def test_what_was_never_known_has_a_line_and_no_picture():
    unknown = stood(word="unknown", value=None, low=None, high=None, why="nobody said")
    found = gathered([unknown], [points(None, None)], "kpi")
    assert found.charts == []
    assert (found.rows[0].value, found.rows[0].rests_on) == ("–", "nobody said")


def test_a_picture_says_in_words_what_it_shows():
    (chart,) = gathered([stood()], [points(None, 0.5, 0.9)], "kpi").charts
    assert "known at 2 of 3 moments, from 50.0 % to 90.0 %; its target is at least 95.0 %" in chart.text
    assert "<script" not in chart.wide
    assert "var(--accent)" in chart.wide


def test_a_line_is_broken_where_nothing_is_known():
    spec = course(points(0.5, 0.6, None, 0.7), 0.9, "target", ".0%", HALF)
    rows = spec["layer"][1]["data"]["values"]
    assert [row["run"] for row in rows] == [0, 0, 1]
    # A moment between two unknown ones would be a line of no length.
    assert [row["value"] for row in spec["layer"][2]["data"]["values"]] == [0.7]


def test_hostile_names_stay_text():
    (chart,) = gathered([stood(name=SCRIPT, shows=SCRIPT)], [points(0.5)], "kpi").charts
    assert "<script" not in chart.wide + chart.narrow


@pytest.mark.parametrize(
    ("kind", "value", "target", "said"),
    [
        ("success", 0.9876, {"at_least": 0.95}, ("98.8 %", "at least 95.0 %")),
        ("value", -0.0123, {"at_least": -0.02}, ("-1.2 points", "at least -2.0 points")),
        ("cost_per_decision", 0.0184, {"at_least": None, "at_most": 1.0}, ("$0.02", "at most $1.00")),
    ],
)
def test_figures_are_written_in_their_unit(kind, value, target, said):
    found = stood(kind=kind, value=value, low=None, high=None, **target)
    assert (kpi_text.value_text(found), kpi_text.target_text(found)) == said


def test_a_line_of_text_fits_a_terminal():
    for word, line in kpi_text.lines(standings(folded(adopted_and(*ended(40, 1))))):
        assert word in kpi_text.WORDS
        assert len(line) + 9 <= 110, line


def test_unsure_is_said():
    ((_, line),) = kpi_text.lines([stood()])
    assert re.search(r"97\.5 % \(\d+\.\d to \d+\.\d\) +≥ 95\.0 % +40 episodes, unsure$", line)
