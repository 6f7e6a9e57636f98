"""What people say to what woke them, at the desk: who may, what is refused, and what is shown."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from engine.adapters.machine_time import now_us
from engine.adapters.roster import FileRoster
from engine.commands.desk import Desk
from engine.core.vocabulary.escalation_facts import EscalationAcknowledged, OnCallChanged
from engine.core.vocabulary.facts import decode
from engine.runtime.parts import Ladders
from engine.runtime.wire_escalations import EscalationList, GetEscalations
from engine.wiring.directory import directory_of
from engine.wiring.ladders import read_waking
from tests.commands.desks import Given, at_desk, tools_on
from tests.live.engines import SetClock, engine
from tests.oncall.waking_folder import CAPABLE

pytestmark = pytest.mark.asyncio

PEOPLE = """\
people:
  cat: {role: captain, zone: Europe/Berlin, phone: "+49 30 901820"}
  ray: {role: responder, zone: Asia/Kathmandu, phone: "+49 30 901821"}
"""
ONCALL = """\
schedules:
  primary: {zone: Europe/Berlin, layers: [{people: [ray, cat], start: 2026-11-30 09:00, every: 1 week}]}
"""
LADDERS = """\
ladders:
  night: {rungs: [{to: ray, by: sms, wait_s: 300}, {to: cat, by: call, wait_s: 300}], rounds: 1}
