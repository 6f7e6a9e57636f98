"""Bad moments: what happens between two steps must not lose, double or misreport an effect, or a stop."""

import asyncio
import contextlib
import threading
import time

import pytest

from engine.adapters.fence_memory import MemoryFence
from engine.adapters.journal_reader import SqliteReader
from engine.adapters.journal_sqlite import SqliteJournal
from engine.core import decide as page
from engine.core.vocabulary.effects import Result
from engine.core.vocabulary.facts import EffectEnded, EffectStarted, Scope, TimePassed, decode
from engine.core.vocabulary.units import DAY_US, HOUR_US, SECOND_US
from engine.errors import InputError, JournalBusy, Stopped, StorageError
from engine.ports import Stop
from engine.runtime import wire
from engine.runtime.live import SavedSnapshot
from tests.builders import changed
from tests.live.engines import AGAIN, ONCE, SetClock, engine, eventually, performing

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
        await it.promote()
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
        await it.promote()
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
        await it.promote()
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
        await it.promote()
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
        await it.promote()
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
        await it.promote()
        it.runner.result = Result(success=True, output="\0" * (3 << 20), execution_time_s=0.0)
        async with it.working():
            await it.propose()
            await it.until("done")
        (end,) = facts(tmp_path, EffectEnded)
    assert "cut" in end.result.output[-200:]


async def test_leases_that_would_not_fit_one_line_come_one_after_the_other(tmp_path):
    async with engine(tmp_path) as it:
        await it.promote()
        for number in range(4):
            await it.propose(number, args={"service": "x" * (3 << 20)})
        leased = await it.lease(most=4)
        assert 1 <= len(leased) < 4
        assert len(await it.lease(most=4)) >= 1


# ---------------------------------------------------------------- leases


async def test_a_worker_that_is_heard_again_while_it_is_cleared_up_keeps_its_effect(tmp_path):
    async with engine(tmp_path, performing(cache_clear=ONCE)) as it:
        await it.promote()
        task = await begun(it)
        it.clock.pass_us(6 * SECOND_US)

        async def heard_meanwhile(_effect_id):
            await it.ask(wire.Renew(worker="w-1:1", tokens={task.effect_id: task.token}))

        it.live.leases._end_leftovers = heard_meanwhile
        await reaped(it)
        assert it.status_of() == "running"


async def test_what_waits_again_after_its_worker_died_is_queued(tmp_path):
    async with engine(tmp_path) as it:
        await it.promote()
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
        await it.promote()
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
        await it.promote()
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
        await it.promote()
        await begun(it)
        reaping = asyncio.create_task(it.live.leases.reap())
        await asyncio.sleep(0.05)
        it.clock.pass_us(HOUR_US)
        await asyncio.sleep(0.8)
        reaping.cancel()
        assert it.status_of() == "running"


async def test_what_a_dead_worker_had_begun_and_is_too_late_now_is_not_called_untouched(tmp_path):
    async with engine(tmp_path) as it:
        await it.promote()
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
        decided = await it.propose()
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


# ---------------------------------------------------------------- stops


async def test_a_stop_that_meets_its_own_resume_stands(tmp_path):
    class Slow(MemoryFence):
        """Lets somebody stop again in the moment in which a stop is taken down."""

        def clear(self, scope):
            again.append(asyncio.run_coroutine_threadsafe(it.live.stops.set(request), running))
            passed.wait()
            super().clear(scope)

        def set(self, stop):
            super().set(stop)
            passed.set()

    passed, again, running = threading.Event(), [], asyncio.get_running_loop()
    request = wire.SetStop(scope=ALL, by="bob", reason="again")
    async with engine(tmp_path) as it:
        fence = Slow()
        it.fence = it.live.stops._fence = it.live.leases._fence = fence
        await it.ask(wire.SetStop(scope=ALL, by="ann"))
        passed.clear()
        await it.ask(wire.LiftStop(scope=ALL, by="ann", reason="over"))
        await asyncio.wrap_future(again[0])
        assert [stop.by for stop in fence.stops()] == ["bob"]
        assert "all" in it.live.intake.state.stops.by_scope


async def test_a_stop_from_the_future_does_not_move_the_journals_time(tmp_path):
    async with engine(tmp_path) as it:
        it.fence.set(by_hand(at_us=it.clock.now_us() + 400 * DAY_US))
        await it.live.stops.mirror()
        assert it.live.intake.state.now_us <= it.clock.now_us()


async def test_a_stop_that_only_the_journal_has_yet_stops_too(tmp_path):
    policy = changed(performing(cache_clear=AGAIN), captain_unseen_us=HOUR_US)
    async with engine(tmp_path, policy) as it:
        await it.promote()
        await it.ask(wire.SeePerson(person="ann", role="captain"))
        it.clock.pass_us(HOUR_US)
        await it.propose()
        (effect,) = await it.lease()
        await it.live.intake.take("tick", TimePassed(at_us=it.clock.now_us(), schedule="minute"))
        assert it.fence.stops() == (), "nobody has mirrored it yet"
        with pytest.raises(Stopped):
            await it.ask(wire.Start(effect_id=effect.task.effect_id, token=effect.task.token))


