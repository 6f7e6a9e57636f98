"""Rollouts in a live engine: people ask, evidence answers, all are told, and who lost authority is out."""

import asyncio

import pytest

from engine.adapters.journal_reader import SqliteReader
from engine.core.vocabulary.effects import Result
from engine.core.vocabulary.facts import (
    CapabilityReplayed,
    EffectEnded,
    IncumbentActed,
    OutcomeReported,
    PromotionAsked,
    StageChanged,
    TimePassed,
    decode,
)
from engine.core.vocabulary.rollouts import Requirement, RolloutSettings
from engine.core.vocabulary.units import MINUTE_US
from engine.errors import InputError, Stopped
from engine.runtime import wire
from simulator.rederive import rederive
from tests.builders import changed
from tests.courses import QUICK
from tests.live.engines import AGAIN, engine, performing
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.asyncio
CANDIDATE, NAME = "heal@2", "heal"


def quick():
    """Rollouts that take two days instead of weeks; the engine clears caches, agents do all else."""
    return changed(performing(cache_clear=AGAIN), rollouts=RolloutSettings(plan=QUICK))


def facts(home, kind):
    with SqliteReader(home / "journal.db") as reader:
        return [fact for record in reader.read() if isinstance(fact := decode(record.body), kind)]


def replay(**values):
    given = {
        "at_us": 0,
        "capability": CANDIDATE,
        "recording": "aa",
        "journal_hash": "bb",
        "policy_hash": "cc",
        "decisions": 50,
        "allowed": 50,
        "failed": 0,
        "unsafe": 0,
        "from_us": 0,
        "until_us": 1,
        "by": "ann",
    }
    return wire.TellReplay(fact=CapabilityReplayed(**given | values), by="ann")


def promote(reason="it is time"):
    return wire.Promote(capability=CANDIDATE, by="ann", reason=reason)


def abort(by="ann"):
    return wire.Abort(capability=NAME, by=by, reason="it errs")


async def minutes(it, passed):
    it.clock.pass_us(passed * MINUTE_US)
    now_us = it.clock.now_us()
    await it.live.intake.take(f"minute:{now_us}", TimePassed(at_us=now_us, schedule="minute"))


async def agree(it, number):
    """Both versions want the same; the live one's agent does it, and reports."""
    asked = {"action": "service.restart", "episode": f"incident-{number}", "args": {"service": "web"}}
    await it.propose(2 * number, capability=CANDIDATE, **asked)
    await it.propose(2 * number + 1, **asked)
    await it.ask(wire.ReportOutcome(proposal_id=f"p-{2 * number + 1}", agent="coder-1", ok=True))
    await minutes(it, 35)


async def to_canary(it):
    """Earn the first canary stage, honestly."""
    await it.ask(replay())
    for number in range(90):
        await agree(it, number)
    return await it.ask(promote())


# ---------------------------------------------------------------- asking


async def test_a_refusal_says_what_is_missing_and_is_told(tmp_path):
    async with engine(tmp_path) as it:
        stepped = await it.ask(promote())
        told = it.told.of("rollout")
    assert (stepped.moved, stepped.was, stepped.now) == (False, "unproven", "unproven")
    (missing,) = stepped.evidence.requirements
    assert missing == Requirement("decisions replayed", 0, 200, met=False)
    assert told == [f"heal@2 stays in unproven, though ann asked: {stepped.reason}"]


async def test_a_rollout_begins_with_a_replay_and_goes_on_when_shadow_shows_enough(tmp_path):
    async with engine(tmp_path, quick()) as it:
        begun = await it.ask(replay(at_us=1))
        assert (begun.begun, begun.was, begun.now) == (True, "unproven", "shadow")
        (kept,) = facts(tmp_path, CapabilityReplayed)
        assert kept.at_us > 1, "when it was handed in is for the engine to say"
        early = await it.ask(promote())
        assert not early.moved
        for number in range(90):
            await agree(it, number)
        ready = [text for text in it.told.of("rollout") if "may go to canary_1" in text]
        assert len(ready) == 1, "people are told once"
        stepped = await it.ask(promote())
        status = await it.ask(wire.GetStatus())
        (shown,) = (await it.ask(wire.GetRollouts(capability=CANDIDATE))).rollouts
        again = rederive(it.live.intake.journal)
    assert (stepped.moved, stepped.was, stepped.now) == (True, "shadow", "canary_1")
    assert [(each.candidate, each.stage, each.share) for each in status.rollouts] == [
        (CANDIDATE, "canary_1", 0.01)
    ]
    assert (shown.live, shown.candidate, shown.stage, shown.says) == ("heal@1", CANDIDATE, "canary_1", "hold")
    assert (again.recorded, again.difference) == (again.rederived, "")


async def test_a_rollback_is_told_urgently_and_the_incumbent_is_live_again(tmp_path):
    async with engine(tmp_path, quick()) as it:
        assert (await to_canary(it)).moved
        gone = await it.ask(abort())
        status = await it.ask(wire.GetStatus())
        urgent = it.told.urgent
    assert (gone.was, gone.now) == ("canary_1", "rolled_back")
    assert urgent == ["heal@2 went from canary_1 to rolled_back (ann): it errs"]
    assert (status.live, status.rollouts) == ({"heal": "heal@1"}, ())


