"""The kill switch in a live engine: nothing starts behind a stop, and only a captain's word takes it down."""

import asyncio

import pytest

from engine.adapters.journal_reader import SqliteReader
from engine.core.vocabulary.facts import (
    EffectEnded,
    KillSwitchCleared,
    KillSwitchSet,
    PersonSeen,
    Scope,
    TimePassed,
    decode,
)
from engine.core.vocabulary.units import HOUR_US
from engine.errors import InputError, Stopped
from engine.ports import Stop
from engine.runtime import wire
from engine.runtime.stops import scope_of
from tests.builders import changed
from tests.live.engines import AGAIN, engine, eventually, performing

pytestmark = pytest.mark.asyncio
ALL = Scope("all")


def facts(home, kind):
    with SqliteReader(home / "journal.db") as reader:
        return [fact for record in reader.read() if isinstance(fact := decode(record.body), kind)]


def by_hand(scope=ALL):
    return Stop(scope=scope, by="a file", reason="", at_us=5)


async def test_a_stop_is_in_fence_and_journal_when_it_is_answered(tmp_path):
    async with engine(tmp_path) as it:
        await it.ask(wire.SetStop(scope=ALL, by="ann", reason="drill"))
        assert [(stop.scope, stop.by) for stop in it.fence.stops()] == [(ALL, "ann")]
        (fact,) = facts(tmp_path, KillSwitchSet)
        assert (fact.by, fact.reason) == ("ann", "drill")
        assert (await it.propose()).status == "denied"
    assert it.told.of("stopped") == ["ann stopped all: drill"]


async def test_a_stop_that_somebody_put_into_the_fence_is_journaled(tmp_path):
    async with engine(tmp_path) as it:
        it.fence.set(by_hand())
        await it.live.stops.mirror()
        await it.live.stops.mirror()
        assert [fact.by for fact in facts(tmp_path, KillSwitchSet)] == ["a file"]


async def test_the_very_next_proposal_is_decided_behind_a_stop_in_the_fence(tmp_path):
    async with engine(tmp_path) as it:
        assert (await it.propose(1)).status == "queued"
        it.fence.set(by_hand())
        assert (await it.propose(2)).status == "denied"
        assert len(facts(tmp_path, KillSwitchSet)) == 1


async def test_queued_work_is_held_and_goes_on_after_the_resume(tmp_path):
    async with engine(tmp_path) as it:
        await it.propose()
        it.fence.set(by_hand())
        assert await it.lease() == ()
        await it.ask(wire.LiftStop(scope=ALL, by="ann", reason="it was a drill"))
        assert len(await it.lease()) == 1


async def test_narrow_stops_hold_only_what_they_cover(tmp_path):
    async with engine(tmp_path, established=("heal@1", "mend@2")) as it:
        await it.propose(1)
        await it.propose(2, capability="mend@2")
        await it.ask(wire.SetStop(scope=Scope("capability", "heal"), by="ann"))
        assert [effect.task.proposal_id for effect in await it.lease(most=5)] == ["p-2"]


async def test_nothing_is_begun_behind_a_stop_that_came_after_the_lease(tmp_path):
    async with engine(tmp_path) as it:
        await it.propose()
        (effect,) = await it.lease()
        it.fence.set(by_hand())
        with pytest.raises(Stopped):
            await it.ask(wire.Start(effect_id=effect.task.effect_id, token=effect.task.token))


async def test_what_is_under_way_is_ended_and_recorded(tmp_path):
    async with engine(tmp_path) as it:
        it.runner.go.clear()
        async with it.working():
            await it.propose()
            await eventually(lambda: it.runner.performed)
            it.fence.set(by_hand())
            await it.until("stopped")
            assert len(it.runner.cancelled) == 1
        (end,) = facts(tmp_path, EffectEnded)
    assert "ended by the kill switch" in end.result.error


async def test_others_go_on_when_one_agent_is_stopped(tmp_path):
    async with engine(tmp_path) as it:
        it.runner.go.clear()
        async with it.working():
            await it.propose(1)
            await it.propose(2, agent="other")
            await eventually(lambda: it.runner.running == 2)
            await it.ask(wire.SetStop(scope=Scope("agent", "other"), by="ann"))
            await it.until("stopped", 2)
            it.runner.go.set()
            await it.until("done", 1)


