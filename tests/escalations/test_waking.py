"""Escalations on a live engine: what needs somebody is raised, words count, and a restart forgets nothing."""

import asyncio
import contextlib

import pytest
from msgspec import structs

from engine.core.vocabulary import escalation_facts as e
from engine.core.vocabulary import facts as f
from engine.core.vocabulary.escalations import EscalationSettings, Ladder, Route, Rung
from engine.core.vocabulary.ids import Digest
from engine.core.vocabulary.units import MINUTE_US, SECOND_US
from engine.errors import Forbidden, InputError
from engine.runtime import wire
from engine.runtime.parts import Ladders
from engine.runtime.timers import DrillPlan, Timers
from engine.runtime.wire_escalations import (
    AnswerEscalation,
    ChangeOnCall,
    ClearEscalation,
    GetEscalations,
    HandEscalation,
    RaiseEscalation,
    ReportNotification,
    RestoreOnCall,
    TakeNotifications,
)
from tests.escalations.ladders import LADDER, Crew
from tests.live.engines import SetClock, engine, performing
from tests.live.test_holds import facts

pytestmark = pytest.mark.asyncio
LAST_RESORT = Ladder(
    name="last",
    rungs=(Rung(to=("everyone",), by=("call",), wait_us=60 * SECOND_US),),
    failsafe="stop",
    ask_again_us=30 * MINUTE_US,
    answer_us=5 * MINUTE_US,
)
SETTINGS = EscalationSettings(
    ladders={"standard": LADDER, "last": LAST_RESORT},
    routes=(Route(ladder="standard"),),
    settle_us=5 * MINUTE_US,
    storm_most=3,
    storm_within_us=MINUTE_US,
    hash=Digest("aa"),
)


@contextlib.asynccontextmanager
async def awake(home, settings=SETTINGS, **given):
    async with engine(home, performing(), ladders=Ladders(settings=settings, roster=Crew()), **given) as it:
        it.clock = given.get("clock", it.clock)
        await it.live.waking.turn()
        yield it


async def listed(it):
    return (await it.ask(GetEscalations())).escalations


async def given(it, pager="pager:1", holding=None):
    """What is handed out to be sent: person, channel, and whether it may have been sent.

    What is given is put into `holding`, which a pager says it has.
    """
    holding = [] if holding is None else holding
    found = (await it.ask(TakeNotifications(pager=pager, holding=tuple(holding), wait_s=0))).notifications
    holding += [(each.notification.notification_id, each.notification.attempt) for each in found]
    return [(each.notification.person, each.notification.channel, each.unsure) for each in found]


def says(word, by="ada", escalation="", **values):
    values = {"role": "responder", "via": "call"} | values
    return AnswerEscalation(escalation=escalation, word=word, by=by, **values)


def asks(key="request:1", **values):
    values = {"kind": "request", "severity": "critical", "summary": "look at it", "by": "ben"} | values
    return RaiseEscalation(key=key, **values)


async def held(it, number=1):
    """Propose what a person must approve."""
    said = await it.propose(number, confidence=0.2)
    assert said.verdict.word == "hold"
    await it.live.waking.turn()
    return said.verdict.decision_id


async def test_a_held_decision_rings_the_first_rung_and_its_end_ends_the_ringing(tmp_path):
    async with awake(tmp_path) as it:
        decision = await held(it)
        (one,) = await listed(it)
        assert (one.kind, one.about, one.stage) == ("decision", decision, "ringing")
        assert "confidence" in one.evidence[0]
        assert one.deadline_us is not None
        assert await given(it) == [("ada", "slack", False), ("", "slack-channel", False)]
        await it.ask(
            wire.AnswerHold(decision_id=decision, by="cora", role="captain", answer="deny", reason="no")
        )
        await it.live.waking.turn()
        assert [end.how for end in facts(tmp_path, e.EscalationEnded)] == ["resolved"]
    raised = facts(tmp_path, e.EscalationRaised)
    rung = facts(tmp_path, e.RungReached)
    assert raised[0].at_us == rung[0].at_us


async def test_what_a_crash_kept_from_being_raised_is_raised_by_the_next_engine(tmp_path):
    async with awake(tmp_path) as it:
        said = await it.propose(1, confidence=0.2)
    assert facts(tmp_path, e.EscalationRaised) == []
    async with awake(tmp_path) as again:
        (one,) = await listed(again)
        assert one.about == said.verdict.decision_id


