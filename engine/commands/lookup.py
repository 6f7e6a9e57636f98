"""Lookup: asking the engine, and reading the journal beside it, the same way in every front-end."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

from engine.commands.hearing import Engine
from engine.core.vocabulary import facts as f
from engine.errors import InputError, Unreachable
from engine.ports import DecisionsReader
from engine.runtime import wire

_Answer = TypeVar("_Answer")
# Looking through a journal keeps one reader busy, so more hands would only wait for each other.
_LOOKERS: Final = 2
_BACK: Final = 100_000
_PAGE: Final = 250


class Lookup:
    """The engine, and the journal that is there with it or without."""

    def __init__(
        self, engine: Engine, journal: Callable[[], DecisionsReader], looking: Callable[[], DecisionsReader]
    ) -> None:
        """`journal` is for what is found by its key, `looking` for long walks in threads."""
        self.engine = engine
        self._journal, self._looking = journal, looking
        self._lookers = ThreadPoolExecutor(_LOOKERS, thread_name_prefix="look")

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

    def let_go(self) -> None:
        """Look no more; what is being looked at comes to its end by itself."""
        self._lookers.shutdown(wait=False, cancel_futures=True)


def newest(
    journal: DecisionsReader,
    kinds: Sequence[type[f.Fact]],
    fits: Callable[[Any], bool],
    *,
    most: int,
) -> list[tuple[int, Any]]:
    """Return the newest facts of these kinds that fit, newest first, each with the number of its record.

    Looks back over 100,000 records, whatever they are, so it may take tenths of a second: ask in a thread.
    """
    tags = [f.tag_of(kind) for kind in kinds]
    after = max(0, journal.head().seq - _BACK)
    found: list[tuple[int, Any]] = []
    before = None
    while True:
        page = journal.facts(*tags, before=before, most=_PAGE, after=after)
        read = ((record.seq, f.decode(record.body)) for record in page.records)
        found += [(seq, fact) for seq, fact in read if fits(fact)]
        before = page.before
        if before is None or len(found) >= most:
            return found[:most]


def _there(opened: Callable[[], DecisionsReader]) -> DecisionsReader:
    try:
        return opened()
    except InputError as none:
        raise Unreachable(
            "there is no journal yet", place=none.place, cure="start the engine: watchkeeper up"
        ) from none
