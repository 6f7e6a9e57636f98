"""Effects: performed once, by whoever holds the newest lease, and never guessed about."""

import asyncio

import msgspec
import pytest

from engine.adapters.journal_reader import SqliteReader
from engine.core.vocabulary.effects import Result
from engine.core.vocabulary.facts import EffectEnded, EffectStarted, OutcomeReported, decode
from engine.core.vocabulary.ids import decision_id
from engine.core.vocabulary.units import SECOND_US
from engine.errors import EffectRefused, InputError, LeaseLost, OutcomeUnknown, WorldMovedOn
from engine.runtime import wire
from tests.live.engines import AGAIN, ONCE, engine, eventually, performing
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.asyncio
OK = Result(success=True, output="ok", execution_time_s=0.1)


def facts(home, kind):
    with SqliteReader(home / "journal.db") as reader:
        return [fact for record in reader.read() if isinstance(fact := decode(record.body), kind)]


async def start_and_end(it, effect, status="done", result=OK):
    task = effect.task
    await it.ask(wire.Start(effect_id=task.effect_id, token=task.token))
    await it.ask(wire.End(effect_id=task.effect_id, token=task.token, status=status, result=result))


async def test_an_allowed_effect_is_performed_and_its_end_is_journaled(tmp_path):
    async with engine(tmp_path) as it, it.working():
        await it.propose()
        await it.until("done")
        assert it.runner.performed == ["web-1"]
        (end,) = facts(tmp_path, EffectEnded)
        (outcome,) = facts(tmp_path, OutcomeReported)
    assert (end.status, end.result) == ("done", it.runner.result)
    assert (outcome.ok, outcome.by) == (True, "executor")


async def test_what_is_shadowed_held_or_denied_is_never_performed(tmp_path):
    async with engine(tmp_path) as it, it.working():
        await it.propose(1, capability="heal@2")
        await it.propose(2, confidence=0.1)
        await it.propose(3, action="no.such")
        await it.propose(4)
        await it.until("done", 4)
    assert it.runner.performed == ["web-4"]


async def test_that_it_may_have_begun_is_on_disk_before_it_does(tmp_path):
    async with engine(tmp_path) as it:
        it.runner.go.clear()
        async with it.working():
            await it.propose()
            await eventually(lambda: it.runner.performed)
            (start,) = facts(tmp_path, EffectStarted)
    assert (start.worker, start.attempt) == ("w-1:1", 1)


async def test_several_workflows_share_the_slots(tmp_path):
    async with engine(tmp_path) as it, it.working(slots=5):
        it.runner.go.clear()
        for n in range(10):
            await it.propose(n, episode=f"workflow-{n}")
        await eventually(lambda: it.runner.running == 5)
        it.runner.go.set()
        for n in range(10):
            await it.until("done", n)
    assert it.runner.most_running == 5
    assert sorted(it.runner.performed) == sorted(f"web-{n}" for n in range(10))


async def test_urgent_ones_go_first_and_the_patient_one_is_served_in_the_end(tmp_path):
    async with engine(tmp_path) as it:
        await it.propose(0, priority=2)
        for n in range(1, 60):
            it.clock.pass_us(2 * SECOND_US)
            await it.propose(n, priority=0)
        order = [(await it.lease())[0].task.proposal_id for _ in range(60)]
    served = order.index("p-0")
    assert order[0] == "p-1", "what is urgent goes before what came a little earlier"
    assert 29 <= served <= 31, "two steps are a minute, and then nothing newer goes before it"


async def test_what_failed_is_an_outcome_and_undone_only_where_its_action_says_so(tmp_path):
    undoing = msgspec.structs.replace(ONCE, undo_on_failure=True)
    policy = performing(cache_clear=ONCE, service_restart=undoing)
    async with engine(tmp_path, policy) as it, it.working():
        it.runner.result = Result(success=False, error="no such cache", execution_time_s=0.0)
        await it.propose(1)
        await it.until("failed", 1)
        assert it.runner.undone == []
        two = await it.propose(2, action="service.restart")
        await eventually(lambda: it.runner.undone)
        assert it.runner.undone == [two.verdict.decision_id]