async def test_a_restart_goes_on_where_the_ladder_was_and_gives_out_what_nobody_reported(tmp_path):
    async with awake(tmp_path) as it:
        await it.ask(asks())
        held_now = []
        assert len(await given(it, holding=held_now)) == 2
        assert await given(it, holding=held_now) == [], "what somebody has is not given twice"
        it.clock.pass_us(20 * SECOND_US)
        clock = it.clock
    async with awake(tmp_path, clock=clock) as again:
        assert await given(again) == [("ada", "slack", True), ("", "slack-channel", True)]
        again.clock.pass_us(10 * SECOND_US)
        await again.live.waking.turn()
        assert [(one.rung, one.stage) for one in await listed(again)] == [(2, "ringing")]


async def test_another_pager_gets_what_the_one_before_it_had(tmp_path):
    async with awake(tmp_path) as it:
        await it.ask(asks())
        await given(it)
        assert [unsure for _, _, unsure in await given(it, "pager:2")] == [True, True]
        assert await given(it, "pager:1") == [], "one sends at a time"
        it.clock.pass_us(61 * SECOND_US)
        assert [unsure for _, _, unsure in await given(it, "pager:1")][:2] == [True, True]


async def test_what_was_given_and_never_came_is_given_again_at_once(tmp_path):
    async with awake(tmp_path) as it:
        await it.ask(asks())
        await given(it)
        assert [unsure for _, _, unsure in await given(it)] == [True, True]


async def test_a_pager_that_is_gone_takes_nothing_from_the_one_after_it(tmp_path):
    async with awake(tmp_path) as it:
        gone = asyncio.create_task(it.live.answer(TakeNotifications(pager="pager:1", wait_s=0.4)))
        await asyncio.sleep(0.05)
        waiting = asyncio.create_task(it.ask(TakeNotifications(pager="pager:2", wait_s=30)))
        await asyncio.sleep(0.05)
        await it.ask(asks())
        assert len((await waiting).notifications) == 2
        assert (await gone).notifications == ()


async def test_somebody_who_waits_is_told_the_moment_there_is_something_to_send(tmp_path):
    async with awake(tmp_path) as it:
        waiting = asyncio.create_task(it.ask(TakeNotifications(pager="p", wait_s=30)))
        await asyncio.sleep(0.05)
        await it.ask(asks())
        async with asyncio.timeout(5):
            assert len((await waiting).notifications) == 2


async def test_words_count_by_id_code_and_decision(tmp_path):
    async with awake(tmp_path) as it:
        decision = await held(it)
        (one,) = await listed(it)
        said = await it.ask(says("acknowledge", escalation=one.code))
        assert (said.counted, said.escalation.holder) == (True, "ada")
        second = await it.ask(says("acknowledge", by="ben", escalation=decision))
        assert (second.counted, second.reason) == (False, "ada has it; say take to have it instead")
        taken = await it.ask(says("take", by="ben", escalation=one.escalation_id))
        assert taken.escalation.holder == "ben"
        with pytest.raises(InputError, match="nobody is being woken for this"):
            await it.ask(says("acknowledge", escalation="e_none"))
        with pytest.raises(Forbidden, match="only responders and captains answer"):
            await it.ask(says("acknowledge", role="viewer", escalation=one.code))


async def test_passing_on_says_what_follows(tmp_path):
    ladder = structs.replace(LADDER, rungs=LADDER.rungs[-1:], rounds=2)
    async with awake(tmp_path, settings=structs.replace(SETTINGS, ladders={"standard": ladder})) as it:
        await it.ask(asks())
        (one,) = await listed(it)

        async def passes(by="ada"):
            said = await it.ask(says("pass", by=by, escalation=one.code))
            await it.live.waking.turn()
            return said.counted, said.reason

        assert await passes() == (True, "that was the last rung, and the ladder is climbed anew")
        left = "nobody is left on the ladder to be woken: take it, or hand it to somebody"
        assert await passes() == (False, left)
        await it.ask(says("acknowledge", escalation=one.code))
        assert await passes(by="ben") == (False, "ada has it, so nobody else is woken")
        rang = len(facts(tmp_path, e.RungReached))
        assert await passes() == (True, "that was the last rung, and the ladder is climbed anew")
        assert len(facts(tmp_path, e.RungReached)) == rang + 1
    assert facts(tmp_path, e.EscalationEnded) == []


