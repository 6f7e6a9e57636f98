"""A live engine whose held decisions people answer, and whose decisions captains overrule."""

import asyncio

import pytest

from engine.adapters.journal_reader import SqliteReader
from engine.core.explain import explain
from engine.core.vocabulary import facts as f
from engine.core.vocabulary.effects import Result
from engine.core.vocabulary.ids import decision_id, undo_id
from engine.core.vocabulary.units import DAY_US, HOUR_US, SECOND_US
from engine.errors import InputError, LeaseLost, Stopped
from engine.ports import Stop
from engine.runtime import wire
from engine.runtime.outbox import said_of, verdict_of
from tests.builders import changed, impact
from tests.live.engines import AGAIN, ONCE, engine, eventually, performing

pytestmark = pytest.mark.asyncio
ALL = f.Scope("all")
FIRST = decision_id("p-1")


def facts(home, kind):
    with SqliteReader(home / "journal.db") as reader:
        reader.verify()
        return [fact for record in reader.read() if isinstance(fact := f.decode(record.body), kind)]


async def hold(it, number=1, **values):
    """Propose something of which the agent is not sure."""
    decided = await it.propose(number, confidence=0.1, **values)
    assert decided.status == "held"
    return decided.verdict


def approve(by="ann", role="responder", number=1, **values):
    return wire.AnswerHold(
        **{"decision_id": decision_id(f"p-{number}"), "by": by, "role": role, "answer": "approve"} | values
    )


def deny(**values):
    return approve(answer="deny", **values)


def veto(number=1, reason="not today"):
    return wire.Override(decision_id=decision_id(f"p-{number}"), by="cat", word="veto", reason=reason)


def allow(number=1, reason="I know it"):
    return wire.Override(decision_id=decision_id(f"p-{number}"), by="cat", word="allow", reason=reason)


async def ticked(it, after_us):
    """Let time pass and a minute's tick come."""
    it.clock.pass_us(after_us)
    now_us = it.clock.now_us()
    await it.live.intake.take(f"time:minute:{now_us}", f.TimePassed(at_us=now_us, schedule="minute"))


# ---------------------------------------------------------------- answers


async def test_what_is_approved_is_performed_once_with_the_arguments_that_were_decided_on(tmp_path):
    async with engine(tmp_path, performing(cache_clear=ONCE)) as it, it.working():
        verdict = await hold(it)
        said = await it.ask(approve(digest=verdict.digest, reason="looked at it"))
        assert (said.counted, said.undo) == (True, None)
        await it.until("done")
        again = await it.ask(approve("ben"))
        assert (again.counted, again.status) == (False, "done")
        assert again.reason.startswith("ann approved it at ")
    assert it.runner.performed == ["web-1"]
    assert len(facts(tmp_path, f.HoldEnded)) == len(facts(tmp_path, f.EffectStarted)) == 1


async def test_what_an_agent_does_itself_is_granted_and_reported_as_its_own(tmp_path):
    async with engine(tmp_path, performing()) as it:
        await hold(it)
        said = await it.ask(approve())
        assert (said.status, said.reason) == ("granted", "coder-1 may do it now, and reports what came of it")
        await it.ask(wire.ReportOutcome(proposal_id="p-1", agent="coder-1", ok=True))
    assert [fact.by for fact in facts(tmp_path, f.OutcomeReported)] == ["executor"]


async def test_what_is_denied_never_runs_and_the_incumbent_may_report(tmp_path):
    async with engine(tmp_path) as it:
        await hold(it)
        said = await it.ask(deny(reason="no"))
        assert (said.counted, said.status, said.reason) == (True, "denied", "nothing of it runs")
        assert await it.lease() == ()
        await it.ask(wire.ReportOutcome(proposal_id="p-1", agent="coder-1", ok=True))
    assert [fact.by for fact in facts(tmp_path, f.OutcomeReported)] == ["incumbent"]


async def test_an_answer_that_does_not_count_says_why(tmp_path):
    async with engine(tmp_path) as it:
        await hold(it)
        said = await it.ask(approve(role="viewer"))
        assert (said.counted, said.status) == (False, "held")
        assert "only responders and captains" in said.reason
        with pytest.raises(InputError, match="no such decision"):
            await it.ask(approve(number=9))
        await it.propose(2)
        said = await it.ask(approve(number=2))
        assert (said.counted, said.reason) == (False, "it does not wait for people: it is queued")
        await it.propose(3, action="no.such")
        assert "it was denied" in (await it.ask(allow(3))).reason


async def test_the_priority_an_agent_asked_for_is_kept(tmp_path):
    async with engine(tmp_path) as it:
        await hold(it, priority=-7)
        await it.ask(approve())
        assert [task.priority for task in it.live.intake.journal.tasks.all()] == [-7]


