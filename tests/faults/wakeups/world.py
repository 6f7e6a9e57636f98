"""One night: a real keeper of escalations and a real pager in virtual time, on a journal that stays."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Final

from engine.adapters.journal_memory import MemoryJournal
from engine.core.decide import Decisions
from engine.core.policy import Policy
from engine.core.vocabulary.chain import Record
from engine.core.vocabulary.facts import Scope, TroubleFound, TroubleGone, decode
from engine.core.vocabulary.ids import PersonId
from engine.core.vocabulary.people_facts import Role
from engine.core.vocabulary.units import SECOND_US
from engine.errors import StorageError, Unreachable, WatchkeeperError
from engine.ports import Stop
from engine.runtime import wire
from engine.runtime.clock import SteadyClock
from engine.runtime.escalation_words import EscalationWords
from engine.runtime.intake import Intake
from engine.runtime.parts import Ladders
from engine.runtime.sendings import Sendings
from engine.runtime.waking import Waking
from engine.runtime.wire_escalations import ReportNotification, TakeNotifications
from engine.wiring.privacy import make_scrubber
from notifiers.channel import Message
from notifiers.pager import Pager
from tests.builders import shipped
from tests.faults.wakeups.draw import BASE_US, PERSONAL, POSTED, Crash, Night
from tests.faults.wakeups.oracle import Oracle
from tests.faults.wakeups.providers import Provider, Town
from tests.faults.wakeups.virtual import VirtualLoop

POLICY: Final[Policy] = shipped()


class Store(MemoryJournal):
    """The disk: it outlives every engine."""

    def close(self) -> None:
        """Stay, as a file does."""


class _Announcer:
    def announce(self, kind: str, text: str, *, urgent: bool = False) -> None:
        """Tell nobody: what is announced is in the journal, too."""


class Engine:
    """One life of an engine: as much of it as has to do with waking people."""

    def __init__(self, world: World) -> None:
        """Restore it from the disk."""
        self._world = world
        clock = SteadyClock(world.wall_us, world.steady_us)
        self.intake = Intake(POLICY, make_scrubber(), lambda: world.store, clock.now_us, self._taken)
        clock.not_before(self.intake.state.now_us)
        ladders = Ladders(settings=world.settings, roster=world.oracle.crew)
        self.waking = Waking(
            ladders,
            self.intake,
            clock.now_us,
            _Announcer(),
            stops=lambda: world.stops,
            set_stop=world.set_stop,
            reasons=lambda _decision: (),
        )
        self.handlers: dict[type, Callable[[Any], Coroutine[Any, Any, Any]]] = {
            **EscalationWords(self.waking).handlers(),
            **Sendings(self.waking).handlers(),
            TroubleFound: self._take,
            TroubleGone: self._take,
        }
        self.asked: dict[asyncio.Task[Any], asyncio.Future[Any]] = {}
        self.run = world.loop.create_task(self.waking.run())

    def _taken(self, records: list[Record], _decisions: list[Decisions]) -> None:
        self._world.see(records)
        self.waking.look(records)

    async def _take(self, fact: Any) -> None:
        await self.intake.take(f"{type(fact).__name__}:{fact.trouble}:{fact.at_us}", fact)

    def die(self) -> None:
        """Lose all that is in memory. What was committed stays."""
        self.intake.failure = StorageError("dead")
        self.intake._waiting.clear()
        self.run.cancel()
        for task, answer in self.asked.items():
            task.cancel()
            if not answer.done():
                answer.set_exception(Unreachable("the engine died", cure="ask again"))


class World(Town):
    """Everything a night plays in."""

    def __init__(self, loop: VirtualLoop, night: Night, random: Any) -> None:
        """Start an engine and a pager on an empty disk."""
        self.loop, self.night, self.random = loop, night, random
        self.settings = night.settings()
        self.oracle = Oracle(night)
        self.store, self.stops = Store(), ()
        self.broken: BaseException | None = None
        self.ahead_us = 0
        self.engine: Engine | None = None
        self.pager: asyncio.Task[None] | None = None
        self._lives, self._offset_us = 0, BASE_US
        self._tasks: set[asyncio.Task[None]] = set()
        self.channels = {name: Provider(name, night, random, self) for name in (*PERSONAL, *POSTED)}
        loop.kill_after([(crash.after, partial(self._crash, crash)) for crash in night.crashes])
        self.open()

    # ------------------------------------------------------------ time

    def steady_us(self) -> int:
        """Say how long the night has lasted."""
        return round(self.loop.now_s * SECOND_US)

    def wall_us(self) -> int:
        """Say what the clock on the wall says."""
        return BASE_US + self.ahead_us + self.steady_us()

    # ------------------------------------------------------------ lives

    def open(self) -> None:
        """Start whoever is not there."""
        if self.engine is None:
            self.oracle.engine_up, self.oracle.up_s = True, self.loop.now_s
            self.engine = Engine(self)
            # What a clock says that was set back: no engine can know how long it was away.
            offset_us = self.engine.waking.now_us() - self.steady_us()
            self.oracle.lose(max(0, self._offset_us - offset_us) / SECOND_US)
            self._offset_us = offset_us
        if self.pager is None:
            self._lives += 1
            self.oracle.pager_up, self.oracle.pager_up_s = True, self.loop.now_s
            pager = Pager(
                self,
                self.channels,
                self,
                name=f"pager:{self._lives}",
                now_us=self.wall_us,
                link=lambda _escalation, _person: "",
            )
            self.pager = self.loop.create_task(pager.run())

    def _crash(self, crash: Crash) -> None:
        self.oracle.crashes += 1
        self.oracle.counts["crashes"] += 1
        if crash.engine and self.engine is not None:
            if self.random.random() < 0.3:
                # The next one then starts from what was written down, and not from the first record.
                self.engine.intake.snapshot()
            self.engine.die()
            self.engine, self.oracle.engine_up = None, False
            self.ahead_us += round(crash.step_s * SECOND_US)
        if crash.pager and self.pager is not None:
            self.pager.cancel()
            self.pager, self.oracle.pager_up = None, False
        self.loop.call_later(crash.away_s, self._again)

    def _again(self) -> None:
        try:
            self.open()
        except BaseException as failed:  # noqa: BLE001 - a timer's own failure would go unnoticed
            self.fail(failed)

    def fail(self, failed: BaseException) -> None:
        """Remember the first thing that went wrong."""
        self.broken = self.broken or failed

    async def close(self) -> None:
        """End everything, so that the next night begins on a clean loop."""
        self.loop.kill_after([])
        if self.engine is not None:
            self.engine.die()
            self.engine = None
        if self.pager is not None:
            self.pager.cancel()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    # ------------------------------------------------------------ the engine, from outside

    async def ask(self, request: Any, *, timeout_s: float | None = None) -> Any:
        """Ask the engine that is there. Raises as it refuses, and `Unreachable` when it is gone."""
        del timeout_s
        engine = self.engine
        if engine is None:
            raise Unreachable("the engine is away", cure="ask again")
        answer = self.loop.create_future()
        task = self.loop.create_task(engine.handlers[type(request)](request))
        engine.asked[task] = answer
        task.add_done_callback(lambda done: self._answered(engine, done))
        try:
            said = await answer
        except asyncio.CancelledError:
            task.cancel()
            raise
        if isinstance(request, TakeNotifications):
            for each in said.notifications:
                key = (each.notification.notification_id, each.notification.attempt)
                self.oracle.given.setdefault(key, self.loop.now_s)
        return said

    def _answered(self, engine: Engine, task: asyncio.Task[Any]) -> None:
        answer = engine.asked.pop(task)
        if task.cancelled():
            if not answer.done():
                answer.cancel()
            return
        failed = task.exception()
        if answer.done():
            return
        if failed is None:
            answer.set_result(task.result())
            return
        answer.set_exception(failed)
        if not isinstance(failed, WatchkeeperError):
            self.fail(failed)

    async def set_stop(self, _request: wire.SetStop) -> None:
        """Set a stop, which outlives every engine."""
        await asyncio.sleep(0)
        self.stops = (Stop(scope=Scope("all"), by="ladder", reason="", at_us=0),)
        self.oracle.fenced = True

    def see(self, records: list[Record]) -> None:
        """Show the oracle what reached the disk."""
        self.oracle.now_s = self.loop.now_s
        for record in records:
            try:
                self.oracle.see(decode(record.body))
            except BaseException as failed:  # noqa: BLE001 - the engine must not catch it
                self.fail(failed)

    # ------------------------------------------------------------ what providers reach

    def tried(self, message: Message) -> None:
        """A notification is at its provider."""
        self.oracle.now_s = self.loop.now_s
        try:
            self.oracle.tried(message)
        except BaseException as failed:  # noqa: BLE001 - the pager must not catch it
            self.fail(failed)

    def unsure(self, message: Message) -> None:
        """Nobody will know what became of this one."""
        self.oracle.unsure[message.notification_id] += 1

    def deliver(self, provider: Provider, message: Message) -> None:
        """A page reached somebody."""
        self.oracle.now_s = self.loop.now_s
        try:
            self.oracle.page(message)
        except BaseException as failed:  # noqa: BLE001 - a timer's own failure would go unnoticed
            self.fail(failed)
        if message.person and message.purpose in {"wake", "again"}:
            self.woken(provider, message)

    def woken(self, provider: Provider, message: Message) -> None:
        """Say what somebody does who is woken. The play fills it in."""
        raise NotImplementedError

    async def report(self, message: Message, delivery: Any, after_s: float) -> None:
        """A provider calls back; where nobody is there, it tries once more."""
        await asyncio.sleep(after_s)
        request = ReportNotification(notification_id=message.notification_id, delivery=delivery)
        for _ in range(2):
            try:
                await self.ask(request)
            except Unreachable:
                await asyncio.sleep(10)
            else:
                return

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Have something done."""
        task = self.loop.create_task(self._guarded(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except asyncio.CancelledError:
            raise
        except BaseException as failed:  # noqa: BLE001 - nobody waits for it
            self.fail(failed)

    # ------------------------------------------------------------ the pager's book

    def address(self, person: PersonId, channel: str) -> str:
        """Return where somebody is reached."""
        return f"{person}@{channel}"

    def clock(self, _person: PersonId, at_us: int) -> str:
        """Write a moment."""
        return str(at_us)

    def role(self, _person: PersonId) -> Role:
        """Everybody may answer."""
        return "captain"