async def test_handing_over_wakes_them_and_refuses_where_nothing_would(tmp_path):
    async with awake(tmp_path) as it:
        await it.ask(asks())
        (one,) = await listed(it)
        hand = HandEscalation(escalation=one.code, to="ben", by="ada", role="responder", via="slack")
        it.live.waking.roster.without = {("ben", channel) for channel in ("call", "sms", "slack")}
        with pytest.raises(InputError, match="nothing would reach ben now: ben has no address"):
            await it.ask(hand)
        it.live.waking.roster.without = set()
        await given(it)
        said = await it.ask(hand)
        assert said.reason.startswith("ben is woken")
        assert {person for person, _, _ in await given(it)} == {"ben"}


async def test_a_storm_is_one_escalation(tmp_path):
    async with awake(tmp_path) as it:
        for number in range(100):
            await it.ask(asks(f"alert:{number}", kind="alert", by="alertmanager"))
        found = await listed(it)
        assert [one.count for one in found] == [1, 1, 98]
        for number in range(100):
            await it.ask(ClearEscalation(key=f"alert:{number}", by="alertmanager"))
        it.clock.pass_us(5 * MINUTE_US)
        await it.live.waking.turn()
    assert len(facts(tmp_path, e.EscalationEnded)) == 3


async def test_many_that_come_in_one_moment_are_a_storm_too(tmp_path):
    async with awake(tmp_path) as it:
        await asyncio.gather(
            *(it.propose(number, confidence=0.2, episode=f"e-{number}") for number in range(20))
        )
        await it.live.waking.turn()
        assert [one.count for one in await listed(it)] == [1, 1, 18]


async def test_decisions_of_one_episode_are_one_incident(tmp_path):
    async with awake(tmp_path) as it:
        for number in range(5):
            await it.propose(number, confidence=0.2, episode="deploy-7")
        await it.live.waking.turn()
        assert [one.count for one in await listed(it)] == [5]


async def test_a_dead_channel_wakes_somebody_over_the_others(tmp_path):
    async with awake(tmp_path) as it:
        await it.ask(asks())
        first = (await it.ask(TakeNotifications(pager="p", wait_s=0))).notifications[0].notification
        for attempt in range(1, 4):
            await it.ask(
                ReportNotification(
                    notification_id=first.notification_id,
                    attempt=attempt,
                    delivery="failed",
                    failure="broken",
                    detail="503",
                )
            )
            it.clock.pass_us(60 * SECOND_US)
            await it.live.waking.turn()
        found = {one.kind: one for one in await listed(it)}
        assert found["channel"].summary == "the channel slack sends nothing"
        assert found["channel"].evidence == ("3 failures in a row, the last: 503",)


async def test_a_ladder_that_nobody_answers_stops_everything_where_it_says_so(tmp_path):
    async with awake(tmp_path) as it:
        await it.ask(asks(ladder="last"))
        it.clock.pass_us(60 * SECOND_US)
        await it.live.waking.turn()
        assert [stop.by for stop in it.fence.stops()] == ["ladder"]
        assert "nobody answered last: look at it" in it.fence.stops()[0].reason
    assert [end.failsafe for end in facts(tmp_path, e.EscalationEnded)] == ["stop"]
    assert len(facts(tmp_path, f.KillSwitchSet)) == 1


async def test_a_drill_stops_nothing(tmp_path):
    async with awake(tmp_path) as it:
        await it.ask(asks("drill:1", kind="drill", ladder="last"))
        it.clock.pass_us(60 * SECOND_US)
        await it.live.waking.turn()
        assert it.fence.stops() == ()


async def test_what_a_person_ended_wakes_nobody_again_while_it_stands(tmp_path):
    async with awake(tmp_path) as it:
        decision = await held(it)
        await it.ask(says("cancel", escalation=decision, reason="known"))
        it.clock.pass_us(10 * MINUTE_US)
        await it.live.waking.turn()
        assert [one.stage for one in await listed(it)] == ["ended"]
    assert len(facts(tmp_path, e.EscalationRaised)) == 1


async def test_a_failed_undo_wakes_somebody(tmp_path):
    async with awake(tmp_path) as it:
        waking = it.live.waking
        await it.live.intake.take(
            "ended:u_1",
            f.EffectEnded(
                at_us=it.clock.now_us(),
                effect_id="u_1",
                decision_id="d_1",
                kind="undo",
                proposal_id="p-1",
                agent="a",
                capability="heal@1",
                action="cache.clear",
                token=0,
                status="failed",
                result=f.Result(success=False, error="no backup", execution_time_s=0.0),
            ),
        )
        await waking.turn()
        (one,) = await listed(it)
        assert (one.kind, one.severity, one.evidence) == ("undo", "critical", ("no backup",))


