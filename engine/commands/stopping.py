"""Stopping from a front-end: the fence first, by hands of its own; everything else follows from it."""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final, Literal, TypeVar

from msgspec import Struct

from engine.commands.hearing import Engine
from engine.core.vocabulary.ids import PersonId
from engine.errors import WatchkeeperError
from engine.ports import Fence, Stop
from engine.runtime import wire

_Word = TypeVar("_Word")
# The fence is what stops things; the rest is told, and waited for no longer than a blink.
_BLINK_S: Final = 0.03
_TELL_S: Final = 2.0
# Neither those that look through journals nor those that end what is under way may keep a stop waiting, nor
# one kind of asker another.
_HANDS: Final = 4

Swept = Literal["done", "not yet", "failed"]
EngineWord = Literal["told", "not yet", "away"]


class StopSet(Struct, frozen=True, kw_only=True):
    """What is known of a stop a blink after its fence became durable."""

    stop: Stop
    fence_s: float
    """How long it took until it was durable, seconds."""
    swept: Swept
    """`done`, `not yet` or `failed`: whether what was under way has been ended."""
    engine: EngineWord
    """`told`, `not yet` or `away`."""


class Stopping:
    """Sets stops. Needs no engine."""

    def __init__(
        self,
        engine: Engine,
        fence: Fence,
        sweep: Callable[[], object],
        *,
        askers: tuple[str, ...] = ("person",),
    ) -> None:
        """`sweep` ends what is under way behind the fence; each kind of `askers` has hands of its own."""
        self._engine, self._fence, self._sweep = engine, fence, sweep
        self._setters = {
            asker: ThreadPoolExecutor(_HANDS, thread_name_prefix=f"stop-{asker}") for asker in askers
        }
        self._sweepers = ThreadPoolExecutor(_HANDS, thread_name_prefix="sweep")
        self._next_sweep: Future[object] | None = None
        self._behind: set[asyncio.Task[Any]] = set()

    async def set(self, stop: Stop, *, asker: str = "person") -> StopSet:
        """Set the fence and return once it is durable, and a blink later. Raises `StorageError`."""
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        try:
            # Whoever goes away does not take their stop back.
            await asyncio.shield(loop.run_in_executor(self._setters[asker], self._fence.set, stop))
        except WatchkeeperError:
            # No fence is worse than none told: the engine may still be able to stop itself.
            self._later(self._tell(stop))
            raise
        fence_s = loop.time() - began_s
        swept, told = self._later(self._end_covered()), self._later(self._tell(stop))
        await asyncio.wait({swept, told}, timeout=_BLINK_S)
        return StopSet(
            stop=stop,
            fence_s=fence_s,
            swept=swept.result() if swept.done() else "not yet",
            engine=told.result() if told.done() else "not yet",
        )

    async def close(self, *, at_once: bool = False) -> None:
        """Let go of the hands. What is under way is waited for, or broken off if `at_once`."""
        if at_once:
            for task in self._behind:
                task.cancel()
        await asyncio.gather(*self._behind, return_exceptions=True)
        for hands in (*self._setters.values(), self._sweepers):
            hands.shutdown(wait=False, cancel_futures=True)

    async def _end_covered(self) -> Swept:
        following = self._next_sweep
        # One that has not begun yet will see the newest stop too.
        if following is None or following.running() or following.done():
            following = self._next_sweep = self._sweepers.submit(self._sweep)
        try:
            await asyncio.shield(asyncio.wrap_future(following))
        except WatchkeeperError:
            return "failed"
        return "done"

    async def _tell(self, stop: Stop) -> EngineWord:
        request = wire.SetStop(scope=stop.scope, by=PersonId(stop.by), reason=stop.reason)
        try:
            await self._engine.ask(request, timeout_s=_TELL_S)
        except WatchkeeperError:
            return "away"
        return "told"

    def _later(self, work: Coroutine[Any, Any, _Word]) -> "asyncio.Task[_Word]":
        task = asyncio.create_task(work)
        self._behind.add(task)
        task.add_done_callback(self._behind.discard)
        return task