async def test_an_agent_can_be_stopped_and_what_it_did_undone(tmp_path):
    async with engine(tmp_path) as it, it.working():
        decided = await it.propose()
        await it.until("done")
        await it.ask(wire.SetStop(scope=Scope("agent", "coder-1"), by="ann"))
        await it.ask(wire.RequestUndo(of=decided.verdict.decision_id, by="ann"))
        await eventually(lambda: it.runner.undone)


async def test_a_resume_needs_a_reason_and_a_stop_that_stands(tmp_path):
    async with engine(tmp_path) as it:
        await it.ask(wire.SetStop(scope=ALL, by="ann"))
        with pytest.raises(InputError, match="a reason is needed"):
            await it.ask(wire.LiftStop(scope=ALL, by="ann", reason=" "))
        with pytest.raises(InputError, match="no stop of agent:x stands"):
            await it.ask(wire.LiftStop(scope=Scope("agent", "x"), by="ann", reason="why not"))
        await it.ask(wire.LiftStop(scope=ALL, by="ann", reason="all is well"))
        assert it.fence.stops() == ()
        (fact,) = facts(tmp_path, KillSwitchCleared)
    assert (fact.by, fact.reason) == ("ann", "all is well")


async def test_a_stop_can_be_set_again_after_it_was_lifted(tmp_path):
    async with engine(tmp_path) as it:
        for _ in range(2):
            it.fence.set(by_hand())
            await it.live.stops.mirror()
            assert (await it.ask(wire.GetStatus())).stops
            await it.ask(wire.LiftStop(scope=ALL, by="ann", reason="again"))
        assert len(facts(tmp_path, KillSwitchSet)) == 2
        assert it.live.intake.state.stops.by_scope == {}


async def test_a_file_that_is_taken_away_lifts_nothing(tmp_path):
    async with engine(tmp_path) as it:
        await it.ask(wire.SetStop(scope=ALL, by="ann", reason="stay"))
        it.fence.clear(ALL)
        await it.live.stops.mirror()
        assert [(stop.by, stop.reason) for stop in it.fence.stops()] == [("ann", "stay")]


async def test_after_a_restart_a_stop_still_stands(tmp_path):
    async with engine(tmp_path) as it:
        await it.ask(wire.SetStop(scope=ALL, by="ann"))
    async with engine(tmp_path) as again:
        await again.live.stops.mirror()
        assert (await again.propose()).status == "denied"
        assert [stop.scope for stop in again.fence.stops()] == [ALL]


async def test_no_captain_for_too_long_stops_everything(tmp_path):
    policy = changed(performing(cache_clear=AGAIN), captain_unseen_us=HOUR_US)
    async with engine(tmp_path, policy) as it:
        await it.ask(wire.SeePerson(person="ann", role="captain"))
        it.clock.pass_us(HOUR_US)
        await it.live.intake.take("tick", TimePassed(at_us=it.clock.now_us(), schedule="minute"))
        await it.live.stops.mirror()
        assert [stop.by for stop in it.fence.stops()] == ["dead-man"]
        assert it.told.of("stopped")


async def test_a_person_at_the_controls_is_journaled_once_a_minute(tmp_path):
    async with engine(tmp_path) as it:
        for _ in range(5):
            await it.ask(wire.SeePerson(person="ann", role="captain"))
        it.clock.pass_us(HOUR_US)
        await it.ask(wire.SeePerson(person="ann", role="captain"))
        assert len(facts(tmp_path, PersonSeen)) == 2


async def test_a_stop_set_while_many_begin_lets_none_begin_after_it(tmp_path):
    async with engine(tmp_path) as it, it.working(slots=20):
        for n in range(100):
            await it.propose(n)
        await asyncio.to_thread(it.fence.set, by_hand())
        begun = len(it.runner.performed)
        await asyncio.sleep(0.3)
        assert len(it.runner.performed) == begun


@pytest.mark.parametrize("text", ["", "everything", "agent", "agent:", "all:x", "person:ann"])
async def test_a_scope_that_means_nothing_is_refused_with_the_cure(text):
    with pytest.raises(InputError, match=r"write all, agent:NAME"):
        scope_of(text)