async def test_who_is_on_call_can_be_changed_and_changed_back(tmp_path):
    async with awake(tmp_path) as it:
        now_us = it.clock.now_us()
        change = ChangeOnCall(
            schedule="primary", person="ben", from_us=now_us, until_us=now_us + MINUTE_US, by="ada"
        )
        duty = await it.ask(change)
        assert [each.person for each in duty.changes] == ["ben"]
        with pytest.raises(InputError, match="no schedule 'other'"):
            await it.ask(structs.replace(change, schedule="other"))
        with pytest.raises(InputError, match="over before it begins"):
            await it.ask(structs.replace(change, until_us=now_us))
        with pytest.raises(InputError, match="dan is not in"):
            await it.ask(structs.replace(change, person="dan"))
        back = await it.ask(RestoreOnCall(change_id=duty.changes[0].change_id, by="ada"))
        assert back.changes == ()
        with pytest.raises(InputError, match="there is no change 'c9'"):
            await it.ask(RestoreOnCall(change_id="c9", by="ada"))


async def test_the_loop_that_runs_by_itself_climbs_on_time(tmp_path):
    quick = structs.replace(
        LADDER, rungs=tuple(structs.replace(rung, wait_us=50_000, repeat=0) for rung in LADDER.rungs)
    )
    settings = structs.replace(SETTINGS, ladders={"standard": quick})
    async with awake(tmp_path, settings) as it:
        work = asyncio.create_task(it.live.wake_people())
        await it.ask(asks())
        for _ in range(200):
            it.clock.pass_us(10_000)
            await asyncio.sleep(0.01)
            if any(one.stage == "ended" for one in await listed(it)):
                break
        work.cancel()
    assert [end.how for end in facts(tmp_path, e.EscalationEnded)] == ["exhausted"]


async def test_what_a_person_ended_is_woken_for_when_it_is_asked_for_again(tmp_path):
    async with awake(tmp_path) as it:
        name = (await it.ask(asks())).escalation.escalation_id
        for each in await taken(it):
            await it.ask(ReportNotification(notification_id=each, delivery="accepted"))
        await it.ask(says("cancel", escalation=name))
        for each in await taken(it):
            await it.ask(ReportNotification(notification_id=each, delivery="accepted"))
        assert await listed(it) == (), "everybody heard, and it is forgotten"
        it.clock.pass_us(1)
        again = (await it.ask(asks())).escalation
        assert (again.stage, again.count) == ("ringing", 1)


async def taken(it):
    found = (await it.ask(TakeNotifications(pager="pager:1", wait_s=0))).notifications
    return [each.notification.notification_id for each in found]


async def test_what_went_away_is_handed_to_nobody(tmp_path):
    async with awake(tmp_path) as it:
        name = (await it.ask(asks(kind="alert"))).escalation.escalation_id
        await it.ask(ClearEscalation(key="request:1", by="monitor"))
        hand = HandEscalation(escalation=name, to="ben", by="ada", role="responder", via="slack")
        for word in (hand, says("pass", escalation=name)):
            said = await it.ask(word)
            assert not said.counted
            assert "went away" in said.reason
    assert facts(tmp_path, e.EscalationHanded) == facts(tmp_path, e.EscalationPassed) == []


async def test_a_clock_that_was_set_back_while_no_engine_ran_stops_no_ladder(tmp_path):
    async with awake(tmp_path) as it:
        await it.ask(asks())
    clock = SetClock()
    clock.wall -= 60 * MINUTE_US
    clock.follow()
    async with awake(tmp_path, clock=clock) as again:
        clock.pass_us(30 * SECOND_US)
        await again.live.waking.turn()
        (one,) = await listed(again)
        assert one.rung == 2
        await again.looking.look()
        assert "1 h behind" in again.told.of("trouble")[0]


async def test_a_drill_comes_round_by_itself_once_a_minute_at_most(tmp_path):
    plan = DrillPlan(ladder="last", cron="* * * * *", zone="UTC")
    async with awake(tmp_path) as it:
        timers = Timers(it.live, it.told, snapshot_every_s=0, tidy=_nothing, drills=[plan])
        await timers.drill(plan)
        await timers.drill(plan)
        (one,) = await listed(it)
        assert (one.kind, one.ladder, one.by) == ("drill", "last", "schedule")
        assert one.severity == "warning", "quiet hours hold, as for a drill that somebody rings"
        timers.start()
        assert len(timers._scheduler.get_jobs()) == 3
        timers.stop()


async def _nothing() -> None:
    return None
