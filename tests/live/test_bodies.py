"""Bodies as the engine sees them: what is for whom, who may say what of it, and what is never done twice."""

import asyncio
import os
import time

import pytest
from hypothesis import settings
from msgspec import structs

from engine.adapters.body_notes import FolderNotes
from engine.adapters.journal_reader import SqliteReader
from engine.core.vocabulary.effects import Result
from engine.core.vocabulary.facts import EffectEnded, EffectEndTold, decode
from engine.core.vocabulary.ids import EffectId, decision_id
from engine.core.vocabulary.units import SECOND_US
from engine.errors import EffectRefused, LeaseLost, Stopped
from engine.runtime import wire
from engine.runtime.apart import Apart
from engine.runtime.bodies import worker_of
from engine.runtime.executor import Executor
from engine.wiring.body import own_action
from tests.live.body_machine import BodyMachine
from tests.live.engines import AGAIN, ONCE, engine, performing

OK = Result(success=True, output="ok", execution_time_s=0.1)
LONG = os.environ.get("HYPOTHESIS_PROFILE") == "thorough"

TestLeasesOfBodies = BodyMachine.TestCase
TestLeasesOfBodies.settings = settings(
    max_examples=400 if LONG else 40, stateful_step_count=60 if LONG else 30, deadline=None
)


def on(place, run=ONCE):
    return performing(cache_clear=structs.replace(run, on=place))


async def taken(it, name="lap", pools=(), run="r1", most=1):
    body = wire.Body(name=name, pools=pools, version="1", accepts=("cache.clear",))
    asked = wire.Lease(worker=worker_of(name, run), most=most, wait_s=0.0, body=body)
    return (await it.ask(asked)).effects


async def begun(it, **given):
    (effect,) = await taken(it, **given)
    task, name = effect.task, given.get("name", "lap")
    await it.ask(wire.Start(effect_id=task.effect_id, token=task.token, body=name))
    return task


def end_of(task, status="done", body="lap"):
    return wire.End(effect_id=task.effect_id, token=task.token, status=status, result=OK, body=body)


def facts(home, kind):
    with SqliteReader(home / "journal.db") as reader:
        return [fact for record in reader.read() if isinstance(fact := decode(record.body), kind)]


async def silence(it, seconds=6):
    it.clock.pass_us(seconds * SECOND_US)
    await it.live.leases.take_back_expired()


@pytest.mark.asyncio
async def test_what_is_for_a_body_no_worker_here_gets(tmp_path):
    async with engine(tmp_path, on("lap")) as it:
        await it.propose()
        assert await it.lease() == ()
        assert await taken(it, "desk") == ()
        (effect,) = await taken(it, "lap")
        assert effect.task.place == "lap"
        assert effect.task.worker == "lap/r1"


@pytest.mark.asyncio
async def test_of_a_pool_only_one_gets_it(tmp_path):
    async with engine(tmp_path, on("dev")) as it:
        await it.propose()
        got = await asyncio.gather(taken(it, "lap", ("dev",)), taken(it, "desk", ("dev",)))
        assert sorted(map(len, got)) == [0, 1]


@pytest.mark.asyncio
async def test_no_body_says_anything_of_what_another_holds(tmp_path):
    async with engine(tmp_path, on("dev")) as it:
        await it.propose()
        (effect,) = await taken(it, "lap", ("dev",))
        task = effect.task
        for body in ("desk", ""):
            for request in (
                wire.Start(effect_id=task.effect_id, token=task.token, body=body),
                wire.GiveBack(effect_id=task.effect_id, token=task.token, body=body),
                end_of(task, body=body),
            ):
                with pytest.raises(LeaseLost):
                    await it.ask(request)
        worker = wire.Renew(worker="desk/r1", tokens={task.effect_id: task.token})
        assert (await it.ask(worker)).lost == (task.effect_id,)
        await it.ask(wire.Start(effect_id=task.effect_id, token=task.token, body="lap"))