@pytest.mark.parametrize(
    ("failure", "status"),
    [
        (EffectRefused("no sandbox"), "refused"),
        (WorldMovedOn("it changed"), "refused"),
        (InputError("no such file"), "refused"),
        (OutcomeUnknown("no answer came"), "unknown"),
        (RuntimeError("a bug"), "unknown"),
    ],
    ids=lambda given: type(given).__name__,
)
async def test_how_a_runners_errors_are_understood(tmp_path, failure, status):
    async with engine(tmp_path) as it, it.working():
        it.runner.failure = failure
        await it.propose()
        await it.until(status)
        if status == "unknown":
            assert it.told.of("waiting"), "somebody must look"


async def test_changed_arguments_are_not_performed(tmp_path, monkeypatch):
    async with engine(tmp_path) as it:
        lease = it.live.leases.lease

        async def meddled(request):
            leased = await lease(request)
            effects = [msgspec.structs.replace(e, args={"service": "evil"}) for e in leased.effects]
            return wire.Leased(effects=tuple(effects))

        it.live._answers[wire.Lease] = meddled
        async with it.working():
            await it.propose()
            await it.until("refused")
    assert it.runner.performed == []


async def test_a_task_is_leased_to_one_worker_at_a_time(tmp_path):
    async with engine(tmp_path) as it:
        await it.propose()
        assert len(await it.lease("w-1:1")) == 1
        assert await it.lease("w-2:1") == ()


async def test_waiting_workers_are_woken_when_there_is_work(tmp_path):
    async with engine(tmp_path) as it:
        waiting = asyncio.create_task(it.lease(wait_s=2 * PATIENCE_S))
        await asyncio.sleep(0.05)
        await it.propose()
        assert len(await asyncio.wait_for(waiting, PATIENCE_S)) == 1


async def after_silence(it):
    """Let every lease run out, and the reaper look."""
    reaping = asyncio.create_task(it.live.leases.reap())
    it.clock.pass_us(11 * SECOND_US)
    await asyncio.sleep(0.6)
    reaping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reaping


@pytest.mark.parametrize("run", [ONCE, AGAIN], ids=["once", "idempotent"])
async def test_what_a_silent_worker_had_not_begun_waits_again(tmp_path, run):
    async with engine(tmp_path, performing(cache_clear=run)) as it:
        await it.propose()
        (first,) = await it.lease()
        await after_silence(it)
        (second,) = await it.lease("w-2:1")
        assert second.task.token > first.task.token
        assert it.ended_leftovers == [first.task.effect_id]


async def veto(it):
    return await it.ask(wire.Override(decision_id=decision_id("p-1"), by="cat", word="veto", reason="no"))


async def test_a_veto_takes_back_nothing_of_what_no_worker_had_begun(tmp_path):
    async with engine(tmp_path) as it:
        await it.propose()
        await it.lease()
        await after_silence(it)
        await it.lease("w-2:1")
        said = await veto(it)
        assert (said.status, said.undo) == ("refused", None)
        assert await it.lease() == ()


async def test_what_two_silent_workers_had_not_begun_is_refused_when_it_must_not_begin(tmp_path):
    async with engine(tmp_path) as it:
        await it.propose()
        for worker in ("w-1:1", "w-2:1"):
            await it.lease(worker)
            await after_silence(it)
        it.clock.pass_us(3601 * SECOND_US)
        assert await it.lease() == ()
        assert it.status_of() == "refused"


async def test_a_veto_takes_back_what_was_begun_though_the_next_worker_gave_it_back(tmp_path):
    async with engine(tmp_path) as it:
        await it.propose()
        (first,) = await it.lease()
        await it.ask(wire.Start(effect_id=first.task.effect_id, token=first.task.token))
        await after_silence(it)
        (second,) = await it.lease("w-2:1")
        await it.ask(wire.GiveBack(effect_id=second.task.effect_id, token=second.task.token))
        said = await veto(it)
        assert said.status == "stopped"
        assert said.undo is not None


