"""A desk on a live engine in this process, for simulating whoever answers what waits: no disk, no clock."""

from __future__ import annotations

import contextlib
import itertools
from bisect import bisect_left, insort
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

from engine.adapters.fence_memory import MemoryFence
from engine.commands.cards import card
from engine.commands.desk import Desk
from engine.commands.model import Account, Reply
from engine.commands.tools import Tools
from engine.core.policy import Policy
from engine.core.vocabulary import facts as f
from engine.core.vocabulary.chain import Record
from engine.core.vocabulary.ids import DecisionId, EffectId, PersonId
from engine.core.vocabulary.units import MINUTE_US
from engine.ports import Durability
from engine.runtime import wire
from engine.runtime.clock import SteadyClock
from engine.runtime.live import Live
from engine.runtime.outbox import proposal_of, verdict_of
from engine.runtime.parts import Parts, SavedSnapshot
from engine.wiring.privacy import make_scrubber
from tests.faults.people.parts import Store

_RAY = Account(front="terminal", account_id="tty", person=PersonId("ray"), role="responder")


class _Shelf(Store):
    """A journal in memory in which what begins with a word is found at once."""

    def __init__(self) -> None:
        super().__init__()
        self._keys: list[str] = []

    def append(self, entries: Any, **given: Any) -> list[Record]:
        before = self.head().seq
        made = super().append(entries, **given)
        for record in made:
            if record.seq > before:
                insort(self._keys, record.key)
        return made

    def with_prefix(self, prefix: str) -> list[Record]:
        found = []
        for key in itertools.islice(self._keys, bisect_left(self._keys, prefix), None):
            if not key.startswith(prefix):
                break
            found.append(cast("Record", self.find(key)))
        return sorted(found, key=lambda record: record.seq)


class _Silence:
    def announce(self, kind: str, text: str, *, urgent: bool = False) -> None:
        """Tell nobody."""


class _InProcess:
    """The engine as the desk reaches it."""

    def __init__(self, live: Live) -> None:
        self._live = live

    async def ask(self, request: Any, **_given: Any) -> Any:
        return await self._live.answer(request)


class AtDesk:
    """One person at a desk, and the time of a recording."""

    def __init__(self, live: Live, desk: Desk, journal: Store, now: list[int]) -> None:
        """Use `AtDesk.open`."""
        self._live, self._desk, self._journal, self._now = live, desk, journal, now
        self._numbers = itertools.count()

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, policy: Policy) -> AsyncIterator[AtDesk]:
        """Open a desk under a policy, and close it in the end."""

        async def nothing(_effect: EffectId) -> None:
            pass

        journal, fence, now = _Shelf(), MemoryFence(), [0]
        live = Live(
            Parts(
                policy=policy,
                open_journal=lambda: journal,
                fence=fence,
                clock=SteadyClock(lambda: now[0], lambda: now[0]),
                announcer=_Silence(),
                scrubber=make_scrubber(),
                home=Path("nowhere"),
                version="0",
                lease_s=5.0,
                start_within_s=3600.0,
                end_leftovers=nothing,
                save_snapshot=lambda: SavedSnapshot(snapshot_id="", journal_seq=0, files=0, size_bytes=0),
            )
        )
        tools = Tools(
            engine=cast("Any", _InProcess(live)),
            journal=lambda: journal,
            looking=lambda: journal,
            fence=fence,
            sweep=lambda: None,
            links=cast("Any", None),
            step_up=cast("Any", None),
            replays=cast("Any", None),
            shelf=cast("Any", None),
            version="0",
        )
        desk = Desk(tools)
        try:
            yield cls(live, desk, journal, now)
        finally:
            await desk.close()

    async def pass_to(self, at_us: int) -> None:
        """Let time pass, with a tick for every minute in which anything happens."""
        before, self._now[0] = self._now[0], max(self._now[0], at_us)
        if before // MINUTE_US != self._now[0] // MINUTE_US:
            tick = f.TimePassed(at_us=self._now[0], schedule="minute")
            await self._live.intake.take(f"time:minute:{self._now[0]}", tick, durability=Durability.RELAXED)

    async def ask(self, request: Any) -> Any:
        """Ask the engine."""
        return await self._live.answer(request)

    async def tell(self, fact: Any) -> None:
        """Have the engine take what was recorded beside proposals."""
        await self.ask(wire.Tell(key=f"recorded:{next(self._numbers)}", fact=fact))

    async def report(self, fact: f.OutcomeReported) -> None:
        """Have the agent report what came of its call."""
        request = wire.ReportOutcome(
            proposal_id=fact.proposal_id, agent=fact.agent, ok=fact.ok, detail=fact.detail
        )
        await self.ask(request)

    # ------------------------------------------------------------ the person

    def card(self, decision: str) -> Reply:
        """Return the message that shows a decision."""
        return card(cast("Any", self._journal), self._desk.tools.standing(decision))

    async def hear(self, line: str) -> Reply:
        """Say something, and return the answer, or the question."""
        return await self._desk.give(line, _RAY, f"k{next(self._numbers)}")

    async def press(self, asked: Reply) -> Reply:
        """Press the first button of a question."""
        return await self.hear(asked.buttons[0].line)

    async def say(self, line: str) -> Reply:
        """Say something, and confirm it if asked."""
        reply = await self.hear(line)
        return await self.press(reply) if reply.outcome == "asks" else reply

    # ------------------------------------------------------------ what the decision is about

    def proposal_of(self, decision: str) -> str:
        """Return the proposal that a decision is about."""
        return verdict_of(self._journal, DecisionId(decision)).proposal_id

    def action_of(self, decision: str) -> tuple[str, dict[str, Any]]:
        """Return a decision's action and arguments."""
        verdict = verdict_of(self._journal, DecisionId(decision))
        return verdict.action, proposal_of(self._journal, verdict).args