@pytest.mark.asyncio
async def test_what_it_was_let_begin_waits_for_nobody_else_when_it_falls_silent(tmp_path):
    async with engine(tmp_path, on("dev", AGAIN)) as it:
        await it.propose()
        await begun(it, pools=("dev",))
        await silence(it)
        assert it.status_of() == "unknown"
        assert await taken(it, "desk", ("dev",)) == ()
        (hold,) = it.live.intake.state.holds.by_id.values()
        assert hold.effect_id == EffectId(decision_id("p-1"))
        assert "body lap went silent" in facts(tmp_path, EffectEnded)[0].result.error
        assert any("waits" in said for said in it.told.of("waiting"))


@pytest.mark.asyncio
async def test_what_it_never_began_goes_to_the_next(tmp_path):
    async with engine(tmp_path, on("dev")) as it:
        await it.propose()
        (first,) = await taken(it, "lap", ("dev",))
        await silence(it)
        (second,) = await taken(it, "desk", ("dev",))
        assert second.task.token > first.task.token
        with pytest.raises(LeaseLost):
            await it.ask(wire.Start(effect_id=first.task.effect_id, token=first.task.token, body="lap"))


@pytest.mark.asyncio
async def test_what_it_knew_all_along_is_journaled_though_it_was_given_up(tmp_path):
    async with engine(tmp_path, on("lap")) as it:
        await it.propose()
        task = await begun(it)
        await silence(it)
        for _ in range(2):
            await it.ask(end_of(task))
        (told,) = facts(tmp_path, EffectEndTold)
        assert (told.status, told.body, told.result) == ("done", "lap", OK)
        assert it.status_of() == "unknown"
        assert any("lap says now: done" in said for said in it.told.of("waiting"))
        with pytest.raises(LeaseLost):
            await it.ask(end_of(structs.replace(task, token=task.token + 1)))
        with pytest.raises(LeaseLost):
            await it.ask(end_of(task, body="desk"))


@pytest.mark.asyncio
async def test_saying_the_end_again_changes_nothing(tmp_path):
    async with engine(tmp_path, on("lap")) as it:
        await it.propose()
        task = await begun(it)
        for _ in range(3):
            await it.ask(end_of(task))
        assert len(facts(tmp_path, EffectEnded)) == 1
        assert facts(tmp_path, EffectEndTold) == []


@pytest.mark.asyncio
async def test_beginning_makes_the_lease_run_anew(tmp_path):
    async with engine(tmp_path, on("lap")) as it:
        await it.propose()
        (effect,) = await taken(it)
        it.clock.pass_us(4 * SECOND_US)
        task = effect.task
        await it.ask(wire.Start(effect_id=task.effect_id, token=task.token, body="lap"))
        await silence(it, 4)
        assert it.status_of() == "running"


@pytest.mark.asyncio
async def test_nothing_begins_behind_a_stop(tmp_path):
    async with engine(tmp_path, on("lap")) as it:
        await it.propose()
        (effect,) = await taken(it)
        await it.ask(wire.SetStop(scope=("all", ""), by="ann"))
        with pytest.raises(Stopped):
            await it.ask(wire.Start(effect_id=effect.task.effect_id, token=effect.task.token, body="lap"))
        assert await taken(it) == ()


@pytest.mark.asyncio
async def test_its_undo_is_done_where_it_was_done(tmp_path):
    async with engine(tmp_path, on("dev")) as it:
        await it.propose()
        task = await begun(it, name="lap", pools=("dev",))
        await it.ask(end_of(task))
        queued = await it.ask(wire.RequestUndo(of=task.effect_id, by="ann", reason="", force=False))
        assert await it.lease() == ()
        assert await taken(it, "desk", ("dev",)) == ()
        (undo,) = await taken(it, "lap", ("dev",), run="r2")
        assert (undo.task.effect_id, undo.task.kind) == (queued.effect_id, "undo")


@pytest.mark.asyncio
async def test_what_failed_on_a_body_and_is_to_be_undone_is_undone_there(tmp_path):
    async with engine(tmp_path, on("dev", structs.replace(ONCE, undo_on_failure=True))) as it:
        await it.propose()
        task = await begun(it, pools=("dev",))
        await it.ask(end_of(task, "failed"))
        assert await it.lease() == ()
        (undo,) = await taken(it, "lap", ("dev",))
        assert undo.task.kind == "undo"