async def test_a_captain_who_resumes_has_been_seen(tmp_path):
    policy = changed(performing(cache_clear=AGAIN), captain_unseen_us=HOUR_US)
    async with engine(tmp_path, policy) as it:
        await it.ask(wire.SeePerson(person="ann", role="captain"))
        it.clock.pass_us(HOUR_US)
        await it.live.intake.take("tick", TimePassed(at_us=it.clock.now_us(), schedule="minute"))
        await it.live.stops.mirror()
        await it.ask(wire.LiftStop(scope=ALL, by="ann", reason="I am here"))
        it.clock.pass_us(60 * SECOND_US)
        await it.live.intake.take("tock", TimePassed(at_us=it.clock.now_us(), schedule="minute"))
        assert it.live.intake.state.stops.by_scope == {}


# ---------------------------------------------------------------- intake, clock and undo


async def test_a_clock_set_back_while_no_engine_ran_is_found(tmp_path):
    async with engine(tmp_path) as it:
        await it.promote()
        await it.propose()
    clock = SetClock()
    clock.wall -= DAY_US
    clock.follow()
    async with engine(tmp_path, clock=clock) as it:
        await it.looking.look()
        assert await it.lease() == ()
        assert "1 d behind the journal" in it.told.of("trouble")[0]
        await it.ask(wire.ClearTrouble(trouble="clock", by="ann", reason="the old one was wrong"))
        await it.looking.look()
        assert len(await it.lease()) == 1
        clock.pass_us(HOUR_US)
        await it.promote("mend@1")
        assert it.live.intake.state.now_us == clock.now_us(), "windows go on sliding"


async def test_a_bug_in_the_core_is_answered_and_leaves_nothing_half_done(tmp_path, monkeypatch):
    async with engine(tmp_path) as it:
        real = page.settle

        def broken(*_given, **_named):
            raise ZeroDivisionError

        monkeypatch.setattr(page, "settle", broken)
        with pytest.raises(StorageError, match="ZeroDivisionError"):
            await it.propose(1)
        monkeypatch.setattr(page, "settle", real)
        await it.looking.look()
        assert (await it.propose(1)).verdict.word == "allow"
    assert "ZeroDivisionError" in it.told.of("trouble")[0]


async def test_two_people_who_undo_at_once_get_the_same_undo(tmp_path):
    async with engine(tmp_path) as it:
        await it.promote()
        async with it.working():
            decided = await it.propose()
            await it.until("done")
        of = decided.verdict.decision_id
        both = await asyncio.gather(
            it.ask(wire.RequestUndo(of=of, by="ann", reason="one")),
            it.ask(wire.RequestUndo(of=of, by="bob", reason="two")),
        )
        assert both[0] == both[1]


async def test_what_was_brought_back_can_be_undone_again(tmp_path):
    async with engine(tmp_path) as it, it.working():
        await it.promote()
        decided = await it.propose()
        await it.until("done")
        of = decided.verdict.decision_id

        async def undone(what):
            queued = await it.ask(wire.RequestUndo(of=what, by="ann"))
            await eventually(
                lambda: any(end.effect_id == queued.effect_id for end in facts(tmp_path, EffectEnded))
            )
            return queued.effect_id

        first = await undone(of)
        redo = await undone(first)
        again = await undone(of)
        assert it.runner.undone == [of, first, redo]
        with pytest.raises(InputError, match=f"undo the undo: watchkeeper undo {again}"):
            await it.ask(wire.RequestUndo(of=of, by="ann"))


async def test_a_worker_that_slept_through_its_lease_begins_nothing_on_it(tmp_path):
    """Between the engine's word and the first touch it stood still: by now another may have the effect."""
    async with engine(tmp_path, performing(cache_clear=ONCE)) as it:
        await it.promote()
        naps, real = [0.4], it.runner.perform

        async def perform(job):
            if naps:
                time.sleep(naps.pop())  # as SIGSTOP does, it stops everything here
            return await real(job)

        it.runner.perform = perform
        async with it.working() as executor:
            executor._lease_s = 0.3
            await it.propose()
            await it.until("done")
        begun = facts(tmp_path, EffectStarted)
    assert (len(begun), it.runner.performed) == (2, ["web-1"])


async def test_snapshots_are_taken_one_at_a_time(tmp_path):
    at_once, most = [], []

    def save():
        at_once.append(1)
        most.append(len(at_once))
        time.sleep(0.05)
        at_once.pop()
        return SavedSnapshot(snapshot_id=f"s-{len(most)}", journal_seq=1, files=2, size_bytes=3)

    async with engine(tmp_path, save_snapshot=save) as it:
        await asyncio.gather(*(it.ask(wire.TakeSnapshot()) for _ in range(3)))
    assert most == [1, 1, 1]
