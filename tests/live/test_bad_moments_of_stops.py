"""Bad moments of stops, clocks, undos and the core: none of them loses a word that was given."""

import asyncio
import threading
import time

import pytest

from engine.adapters.fence_memory import MemoryFence
from engine.adapters.journal_reader import SqliteReader
from engine.core import decide as page
from engine.core.vocabulary.facts import EffectEnded, EffectStarted, Scope, TimePassed, decode
from engine.core.vocabulary.units import DAY_US, HOUR_US, SECOND_US
from engine.errors import InputError, Stopped, StorageError
from engine.ports import Stop
from engine.runtime import wire
from engine.runtime.outbox import preview_of
from engine.runtime.parts import SavedSnapshot
from tests.builders import changed
from tests.live.engines import AGAIN, ONCE, SetClock, engine, eventually, performing

pytestmark = pytest.mark.asyncio
ALL = Scope("all")


def facts(home, kind):
    with SqliteReader(home / "journal.db") as reader:
        return [fact for record in reader.read() if isinstance(fact := decode(record.body), kind)]


def by_hand(scope=ALL, at_us=5):
    return Stop(scope=scope, by="a file", reason="", at_us=at_us)


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
        await it.propose()
    clock = SetClock()
    clock.wall -= DAY_US
    clock.follow()
    async with engine(tmp_path, clock=clock) as it:
        await it.looking.look()
        assert await it.lease() == ()
        assert "1 d behind" in it.told.of("trouble")[0]
        await it.ask(wire.ClearTrouble(trouble="clock", by="ann", reason="the old one was wrong"))
        await it.looking.look()
        assert len(await it.lease()) == 1
        clock.pass_us(HOUR_US)
        await it.ask(wire.PauseRollout(capability="mend", by="ann", reason="a sale is on"))
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


async def test_what_waits_for_people_is_told_again_after_a_restart(tmp_path):
    async with engine(tmp_path) as it:
        held = await it.propose(confidence=0.1)
        it.live.leases._intake.enqueue(preview_of(held.verdict, it.clock.now_us(), AGAIN))
    async with engine(tmp_path) as again:
        (told,) = again.told.of("waiting")
        assert held.verdict.decision_id in told
        assert again.live.intake.journal.tasks.all() == [], "and what nobody asks for any more is gone"
