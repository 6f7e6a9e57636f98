"""What became of an escalation can be read: as lines, as a picture, and in figures over many."""

import doctest
import re
from typing import get_args
from xml.etree import ElementTree as ET

import pytest
from msgspec import structs

from engine.core.vocabulary import escalation_facts as e
from engine.core.vocabulary.units import MINUTE_US, time_text
from engine.core.work.escalations import timeline as told
from engine.core.work.escalations.timeline import lines, timeline
from simulator.report import escalation_picture
from simulator.report.escalation_picture import picture
from tests.escalations.ladders import LADDER, Bridge
from tests.escalations.test_climbing import BEN, acknowledge


@pytest.fixture
def bridge():
    """A night: chat fails, the phone is answered by a machine, ben has it, and it goes away."""
    bridge = Bridge(structs.replace(LADDER, rounds=1))
    bridge.crew.without = {("ada", "sms")}
    name = bridge.raise_(evidence=("queue 4711 is full",), deadline_us=bridge.now_us + 90 * MINUTE_US)
    slack, channel = bridge[name].sendings
    bridge.report(channel)
    bridge.report(slack, failure="broken")
    bridge.wait(30)
    call = list(bridge[name].sendings)[-1]
    bridge.report(call, "answered")
    bridge.wait(40)
    acknowledge(bridge, name, BEN)
    bridge.take(
        e.EscalationCleared(
            at_us=bridge.now_us,
            escalation_id=name,
            key="decision:d_1",
            by="engine",
            until_us=bridge.now_us + 5 * MINUTE_US,
        )
    )
    bridge.wait(300)
    return bridge


def test_a_timeline_says_when_what_and_why(bridge):
    written = lines(timeline(bridge.facts), lambda at_us: time_text(at_us)[11:19])
    assert written == [
        "01:46:40           +0 s  somebody is needed: deploy waits for a responder",
        "                         critical request, raised by engine, climbs standard",
        "                         queue 4711 is full",
        "                         it ends by itself in 1 h 30 min",
        "01:46:40           +0 s  rung 1 of 3: slack to ada; slack-channel",
        "                         it waits 30 s",
        "01:46:40           +0 s  slack-channel: taken by the provider",
        "01:46:40           +0 s  slack to ada: failed",
        "                         tried again in 2 s, while it is wanted",
        "01:46:42           +2 s  another try: slack (2nd try) to ada",
        "01:47:10          +30 s  rung 2 of 3, 1st time: call to ada",
        "                         not ada by sms: ada has no address for sms",
        "                         it waits 1 min",
        "01:47:10          +30 s  call to ada: answered, which is no acknowledgement",
        "01:47:50    +1 min 10 s  ben has it",
        "                         a responder said so by call, 1 min 10 s after it was raised",
        "01:47:50    +1 min 10 s  told that ben has it: slack to ada; slack-channel",
        "01:47:50    +1 min 10 s  decision:d_1 went away, says engine",
        "                         it is over in 5 min, unless it comes back",
        "01:52:50    +6 min 10 s  it is over",
        "                         told: slack to ada; slack-channel",
    ]


def test_a_timeline_is_of_one_escalation_alone(bridge):
    name = bridge.raise_("decision:d_2")
    other = [fact for fact in bridge.facts if fact.escalation_id == name]
    assert timeline([*other[1:], *bridge.facts]) == timeline(bridge.facts[: -len(other)])
    assert timeline(other[1:]) == ()


def test_a_picture_shows_everybody_who_was_rung_and_what_they_said(bridge):
    drawn = ET.fromstring(picture(timeline(bridge.facts)))
    texts = [each.text for each in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert {"ada", "slack", "call", "all", "slack-channel", "ben has it", "it is over"} <= set(texts)
    assert "+1 min 10 s" in texts
    assert picture(()) == ""


def test_a_picture_takes_any_text(bridge):
    raised = structs.replace(bridge.facts[0], summary='<script>&"')
    drawn = ET.fromstring(picture(timeline([raised, *bridge.facts[1:]])))
    assert '<script>&"' in [each.text for each in drawn.iter("{http://www.w3.org/2000/svg}text")]


def test_each_colour_has_another_for_a_dark_screen(bridge):
    drawn = picture(timeline(bridge.facts))
    style, _, shapes = drawn.partition("</style>")
    for what, colour in re.findall(r'\b(fill|stroke)="([^"]+)"', shapes):
        assert f'[{what}="{colour}"]{{{what}:#' in style
    known = [colour for colour, _ in escalation_picture._STAGES.values()]
    known += [colour for fill, edge, _ in escalation_picture._MARKS.values() for colour in (fill, edge)]
    assert set(known) <= set(escalation_picture._DARK)


def test_a_storm_leaves_room_for_what_became_of_it(bridge):
    more = [
        e.EscalationJoined(
            at_us=bridge.facts[0].at_us + nth * 10_000,
            escalation_id=bridge.facts[0].escalation_id,
            key=f"alert:{nth}",
            summary="more of it",
            severity="warning",
        )
        for nth in range(999)
    ]
    plain, storm = (
        ET.fromstring(picture(timeline([bridge.facts[0], *joined, *bridge.facts[1:]])))
        for joined in ((), more)
    )
    lines_of = [
        [each.attrib for each in drawn.iter("{http://www.w3.org/2000/svg}line")] for drawn in (plain, storm)
    ]
    assert lines_of[0] == lines_of[1]
    assert "1,000 came together" in "".join(storm.itertext())


def test_each_kind_of_fact_has_words():
    assert set(told._TOLD) == set(get_args(e.EscalationFact))


def test_the_examples_hold():
    assert doctest.testmod(told).failed == doctest.testmod(escalation_picture).failed == 0
