"""Virtual time: a loop on which an hour takes milliseconds, and that can stop between any two steps."""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import Callable
from itertools import count
from typing import Any, Final

_NEVER: Final = 1 << 60
_MOST_STEPS: Final = 30_000_000
"""A night takes some thousands, a month some millions. Whatever takes so many goes round and round."""


class Handle:
    """Something that is to be called, unless it is cancelled."""

    __slots__ = ("_when", "args", "callback")

    def __init__(self, callback: Callable[..., object], args: tuple[Any, ...], when: float) -> None:
        """Know what, and when."""
        self.callback: Callable[..., object] | None = callback
        self.args, self._when = args, when

    def cancel(self) -> None:
        """Do not call it."""
        self.callback, self.args = None, ()

    def cancelled(self) -> bool:
        """Whether it was cancelled."""
        return self.callback is None

    def when(self) -> float:
        """Return when it is called."""
        return self._when


class VirtualLoop(asyncio.BaseEventLoop):
    """An event loop without a machine below it.

    Where nothing is ready it is at once the time of the next timer. A step is what runs from one await of one
    task to its next: between any two steps, and so at every await, somebody may die. Of what the standard
    library's own does it leaves out sockets, threads and contexts of variables, and with them half the work.
    """

    def __init__(self) -> None:
        """Begin at zero."""
        super().__init__()
        self.now_s = 0.0
        self.steps = 0
        self._soon: deque[Handle] = deque()
        self._timers: list[tuple[float, int, Handle]] = []
        self._numbers = count()
        self._deaths: list[tuple[int, Callable[[], None]]] = []
        self._next = _NEVER

    def time(self) -> float:
        """Return the time."""
        return self.now_s

    def call_soon(self, callback: Callable[..., object], *args: Any, context: Any = None) -> Any:
        """Have something called in the next round."""
        handle = Handle(callback, args, self.now_s)
        self._soon.append(handle)
        return handle

    def call_at(self, when: float, callback: Callable[..., object], *args: Any, context: Any = None) -> Any:
        """Have something called at a time."""
        handle = Handle(callback, args, when)
        heapq.heappush(self._timers, (when, next(self._numbers), handle))
        return handle

    def call_later(
        self, delay: float, callback: Callable[..., object], *args: Any, context: Any = None
    ) -> Any:
        """Have something called after a while."""
        return self.call_at(self.now_s + delay, callback, *args)

    def create_task(self, coro: Any, *, name: Any = None, context: Any = None) -> Any:
        """Have a coroutine run. Numbers for names cost more than they say here."""
        return asyncio.Task(coro, loop=self, name=name or "task")

    def restart(self) -> None:
        """Count from zero again."""
        self.now_s, self.steps = 0.0, 0
        self._timers.clear()
        self.kill_after([])

    def kill_after(self, deaths: list[tuple[int, Callable[[], None]]]) -> None:
        """Have something happen after so many steps, for each of these, the first one first."""
        self._deaths = deaths[::-1]
        self._next = deaths[0][0] if deaths else _NEVER

    def _run_once(self) -> None:
        soon, timers = self._soon, self._timers
        if self.steps > _MOST_STEPS:
            raise RuntimeError("it goes round and round")
        while timers and timers[0][2].callback is None:
            heapq.heappop(timers)
        if not soon:
            if not timers:
                raise RuntimeError("everything waits, and nothing will ever come")
            self.now_s = max(self.now_s, timers[0][0])
        while timers and timers[0][0] <= self.now_s:
            soon.append(heapq.heappop(timers)[2])
        for _ in range(len(soon)):
            handle = soon.popleft()
            if (callback := handle.callback) is not None:
                callback(*handle.args)
                self.steps += 1
                if self.steps >= self._next:
                    self._die()

    def _die(self) -> None:
        self._deaths.pop()[1]()
        self._next = self._deaths[-1][0] if self._deaths else _NEVER