async def test_two_who_ask_at_once_each_get_an_answer(tmp_path):
    async with engine(tmp_path) as it:
        both = await asyncio.gather(it.ask(promote()), it.ask(promote("I trust it")))
        same = await asyncio.gather(it.ask(promote()), it.ask(promote()))
        asked = facts(tmp_path, PromotionAsked)
    assert [each.moved for each in (*both, *same)] == [False] * 4
    assert len(asked) == 4


async def test_of_two_who_abort_at_once_one_does_and_the_other_hears_that_it_is_done(tmp_path):
    async with engine(tmp_path) as it:
        said = await asyncio.gather(it.ask(abort()), it.ask(abort("ben")), return_exceptions=True)
        changes = facts(tmp_path, StageChanged)
    assert isinstance(said[0], wire.Stepped)
    assert isinstance(said[1], InputError)
    assert "nothing live" in said[1].message
    assert len(changes) == 1


async def test_several_pauses_hold_and_each_is_lifted_by_itself_or_all_at_once(tmp_path):
    async with engine(tmp_path) as it:
        for reason in ("a sale", "a freeze", "a move"):
            await it.ask(wire.PauseRollout(capability=NAME, by="ray", reason=reason))
        await it.ask(wire.ResumeRollout(capability=NAME, by="ray", reason="a sale"))
        (shown,) = (await it.ask(wire.GetStatus())).rollouts
        assert shown.paused == {"a freeze": "ray", "a move": "ray"}
        with pytest.raises(InputError, match="not paused for that"):
            await it.ask(wire.ResumeRollout(capability=NAME, by="ray", reason="a sale"))
        await it.ask(wire.ResumeRollout(capability=NAME, by="ray", reason=""))
        assert (await it.ask(wire.GetStatus())).rollouts == ()
        with pytest.raises(InputError, match="a pause needs a reason"):
            await it.ask(wire.PauseRollout(capability=NAME, by="ray", reason="  "))


async def test_what_an_incumbent_did_is_journaled_and_compared(tmp_path):
    async with engine(tmp_path, quick(), established=()) as it:
        await it.ask(replay())
        for number in range(2):
            args = {"service": f"web-{number}"}
            await it.propose(number, capability=CANDIDATE, episode=f"i-{number}", args=args)
            did = args if number else {"service": "another"}
            told = {"episode": f"i-{number}", "capability": NAME, "action": "cache.clear", "args": did}
            await it.ask(wire.ActIncumbent(**told, ok=True, by="ray"))
        await minutes(it, 30)
        (shown,) = (await it.ask(wire.GetRollouts())).rollouts
        acted = facts(tmp_path, IncumbentActed)
    assert [each.by for each in acted] == ["ray", "ray"]
    assert (shown.evidence.compared, shown.evidence.agreed) == (2, 1)
    assert [each.reason for each in shown.disagreements] == ["the same action with other arguments"]


# ---------------------------------------------------------------- what lost its authority


async def test_what_lost_its_authority_while_it_waited_is_refused_and_never_performed(tmp_path):
    async with engine(tmp_path) as it:
        await it.propose()
        await it.ask(abort())
        async with it.working():
            await it.until("refused")
        assert it.runner.performed == []
        (end,) = facts(tmp_path, EffectEnded)
        outcomes = facts(tmp_path, OutcomeReported)
    assert end.result.error == "heal@1 lost its authority after this was allowed"
    assert outcomes == [], "what never began says nothing about how well its capability does"


async def test_what_lost_its_authority_after_the_lease_is_not_begun(tmp_path):
    async with engine(tmp_path) as it:
        await it.propose()
        (leased,) = await it.lease()
        await it.ask(abort())
        place = {"effect_id": leased.task.effect_id, "token": leased.task.token}
        with pytest.raises(Stopped, match="lost its authority"):
            await it.ask(wire.Start(**place))
        await it.ask(wire.GiveBack(**place))
        assert await it.lease() == ()
        assert it.status_of() == "refused"


async def test_what_was_done_can_be_taken_back_though_its_capability_may_do_nothing_more(tmp_path):
    async with engine(tmp_path) as it, it.working():
        done = await it.propose()
        await it.until("done")
        await it.ask(abort())
        undo = await it.ask(wire.RequestUndo(of=done.verdict.decision_id, by="ann", reason="it errs"))
        async with asyncio.timeout(PATIENCE_S):
            while it.runner.undone != [done.verdict.decision_id]:
                await asyncio.sleep(0.01)
    assert undo.effect_id.startswith("u_")


async def test_a_pause_does_not_take_back_what_was_allowed_before(tmp_path):
    async with engine(tmp_path) as it:
        await it.propose()
        await it.ask(wire.PauseRollout(capability=NAME, by="ray", reason="a sale"))
        (leased,) = await it.lease()
        await it.ask(wire.Start(effect_id=leased.task.effect_id, token=leased.task.token))
        end = {"effect_id": leased.task.effect_id, "token": leased.task.token, "status": "done"}
        await it.ask(wire.End(**end, result=Result(success=True, output="ok", execution_time_s=0.1)))
        assert it.status_of() == "done"