async def test_an_idempotent_effect_of_a_silent_worker_is_tried_again(tmp_path):
    async with engine(tmp_path) as it:
        await it.propose()
        (first,) = await it.lease()
        await it.ask(wire.Start(effect_id=first.task.effect_id, token=first.task.token))
        await after_silence(it)
        (second,) = await it.lease("w-2:1")
        assert second.task.attempts == 1
        late = wire.End(effect_id=first.task.effect_id, token=first.task.token, status="done", result=OK)
        with pytest.raises(LeaseLost):
            await it.ask(late)
        await start_and_end(it, second)
        assert (await it.propose()).status == "done"
    assert [started.attempt for started in facts(tmp_path, EffectStarted)] == [1, 2]


async def test_another_effect_of_a_silent_worker_is_unknown_and_put_before_a_person(tmp_path):
    async with engine(tmp_path, performing(cache_clear=ONCE)) as it:
        decided = await it.propose()
        (first,) = await it.lease()
        await it.ask(wire.Start(effect_id=first.task.effect_id, token=first.task.token))
        await after_silence(it)
        assert (await it.propose()).status == "unknown"
        assert await it.lease() == ()
        assert it.live.intake.state.holds.by_id.keys() == {decided.verdict.decision_id}
        assert "not safe to try again" in it.told.of("waiting")[0]


async def test_an_effect_that_takes_every_worker_along_is_given_up(tmp_path):
    async with engine(tmp_path) as it:
        await it.propose()
        for _ in range(5):
            (effect,) = await it.lease()
            await it.ask(wire.Start(effect_id=effect.task.effect_id, token=effect.task.token))
            await after_silence(it)
        assert (await it.propose()).status == "failed"


async def test_a_lease_that_is_renewed_does_not_run_out(tmp_path):
    async with engine(tmp_path) as it:
        await it.propose()
        (effect,) = await it.lease()
        it.clock.pass_us(4 * SECOND_US)
        tokens = {effect.task.effect_id: effect.task.token}
        assert (await it.ask(wire.Renew(worker="w-1:1", tokens=tokens))).lost == ()
        it.clock.pass_us(4 * SECOND_US)
        assert it.live.intake.journal.tasks.expired(it.clock.now_us()) == []


async def test_saying_again_how_it_ended_changes_nothing(tmp_path):
    async with engine(tmp_path) as it:
        await it.propose()
        (effect,) = await it.lease()
        await start_and_end(it, effect)
        end = wire.End(effect_id=effect.task.effect_id, token=effect.task.token, status="done", result=OK)
        assert await it.ask(end) == wire.Done()
        assert len(facts(tmp_path, EffectEnded)) == 1


async def test_work_that_waited_too_long_is_refused_and_not_done(tmp_path):
    async with engine(tmp_path) as it:
        await it.propose()
        it.clock.pass_us(3601 * SECOND_US)
        assert await it.lease() == ()
        assert (await it.propose()).status == "refused"
        (end,) = facts(tmp_path, EffectEnded)
    assert "propose it again" in end.result.error


async def test_a_restarted_engine_gives_workers_a_lease_to_come_back(tmp_path):
    async with engine(tmp_path) as it:
        await it.propose()
        (effect,) = await it.lease()
        await it.ask(wire.Start(effect_id=effect.task.effect_id, token=effect.task.token))
        now = it.clock.wall
    async with engine(tmp_path) as again:
        again.clock.wall = now
        again.clock.follow()
        again.clock.pass_us(4 * SECOND_US)
        await start_and_end(again, effect)
        assert (await again.propose()).status == "done"