async def test_two_who_answer_at_once_end_it_once(tmp_path):
    async with engine(tmp_path) as it:
        await hold(it)
        said = await asyncio.gather(it.ask(approve("ann")), it.ask(approve("ben")), it.ask(deny(by="dan")))
    assert [each.counted for each in said].count(True) == 1
    assert len(facts(tmp_path, f.HoldEnded)) == 1


async def test_a_stop_nobody_journaled_yet_keeps_an_approval_from_counting(tmp_path):
    async with engine(tmp_path) as it:
        await hold(it)
        it.fence.set(Stop(scope=ALL, by="a file", reason="", at_us=5))
        said = await it.ask(approve())
        assert (said.counted, said.status) == (False, "held")
        assert "a file stopped all" in said.reason
        await it.ask(wire.LiftStop(scope=ALL, by="cat", reason="a drill"))
        assert (await it.ask(approve())).status == "queued"


async def test_a_policy_that_changed_over_night_asks_for_a_new_proposal(tmp_path):
    async with engine(tmp_path) as it:
        await hold(it)
    async with engine(tmp_path, changed(performing(cache_clear=AGAIN), policy_hash="another")) as it:
        # Nothing could let it go any more, so it waits for nobody.
        (over,) = facts(tmp_path, f.HoldEnded)
        assert (over.how, over.by, over.reason) == ("timeout", (), "the policy changed since")
        assert it.told.of("timeout") == [f"{FIRST} (coder-1, cache.clear) waited in vain: {over.reason}"]
        for request in (approve(), allow()):
            said = await it.ask(request)
            assert (said.counted, over.reason in said.reason) == (False, True)
        await hold(it, 2)


async def test_what_waits_is_listed_the_longest_waiting_first(tmp_path):
    async with engine(tmp_path) as it:
        for number in (2, 1, 3):
            await hold(it, number)
            it.clock.pass_us(SECOND_US)
        await it.propose(4, confidence=0.1, capability="heal@2")
        found = await it.ask(wire.GetHolds(most=2))
        assert [shown.decision_id for shown in found.holds] == [decision_id("p-2"), FIRST]
        assert found.more == 1, "one in shadow waits for nobody"
        assert (await it.ask(wire.GetStatus())).holds == 3


# ---------------------------------------------------------------- time


async def test_what_nobody_answers_expires_is_recorded_and_told(tmp_path):
    async with engine(tmp_path) as it:
        await hold(it)
        await ticked(it, DAY_US)
        assert it.status_of() == "expired"
        said = await it.ask(approve())
        assert not said.counted
        assert "its time was over" in said.reason
        assert "vetoed" not in (await it.ask(veto())).reason
    assert it.told.of("timeout") == [
        f"{FIRST} (coder-1, cache.clear) waited in vain: nobody answered in time"
    ]


async def test_what_expired_while_no_engine_ran_is_recorded_when_one_does(tmp_path):
    async with engine(tmp_path) as it:
        await hold(it)

    class Later(type(it.clock)):
        def __init__(self):
            super().__init__()
            self.pass_us(3 * DAY_US)

    async with engine(tmp_path, clock=Later()) as it:
        assert it.status_of() == "expired"
        assert len(it.told.of("timeout")) == 1


async def test_what_expired_while_the_machine_slept_is_recorded_before_a_proposal_pushes_it_out(tmp_path):
    async with engine(tmp_path) as it:
        await hold(it)
        it.clock.pass_us(DAY_US + 2 * HOUR_US)
        await hold(it, 2)
        assert it.status_of() == "expired"


# ---------------------------------------------------------------- captains


async def test_a_captain_lets_a_held_decision_run(tmp_path):
    async with engine(tmp_path) as it, it.working():
        await hold(it, impact=impact(60, 4))
        assert "votes" in (await it.ask(approve(role="captain"))).reason
        assert (await it.ask(allow())).counted
        await it.until("done")


async def test_a_vetoed_hold_is_over_for_good(tmp_path):
    async with engine(tmp_path) as it, it.working():
        await hold(it)
        said = await it.ask(veto())
        assert (said.counted, said.status, said.undo) == (True, "vetoed", None)
        assert said.reason == "nothing of it runs"
        for request in (approve(), allow(), veto()):
            assert not (await it.ask(request)).counted
    assert it.runner.performed == []
    assert [fact.how for fact in facts(tmp_path, f.HoldEnded)] == ["vetoed"]
    assert it.told.of("vetoed") == [f"cat vetoed {FIRST} (coder-1, cache.clear): not today"]


