"""What comes together and is not alike: what got worse, or climbs another ladder, wakes whom it should."""

import pytest
from msgspec import structs

from engine.core.vocabulary import escalation_facts as e
from engine.core.vocabulary.escalations import Route, Rung
from engine.core.vocabulary.units import HOUR_US, SECOND_US
from engine.core.work.escalations.timeline import timeline
from engine.runtime import wire
from engine.runtime.wire_escalations import ClearEscalation, FindNotifications
from tests.escalations.ladders import LADDER, Bridge
from tests.escalations.test_climbing import acknowledge, clear
from tests.escalations.test_waking import SETTINGS, asks, awake, listed, says
from tests.live.test_holds import facts

SCREENS = structs.replace(
    LADDER, name="screens", rungs=(Rung(post=("console",), wait_us=300 * SECOND_US),), rounds=3
)
ROUTED = structs.replace(
    SETTINGS,
    ladders=SETTINGS.ladders | {"screens": SCREENS},
    routes=(Route(severities=("warning",), ladder="screens"), Route(ladder="standard")),
)


def join(bridge, name, key, severity, **changes):
    fact = e.EscalationJoined(
        at_us=bridge.now_us, escalation_id=name, key=key, about=key, summary=f"more: {key}", severity=severity
    )
    bridge.take(structs.replace(fact, **changes))
    bridge.settle()


class Sleepers:
    """Quiet hours that only what is critical breaks."""

    def __init__(self, bridge):
        self.until_us, self.crew = bridge.now_us + 8 * HOUR_US, bridge.crew
        self.plain, self.crew.against = self.crew.against, self.against

    def against(self, person, channel, severity, at_us):
        names = [] if severity == "critical" else ["ada", "ben", "cy"]
        self.crew.asleep = dict.fromkeys(names, self.until_us)
        return self.plain(person, channel, severity, at_us)


def test_what_gets_critical_does_not_wait_for_the_end_of_quiet_hours():
    bridge = Bridge(structs.replace(LADDER, rungs=LADDER.rungs[1:], rounds=1))
    Sleepers(bridge)
    name = bridge.raise_("alert:a", severity="warning")
    assert bridge.told(e.EscalationPostponed)
    bridge.wait(60)
    join(bridge, name, "alert:b", "critical")
    rang = [each for each in bridge.told(e.RungReached) if each.notifications]
    assert [each.at_us for each in rang] == [bridge.now_us]
    # What is no worse than what was put off waits with it.
    join(bridge, name, "alert:c", "critical")
    assert len([each for each in bridge.told(e.RungReached) if each.notifications]) == 1


def test_whoever_sleeps_on_a_warning_is_asked_soon_once_it_is_critical():
    bridge = Bridge()
    name = bridge.raise_("alert:a", severity="warning")
    bridge.take(
        e.EscalationSnoozed(
            at_us=bridge.now_us, escalation_id=name, by="ada", role="responder", via="sms",
            until_us=bridge.now_us + 8 * HOUR_US,
        )
    )  # fmt: skip
    join(bridge, name, "alert:b", "warning")
    assert bridge[name].next_us == bridge.now_us + 8 * HOUR_US
    join(bridge, name, "alert:c", "critical")
    assert bridge[name].next_us == bridge.now_us + LADDER.ask_again_us
    bridge.until(bridge[name].next_us)
    assert bridge[name].stage == "asked"


def test_what_is_shown_still_stands():
    bridge = Bridge()
    name = bridge.raise_("decision:d_1", about="d_1", summary="d_1 waits", evidence=("low",), deadline_us=10)
    acknowledge(bridge, name)
    join(
        bridge,
        name,
        "decision:d_2",
        "warning",
        about="d_2",
        summary="d_2 waits",
        evidence=("dear",),
        deadline_us=20,
    )
    assert (bridge[name].about, bridge[name].summary, bridge[name].deadline_us) == ("d_1", "d_1 waits", 10)
    clear(bridge, name, "decision:d_1")
    assert (bridge[name].about, bridge[name].summary, bridge[name].deadline_us) == ("d_2", "d_2 waits", 20)
    assert bridge[name].evidence == ("dear",)
    assert bridge[name].moved