async def test_a_drained_worker_finishes_and_takes_nothing_new(tmp_path):
    async with engine(tmp_path) as it:
        it.runner.go.clear()
        executor = it.executor(slots=1)
        work = asyncio.create_task(executor.run())
        await it.propose(1)
        await eventually(lambda: it.runner.performed)
        await it.propose(2)
        executor.drain()
        it.runner.go.set()
        await asyncio.wait_for(work, PATIENCE_S)
        assert (await it.propose(1)).status == "done"
        assert (await it.propose(2)).status == "queued"


async def test_a_draining_engine_hands_out_nothing(tmp_path):
    async with engine(tmp_path) as it:
        await it.propose()
        await it.ask(wire.Drain())
        assert await it.lease() == ()
        assert (await it.ask(wire.GetStatus())).draining


async def test_an_undo_is_journaled_performed_and_can_be_undone(tmp_path):
    async with engine(tmp_path) as it, it.working():
        decided = await it.propose()
        await it.until("done")
        of = decided.verdict.decision_id
        undo = (await it.ask(wire.RequestUndo(of=of, by="ann", reason="wrong cache"))).effect_id
        await eventually(lambda: it.runner.undone == [of])
        await eventually(lambda: len(facts(tmp_path, EffectEnded)) == 2)
        with pytest.raises(InputError, match=f"undo the undo: watchkeeper undo {undo}"):
            await it.ask(wire.RequestUndo(of=of, by="ann"))
        await it.ask(wire.RequestUndo(of=undo, by="ann"))
        await eventually(lambda: it.runner.undone == [of, undo])
    assert it.runner.performed == ["web-1"]


async def test_an_undo_that_is_under_way_is_not_asked_for_twice(tmp_path):
    async with engine(tmp_path) as it:
        decided = await it.propose()
        (effect,) = await it.lease()
        await start_and_end(it, effect)
        ask = wire.RequestUndo(of=decided.verdict.decision_id, by="ann")
        assert await it.ask(ask) == await it.ask(ask)
        assert len(await it.lease(most=5)) == 1


async def test_there_is_nothing_to_undo_before_anything_was_done(tmp_path):
    async with engine(tmp_path) as it:
        decided = await it.propose()
        with pytest.raises(InputError, match="nothing to undo: it is queued"):
            await it.ask(wire.RequestUndo(of=decided.verdict.decision_id, by="ann"))
        held = await it.propose(2, confidence=0.1)
        with pytest.raises(InputError, match="nothing to undo: it is held"):
            await it.ask(wire.RequestUndo(of=held.verdict.decision_id, by="ann"))
        with pytest.raises(InputError, match="no such decision"):
            await it.ask(wire.RequestUndo(of="d_nothing", by="ann"))


async def test_a_preview_says_what_would_happen_and_nothing_does(tmp_path):
    async with engine(tmp_path) as it, it.working():
        decided = await it.propose(confidence=0.1)
        said = await it.ask(wire.RequestPreview(decision_id=decided.verdict.decision_id))
        assert said.result.output == "would do cache.clear"
        other = await it.propose(2, action="service.restart")
        with pytest.raises(InputError, match="the agent performs this action itself"):
            await it.ask(wire.RequestPreview(decision_id=other.verdict.decision_id))
    assert it.runner.performed == []


async def test_a_preview_that_no_worker_takes_says_so(tmp_path):
    async with engine(tmp_path) as it:
        decided = await it.propose(confidence=0.1)
        with pytest.raises(InputError, match="no worker said what it would do"):
            await it.ask(wire.RequestPreview(decision_id=decided.verdict.decision_id, wait_s=0.05))


async def test_a_worker_goes_on_reporting_until_the_engine_is_back(tmp_path):
    async with engine(tmp_path) as it:
        it.runner.go.clear()
        async with it.working():
            await it.propose()
            await eventually(lambda: it.runner.performed)
            await it.server.close()
            it.runner.go.set()
            await asyncio.sleep(0.2)
            await it.server.open()
            await it.until("done")
    assert it.runner.performed == ["web-1"]