otherwise: night
"""


@contextlib.asynccontextmanager
async def wakeful(home: Path) -> AsyncIterator[Given]:
    """A desk on an engine that wakes people; no pager sends anything."""
    config = home / "config"
    config.mkdir()
    for name, text in (("people", PEOPLE), ("oncall", ONCALL), ("ladders", LADDERS)):
        (config / f"{name}.yaml").write_text(text)
    found = read_waking(config)
    roster = FileRoster(found.known.people.values(), found.known.schedules.values(), channels=CAPABLE)
    # The desk reads times by the machine's clock.
    clock = SetClock(now_us())
    ladders = Ladders(settings=found.settings, roster=roster)
    async with engine(home, ladders=ladders, clock=clock) as running:
        running.clock = clock
        tools, close = tools_on(home, running.client, running.fence, directory=directory_of(config))
        desk = Desk(tools)
        try:
            yield Given(desk, running)
        finally:
            await desk.close()
            for each in close:
                each.close()


async def raised(given: Given, line: str = "/page critical the shop is down") -> str:
    """Have somebody woken; returns the id."""
    await given.say("ray", line)
    return (await given.engine.ask(GetEscalations())).escalations[-1].escalation_id


def facts(given: Given, kind):
    found = [decode(record.body) for record in given.desk.tools.journal().read(after=0)]
    return [fact for fact in found if isinstance(fact, kind)]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("/ack 47", "is no escalation"),
        ("/ack e_1", "is no escalation"),
        ("/ack 0000", "nobody is being woken"),
        ("/ack e_000000000000000", "nobody is being woken"),
        ("/ack d_000000000000000", "there is no decision"),
        ("/snooze {it} for ever", "no length of time"),
        ("/hand {it} to zoe", "not in people.yaml"),
        ("/hand {it}", "it needs person"),
        ("/page", "it needs to"),
        ("/page night", "it needs text"),
        ("/page info all is well", "neither how bad it is nor a ladder"),
        ("/drill nowhere", "there is no ladder"),
        ("/escalations 12", "is no escalation"),
        ("/escalations 0000", "nobody is being woken"),
        ("/take {it} did", "not done by taking it"),
        ("/oncall show nowhere", "there is no schedule"),
        ("/oncall cover nowhere ray for 2h", "there is no schedule"),
        ("/oncall cover primary zoe for 2h", "zoe is not in"),
        ("/oncall cover primary ray until 2020-01-01", "over before it begins"),
        ("/oncall swap primary ray", "that is you"),
        ("/oncall swap primary zoe", "has no turn"),
        ("/oncall restore c1", "there is no change"),
    ],
)
async def test_what_makes_no_sense_is_refused_with_a_cure(tmp_path, line, why):
    async with wakeful(tmp_path) as given:
        line = line.format(it=await raised(given))
        reply = await given.say("ray", line)
        said = f"{reply.title} {reply.text}"
        assert reply.outcome == "refused"
        assert why in said, said
        assert any(name == "What to do" for name, _ in reply.fields)


@pytest.mark.parametrize(
    "line",
    ["ack {it}", "take {it}", "snooze {it}", "pass {it}", "hand {it} cat", "resolve {it}", "page night help",
     "drill", "oncall cover primary ray for 2h", "oncall swap primary ray", "oncall restore c1"],
)  # fmt: skip
async def test_who_may_only_look_changes_nothing(tmp_path, line):
    async with wakeful(tmp_path) as given:
        line = line.format(it=await raised(given))
        assert (await given.say("vic", line)).outcome == "forbidden"
        assert (await given.say("vic", "/escalations")).outcome == "done"
        assert (await given.say("vic", "/oncall")).outcome == "done"
        assert facts(given, EscalationAcknowledged) == facts(given, OnCallChanged) == []


async def test_it_goes_by_its_code_its_id_and_its_decision(tmp_path):
    async with wakeful(tmp_path) as given:
        held = await given.engine.propose(1, confidence=0.5)
        await given.engine.live.waking.turn()
        found = await given.engine.ask(GetEscalations())
        assert isinstance(found, EscalationList)
        (shown,) = found.escalations
        for name in (shown.code, f"#{shown.code}", shown.escalation_id, held.verdict.decision_id):
            reply = await given.say("vic", f"/escalations {name}")
            assert shown.escalation_id in reply.footer


async def test_a_delivery_that_comes_twice_counts_once(tmp_path):
    async with wakeful(tmp_path) as given:
        name = await raised(given)
        for _ in range(2):
            assert (await given.say("cat", f"/ack {name}", key="same")).outcome == "done"
        assert len(facts(given, EscalationAcknowledged)) == 1


async def test_the_message_of_a_decision_says_who_has_what_it_woke_somebody_for(tmp_path):
    async with wakeful(tmp_path) as given:
        held = await given.engine.propose(1, confidence=0.5)
        await given.engine.live.waking.turn()
        name = (await given.engine.ask(GetEscalations())).escalations[-1].escalation_id
        reply = await given.say("ray", f"/ack {name}")
        assert reply.about == held.verdict.decision_id
        assert given.desk.tools.journal().with_prefix(f"ack:{held.verdict.decision_id}:ray")


async def test_who_has_it_is_said_to_whoever_comes_later(tmp_path):
    async with wakeful(tmp_path) as given:
        name = await raised(given)
        await given.say("ray", f"/ack {name}")
        later = await given.say("cat", f"/ack {name}")
        assert later.outcome == "refused"
        assert "ray has it" in later.title
        # Its message is out of date, and shows now what can be done instead.
        assert later.instead
        assert later.buttons[0].line == f"take {name}"


async def test_one_that_is_over_says_so_in_the_place_of_its_message(tmp_path):
    async with wakeful(tmp_path) as given:
        name = await raised(given)
        await given.say("ray", f"/resolve {name} it was the cache")
        late = await given.say("cat", f"/ack {name}")
        assert (late.outcome, late.title, late.instead, late.buttons) == (
            "refused", "It is over already", True, (),
        )  # fmt: skip
        assert dict(late.fields)["Ended"] == "ray: it was the cache"


async def test_a_refusal_for_one_person_leaves_the_message_to_the_others(tmp_path):
    async with wakeful(tmp_path) as given:
        name = await raised(given)
        assert not (await given.say("vic", f"/ack {name}")).instead


async def test_an_answer_ends_a_drill_and_is_measured(tmp_path):
    async with wakeful(tmp_path) as given:
        asked = await given.say("ray", "/drill")
        assert "1. ray by sms" in asked.text
        assert "2. cat by call" in asked.text
        await given.confirm("ray", asked)
        name = (await given.engine.ask(GetEscalations())).escalations[-1].escalation_id
        given.engine.clock.pass_us(5_000_000)
        assert "the drill is over" in (await given.say("ray", f"/ack {name}")).title
        shown = await given.say("vic", f"/escalations {name}")
        assert dict(shown.fields)["Answered"] == "ray by discord after 5 s"
        assert shown.table is not None
        assert shown.table.rows[0][:2] == ("1", "ray by sms")


async def test_a_swap_is_two_changes_and_can_be_taken_back(tmp_path):
    async with wakeful(tmp_path) as given:
        done = await given.confirm("ray", await given.say("ray", "/oncall swap primary cat"))
        made = facts(given, OnCallChanged)
        assert {change.person for change in made} == {"ray", "cat"}
        assert len(made) == 2
        for button in done.buttons:
            assert (await given.say("ray", button.line)).outcome == "done"
        assert (await given.say("vic", "/oncall")).buttons == ()


async def test_an_engine_without_ladders_says_so(tmp_path):
    async with at_desk(tmp_path) as given:
        reply = await given.say("vic", "/escalations")
        assert (reply.outcome, "wakes nobody" in reply.text) == ("refused", True)
