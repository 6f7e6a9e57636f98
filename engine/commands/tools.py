"""What every command works with: the engine, the journal to look things up in, the fence, and the people."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from engine.commands.hearing import Engine
from engine.commands.standing import Standing, standing_of
from engine.commands.stopping import Stopping
from engine.core.vocabulary.ids import DecisionId
from engine.errors import InputError, Unreachable
from engine.ports import DecisionsReader, Fence, Links, Replays, Shelf, StepUp
from engine.runtime import wire

_Answer = TypeVar("_Answer")
# Looking through a journal keeps one reader busy, so more hands would only wait for each other.
_LOOKERS: Final = 2


class Tools:
    """The means of the desk. Nothing in here decides who may use them."""

    def __init__(
        self,
        *,
        engine: Engine,
        journal: Callable[[], DecisionsReader],
        looking: Callable[[], DecisionsReader],
        fence: Fence,
        sweep: Callable[[], object],
        links: Links,
        step_up: StepUp,
        replays: Replays,
        shelf: Shelf,
        version: str,
    ) -> None:
        """`journal` is for what is found by its key, `looking` for long walks in threads."""
        self.engine, self.fence, self.links, self.step_up = engine, fence, links, step_up
        self.replays, self.shelf, self.version = replays, shelf, version
        self.stopping = Stopping(engine, fence, sweep)
        self._journal, self._looking = journal, looking
        self._lookers = ThreadPoolExecutor(_LOOKERS, thread_name_prefix="look")

    async def close(self) -> None:
        """Let go of everything."""
        await self.stopping.close()
        self._lookers.shutdown(wait=False, cancel_futures=True)

    async def ask(
        self, request: wire.AnyRequest, kind: type[_Answer], *, timeout_s: float | None = None
    ) -> _Answer:
        """Ask the engine, and return an answer of this kind.

        Raises as the engine refuses, and `Unreachable`.
        """
        answer = await self.engine.ask(request, timeout_s=timeout_s)
        if not isinstance(answer, kind):
            raise Unreachable(
                f"the engine answered {type(answer).__name__} where {kind.__name__} was due",
                cure="run engine and front-ends of one version: watchkeeper status",
            )
        return answer

    def journal(self) -> DecisionsReader:
        """Return the journal for what is found by its key. Raises `Unreachable` while there is none."""
        return _there(self._journal)

    async def look(self, question: Callable[[DecisionsReader], _Answer]) -> _Answer:
        """Look through the journal in a thread, for that may take long. Raises as `journal` does."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._lookers, lambda: question(_there(self._looking)))

    def standing(self, decision: str) -> Standing:
        """Return where a decision stands. Raises `InputError` when there is none of that id."""
        found = standing_of(self.journal(), DecisionId(decision))
        if found is None:
            raise InputError(f"there is no decision {decision}", cure="/decisions shows the newest")
        return found


def now_us() -> int:
    """Return the machine's time, microseconds since 1970."""
    return time.time_ns() // 1000


def _there(opened: Callable[[], DecisionsReader]) -> DecisionsReader:
    try:
        return opened()
    except InputError as none:
        raise Unreachable(
            "there is no journal yet", place=none.place, cure="start the engine: watchkeeper up"
        ) from none