@pytest.mark.asyncio
async def test_what_no_body_takes_in_time_is_refused(tmp_path):
    async with engine(tmp_path, on("lap"), start_within_s=60.0) as it:
        await it.propose()
        await silence(it, 61)
        assert it.status_of() == "refused"
        assert "no body of lap took it" in facts(tmp_path, EffectEnded)[0].result.error


@pytest.mark.asyncio
async def test_the_engine_says_which_bodies_there_are_and_what_waits_for_them(tmp_path):
    async with engine(tmp_path, on("dev")) as it:
        await it.propose(1)
        await it.propose(2)
        status = await it.ask(wire.GetStatus())
        assert (status.bodies, status.elsewhere) == ((), {"dev": 2})
        await begun(it, pools=("dev",))
        status = await it.ask(wire.GetStatus())
        (body,) = status.bodies
        assert (body.name, body.pools, body.version) == ("lap", ("dev",), "1")
        assert body.holds == (EffectId(decision_id("p-1")),)
        assert status.elsewhere == {"dev": 1}


@pytest.mark.asyncio
async def test_a_body_learns_what_the_registry_has_for_it(tmp_path):
    async with engine(tmp_path, on("dev")) as it:
        known = await it.ask(wire.AskActions(places=("lap", "dev")))
        assert [one.name for one in known.actions] == ["cache.clear"]
        assert (await it.ask(wire.AskActions(places=("lap",)))).actions == ()


class Between:
    """Stands between a body and the engine, and may change what is handed out."""

    def __init__(self, it, change):
        self._it, self._change = it, change

    async def ask(self, request, *, timeout_s=None):
        if not isinstance(request, wire.Lease | wire.Renew):
            request = structs.replace(request, body="lap")
        return await self._it.ask(request)

    async def get(self, kind, request, *, timeout_s=None):
        if isinstance(request, wire.Lease):
            request = structs.replace(request, worker="lap/r1", wait_s=0.1, body=wire.Body(name="lap"))
        said = await self._it.ask(request)
        if isinstance(said, wire.Leased):
            said = structs.replace(said, effects=tuple(map(self._change, said.effects)))
        return said


def as_it_is(effect):
    return effect


def other_arguments(effect):
    return structs.replace(effect, args=effect.args | {"service": "all"})


def other_way(effect):
    run = structs.replace(effect.action.run, settings={"argv": ["rm", "-rf", "/"]})
    return structs.replace(effect, action=structs.replace(effect.action, run=run))


def other_name(effect):
    return structs.replace(effect, action=structs.replace(effect.action, name="disk.erase"))


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("change", "status", "said"),
    [
        (as_it_is, "done", ""),
        (other_arguments, "refused", "not those that were decided on"),
        (other_way, "refused", "another cache.clear than this body"),
        (other_name, "refused", "not those that were decided on"),
    ],
)
async def test_what_was_changed_on_the_way_never_begins(tmp_path, change, status, said):
    policy = on("lap")
    async with engine(tmp_path, policy) as it:
        executor = Executor(
            Between(it, change),
            {"shell": it.runner},
            it.fence,
            None,
            worker="r1",
            slots=1,
            lease_s=5.0,
            workspace=tmp_path,
            watching=it._watching,
            apart=Apart(
                notes=FolderNotes(tmp_path / "notes"),
                own=lambda effect: own_action(policy.actions, effect),
                stops=tuple,
                now_s=time.monotonic,
            ),
        )
        work = asyncio.create_task(executor.run())
        await it.propose()
        await it.until(status)
        executor.drain()
        await work
        assert it.runner.performed == (["web-1"] if status == "done" else [])
        assert said in facts(tmp_path, EffectEnded)[0].result.error
        assert FolderNotes(tmp_path / "notes").unfinished() == []


def test_a_body_performs_nothing_its_owner_did_not_list():
    effect = wire.LeasedEffect(task=None, action=on("lap").actions["cache.clear"], args={}, digest="")
    with pytest.raises(EffectRefused, match="not on the list"):
        own_action({}, effect)


def test_a_note_that_goes_away_while_it_is_read_is_left_out(tmp_path):
    notes = FolderNotes(tmp_path)
    # As it is for whoever listed the folder a moment before.
    (tmp_path / "d_1.json").symlink_to(tmp_path / "gone")
    assert notes.unfinished() == []
