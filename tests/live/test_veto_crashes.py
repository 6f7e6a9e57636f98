"""A crash between any two steps of an answer or a veto: the next engine finishes what the journal demands.

The engine is killed at each write to the journal's file in turn, before it or right after it, and what its
answer still had in mind is lost. A new engine opens the same file, and a real worker performs what is left.
"""

import asyncio

import pytest

from engine.adapters.journal_reader import SqliteReader
from engine.adapters.journal_sqlite import SqliteJournal
from engine.core.vocabulary import facts as f
from engine.core.vocabulary.ids import decision_id
from engine.core.vocabulary.units import SECOND_US
from engine.runtime import wire
from tests.live.engines import ONCE, engine, eventually, performing
from tests.live.hold_machine import judge
from tests.patience import PATIENCE_S

pytestmark = [pytest.mark.asyncio, pytest.mark.unmeasured]
FIRST = decision_id("p-1")
VETO = wire.Override(decision_id=FIRST, by="cat", word="veto", reason="no")
APPROVE = wire.AnswerHold(decision_id=FIRST, by="ann", role="responder", answer="approve")
MOST_WRITES = 8


class Killed(BaseException):
    """The process is gone."""


class Deadly(SqliteJournal):
    """Dies at the `nth` write from now on, before it or after it; nothing is written after that."""

    left: int | None = None
    before = False

    def append(self, entries, **given):
        if self.left is None:
            return super().append(entries, **given)
        self.left -= 1
        if self.left < 0 or (self.left == 0 and self.before):
            raise Killed
        records = super().append(entries, **given)
        if self.left == 0:
            raise Killed
        return records


def facts(home):
    with SqliteReader(home / "journal.db") as reader:
        reader.verify()
        return [f.decode(record.body) for record in reader.read()]


async def killed_at(home, nth, *, before, prepare, request):
    """Prepare, then ask with a journal that dies at its `nth` write; whether it lived through the request."""
    journals = []

    def opened():
        journals.append(Deadly(home / "journal.db"))
        return journals[-1]

    loop = asyncio.get_running_loop()
    died = asyncio.Event()
    async with engine(home, performing(cache_clear=ONCE), open_journal=opened) as it:
        await prepare(it)
        journals[-1].before, journals[-1].left = before, nth
        real = it.live.intake._commit

        def commit():
            try:
                real()
            except Killed:
                died.set()

        it.live.intake._commit = commit
        answering = loop.create_task(it.live.answer(request))
        dying = loop.create_task(died.wait())
        await asyncio.wait({answering, dying}, return_when=asyncio.FIRST_COMPLETED, timeout=PATIENCE_S)
        lived = answering.done() and not died.is_set()
        for task in (answering, dying):
            task.cancel()
        await asyncio.gather(answering, dying, return_exceptions=True)
        journals[-1].left = None
        journals[-1].close()
    return lived


async def afterwards(home):
    """A new engine and a worker on the same file; what was performed and undone, and where it stands."""
    async with engine(home, performing(cache_clear=ONCE)) as it:
        await it.live.begin()
        it.clock.pass_us(6 * SECOND_US)
        async with it.working():
            await it.propose(2)
            await it.until("done", 2)
            await eventually(lambda: not it.live.intake.journal.tasks.all())
        performed = [name for name in it.runner.performed if name == "web-1"]
        return performed, it.runner.undone, it.status_of()


async def queued(it):
    await it.propose()


async def held(it):
    await it.propose(confidence=0.1)


async def running(it):
    await it.propose()
    (effect,) = await it.lease()
    await it.ask(wire.Start(effect_id=effect.task.effect_id, token=effect.task.token))


async def done(it):
    async with it.working():
        await it.propose()
        await it.until("done")


async def approved(it):
    await held(it)
    await it.ask(APPROVE)


PREPARED = {"held": held, "queued": queued, "approved": approved, "running": running, "done": done}


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("prepare", PREPARED.values(), ids=PREPARED)
async def test_a_veto_that_is_in_the_journal_is_carried_out_whenever_the_engine_died(
    tmp_path, prepare, before
):
    crashes = 0
    for nth in range(1, MOST_WRITES):
        home = tmp_path / str(nth)
        home.mkdir()
        if await killed_at(home, nth, before=before, prepare=prepare, request=VETO):
            break
        crashes += 1
        if not any(isinstance(fact, f.DecisionOverridden) for fact in facts(home)):
            continue
        performed, undone, status = await afterwards(home)
        judge(facts(home))
        assert performed == [], f"killed at write {nth}, it began after its veto"
        # What had begun is taken back, once; what had not never begins.
        assert undone == ([FIRST] if prepare in {running, done} else []), nth
        assert status == {held: "vetoed", running: "stopped", done: "done"}.get(prepare, "refused")
    else:
        raise AssertionError("there were more writes than this looks at")
    assert crashes >= 2, "one for the captain's presence, one for the veto, and more"


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
async def test_an_approval_that_is_in_the_journal_is_carried_out_once(tmp_path, before):
    for nth in range(1, MOST_WRITES):
        home = tmp_path / str(nth)
        home.mkdir()
        lived = await killed_at(home, nth, before=before, prepare=held, request=APPROVE)
        approved = any(isinstance(fact, f.HoldEnded) for fact in facts(home))
        performed, _, status = await afterwards(home)
        judge(facts(home))
        assert (performed, status) == ((["web-1"], "done") if approved else ([], "held"))
        if lived:
            assert approved
            return
    raise AssertionError("there were more writes than this looks at")