def test_a_timeline_says_where_what_joins_wakes_somebody_anew():
    bridge = Bridge(structs.replace(LADDER, rounds=1))
    name = bridge.raise_("alert:a", kind="alert")
    bridge.wait(400)
    assert bridge[name].stage == "ended"
    join(bridge, name, "alert:b", "critical")
    (told,) = [each for each in timeline(bridge.facts) if isinstance(each.fact, e.EscalationJoined)]
    assert told.why == ("it had ended, so the ladder is climbed anew",)


@pytest.mark.asyncio
async def test_what_climbs_another_ladder_is_no_part_of_an_incident_that_rings_elsewhere(tmp_path):
    async with awake(tmp_path, settings=ROUTED) as it:
        await it.ask(asks("alert:a", kind="alert", severity="warning", group="alert:web"))
        await it.ask(asks("alert:b", kind="alert", severity="critical", group="alert:web"))
        assert sorted((each.ladder, each.severity) for each in await listed(it)) == [
            ("screens", "warning"), ("standard", "critical"),
        ]  # fmt: skip
        # More of either still joins its own.
        await it.ask(asks("alert:c", kind="alert", severity="warning", group="alert:web"))
        await it.ask(asks("alert:d", kind="alert", severity="critical", group="alert:web"))
        assert [each.count for each in await listed(it)] == [2, 2]
    rang = [each.notifications[0].channel for each in facts(tmp_path, e.RungReached)]
    assert rang == ["console", "slack"]


@pytest.mark.asyncio
async def test_the_same_said_again_as_worse_counts_as_worse(tmp_path):
    async with awake(tmp_path) as it:
        await it.ask(asks("request:1", severity="warning"))
        again = await it.ask(asks("request:1", severity="warning"))
        assert (again.reason, again.escalation.count) == ("somebody is being woken for it already", 1)
        await it.ask(says("acknowledge", escalation=again.escalation.escalation_id))
        worse = await it.ask(asks("request:1", severity="critical"))
        assert (worse.escalation.severity, worse.escalation.count) == ("critical", 2)


@pytest.mark.asyncio
async def test_the_same_said_again_as_worse_rings_whom_that_is_for(tmp_path):
    async with awake(tmp_path, settings=ROUTED) as it:
        await it.ask(asks("request:1", severity="warning"))
        worse = await it.ask(asks("request:1", severity="critical"))
        assert worse.escalation.ladder == "standard"
        for severity in ("warning", "critical"):
            again = await it.ask(asks("request:1", severity=severity))
            assert again.reason == "somebody is being woken for it already"
        await it.ask(ClearEscalation(key="request:1", by="ben"))
        assert [each.stage for each in await listed(it)] == ["cleared", "cleared"]


@pytest.mark.asyncio
async def test_an_ok_that_may_be_meant_for_another_decides_nothing(tmp_path):
    async with awake(tmp_path) as it:
        one = (await it.propose(1, confidence=0.2, episode="inc-1")).verdict.decision_id
        two = (await it.propose(2, confidence=0.2, episode="inc-1")).verdict.decision_id
        await it.live.waking.turn()
        found = (await it.ask(FindNotifications(person="ada"))).notifications
        assert [(each.escalation.about, each.answerable) for each in found] == [(one, True)]
        await it.ask(wire.AnswerHold(decision_id=one, by="cora", role="captain", answer="deny", reason="no"))
        await it.live.waking.turn()
        found = (await it.ask(FindNotifications(person="ada"))).notifications
        assert [(each.escalation.about, each.answerable) for each in found] == [(two, False)]