async def test_what_is_queued_is_vetoed_before_it_begins(tmp_path):
    async with engine(tmp_path) as it:
        await it.propose()
        said = await it.ask(veto())
        assert (said.status, said.undo) == ("refused", None)
        assert await it.lease() == ()
        assert "vetoed it already" in (await it.ask(veto())).reason


async def test_what_a_worker_has_leased_and_not_begun_does_not_begin(tmp_path):
    async with engine(tmp_path) as it:
        await it.propose()
        (effect,) = await it.lease()
        assert (await it.ask(veto())).status == "refused"
        with pytest.raises(LeaseLost):
            await it.ask(wire.Start(effect_id=effect.task.effect_id, token=effect.task.token))


async def test_what_is_begun_in_the_very_moment_of_its_veto_does_not_begin(tmp_path):
    async with engine(tmp_path) as it:
        await it.propose()
        (effect,) = await it.lease()
        start = wire.Start(effect_id=effect.task.effect_id, token=effect.task.token)
        said = await asyncio.gather(
            it.live.leases.start(start), it.live.answers.override(veto()), return_exceptions=True
        )
        assert isinstance(said[0], Stopped | LeaseLost), said
        assert it.status_of() in {"refused", "stopped"}
        assert await it.lease(wait_s=0) == () or said[1].undo is not None


async def test_what_is_under_way_is_ended_turned_away_and_taken_back(tmp_path):
    async with engine(tmp_path, performing(cache_clear=ONCE)) as it:
        await it.propose()
        (effect,) = await it.lease()
        task = effect.task
        await it.ask(wire.Start(effect_id=task.effect_id, token=task.token))
        said = await it.ask(veto())
        assert (said.status, said.undo) == ("stopped", undo_id(FIRST, 1))
        assert it.ended_leftovers == [FIRST]
        assert await it.lease() == (), "its worker may still be at it"
        late = wire.End(
            effect_id=task.effect_id,
            token=task.token,
            status="done",
            result=Result(success=True, execution_time_s=0.0),
        )
        with pytest.raises(LeaseLost):
            await it.ask(late)
        (undo,) = await it.lease()
        assert (undo.task.kind, undo.task.of, undo.task.agent) == ("undo", FIRST, "cat")
    (end,) = facts(tmp_path, f.EffectEnded)
    assert "cat vetoed it: not today" in end.result.error


async def test_a_worker_that_says_nothing_is_waited_for_half_a_lease_and_others_are_served(tmp_path):
    async with engine(tmp_path, performing(cache_clear=ONCE)) as it:
        await it.propose()
        (effect,) = await it.lease()
        await it.ask(wire.Start(effect_id=effect.task.effect_id, token=effect.task.token))
        await it.ask(veto())
        await it.propose(2)
        (other,) = await it.lease()
        assert other.task.decision_id == decision_id("p-2")
        it.clock.pass_us(3 * SECOND_US)
        (undo,) = await it.lease()
        assert undo.task.kind == "undo"


async def test_who_reports_in_the_very_moment_of_a_veto_is_answered_or_turned_away(tmp_path):
    turned_away = 0

    async def later(turns, work):
        for _ in range(turns):
            await asyncio.sleep(0)
        return await work

    async with engine(tmp_path, performing(cache_clear=ONCE)) as it:
        for turns in range(1, 16):
            await it.propose(turns)
            effect = next(each for each in await it.lease(most=5) if each.task.kind == "perform")
            task = effect.task
            await it.ask(wire.Start(effect_id=task.effect_id, token=task.token))
            result = it.runner.result
            over = wire.End(effect_id=task.effect_id, token=task.token, status="done", result=result)
            said = await asyncio.gather(
                later(turns, it.live.leases.end(over)),
                it.live.answers.override(veto(turns)),
                return_exceptions=True,
            )
            assert isinstance(said[0], wire.Done | LeaseLost), said
            assert it.status_of(turns) == ("stopped" if isinstance(said[0], LeaseLost) else "done")
            turned_away += isinstance(said[0], LeaseLost)
    assert 0 < turned_away < 15


async def test_a_worker_ends_what_was_vetoed_and_its_undo_follows(tmp_path):
    async with engine(tmp_path, performing(cache_clear=ONCE)) as it:
        it.runner.go.clear()
        async with it.working():
            await it.propose()
            await eventually(lambda: it.runner.running)
            said = await it.ask(veto())
            await eventually(lambda: it.runner.cancelled == [FIRST])
            it.clock.pass_us(3 * SECOND_US)
            it.live.leases.wake()
            await eventually(lambda: it.runner.undone == [FIRST])
    assert said.undo == undo_id(FIRST, 1)
    assert it.runner.performed == ["web-1"]


