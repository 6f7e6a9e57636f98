"""Stops as the engine keeps them: what stands in the fence stands in the journal, and the other way round.

Anybody can put a stop into the fence, with the engine dead or spinning. The journal entry follows from here.
Only a captain's word in the journal takes one down again.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from engine.core.vocabulary.facts import KillSwitchCleared, KillSwitchSet, Scope
from engine.core.vocabulary.ids import PersonId
from engine.errors import InputError
from engine.ports import Announcer, Fence, Stop
from engine.runtime import wire
from engine.runtime.intake import Intake

# A file nobody can read stands as a stop of everything, and never under the name it has.
_MOST_TRIES: Final = 3


class StopKeeper:
    """Sets, lifts and mirrors stops."""

    def __init__(
        self,
        intake: Intake,
        fence: Fence,
        now_us: Callable[[], int],
        announcer: Announcer,
        lifted: Callable[[], None],
    ) -> None:
        """`lifted` is called when a stop is gone: effects that waited behind it may go on."""
        self._intake, self._fence, self._now_us = intake, fence, now_us
        self._announcer, self._lifted = announcer, lifted
        # One change at a time: while a stop is being lifted the fence still shows it.
        self._one = asyncio.Lock()

    async def set(self, request: wire.SetStop) -> wire.Done:
        """Put a stop up, durably, and journal it."""
        stop = Stop(scope=request.scope, by=request.by, reason=request.reason, at_us=self._now_us())
        for _ in range(_MOST_TRIES):
            await asyncio.to_thread(self._fence.set, stop)
            await self.mirror()
            # The same stop may just have been lifted: whoever stops at that moment means it.
            if stop.scope in {one.scope for one in self._fence.stops()}:
                break
        return wire.Done()

    async def lift(self, request: wire.LiftStop) -> wire.Done:
        """Journal that a stop is over, and only then take it down. Raises `InputError` when there is none."""
        if not request.reason.strip():
            raise InputError("a reason is needed", cure="say why it is safe to go on")
        async with self._one:
            await self._mirror()
            standing = self._intake.state.stops.by_scope
            if str(request.scope) not in standing:
                known = ", ".join(standing) or "none"
                raise InputError(f"no stop of {request.scope} stands", cure=f"those that stand: {known}")
            now_us = self._now_us()
            fact = KillSwitchCleared(at_us=now_us, scope=request.scope, by=request.by, reason=request.reason)
            await self._intake.take(f"resume:{request.scope}:{self._intake.journal.head().seq}", fact)
            await asyncio.to_thread(self._fence.clear, request.scope)
        self._announcer.announce("resumed", f"{request.by} resumed {request.scope}: {request.reason}")
        self._lifted()
        return wire.Done()

    async def mirror(self) -> None:
        """Bring journal and fence to the same stops."""
        async with self._one:
            await self._mirror()

    async def catch_up(self) -> None:
        """Journal the stops that the fence has and the journal lacks, if any. Raises `StorageError`.

        Costs a look at the fence, some microseconds. Whoever proposes after a stop was set, by whatever way,
        is decided on behind it.
        """
        standing = self._intake.state.stops.by_scope
        if any(str(stop.scope) not in standing for stop in self._fence.stops()):
            await self.mirror()

    async def _mirror(self) -> None:
        standing = dict(self._intake.state.stops.by_scope)
        fenced = {str(stop.scope): stop for stop in self._fence.stops()}
        for name in fenced.keys() - standing.keys():
            stop = fenced[name]
            fact = KillSwitchSet(at_us=stop.at_us, scope=stop.scope, by=PersonId(stop.by), reason=stop.reason)
            # The same stop may be set again after it was lifted, so its key needs the place it has.
            await self._intake.take(f"stop:{name}:{self._intake.journal.head().seq}", fact)
            because = f": {stop.reason}" if stop.reason else ""
            self._announcer.announce("stopped", f"{stop.by} stopped {name}{because}", urgent=True)
        for name in standing.keys() - fenced.keys():
            # Taken down by hand, lost with a disk, or set by the dead man's rule. Not lifted by a captain.
            fact = standing[name]
            stop = Stop(scope=fact.scope, by=fact.by, reason=fact.reason, at_us=fact.at_us)
            await asyncio.to_thread(self._fence.set, stop)
            self._announcer.announce("stopped", f"the stop of {name} by {fact.by} stands", urgent=True)


def scope_of(text: str) -> Scope:
    """Read a scope as people write it: `all`, `agent:coder-1`. Raises `InputError`.

    >>> scope_of("agent:coder-1")
    Scope(kind='agent', name='coder-1')
    """
    kind, _, name = text.strip().partition(":")
    try:
        if kind not in {"all", "agent", "capability", "action"}:
            raise ValueError(f"{kind!r} is no kind of scope")
        return Scope(kind, name)  # type: ignore[arg-type]  # just checked
    except ValueError as wrong:
        raise InputError(
            str(wrong), place="scope", cure="write all, agent:NAME, capability:NAME or action:NAME"
        ) from None
