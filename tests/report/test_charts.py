"""Buckets, limits and drawings, one at a time."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.vocabulary.units import DAY_US, MINUTE_US, SECOND_US
from simulator.report import series
from simulator.report.svg import draw
from tests.builders import NOON_US, impact, promoted
from tests.report.replays import SCRIPT, ask, record, replayed

CSS = (Path(series.__file__).parent / "report.css").read_text()


@given(st.integers(0, 4_000_000_000 * SECOND_US), st.integers(0, 200 * 365 * DAY_US))
def test_buckets_cover_every_moment_and_are_few(first, span):
    buckets = series.cut(first, first + span)
    assert 1 <= buckets.count <= series.MOST_BUCKETS
    assert buckets.start_us <= first
    assert buckets.at_us(buckets.count - 1) <= first + span < buckets.at_us(buckets.count)


@given(st.integers(SECOND_US, 100 * 365 * DAY_US))
def test_buckets_are_many_enough_to_see_something(span):
    # The widest step between two widths is from 2 to 5.
    assert series.cut(NOON_US, NOON_US + span).count >= 47


def test_every_decision_falls_into_its_bucket(one):
    buckets = series.stretch(one.db)
    rows = series.over_time(one.db, 0, buckets)
    counted = Counter(
        ((at_us - buckets.start_us) // buckets.width_us, word)
        for at_us, word in one.db.execute("select at_us, word from decisions").fetchall()
    )
    for number, row in enumerate(rows):
        for word in ("allow", "hold", "deny"):
            assert getattr(row.words, word) == counted[number, word]
    assert sum(row.costs.allowed for row in rows) == pytest.approx(one.summary.tracks[0].costs.allowed)


def test_usage_is_summed_as_the_gate_sums_it(tmp_path):
    # 30 calls at 0, 20, 40 and 60 s: the first has left the window of a minute just when the last comes.
    steps = [0, 20, 40, 60]
    facts = [promoted(at_us=NOON_US)]
    for number, second in enumerate(steps):
        facts.append(
            ask(number, NOON_US + second * SECOND_US, impact=impact(api_calls=30), agent=f"a{number}")
        )
    found = replayed(record(tmp_path / "r.wkr", facts))
    assert found.summary.words.allow == 4
    buckets = series.stretch(found.db)
    (peaks,) = series.peaks(found.db, 0, buckets, found.summary.tracks[0].limits)
    assert (peaks.measure, peaks.window_us) == ("api_calls", MINUTE_US)
    used = {(NOON_US + second * SECOND_US - buckets.start_us) // buckets.width_us: 0 for second in steps}
    assert [peaks.all_agents[place] for place in sorted(used)] == [30, 60, 90, 90]
    assert [peaks.one_agent[place] for place in sorted(used)] == [30, 30, 30, 30]


def test_no_usage_passes_a_limit(one):
    buckets = series.stretch(one.db)
    found = series.peaks(one.db, 0, buckets, one.summary.tracks[0].limits)
    assert len(found) == 3
    for peaks in found:
        most = {limit.per: float(limit.most) for limit in peaks.limits}
        assert 0 < max(peaks.all_agents) <= most["all"] + 1e-9
        assert 0 < max(peaks.one_agent) <= most["agent"] + 1e-9


def test_percentiles_are_nearest_ranks(one):
    times = sorted(round(row[0]) for row in one.db.execute("select decide_us from decisions"))
    found = series.percentiles(one.db, 0)
    rank = {percent: -(-len(times) * percent // 100) - 1 for percent in (50, 95, 99)}
    assert (found.p50, found.p95, found.p99) == tuple(times[rank[percent]] for percent in (50, 95, 99))
    assert found.longest == times[-1]


def test_a_drawing_keeps_hostile_text_and_nothing_hostile():
    rows = [{"name": SCRIPT, "value": 3}, {"name": "</svg><a href='https://evil.example'>", "value": 2}]
    spec = {
        "data": {"values": rows},
        "mark": {"type": "bar", "clip": True, "href": "https://evil.example"},
        "encoding": {
            "y": {"field": "name", "type": "nominal"},
            "x": {"field": "value", "type": "quantitative"},
        },
    }
    drawn = str(draw(spec, name="c", text='two "bars" & more'))
    assert drawn.startswith("<svg viewBox=")
    assert 'aria-label="two &quot;bars&quot; &amp; more"' in drawn
    assert set(re.findall(r"<(\w+)", drawn)) <= {
        "svg",
        "g",
        "path",
        "line",
        "rect",
        "text",
        "defs",
        "clipPath",
    }
    assert not re.search(r"\s(?:href|class|style|xmlns|on\w+)=", re.sub(r">[^<]*<", "><", drawn))
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in drawn
    assert re.findall(r'id="([^"]+)"', drawn) == ["c-1"]
    assert 'clip-path="url(#c-1)"' in drawn


def test_two_drawings_share_no_id():
    spec = {
        "data": {"values": [{"x": 1}]},
        "mark": {"type": "point", "clip": True},
        "encoding": {"x": {"field": "x"}},
    }
    ids = [re.findall(r'id="([^"]+)"', draw(spec, name=name, text="t")) for name in ("a", "b")]
    assert all(ids)
    assert not set(ids[0]) & set(ids[1])


def luminance(colour: str) -> float:
    """Relative luminance, WCAG 2.2."""
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


SCHEMES = [
    dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block))
    for block in re.findall(r":root \{(.*?)\}", CSS, re.DOTALL)
]


@pytest.mark.parametrize("colours", SCHEMES, ids=["light", "dark", "print"])
def test_text_and_marks_stand_out_in_every_scheme(colours):
    for ground in ("bg", "card"):
        for ink in ("ink", "soft", "allow-ink", "hold-ink", "deny-ink", "accent-ink"):
            assert contrast(colours[ink], colours[ground]) >= 4.5, f"{ink} on {ground}"
        for mark in ("allow", "hold", "deny", "accent", "other"):
            assert contrast(colours[mark], colours[ground]) >= 3.0, f"{mark} on {ground}"


def test_there_are_three_schemes():
    assert len(SCHEMES) == 3
    assert len({frozenset(colours) for colours in SCHEMES}) == 1


def test_a_recording_without_cost_or_usage_draws_no_empty_charts(tmp_path):
    found = replayed(record(tmp_path / "r.wkr", [ask(number) for number in range(3)]))
    buckets = series.stretch(found.db)
    assert series.peaks(found.db, 0, buckets, found.summary.tracks[0].limits) == []
    from simulator.report.report import render

    assert "No proposal stated a cost." in render(found.db, found.summary)