async def test_what_was_done_is_taken_back(tmp_path):
    async with engine(tmp_path) as it, it.working():
        await it.propose()
        await it.until("done")
        said = await it.ask(veto())
        assert (said.counted, said.status) == (True, "done")
        await eventually(lambda: it.runner.undone == [FIRST])
        assert "vetoed it already" in (await it.ask(veto())).reason


async def test_what_was_taken_back_already_is_not_vetoed(tmp_path):
    async with engine(tmp_path) as it, it.working():
        await it.propose()
        await it.until("done")
        queued = await it.ask(wire.RequestUndo(of=FIRST, by="ann"))
        await eventually(lambda: len(facts(tmp_path, f.EffectEnded)) == 2)
        said = await it.ask(veto())
        assert (said.counted, said.reason) == (False, f"it was taken back already, by {queued.effect_id}")


async def test_what_an_agent_does_itself_is_vetoed_in_the_journal(tmp_path):
    async with engine(tmp_path, performing()) as it:
        await it.propose()
        said = await it.ask(veto())
        assert (said.counted, said.status, said.undo) == (True, "vetoed", None)
        assert "not ours to take back" in said.reason


@pytest.mark.parametrize(
    ("values", "because"),
    [({"action": "no.such"}, "it is denied"), ({"capability": "heal@2"}, "it is shadowed")],
)
async def test_there_is_nothing_to_veto_in_what_never_runs(tmp_path, values, because):
    async with engine(tmp_path) as it:
        await it.propose(**values)
        said = await it.ask(veto())
        assert (said.counted, because in said.reason) == (False, True), said.reason
    assert facts(tmp_path, f.DecisionOverridden) == []


async def test_a_lost_effect_is_looked_at_and_nothing_runs(tmp_path):
    async with engine(tmp_path, performing(cache_clear=ONCE)) as it:
        await hold(it)
        await it.ask(approve())
        (effect,) = await it.lease()
        await it.ask(wire.Start(effect_id=effect.task.effect_id, token=effect.task.token))
        lost = Result(success=False, error="gone", execution_time_s=0.0)
        token = effect.task.token
        await it.ask(wire.End(effect_id=FIRST, token=token, status="unknown", result=lost))
        (shown,) = (await it.ask(wire.GetHolds())).holds
        assert shown.effect_id == FIRST
        said = await it.ask(approve(by="ben"))
        assert (said.status, said.reason) == (
            "unknown",
            "it is noted that somebody looked at it; nothing runs because of that",
        )
        assert await it.lease() == ()
    assert [fact.effect_id for fact in facts(tmp_path, f.HoldEnded)] == [None, FIRST]


# ---------------------------------------------------------------- restarts and what is told


async def test_answers_outlive_a_restart(tmp_path):
    async with engine(tmp_path) as it:
        await hold(it)
        await it.ask(approve())
        it.live.intake.snapshot()
    async with engine(tmp_path) as it, it.working():
        await it.until("done")
        assert not (await it.ask(approve("ben"))).counted
    assert it.runner.performed == ["web-1"]


async def test_who_answered_when_and_why_is_explained(tmp_path):
    async with engine(tmp_path) as it, it.working():
        await hold(it)
        await it.ask(approve(role="viewer", by="eve"))
        await it.ask(approve(reason="checked twice"))
        await it.until("done")
        await it.ask(veto())
        journal = it.live.intake.journal
        explanation = explain(verdict_of(journal, FIRST), said=said_of(journal, FIRST))
    assert [(said.by, said.what) for said in explanation.said] == [
        (("eve",), "answered as viewer: approve"),
        (("eve",), "was told that this does not count"),
        (("ann",), "answered as responder: approve"),
        (("ann",), "it waits no longer: approved"),
        (("cat",), "overruled it: veto"),
    ]


async def test_people_are_told_who_answered(tmp_path):
    async with engine(tmp_path) as it:
        await hold(it)
        await it.ask(approve(reason="fine"))
    assert it.told.of("answered") == [f"ann approved {FIRST} (coder-1, cache.clear): fine"]


async def test_a_front_end_may_tell_of_a_command_and_of_nothing_that_people_decide(tmp_path):
    async with engine(tmp_path) as it:
        given = f.CommandGiven(at_us=1, command="holds", by="ann", front="discord", outcome="done")
        await it.ask(wire.Tell(key="command:1", fact=given))
        for fact in (
            f.HoldAnswered(
                at_us=1, decision_id=FIRST, by="ann", role="captain", answer="approve", digest="0"
            ),
            f.DecisionOverridden(at_us=1, decision_id=FIRST, by="ann", word="allow"),
        ):
            with pytest.raises(InputError, match="not for others to tell"):
                await it.ask(wire.Tell(key="k", fact=fact))
    assert len(facts(tmp_path, f.CommandGiven)) == 1
