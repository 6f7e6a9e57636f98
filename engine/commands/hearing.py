"""Hearing: one subscription to the engine, which wakes everybody who waits for something to happen.

It carries hints only. The truth is the journal: who was woken looks there, and looks now and then unasked, so
nothing is missed while the engine restarts.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import Final, Protocol

from engine.core.vocabulary.facts import (
    DecisionOverridden,
    EffectEnded,
    EffectEndTold,
    EffectStarted,
    Fact,
    HoldEnded,
    OutcomeReported,
    UndoRequested,
    VerdictReached,
)
from engine.core.vocabulary.ids import DecisionId, decision_id
from engine.errors import WatchkeeperError
from engine.runtime import wire

LOOK_S: Final = 1.0
"""How often those who wait look into the journal without having been woken."""
_FIRST_PAUSE_S: Final = 0.05
_LONGEST_PAUSE_S: Final = 1.0
_BEAT_S: Final = 1.0
_AWAY_S: Final = 0.2
_STALE_S: Final = 3.0


class Engine(Protocol):
    """What the front-ends need of the engine's client."""

    async def ask(self, request: wire.AnyRequest, *, timeout_s: float | None = None) -> wire.AnyAnswer:
        """Ask, and return the answer. Raises the error a refusal names, and `Unreachable`."""

    def subscribe(self) -> AsyncIterator[wire.Happened]:
        """Hear of everything that happens from now on, until the engine goes away."""


class Hearing:
    """Wakes who waits, and knows whether the engine answers, without anybody waiting for it."""

    def __init__(self, engine: Engine) -> None:
        """Listen to nobody yet: `run` does."""
        self._engine = engine
        self._about: dict[DecisionId, set[asyncio.Event]] = {}
        self._all: set[asyncio.Event] = set()
        self._answered_s: float | None = None
        self.closing = False
        """Whether the server is on its way out: nobody waits any longer then."""

    async def run(self) -> None:
        """Listen and ask how the engine is, for ever, through every restart of it. End it by cancelling."""
        async with asyncio.TaskGroup() as both:
            both.create_task(self._listen())
            both.create_task(self._beat())

    @property
    def engine_answers(self) -> bool:
        """Whether the engine answered lately."""
        now_s = asyncio.get_running_loop().time()
        return self._answered_s is not None and now_s - self._answered_s < _STALE_S

    def close(self) -> None:
        """Wake everybody a last time."""
        self.closing = True
        self._wake_all()

    @contextlib.contextmanager
    def about(self, decision: DecisionId) -> Iterator[asyncio.Event]:
        """Give a flag that is raised when something happens to a decision."""
        flag = asyncio.Event()
        self._about.setdefault(decision, set()).add(flag)
        try:
            yield flag
        finally:
            waiting = self._about[decision]
            waiting.discard(flag)
            if not waiting:
                del self._about[decision]

    @contextlib.contextmanager
    def about_all(self) -> Iterator[asyncio.Event]:
        """Give a flag that is raised when anything happens."""
        flag = asyncio.Event()
        self._all.add(flag)
        try:
            yield flag
        finally:
            self._all.discard(flag)

    async def wait(self, flag: asyncio.Event, *, at_most_s: float = LOOK_S) -> None:
        """Wait until a flag is raised or it is time to look unasked, and lower it."""
        if not self.closing:
            # Not `wait_for`, which on Python 3.11 may swallow that we are told to end.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(at_most_s):
                    await flag.wait()
        flag.clear()

    async def _listen(self) -> None:
        pause_s = _FIRST_PAUSE_S
        while True:
            try:
                async for happened in self._engine.subscribe():
                    pause_s = _FIRST_PAUSE_S
                    self._heard(happened.fact)
            except WatchkeeperError:
                pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)
            # Whatever happened in between, whoever waits finds it in the journal.
            self._wake_all()
            await asyncio.sleep(pause_s)

    async def _beat(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            pause_s = _AWAY_S
            with contextlib.suppress(WatchkeeperError):
                await self._engine.ask(wire.GetStatus(), timeout_s=_BEAT_S)
                self._answered_s, pause_s = loop.time(), _BEAT_S
            await asyncio.sleep(pause_s)

    def _heard(self, fact: Fact) -> None:
        for flag in self._all:
            flag.set()
        decision = _decision_of(fact)
        if decision is not None:
            for flag in self._about.get(decision, ()):
                flag.set()

    def _wake_all(self) -> None:
        for flags in (self._all, *self._about.values()):
            for flag in flags:
                flag.set()


def _decision_of(fact: Fact) -> DecisionId | None:
    effects = EffectStarted | EffectEnded | EffectEndTold
    if isinstance(fact, effects | UndoRequested | HoldEnded | DecisionOverridden):
        return fact.decision_id
    if isinstance(fact, VerdictReached):
        return fact.verdict.decision_id
    if isinstance(fact, OutcomeReported):
        return decision_id(fact.proposal_id)
    return None
