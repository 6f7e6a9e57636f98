"""Bad moments: what happens between two steps must not lose, double or misreport an effect."""

import asyncio
import contextlib

import pytest

from engine.adapters.journal_reader import SqliteReader
from engine.adapters.journal_sqlite import SqliteJournal
from engine.core.vocabulary.effects import Result
from engine.core.vocabulary.facts import EffectEnded, Scope, decode
from engine.core.vocabulary.units import DAY_US, HOUR_US, SECOND_US
from engine.errors import InputError, JournalBusy, StorageError
from engine.ports import Stop
from engine.runtime import wire
from tests.live.engines import ONCE, engine, eventually, performing

pytestmark = pytest.mark.asyncio
ALL = Scope("all")


def facts(home, kind):
    with SqliteReader(home / "journal.db") as reader:
        return [fact for record in reader.read() if isinstance(fact := decode(record.body), kind)]


def by_hand(scope=ALL, at_us=5):
    return Stop(scope=scope, by="a file", reason="", at_us=at_us)


async def reaped(it, *, rounds=0.4):
    """Let the reaper look at least once."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(it.live.leases.reap(), rounds)


async def begun(it, number=1, **given):
    await it.propose(number)
    (effect,) = await it.lease(**given)
    await it.ask(wire.Start(effect_id=effect.task.effect_id, token=effect.task.token))
    return effect.task


# ---------------------------------------------------------------- the executor


async def test_a_stop_does_not_interrupt_the_report_of_what_was_done(tmp_path):
    async with engine(tmp_path, performing(cache_clear=ONCE)) as it:
        it.runner.go.clear()
        async with it.working() as executor:
            await it.propose()
            await eventually(lambda: it.runner.performed)
            await it.server.close()
            it.runner.go.set()
            await eventually(lambda: it.runner.running == 0)
            await asyncio.sleep(0.1)
            it.fence.set(by_hand())
            await asyncio.sleep(0.1)
            assert executor._active, "it still has to be reported"
            await it.server.open()
            await it.until("done")


async def test_what_a_stop_catches_before_it_began_waits_again(tmp_path):
    async with engine(tmp_path, performing(cache_clear=ONCE)) as it:
        asked, go = asyncio.Event(), asyncio.Event()
        real = it.live.leases.start

        async def slow(request):
            asked.set()
            await go.wait()
            return await real(request)

        it.live._answers[wire.Start] = slow
        async with it.working():
            await it.propose()
            await asked.wait()
            it.fence.set(by_hand())
            await eventually(lambda: not it.live.intake.journal.tasks.all()[0].worker)
            go.set()
            await it.ask(wire.LiftStop(scope=ALL, by="ann", reason="a drill"))
            await it.until("done")
    assert it.runner.performed == ["web-1"]


async def test_a_record_that_cannot_be_removed_does_not_make_it_happen_twice(tmp_path):
    async with engine(tmp_path, performing(cache_clear=ONCE)) as it:
        real = it._watching

        @contextlib.contextmanager
        def failing(task):
            with real(task) as watch:
                yield watch
            raise StorageError("the disk refused")

        it._watching = failing
        async with it.working():
            await it.propose()
            await it.until("done")
    assert it.runner.performed == ["web-1"]


async def test_an_effect_leased_again_while_it_is_given_back_is_looked_after(tmp_path):
    async with engine(tmp_path) as it:
        it.runner.go.clear()
        real, failures = it._watching, [StorageError("the disk is full")]

        @contextlib.contextmanager
        def failing_once(task):
            if failures:
                raise failures.pop()
            with real(task) as watch:
                yield watch

        it._watching = failing_once
        async with it.working() as executor:
            await it.propose()
            await eventually(lambda: it.runner.running)
            await asyncio.sleep(0.2)
            assert list(executor._active), "it has a watch and its lease is renewed"
            it.fence.set(by_hand())
            await it.until("stopped")


async def test_a_worker_outlives_an_engine_that_cannot_lease(tmp_path):
    async with engine(tmp_path) as it:
        it.runner.go.clear()
        async with it.working():
            await it.propose()
            await eventually(lambda: it.runner.running)
            real = it.live.leases.lease

            async def busy(_request):
                raise JournalBusy("another program holds the journal's file")

            it.live._answers[wire.Lease] = busy
            await asyncio.sleep(2.5)
            it.live._answers[wire.Lease] = real
            assert it.runner.running == 1
            it.runner.go.set()
            await it.until("done")


async def test_more_output_than_a_line_holds_is_cut_and_reported(tmp_path):
    async with engine(tmp_path) as it:
        it.runner.result = Result(success=True, output="\0" * (3 << 20), execution_time_s=0.0)
        async with it.working():
            await it.propose()
            await it.until("done")
        (end,) = facts(tmp_path, EffectEnded)
    assert "cut" in end.result.output[-200:]


async def test_leases_that_would_not_fit_one_line_come_one_after_the_other(tmp_path):
    async with engine(tmp_path) as it:
        for number in range(4):
            await it.propose(number, args={"service": "x" * (3 << 20)})
        leased = await it.lease(most=4)
        assert 1 <= len(leased) < 4
        assert len(await it.lease(most=4)) >= 1


# ---------------------------------------------------------------- leases


async def test_a_worker_that_is_heard_again_while_it_is_cleared_up_keeps_its_effect(tmp_path):
    async with engine(tmp_path, performing(cache_clear=ONCE)) as it:
        task = await begun(it)
        it.clock.pass_us(6 * SECOND_US)

        async def heard_meanwhile(_effect_id):
            await it.ask(wire.Renew(worker="w-1:1", tokens={task.effect_id: task.token}))

        it.live.leases._end_leftovers = heard_meanwhile
        await reaped(it)
        assert it.status_of() == "running"


async def test_what_waits_again_after_its_worker_died_is_queued(tmp_path):
    async with engine(tmp_path) as it:
        await begun(it)
        it.clock.pass_us(6 * SECOND_US)
        await reaped(it)
        assert it.status_of() == "queued"


async def test_after_a_full_disk_workers_have_a_lease_to_be_heard(tmp_path, monkeypatch):
    full, real = [False], SqliteJournal._write

    def write(journal, group):
        if full[0]:
            raise StorageError("the disk is full")
        real(journal, group)

    monkeypatch.setattr(SqliteJournal, "_write", write)
    async with engine(tmp_path, performing(cache_clear=ONCE)) as it:
        await begun(it)
        full[0] = True
        with pytest.raises(StorageError):
            await it.propose(2)
        it.clock.pass_us(60 * SECOND_US)
        full[0] = False
        await it.looking.look()
        await reaped(it)
        assert it.status_of() == "running"


@pytest.mark.parametrize("jump_us", [DAY_US, -DAY_US], ids=["forwards", "backwards"])
async def test_a_new_time_neither_ends_leases_nor_lengthens_them(tmp_path, jump_us):
    async with engine(tmp_path, performing(cache_clear=ONCE)) as it:
        await begun(it)
        it.clock.wall += jump_us
        await it.looking.look()
        await it.ask(wire.ClearTrouble(trouble="clock", by="ann", reason="it was set right"))
        await reaped(it)
        assert it.status_of() == "running"
        it.clock.pass_us(6 * SECOND_US)
        await reaped(it)
        assert it.status_of() == "unknown"


async def test_after_a_machine_slept_workers_have_a_lease_to_be_heard(tmp_path):
    async with engine(tmp_path, performing(cache_clear=ONCE)) as it:
        await begun(it)
        reaping = asyncio.create_task(it.live.leases.reap())
        await asyncio.sleep(0.05)
        it.clock.pass_us(HOUR_US)
        await asyncio.sleep(0.8)
        reaping.cancel()
        assert it.status_of() == "running"


async def test_what_a_dead_worker_had_begun_and_is_too_late_now_is_not_called_untouched(tmp_path):
    async with engine(tmp_path) as it:
        await begun(it)
        it.clock.pass_us(6 * SECOND_US)
        await reaped(it)
        it.clock.pass_us(2 * HOUR_US)
        assert await it.lease() == ()
        assert it.status_of() == "unknown"


async def test_workers_that_ask_in_vain_leave_nothing_behind(tmp_path):
    async with engine(tmp_path) as it:
        for _ in range(5):
            await it.lease(wait_s=0.01)
        assert it.live.leases._more == []


async def test_a_preview_nobody_waits_for_any_more_is_not_kept(tmp_path):
    async with engine(tmp_path) as it:
        decided = await it.propose(capability="heal@2")
        with pytest.raises(InputError, match="no worker said"):
            await it.ask(wire.RequestPreview(decision_id=decided.verdict.decision_id, wait_s=0.05))
        assert it.live.intake.journal.tasks.all() == []


async def test_two_may_ask_for_the_same_preview_at_once(tmp_path):
    async with engine(tmp_path) as it:
        decided = await it.propose()
        request = wire.RequestPreview(decision_id=decided.verdict.decision_id, wait_s=5)
        async with it.working():
            both = await asyncio.gather(it.ask(request), it.ask(request))
    assert [one.result.success for one in both] == [True, True]
